"""The bot as a service: a listener for each platform beside one deliverer."""

import logging
from collections.abc import Sequence
from threading import Event, Lock, Thread

from bot.deliver import Deliverer
from bot.ledger import Ledger
from bot.listener import Listener
from bot.platforms.base import Closed, Platform
from bot.settings import Settings
from worker.queue import DELIVER_JOB, Queues
from worker.service import Service
from worker.store import Store

log = logging.getLogger(__name__)

SECONDS_TO_END = 15  # for a listener that is reading; what it has not committed is read again


class Bot:
    """Listens on its platforms and delivers to them."""

    def __init__(
        self, platforms: Sequence[Platform], ledger: Ledger, queues: Queues, store: Store, settings: Settings
    ) -> None:
        music, manners = (settings.genres, settings.default_genre), settings.manners
        self._listeners = {each.name: Listener(each, ledger, queues, *music, manners=manners) for each in platforms}
        self._ends = {name: Event() for name in self._listeners}
        self._open = {platform.name: platform for platform in platforms}
        self._closing = Lock()
        self._deliverer = Deliverer(self._open, ledger, store, *music, manners=manners)
        self._service = Service(queues.deliver, queues.redis, {DELIVER_JOB: self._deliver})
        self._troubles: list[BaseException] = []

    def run(self) -> None:
        """Serve until SIGTERM, SIGINT or `stop`; only in the main thread.

        Raises:
            NeedsOperator: The last network refuses our token, the disk is full, Redis is gone for good.
        """
        threads = [Thread(target=self._listen, args=(name,), daemon=True) for name in self._listeners]
        for thread in threads:
            thread.start()
        try:
            self._service.run()
        finally:
            for end in self._ends.values():
                end.set()
            for thread in threads:
                thread.join(SECONDS_TO_END)
        for trouble in self._troubles:
            raise trouble

    def stop(self) -> None:
        """End after the delivery in hand; from any thread."""
        self._service.stop()

    def _deliver(self, key: str, track_json: str | None) -> None:
        try:
            self._deliverer.deliver(key, track_json)
        except Closed as trouble:
            if not self._close(trouble):
                raise

    def _close(self, trouble: Closed) -> bool:
        """Go on without a network that refuses us; False when it was the last."""
        with self._closing:
            if self._open.pop(trouble.platform, None) and self._open:
                log.error("%s; going on with %s", trouble, " and ".join(self._open))
        self._ends[trouble.platform].set()
        return bool(self._open)

    def _listen(self, name: str) -> None:
        try:
            self._listeners[name].run(self._ends[name])
        except Closed as trouble:
            if not self._close(trouble):
                self._troubles.append(trouble)
                self.stop()
        except BaseException as trouble:
            self._troubles.append(trouble)
            self.stop()

"""The bot as a service: a listener for each platform beside one deliverer."""

import logging
from collections.abc import Sequence
from threading import Event, Thread

from bot.deliver import Deliverer
from bot.ledger import Ledger
from bot.listener import Listener
from bot.platforms.base import Platform
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
        genres, default_genre = settings.genres, settings.default_genre
        self._listeners = [Listener(platform, ledger, queues, genres, default_genre) for platform in platforms]
        names = {platform.name: platform for platform in platforms}
        deliverer = Deliverer(names, ledger, store, genres, default_genre)
        self._service = Service(queues.deliver, queues.redis, {DELIVER_JOB: deliverer.deliver})
        self._ended = Event()
        self._troubles: list[BaseException] = []

    def run(self) -> None:
        """Serve until SIGTERM, SIGINT or `stop`; only in the main thread.

        Raises:
            NeedsOperator: A token is refused, the disk is full, Redis is gone for good.
        """
        threads = [Thread(target=self._listen, args=(each,), daemon=True) for each in self._listeners]
        for thread in threads:
            thread.start()
        try:
            self._service.run()
        finally:
            self._ended.set()
            for thread in threads:
                thread.join(SECONDS_TO_END)
        for trouble in self._troubles:
            raise trouble

    def stop(self) -> None:
        """End after the delivery in hand; from any thread."""
        self._service.stop()

    def _listen(self, listener: Listener) -> None:
        try:
            listener.run(self._ended)
        except BaseException as trouble:
            self._troubles.append(trouble)
            self.stop()

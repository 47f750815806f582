"""The bot as a service: for each platform a listener and a deliverer, which no other platform keeps waiting."""

import logging
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Event, Thread
from types import FrameType

from bot.deliver import Deliverer
from bot.gates import Gates
from bot.ledger import Ledger
from bot.listener import Listener
from bot.platforms.base import Platform
from bot.settings import Settings
from worker.queue import DELIVER_JOB, Queues
from worker.service import Service
from worker.store import Store

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS = 0.2
SECONDS_TO_END = 15  # for a listener that is reading; what it has not committed is read again

Work = Callable[[Event], None]  # runs until the event is set


class Bot:
    """Listens on its platforms and delivers to them, each by itself."""

    def __init__(
        self,
        platforms: Sequence[Platform],
        ledger: Ledger,
        queues: Queues,
        store: Store,
        settings: Settings,
        *,
        beside: Sequence[Work] = (),
        on_hang_up: Callable[[], None] | None = None,
    ) -> None:
        for platform in platforms:
            ledger.settle(platform.name, platform.home)
        ledger.watch([platform.name for platform in platforms])
        music, manners = (settings.genres, settings.default_genre), settings.manners
        gates = Gates(platform.name for platform in platforms)
        self._listeners: list[Listener] = []
        self._services: list[Service] = []
        for each in platforms:
            mine = queues.to(each.name)
            deliverer = Deliverer({each.name: each}, ledger, store, *music, manners=manners, gates=gates)
            self._listeners.append(Listener(each, ledger, mine, *music, manners=manners, gates=gates))
            self._services.append(Service(mine.deliver, mine.redis, {DELIVER_JOB: deliverer.deliver}))
        self._beside, self._on_hang_up = beside, on_hang_up
        self._end = Event()
        self._stopping = self._hurrying = self._hung_up = False
        self._troubles: list[BaseException] = []

    def run(self) -> None:
        """Serve until SIGTERM, SIGINT or `stop`; only in the main thread. SIGHUP calls `on_hang_up`.

        Deliveries in hand are finished; a second signal leaves them to the next start.

        Raises:
            NeedsOperator: No network lets us in, the disk is full, Redis is gone for good.
        """
        with self._signals():
            services = [self._start(service.run) for service in self._services]
            others = [self._start(partial(listener.run, self._end)) for listener in self._listeners]
            others += [self._start(partial(work, self._end)) for work in self._beside]
            self._wait()
            self._stop_all()
            while any(thread.is_alive() for thread in services) and not self._hurrying:
                time.sleep(SECONDS_BETWEEN_LOOKS)
        for thread in others:
            thread.join(SECONDS_TO_END)
        for trouble in self._troubles:
            raise trouble

    def stop(self) -> None:
        """End after the deliveries in hand; from any thread."""
        self._stopping = True

    def _start(self, work: Callable[[], None]) -> Thread:
        def run() -> None:
            try:
                work()
            except BaseException as trouble:
                self._troubles.append(trouble)
                self.stop()

        thread = Thread(target=run, daemon=True)
        thread.start()
        return thread

    def _wait(self) -> None:
        while not self._stopping:
            time.sleep(SECONDS_BETWEEN_LOOKS)
            if self._hung_up and self._on_hang_up:
                self._hung_up = False
                self._on_hang_up()

    def _stop_all(self) -> None:
        self._end.set()
        for service in self._services:
            service.stop()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Handlers do no more than note a signal: they may break into anything."""
        wanted = {signal.SIGINT: self._asked_to_end, signal.SIGTERM: self._asked_to_end}
        if self._on_hang_up:
            wanted[signal.SIGHUP] = self._asked_to_look
        before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _asked_to_end(self, _number: int, _frame: FrameType | None) -> None:
        self._hurrying = self._stopping
        self._stopping = True

    def _asked_to_look(self, _number: int, _frame: FrameType | None) -> None:
        self._hung_up = True

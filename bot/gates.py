"""Which networks let us in: one that refuses our token or our account is left alone, and asked again now and then."""

import logging
import time
from collections.abc import Iterable
from threading import Lock
from typing import Literal

from bot.counters import REFUSED
from bot.platforms.base import Closed

log = logging.getLogger(__name__)

RETRY_SECONDS = 900.0

Deed = Literal["reading", "answering"]  # a token may be good for one of them


class Gates:
    """Of the networks of one bot, for all of its threads."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = tuple(names)
        self._shut: dict[str, tuple[Deed, float]] = {}  # what was refused, and until when it is not tried again
        self._open_since = dict.fromkeys(self._names, time.time())
        self._was_let_in = False
        self._lock = Lock()
        for name in self._names:
            REFUSED.labels(name).set(0)

    def is_shut(self, name: str) -> bool:
        """Whether a network is not to be answered for now; it may still be read, where it lets us."""
        shut = self._shut.get(name)
        return shut is not None and time.monotonic() < shut[1]

    def open_since(self, name: str) -> float:
        """Unix time at which a network last refused us, or at which we started; of what was before we know nothing."""
        return self._open_since[name]

    def refused(self, trouble: Closed, deed: Deed) -> float:
        """Leave a network alone for a while. Said once, until it lets us in again.

        Returns:
            Seconds until it may be tried again.

        Raises:
            Closed: Every network refuses us, and none has let us in since the start: somebody is there to mend it.
        """
        with self._lock:
            known = trouble.platform in self._shut
            self._shut[trouble.platform] = (deed, time.monotonic() + RETRY_SECONDS)
            self._open_since[trouble.platform] = time.time()
            if not self._was_let_in and self._shut.keys() >= {*self._names}:
                raise trouble
        REFUSED.labels(trouble.platform).set(1)
        if not known:
            others = [name for name in self._names if name not in self._shut]
            meanwhile = f", and going on with {' and '.join(others)}" if others else ""
            log.error("%s; asking again every %.0f minutes%s", trouble, RETRY_SECONDS / 60, meanwhile)
        return RETRY_SECONDS

    def let_in(self, name: str, deed: Deed) -> None:
        """Note that a network let us do something; one that refused something else is not open for that."""
        self._was_let_in = True
        with self._lock:
            shut = self._shut.get(name)
            if shut is None or shut[0] != deed:
                return
            del self._shut[name]
        REFUSED.labels(name).set(0)
        log.warning("%s: lets us in again", name)

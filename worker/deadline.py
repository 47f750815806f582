"""A deadline for one stage of a job, inside that of the job."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType


class TooSlow(Exception):
    """A stage was not done in its time; the message names it."""


@contextmanager
def deadline(stage: str, seconds: float) -> Iterator[None]:
    """Within a job, whose own deadline is a timer that runs already, what lasts longer than its stage may is `TooSlow`.

    Where no timer runs, nobody waits, and nothing is limited.
    """
    left, _ = signal.getitimer(signal.ITIMER_REAL)
    if left <= seconds or current_thread() is not main_thread():  # only the main thread can be interrupted
        yield
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise TooSlow(f"{stage}: not done after {seconds:g} s; the machine is too busy, or something hangs")

    handler, began = signal.signal(signal.SIGALRM, interrupt), time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, max(0.001, left - (time.monotonic() - began)))

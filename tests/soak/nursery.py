"""Where bots and workers are born: forked from a process that has imported everything, as they are killed so often.

Python starts that process, and it ends with the last of them; they end with ours.
"""

import importlib
import os
import signal
import sys
from collections.abc import Mapping
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread

_nursery = get_context("forkserver")
_nursery.set_forkserver_preload(["soak.hurried_bot", "soak.hurried_studio"])


class Child:
    """A process that runs `main` of a module of this package, with an environment and a log of its own."""

    def __init__(
        self, module: str, environment: Mapping[str, str], folder: Path, log: Path, arguments: tuple[str, ...]
    ) -> None:
        self._process = _nursery.Process(target=_live, args=(module, environment, folder, log, arguments), daemon=True)
        self._process.start()

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def is_alive(self) -> bool:
        return self._process.is_alive()

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.pid is not None and self.is_alive():
            os.kill(self.pid, number)

    def wait(self, seconds: float | None) -> bool:
        """Wait until it has ended; False when the time is over before that."""
        self._process.join(seconds)
        return not self._process.is_alive()


def _live(module: str, environment: Mapping[str, str], folder: Path, log: Path, arguments: tuple[str, ...]) -> None:
    Thread(target=_die_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(file, stream)
    sys.argv = [module, *arguments]
    importlib.import_module(f"soak.{module}").main()


def _die_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)

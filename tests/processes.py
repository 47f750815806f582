"""Starting parts of the house as processes of their own, and waiting for what they do."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

TESTS = Path(__file__).parent


@contextmanager
def started(
    script: str, *arguments: object, on: Sequence[str] = (), **variables: object
) -> Iterator[subprocess.Popen[str]]:
    """A script of this folder, on another host where `on` leads there, killed at the end if it still runs."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # a killed process leaves things behind
        own = {"PYTHONPATH": TESTS.parent, "TMPDIR": folder, **variables}
        environment = {**os.environ, **{name: str(value) for name, value in own.items()}}
        command = [*on, sys.executable, str(TESTS / script), *map(str, arguments)]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for something to be so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def running(*words: str) -> list[str]:
    """Command lines of living processes that hold all of these words."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if line and all(word in line for word in words):
            lines.append(line)
    return lines

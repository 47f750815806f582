"""Runs one program for as long as its parent lives; then ends it and removes its folder.

    python keeper.py FOLDER PROGRAM ARGUMENT…

Needs no package. Standard input is a pipe whose other end the parent holds: when the parent closes it, or dies in
whatever way, the program is killed. Should the keeper itself be killed, the kernel takes the program with it.
"""

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys

PR_SET_PDEATHSIG = 1

def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def keep(folder: str, command: list[str]) -> int:
    """Run a program until it ends or standard input does; its exit status."""
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_die_with_parent  # noqa: PLW1509  one thread
    )
    try:
        while child.poll() is None:
            readable, _, _ = select.select([0], [], [], 0.2)
            if readable and not os.read(0, 1024):
                break
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)  # also what it started; what is not handed over is of no use
        child.wait()
        shutil.rmtree(folder, ignore_errors=True)
    return child.returncode


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    sys.exit(keep(sys.argv[1], sys.argv[2:]))

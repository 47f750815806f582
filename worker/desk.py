"""Where one job lays out its files: a folder of its own, that is cleared away even when its process was killed."""

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree

from model.errors import CannotWrite, writing

PREFIX = ".lnh-desk-"
SECONDS_TO_SIT_DOWN = 60  # a desk younger than this may not be held yet


@contextmanager
def at_desk(place: Path | None = None) -> Iterator[Path]:
    """An empty folder in a place, or where temporary files go; desks there whose owners died are cleared first.

    Raises:
        CannotWrite: There is no room, no right to write, or no such place.
    """
    with _set_up(place) as folder:
        held = _hold(Path(folder))
        try:
            yield Path(folder)
        finally:
            os.close(held)


def _set_up(place: Path | None) -> tempfile.TemporaryDirectory[str]:
    """A new folder; when it cannot be removed in the end, it is left to whoever clears next."""
    try:
        room = Path(tempfile.gettempdir()) if place is None else place
        with writing(room):
            _clear(room)
            return tempfile.TemporaryDirectory(prefix=PREFIX, dir=room, ignore_cleanup_errors=True)
    except FileNotFoundError as error:
        raise CannotWrite(f"no place for temporary files ({error}); make room, or set TMPDIR to another") from error


def _clear(room: Path) -> None:
    """Remove our own desks that no living process holds."""
    for folder in room.glob(f"{PREFIX}*"):
        with suppress(OSError):  # somebody holds it, somebody else removed it, or it is another user's
            if time.time() - folder.stat().st_mtime > SECONDS_TO_SIT_DOWN:
                held = _hold(folder, alone=True)
                rmtree(folder, ignore_errors=True)
                os.close(held)


def _hold(folder: Path, *, alone: bool = False) -> int:
    """A file descriptor with a lock on the folder, which the kernel takes back when the process ends in whatever way.

    Raises:
        BlockingIOError: Another process holds it.
    """
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(held, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError:
        os.close(held)
        raise
    return held

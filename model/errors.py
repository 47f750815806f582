"""Errors that every part shares: something that only the operator can put right."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_WRITING_TROUBLES = {
    errno.ENOSPC: "no space left on this disk; make room",
    errno.EDQUOT: "the disk quota is used up; make room",
    errno.EFBIG: "files may not grow as large; raise the limit (ulimit -f)",
    errno.EROFS: "this disk is read-only; mount it for writing or name another place",
    errno.EACCES: "this user may not write here; mend the rights or name another place",
    errno.EPERM: "this user may not write here; mend the rights or name another place",
    errno.ENOTDIR: "there is a file where a folder should be; name another place",
    errno.EEXIST: "there is a file where a folder should be; name another place",
    errno.EISDIR: "there is a folder where a file should be; move it away or name another place",
    errno.ENAMETOOLONG: "the name is too long; name another place",
}


class NeedsOperator(Exception):
    """The installation or the command is at fault; the message says what was found, where, and what to do.

    `lnh` prints it as one line and exits with 1; a service stops at start-up.
    """


class CannotWrite(NeedsOperator):
    """The disk is full, or not ours to write."""


@contextmanager
def writing(place: object) -> Iterator[None]:
    """Within, a disk that is full or not ours to write is a `CannotWrite` that names the place."""
    try:
        yield
    except OSError as error:
        if error.errno not in _WRITING_TROUBLES:
            raise
        raise CannotWrite(f"{place}: {_WRITING_TROUBLES[error.errno]}") from error


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it; one that is there is as good.

    Raises:
        CannotWrite: The disk is full, not ours to write, or takes no folders, as /proc.
    """
    try:
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError as error:
        raise CannotWrite(f"{folder}: no folder can be made here; name another place") from error


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that anybody may read, all or nothing, and down to the disk: a power cut leaves the old or the new.

    Raises:
        CannotWrite: The disk is full, or not ours to write.
    """
    partial = path.with_suffix(".partial")
    with writing(path):
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.chmod(0o644)  # the worker may be another user
        partial.replace(path)

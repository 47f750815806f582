"""The store: where the studio leaves its tracks and the bot finds them."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fsspec.core import url_to_fs

from model.errors import NeedsOperator
from worker.track import Track

_OPERATOR_ERRORS = {
    errno.ENOSPC: "the disk is full; make room",
    errno.EDQUOT: "the disk quota is used up; make room",
    errno.EROFS: "the disk is read-only; mount it for writing or set LNH_STORE",
    errno.EACCES: "this user may not write here; mend the rights or set LNH_STORE",
}


class Store:
    """Tracks by key, at any URL that fsspec understands: a folder, "s3://bucket/tracks", "memory://tracks"."""

    def __init__(self, url: str) -> None:
        try:
            self._files, self._root = url_to_fs(url)
        except (ImportError, ValueError) as error:
            known = "a folder" if isinstance(error, ValueError) else "a folder, or install the package it names"
            raise NeedsOperator(f"LNH_STORE is {url!r}: {error}; give {known}") from error
        self.url = url

    def put(self, folder: Path, track: Track) -> None:
        """Keep every file of a track; each appears whole or not at all, and again changes nothing.

        Raises:
            NeedsOperator: The disk is full, or not ours to write.
        """
        with self._operator_errors():
            self._files.makedirs(self._root, exist_ok=True)
            for media_type in track.media_types:
                self._put_file(folder / track.file_name(media_type), track.file_name(media_type))

    def fetch(self, track: Track, media_type: str, folder: Path) -> Path:
        """Copy one file of a track into a folder.

        Raises:
            FileNotFoundError: The store does not have it.
            NeedsOperator: The disk is full, or not ours to write.
        """
        path = folder / track.file_name(media_type)
        half = path.with_name(f".{path.name}.part")
        with self._operator_errors():
            try:
                self._files.get_file(self._place(path.name), str(half))
                half.replace(path)
            finally:
                half.unlink(missing_ok=True)
        return path

    def _put_file(self, path: Path, name: str) -> None:
        half = self._place(f".{name}.part")
        try:
            self._files.put_file(str(path), half)
            self._files.mv(half, self._place(name))
        except BaseException:
            with suppress(OSError):
                self._files.rm_file(half)
            raise

    def _place(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    @contextmanager
    def _operator_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in _OPERATOR_ERRORS:
                raise NeedsOperator(f"{self.url}: {_OPERATOR_ERRORS[error.errno]}") from error
            raise

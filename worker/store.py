"""The store: where the studio leaves its tracks and the bot finds them."""

import errno
import logging
import os
import re
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from model.errors import CannotWrite, NeedsOperator, writing
from model.request import KEY_PATTERN
from worker.connection import shown
from worker.settings import named
from worker.track import SUFFIXES, Track

ENDINGS = "|".join(map(re.escape, SUFFIXES.values()))
TRACK_FILE = re.compile(rf"\.?(?P<key>{KEY_PATTERN.pattern})({ENDINGS})(\.part)?")
TELLTALES = ("botocore", "aiobotocore", "s3fs")  # loggers that write tokens of a session or a role at DEBUG
DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


class CannotReach(NeedsOperator):
    """A store elsewhere does not answer, or refuses us."""


class Store:
    """Tracks by key, at any URL that fsspec understands: a folder, "s3://bucket/tracks", "memory://tracks"."""

    def __init__(self, url: str) -> None:
        try:
            self._files, self._root = url_to_fs(url)
        except (ImportError, ValueError) as error:
            known = "a folder" if isinstance(error, ValueError) else "a folder, or install the package it names"
            raise NeedsOperator(f"{named('LNH_STORE')} is {shown(url)!r}: {error}; give {known}") from error
        self.url = shown(url)
        for name in TELLTALES:
            logging.getLogger(name).setLevel(logging.INFO)

    @property
    def folder(self) -> Path | None:
        """Where the tracks lie, if that is a folder of this machine."""
        return Path(self._root) if isinstance(self._files, LocalFileSystem) else None

    def put(self, folder: Path, track: Track) -> None:
        """Keep every file of a track; each appears whole or not at all, and again changes nothing.

        Raises:
            CannotWrite
            CannotReach
        """
        with writing(f"LNH_STORE {self.url}"), self._in_reach():
            self._files.makedirs(self._root, exist_ok=True)
            for media_type in track.media_types:
                self._put_file(folder / track.file_name(media_type), track.file_name(media_type))

    def fetch(self, track: Track, media_type: str, folder: Path) -> Path:
        """Copy one file of a track into a folder.

        Raises:
            FileNotFoundError: The store does not have it.
            CannotWrite
            CannotReach
        """
        path = folder / track.file_name(media_type)
        half = path.with_name(f".{path.name}.part")
        with writing(folder):
            try:
                with self._in_reach():
                    self._files.get_file(self._place(path.name), str(half))
                half.replace(path)
            finally:
                half.unlink(missing_ok=True)
        return path

    def remove(self, track: Track) -> None:
        """Remove every file of a track, and halves of such; one that is not there is as good.

        Raises:
            CannotWrite
            CannotReach
        """
        names = [track.file_name(media_type) for media_type in track.media_types]
        for name in (*names, *(f".{name}.part" for name in names)):
            with suppress(FileNotFoundError), self._in_reach():
                self._files.rm_file(self._place(name))

    def sweep(self, before: float, but: Collection[str]) -> int:
        """Remove files of tracks, and halves of such, that are older than a Unix time, but those of some keys.

        Whatever else lies there is left alone. Returns how many went.
        """
        self._files.invalidate_cache()
        old = [place for place in self._files.find(self._root, maxdepth=1) if self._is_old(place, before, but)]
        for place in old:
            self._files.rm_file(place)
        return len(old)

    def examine(self) -> str:
        """Whether tracks can be kept: a folder is looked at, a store elsewhere gets a small file, and loses it again.

        Raises:
            CannotWrite
            CannotReach
        """
        if self.folder is not None:
            return self._examine_folder(self.folder)
        probe = self._place(f".lnh-check-{uuid.uuid4().hex}")
        with self._in_reach():
            self._files.makedirs(self._root, exist_ok=True)
            self._files.pipe_file(probe, b"check")
            self._files.cat_file(probe)
            self._files.rm_file(probe)
        return f"{self.url} takes files and gives them back"

    def _examine_folder(self, folder: Path) -> str:
        place = next(each for each in (folder, *folder.absolute().parents) if each.exists())
        if not (place.is_dir() and os.access(place, os.W_OK)):
            raise CannotWrite(f"{place}: tracks cannot be kept here; mend the rights or set LNH_STORE")
        return self.url if place == folder else f"{self.url}, at the first track"

    @contextmanager
    def _in_reach(self) -> Iterator[None]:
        """Within, what keeps us from a store elsewhere is one error; each kind of store has others of its own."""
        try:
            yield
        except FileNotFoundError:
            raise
        except Exception as error:
            if self.folder is not None or getattr(error, "errno", None) in DISK_IS_FULL:  # ours, not the store's
                raise
            what = f"{named('LNH_STORE')} {self.url}: {type(error).__name__}: {error}"
            raise CannotReach(f"{what}; mend its address, our rights or credentials there, or wait for it") from error

    def _is_old(self, place: str, before: float, but: Collection[str]) -> bool:
        name = TRACK_FILE.fullmatch(place.rpartition("/")[2])
        return bool(name and name["key"] not in but and self._files.modified(place).timestamp() < before)

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

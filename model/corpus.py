"""Songs to learn from: where their MIDI files lie, and each as tokens with what is known beside them."""

import csv
import fcntl
import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model import tokens as t
from model.arrange import arrange
from model.errors import NeedsOperator, writing
from model.reader import INPUTS, Reader
from model.score import Role, Score

HELD_OUT_SHARE = 0.15  # of the song groups of a corpus; chosen by the group's hash, the same in every run
FEWEST_HELD_OUT = 4  # groups, but at most a fifth of them: of 30 songs chance may choose none
SUFFIXES = (".mid", ".midi")
ARCHIVE = ".tar.xz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Song:
    """One song as the network sees it."""

    name: str  # file name
    corpus: str
    held_out: bool
    tokens: NDArray[np.int16]  # (n,)
    inputs: NDArray[np.int16]  # (n, len(INPUTS)): known after each token
    bars: NDArray[np.int32]  # index of each BAR token

    @property
    def header(self) -> int:
        """Number of tokens before the first bar."""
        return int(self.bars[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the songs lie that are learned as one corpus."""

    corpus: str
    folder: Path  # that was named; an INDEX.tsv there or above tells of the files
    files: tuple[Path, ...]
    archives: tuple[Path, ...]  # .tar.xz of MIDI files


class BadCorpus(NeedsOperator):
    """There is no music to learn from; the message says where it was sought."""


@contextmanager
def _reading() -> Iterator[None]:
    """Within, what is not ours to read is a `BadCorpus` that names it."""
    try:
        yield
    except PermissionError as error:
        raise BadCorpus(f"{error.filename}: this user may not read it; mend the rights (chmod -R u+rX)") from error


# --- who is held out


def is_held_out(group: str) -> bool:
    """Whether a group of versions of one song is kept for judging."""
    return _chance(group) < HELD_OUT_SHARE


def held_out_groups(groups: Collection[str]) -> set[str]:
    """The groups of a corpus that are kept for judging; of a small one a few, whatever chance says."""
    few = min(FEWEST_HELD_OUT, len(set(groups)) // 5)
    return {group for group in groups if is_held_out(group)} | set(sorted(set(groups), key=_chance)[:few])


def _chance(group: str) -> float:
    number = int.from_bytes(hashlib.sha256(group.encode(errors="surrogateescape")).digest()[:4], "big")
    return number / 2**32


def song_groups(folder: Path) -> dict[str, str]:
    """File name to song group, from INDEX.tsv in the folder or above; empty where there is none."""
    return {name: row["song_group"] for name, row in read_index(folder).items()}


def named_groups(files: Sequence[Path], known: Mapping[str, str]) -> dict[Path, str]:
    """The song group of each file: as `song_groups` knows it, else by its path in the folder that holds them all.

    Only the path is looked at: there need be no such file.
    """
    above = os.path.commonpath([path.parent.absolute() for path in files]) if files else ""
    return {
        path: known.get(path.name) or str(path.absolute().relative_to(above).with_suffix("")) for path in files
    }


@_reading()
def read_index(folder: Path) -> dict[str, Mapping[str, str]]:
    """File name to its row of INDEX.tsv in the folder or above; empty where there is none.

    Raises:
        BadCorpus: It cannot be read, lacks a column that it must have, or a row names no file.
    """
    here = Path(os.path.abspath(folder))  # noqa: PTH100  "." has no parents, and a link is to keep its own
    place = next((place for place in (here, *here.parents[:2]) if (place / "INDEX.tsv").is_file()), None)
    if place is None:
        return {}
    try:
        with (place / "INDEX.tsv").open(encoding="utf-8-sig", newline="") as lines:
            table = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
            rows = [(table.line_num, row) for row in table]
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadCorpus(f"{place}/INDEX.tsv: cannot be read: {error}") from error
    if rows and not {"member", "song_group"} <= set(table.fieldnames or ()):
        raise BadCorpus(f"{place}/INDEX.tsv: needs the columns member and song_group, with tabs between")
    for line, row in rows:
        if not row["member"]:
            raise BadCorpus(f"{place}/INDEX.tsv, line {line}: names no file; write it under member, or delete the line")
    return {Path(row["member"]).name: {**row, "song_group": row["song_group"] or row["member"]} for _, row in rows}


# --- where they lie


@_reading()
def corpus_source(folder: Path, corpus: str) -> Source:
    """The MIDI files of `<folder>/<corpus>/` and of the archive `<folder>/<corpus>.tar.xz`.

    Raises:
        BadCorpus: Neither is there, or the folder holds no MIDI file.
    """
    source = _named(folder, corpus, corpus)
    if source is None:
        raise BadCorpus(f"{folder}: neither {corpus}/ nor {corpus}.tar.xz is here; put the MIDI files there")
    return source


@_reading()
def own_sources(folder: Path, genre: str, archives: Sequence[str]) -> list[Source]:
    """A genre's own songs: a folder or archive of the genre's name, else of its archives, else all that lies loose.

    Loose is every MIDI file that is not in the folder of another corpus, and every archive of another name.

    Raises:
        BadCorpus: There is none of these.
    """
    own = _named(folder, genre, archives[0])
    sources = [own] if own else [found for name in archives if (found := _named(folder, name, name))]
    return sources or [_loose(folder, genre, archives[0])]


@_reading()
def new_sources(folder: Path, genre: str, corpus: str) -> list[Source]:
    """The songs of a genre that has no file yet: found again when it has one, whatever its archives are.

    Raises:
        BadCorpus: There is none, or beside those that lie loose there is a folder or archive of a corpus.
    """
    others = _other_music(folder)
    if others and _named(folder, genre, corpus) is None:
        raise _mistakable(folder, genre, others)
    return own_sources(folder, genre, [corpus])


def _named(folder: Path, name: str, corpus: str) -> Source | None:
    place, archive = folder / name, folder / f"{name}.tar.xz"
    if not place.is_dir() and not archive.is_file():
        return None
    files = tuple(_midi_files(place.rglob("*")))
    if not files and not archive.is_file():
        raise BadCorpus(f"{folder}: no .mid file in {name}; put the MIDI files there")
    return Source(corpus=corpus, folder=folder, files=files, archives=(archive,) if archive.is_file() else ())


def _loose(folder: Path, genre: str, corpus: str) -> Source:
    others = _other_music(folder)
    files = [path for path in _midi_files(folder.rglob("*")) if path.relative_to(folder).parts[0] not in others]
    archives = [path for path in archives_in(folder) if path.name not in others]
    if not files and not archives and others:
        raise _mistakable(folder, genre, others)
    if not files and not archives:
        raise BadCorpus(f"{folder}: no MIDI file (*.mid), nor an archive of them (*.tar.xz); put the songs there")
    return Source(corpus=corpus, folder=folder, files=tuple(files), archives=tuple(archives))


def _other_music(folder: Path) -> list[str]:
    """Folders and archives in a folder that are named as a corpus is."""
    archives = [path.name for path in archives_in(folder) if path.name.partition(".")[0] in t.CORPORA]
    return sorted([*archives, *(name for name in t.CORPORA if (folder / name).is_dir())])


def archives_in(folder: Path) -> list[Path]:
    """The archives that lie in a folder, not below."""
    return sorted(path for path in folder.glob(f"*{ARCHIVE}") if path.is_file())


def _mistakable(folder: Path, genre: str, others: Sequence[str]) -> BadCorpus:
    return BadCorpus(
        f"{folder}: holds {', '.join(others)}, named as other music is; put all songs of {genre} into {folder / genre}/"
    )


def _midi_files(paths: Iterable[Path]) -> list[Path]:
    return sorted(path for path in paths if path.suffix.lower() in SUFFIXES and path.is_file())


@_reading()
def files_of(source: Source, cache: Path) -> dict[Path, Path]:
    """All MIDI files of a source; its archives are unpacked into the folder `cache`, once.

    Returns:
        Each file, and the path by which it is known: as if its archive were a folder, whatever the cache calls it.

    Raises:
        BadCorpus: An archive is damaged, may not be read, or holds no MIDI file.
    """
    files = {path: path for path in source.files}
    for archive in source.archives:
        stat = archive.stat()
        place = cache / "unpacked" / f"{archive.name.partition('.')[0]}-{stat.st_size}-{stat.st_mtime_ns}"
        if not place.is_dir():
            _unpack(archive, place)
        unpacked = _midi_files(place.rglob("*"))
        if not unpacked:
            raise BadCorpus(f"{archive}: no .mid file in it")
        as_folder = archive.with_name(archive.name.removesuffix(ARCHIVE))
        files |= {path: as_folder / path.relative_to(place) for path in unpacked}
    return files


def _unpack(archive: Path, place: Path) -> None:
    """Put the MIDI files of an archive into a folder; Debian 12's Python 3.11.2 has no safe `extractall` yet."""
    try:
        with tarfile.open(archive) as tar, writing(place), _room_beside(place) as folder:
            if place.is_dir():  # another run was at it
                return
            for number, member in enumerate(tar):
                _unpack_member(tar, member, folder, number)
            folder.replace(place)
    except (tarfile.TarError, LZMAError, EOFError) as error:
        raise BadCorpus(f"{archive}: damaged ({error}); fetch it again") from error


@contextmanager
def _room_beside(place: Path) -> Iterator[Path]:
    """An empty folder to fill before it becomes `place`, for one run at a time; what a killed one left is cleared."""
    place.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(place.parent, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in place.parent.glob("partial-*"):
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix="partial-", dir=place.parent) as partial:
            folder = Path(partial) / "midi"
            folder.mkdir()
            yield folder
    finally:
        os.close(lock)


def _unpack_member(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, number: int) -> None:
    """Write one file under its own name, whatever folder it says; a second of one name into a folder of its number."""
    content = tar.extractfile(member) if member.isfile() else None
    if content and Path(member.name).suffix.lower() in SUFFIXES:
        path = folder / Path(member.name).name
        if path.exists():
            path = folder / str(number) / path.name
            path.parent.mkdir()
        with path.open("wb") as file:
            shutil.copyfileobj(content, file)


# --- as tokens


def as_song(score: Score, name: str, corpus: str, roles: Sequence[Role], held_out: bool) -> Song | None:
    """A score as tokens and inputs; None when nobody of `roles` plays in it."""
    score = arrange(score, roles)
    if not any(part.notes for part in score.parts):
        return None
    stream = t.encode(score, corpus)
    reader = Reader(len(score.time_signatures))
    known = np.empty((len(stream), len(INPUTS)), dtype=np.int16)
    for i, token in enumerate(stream):
        reader.push(token)
        known[i] = reader.inputs()
    return song_of(np.array(stream, dtype=np.int16), known, name, corpus, held_out)


def song_of(
    tokens: NDArray[np.int16], inputs: NDArray[np.int16], name: str, corpus: str, held_out: bool
) -> Song:
    """A song of the tokens (n,) of a stream and what is known after each, (n, len(INPUTS))."""
    bars = np.flatnonzero((tokens >= t.BAR.start) & (tokens < t.BAR.stop)).astype(np.int32)
    return Song(name=name, corpus=corpus, held_out=held_out, tokens=tokens, inputs=inputs, bars=bars)

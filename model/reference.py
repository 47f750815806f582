"""Songs as they are judged: read, arranged for a band, cut to one length, versions and held-out songs known.

Songs of unlike length are unlike for that alone, so every song longer than the generated ones is cut to an excerpt of
their median number of bars, at a place drawn from its file name; a song of less than half is left out.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from model.arrange import arrange
from model.corpus import SUFFIXES, is_held_out, song_groups
from model.errors import NeedsOperator
from model.features import cut, describe
from model.midi import BadMidi, read_midi
from model.originality import Bars, Index, full_bars, gather_index, song_windows
from model.reader import decode
from model.score import Role, Score
from model.tokens import CORPORA, encode

SEED = 2016
MOST_WINDOWS = 1 << 24  # of the reference; an index in memory need not be small
MOST_SONGS = 300  # that are compared, of those held out and of the others; copying is sought in all

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class NoSongs(NeedsOperator):
    """There are too few songs to judge; the message says where and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Song:
    """A song, or a passage of it, as it is judged."""

    score: Score
    through_tokens: Score  # what is left of it when it has been tokens: the best that a composer of such can do
    group: int  # versions of one song share it
    held_out: bool  # the composer has not learned from it


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The real songs: some to compare with, and what all of them contain."""

    songs: tuple[Song, ...]
    too_short: int
    index: Index
    full_bars: Bars
    groups: tuple[int, ...]  # of each song of the index


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What to make of files, and where to show how far it is."""

    roles: Sequence[Role]  # who plays in the genre
    bars: int  # length of what is compared; 0: songs stay whole
    progress: Progress
    unreadable: list[str]  # what is wrong with files; added to

    def scores(self, files: Sequence[Path], label: str) -> Iterator[tuple[Path, Score]]:
        """The songs of the files that can be read, whole, with the parts that the genre has."""
        for path in self.progress.track(files, description=label):
            try:
                yield path, arrange(read_midi(path), self.roles)
            except BadMidi as error:
                self.unreadable.append(str(error))


def read_reference(folder: Path, reading: Reading) -> Reference:
    """Read the real songs, and what they contain.

    Raises:
        NoSongs: There is no MIDI file.
    """
    files = find_midi(folder)
    names = song_names(files, folder)
    numbers = {name: i for i, name in enumerate(sorted(set(names.values())))}
    compared = {path for side in sides(names) for path in sample(side)}
    songs, groups, windows, full = [], [], [], []
    for path, score in reading.scores(files, "Real songs"):
        groups.append(numbers[names[path]])
        windows.append(song_windows(score))
        full.append(full_bars(score))
        if path in compared and (passage := excerpt(score, reading.bars, path.name)):
            again = excerpt(decode(encode(score, CORPORA[0]), score.tempo_bpm), reading.bars, path.name)
            held_out = is_held_out(names[path])
            songs.append(
                Song(score=passage, through_tokens=again or passage, group=groups[-1], held_out=held_out)
            )
    return Reference(
        songs=tuple(songs),
        too_short=len(compared) - len(songs),
        index=gather_index(windows, MOST_WINDOWS),
        full_bars=Bars.of(full),
        groups=tuple(groups),
    )


def find_midi(folder: Path) -> list[Path]:
    """The MIDI files of a folder and those below.

    Raises:
        NoSongs: There is none.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        what = "no MIDI file (*.mid) in it" if folder.is_dir() else "no such folder"
        raise NoSongs(f"{folder}: {what}; name a folder of songs")
    return files


def song_names(files: Sequence[Path], folder: Path) -> dict[Path, str]:
    """The song of which each file is a version, from an INDEX.tsv in the folder or above; else the file's own name."""
    known = song_groups(folder)
    return {path: known.get(path.name, path.stem) for path in files}


def sides(names: dict[Path, str]) -> tuple[list[Path], list[Path]]:
    """The files that the composer learned from, and those held out."""
    held_out = [path for path, name in names.items() if is_held_out(name)]
    return [path for path in names if path not in set(held_out)], held_out


def sample(files: Sequence[Path], most: int = MOST_SONGS) -> list[Path]:
    """At most so many of the files, drawn by name."""
    return sorted(sorted(files, key=lambda path: (_seed(path.name), path))[:most])


def _seed(name: str) -> int:
    return zlib.crc32(f"{SEED} {name}".encode(errors="surrogateescape"))


def excerpt(score: Score, bars: int, name: str) -> Score | None:
    """So many bars of a song, from a place that its name draws; None when it has not even half of them."""
    spare = len(score.time_signatures) - bars
    if spare <= 0:
        return score if len(score.time_signatures) * 2 >= bars else None
    return cut(score, _seed(name) % (spare + 1), bars)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Features of sets of songs under the same names; NaN for what cannot be said of a song."""

    names: tuple[str, ...]
    sets: tuple[Floats, ...]  # each (songs, features)


def tabulate(sets: Sequence[Sequence[Score]], on_song: Callable[[], None] = lambda: None) -> Table:
    """Describe every song of every set."""
    described: list[list[dict[str, float]]] = []
    for scores in sets:
        described.append([])
        for score in scores:
            described[-1].append(describe(score))
            on_song()
    names = tuple(dict.fromkeys(name for songs in described for features in songs for name in features))
    return Table(names=names, sets=tuple(as_rows(songs, names) for songs in described))


def as_rows(songs: Sequence[dict[str, float]], names: Sequence[str]) -> Floats:
    """Features by name as an array (songs, features)."""
    return np.array([[features.get(name, np.nan) for name in names] for features in songs]).reshape(-1, len(names))

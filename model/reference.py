"""Songs as they are judged: read, arranged for a band, cut to one length, versions and held-out songs known.

Songs of unlike length are unlike for that alone, so every song longer than the generated ones is cut to an excerpt of
their median number of bars, at a place drawn from its file name; a song of less than half is left out.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from model.arrange import arrange
from model.corpus import ARCHIVE, SUFFIXES, archives_in, is_held_out, named_groups, song_groups
from model.errors import NeedsOperator
from model.features import cut, describe
from model.midi import BadMidi, read_midi
from model.originality import Bars, Index, full_bars, gather_index, song_windows
from model.reader import decode
from model.score import Role, Score
from model.tokens import CORPORA, encode
from model.versions import versions

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
    players: Mapping[str, Role] | None = None  # of a band whose own files these are, as `read_midi` says

    def scores(self, files: Sequence[Path], label: str) -> Iterator[tuple[Path, Score]]:
        """The songs of the files that can be read, whole, with all their parts."""
        for path in self.progress.track(files, description=label):
            try:
                yield path, read_midi(path, self.players)
            except BadMidi as error:
                self.unreadable.append(str(error))

    def excerpts(self, files: Sequence[Path], label: str) -> list[Score]:
        """Passages of the songs that are long enough, with the parts that the genre has."""
        cuts = (excerpt(arrange(score, self.roles), self.bars, path.name) for path, score in self.scores(files, label))
        return [cut for cut in cuts if cut is not None]


def read_reference(folder: Path, reading: Reading) -> Reference:
    """Read the real songs, and what they contain.

    Raises:
        NoSongs: There is no MIDI file.
    """
    files = find_midi(folder)
    names = named_groups(files, song_groups(folder))
    compared = {
        path for side in (True, False)
        for path in sample([path for path in files if is_held_out(names[path]) == side])
    }  # fmt: skip
    read: list[str] = []
    windows, full, passages, too_short = [], [], {}, 0
    for path, score in reading.scores(files, "Real songs"):
        own = arrange(score, reading.roles)
        if path in compared and not any(part.notes for part in own.parts):  # nor is it learned from
            reading.unreadable.append(f"{path}: nobody of the line-up plays")
        elif path in compared and (passage := excerpt(own, reading.bars, path.name)):
            again = excerpt(decode(encode(own, CORPORA[0]), own.tempo_bpm), reading.bars, path.name)
            passages[len(read)] = (passage, again or passage)
        else:
            too_short += path in compared
        read.append(names[path])
        windows.append(song_windows(score))
        full.append(full_bars(score))
    groups = families(read, windows)
    learned = {group for group, name in zip(groups, read, strict=True) if not is_held_out(name)}
    songs = [
        Song(score=passage, through_tokens=again, group=groups[number], held_out=groups[number] not in learned)
        for number, (passage, again) in passages.items()
    ]
    return Reference(
        songs=tuple(songs),
        too_short=too_short,
        index=gather_index(windows, MOST_WINDOWS),
        full_bars=Bars.of(full),
        groups=tuple(groups),
    )


def families(names: Sequence[str], windows: Sequence[NDArray[np.uint32]]) -> list[int]:
    """For each song a number that it shares with all its versions: by name, by their music, and versions of versions.

    A song counts as held out only when all of these are: so it is new to the composer however the trainer grouped them.
    """
    songs = len(names)
    of_name = {name: number for number, name in reversed(list(enumerate(names)))}
    links = np.concatenate([versions(windows), [of_name[name] for name in names]]).astype(np.int64)
    graph = coo_matrix((np.ones(2 * songs), (np.tile(np.arange(songs), 2), links)), shape=(songs, songs))
    return [int(group) for group in connected_components(graph, directed=False)[1]]


def find_midi(folder: Path) -> list[Path]:
    """The MIDI files of a folder and those below.

    Raises:
        NoSongs: There is none; or there are archives, which only training reads: without their songs others would count
            as held out.
    """
    archive = folder.parent / f"{folder.name}{ARCHIVE}"
    if not folder.is_dir():
        what = f"unpack {archive} first" if archive.is_file() else "name a folder of songs"
        raise NoSongs(f"{folder}: no such folder; {what}")
    if archives := ", ".join(path.name for path in archives_in(folder)):
        raise NoSongs(f"{folder}: holds {archives}; unpack each into a folder of its name first, and move it away")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        raise NoSongs(f"{folder}: no MIDI file (*.mid) in it; name a folder of songs")
    return files


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

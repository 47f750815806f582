"""Generated songs beside real ones: how alike they are, whether they can be told apart, and what was copied.

Songs of unlike length are unlike for that alone, so every song longer than the generated ones is cut to an excerpt of
their median number of bars, at a place drawn from its file name; a song of less than half is left out. Both are
arranged for the genre's players. All chance comes from SEED: the same folders give the same figures.
"""

import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from model.arrange import arrange
from model.corpus import song_groups
from model.errors import NeedsOperator
from model.features import cut, describe
from model.midi import BadMidi, read_midi
from model.originality import Bars, Index, full_bars, gather_index, song_windows
from model.score import Role, Score
from model.yardsticks import bandwidth, overlap, tell_apart

SEED = 2016
MOST_WINDOWS = 1 << 24  # of the reference; an index in memory need not be small
MOST_SONGS = 300  # of either side; a larger folder is sampled, but copying is sought in all of it
FEWEST_SONGS = 10  # of either side
FEWEST_VALUES = 8  # songs of which a feature must be said to be compared
SPLITS = 20  # of the real songs in halves
REPEATS = 10  # of the classifier, over other songs and folds

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class NoSongs(NeedsOperator):
    """There are too few songs to judge; the message says where and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Song:
    """A song, or a passage of it, as it is judged."""

    score: Score
    group: int  # versions of one song share it


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The real songs: some to compare with, and what all of them contain."""

    songs: tuple[Song, ...]
    too_short: int
    index: Index
    full_bars: Bars
    groups: tuple[int, ...]  # of each song of the index


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """One feature of generated songs beside real ones; None where too few songs have it."""

    feature: str
    real: float | None  # median
    generated: float | None  # median
    overlap: float | None  # of generated with half of the real songs
    real_overlap: float | None  # of one half of the real songs with the other

    @property
    def relative(self) -> float | None:
        """Overlap as a share of what real songs reach among themselves."""
        return self.overlap / self.real_overlap if self.overlap is not None and self.real_overlap else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """How well a classifier tells two sets apart: 0.5 for chance, 1 for always."""

    area: float  # mean over REPEATS
    deviation: float  # from repeat to repeat; that of halves of the real songs is the noise to expect


@dataclass(frozen=True, slots=True, kw_only=True)
class Copying:
    """What songs share with the reference."""

    median: float  # notes in a song's longest shared passage
    nine_in_ten: float  # nine songs of ten share no longer one
    most: int
    bars: float  # mean share of a song's full bars that the reference knows


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that was found."""

    bars: int  # that every song was cut to
    real_songs: int
    generated_songs: int
    too_short: int  # of either, left out
    unreadable: tuple[str, ...]  # what is wrong with files of either
    silent: dict[Role, tuple[float, float]]  # share of real and generated songs in which a role never plays
    likeness: tuple[Likeness, ...]
    told_apart: Telling
    real_told_apart: Telling
    copied: Copying
    real_copied: Copying
    longest_from_training: int | None  # notes; None when the genre has no index of its training songs

    @property
    def relative_overlap(self) -> float:
        """Mean relative overlap of the features that could be compared."""
        return float(np.mean([row.relative for row in self.likeness if row.relative is not None]))


def evaluate(generated: Path, reference: Path, roles: Sequence[Role], *, bars: int | None = None,
             training: Index | None = None, progress: Progress | None = None) -> Report:  # fmt: skip
    """Judge the songs of one folder against the real ones of another.

    Args:
        generated: Folder of MIDI files, searched with its subfolders.
        reference: Folder of real songs; an INDEX.tsv there or above tells which are versions of one song.
        roles: Who plays in the genre.
        bars: Length of what is compared; None for the median of the generated songs.
        training: Index of the training songs.
        progress: Where to show how far it is.

    Raises:
        NoSongs: Too few can be read or are long enough.
    """
    progress = progress or Progress(disable=True)
    unreadable: list[str] = []
    whole = dict(_read(_sample(_midi_files(generated)), roles, unreadable, "Generated songs", progress))
    bars = bars or max(1, round(median(len(score.time_signatures) for score in whole.values()) if whole else 1))
    cuts = {path: _excerpt(score, bars, path.name) for path, score in whole.items()}
    ours = [Song(score=score, group=i) for i, score in enumerate(cuts.values()) if score is not None]
    real = read_reference(reference, roles, bars, unreadable, progress)
    for folder, songs in ((generated, ours), (reference, real.songs)):
        if len({song.group for song in songs}) < FEWEST_SONGS:
            raise NoSongs(
                f"{folder}: {len(songs)} songs of at least {bars / 2:g} bars can be read ({len(unreadable)} files "
                f"cannot); put at least {FEWEST_SONGS} different ones there"
            )
    names, features = _features(real.songs, ours, progress)
    rows, told_apart, real_told_apart = compare(names, *features, [song.group for song in real.songs], progress)
    return Report(
        bars=bars,
        real_songs=len(real.songs),
        generated_songs=len(ours),
        too_short=real.too_short + len(whole) - len(ours),
        unreadable=tuple(unreadable),
        silent={role: (_silent(role, real.songs), _silent(role, ours)) for role in roles},
        likeness=rows,
        told_apart=told_apart,
        real_told_apart=real_told_apart,
        copied=_copied([(song, ()) for song in ours], real, progress),
        real_copied=_copied([(song, _versions(song, real)) for song in real.songs], real, progress),
        longest_from_training=max(training.longest_run(song.score) for song in ours) if training else None,
    )


# --- reading


def read_reference(folder: Path, roles: Sequence[Role], bars: int, unreadable: list[str],
                   progress: Progress) -> Reference:  # fmt: skip
    """Read the real songs; files that cannot be read are added to `unreadable`."""
    files = _midi_files(folder)
    known = song_groups(folder)
    names = sorted({known.get(path.name, path.name) for path in files})
    numbers = {name: i for i, name in enumerate(names)}
    compared = set(_sample(files))
    passages, groups, windows, full = [], [], [], []
    for path, score in _read(files, roles, unreadable, "Real songs", progress):
        groups.append(numbers[known.get(path.name, path.name)])
        windows.append(song_windows(score))
        full.append(full_bars(score))
        if path in compared:
            passages.append((groups[-1], _excerpt(score, bars, path.name)))
    songs = tuple(Song(score=score, group=group) for group, score in passages if score is not None)
    return Reference(
        songs=songs,
        too_short=len(passages) - len(songs),
        index=gather_index(windows, MOST_WINDOWS),
        full_bars=Bars.of(full),
        groups=tuple(groups),
    )


def _midi_files(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".mid", ".midi"))
    if not files:
        what = "no MIDI file (*.mid) in it" if folder.is_dir() else "no such folder"
        raise NoSongs(f"{folder}: {what}; name a folder of songs")
    return files


def _sample(files: Sequence[Path]) -> list[Path]:
    """MOST_SONGS of the files, drawn by name."""
    return sorted(sorted(files, key=lambda path: (_seed(path.name), path))[:MOST_SONGS])


def _seed(name: str) -> int:
    return zlib.crc32(f"{SEED} {name}".encode(errors="surrogateescape"))


def _read(files: Sequence[Path], roles: Sequence[Role], unreadable: list[str], label: str,
          progress: Progress) -> Iterator[tuple[Path, Score]]:  # fmt: skip
    """The songs of the files that can be read, with the parts that the genre has."""
    for path in progress.track(files, description=label):
        try:
            yield path, arrange(read_midi(path), roles)
        except BadMidi as error:
            unreadable.append(str(error))


def _excerpt(score: Score, bars: int, name: str) -> Score | None:
    """So many bars of a song, from a place that its name draws; None when it has not even half of them."""
    spare = len(score.time_signatures) - bars
    if spare <= 0:
        return score if len(score.time_signatures) * 2 >= bars else None
    return cut(score, _seed(name) % (spare + 1), bars)


def _silent(role: Role, songs: Sequence[Song]) -> float:
    """Share of the songs in which a role never plays."""
    silent = [not (part := song.score.part(role)) or not part.notes for song in songs]
    return sum(silent) / len(silent)


# --- likeness


def _features(real: Sequence[Song], ours: Sequence[Song],
              progress: Progress) -> tuple[list[str], tuple[Floats, Floats]]:  # fmt: skip
    """Names of all features, and their values for each set, shape (songs, features); NaN for what cannot be said."""
    songs = progress.track([*real, *ours], description="Features")
    described = [describe(song.score) for song in songs]
    names = list(dict.fromkeys(name for features in described for name in features))
    values = np.array([[features.get(name, np.nan) for name in names] for features in described])
    return names, (values[: len(real)], values[len(real) :])


def compare(names: Sequence[str], real: Floats, ours: Floats, groups: Sequence[int],
            progress: Progress) -> tuple[tuple[Likeness, ...], Telling, Telling]:  # fmt: skip
    """Overlap of every feature, and how well the two sets, and two halves of the real one, are told apart.

    Args:
        names: Of the features.
        real: Values, shape (real songs, features); NaN for what cannot be said.
        ours: Values, shape (generated songs, features).
        groups: Which real songs are versions of one, shape (real songs,).
        progress: Where to show how far it is.
    """
    rng = np.random.default_rng(SEED)
    of_song = np.array(groups)
    halves = [_halves(of_song, rng) for _ in range(SPLITS)]
    rows = tuple(
        _likeness(name, real[:, i], ours[:, i], halves, rng)
        for i, name in enumerate(progress.track(names, description="Overlaps"))
    )
    areas, real_areas = [], []
    size = min(len(real), len(ours))
    for one, other in progress.track(halves[:REPEATS], description="Telling apart"):
        a, b = (rng.choice(len(songs), size, replace=False) for songs in (real, ours))
        areas.append(tell_apart(real[a], ours[b], of_song[a], b, rng))
        real_areas.append(tell_apart(real[one], real[other], of_song[one], of_song[other], rng))
    return rows, _telling(areas), _telling(real_areas)


def _halves(groups: Integers, rng: np.random.Generator) -> tuple[Integers, Integers]:
    """The songs in two halves of one size, versions of a song in the same."""
    shuffled = rng.permutation(np.unique(groups))
    left = np.isin(groups, shuffled[: len(shuffled) // 2])
    one, other = np.flatnonzero(left), np.flatnonzero(~left)
    size = min(len(one), len(other))
    return rng.permutation(one)[:size], rng.permutation(other)[:size]


def _likeness(name: str, real: Floats, ours: Floats, halves: Sequence[tuple[Integers, Integers]],
              rng: np.random.Generator) -> Likeness:  # fmt: skip
    """Samples of one size on all sides, for the overlap of small samples is smaller."""
    known, our_known = real[~np.isnan(real)], ours[~np.isnan(ours)]
    overlaps, real_overlaps = [], []
    for one, other in halves:
        samples = [values[~np.isnan(values)] for values in (real[one], real[other], ours)]
        size = min(map(len, samples))
        if size >= FEWEST_VALUES:
            a, b, c = (rng.permutation(values)[:size] for values in samples)
            width = bandwidth(known, size)
            real_overlaps.append(overlap(a, b, width))
            overlaps.append(overlap(a, c, width))
    return Likeness(
        feature=name,
        real=float(np.median(known)) if len(known) else None,
        generated=float(np.median(our_known)) if len(our_known) else None,
        overlap=float(np.mean(overlaps)) if overlaps else None,
        real_overlap=float(np.mean(real_overlaps)) if overlaps else None,
    )


def _telling(areas: Sequence[float]) -> Telling:
    return Telling(area=float(np.mean(areas)), deviation=float(np.std(areas)))


# --- copying


def _versions(song: Song, real: Reference) -> list[int]:
    """Numbers of the real songs that are the same song."""
    return [number for number, group in enumerate(real.groups) if group == song.group]


def _copied(songs: Sequence[tuple[Song, Collection[int]]], real: Reference, progress: Progress) -> Copying:
    """What songs share with the real ones, but for those that each is told to leave out."""
    runs, shares = [], []
    for song, leave_out in progress.track(songs, description="Copying"):
        runs.append(real.index.longest_run(song.score, leave_out))
        shares.append(real.full_bars.share_known(song.score, leave_out))
    known = [share for share in shares if share is not None]
    return Copying(
        median=float(np.median(runs)),
        nine_in_ten=float(np.percentile(runs, 90)),
        most=max(runs),
        bars=float(np.mean(known)) if known else 0.0,
    )

"""Generated songs beside real ones: how alike they are, whether they can be told apart, and what was copied.

Real songs, and real songs that went through tokens and back, are judged in the same way: the one says what can be
asked, the other what a composer of such tokens could reach. All chance comes from fixed seeds: the same folders give
the same figures.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from model.arrange import arrange
from model.likeness import Bench, Candidates, Likeness, Measured
from model.moves import moves
from model.naming import MOST_LEARNED, Namer
from model.originality import Index
from model.reference import (
    NoSongs,
    Reading,
    Reference,
    Song,
    Table,
    excerpt,
    find_midi,
    read_reference,
    sample,
    tabulate,
)
from model.score import Role, Score

FEWEST_SONGS = 10  # of either side
REPEATS = ": bars repeated"  # how the feature of each part ends
MIDDLE = ("bass: in the chord", "part repeats", "bars that return", "likeness after 8 bars")

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copying:
    """What songs share with the reference."""

    median: float  # notes in a song's longest shared passage
    nine_in_ten: float  # nine songs of ten share no longer one
    most: int
    bars: float  # mean share of a song's full bars that the reference knows


@dataclass(frozen=True, slots=True, kw_only=True)
class Middle:
    """A feature's median beside the middle half of real songs."""

    feature: str
    ours: float
    low: float  # a quarter of the real songs are below
    high: float  # and a quarter above

    @property
    def inside(self) -> bool:
        """True when the median lies in the middle half."""
        return self.low <= self.ours <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Everything that was found of one set of songs."""

    name: str  # of its folder
    songs: int
    held_out: Likeness | None  # beside held-out songs; None where there are too few
    all: Likeness  # beside all
    told_by_moves: Measured  # AUC of a classifier that sees what no critic does, beside the same songs as `held_out`
    named: float | None  # share that is named the genre; None where no other genre is known, or no song is held out
    middle: tuple[Middle, ...]  # of those of MIDDLE that somebody plays
    copied: Copying
    beyond_limit: float | None  # share that copies more than the band allows; None without an index of training songs
    silent: dict[Role, float]  # share of the songs in which a role never plays


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Sets of generated songs, and what real songs come to in the same way."""

    bars: int  # that every song was cut to
    real_songs: int
    held_out_songs: int
    too_short: int  # of all, left out
    unreadable: tuple[str, ...]  # what is wrong with files of no use
    limit: int | None  # notes that a song may share with a training song
    sets: tuple[Verdict, ...]
    through_tokens: Verdict
    real: Verdict


def evaluate(generated: Sequence[Path], reference: Path, players: Mapping[str, Role], *, others: Sequence[Path] = (),
             bars: int | None = None, training: Index | None = None, progress: Progress | None = None,
             ) -> Report:  # fmt: skip
    """Judge the songs of folders against real ones.

    Args:
        generated: Folders of MIDI files, searched with their subfolders; each is judged by itself.
        reference: Folder of real songs; an INDEX.tsv there or above tells which are versions of one song.
        players: Who plays in the genre, role by name: so generated songs are judged as they were composed, where
            the roles of others must be guessed.
        others: Folders of real songs of other genres, for songs to be named by.
        bars: Length of what is compared; None for the median of the generated songs.
        training: Index of the training songs.
        progress: Where to show how far it is.

    Raises:
        NoSongs: Too few can be read or are long enough.
    """
    progress = progress or Progress(disable=True)
    unreadable: list[str] = []
    roles = list(players.values())
    whole = Reading(roles=roles, bars=0, progress=progress, unreadable=unreadable, players=players)
    ours = {folder: list(whole.scores(sample(find_midi(folder)), f"{folder}")) for folder in generated}
    lengths = [len(score.time_signatures) for songs in ours.values() for _, score in songs]
    reading = Reading(
        roles=roles, bars=bars or max(1, round(median(lengths or [1]))), progress=progress, unreadable=unreadable
    )
    cuts = {folder: _cut(songs, reading) for folder, songs in ours.items()}
    real = read_reference(reference, reading)
    for folder, count in [(folder, len(cut)) for folder, cut in cuts.items()] + [(reference, _groups(real.songs))]:
        _expect_enough(folder, count, reading)
    known = {}
    for folder in others:
        songs = reading.excerpts(sample(find_midi(folder), MOST_LEARNED), f"{folder}")
        _expect_enough(folder, len(songs), reading)
        known[f"{folder.resolve()}"] = songs
    court = _Court(real, known, training, roles, progress)
    return Report(
        bars=reading.bars,
        real_songs=len(real.songs),
        held_out_songs=sum(song.held_out for song in real.songs),
        too_short=real.too_short + sum(len(ours[folder]) - len(cuts[folder]) for folder in ours),
        unreadable=tuple(unreadable),
        limit=training.limit if training else None,
        sets=tuple(court.judge(folder.name, cut) for folder, cut in cuts.items()),
        through_tokens=court.judge_stand_ins("real songs through tokens", [song.through_tokens for song in real.songs]),
        real=court.judge_stand_ins("real songs", [song.score for song in real.songs]),
    )


def _expect_enough(folder: Path, count: int, reading: Reading) -> None:
    if count < FEWEST_SONGS:
        raise NoSongs(
            f"{folder}: {count} different songs of at least {reading.bars / 2:g} bars can be read "
            f"({len(reading.unreadable)} files cannot); put at least {FEWEST_SONGS} there"
        )


def _cut(songs: Sequence[tuple[Path, Score]], reading: Reading) -> list[Score]:
    excerpts = (excerpt(arrange(score, reading.roles), reading.bars, path.name) for path, score in songs)
    return [score for score in excerpts if score is not None]


def _groups(songs: Sequence[Song]) -> int:
    return len({song.group for song in songs})


class _Court:
    """The real songs, and what a set of songs is judged by."""

    def __init__(self, real: Reference, others: dict[str, list[Score]], training: Index | None,
                 roles: Sequence[Role], progress: Progress) -> None:  # fmt: skip
        self.real, self.training, self.roles, self.progress = real, training, roles, progress
        table = tabulate([[song.score for song in real.songs], *others.values()])
        self.names, values = table.names, table.sets[0]
        groups = np.array([song.group for song in real.songs])
        self.held_out = np.array([song.held_out for song in real.songs])
        if len(np.unique(groups[self.held_out])) < FEWEST_SONGS or self.held_out.all():
            self.held_out[:] = False
        self.by_held_out = Bench(self.names, values, groups, self.held_out) if self.held_out.any() else None
        self.by_all = Bench(self.names, values, groups, np.zeros_like(self.held_out))
        self.values = values
        by_moves = np.array([moves(song.score, roles) for song in real.songs])
        self.by_moves = Bench([str(i) for i in range(by_moves.shape[1])], by_moves, groups, self.held_out)
        self.namer = (
            Namer.learn({"": values[~self.held_out], **dict(zip(others, table.sets[1:], strict=True))})
            if others else None
        )  # fmt: skip

    def judge(self, name: str, songs: Sequence[Score]) -> Verdict:
        """Judge songs that the band made."""
        features = self._described(songs)
        return self._verdict(name, songs, Candidates(features=features), features, [()] * len(songs))

    def judge_stand_ins(self, name: str, songs: Sequence[Score]) -> Verdict:
        """Judge the real songs, or what became of each, as if the band had made them."""
        features = self._described(songs)
        asked = features[self.held_out] if self.held_out.any() else features
        versions = [[n for n, group in enumerate(self.real.groups) if group == song.group] for song in self.real.songs]
        return self._verdict(name, songs, Candidates(features=features, stand_in=True), asked, versions)

    def _described(self, songs: Sequence[Score]) -> Floats:
        followed = self.progress.track(songs, description="Features")
        return _under(self.names, tabulate([list(followed)]))

    def _verdict(self, name: str, songs: Sequence[Score], candidates: Candidates, asked: Floats,
                 versions: Sequence[Collection[int]]) -> Verdict:  # fmt: skip
        """Judge a set.

        Args:
            name: Of the set.
            songs: Its songs.
            candidates: Their features.
            asked: Features of those that the classifier is to name: the composer, and it, have not learned from them.
            versions: For each song the numbers of the real songs that it is a version of.
        """
        runs = [self.training.longest_run(song) for song in songs] if self.training else []
        limit = self.training.limit if self.training else 0
        return Verdict(
            name=name,
            songs=len(songs),
            held_out=self.by_held_out.compare(candidates) if self.by_held_out else None,
            all=self.by_all.compare(candidates),
            told_by_moves=self.by_moves.tell(
                replace(candidates, features=np.array([moves(song, self.roles) for song in songs]))
            ),
            named=self.namer.share_named("", asked) if self.namer and self.by_held_out else None,
            middle=tuple(each for each in (self._middle(name, asked) for name in MIDDLE) if not isnan(each.low)),
            copied=self._copied(songs, versions),
            beyond_limit=sum(run > limit for run in runs) / len(runs) if runs and not candidates.stand_in else None,
            silent={role: _silent(role, songs) for role in self.roles},
        )

    def _middle(self, feature: str, ours: Floats) -> Middle:
        real = self.values[self.held_out] if self.held_out.any() else self.values
        low, high = _quantiles(_column(self.names, feature, real), (25, 75))
        (middle,) = _quantiles(_column(self.names, feature, ours), (50,))
        return Middle(feature=feature, ours=middle, low=low, high=high)

    def _copied(self, songs: Sequence[Score], versions: Sequence[Collection[int]]) -> Copying:
        """What songs share with the real ones, but for the versions of each."""
        runs, shares = [], []
        pairs = list(zip(songs, versions, strict=True))
        for song, leave_out in self.progress.track(pairs, description="Copying"):
            runs.append(self.real.index.longest_run(song, leave_out))
            shares.append(self.real.full_bars.share_known(song, leave_out))
        known = [share for share in shares if share is not None]
        return Copying(
            median=float(np.median(runs)),
            nine_in_ten=float(np.percentile(runs, 90)),
            most=max(runs),
            bars=float(np.mean(known)) if known else 0.0,
        )


def _under(names: Sequence[str], table: Table) -> Floats:
    """The only set of a table under other names; features that no real song has are left out."""
    columns = {name: table.sets[0][:, i] for i, name in enumerate(table.names)}
    nothing = np.full(len(table.sets[0]), np.nan)
    return np.stack([columns.get(name, nothing) for name in names], axis=1)


def _column(names: Sequence[str], feature: str, values: Floats) -> Floats:
    """A feature's values; "part repeats" is the mean over the parts of a song."""
    if feature != "part repeats":
        return values[:, names.index(feature)] if feature in names else np.full(len(values), np.nan)
    repeats = values[:, [i for i, name in enumerate(names) if name.endswith(REPEATS)]]
    known = ~np.isnan(repeats)
    mean: Floats = np.where(known, repeats, 0).sum(1) / np.maximum(known.sum(1), 1)
    return mean


def _quantiles(values: Floats, percents: Sequence[int]) -> list[float]:
    known = values[~np.isnan(values)]
    return [float(np.percentile(known, percent)) if len(known) else float("nan") for percent in percents]


def _silent(role: Role, songs: Sequence[Score]) -> float:
    """Share of the songs in which a role never plays."""
    return sum(not (part := song.part(role)) or not part.notes for song in songs) / len(songs)

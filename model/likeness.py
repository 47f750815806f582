"""Sets of songs beside real ones: how alike each feature is, and whether a classifier tells them apart.

Songs are judged against those that were held out from learning, while the others say how alike real songs are; where
too few were held out, against one half of all real songs, while the other half says it. Real songs themselves, and what
is left of them when they have been tokens, are judged in the same way as songs that the band made: as stand-ins.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.yardsticks import area_of, bandwidth, overlap, resample, tell_apart

SEED = 2016
FEWEST_VALUES = 8  # songs of which a feature must be said to be compared
DRAWS = 20  # of songs of either side, for the overlap; as many again with replacement, for its deviation
REPEATS = 10  # of the classifier, over other songs and folds
RESAMPLES = 10  # of each repeat's answers, for the deviation

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Draw = tuple[Integers, Integers]  # rows of the real songs that are judged against, and of those that set the mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One feature of a set beside real songs; None where too few songs have it."""

    name: str
    real: float | None  # median
    ours: float | None  # median
    overlap: float | None  # of the set with real songs
    real_overlap: float | None  # of other real songs with them

    @property
    def relative(self) -> float | None:
        """Overlap as a share of what real songs reach among themselves."""
        return self.overlap / self.real_overlap if self.overlap is not None and self.real_overlap else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A figure, and by how much it would differ with other songs (bootstrap)."""

    value: float
    deviation: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """A set of songs beside real ones."""

    against: int  # real songs
    features: tuple[Feature, ...]
    overlap: Measured  # relative, mean over the features that can be compared
    told_apart: Measured  # AUC: 0.5 for chance, 1 for always


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidates:
    """Features of the songs that are judged, shape (songs, features); NaN for what cannot be said."""

    features: Floats
    stand_in: bool = False  # row i comes from real song i: it is never judged against itself


class Bench:
    """Real songs, ready for sets to be held beside them."""

    def __init__(self, names: Sequence[str], real: Floats, groups: Integers, held_out: NDArray[np.bool_]) -> None:
        """Against the held-out songs, or where `held_out` is False everywhere against all.

        Args:
            names: Of the features.
            real: Their values, shape (songs, features); NaN for what cannot be said.
            groups: Which songs are versions of one, shape (songs,).
            held_out: Which songs the composer has not learned from, shape (songs,).
        """
        self.names, self.real, self.groups = names, real, groups
        self.held_out, self.learned = np.flatnonzero(held_out), np.flatnonzero(~held_out)
        rng = np.random.default_rng(SEED)
        self.draws = [self._draw(rng) for _ in range(DRAWS)]

    @property
    def against(self) -> Integers:
        """Rows of the songs that sets are judged against."""
        return self.held_out if len(self.held_out) else self.learned

    def compare(self, candidates: Candidates) -> Likeness:
        """Hold a set beside the real songs; the same at each call."""
        rng = np.random.default_rng(SEED)
        features = self._features(candidates, self.draws, [_pick(candidates, other, rng) for _, other in self.draws])
        scatter = [self._relative_again(candidates, draw, rng) for draw in self.draws]
        return Likeness(
            against=len(self.against),
            features=features,
            overlap=Measured(value=_mean_relative(features), deviation=float(np.std(scatter))),
            told_apart=self._tell(candidates, rng),
        )

    def tell(self, candidates: Candidates) -> Measured:
        """How well a classifier tells a set from the real songs, by itself: what `compare` finds among other things."""
        return self._tell(candidates, np.random.default_rng(SEED))

    def _draw(self, rng: np.random.Generator) -> Draw:
        if not len(self.held_out):
            return _halves(self.groups, rng)
        size = min(len(self.held_out), len(self.learned))
        return rng.permutation(self.held_out)[:size], rng.permutation(self.learned)[:size]

    def _relative_again(self, candidates: Candidates, draw: Draw, rng: np.random.Generator) -> float:
        """What the relative overlap would be with other songs on all sides, drawn with replacement."""
        one, other, picked = (rng.choice(rows, len(rows)) for rows in (*draw, _pick(candidates, draw[1], rng)))
        return _mean_relative(self._features(candidates, [(one, other)], [picked]))

    def _features(
        self, candidates: Candidates, draws: Sequence[Draw], picked: Sequence[Integers]
    ) -> tuple[Feature, ...]:
        return tuple(self._feature(i, candidates, draws, picked) for i in range(len(self.names)))

    def _feature(self, i: int, candidates: Candidates, draws: Sequence[Draw], picked: Sequence[Integers]) -> Feature:
        """Samples of one size on all sides, for the overlap of small samples is smaller."""
        column = candidates.features[:, i]
        known, ours = _known(self.real[:, i]), _known(column)
        overlaps, real_overlaps = [], []
        for (one, other), rows in zip(draws, picked, strict=True):
            samples = [_known(values) for values in (self.real[one, i], self.real[other, i], column[rows])]
            size = min(map(len, samples))
            if size >= FEWEST_VALUES:
                a, b, c = (values[:size] for values in samples)
                width = bandwidth(known, size)
                real_overlaps.append(overlap(a, b, width))
                overlaps.append(overlap(a, c, width))
        real = _known(self.real[self.against, i])
        return Feature(
            name=self.names[i],
            real=float(np.median(real)) if len(real) else None,
            ours=float(np.median(ours)) if len(ours) else None,
            overlap=float(np.mean(overlaps)) if overlaps else None,
            real_overlap=float(np.mean(real_overlaps)) if overlaps else None,
        )

    def _tell(self, candidates: Candidates, rng: np.random.Generator) -> Measured:
        """A classifier learns from some songs of each side, and from all real ones that are not asked."""
        areas, scatter = [], []
        for one, other in self.draws[:REPEATS]:
            asked, rows = one, _pick(candidates, other, rng)
            if len(self.held_out):
                asked = self.held_out
                rows = self._half_of_learned(rng) if candidates.stand_in else np.arange(len(candidates.features))
            elif not candidates.stand_in:
                size = min(len(self.learned), len(candidates.features))
                asked, rows = rng.permutation(self.learned)[:size], rng.permutation(len(candidates.features))[:size]
            groups = self.groups[rows] if candidates.stand_in else rows + self.groups.max() + 1
            more = self._more(groups)
            answers = tell_apart(
                self.real[asked], candidates.features[rows], self.groups[asked], groups, rng,
                more_left=self.real[more],
            )  # fmt: skip
            areas.append(area_of(answers))
            scatter += [area_of(resample(answers, rng)) for _ in range(RESAMPLES)]
        return Measured(value=float(np.mean(areas)), deviation=float(np.std(scatter)))

    def _more(self, groups: Integers) -> Integers:
        """Real songs to learn from beside those that are asked; none when all of them are judged against."""
        return self.learned[~np.isin(self.groups[self.learned], groups)] if len(self.held_out) else self.learned[:0]

    def _half_of_learned(self, rng: np.random.Generator) -> Integers:
        shuffled = rng.permutation(np.unique(self.groups[self.learned]))
        return self.learned[np.isin(self.groups[self.learned], shuffled[: len(shuffled) // 2])]


def _pick(candidates: Candidates, other: Integers, rng: np.random.Generator) -> Integers:
    """Rows of the candidates that stand for the real songs `other`."""
    return other if candidates.stand_in else rng.permutation(len(candidates.features))[: len(other)]


def _halves(groups: Integers, rng: np.random.Generator) -> Draw:
    """The songs in two halves of one size, versions of a song in the same."""
    shuffled = rng.permutation(np.unique(groups))
    left = np.isin(groups, shuffled[: len(shuffled) // 2])
    one, other = np.flatnonzero(left), np.flatnonzero(~left)
    size = min(len(one), len(other))
    return rng.permutation(one)[:size], rng.permutation(other)[:size]


def _known(values: Floats) -> Floats:
    return values[~np.isnan(values)]


def _mean_relative(features: Sequence[Feature]) -> float:
    relative = [feature.relative for feature in features if feature.relative is not None]
    return float(np.mean(relative)) if relative else float("nan")

"""The critic: it has learned to tell real songs from the band's own, and picks of several takes the one to release.

A logistic regression on the features of `model.features` gives the odds that a song is real, which is the ratio of the
two densities. Of several takes one is drawn by these odds, not the best one taken: so what is released comes nearer to
real songs as a whole, while the best would always be the most ordinary take.

Sources:
    Rubin, "Using the SIR algorithm to simulate posterior distributions" (1988), for drawing by weight; Azadi et al.,
    "Discriminator rejection sampling" (arXiv:1810.06758), for the ratio of densities from a classifier, where takes are
    rejected until one is accepted; ours are of one batch, so that a song takes the same time whatever the critic says.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from model.errors import NeedsOperator, write_whole
from model.features import describe
from model.score import Score
from model.yardsticks import fit, judge, scale, spread

FORMAT = 1  # of the file; raise it when a feature changes its meaning
Floats = NDArray[np.float64]


class BadCritic(NeedsOperator):
    """The file of a critic is damaged or of another version."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Critic:
    """What tells real songs from the band's own; features that cannot be said of a song say nothing."""

    names: tuple[str, ...]  # of the features
    mean: Floats  # over the songs learned, (features,)
    deviation: Floats  # (features,)
    weights: Floats  # (features + 1,), the constant last
    provenance: dict[str, Any]  # from what and how it was trained, and what it gained

    @classmethod
    def learn(cls, real: Sequence[Score], ours: Sequence[Score], provenance: dict[str, Any]) -> Self:
        """Learn from real songs and from songs of the band, of one length."""
        described = [describe(song) for song in (*real, *ours)]
        names = tuple(sorted({name for features in described for name in features}))
        values = _rows(described, names)
        mean, deviation = spread(values)
        labels = np.repeat([1.0, 0.0], [len(real), len(ours)])
        weights = fit(scale(values, mean, deviation), labels)
        return cls(names=names, mean=mean, deviation=deviation, weights=weights, provenance=provenance)

    def odds(self, songs: Sequence[Score]) -> Floats:
        """Log odds that each song is real, up to a constant."""
        values = _rows([describe(song) for song in songs], self.names)
        return judge(scale(values, self.mean, self.deviation), self.weights)

    def choose(self, takes: Sequence[Score], rng: np.random.Generator) -> int:
        """Number of the take to release, drawn by the odds of each."""
        return draw(self.odds(takes), rng)

    def save(self, path: Path) -> None:
        """Write the critic as safetensors."""
        about = {"format": str(FORMAT), "names": json.dumps(self.names), "provenance": json.dumps(self.provenance)}
        numbers = {"mean": self.mean, "deviation": self.deviation, "weights": self.weights}
        write_whole(path, save(numbers, metadata=about))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a critic that `save` wrote.

        Raises:
            BadCritic: Damaged, or of another version.
        """
        try:
            with safe_open(path, framework="numpy") as file:
                about = file.metadata() or {}
                mean, deviation, weights = (file.get_tensor(name) for name in ("mean", "deviation", "weights"))
            if about["format"] != str(FORMAT):
                raise BadCritic(f"{path}: a critic of format {about['format']}, not {FORMAT}; run `lnh critic` again")
            names, provenance = tuple(json.loads(about["names"])), json.loads(about["provenance"])
        except (OSError, SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise BadCritic(f"{path}: no critic to be read ({error}); run `lnh critic` again") from error
        if not (_belong_together(names, mean, deviation, weights) and isinstance(provenance, dict)):
            raise BadCritic(f"{path}: its numbers do not belong together; run `lnh critic` again")
        return cls(names=names, mean=mean, deviation=deviation, weights=weights, provenance=provenance)


def critic_path(weights: Path) -> Path:
    """Where the critic of a weights file's songs lies: beside it."""
    return weights.with_suffix(".critic.safetensors")


def _belong_together(names: tuple[Any, ...], mean: Floats, deviation: Floats, weights: Floats) -> bool:
    shapes = [mean.shape == (len(names),), deviation.shape == (len(names),), weights.shape == (len(names) + 1,)]
    words = [isinstance(name, str) for name in names]
    kinds = [each.dtype == np.float64 and bool(np.isfinite(each).all()) for each in (mean, deviation, weights)]
    return all((*shapes, *words, *kinds))


def draw(odds: Floats, rng: np.random.Generator) -> int:
    """A number drawn by log odds."""
    weights = np.exp(odds - odds.max())
    return int(rng.choice(len(odds), p=weights / weights.sum()))


def _rows(described: Sequence[dict[str, float]], names: Sequence[str]) -> Floats:
    return np.array([[features.get(name, np.nan) for name in names] for features in described])

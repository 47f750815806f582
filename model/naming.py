"""Which genre a song is named by a classifier that has learned real songs of each.

Every song is arranged for the players of the genre in question and described by the features of `model.features`:
no tempo, no loudness, no instruments. A feature that cannot be said of a song, of a player who has nothing to play,
takes the mean of all songs, which speaks for no genre; so the line-up itself gives little away.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from model.yardsticks import fit, judge, standardise

Floats = NDArray[np.float64]
MOST_LEARNED = 120  # songs of a genre, so that none is named more often for being larger


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Namer:
    """One regression a genre, against all others."""

    genres: tuple[str, ...]
    known: Floats  # features of the songs learned, for their means and deviations
    weights: tuple[Floats, ...]  # one for each genre, as `fit` gives them

    @classmethod
    def learn(cls, songs: Mapping[str, Floats]) -> Self:
        """Learn from the features of real songs by genre, each (songs, features)."""
        fewer = {genre: features[:MOST_LEARNED] for genre, features in songs.items()}
        known = np.concatenate(list(fewer.values()))
        of_song = np.repeat(np.arange(len(fewer)), [len(features) for features in fewer.values()])
        standard = standardise(known, known)
        weights = tuple(fit(standard, (of_song == number).astype(float)) for number in range(len(fewer)))
        return cls(genres=tuple(fewer), known=known, weights=weights)

    def names(self, features: Floats) -> list[str]:
        """The most likely genre of each song."""
        standard = standardise(features, self.known)
        odds = np.stack([judge(standard, weights) for weights in self.weights])
        return [self.genres[number] for number in odds.argmax(0)]

    def share_named(self, genre: str, features: Floats) -> float:
        """Share of the songs that are named this genre."""
        return sum(name == genre for name in self.names(features)) / len(features)

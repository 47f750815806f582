"""What key a song is in."""

from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.score import Score

NAMES = ("C", "C sharp", "D", "E flat", "E", "F", "F sharp", "G", "A flat", "A", "B flat", "B")

# How well each of the twelve pitch classes, from the tonic up, was heard to fit its key.
PROFILES = {
    "major": (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    "minor": (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
}


class Key(NamedTuple):
    """A tonic and its mode, and how well the pitches fit it."""

    tonic: int  # pitch class
    mode: str  # of PROFILES
    fit: float  # correlation, up to 1


def musical_key(score: Score) -> str:
    """The key that a song's pitches fit best, as "E minor"; "no key" where nothing tells, as of drums alone."""
    sounding = np.zeros(12)
    for part in score.parts:
        if part.role != "drums":
            for note in part.notes:
                sounding[note.pitch % 12] += note.duration
    key = best_key(sounding)
    return f"{NAMES[key.tonic]} {key.mode}" if key else "no key"


def best_key(sounding: NDArray[np.float64]) -> Key | None:
    """The key that fits best how long each pitch class sounds, shape (12,); None where nothing tells.

    Each key has a profile, and the correlation with it is the fit.

    Source:
        Krumhansl and Kessler (1982), "Tracing the dynamic changes in perceived tonal organization in a spatial
        representation of musical keys"; the method is Krumhansl and Schmuckler's.
    """
    if not sounding.std():
        return None
    keys = (
        Key(tonic, mode, float(np.corrcoef(np.roll(PROFILES[mode], tonic), sounding)[0, 1]))
        for tonic, mode in product(range(12), PROFILES)
    )
    return max(keys, key=lambda key: key.fit)

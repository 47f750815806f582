"""What key a song is in."""

from itertools import product

import numpy as np

from model.score import Score

NAMES = ("C", "C sharp", "D", "E flat", "E", "F", "F sharp", "G", "A flat", "A", "B flat", "B")

# How well each of the twelve pitch classes, from the tonic up, was heard to fit its key.
PROFILES = {
    "major": (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    "minor": (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
}


def musical_key(score: Score) -> str:
    """The key that a song's pitches fit best, as "E minor"; "no key" where nothing tells, as of drums alone.

    Pitch classes are weighed by how long they sound, and compared with each key's profile by correlation.

    Source:
        Krumhansl and Kessler (1982), "Tracing the dynamic changes in perceived tonal organization in a spatial
        representation of musical keys"; the method is Krumhansl and Schmuckler's.
    """
    seconds = np.zeros(12)
    for part in score.parts:
        if part.role != "drums":
            for note in part.notes:
                seconds[note.pitch % 12] += note.duration
    if not seconds.std():
        return "no key"
    fits = {
        (tonic, mode): np.corrcoef(np.roll(PROFILES[mode], tonic), seconds)[0, 1]
        for tonic, mode in product(range(12), PROFILES)
    }
    tonic, mode = max(fits, key=lambda key: fits[key])
    return f"{NAMES[tonic]} {mode}"

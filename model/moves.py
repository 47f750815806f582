"""How the parts of a song move: which steps in time and in pitch they take, and how often.

The critic that picks takes judges them by `model.features`, so that these no longer say whether a song sounds right
where it does not look. No critic ever sees these columns.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.features import Columns, Hashes, columns, hits, mix, voice
from model.score import Role, Score

WIDTH = 96  # columns of a role
FEWEST_MOVES = 8  # of a part of which anything is said
LONGEST_STEP, WIDEST_STEP = 48, 24  # ticks, semitones; what is more counts as this

Floats = NDArray[np.float64]


def moves(score: Score, roles: Sequence[Role]) -> Floats:
    """How often each role takes which step, hashed to WIDTH columns of length 1 together: (roles * WIDTH,).

    A step is the time to the next stroke and, of the line that one hears, the interval; of drums what is struck then.
    NaN for a role that hardly plays, so that a line-up tells nothing.

    Source:
        Weinberger et al. (2009), "Feature hashing for large scale multitask learning", arXiv:0902.2206.
    """
    return np.concatenate([_of_part(score, role) for role in roles])


def _of_part(score: Score, role: Role) -> Floats:
    part = score.part(role)
    steps = _steps(columns(part, score)) if part else np.zeros(0, np.uint64)
    if len(steps) < FEWEST_MOVES:
        return np.full(WIDTH, np.nan)
    different, counts = np.unique(steps, return_counts=True)
    signs = np.where(different >> np.uint64(63), 1.0, -1.0)
    found = np.bincount((different % np.uint64(WIDTH)).astype(np.int64), signs * np.log1p(counts), WIDTH)
    return found / (np.linalg.norm(found) or 1.0)


def _steps(part: Columns) -> Hashes:
    """A hash for each step of a part."""
    if part.pitched:
        starts, line = voice(part)
        what = (np.diff(line).clip(-WIDEST_STEP, WIDEST_STEP) + WIDEST_STEP).astype(np.uint64)
    else:
        starts, struck = hits(part)
        what = struck[1:]
    waits = np.diff(starts).clip(max=LONGEST_STEP).astype(np.uint64)
    return mix(what * np.uint64(LONGEST_STEP + 1) + waits)

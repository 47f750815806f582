"""A band leader for tests."""

import numpy as np

from model.chart import NO_LIMIT
from model.leader import Leader
from model.score import ROLES


def make_leader() -> Leader:
    """Who wants notes of the chord, and repeats of bars with the same chords; from charts of two metres."""
    tones = np.full((len(ROLES), 3, 2, 12), -1.0, np.float32)
    tones[:, :, 0, [0, 4, 7]] = tones[:, :, 1, [0, 3, 7]] = 1.0
    return Leader(
        pitch=tones, outside=np.full(len(ROLES), -0.5, np.float32),
        repeat=np.tile(np.array([1, -2], np.float32), (len(ROLES), 1)),
        lengths=np.array([8, 6]), signatures=np.array([0, 2], np.uint8),
        chords=np.repeat(np.arange(1, 15, dtype=np.uint8)[:, None], 2, axis=1), returns=np.zeros(14, np.uint8),
        scales=np.ones((2, 12), np.uint8), registers=np.tile(np.array(NO_LIMIT, np.uint8), (2, len(ROLES), 1)),
    )  # fmt: skip

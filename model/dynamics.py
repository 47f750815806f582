"""How loud each note is struck: the composer's three levels, accents by the metre, small unevenness by chance."""

from dataclasses import replace

import numpy as np

from model.reader import VELOCITIES
from model.score import TICKS_PER_BEAT, Note, Part, Role, Score
from model.tokens import NORMAL

LOUDNESS: dict[Role, int] = {"drums": 98, "rhythm": 94, "bass": 96, "rhythm_2": 90, "lead": 100, "keys": 84}
DOWNBEAT, BEAT, OFFBEAT, BETWEEN = 12, 6, 0, -8  # MIDI velocity added
UNEVENNESS = 4  # standard deviation, MIDI velocity
CYMBALS = (49, 52, 55)


def play_dynamics(score: Score, rng: np.random.Generator) -> Score:
    """The same notes, soft, normal and loud ones as a player would strike them."""
    starts = set(score.bar_starts)
    return replace(score, parts=tuple(_play(part, starts, rng) for part in score.parts))


def _play(part: Part, bar_starts: set[int], rng: np.random.Generator) -> Part:
    chance = rng.normal(0, UNEVENNESS, len(part.notes))
    accents = np.array([_accent(note, bar_starts) + note.velocity - VELOCITIES[NORMAL] for note in part.notes])
    velocities = np.clip(np.rint(LOUDNESS[part.role] + accents + chance), 20, 127).astype(int).tolist()
    notes = [replace(note, velocity=velocity) for note, velocity in zip(part.notes, velocities, strict=True)]
    return replace(part, notes=tuple(notes))


def _accent(note: Note, bar_starts: set[int]) -> int:
    if note.start in bar_starts or note.pitch in CYMBALS:
        return DOWNBEAT
    place = note.start % TICKS_PER_BEAT
    return BEAT if place == 0 else OFFBEAT if place == TICKS_PER_BEAT // 2 else BETWEEN

"""How loud each note is struck: the composer's three levels, accents by the metre, small unevenness by chance."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from model.features import columns
from model.reader import VELOCITIES
from model.score import TICKS_PER_BEAT, Part, Role, Score, TimeSignature
from model.tokens import NORMAL

LOUDNESS: dict[Role, int] = {"drums": 98, "rhythm": 94, "bass": 96, "rhythm_2": 90, "lead": 100, "keys": 84}
DOWNBEAT, BEAT, OFFBEAT, BETWEEN = 12, 6, 0, -8  # MIDI velocity added
UNEVENNESS = 4  # standard deviation, MIDI velocity
CYMBALS = (49, 52, 55)  # General MIDI keys: crash, china, splash
EIGHTH = TICKS_PER_BEAT // 2


def play_dynamics(score: Score, rng: np.random.Generator) -> Score:
    """The same notes, soft, normal and loud ones as a player would strike them."""
    return replace(score, parts=tuple(_play(part, score, rng) for part in score.parts))


def _play(part: Part, score: Score, rng: np.random.Generator) -> Part:
    chance = rng.normal(0, UNEVENNESS, len(part.notes))
    levels = np.array([note.velocity - VELOCITIES[NORMAL] for note in part.notes])
    loudness = LOUDNESS[part.role] + _accents(part, score) + levels + chance
    velocities = np.clip(np.rint(loudness), 20, 127).astype(int).tolist()
    notes = [replace(note, velocity=velocity) for note, velocity in zip(part.notes, velocities, strict=True)]
    return replace(part, notes=tuple(notes))


def _accents(part: Part, score: Score) -> NDArray[np.int64]:
    """MIDI velocity added to each note, by its place in the bar; cymbals are always struck like a downbeat."""
    notes = columns(part, score)
    place = notes.positions % np.array([_beat(signature) for signature in score.time_signatures])[notes.bars]
    accents = np.select(
        [notes.positions == 0, place == 0, place % EIGHTH == 0], [DOWNBEAT, BEAT, OFFBEAT], default=BETWEEN
    )
    return np.where((part.role == "drums") & np.isin(notes.pitches, CYMBALS), DOWNBEAT, accents)


def _beat(signature: TimeSignature) -> int:
    """Ticks of a beat: three eighths in 6/8 and its kin, else a quarter."""
    numerator, unit = signature
    return 3 * EIGHTH if unit == 8 and numerator % 3 == 0 else TICKS_PER_BEAT

"""How loud each note is struck: accents by the metre, small unevenness by chance. Tokens carry no loudness."""

from dataclasses import replace

import numpy as np

from model.score import TICKS_PER_BEAT, Note, Part, Role, Score

LOUDNESS: dict[Role, int] = {"drums": 98, "rhythm": 94, "bass": 96, "rhythm_2": 90, "lead": 100, "keys": 84}
DOWNBEAT, BEAT, OFFBEAT, BETWEEN = 12, 6, 0, -8  # MIDI velocity added
UNEVENNESS = 4  # standard deviation, MIDI velocity
SNARE, CYMBALS = 38, (49, 52, 55)
GHOST = -34  # a snare between the eighths that has another snare within a beat


def play_dynamics(score: Score, rng: np.random.Generator) -> Score:
    """The same notes with velocities."""
    starts = set(score.bar_starts)
    return replace(score, parts=tuple(_play(part, starts, rng) for part in score.parts))


def _play(part: Part, bar_starts: set[int], rng: np.random.Generator) -> Part:
    chance = rng.normal(0, UNEVENNESS, len(part.notes))
    ghosts = _ghosts(part) if part.role == "drums" else set()
    notes = []
    for note, luck in zip(part.notes, chance, strict=True):
        accent = _accent(note, bar_starts) + (GHOST if note.start in ghosts and note.pitch == SNARE else 0)
        velocity = int(np.clip(round(LOUDNESS[part.role] + accent + luck), 20, 127))
        notes.append(replace(note, velocity=velocity))
    return replace(part, notes=tuple(notes))


def _accent(note: Note, bar_starts: set[int]) -> int:
    if note.start in bar_starts or note.pitch in CYMBALS:
        return DOWNBEAT
    place = note.start % TICKS_PER_BEAT
    return BEAT if place == 0 else OFFBEAT if place == TICKS_PER_BEAT // 2 else BETWEEN


def _ghosts(part: Part) -> set[int]:
    """Starts of snares on a weak sixteenth shortly before or after a stronger one, but not in a roll."""
    snares = sorted({note.start for note in part.notes if note.pitch == SNARE})
    near = {start: [other for other in snares if 0 < abs(other - start) <= TICKS_PER_BEAT] for start in snares}
    weak = [start for start in snares if start % (TICKS_PER_BEAT // 2)]
    return {s for s in weak if 0 < len(near[s]) <= 2 and any(other % TICKS_PER_BEAT == 0 for other in near[s])}

"""Small songs for tests."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from model.score import ROLES, TICKS_PER_BEAT, Note, Part, Role, Score

BAR = 4 * TICKS_PER_BEAT
KICK, SNARE, HAT, CRASH = 36, 38, 42, 49
RIFF = (0, 0, 12, 0, 3, 0, 5, 7)  # semitones above the root, in eighths
ROOTS = (40, 40, 36, 38)  # E E C D


def make_score(
    bars: int = 4,
    *,
    roles: Sequence[Role] = ("drums", "rhythm", "bass", "lead"),
    tempo_bpm: float = 160.0,
    opening_rest_bars: int = 0,
) -> Score:
    """A metal band's song in E minor: a beat, a riff in fifths, a bass with it, a melody above."""
    players = {"drums": _drums, "rhythm": _rhythm, "bass": _bass, "rhythm_2": _rhythm, "lead": _lead, "keys": _lead}
    parts = []
    for role in sorted(roles, key=ROLES.index):
        notes = [note for bar in range(opening_rest_bars, bars) for note in players[role](bar)]
        parts.append(Part(role=role, notes=tuple(sorted(notes))))
    return Score(tempo_bpm=tempo_bpm, time_signatures=((4, 4),) * bars, parts=tuple(parts))


def vary(score: Score, rng: np.random.Generator, highest: int) -> Score:
    """The same song with another tune: melodies move up to so many semitones."""
    parts = [
        part if part.role == "drums" else
        Part(role=part.role, notes=tuple(replace(n, pitch=n.pitch + int(rng.integers(highest))) for n in part.notes))
        for part in score.parts
    ]  # fmt: skip
    return replace(score, parts=tuple(parts))


def one_note_score(role: Role = "lead", pitch: int = 64) -> Score:
    """A bar with a single note at its start."""
    note = Note(start=0, pitch=pitch, duration=TICKS_PER_BEAT, velocity=100)
    return Score(tempo_bpm=120.0, time_signatures=((4, 4),), parts=(Part(role=role, notes=(note,)),))


def empty_score() -> Score:
    """A bar in which a player has nothing to play."""
    return Score(tempo_bpm=120.0, time_signatures=((4, 4),), parts=(Part(role="lead", notes=()),))


def _note(start: int, pitch: int, duration: int, velocity: int) -> Note:
    return Note(start=start, pitch=pitch, duration=duration, velocity=velocity)


def _drums(bar: int) -> list[Note]:
    start = bar * BAR
    hits = [(eighth * 6, HAT, 80 + 20 * (eighth % 2 == 0)) for eighth in range(8)]
    hits += [(beat * 12, SNARE, 115) for beat in (1, 3)]
    hits += [(sixteenth * 3, KICK, 105) for sixteenth in (0, 1, 6, 8, 9, 14)]
    hits += [(0, CRASH, 112)] if bar % 4 == 0 else []
    return [_note(start + at, pitch, 3, velocity) for at, pitch, velocity in hits]


def _rhythm(bar: int) -> list[Note]:
    root = ROOTS[bar % 4]
    return [
        _note(bar * BAR + eighth * 6, root + step + above, 6, 108 if eighth % 2 == 0 else 96)
        for eighth, step in enumerate(RIFF) for above in (0, 7)
    ]  # fmt: skip


def _bass(bar: int) -> list[Note]:
    root = ROOTS[bar % 4] - 12
    return [_note(bar * BAR + eighth * 6, root + step % 12, 6, 104) for eighth, step in enumerate(RIFF)]


def _lead(bar: int) -> list[Note]:
    scale = (64, 66, 67, 69, 71, 72, 74, 76)
    return [_note(bar * BAR + beat * 12, scale[(bar + beat * 2) % 8] + 7, 12, 100) for beat in range(4)]

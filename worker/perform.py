"""From the grid to hands: when each note is struck, and how long it is held."""

from dataclasses import dataclass

import numpy as np

from model.score import ROLES, Note, Part, Role, Score

RATE = 44_100  # frames a second
LEAD_SECONDS = 0.05  # players and codecs swallow the first milliseconds of a file
RING_SECONDS = 2.5  # what is heard after the last note was let go
LAST_CHORD_SECONDS = 1.2  # a song's last chord is held at least so long
DRUM_SECONDS = 4.0  # a drum rings until it is struck again
SPREAD_SECONDS: dict[Role, float] = {"drums": 0.001}  # standard deviation of a hand's timing
OTHER_SPREAD_SECONDS = 0.003
STRUM_SECONDS = 0.0015  # from string to string of a chord


@dataclass(frozen=True, slots=True, kw_only=True)
class Stroke:
    """A note as it is played: off the grid by a hair."""

    start: int  # frames from the start of the track
    stop: int  # frames; later than start
    pitch: int
    velocity: int  # 1 to 127


def opening_seconds(score: Score) -> float:
    """Where tick 0 lies on the track: after the lead-in, or before the track when the song opens with rests."""
    first = min((part.notes[0].start for part in score.parts if part.notes), default=0)
    return LEAD_SECONDS - first * score.seconds_per_tick


def perform(part: Part, score: Score, seed: int, take: int = 1) -> tuple[Stroke, ...]:
    """A part of a score as hands play it: a few milliseconds around the grid, strummed, the last chord held.

    The same seed and take give the same strokes. No stroke of a pitch outlasts the next one of the same pitch.
    """
    rng = np.random.default_rng([seed, ROLES.index(part.role), take])
    last_onset = max((note.start for each in score.parts for note in each.notes), default=0)
    spread = SPREAD_SECONDS.get(part.role, OTHER_SPREAD_SECONDS)
    sways = {start: float(np.clip(rng.normal(0, spread), -2 * spread, 2 * spread))
             for start in sorted({note.start for note in part.notes})}
    strokes: list[Stroke] = []
    next_start: dict[int, int] = {}
    for note, string in reversed(list(zip(part.notes, _strings(part), strict=True))):
        start = opening_seconds(score) + note.start * score.seconds_per_tick + sways[note.start]
        start_frame = max(0, round((start + string * STRUM_SECONDS) * RATE))
        held = _held_seconds(note, part.role, score, last_onset)
        stop_frame = min(start_frame + round(held * RATE), next_start.get(note.pitch, 2**62))
        next_start[note.pitch] = start_frame
        strokes.append(Stroke(start=start_frame, stop=max(stop_frame, start_frame + 1),
                              pitch=note.pitch, velocity=_struck(note, take, rng)))
    return tuple(sorted(strokes, key=lambda stroke: (stroke.start, stroke.pitch)))


def _struck(note: Note, take: int, rng: np.random.Generator) -> int:
    """The first take is struck as written; another one differs by a little."""
    return note.velocity if take == 1 else int(np.clip(note.velocity + rng.integers(-6, 7), 1, 127))


def _strings(part: Part) -> list[int]:
    """How many notes of the same chord are struck before each note; drums are struck together."""
    strings: list[int] = []
    for index, note in enumerate(part.notes):
        same = index > 0 and part.notes[index - 1].start == note.start and part.role != "drums"
        strings.append(strings[-1] + 1 if same else 0)
    return strings


def _held_seconds(note: Note, role: Role, score: Score, last_onset: int) -> float:
    if role == "drums":
        return DRUM_SECONDS
    written = note.duration * score.seconds_per_tick
    return max(written, LAST_CHORD_SECONDS) if note.start == last_onset else written

"""From the grid to hands: when each note is struck, how hard, and how long it is held."""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from model.score import ROLES, TICKS_PER_BEAT, Note, Part, Role, Score

RATE = 44_100  # frames a second
LEAD_SECONDS = 0.05  # players and codecs swallow the first milliseconds of a file
RING_SECONDS = 2.5  # what is heard after the last note was let go
LAST_CHORD_SECONDS = 1.2  # a song's last chord is held at least so long
DRUM_SECONDS = 4.0  # a drum rings until it is struck again
MOST_SPREADS = 2.0  # nobody is further off than so many standard deviations
EIGHTH = TICKS_PER_BEAT // 2
SWING_FADES_BPM = (200, 340)  # the faster, the straighter; nobody swings faster than the second
LOW_STRING = 4  # semitones above a guitar part's lowest note that are muted with the palm


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """How somebody's hands move."""

    spread_seconds: float = 0.003  # standard deviation of the timing
    lag_seconds: float = 0.0  # behind the beat, on average
    strum_seconds: float = 0.0  # from string to string of a chord
    spread_velocity: float = 3.0  # standard deviation, MIDI velocity
    mutes: bool = False  # damps fast notes on the low string with the palm


@dataclass(frozen=True, slots=True, kw_only=True)
class Stroke:
    """A note as it is played: off the grid by a hair."""

    start: int  # frames from the start of the track
    stop: int  # frames; later than start
    pitch: int
    velocity: int  # 1 to 127
    muted: bool = False  # with the palm on the strings


def opening_seconds(score: Score) -> float:
    """Where tick 0 lies on the track: after the lead-in, or before the track when the song opens with rests."""
    first = min((part.notes[0].start for part in score.parts if part.notes), default=0)
    return LEAD_SECONDS - first * score.seconds_per_tick


def perform(
    part: Part, score: Score, hand: Hand, *, seed: int, take: int = 1, swing: float = 0.5
) -> tuple[Stroke, ...]:
    """A part of a score as hands play it: a few milliseconds around the grid, swung, strummed, the last chord held.

    Args:
        take: Two takes of one part differ as two recordings do.
        swing: Where in the beat its second eighth falls; 0.5 is straight, 2/3 a triplet.

    The same arguments give the same strokes. No stroke of a pitch outlasts the next one of the same pitch.
    """
    rng = np.random.default_rng([seed, ROLES.index(part.role), take])
    last_onset = max((note.start for each in score.parts for note in each.notes), default=0)
    muted = muted_starts(part, score) if hand.mutes else set()
    strokes: list[Stroke] = []
    for start, notes in groupby(part.notes, key=lambda note: note.start):
        sway = hand.lag_seconds + _around(rng, hand.spread_seconds)
        effort = _around(rng, hand.spread_velocity / 2)
        for string, note in _strummed(in_bar(start, score), list(notes)):
            at = opening_seconds(score) + swung(start, score, swing) * score.seconds_per_tick + sway
            frame = max(0, round((at + string * hand.strum_seconds) * RATE))
            until = frame + round(_held_seconds(note, part.role, score, last_onset) * RATE)
            velocity = round(note.velocity + effort + _around(rng, hand.spread_velocity))
            strokes.append(Stroke(start=frame, stop=max(until, frame + 1), pitch=note.pitch,
                                  velocity=min(max(velocity, 1), 127), muted=start in muted))  # fmt: skip
    return _one_at_a_time(strokes)


def in_bar(ticks: int, score: Score) -> int:
    """Ticks since the last bar line."""
    return ticks - score.bar_starts[bisect_right(score.bar_starts, ticks) - 1]


def swung(ticks: int, score: Score, swing: float) -> float:
    """Where a note on the grid of eighths and sixteenths is played; triplets stay where they are."""
    slow, fast = SWING_FADES_BPM
    way = min(max((fast - score.tempo_bpm) / (fast - slow), 0), 1)
    place = in_bar(ticks, score) % TICKS_PER_BEAT
    if place % (EIGHTH // 2) or swing == 0.5:
        return ticks
    middle = (0.5 + (swing - 0.5) * way) * TICKS_PER_BEAT
    return float(ticks - place + np.interp(place, (0, EIGHTH, TICKS_PER_BEAT), (0, middle, TICKS_PER_BEAT)))


def muted_starts(part: Part, score: Score) -> set[int]:
    """Where a guitarist damps the low string: on fast notes that repeat or are repeated; never as a bar begins."""
    lowest = {start: min(note.pitch for note in notes) for start, notes in groupby(part.notes, lambda n: n.start)}
    starts = list(lowest)
    floor = min(lowest.values(), default=0) + LOW_STRING
    muted = set()
    for before, start, after in zip([None, *starts], starts, starts[1:], strict=False):
        again = lowest[start] == lowest[after] or (before is not None and lowest[start] == lowest[before])
        if after - start <= EIGHTH and lowest[start] <= floor and again and in_bar(start, score):
            muted.add(start)
    return muted


def _around(rng: np.random.Generator, spread: float) -> float:
    return float(np.clip(rng.normal(0, spread), -MOST_SPREADS * spread, MOST_SPREADS * spread))


def _strummed(place: int, notes: list[Note]) -> list[tuple[int, Note]]:
    """(how many strings are struck before it, note); upwards on the off-beat eighths of a bar."""
    upwards = place % TICKS_PER_BEAT == EIGHTH
    return list(enumerate(sorted(notes, key=lambda note: note.pitch, reverse=upwards)))


def _one_at_a_time(strokes: list[Stroke]) -> tuple[Stroke, ...]:
    """In order, each stopped when its pitch is struck again."""
    in_order = sorted(strokes, key=lambda stroke: (stroke.start, stroke.pitch))
    next_start: dict[int, int] = {}
    played = []
    for stroke in reversed(in_order):
        stop = max(min(stroke.stop, next_start.get(stroke.pitch, stroke.stop)), stroke.start + 1)
        next_start[stroke.pitch] = stroke.start
        played.append(Stroke(start=stroke.start, stop=stop, pitch=stroke.pitch,
                             velocity=stroke.velocity, muted=stroke.muted))  # fmt: skip
    return tuple(reversed(played))


def _held_seconds(note: Note, role: Role, score: Score, last_onset: int) -> float:
    if role == "drums":
        return DRUM_SECONDS
    written = note.duration * score.seconds_per_tick
    return max(written, LAST_CHORD_SECONDS) if note.start == last_onset else written

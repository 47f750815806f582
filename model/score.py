"""What the band plays, as values: notes, parts, a score."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, get_args

Role = Literal["drums", "rhythm", "bass", "rhythm_2", "lead", "keys"]
ROLES: tuple[Role, ...] = get_args(Role)  # also the order in which a bar is written

TICKS_PER_BEAT = 12  # a beat is a quarter note; 12 holds sixteenths and triplets
DURATIONS = (1, 2, 3, 4, 6, 8, 9, 12, 18, 24, 30, 36, 42, 48, 60, 72, 96, 144, 192)  # ticks that a note can last
TimeSignature = tuple[int, int]  # (beats, beat unit): (6, 8)
TIME_SIGNATURES: tuple[TimeSignature, ...] = (
    (4, 4), (2, 4), (3, 4), (5, 4), (6, 4), (7, 4), (8, 4),
    (3, 8), (4, 8), (5, 8), (6, 8), (7, 8), (9, 8), (10, 8), (11, 8), (12, 8), (13, 8), (15, 8),
)  # fmt: skip  # those that the band can play; nearly all that real songs use


def ticks_per_bar(time_signature: TimeSignature) -> int:
    """Length of a bar in ticks: 48 for 4/4."""
    numerator, denominator = time_signature
    return numerator * TICKS_PER_BEAT * 4 // denominator


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Note:
    """One struck note."""

    start: int  # ticks from the start of the song
    pitch: int  # MIDI number; 60 is middle C; for drums the General MIDI key
    duration: int  # ticks, at least 1
    velocity: int  # 1 to 127


def end_when_struck_again(notes: Sequence[Note]) -> tuple[Note, ...]:
    """Notes of one player, in order of start, each over by the time its pitch is struck again, as a string or a key is.

    Cut are durations only, to the longest on the grid that is left.
    """
    next_start: dict[int, int] = {}
    ended = []
    for note in reversed(notes):
        room = next_start.get(note.pitch, note.start + note.duration) - note.start
        fits = note.duration <= room
        ended.append(note if fits else replace(note, duration=max(d for d in DURATIONS if d <= room)))
        next_start[note.pitch] = note.start
    return tuple(reversed(ended))


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One player's notes, in order of start and pitch."""

    role: Role
    notes: tuple[Note, ...]


def as_part(role: Role, notes: Iterable[Note]) -> Part:
    """The part of notes in any order; a drum has no length of its own, and is not ended."""
    in_order = sorted(notes)
    return Part(role=role, notes=tuple(in_order) if role == "drums" else end_when_struck_again(in_order))


@dataclass(frozen=True, kw_only=True)
class Score:
    """A song on the grid: what is played, not yet how it sounds."""

    tempo_bpm: float  # quarter notes a minute
    time_signatures: tuple[TimeSignature, ...]  # one for each bar
    parts: tuple[Part, ...]  # at most one for each role, in the order of ROLES

    @cached_property
    def bar_starts(self) -> tuple[int, ...]:
        """Start of each bar in ticks, and the end of the last."""
        starts = [0]
        for signature in self.time_signatures:
            starts.append(starts[-1] + ticks_per_bar(signature))
        return tuple(starts)

    @property
    def ticks(self) -> int:
        """Length of all bars in ticks."""
        return self.bar_starts[-1]

    @property
    def seconds_per_tick(self) -> float:
        """Seconds for one tick at the score's tempo."""
        return 60 / self.tempo_bpm / TICKS_PER_BEAT

    @property
    def seconds(self) -> float:
        """Length of all bars in seconds, without what rings after."""
        return self.ticks * self.seconds_per_tick

    def part(self, role: Role) -> Part | None:
        """The part of a role, if it plays."""
        return next((part for part in self.parts if part.role == role), None)

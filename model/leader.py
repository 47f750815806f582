"""The band leader, who hands out a chart before a song and holds the players to it.

The composer knows nothing of charts: its harmony stands still, and sections do not return. So what a chart does to what
is played is learned beside it, as numbers added to its logits (a product of experts, Hinton 2002), so large that real
songs are foretold best when their own charts are known:

    for a pitch, by who plays, where in the beat, and how many semitones it lies above the root of the chord;
    for the other notes of its shape, for each that lies outside the chord;
    for a repeat, by whether that bar has the same chords.

A band leans on its own past more than real songs do, so that a genre may take these numbers more than once
(`strictness`), as in classifier-free guidance (Ho and Salimans 2022, arXiv:2207.12598). How likely a pitch is at all,
beside a rest or the next position, is left to the composer. That bars return as the chart says, and that nobody leaves
the scale or a register, is the business of `model.guards`.
"""

from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from model import tokens as t
from model.chart import CHORDS, FARTHEST_RETURN, QUALITIES, TEMPLATES, Chart, new_chart
from model.errors import NeedsOperator
from model.reader import DRUMS, Reader
from model.score import ROLES, TICKS_PER_BEAT, TIME_SIGNATURES, TimeSignature
from model.tables import load_tables, save_tables

FORMAT = 2  # of the file
PLACES = 3  # on the beat, on its half, elsewhere
MOST_CHARTS = 400  # of a genre; more would not be more various

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]


class BadLeader(NeedsOperator):
    """The file of a leader is damaged or of another version."""


def _above() -> Floats:
    """The pitch classes of a shape above its lowest note, by shape and lowest pitch class: (SHAPES, 12, 12)."""
    above = np.zeros((len(t.SHAPES), 12, 12), np.float32)
    for number, shape in enumerate(t.SHAPES):
        for lowest in range(12):
            above[number, lowest, [(lowest + step) % 12 for step in shape[1:]]] = 1
    return above


# How many pitch classes of a shape, but for its lowest note, lie outside a chord: (CHORDS - 1, SHAPES, 12).
OUTSIDE = np.einsum("slc,kc->ksl", _above(), 1 - TEMPLATES).astype(np.float32)
_CLASSES = np.arange(128) % 12  # of pitches


def places(positions: Integers) -> Integers:
    """Where in the beat positions (ticks in the bar) are, below PLACES."""
    on_beat, on_half = positions % TICKS_PER_BEAT == 0, positions % (TICKS_PER_BEAT // 2) == 0
    return np.where(on_beat, 0, np.where(on_half, 1, 2))


PLACE_OF: list[int] = places(np.arange(t.LONGEST_BAR)).tolist()


@dataclass(frozen=True, kw_only=True, eq=False)
class Leader:
    """The charts of a genre's songs, and what a chart does to the odds of what is played."""

    pitch: Floats  # (ROLES, PLACES, QUALITIES, 12): nats by semitones above the root
    outside: Floats  # (ROLES,): nats for each other note outside the chord
    repeat: Floats  # (ROLES, 2): nats for a bar of the same chords, of others
    lengths: Integers  # (songs,): bars of each
    signatures: Bytes  # (songs,): time signature of most bars, as an index into TIME_SIGNATURES
    chords: Bytes  # (bars of all songs, 2), as in a chart
    returns: Bytes  # (bars of all songs,), as in a chart
    scales: Bytes  # (songs, 12), as in a chart
    registers: Bytes  # (songs, ROLES, 2), as in a chart

    def draw(self, bars: int, signature: TimeSignature, rng: np.random.Generator) -> Chart:
        """A chart for a new song from those of two real ones, in its time signature where there are such."""
        own = np.flatnonzero(self.signatures == TIME_SIGNATURES.index(signature))
        every = np.arange(len(self.lengths))
        form, harmony = rng.choice(own if len(own) else every, 2)
        if form == harmony and len(every) > 1:  # a chart is never one song's
            form = rng.choice([song for song in (own if len(own) > 1 else every) if song != harmony])
        return new_chart(self._chart(int(form)), self._chart(int(harmony)), bars)

    def _chart(self, song: int) -> Chart:
        end = int(self.lengths[: song + 1].sum())
        bars = slice(end - int(self.lengths[song]), end)
        return Chart(
            chords=self.chords[bars], returns=self.returns[bars],
            scale=self.scales[song], registers=self.registers[song],
        )  # fmt: skip

    def lead(self, chart: Chart, strictness: float, reader: Reader, logits: Floats) -> None:
        """Move the logits (vocabulary,) of what comes next to what the chart wants; drums are left alone."""
        role, bar = reader.role, reader.bar
        if role in (DRUMS, len(ROLES)):
            return
        if reader.fresh:
            back = min(bar, t.MOST_BACK)
            others = (chart.chords[bar - back : bar] != chart.chords[bar]).any(1)[::-1].astype(int)
            logits[t.REPEAT.start : t.REPEAT.start + back] += strictness * self.repeat[role][others]
            return
        chord = chart.chord_at(bar, reader.position, reader.bar_ticks) - 1
        if chord >= 0:
            place = PLACE_OF[reader.position]
            pitches = logits[t.PITCH.start : t.PITCH.stop]
            before = np.logaddexp.reduce(pitches)
            of_shape = self._of_shape[role, chord, reader.shape][_CLASSES]
            pitches += strictness * self._of_pitch[role, place, chord] + strictness * of_shape
            pitches += before - np.logaddexp.reduce(pitches)

    @cached_property
    def _of_pitch(self) -> Floats:
        """(ROLES, PLACES, CHORDS - 1, 128)."""
        chords, pitches = np.arange(CHORDS - 1)[:, None], np.arange(128)
        of_pitch: Floats = self.pitch[:, :, chords // 12, (pitches - chords) % 12]
        return of_pitch

    @cached_property
    def _of_shape(self) -> Floats:
        """(ROLES, CHORDS - 1, SHAPES, 12): by the class of the lowest pitch."""
        of_shape: Floats = self.outside[:, None, None, None] * OUTSIDE
        return of_shape

    def save(self, path: Path) -> None:
        """Write the leader as safetensors."""
        save_tables(path, asdict(self), FORMAT)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a leader that `save` wrote.

        Raises:
            BadLeader: Damaged, or of another version.
        """
        names = [each.name for each in fields(cls)]
        leader = cls(**load_tables(path, names, FORMAT, what="leader", command="leader", error=BadLeader))
        if not leader._belong_together():
            raise BadLeader(f"{path}: its numbers do not belong together; run `lnh leader` again")
        return leader

    def _belong_together(self) -> bool:
        roles = len(ROLES)
        tables = {"pitch": (roles, PLACES, len(QUALITIES), 12), "outside": (roles,), "repeat": (roles, 2)}
        songs = len(self.lengths) if self.lengths.ndim == 1 and self.lengths.dtype == np.int64 else 0
        if not songs or self.lengths.min() < 1 or self.lengths.max() > len(self.returns):
            return False
        bars = int(self.lengths.sum())
        below = {"signatures": ((songs,), len(TIME_SIGNATURES)), "chords": ((bars, 2), CHORDS),
                 "returns": ((bars,), FARTHEST_RETURN + 1), "scales": ((songs, 12), 2),
                 "registers": ((songs, roles, 2), 128)}  # fmt: skip
        return all(
            (each := getattr(self, name)).dtype == np.float32 and each.shape == shape and np.isfinite(each).all()
            for name, shape in tables.items()
        ) and all(
            (each := getattr(self, name)).dtype == np.uint8 and each.shape == shape and (each < most).all()
            for name, (shape, most) in below.items()
        )


def leader_path(weights: Path) -> Path:
    """Where the leader of a weights file's band lies: beside it."""
    return weights.with_suffix(".leader.safetensors")

"""A calibration: numbers added to a composer's logits so that its songs have as much of each habit as real ones have.

A small network that hears itself stays on a note, rests, roams and rushes more than the songs that it learned from, and
makes a new figure where a real player has one already; a leader and guards take some steps away altogether. So the band
plays, what it chose is counted beside what real players chose (`model.tally`), and what it does too seldom is made
likelier, until both come to the same counts.

Source: the distribution that has given moments and is nearest to a model's own is that model, tilted by the exponential
of their weighted sum (Csiszár 1975); for language models, Khalifa et al., "A distributional approach to controlled text
generation" (2021, arXiv:2012.11635). There the whole text is tilted; here each choice, whose weights are found by
stochastic approximation (Robbins and Monro 1951) on the band's own songs.
"""

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from model import tokens as t
from model.chart import TEMPLATES, Chart
from model.errors import NeedsOperator
from model.reader import DRUMS, Reader
from model.score import ROLES
from model.tables import load_tables, save_tables

FORMAT = 3  # of the file
WIDEST_STEP = 13  # semitones; wider ones count as this
LONGEST_WAIT = 48  # ticks; longer ones count as this
REST, REPEAT, OTHER = range(3)  # columns of `forms`
MORE, ENOUGH = range(2)  # columns of `together`
OUTSIDE, INSIDE = range(2)  # columns of `harmony`
NEW, MADE = range(2)  # columns of `figures`
APART, WITH_KICK = range(2)  # columns of `kicks`
CHANGED, KEPT = range(2)  # columns of `intervals`
THIRD = 4  # semitones
HIGHEST = 25  # semitones; what lies higher above a part's lowest pitch counts as this
WORDS = {"durations": t.DURATION, "shapes": t.SHAPE, "hits": t.HIT}  # choices that are tokens
SIZES = {  # how many choices there are of each kind
    **{kind: len(tokens) for kind, tokens in WORDS.items()},
    "steps": WIDEST_STEP + 1, "waits": LONGEST_WAIT + 1, "forms": 3, "together": 2, "harmony": 2, "figures": 2,
    "kicks": 2, "registers": 128 // THIRD, "heights": HIGHEST + 2, "intervals": 2,
}  # fmt: skip

Floats = NDArray[np.float32]

CLASSES = [0, *(TEMPLATES @ (1 << np.arange(12))).astype(int).tolist()]  # bit set of the pitch classes of each chord
IN_SET = (np.arange(4096)[:, None] >> np.arange(128) % 12) & 1  # whether a pitch is in a bit set: (4096, 128)


class BadCalibration(NeedsOperator):
    """The file of a calibration is damaged or of another version."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibration:
    """Nats for each choice, by who plays."""

    steps: Floats  # (ROLES, WIDEST_STEP + 1): semitones from the pitch struck last, of what is struck first
    waits: Floats  # (ROLES, LONGEST_WAIT + 1): ticks from one position to the next, or to the end of the bar
    durations: Floats  # (ROLES, DURATIONS)
    shapes: Floats  # (ROLES, SHAPES)
    hits: Floats  # (ROLES, HITS)
    forms: Floats  # (ROLES, 3): a bar of rest, a repeated one, any other
    together: Floats  # (ROLES, 2): one more at a position where something is struck, or enough
    harmony: Floats  # (ROLES, 2): a pitch class outside what others sound, or inside; in silence, the chart's chord
    figures: Floats  # (ROLES, 2): an interval that the part has not struck yet at this position of a bar, or has
    kicks: Floats  # (ROLES, 2): a position where the kick is not struck, or is; in bars that have one
    registers: Floats  # (ROLES, 128 / THIRD): thirds, of what is struck first, from the lowest pitch
    heights: Floats  # (ROLES, HIGHEST + 2): below the part's lowest pitch so far, and semitones above it
    intervals: Floats  # (ROLES, 2): a bass that follows the guitar in another interval than last, or in the same

    @classmethod
    def none(cls) -> Self:
        """One that changes nothing."""
        return cls(**{name: np.zeros((len(ROLES), size), np.float32) for name, size in SIZES.items()})

    def correct(self, chart: Chart | None, reader: Reader, logits: Floats) -> None:
        """Move the logits (vocabulary,) of what comes next in a part."""
        role = reader.role
        if role == len(ROLES):
            return
        logits += self._words[role, int(reader.struck_here)]
        if reader.fresh:
            if reader.interval is not None:
                logits[t.ROOT.start : t.ROOT.stop] += self.intervals[role, CHANGED]
                logits[t.ROOT[reader.interval]] += self.intervals[role, KEPT] - self.intervals[role, CHANGED]
            return
        position, ticks = reader.position, reader.bar_ticks
        logits[t.AT.start + position + 1 : t.AT.start + ticks] += self._waits[role, 1 : ticks - position]
        logits[t.DONE] += self._waits[role, ticks - position]
        if role == DRUMS:
            return
        if reader.kicks.any():
            logits[t.AT.start : t.AT.stop] += self.kicks[role][reader.kicks[: len(t.AT)].astype(np.intp)]
        pitches = logits[t.PITCH.start : t.PITCH.stop]
        if not reader.struck_here:
            pitches += self._registers[role]
            if reader.last_pitch is not None:
                pitches += self._heights[role, reader.lowest_pitch]
                pitches += self._steps[role, reader.last_pitch]
                pitches += self.figures[role][reader.figures.astype(np.intp)]
        harmony = reader.harmony or (CLASSES[chart.chord_at(reader.bar, position, ticks)] if chart else 0)
        if harmony:
            pitches += self.harmony[role][IN_SET[harmony]]

    @cached_property
    def _words(self) -> Floats:
        """What needs no context but whether something is struck at this position: (ROLES, 2, vocabulary)."""
        words = np.zeros((len(ROLES), 2, len(t.NAMES)), np.float32)
        for kind, tokens in WORDS.items():
            words[:, :, tokens.start : tokens.stop] = getattr(self, kind)[:, None]
        for tokens in (t.DURATION, t.SHAPE, t.PITCH, t.HIT):
            words[:, 1, tokens.start : tokens.stop] += self.together[:, [MORE]] - self.together[:, [ENOUGH]]
        words[:, :, t.REST] = self.forms[:, [REST]]
        words[:, :, t.REPEAT.start : t.REPEAT.stop] = self.forms[:, None, [REPEAT]]
        return words

    @cached_property
    def _heights(self) -> Floats:
        """By the lowest pitch and the next: (ROLES, 128, 128)."""
        pitches = np.arange(128)
        return self.heights[:, (pitches - pitches[:, None]).clip(-1, HIGHEST) + 1]

    @cached_property
    def _registers(self) -> Floats:
        """(ROLES, 128)."""
        return self.registers.repeat(THIRD, axis=1)

    @cached_property
    def _waits(self) -> Floats:
        """(ROLES, LONGEST_BAR + 1)."""
        return self.waits[:, np.arange(t.LONGEST_BAR + 1).clip(max=LONGEST_WAIT)]

    @cached_property
    def _steps(self) -> Floats:
        """By the last pitch and the next: (ROLES, 128, 128)."""
        pitches = np.arange(128)
        return self.steps[:, abs(pitches[:, None] - pitches).clip(max=WIDEST_STEP)]

    def save(self, path: Path) -> None:
        """Write it as safetensors."""
        save_tables(path, asdict(self), FORMAT)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a calibration that `save` wrote.

        Raises:
            BadCalibration: Damaged, or of another version.
        """
        tables = load_tables(
            path, SIZES, FORMAT, what="calibration", command="calibrate", error=BadCalibration
        )  # fmt: skip
        if not all(
            table.dtype == np.float32 and table.shape == (len(ROLES), SIZES[name]) and np.isfinite(table).all()
            for name, table in tables.items()
        ):
            raise BadCalibration(f"{path}: its numbers do not belong together; run `lnh calibrate` again")
        return cls(**tables)


def calibration_path(weights: Path) -> Path:
    """Where the calibration of a weights file's band lies: beside it."""
    return weights.with_suffix(".calibration.safetensors")

"""A chart: what players agree on before a song, as on the sheet that a band leader hands out.

It says the chord of each half bar, the scale, in which register each player keeps, and which bars return from how far
back. Of a real song it is read from the notes; a new song gets one that no song had: the form and the registers of one,
over the chords and the scale of another.

Source: chords by templates of pitch classes, Fujishima, "Realtime chord recognition of musical sound" (1999); here on
notes, by how long they sound, and those of the bass once more for the root.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from model.features import Columns, bar_hashes, columns
from model.score import ROLES, TICKS_PER_BEAT, Score, ticks_per_bar

QUALITIES = ((0, 4, 7), (0, 3, 7))  # semitones above the root: major, minor
CHORDS = 1 + 12 * len(QUALITIES)  # 0: none; then 1 + 12 * quality + root
SHORTEST_HALVED = 4 * TICKS_PER_BEAT  # ticks; a shorter bar has one chord
NEAREST_RETURN, FARTHEST_RETURN = 4, 32  # bars; what comes back sooner is a loop, and no repeat reaches further
OUTSIDE = 0.5  # how much a tick outside a chord counts against one inside it
ROOT = 0.5  # how much more a tick counts when the bass plays the root
CHANGE = 0.12  # of all ticks: how much better two chords must fit than one, for a bar to have two
ENDING = 4  # bars of a song's end that stay when its chart is cut
FOREIGN = 0.005  # share of a song's notes below which a pitch class is no part of its scale
FEWEST_NOTES = 4  # of a scale in a register; 6 % of reggae's leads have fewer
NO_LIMIT = (0, 127)  # the register of who does not play

Integers = NDArray[np.int64]
Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]

TEMPLATES = np.array([  # (CHORDS - 1, 12): 1 for the pitch classes of a chord
    [(pitch_class - root) % 12 in steps for pitch_class in range(12)] for steps in QUALITIES for root in range(12)
], np.float64)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chart:
    """What is agreed for a song and each of its bars."""

    chords: Bytes  # (bars, 2): of each half, below CHORDS
    returns: Bytes  # (bars,): how many bars back all played the same; 0 where that is nowhere
    scale: Bytes  # (12,): 1 for each pitch class that belongs to the song
    registers: Bytes  # (ROLES, 2): lowest and highest pitch of each role; drums have NO_LIMIT

    def chord_at(self, bar: int, position: int, ticks: int) -> int:
        """The chord at a position in a bar of so many ticks; 0: none."""
        return int(self.chords[bar, int(position * 2 >= ticks)])

    @classmethod
    def read(cls, score: Score) -> Self:
        """The chart of a score."""
        parts = [each for part in score.parts if len((each := columns(part, score)).starts)]
        bars = len(score.time_signatures)
        whole = sum((bar_hashes(part, bars) for part in parts), np.zeros(bars, np.uint64))
        return cls(
            chords=_chords(parts, score), returns=_returns(whole), scale=_scale(parts), registers=_registers(parts)
        )


def new_chart(form: Chart, harmony: Chart, bars: int) -> Chart:
    """A chart of so many bars that return as those of one song do, over the chords of another.

    Players keep to the registers of the first, widened where they hold too little of it, and to the scale of the other.

    Of either the first bars are taken and the ENDING; a song that is too short begins again. A song begins with its
    first chord, so that no sticks count in. Where bars return, so do their chords; the last bar returns from nowhere,
    for a song ends there.
    """
    form, harmony = _from_first_chord(form), _from_first_chord(harmony)
    returns = _moved(form.returns, _bars_kept(len(form.returns), bars))
    chords = _filled(harmony.chords)[_bars_kept(len(harmony.chords), bars)]
    for bar, back in enumerate(returns.tolist()):  # a uint8 would take no bar beyond 255
        chords[bar] = chords[bar - back]
    registers = np.array([_widened(register, harmony.scale) for register in form.registers.tolist()], np.uint8)
    return Chart(chords=chords, returns=returns, scale=harmony.scale, registers=registers)


def _widened(register: tuple[int, int], scale: Bytes) -> tuple[int, int]:
    """A register with room for a tune: for at least FEWEST_NOTES of the scale."""
    lowest, highest = register
    while scale[np.arange(lowest, highest + 1) % 12].sum() < FEWEST_NOTES and (lowest, highest) != NO_LIMIT:
        lowest, highest = max(lowest - 1, 0), min(highest + 1, 127)
    return lowest, highest


def _from_first_chord(chart: Chart) -> Chart:
    first = int(chart.chords.any(1).argmax())  # 0 where there is none
    return replace(chart, chords=chart.chords[first:], returns=chart.returns[first:])


def _bars_kept(length: int, bars: int) -> Integers:
    """Numbers of the bars of a song that make one of so many."""
    ending = np.arange(max(0, length - ENDING), length)
    before = np.arange(max(bars - len(ending), 0)) % max(length - len(ending), 1)
    return np.concatenate([before, ending])[:bars]


def _moved(returns: Bytes, kept: Integers) -> Bytes:
    """How far back bars return when these are the bars of a song that are kept."""
    moved = np.zeros(len(kept), np.uint8)
    for bar, source in enumerate(kept[:-1]):
        same = np.flatnonzero(kept[:bar] == int(source) - int(returns[source]))
        if returns[source] and len(same) and NEAREST_RETURN <= bar - same[-1] <= FARTHEST_RETURN:
            moved[bar] = bar - same[-1]
    return moved


def _filled(chords: Bytes) -> Bytes:
    """Chords without gaps: where there is none, the one before holds, at the beginning the first."""
    line = chords.ravel()
    known = np.flatnonzero(line)
    if not len(known):
        return chords.copy()
    before = known[np.maximum(np.searchsorted(known, np.arange(len(line)), side="right") - 1, 0)]
    return line[before].reshape(-1, 2)


# --- reading a song's


def _chords(parts: Sequence[Columns], score: Score) -> Bytes:
    """The chord of each half bar; both halves of a bar have one, unless two fit clearly better."""
    lengths = np.array([ticks_per_bar(signature) for signature in score.time_signatures], np.int64)
    starts = np.array(score.bar_starts[:-1], np.int64)
    edges = np.stack([starts, starts + lengths // 2], axis=1).ravel()
    pitched = [part for part in parts if part.pitched]
    sounding = _sounding(pitched, score.ticks, edges)  # (bars, 2, 12)
    bass = _sounding([part for part in pitched if part.role == "bass"], score.ticks, edges)
    halves, whole = _fit(sounding, bass), _fit(sounding.sum(1), bass.sum(1))
    one = np.repeat(whole.argmax(1)[:, None], 2, axis=1)
    gain = halves.max(2).sum(1) - np.take_along_axis(halves, one[..., None], axis=2).sum((1, 2))
    ticks = sounding.sum((1, 2))
    two = (lengths >= SHORTEST_HALVED) & (sounding.sum(2) > 0).all(1) & (gain > CHANGE * ticks)
    chords = np.where(two[:, None], halves.argmax(2), one) + 1
    return np.where(ticks[:, None] > 0, chords, 0).astype(np.uint8)


def _scale(parts: Sequence[Columns]) -> Bytes:
    """The pitch classes that are not foreign to a song; all, where nobody plays any."""
    pitches = np.concatenate([np.zeros(0, np.int64), *(part.pitches for part in parts if part.pitched)])
    counts = np.bincount(pitches % 12, minlength=12)
    scale: Bytes = (counts >= FOREIGN * len(pitches)).astype(np.uint8)
    return scale


def _registers(parts: Sequence[Columns]) -> Bytes:
    registers = np.tile(np.array(NO_LIMIT, np.uint8), (len(ROLES), 1))
    for part in parts:
        if part.pitched:
            registers[ROLES.index(part.role)] = part.pitches.min(), part.pitches.max()
    return registers


def _sounding(parts: Sequence[Columns], ticks: int, edges: Integers) -> Floats:
    """For how many ticks, over all notes, each pitch class sounds from one edge to the next: (edges / 2, 2, 12)."""
    change = np.zeros((ticks + 1, 12))
    for part in parts:
        np.add.at(change, (part.starts, part.pitches % 12), 1)
        np.add.at(change, (np.minimum(part.starts + part.durations, ticks), part.pitches % 12), -1)
    return np.add.reduceat(change.cumsum(0)[:ticks], edges, axis=0).reshape(-1, 2, 12)


def _fit(sounding: Floats, bass: Floats) -> Floats:
    """How well each chord fits what sounds: (…, 12) to (…, CHORDS - 1)."""
    inside = sounding @ TEMPLATES.T
    fit: Floats = inside - OUTSIDE * (sounding.sum(-1, keepdims=True) - inside) + ROOT * np.tile(bass, len(QUALITIES))
    return fit


def _returns(whole: NDArray[np.uint64]) -> Bytes:
    """How far back each bar returns, by hashes of whole bars; of several ways that by which most in a row do."""
    bars = len(whole)
    runs = np.zeros((bars + 1, FARTHEST_RETURN + 1), np.int64)  # bars from here on that return from so far back
    for bar in reversed(range(bars)):
        for back in range(NEAREST_RETURN, min(bar, FARTHEST_RETURN) + 1):
            if whole[bar] and whole[bar] == whole[bar - back]:
                runs[bar, back] = runs[bar + 1, back] + 1
    returns = np.zeros(bars, np.uint8)
    bar = 0
    while bar < bars:
        back = int(runs[bar].argmax())
        run = int(runs[bar, back])
        returns[bar : bar + run] = back
        bar += max(run, 1)
    return returns

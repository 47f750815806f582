"""What a song is like, in numbers: the features by which generated songs are held beside real ones.

A feature that cannot be said of a song is left out: the duration of a bass that never plays, say. Tempo, velocity and
line-up are no features, for they come from the request and the genre file and not from the model.

Sources:
    Dong, Chen, McAuley, Berg-Kirkpatrick, "MusPy" (ISMIR 2020), for pitch-class entropy, scale consistency, groove
    consistency and polyphony; Dong et al., "MuseGAN" (AAAI 2018), for used pitch classes and empty bars; Yang and
    Lerch, "On the evaluation of generative models in music" (2018), for pitch range, leaps and note lengths by part;
    Longuet-Higgins and Lee, "The rhythmic interpretation of monophonic music" (1984), for syncopation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.score import ROLES, TICKS_PER_BEAT, Note, Part, Role, Score

Integers = NDArray[np.int64]
Hashes = NDArray[np.uint64]

KICKS = (35, 36)  # General MIDI keys
HARMONY: tuple[Role, ...] = ("rhythm", "rhythm_2", "keys")  # who plays the chords
LOOK_BACK_BARS = 16  # a bar repeats when it equals one of so many before it
RETURN_LAGS = (4, 8, 16)  # bars; the lengths of most phrases and sections
LONGEST_BAR = 4096  # ticks; more than any time signature that the band knows
MAJOR = (0, 2, 4, 5, 7, 9, 11)  # the natural minor scales are the same twelve sets of notes


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The notes of one part as arrays of one length, in order of start and pitch."""

    role: Role
    starts: Integers  # ticks from the start of the song
    pitches: Integers
    durations: Integers  # ticks
    bars: Integers  # which bar the note starts in, from 0
    positions: Integers  # ticks from the start of that bar

    @property
    def pitched(self) -> bool:
        """True when pitches are pitches, not drums."""
        return self.role != "drums"


def columns(part: Part, score: Score) -> Columns:
    """A part's notes as arrays; what starts after the last bar is left out."""
    notes = np.array([(note.start, note.pitch, note.duration) for note in part.notes], np.int64).reshape(-1, 3)
    notes = notes[(notes[:, 0] >= 0) & (notes[:, 0] < score.ticks)]
    starts, pitches, durations = notes.T
    bar_starts = np.array(score.bar_starts)
    bars = np.searchsorted(bar_starts, starts, side="right") - 1
    return Columns(
        role=part.role,
        starts=starts,
        pitches=pitches,
        durations=durations,
        bars=bars,
        positions=starts - bar_starts[bars],
    )


def cut(score: Score, first_bar: int, bars: int) -> Score:
    """The bars from `first_bar` on as a song of its own; what rings over either edge is cut there."""
    start = score.bar_starts[first_bar]
    end = score.bar_starts[min(first_bar + bars, len(score.time_signatures))]
    return Score(
        tempo_bpm=score.tempo_bpm,
        time_signatures=score.time_signatures[first_bar : first_bar + bars],
        parts=tuple(Part(role=part.role, notes=_cut_notes(part.notes, start, end)) for part in score.parts),
    )


def _cut_notes(notes: Sequence[Note], start: int, end: int) -> tuple[Note, ...]:
    return tuple(
        Note(
            start=note.start - start,
            pitch=note.pitch,
            duration=min(note.duration, end - note.start),
            velocity=note.velocity,
        )
        for note in notes
        if start <= note.start < end
    )


def describe(score: Score) -> dict[str, float]:
    """All features that can be said of a song, by name; every one of them finite.

    Units: notes, semitones, quarter-note beats and bars; the rest are shares from 0 to 1, entropy is in bits.
    """
    parts = [each for part in score.parts if len((each := columns(part, score)).starts)]
    by_role = {part.role: part for part in parts}
    bar_count = len(score.time_signatures)
    features = _harmony([part for part in parts if part.pitched])
    if parts:
        features |= _rhythm(parts, score) | _form(parts, bar_count)
    for part in parts:
        features |= _part(part, bar_count)
    if "bass" in by_role:
        features |= _bass(by_role, score.ticks)
    if "drums" in by_role:
        features["drums: different hits"] = float(_different_hits(by_role["drums"]))
    return features


# --- harmony: what is played, whenever


def _harmony(parts: Sequence[Columns]) -> dict[str, float]:
    if not parts:
        return {}
    classes = np.concatenate([part.pitches for part in parts]) % 12
    bars = np.concatenate([part.bars for part in parts])
    shares = np.bincount(classes, minlength=12) / len(classes)
    return {
        "pitch-class entropy": pitch_class_entropy(shares),
        "most used pitch class": float(shares.max()),
        "pitch classes a bar": len(np.unique(bars * 12 + classes)) / len(np.unique(bars)),
        "scale consistency": scale_consistency(shares),
    }


def pitch_class_entropy(shares: NDArray[np.float64]) -> float:
    """Entropy in bits of the shares of the twelve pitch classes; 0 for one note, log2(12) for all alike (MusPy)."""
    used = shares[shares > 0]
    return abs(float((used * np.log2(used)).sum()))


def scale_consistency(shares: NDArray[np.float64]) -> float:
    """Share of notes within the best fitting major or natural minor scale (MusPy)."""
    return max(float(np.roll(shares, -root)[list(MAJOR)].sum()) for root in range(12))


# --- rhythm and form: when the band plays, and what comes back


def _rhythm(parts: Sequence[Columns], score: Score) -> dict[str, float]:
    rhythm = {}
    if (groove := groove_consistency(parts, score)) is not None:
        rhythm["groove consistency"] = groove
    places = [np.unique(part.bars * LONGEST_BAR + part.positions) for part in parts if part.pitched]
    if places:
        rhythm["onsets on the beat"] = float((np.concatenate(places) % LONGEST_BAR % TICKS_PER_BEAT == 0).mean())
        rhythm["syncopated onsets"] = float(np.concatenate([syncopated(each, score) for each in places]).mean())
    return rhythm


def groove_consistency(parts: Sequence[Columns], score: Score) -> float | None:
    """One less the mean share of positions at which two neighbouring bars differ in having an onset (MusPy).

    Only neighbours of one length are compared; None when there are no such two.
    """
    lengths = np.diff(np.array(score.bar_starts))
    alike = lengths[1:] == lengths[:-1]
    if not alike.any():
        return None
    onsets = np.zeros((len(lengths), lengths.max()), bool)
    for part in parts:
        onsets[part.bars, part.positions] = True
    differing = (onsets[1:] != onsets[:-1]).sum(1) / lengths[1:]
    return 1 - float(differing[alike].mean())


def syncopated(places: Integers, score: Score) -> NDArray[np.bool_]:
    """Which onsets lie off the beat while the next stronger position stays without one.

    After Longuet-Higgins and Lee, with three levels only: the beat, its half, and the rest.

    Args:
        places: bar * LONGEST_BAR + position in the bar; unique, rising.
    """
    bars, positions = np.divmod(places, LONGEST_BAR)
    half = TICKS_PER_BEAT // 2
    step = np.where(positions % half == 0, TICKS_PER_BEAT, half)
    ahead = (positions // step + 1) * step
    in_next_bar = ahead >= np.diff(np.array(score.bar_starts))[bars]
    stronger = np.where(in_next_bar, (bars + 1) * LONGEST_BAR, bars * LONGEST_BAR + ahead)
    off_beat: NDArray[np.bool_] = positions % TICKS_PER_BEAT != 0
    return off_beat & ~np.isin(stronger, places)


def _form(parts: Sequence[Columns], bar_count: int) -> dict[str, float]:
    whole = sum((bar_hashes(part, bar_count) for part in parts), np.zeros(bar_count, np.uint64))
    form = {"bars that return": share_that_returns(whole, range(min(RETURN_LAGS), bar_count))}
    for lag in RETURN_LAGS:
        if (likeness := likeness_at(parts, bar_count, lag)) is not None:
            form[f"likeness after {lag} bars"] = likeness
    return form


def bar_hashes(part: Columns, bar_count: int) -> Hashes:
    """A number for each bar that is equal when the same is struck at the same places; 0 for an empty bar.

    Shape (bar_count,). The sum over parts is such a number for the whole band.
    """
    hashes = np.zeros(bar_count, np.uint64)
    np.add.at(hashes, part.bars, mix(_strokes(part).astype(np.uint64)))
    return hashes


def mix(numbers: Hashes) -> Hashes:
    """Scramble 64-bit numbers, one to one (the finaliser of SplitMix64, Steele et al. 2014)."""
    numbers = numbers + np.uint64(0x9E3779B97F4A7C15)
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def _strokes(part: Columns) -> Integers:
    """Role, position and pitch of each note as one number below 2**32."""
    return (ROLES.index(part.role) * LONGEST_BAR + part.positions) * 128 + part.pitches


def share_that_returns(bars: Hashes, lags: Sequence[int]) -> float:
    """Share of the bars that are not empty which equal the bar some lag before; 0 when all are empty."""
    returns = np.zeros(len(bars), bool)
    for lag in lags:
        returns[lag:] |= bars[lag:] == bars[: max(len(bars) - lag, 0)]
    filled = bars != 0
    return float(returns[filled].mean()) if filled.any() else 0.0


def likeness_at(parts: Sequence[Columns], bar_count: int, lag: int) -> float | None:
    """Mean likeness of bars that lie `lag` bars apart: strokes in both by strokes in either (Jaccard).

    None when the song is too short for it, or both bars are always empty.
    """
    width = 1 << 32
    strokes = np.unique(np.concatenate([part.bars * width + _strokes(part) for part in parts]))
    shared = np.isin(strokes - lag * width, strokes, assume_unique=True)
    in_both = np.bincount(strokes[shared] // width, minlength=bar_count)[lag:]
    counts = np.bincount(strokes // width, minlength=bar_count)
    in_either = counts[lag:] + counts[: max(bar_count - lag, 0)] - in_both
    filled = in_either > 0
    return float((in_both[filled] / in_either[filled]).mean()) if filled.any() else None


# --- each part by itself


def _part(part: Columns, bar_count: int) -> dict[str, float]:
    filled_bars = len(np.unique(part.bars))
    features = {
        "notes a bar": len(part.starts) / filled_bars,
        "empty bars": 1 - filled_bars / bar_count,
        "bars repeated": share_that_returns(bar_hashes(part, bar_count), range(1, LOOK_BACK_BARS + 1)),
    }
    if part.pitched:
        features |= _melody(part)
    return {f"{part.role}: {name}": value for name, value in features.items()}


def _melody(part: Columns) -> dict[str, float]:
    line = voice(part)[1]
    features = {
        "duration": float(np.exp(np.log(part.durations / TICKS_PER_BEAT).mean())),  # geometric mean
        "mean pitch": float(part.pitches.mean()),
        "pitch range": float(np.ptp(part.pitches)),
    }
    if part.role != "bass":
        features["polyphony"] = polyphony(part)
    if len(line) > 1:
        features["leap"] = float(np.abs(np.diff(line)).mean())
    return features


def voice(part: Columns) -> tuple[Integers, Integers]:
    """Starts and pitches of the line that one hears: the lowest note of bass and rhythm guitars, else the highest."""
    low = part.role in ("bass", "rhythm", "rhythm_2")
    order = np.lexsort((part.pitches if low else -part.pitches, part.starts))
    starts, first = np.unique(part.starts[order], return_index=True)
    return starts, part.pitches[order][first]


def polyphony(part: Columns) -> float:
    """Mean number of notes that sound at once, over the time when any sounds (MusPy)."""
    end = int((part.starts + part.durations).max()) + 1
    change = np.bincount(part.starts, minlength=end) - np.bincount(part.starts + part.durations, minlength=end)
    sounding = np.cumsum(change)
    return float(sounding[sounding > 0].mean())


# --- the parts together


def _bass(parts: dict[Role, Columns], ticks: int) -> dict[str, float]:
    bass, features = parts["bass"], {}
    if "drums" in parts:
        drums = parts["drums"]
        kicks = drums.starts[np.isin(drums.pitches, KICKS)]
        features["bass: with the kick"] = float(np.isin(bass.starts, kicks).mean())
    chords = [part for role, part in parts.items() if role in HARMONY]
    if chords and (share := bass_in_chord(bass, chords, ticks)) is not None:
        features["bass: in the chord"] = share
    return features


def bass_in_chord(bass: Columns, chords: Sequence[Columns], ticks: int) -> float | None:
    """Share of the bass notes whose pitch class sounds in rhythm guitars or keys as they start; None: in silence."""
    inside = sounds_in(bass, chords, ticks)
    return float(inside.mean()) if len(inside) else None


def sounds_in(part: Columns, others: Sequence[Columns], ticks: int) -> NDArray[np.bool_]:
    """Whether the pitch class of a part's notes sounds in others as they start; notes beside silence are left out."""
    change = np.zeros((ticks + 1, 12), np.int64)
    for other in others:
        np.add.at(change, (other.starts, other.pitches % 12), 1)
        np.add.at(change, (np.minimum(other.starts + other.durations, ticks), other.pitches % 12), -1)
    sounding = change.cumsum(0)[part.starts] > 0  # (notes, 12)
    inside: NDArray[np.bool_] = sounding[np.arange(len(part.starts)), part.pitches % 12][sounding.any(1)]
    return inside


def _different_hits(drums: Columns) -> int:
    """How many different sets of drums are struck at once somewhere in the song."""
    return len(np.unique(hits(drums)[1]))


def hits(drums: Columns) -> tuple[Integers, Hashes]:
    """Starts of the strokes of drums, and a hash of what is struck at each."""
    strokes = np.unique(drums.starts << 7 | drums.pitches)
    starts, stroke = np.unique(strokes >> 7, return_inverse=True)
    struck = np.zeros(len(starts), np.uint64)
    np.add.at(struck, stroke, mix((strokes & 127).astype(np.uint64)))
    return starts, struck

"""Level: measured, ridden and limited, in steps of 32 frames.

Whatever turns sound down does it in the same way: it finds how far each step is to be turned down, `ride` makes of that
a smooth curve that is there in time and lets go slowly, and `turn_down` applies it. None loops over frames.
"""

from functools import cache
from itertools import pairwise

import numpy as np
import pyloudnorm
from numpy.typing import NDArray
from scipy import fft, ndimage, signal

from worker.perform import RATE
from worker.tone import Sound

STEP = 32  # frames between two values of a gain: 0.7 ms
STEPS_PER_SECOND = RATE / STEP
SILENT_LUFS = -70.0
METER_BLOCK = 16_384  # frames: 0.37 s, near enough to the 0.4 s of the standard
OVERSAMPLING = 4
_TAPS = 49  # of the oversampling filter, 12 a phase as in BS.1770


def loudness(sound: Sound) -> float:
    """Integrated loudness in LUFS; minus infinity for silence.

    Source:
        ITU-R BS.1770.
    """
    missing = round(0.4 * RATE) + 1 - sound.shape[1]
    long_enough = np.pad(sound, ((0, 0), (0, missing))) if missing > 0 else sound
    with np.errstate(divide="ignore"):
        return float(pyloudnorm.Meter(RATE).integrated_loudness(long_enough.T))


def playing_level(sound: Sound) -> float:
    """How loud a stem is while it plays, in LUFS: quicker than `loudness`, and right to a few tenths.

    A single side counts as if it stood in the middle.
    """
    power = np.zeros(-(-sound.shape[1] // METER_BLOCK), np.float64)
    for row in sound:
        blocks = np.pad(row, (0, -len(row) % METER_BLOCK)).reshape(-1, METER_BLOCK)
        playing = blocks.any(axis=1)
        spectra = fft.rfft(blocks[playing], axis=1)
        power[playing] += (spectra.real**2 + spectra.imag**2) @ _k_weights() * (2 / len(sound))
    if not power.any():
        return -np.inf
    absolute = power[power > 10 ** ((SILENT_LUFS + 0.691) / 10)]
    gated = absolute[absolute > absolute.mean() / 10] if len(absolute) else power
    return float(10 * np.log10(gated.mean()) - 0.691)


def set_level(sound: Sound, lufs: float) -> Sound:
    """Sound at a level while it plays; silence stays silence."""
    level = playing_level(sound)
    return sound * np.float32(10 ** ((lufs - level) / 20)) if level > SILENT_LUFS else sound


def step_levels_db(sound: Sound) -> NDArray[np.float32]:
    """Power of each step, the sides' mean, in dB to full scale; shape (steps,)."""
    steps = _in_steps(sound)
    power = np.einsum("sij,sij->i", steps, steps) / (STEP * len(sound))
    return np.asarray(10 * np.log10(np.maximum(power, 1e-12)), np.float32)


def ride(
    wanted_db: NDArray[np.float32], look_ahead_seconds: float, recovery_db_per_second: float
) -> NDArray[np.float32]:
    """A smooth curve of reductions, at least as deep as wanted at each step, that lets go at a steady rate."""
    ahead = max(1, round(look_ahead_seconds * STEPS_PER_SECOND))
    held = ndimage.maximum_filter1d(wanted_db.astype(np.float64), 2 * ahead + 3)
    slope = np.arange(len(held)) * (recovery_db_per_second / STEPS_PER_SECOND)
    released = np.maximum.accumulate(held + slope) - slope
    window = signal.windows.hann(2 * ahead + 3)[1:-1]
    return np.asarray(ndimage.convolve1d(released, window / window.sum(), mode="nearest"), np.float32)


def turn_down(sound: Sound, reduction_db: NDArray[np.float32]) -> Sound:
    """Sound with each step turned down by so much, straight in between."""
    gain = (10 ** (-reduction_db / 20)).astype(np.float32)
    after = np.append(gain[1:], gain[-1])
    way = ((np.arange(STEP, dtype=np.float32) + 0.5) / STEP)[None, :]
    before = np.append(gain[:1], gain[:-1])
    left = (before + gain)[:, None] / 2
    right = (gain + after)[:, None] / 2
    curve = (left + (right - left) * way).reshape(-1)[: sound.shape[1]]
    return np.asarray(sound * curve, np.float32)


def compress(
    sound: Sound, threshold_db: float, ratio: float, *, seconds: float, recovery_db_per_second: float
) -> Sound:
    """Turn down what is above a threshold, both sides alike. Levels are taken over `seconds`."""
    levels = step_levels_db(sound)
    smooth = max(1, round(seconds * STEPS_PER_SECOND))
    power = ndimage.uniform_filter1d(10 ** (levels / 10), smooth, mode="nearest")
    over = np.maximum(10 * np.log10(np.maximum(power, 1e-12)) - threshold_db, 0) * (1 - 1 / ratio)
    return turn_down(sound, ride(over.astype(np.float32), 0.004, recovery_db_per_second))


def gate_tails(
    sound: Sound, *, fast_seconds: float = 0.15, hold_seconds: float = 0.045, fall_db: float = 24.0
) -> Sound:
    """Fade each hit before the next where hits come fast; slow ones ring.

    Only a hit that is followed within `fast_seconds` is cut, `hold_seconds` after it was struck.
    """
    hits = _hits(step_levels_db(np.diff(sound, prepend=0)))
    reduction = np.zeros(len(hits), np.float32)
    struck = np.flatnonzero(hits)
    hold, pre = round(hold_seconds * STEPS_PER_SECOND), round(0.004 * STEPS_PER_SECOND)
    for this, following in pairwise(struck):
        begin, stop = this + hold, following - pre
        if following - this <= fast_seconds * STEPS_PER_SECOND and stop > begin:
            reduction[begin:stop] = np.linspace(0, fall_db, stop - begin)
            reduction[stop:following] = np.linspace(fall_db, 0, following - stop)
    return turn_down(sound, reduction)


def _hits(levels_db: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Steps at which the level jumps above that of the last hundredth of a second, to one near the loudest hit's."""
    past = round(0.012 * STEPS_PER_SECOND)
    highest = ndimage.maximum_filter1d(levels_db, past, origin=past // 2)  # of this step and those before it
    before = np.concatenate([np.full(1, -120, np.float32), highest[:-1]])
    jump = np.where(levels_db > levels_db.max() - 30, levels_db - before, 0)
    crest = ndimage.maximum_filter1d(jump, round(0.04 * STEPS_PER_SECOND))
    return np.asarray((jump > 4) & (jump == crest))


def true_peaks(sound: Sound) -> NDArray[np.float32]:
    """The highest value of each step on either side, between the samples too; shape (steps,).

    The samples between are computed one phase of a side after another: all at once take 90 MB a minute.
    """
    rest = -sound.shape[1] % STEP
    delay = (_TAPS - 1) // 2 // OVERSAMPLING
    taps = (signal.firwin(_TAPS, 1 / OVERSAMPLING, window=("kaiser", 5.0)) * OVERSAMPLING).astype(np.float32)
    peaks = np.zeros((sound.shape[1] + rest) // STEP, np.float32)
    for side in sound:
        padded = np.pad(side, (0, rest + delay))
        for phase in range(OVERSAMPLING):
            between = signal.upfirdn(taps[phase::OVERSAMPLING], padded)[delay : len(padded)].reshape(-1, STEP)
            np.maximum(peaks, np.maximum(between.max(axis=1), -between.min(axis=1)), out=peaks)
    return peaks


def limit(sound: Sound, peaks: NDArray[np.float32], gain_db: float, ceiling_dbtp: float) -> Sound:
    """Louder by a gain, but no true peak above the ceiling. `peaks` are the sound's own, from `true_peaks`."""
    over = np.maximum(20 * np.log10(np.maximum(peaks, 1e-9)) + gain_db - ceiling_dbtp, 0)
    return turn_down(sound, ride(over.astype(np.float32), 0.003, 50.0) - np.float32(gain_db))


def _in_steps(sound: Sound) -> NDArray[np.float32]:
    rest = -sound.shape[1] % STEP
    padded = np.pad(sound, ((0, 0), (0, rest))) if rest else np.ascontiguousarray(sound)
    return padded.reshape(len(sound), -1, STEP)


@cache
def _k_weights() -> NDArray[np.float32]:
    """Weight of each bin of a metering block: the K curve of BS.1770, and Parseval's factors."""
    hertz = np.arange(METER_BLOCK // 2 + 1) * RATE / METER_BLOCK
    power = np.ones(len(hertz))
    for stage in pyloudnorm.Meter(RATE)._filters.values():
        _, response = signal.freqz(stage.b, stage.a, hertz, fs=RATE)
        power *= np.abs(stage.passband_gain * response) ** 2
    return np.asarray(power * 2 / METER_BLOCK**2, np.float32)


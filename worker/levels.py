"""Level: measured, ridden and limited, in steps of 32 frames.

Whatever turns sound down does it in the same way: it finds how far each step is to be turned down, `ride` makes of that
a smooth curve that is there in time and lets go slowly, and `turn_down` applies it. None loops over frames.
"""

from functools import cache
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from worker.perform import RATE
from worker.tone import FINE, Sound, answer, convolve, warped

STEP = 32  # frames between two values of a gain: 0.7 ms
STEPS_PER_SECOND = RATE / STEP
SILENT_LUFS = -70.0
METER_BLOCK = 16_384  # frames: 0.37 s, near enough to the 0.4 s of the standard
BLOCKS_AT_ONCE, STEPS_AT_ONCE = 8, 1024  # what fits into the processor's cache
HOP_SECONDS = 0.1  # of the blocks of the standard, of which four make one
OVERSAMPLING = 4
_REACH = 6  # samples on either side from which one between is computed, as in BS.1770


def loudness(sound: Sound) -> float:
    """Integrated loudness in LUFS; minus infinity for silence.

    Source:
        ITU-R BS.1770.
    """
    hop = round(HOP_SECONDS * RATE)
    missing = max(0, 4 * hop - sound.shape[1])
    heard = convolve(np.pad(sound, ((0, 0), (0, missing))) if missing else sound, answer(_k_curve(FINE))[None, :])
    hops = heard[:, : heard.shape[1] // hop * hop].reshape(len(sound), -1, hop)
    power = np.einsum("shi,shi->h", hops, hops).astype(np.float64) / hop
    return _gated_lufs(np.convolve(power, np.full(4, 1 / 4), "valid"))


def playing_level(sound: Sound) -> float:
    """How loud a stem is while it plays, in LUFS: quicker than `loudness`, and right to a few tenths.

    A single side counts as if it stood in the middle.
    """
    power = np.zeros(-(-sound.shape[1] // METER_BLOCK), np.float64)
    for row, first in product(sound, range(0, len(power), BLOCKS_AT_ONCE)):
        frames = row[first * METER_BLOCK : (first + BLOCKS_AT_ONCE) * METER_BLOCK]
        if frames.any():
            blocks = np.pad(frames, (0, -len(frames) % METER_BLOCK)).reshape(-1, METER_BLOCK)
            spectra = fft.rfft(blocks, axis=1)
            levels = (spectra.real**2 + spectra.imag**2) @ _k_weights() * (2 / len(sound))
            power[first : first + len(blocks)] += levels
    return _gated_lufs(power)


def _gated_lufs(power: NDArray[np.float64]) -> float:
    """The mean of blocks, of which those that are silent or 10 dB under the others do not count."""
    if not power.any():
        return -np.inf
    absolute = power[power > 10 ** ((SILENT_LUFS + 0.691) / 10)]
    gated = absolute[absolute > absolute.mean() / 10] if len(absolute) else power
    return float(10 * np.log10(gated.mean()) - 0.691)


def set_level(sound: Sound, lufs: float) -> Sound:
    """Sound at a level while it plays; silence stays silence."""
    return sound * np.float32(gain_to(sound, lufs))


def gain_to(sound: Sound, lufs: float) -> float:
    """The factor that brings sound to a level while it plays; 1 for silence."""
    level = playing_level(sound)
    return float(10 ** ((lufs - level) / 20)) if level > SILENT_LUFS else 1.0


def step_levels_db(sound: Sound) -> NDArray[np.float32]:
    """Power of each step, the sides' mean, in dB to full scale; shape (steps,)."""
    whole = sound.shape[1] // STEP * STEP
    rest = np.pad(sound[:, whole:], ((0, 0), (0, -sound.shape[1] % STEP)))
    steps = [frames.reshape(len(sound), -1, STEP) for frames in (sound[:, :whole], rest)]
    power = np.concatenate([np.einsum("sij,sij->i", each, each) for each in steps]) / (STEP * len(sound))
    return np.asarray(10 * np.log10(np.maximum(power, 1e-12)), np.float32)


def ride(
    wanted_db: NDArray[np.float32], look_ahead_seconds: float, recovery_db_per_second: float
) -> NDArray[np.float32]:
    """A smooth curve of reductions, at least as deep as wanted at each step, that lets go at a steady rate."""
    ahead = max(1, round(look_ahead_seconds * STEPS_PER_SECOND))
    held = ndimage.maximum_filter1d(wanted_db.astype(np.float64), 2 * ahead + 3)
    slope = np.arange(len(held)) * (recovery_db_per_second / STEPS_PER_SECOND)
    released = np.maximum.accumulate(held + slope) - slope
    window = np.hanning(2 * ahead + 3)[1:-1]
    return np.asarray(ndimage.convolve1d(released, window / window.sum(), mode="nearest"), np.float32)


def turn_down(sound: Sound, reduction_db: NDArray[np.float32]) -> Sound:
    """Sound with each step turned down by so much, straight in between."""
    gain = (10 ** (-reduction_db / 20)).astype(np.float32)
    after = np.append(gain[1:], gain[-1])
    way = ((np.arange(STEP, dtype=np.float32) + 0.5) / STEP)[None, :]
    before = np.append(gain[:1], gain[:-1])
    left = (before + gain)[:, None] / 2
    right = (gain + after)[:, None] / 2
    turned = np.empty(sound.shape, np.float32)
    for first in range(0, len(gain), STEPS_AT_ONCE):
        end = first + STEPS_AT_ONCE
        curve = (left[first:end] + (right[first:end] - left[first:end]) * way).reshape(-1)
        frames = sound[:, first * STEP : end * STEP]
        turned[:, first * STEP : end * STEP] = frames * curve[: frames.shape[1]]
    return turned


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
    rises = sound.copy()
    rises[:, 1:] -= sound[:, :-1]
    hits = _hits(step_levels_db(rises))
    del rises  # as large as the sound
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

    The samples between are computed some steps at a time: all at once take 90 MB a minute.
    """
    rest = -sound.shape[1] % STEP
    peaks = np.zeros((sound.shape[1] + rest) // STEP, np.float32)
    for side in sound:
        padded = np.pad(side, (_REACH, rest + _REACH))
        for first in range(0, len(peaks), STEPS_AT_ONCE):
            frames = padded[first * STEP : (first + STEPS_AT_ONCE) * STEP + 2 * _REACH]
            highest = peaks[first : first + STEPS_AT_ONCE]
            for taps in _phases():
                between = np.zeros((len(highest), STEP), np.float32)
                for at, tap in enumerate(taps):
                    between += (frames[at : at + between.size] * tap).reshape(-1, STEP)
                np.maximum(highest, np.maximum(between.max(axis=1), -between.min(axis=1)), out=highest)
    return peaks


def limit(sound: Sound, peaks: NDArray[np.float32], gain_db: float, ceiling_dbtp: float) -> Sound:
    """Louder by a gain, but no true peak above the ceiling. `peaks` are the sound's own, from `true_peaks`."""
    over = np.maximum(20 * np.log10(np.maximum(peaks, 1e-9)) + gain_db - ceiling_dbtp, 0)
    return turn_down(sound, ride(over.astype(np.float32), 0.003, 50.0) - np.float32(gain_db))


@cache
def _phases() -> NDArray[np.float32]:
    """The filters that compute what lies between samples; (OVERSAMPLING, 2 _REACH + 1)."""
    ways = np.arange(-_REACH * OVERSAMPLING, _REACH * OVERSAMPLING + 1)
    taps = np.sinc(ways / OVERSAMPLING) * np.kaiser(len(ways), 5.0)
    phases = np.pad(taps * (OVERSAMPLING / taps.sum()), (0, OVERSAMPLING - 1)).reshape(-1, OVERSAMPLING)
    return np.asarray(phases[::-1].T, np.float32)


@cache
def _k_weights() -> NDArray[np.float32]:
    """Weight of each bin of a metering block: the K curve of BS.1770, and Parseval's factors."""
    return np.asarray(np.abs(_k_curve(METER_BLOCK)) ** 2 * 2 / METER_BLOCK**2, np.float32)


def _k_curve(points: int) -> NDArray[np.complex128]:
    """How BS.1770 hears tones: a shelf of 4 dB above 1500 Hz, and less below 38 Hz; shape (points / 2 + 1,).

    Source:
        R. Bristow-Johnson: Cookbook formulae for audio EQ biquad filter coefficients.
    """
    bins = 1j * warped(fft.rfftfreq(points, 1 / RATE))
    high, low = bins / warped(1500.0), bins / warped(38.0)
    gain = 10 ** (4 / 40)
    slope = np.sqrt(2 * gain) * high
    shelf = gain * (gain * high**2 + slope + 1) / (high**2 + slope + gain)
    return np.asarray(shelf * low**2 / (low**2 + 2 * low + 1), np.complex128)


"""Tone: filters drawn as a few points of decibels over hertz, and what they do to sound."""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

from worker.perform import RATE

Sound = NDArray[np.float32]  # (sides, frames): one row, or left and right; 44 100 Hz, 1.0 is full scale
Curve = tuple[tuple[float, float], ...]  # (hertz, decibels), hertz rising; straight in between, over octaves

TAPS = 2048  # 46 ms; enough to draw from 60 Hz up
_FINE = 16_384  # points at which a curve is drawn
SILENCE = 1e-9  # -180 dB


@cache
def impulse_response(curve: Curve, taps: int = TAPS) -> NDArray[np.float32]:
    """The filter of a curve, with the least delay that its shape allows; shape (taps,), not to be changed.

    Source:
        A. V. Oppenheim, R. W. Schafer: Discrete-Time Signal Processing, minimum phase by the real cepstrum.
    """
    hertz, decibels = np.array(curve).T
    bins = np.maximum(np.arange(_FINE // 2 + 1) * RATE / _FINE, 1.0)
    drawn = np.interp(np.log2(bins), np.log2(hertz), decibels)
    cepstrum = fft.irfft(drawn * (np.log(10) / 20), _FINE)
    fold = np.zeros(_FINE)
    fold[[0, _FINE // 2]], fold[1 : _FINE // 2] = 1, 2
    response = fft.irfft(np.exp(fft.rfft(cepstrum * fold)), _FINE)[:taps]
    response[-taps // 4 :] *= np.cos(np.linspace(0, np.pi / 2, taps // 4)) ** 2
    filtered = response.astype(np.float32)
    filtered.flags.writeable = False
    return np.asarray(filtered, np.float32)


def shape(sound: Sound, curve: Curve) -> Sound:
    """Sound through the filter of a curve; without points, as it is."""
    return convolve(sound, impulse_response(curve)[None, :]) if curve else sound


def convolve(sound: Sound, response: Sound) -> Sound:
    """Each side through the response of its side, or all through the only one; as long as the sound.

    Where nothing sounds, nothing is computed.
    """
    if not sound.any():
        return sound
    sides = max(len(sound), len(response))
    convolved = np.empty((sides, sound.shape[1]), np.float32)
    for side, row in enumerate(convolved):  # one after another takes half the memory
        row[:] = signal.oaconvolve(sound[side % len(sound)], response[side % len(response)])[: len(row)]
    return convolved


def high_pass(sound: Sound, hertz: float) -> Sound:
    """Without what is below: direct current and rumble."""
    sections = signal.butter(2, hertz, "highpass", fs=RATE, output="sos")
    return np.asarray(signal.sosfilt(sections, sound, axis=1), np.float32)


def join(*curves: Curve) -> Curve:
    """One curve that does what several do one after another."""
    hertz = sorted({point[0] for curve in curves for point in curve})
    octaves = np.log2(hertz)
    total = np.zeros(len(hertz))
    for curve in curves:
        if curve:
            at, decibels = np.array(curve).T
            total += np.interp(octaves, np.log2(at), decibels)
    return tuple(zip(hertz, (float(each) for each in total), strict=True))


def spectrum_db(sound: Sound, edges_hertz: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean power between neighbouring edges over the whole sound, in decibels; (sides summed)."""
    frames = 8192
    blocks = [row[: len(row) // frames * frames].reshape(-1, frames) for row in sound]
    window = np.hanning(frames).astype(np.float32)
    power = sum(np.square(np.abs(fft.rfft(each * window, axis=1))).sum(axis=0) for each in blocks)
    edges = np.round(np.array(edges_hertz) * frames / RATE).astype(int)
    bands = [np.sum(power[low:high]) for low, high in pairwise(edges)]
    return np.asarray(10 * np.log10(np.maximum(bands, SILENCE**2)), np.float64)

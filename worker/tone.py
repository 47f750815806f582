"""Tone: filters drawn as a few points of decibels over hertz, and what they do to sound.

All filters are finite and go through `scipy.fft`: to import `scipy.signal` takes 50 MB.
"""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from worker.perform import RATE

Sound = NDArray[np.float32]  # (sides, frames): one row, or left and right; 44 100 Hz, 1.0 is full scale
Curve = tuple[tuple[float, float], ...]  # (hertz, decibels), hertz rising; straight in between, over octaves

TAPS = 2048  # 46 ms; enough to draw from 60 Hz up
BLOCK = 16_384  # frames that are filtered at once, where the filter is short
FINE = 16_384  # points at which a curve is drawn
SILENCE = 1e-9  # -180 dB


@cache
def impulse_response(curve: Curve, taps: int = TAPS) -> NDArray[np.float32]:
    """The filter of a curve, with the least delay that its shape allows; shape (taps,), not to be changed.

    Source:
        A. V. Oppenheim, R. W. Schafer: Discrete-Time Signal Processing, minimum phase by the real cepstrum.
    """
    hertz, decibels = np.array(curve).T
    bins = np.maximum(np.arange(FINE // 2 + 1) * RATE / FINE, 1.0)
    drawn = np.interp(np.log2(bins), np.log2(hertz), decibels)
    cepstrum = fft.irfft(drawn * (np.log(10) / 20), FINE)
    fold = np.zeros(FINE)
    fold[[0, FINE // 2]], fold[1 : FINE // 2] = 1, 2
    response = fft.irfft(np.exp(fft.rfft(cepstrum * fold)), FINE)[:taps]
    response[-taps // 4 :] *= np.cos(np.linspace(0, np.pi / 2, taps // 4)) ** 2
    filtered = response.astype(np.float32)
    filtered.flags.writeable = False
    return np.asarray(filtered, np.float32)


def shape(sound: Sound, curve: Curve) -> Sound:
    """Sound through the filter of a curve; without points, as it is."""
    return convolve(sound, impulse_response(curve)[None, :]) if curve else sound


def convolve(sound: Sound, response: Sound) -> Sound:
    """Each side through the response of its side, or all through the only one; as long as the sound.

    Block by block, each with its ring added to what follows; where nothing sounds, nothing is computed.
    """
    points = fft.next_fast_len(max(BLOCK, 4 * response.shape[1]), real=True)
    hop = points - response.shape[1] + 1
    filtering = fft.rfft(response, points, axis=1)
    convolved = np.zeros((max(len(sound), len(response)), sound.shape[1]), np.float32)
    for start in range(0, sound.shape[1], hop):
        block = sound[:, start : start + hop]
        if block.any():
            rung = fft.irfft(fft.rfft(block, points, axis=1) * filtering, points, axis=1)
            place = convolved[:, start : start + points]
            place += rung[:, : place.shape[1]]
    return convolved


def high_pass(sound: Sound, hertz: float) -> Sound:
    """Without what is below: direct current and rumble."""
    return convolve(sound, answer(butterworth(FINE, low_hertz=hertz))[None, :])


def butterworth(points: int, low_hertz: float = 0, high_hertz: float = 0) -> NDArray[np.complex128]:
    """What a Butterworth filter of order 2 lets pass: above `low_hertz`, below `high_hertz`, or both.

    Returns:
        The response of the digital filter, shape (points / 2 + 1,), from 0 Hz to half the rate.

    Source:
        A. V. Oppenheim, R. W. Schafer: Discrete-Time Signal Processing, bilinear transform.
    """
    bins, low, high = warped(fft.rfftfreq(points, 1 / RATE)), warped(low_hertz), warped(high_hertz)
    if low_hertz and high_hertz:
        over, under = bins**2 - low * high, bins * (high - low)
    else:
        over, under = (-low, bins) if low_hertz else (bins, high)
    return np.asarray(under**2 / (under**2 - over**2 + np.sqrt(2) * 1j * over * under), np.complex128)


def warped(hertz: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Where the bilinear transform finds a frequency of an analogue filter."""
    return np.asarray(np.tan(np.pi * hertz / RATE), np.float64)


def answer(response: NDArray[np.complex128]) -> NDArray[np.float32]:
    """The first 93 ms of what a filter of that response answers to an impulse; from 28 Hz up, all that is heard."""
    return np.asarray(fft.irfft(response)[: 2 * TAPS], np.float32)


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

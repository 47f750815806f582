"""Sounds that every stage of the studio is tried with; shape (sides, frames)."""

import numpy as np
from numpy.typing import NDArray

from worker.perform import RATE

Sound = NDArray[np.float32]


def silence(seconds: float = 1.0, sides: int = 2) -> Sound:
    return np.zeros((sides, round(seconds * RATE)), np.float32)


def impulse(seconds: float = 1.0, sides: int = 2, at: float = 0.25, height: float = 1.0) -> Sound:
    sound = silence(seconds, sides)
    sound[:, round(at * RATE)] = height
    return sound


def sine(hertz: float, seconds: float = 1.0, amplitude: float = 0.5, sides: int = 2) -> Sound:
    wave = amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)
    return np.tile(wave.astype(np.float32), (sides, 1))


def noise(seconds: float = 2.0, sides: int = 2, seed: int = 1) -> Sound:
    return np.random.default_rng(seed).uniform(-1, 1, (sides, round(seconds * RATE))).astype(np.float32)


def rms_db(sound: Sound) -> float:
    return float(10 * np.log10(np.mean(np.square(sound, dtype=np.float64)) + 1e-30))


def decibels(value: float) -> float:
    return float(20 * np.log10(value))


def strength_db(sound: Sound, hertz: float) -> float:
    """Level of one tone in a sound, in dB of a full-scale sine; mean of the sides."""
    window = np.hanning(sound.shape[1])
    wave = np.exp(-2j * np.pi * hertz * np.arange(sound.shape[1]) / RATE)
    return decibels(float(np.abs((sound * window) @ wave).mean()) * 2 / window.sum() + 1e-15)

"""From stems to a record: balanced, cleaned, as loud as the genre asks, and never over the top."""

from dataclasses import dataclass

import numpy as np
import pyloudnorm
from numpy.typing import NDArray
from scipy import ndimage, signal

from model.genre import Genre, Player
from worker.perform import RATE
from worker.render import Sound, Stems

CEILING_DBTP = -1.7  # -1 after encoding: MP3 and AAC were seen to add up to 0.3 dB
LOWEST_HZ = 28.0  # below is rumble and direct current
LOUDNESS_TOLERANCE_LU = 0.05
SILENT_LUFS = -70.0
INAUDIBLE_DB = -60.0  # below the highest peak
LAST_FADE_SECONDS = 0.2
OVERSAMPLING = 4
STEP = 32  # frames between two values of the limiter's gain
LOOK_AHEAD_STEPS = 4  # 3 ms
RECOVERY_DB_PER_SECOND = 50.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mix:
    """A mastered song."""

    sound: Sound  # (frames, 2), 44 100 Hz, 1.0 is full scale

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.sound) / RATE


def mix_down(stems: Stems, genre: Genre) -> Mix:
    """Balance the stems and master them: free of direct current, at the genre's loudness, peaks under the ceiling,
    no silence at the end.

    Silence stays silence.
    """
    sound = balance(stems, genre)
    sound = high_pass(sound)
    sound = end(sound)
    return Mix(sound=master(sound, genre.sound.loudness_lufs))


def balance(stems: Stems, genre: Genre) -> Sound:
    """All stems together, each at its player's gain and place."""
    frames = max((len(stem) for stem in stems.values()), default=RATE)
    total = np.zeros((frames, 2), np.float32)
    for role, stem in stems.items():
        total[: len(stem)] += stem * _sides(genre.player(role))
    return total


def high_pass(sound: Sound) -> Sound:
    """Without what nobody hears: everything below `LOWEST_HZ`."""
    sections = signal.butter(2, LOWEST_HZ, "highpass", fs=RATE, output="sos")
    return np.asarray(signal.sosfilt(sections, sound, axis=0), np.float32)


def end(sound: Sound) -> Sound:
    """Without the silence at the end: faded out as soon as the last ring can no longer be heard."""
    heard = np.flatnonzero(np.abs(sound).max(axis=1) > np.abs(sound).max() * 10 ** (INAUDIBLE_DB / 20))
    if not len(heard):
        return sound
    fade = np.linspace(1, 0, round(LAST_FADE_SECONDS * RATE), dtype=np.float32)[:, None]
    cut = sound[: heard[-1] + len(fade)].copy()
    cut[-len(fade) :] *= fade[-len(cut) :]
    return cut


def master(sound: Sound, loudness_lufs: float) -> Sound:
    """At the loudness asked for, through the limiter, whose work is made up for in a few rounds.

    Source:
        ITU-R BS.1770 for loudness and true peak.
    """
    loudness = measure_loudness(sound)
    if loudness < SILENT_LUFS:
        return sound
    peaks = true_peaks(sound)
    gain_db = 0.0
    limited = sound
    for _ in range(5):
        gain_db += loudness_lufs - loudness
        limited = limit(sound, peaks, gain_db)
        loudness = measure_loudness(limited)
        if abs(loudness - loudness_lufs) < LOUDNESS_TOLERANCE_LU:
            break
    return limited


def measure_loudness(sound: Sound) -> float:
    """Integrated loudness in LUFS; minus infinity for silence."""
    shortest = round(0.4 * RATE) + 1
    padded = np.pad(sound, ((0, max(0, shortest - len(sound))), (0, 0)))
    with np.errstate(divide="ignore"):
        return float(pyloudnorm.Meter(RATE).integrated_loudness(padded))


def true_peaks(sound: Sound) -> NDArray[np.float32]:
    """The highest value of each `STEP` frames of either side, between the samples too; shape (steps,)."""
    rest = -len(sound) % STEP
    padded = np.pad(np.asarray(sound, np.float32), ((0, rest), (0, 0)))
    finer = signal.resample_poly(padded, OVERSAMPLING, 1, axis=0)
    return np.asarray(np.abs(finer).reshape(-1, STEP * OVERSAMPLING * 2).max(axis=1), np.float32)


def limit(sound: Sound, peaks: NDArray[np.float32], gain_db: float) -> Sound:
    """Louder by a gain, but no true peak above the ceiling.

    Each peak is ducked by just what it is too high: the gain goes down within the look-ahead, and recovers at
    `RECOVERY_DB_PER_SECOND`. `peaks` are the sound's own, from `true_peaks`.
    """
    over_db = np.maximum(20 * np.log10(np.maximum(peaks, 1e-9)) + gain_db - CEILING_DBTP, 0)
    reduction_db = _smooth(_recover(over_db))
    steps = np.arange(len(peaks)) * STEP + STEP / 2
    curve = np.interp(np.arange(len(sound)), steps, gain_db - reduction_db)
    return sound * (10 ** (curve / 20)).astype(np.float32)[:, None]


def _recover(over_db: NDArray[np.float64]) -> NDArray[np.float64]:
    """The highest of the neighbours within the look-ahead, falling no faster than the recovery."""
    held = ndimage.maximum_filter1d(over_db, 2 * LOOK_AHEAD_STEPS + 3)
    slope = np.arange(len(held)) * (RECOVERY_DB_PER_SECOND * STEP / RATE)
    return np.asarray(np.maximum.accumulate(held + slope) - slope)


def _smooth(reduction_db: NDArray[np.float64]) -> NDArray[np.float64]:
    window = signal.windows.hann(2 * LOOK_AHEAD_STEPS + 3)[1:-1]
    return np.asarray(ndimage.convolve1d(reduction_db, window / window.sum(), mode="nearest"))


def _sides(player: Player) -> NDArray[np.float32]:
    """Gain of the left and right side: a balance of constant power, 0 dB in the middle."""
    angle = (player.pan + 1) * np.pi / 4
    return np.array([np.cos(angle), np.sin(angle)], np.float32) * np.float32(np.sqrt(2) * 10 ** (player.gain_db / 20))

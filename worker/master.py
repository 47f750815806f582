"""From a mix to a record: even in tone, held together, as loud as the genre asks, and never over the top."""

import numpy as np

from worker.levels import SILENT_LUFS, compress, limit, loudness, set_level, true_peaks
from worker.perform import RATE, RING_SECONDS
from worker.tone import Curve, Sound, high_pass, shape, spectrum_db

CEILING_DBTP = -1.7  # -1 after encoding: MP3 and AAC were seen to add up to 0.3 dB
LOWEST_HZ = 28.0  # below is rumble and direct current
LOUDNESS_TOLERANCE_LU = 0.05
MOST_ROUNDS = 6
INAUDIBLE_DB = -60.0  # below the highest peak
LAST_FADE_SECONDS = 0.2
WORKING_LUFS = -18.0  # at which the compressor and the clipper are set
GLUE_DB, GLUE_RATIO = -19.0, 2.0
CLIP_FROM = 0.5  # -6 dBFS: 12 dB above the working level; what is lower is left as it is
CLIP_AT = 0.8

# Mean spectrum of popular records: about level in thirds of an octave up to 100 Hz, then falling by some 5 dB an octave
# in density, that is 2 dB in thirds, and faster above 6 kHz.
RECORDS: Curve = (
    (40, -5), (63, 0), (100, 0.5), (200, -1), (400, -3), (800, -5), (1600, -7), (3200, -9), (6300, -13), (12500, -19),
)  # fmt: skip
EVENING = 0.5  # how much of the way to it a mix is bent
MOST_EVENING_DB = 4.0


def master(sound: Sound, loudness_lufs: float) -> Sound:
    """All stages, one after another. Silence stays silence."""
    if not sound.any():
        return sound
    sound = high_pass(sound, LOWEST_HZ)
    sound = even_out(sound)
    sound = set_level(sound, WORKING_LUFS)
    sound = glue(sound)
    sound = soft_clip(sound)
    sound = fade_ring(sound)
    sound = cut_silence(sound)
    return make_loud(sound, loudness_lufs)


def even_out(sound: Sound) -> Sound:
    """Bend the tone of a whole mix half way to that of records, by a few decibels in each octave at most."""
    hertz = np.array([point[0] for point in RECORDS], np.float64)
    edges = np.append(hertz[0] / np.sqrt(hertz[1] / hertz[0]), np.append(np.sqrt(hertz[1:] * hertz[:-1]), 18_000))
    octaves = np.log2(edges[1:] / edges[:-1])
    heard = spectrum_db(sound, edges) - 10 * np.log10(octaves)
    missing = np.array([point[1] for point in RECORDS]) - heard
    missing -= np.median(missing)
    bend = np.clip(EVENING * missing, -MOST_EVENING_DB, MOST_EVENING_DB)
    bend[heard < heard.max() - 40] = 0  # nobody plays there
    return shape(sound, tuple((float(at), round(float(by), 2)) for at, by in zip(hertz, bend, strict=True)))


def glue(sound: Sound) -> Sound:
    """Turn loud passages down by a little, both sides together, so that the band moves as one."""
    return compress(sound, GLUE_DB, GLUE_RATIO, seconds=0.03, recovery_db_per_second=15.0)


def soft_clip(sound: Sound) -> Sound:
    """Round off what sticks out: straight up to a knee, and never above `CLIP_AT`."""
    high = np.abs(sound) > CLIP_FROM
    room = CLIP_AT - CLIP_FROM
    clipped = sound.copy()
    over = np.abs(sound[high]) - CLIP_FROM
    clipped[high] = np.sign(sound[high]) * (CLIP_FROM + room * np.tanh(over / room))
    return clipped


def fade_ring(sound: Sound) -> Sound:
    """Half a cosine down to nothing, over what rings after the last note was let go."""
    ring = min(round(RING_SECONDS * RATE), sound.shape[1])
    faded = sound.copy()
    faded[:, -ring:] *= np.cos(np.linspace(0, np.pi, ring, dtype=np.float32)) / 2 + 0.5
    return faded


def cut_silence(sound: Sound) -> Sound:
    """Without the silence at the end: faded out as soon as the last ring can no longer be heard."""
    levels = np.abs(sound).max(axis=0)
    heard = np.flatnonzero(levels > levels.max() * 10 ** (INAUDIBLE_DB / 20))
    if not len(heard):
        return sound
    fade = np.linspace(1, 0, round(LAST_FADE_SECONDS * RATE), dtype=np.float32)
    cut = sound[:, : heard[-1] + len(fade)].copy()
    cut[:, -len(fade) :] *= fade[-cut.shape[1] :]
    return cut


def make_loud(sound: Sound, loudness_lufs: float) -> Sound:
    """At the loudness asked for, through the limiter, whose work is made up for in a few rounds.

    Source:
        ITU-R BS.1770 for loudness and true peak.
    """
    heard = loudness(sound)
    if heard < SILENT_LUFS:
        return sound
    peaks = true_peaks(sound)
    gain_db = 0.0
    limited = sound
    for _ in range(MOST_ROUNDS):
        gain_db += loudness_lufs - heard
        limited = limit(sound, peaks, gain_db, CEILING_DBTP)
        heard = loudness(limited)
        if abs(heard - loudness_lufs) < LOUDNESS_TOLERANCE_LU:
            break
    return limited

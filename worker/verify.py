"""Before a track is handed over: do its files keep what the band promises? Meters say so, and not those of the mix."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from worker.encode import MissingFfmpeg
from worker.perform import RATE
from worker.tone import Sound

LOUDNESS_TOLERANCE_LU = 0.3
HIGHEST_DBTP = -1.0
LENGTH_TOLERANCE_SECONDS = 0.06  # an MP3 is a whole number of frames of 26 ms
MOST_DIRECT_CURRENT = 1e-3
LEAST_CORRELATION = 0.2  # of left and right
LATEST_START_SECONDS = 0.3
LONGEST_PAUSE_SECONDS = 4.0
SILENT_DB = -60.0  # to full scale
END_DB, END_SECONDS = -40.0, 0.02  # a track does not break off louder than that
TEMPO_TOLERANCE = 0.001
TEMPO_BEATS = 64  # what has fewer is measured less exactly, by their number to the power of 3/2: with 21, 0.3 % off
FEWEST_NOTES = 16  # what has fewer strokes has neither a tempo to be heard nor a loudness to be held
CLEAR = 8.0  # how far the score of a tempo stands above that of no tempo; slow pads alone have 3, slow strings 13
SECONDS_ALLOWED = 60

SCAN = 0.03  # how far from the asked tempo to look
HOP, WINDOW = 256, 1024  # frames of the onset envelope
AT_ONCE = 512  # windows of it; a song's at once would take 100 MB a minute
HARMONICS = (1, 2, 3, 4, 6, 8)  # of the beat
FINER = 64  # than its length allows, the spectrum of an envelope is computed, and read straight in between


class BadTrack(Exception):
    """A track is not what it should be: an error of ours, not of who asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What a track should be."""

    seconds: float
    loudness_lufs: float
    tempo_bpm: float
    notes: int  # that are struck; without any, it is silent and only its length counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the meters say about one file."""

    seconds: float
    loudness_lufs: float
    true_peak_dbtp: float
    sound: Sound  # as decoded, two sides


def verify(path: Path, promise: Promise) -> None:
    """Check a finished file with sound.

    Raises:
        BadTrack: Names the file, and everything that is wrong with it.
        MissingFfmpeg: Nothing to measure with.
    """
    faults = list(find_faults(read_meters(path), promise))
    if faults:
        raise BadTrack(f"{path.name}: {'; '.join(faults)}; an error of ours, please report it with the request")


def find_faults(reading: Reading, promise: Promise) -> Iterator[str]:
    """Everything that is not as promised, in words."""
    if abs(reading.seconds - promise.seconds) > LENGTH_TOLERANCE_SECONDS:
        yield f"lasts {reading.seconds:.2f} s instead of {promise.seconds:.2f}"
    if promise.notes == 0:
        return
    if not reading.sound.any():
        yield "is silent"
        return
    if reading.true_peak_dbtp > HIGHEST_DBTP:
        yield f"peaks at {reading.true_peak_dbtp:.1f} dBTP, over {HIGHEST_DBTP:.1f}"
    yield from _faults_of_sound(reading.sound)
    if promise.notes < FEWEST_NOTES:
        return
    if not abs(reading.loudness_lufs - promise.loudness_lufs) <= LOUDNESS_TOLERANCE_LU:
        yield f"has {reading.loudness_lufs:.1f} LUFS instead of {promise.loudness_lufs:.1f}"
    tempo_bpm = measure_tempo(reading.sound, promise.tempo_bpm)
    beats = promise.seconds * promise.tempo_bpm / 60
    tolerance = TEMPO_TOLERANCE * max(1.0, TEMPO_BEATS / beats) ** 1.5
    if tempo_bpm is not None and abs(tempo_bpm / promise.tempo_bpm - 1) > tolerance:
        yield f"is played at {tempo_bpm:.2f} bpm instead of {promise.tempo_bpm:.2f}"


def _faults_of_sound(sound: Sound) -> Iterator[str]:
    offset = float(np.abs(sound.mean(axis=1)).max())
    if offset > MOST_DIRECT_CURRENT:
        yield f"carries a direct current of {offset:.4f}"
    correlation = _correlation(*sound)
    if not correlation > LEAST_CORRELATION:
        yield f"has a left/right correlation of {correlation:.2f}; in mono it would be hollow"
    loud = np.abs(sound).max(axis=0) > 10 ** (SILENT_DB / 20)
    edges = np.flatnonzero(np.diff(loud, prepend=False, append=False)) / RATE  # of what is heard: from, to, from, …
    if not len(edges) or edges[0] > LATEST_START_SECONDS:
        yield f"begins with {edges[0] if len(edges) else np.inf:.2f} s of silence"
    pause = float((edges[2::2] - edges[1:-1:2]).max(initial=0))
    if pause > LONGEST_PAUSE_SECONDS:
        yield f"pauses for {pause:.1f} s"
    end = float(np.sqrt(np.mean(np.square(sound[:, -round(END_SECONDS * RATE) :]))))
    if end > 10 ** (END_DB / 20):
        yield "breaks off instead of fading"


def _correlation(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    """Pearson's, without the copies in double precision that `np.corrcoef` makes; not a number for silence."""
    covariance = np.array([[np.mean(a * b) - a.mean() * b.mean() for b in (left, right)] for a in (left, right)])
    with np.errstate(invalid="ignore"):
        return float(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]))


def measure_tempo(sound: Sound, around_bpm: float) -> float | None:
    """The tempo near an expected one whose beats, and parts of beats, fit the onsets best; quarter notes a minute.

    None where none can be heard: notes that swell, or hardly any.

    Looking only near the expected tempo is on purpose: a tracker that knows nothing takes 160 for 80 or 107.
    """
    envelope = onset_envelope(sound)
    low, high = around_bpm / 60 * (1 - SCAN), around_bpm / 60 * (1 + SCAN)
    narrowest = RATE / HOP / len(envelope) / max(HARMONICS)  # width of a peak, in hertz of the beat
    places = max(16, round(8 * (high - low) / narrowest))
    points = fft.next_fast_len(FINER * len(envelope), real=True)
    power = np.abs(fft.rfft(envelope, points)) ** 2
    hertz, beats = np.arange(len(power)) * (RATE / HOP / points), np.linspace(low, high, places)
    score = np.sum([np.interp(number * beats, hertz, power) for number in HARMONICS], axis=0)
    if score.max() <= CLEAR * len(HARMONICS) * float(envelope @ envelope):
        return None
    return 60 * _crest(beats, score)


def onset_envelope(sound: Sound) -> NDArray[np.float32]:
    """How much louder each tone becomes, summed over all tones, every `HOP` frames; of mean 0."""
    mono = np.pad(sound.mean(axis=0), WINDOW)
    windows = np.lib.stride_tricks.sliding_window_view(mono, WINDOW)[::HOP]
    rises, before = [], np.zeros((0, WINDOW // 2 + 1), np.float32)
    for first in range(0, len(windows), AT_ONCE):
        spectra = fft.rfft(windows[first : first + AT_ONCE] * np.hanning(WINDOW).astype(np.float32), axis=1)
        loud = np.concatenate([before, np.log1p(300 * np.abs(spectra) / WINDOW)])
        rises.append(np.maximum(np.diff(loud, axis=0), 0).sum(axis=1))
        before = loud[-1:]
    rise = np.concatenate(rises)
    return np.asarray(rise - rise.mean(), np.float32)


def _crest(places: NDArray[np.float64], heights: NDArray[np.float64]) -> float:
    """Where the highest value is, read between the places by a parabola."""
    top = int(np.clip(heights.argmax(), 1, len(heights) - 2))
    before, here, after = heights[top - 1 : top + 2]
    bend = before - 2 * here + after
    shift = 0.5 * (before - after) / bend if bend else 0.0
    return float(places[top] + shift * (places[1] - places[0]))


def read_meters(path: Path) -> Reading:
    """Length by ffprobe; loudness, peak and sound by ffmpeg, which knows nothing of how the file was made.

    Raises:
        BadTrack: It cannot be read.
        MissingFfmpeg
    """
    facts = json.loads(_run(["ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", path], path)[0])
    lengths = [_length(facts["format"])]
    lengths += [_length(stream) for stream in facts["streams"] if not _is_picture(stream)]
    filters = ["-map", "0:a:0", "-af", "ebur128=peak=true", "-f", "null", "-"]
    decoded = ["-map", "0:a:0", "-ac", "2", "-ar", str(RATE), "-f", "f32le", "pipe:1"]
    raw, said = _run(["ffmpeg", "-nostdin", "-hide_banner", "-nostats", "-i", path, *filters, *decoded], path)
    summary = said[said.rindex("Summary:") :]
    return Reading(
        seconds=max(lengths, key=lambda length: abs(length - np.median(lengths))),
        loudness_lufs=_number(r"I:\s+(\S+) LUFS", summary), true_peak_dbtp=_number(r"Peak:\s+(\S+) dBFS", summary),
        sound=np.ascontiguousarray(np.frombuffer(raw, "<f4").reshape(-1, 2).T),
    )  # fmt: skip


def _length(facts: Mapping[str, Any]) -> float:
    return float(facts.get("duration", "nan"))


def _is_picture(stream: Mapping[str, Any]) -> bool:
    return bool(stream.get("disposition", {}).get("attached_pic"))


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    return float(found[1]) if found else float("nan")


def _run(command: list[str | Path], path: Path) -> tuple[bytes, str]:
    """What a program writes and says."""
    program = which(str(command[0]))
    if program is None:
        raise MissingFfmpeg(f"{command[0]} is not on the PATH; install it (Debian: apt install ffmpeg)")
    try:
        done = subprocess.run([program, *command[1:]], capture_output=True, timeout=SECONDS_ALLOWED, check=False,
                              process_group=0)  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise BadTrack(f"{path.name}: {command[0]} was not done after {SECONDS_ALLOWED} s") from error
    said = done.stderr.decode(errors="replace")
    if done.returncode != 0:
        raise BadTrack(f"{path.name}: {command[0]} cannot read it: {said.strip()[-200:]!r}")
    return done.stdout, said

"""Stems to keep: each player as they are in the mix before the master, as FLAC of 24 bits."""

from pathlib import Path

import numpy as np

from model.errors import writing
from model.genre import Genre
from worker.encode import run_ffmpeg
from worker.mix import blend, separate
from worker.perform import RATE
from worker.render import Stems
from worker.tone import Sound

MIX = "mix"  # the sum of all stems, before the master
HIGHEST = 0.99  # of full scale


def write_stems(stems: Stems, genre: Genre, folder: Path, key: str) -> list[str]:
    """Leave `<key>.<stem>.flac` of each stem, and `<key>.mix.flac`, their sum. Returns the names of the files.

    Should a stem or the mix be too high for a file, all are turned down alike.

    Raises:
        MissingFfmpeg, CannotWrite, RenderFailed
    """
    sounds: dict[str, Sound] = {str(name): sound for name, sound in separate(stems, genre).items()}
    sounds[MIX] = blend(stems, genre)
    peak = max(float(np.abs(sound).max()) for sound in sounds.values())
    gain = np.float32(min(1.0, HIGHEST / peak) if peak else 1.0)
    for name, sound in sounds.items():
        _write_flac(sound * gain, folder / f"{key}.{name}.flac")
    return [f"{key}.{name}.flac" for name in sounds]


def _write_flac(sound: Sound, path: Path) -> None:
    """The sound is laid beside `path` on the way."""
    raw = path.with_suffix(".f32")
    with writing(path):
        raw.write_bytes(np.ascontiguousarray(sound.T, "<f4").tobytes())
    form = ["-f", "f32le", "-ar", str(RATE), "-ac", "2"]
    run_ffmpeg([*form, "-i", raw, "-c:a", "flac", "-sample_fmt", "s32", "-f", "flac"], path)
    raw.unlink()

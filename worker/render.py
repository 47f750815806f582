"""Played through a soundfont: every part a stem of its own, in one pass of FluidSynth."""

import ctypes
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.errors import NeedsOperator
from model.genre import Genre, Player
from model.score import Role, Score
from worker.perform import RATE, RING_SECONDS, Stroke, perform

log = logging.getLogger(__name__)

SOUNDFONTS_FOLDER = Path(__file__).resolve().parent.parent / "soundfonts"
DEBIAN_FOLDERS = (Path("/usr/share/sounds/sf2"), Path("/usr/share/sounds/sf3"))
GAIN = 0.2  # leaves a head room of 10 dB on the densest metal; 1.0 clipped
BLOCK = 64  # frames; FluidSynth acts on events at these steps only
DRUM_BANK, DRUM_CHANNEL = 128, 1
SECONDS_ALLOWED = 120  # a minute of music takes about 3

Sound = NDArray[np.float32]  # (frames, 2), 44 100 Hz, 1.0 is full scale
Stems = dict[Role, Sound]


class MissingSoundfont(NeedsOperator):
    """The soundfont of a genre is not there, damaged, or lacks an instrument."""


class MissingFluidSynth(NeedsOperator):
    """libfluidsynth is not installed."""


class RenderFailed(Exception):
    """A score could not be played; trying again may help."""


def render(score: Score, genre: Genre, seed: int = 0) -> Stems:
    """Play every part of a score through the soundfont of its genre.

    Returns:
        Role to float32 array of shape (frames, 2), 44 100 Hz, dry, all of one length: from a short lead-in to the
        end of the fade after the last note. Parts without notes are left out. The same on every run.

    Raises:
        MissingSoundfont: Not found, unreadable, or without an instrument that a player needs.
        MissingFluidSynth: No library to play with.
        RenderFailed: Ran past its time.

    Source:
        FluidSynth developer documentation, "Fast file renderer" and `fluid_synth_nwrite_float`.
    """
    takes = [
        _Take(genre.player(part.role), perform(part, score, seed, take))
        for part in score.parts if part.notes for take in range(1, genre.player(part.role).takes + 1)
    ]  # fmt: skip
    if not takes:
        return {}
    with _synth(len(takes), find_soundfont(genre.sound.soundfont)) as synth:
        planes = synth.play(takes, max(take.end for take in takes) + round(RING_SECONDS * RATE))
    planes *= _closing(planes.shape[-1])
    by_role: dict[Role, list[NDArray[np.float32]]] = {}
    for take, plane in zip(takes, planes, strict=True):
        by_role.setdefault(take.player.role, []).append(plane)
    return {role: _stem(planes) for role, planes in by_role.items()}


def find_soundfont(name: str) -> Path:
    """The soundfont of that name: in `soundfonts/`, where Debian installs them, or a path.

    Raises:
        MissingSoundfont: In none of these places, or no soundfont.
    """
    places = [folder / name for folder in (SOUNDFONTS_FOLDER, *DEBIAN_FOLDERS)]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        hint = "put it there, or name another as sound.soundfont in the genre file"
        raise MissingSoundfont(f"{places[0]}: no such soundfont; {hint}")
    with path.open("rb") as file:
        header = file.read(12)
    if header[:4] != b"RIFF" or header[8:] != b"sfbk" or path.stat().st_size < int.from_bytes(header[4:8], "little"):
        raise MissingSoundfont(f"{path}: not a whole soundfont; copy it again")
    return path


class _Take(NamedTuple):
    """What goes through one channel."""

    player: Player
    strokes: tuple[Stroke, ...]

    @property
    def end(self) -> int:
        """Frame at which the last note is let go; a drum is let go as it is struck."""
        return max(stroke.start if self.player.role == "drums" else stroke.stop for stroke in self.strokes)


def _stem(takes: Sequence[NDArray[np.float32]]) -> Sound:
    """One take as it is; two takes one on each side."""
    return takes[0].T if len(takes) == 1 else np.stack([take.mean(axis=0) for take in takes], axis=1)


def _closing(frames: int) -> Sound:
    """1 until the last note is let go, then half a cosine down to 0: the ring of strings and cymbals, faded."""
    ring = round(RING_SECONDS * RATE)
    gain = np.ones(frames, np.float32)
    gain[-ring:] = np.cos(np.linspace(0, np.pi, ring, dtype=np.float32)) / 2 + 0.5
    return gain


class _Synth:
    """One FluidSynth with a stereo output for each channel."""

    def __init__(self, library: ModuleType, synth: int, soundfont: Path, outputs: int) -> None:
        self._library, self._synth, self._soundfont, self._outputs = library, synth, soundfont, outputs
        self._font = library.fluid_synth_sfload(synth, str(soundfont).encode(), 0)
        if self._font < 0:
            raise MissingSoundfont(f"{soundfont}: FluidSynth cannot read it; copy it again")
        self._write = library._fl.fluid_synth_nwrite_float
        self._write.argtypes = [ctypes.c_void_p, ctypes.c_int] + [ctypes.c_void_p] * 4

    def _seat(self, channel: int, player: Player) -> None:
        """Give a channel its player's instrument."""
        drums = player.role == "drums"
        if drums:
            self._library._fl.fluid_synth_set_channel_type(ctypes.c_void_p(self._synth), channel, DRUM_CHANNEL)
        bank = DRUM_BANK if drums else 0
        if self._library.fluid_synth_program_select(self._synth, channel, self._font, bank, player.program) != 0:
            kind = "drum kit" if drums else "program"
            found = f"has no {kind} {player.program} for {player.name!r}"
            raise MissingSoundfont(f"{self._soundfont}: {found}; choose another in the genre file")

    def play(self, takes: Sequence[_Take], frames: int) -> NDArray[np.float32]:
        """Every take through a channel of its own, to sound of shape (channels, 2, frames)."""
        for channel, take in enumerate(takes):
            self._seat(channel, take.player)
        planes = np.zeros((self._outputs, 2, frames), np.float32)
        deadline = time.monotonic() + SECONDS_ALLOWED
        done = 0
        for frame, _, channel, pitch, velocity in _events(takes):
            done = self._advance(planes, done, min(round(frame / BLOCK) * BLOCK, frames))
            if velocity:
                self._library.fluid_synth_noteon(self._synth, channel, pitch, velocity)
            else:
                self._library.fluid_synth_noteoff(self._synth, channel, pitch)
            if time.monotonic() > deadline:
                played = f"{done / RATE:.0f} of {frames / RATE:.0f} s of music"
                raise RenderFailed(f"FluidSynth: {played} in {SECONDS_ALLOWED} s; the machine is too busy")
        self._advance(planes, done, frames)
        return planes

    def _advance(self, planes: NDArray[np.float32], done: int, until: int) -> int:
        """Render frames `done` to `until`, straight into their place."""
        if until <= done:
            return done
        pointers = ctypes.c_void_p * self._outputs
        sides = [pointers(*(plane[side, done:].ctypes.data for plane in planes)) for side in (0, 1)]
        self._write(self._synth, until - done, *sides, None, None)
        return until


@contextmanager
def _synth(outputs: int, soundfont: Path) -> Iterator[_Synth]:
    library = _library()
    settings = library.new_fluid_settings()
    synth = None
    try:
        numbers = {"synth.gain": GAIN, "synth.sample-rate": float(RATE)}
        integers = {
            "synth.audio-channels": outputs, "synth.audio-groups": outputs, "synth.dynamic-sample-loading": 1,
            "synth.reverb.active": 0, "synth.chorus.active": 0, "synth.cpu-cores": 1,
        }  # fmt: skip
        for name, number in numbers.items():
            library.fluid_settings_setnum(settings, name.encode(), number)
        for name, integer in integers.items():
            library.fluid_settings_setint(settings, name.encode(), integer)
        synth = library.new_fluid_synth(settings)
        yield _Synth(library, synth, soundfont, outputs)
    finally:
        if synth is not None:
            library.delete_fluid_synth(synth)
        library.delete_fluid_settings(settings)


@cache
def _library() -> Any:
    """pyfluidsynth, with what the C library has to say sent to our log."""
    try:
        import fluidsynth  # noqa: PLC0415  # looks for the C library when it is imported
    except ImportError as error:
        hint = "install it (Debian: apt install libfluidsynth3)"
        raise MissingFluidSynth(f"libfluidsynth is not on this machine; {hint}") from error
    for level in range(5):
        fluidsynth._fl.fluid_set_log_function(level, _log, None)
    return fluidsynth


@ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)  # type: ignore[untyped-decorator]
def _log(_level: int, message: bytes, _data: None) -> None:
    log.debug("FluidSynth: %s", message.decode(errors="replace"))


def _events(takes: Sequence[_Take]) -> list[tuple[int, int, int, int, int]]:
    """(frame, 0 for stop or 1 for start, channel, pitch, velocity), in order; a stop has velocity 0."""
    events = []
    for channel, take in enumerate(takes):
        for stroke in take.strokes:
            events.append((stroke.start, 1, channel, stroke.pitch, stroke.velocity))
            events.append((max(stroke.stop, stroke.start + BLOCK), 0, channel, stroke.pitch, 0))
    return sorted(events)

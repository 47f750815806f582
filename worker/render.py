"""Played through a soundfont: every part a stem of its own, a kit in pieces; one FluidSynth for each player."""

import ctypes
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.errors import NeedsOperator
from model.genre import Genre, Player
from model.score import Part, Score
from worker.channels import PIECES, Channel, Name, Piece, channels_of
from worker.perform import RATE, RING_SECONDS, Stroke, perform
from worker.tone import Sound

log = logging.getLogger(__name__)

SOUNDFONTS_FOLDER = Path(__file__).resolve().parent.parent / "soundfonts"
DEBIAN_FOLDERS = (Path("/usr/share/sounds/sf2"), Path("/usr/share/sounds/sf3"))
GAIN = 0.2  # leaves a head room of 10 dB on the densest metal; 1.0 clipped
BLOCK = 64  # frames; FluidSynth acts on events at these steps only
CHUNK = BLOCK * 1024  # frames that are played before they are sorted into stems
DRUM_BANK, DRUM_CHANNEL = 128, 1
SECONDS_ALLOWED = 120  # a minute of music takes about 2
ERROR = 1  # what FluidSynth calls an error in its log; 0 is a panic

Stems = dict[Name, Sound]

_PIECES: dict[Piece, tuple[int, ...]] = {
    "kick": (35, 36), "snare": (37, 38, 39, 40), "toms": (41, 43, 45, 47, 48, 50),
}  # fmt: skip  # General MIDI keys; the others are cymbals


class MissingSoundfont(NeedsOperator):
    """The soundfont of a genre is not there, damaged, or lacks an instrument."""


class MissingFluidSynth(NeedsOperator):
    """libfluidsynth is not installed."""


class RenderFailed(Exception):
    """A score could not be played; trying again may help."""


def render(score: Score, genre: Genre, seed: int = 0) -> Stems:
    """Play every part of a score through the soundfont of its genre; all that `render_each` gives."""
    return {name: stem for stems in render_each(score, genre, seed) for name, stem in stems.items()}


def render_each(score: Score, genre: Genre, seed: int = 0) -> Iterator[Stems]:
    """Play a score through the soundfont of its genre, one player after another.

    A minute of a stem takes 10 MB a side, and the samples of an instrument up to 90 MB: so each player has a
    synthesiser of their own, and is let go before the next plays. Drums, of the most stems, come last, and keys, of the
    most samples, first, while there is no mix yet to hold.

    Yields:
        The stems of a player, as name to float32 array of shape (sides, frames), 44 100 Hz, dry, all of one length:
        from a short lead-in to the end of the ring after the last note of the song. What stands in one place has one
        side; what was played twice, or keeps the soundfont's width, has two. Parts without notes are left out. The
        same on every run.

    Raises:
        MissingSoundfont: Not found, unreadable, or without an instrument that a player needs.
        MissingFluidSynth: No library to play with.
        RenderFailed: Ran past its time.

    Source:
        FluidSynth developer documentation, "Fast file renderer" and `fluid_synth_nwrite_float`.
    """
    players = [[*_takes(part, score, genre, seed)] for part in reversed(score.parts) if part.notes]
    frames = max((take.end for takes in players for take in takes), default=0) + round(RING_SECONDS * RATE)
    for takes in players:
        with _synth(len(takes), find_soundfont(genre.sound.soundfont)) as synth:
            stems = synth.play(takes, frames)
        yield stems


def find_soundfont(name: str) -> Path:
    """The soundfont of that name: in `soundfonts/`, where Debian installs them, or a path.

    Raises:
        MissingSoundfont: In none of these places, not ours to read, or no soundfont.
    """
    places = [folder / name for folder in (SOUNDFONTS_FOLDER, *DEBIAN_FOLDERS)]
    try:
        path = next((place for place in places if place.is_file()), None)
        whole = path is not None and _is_whole(path)
    except OSError as error:
        place = error.filename or name
        raise MissingSoundfont(f"{place}: cannot be read ({error.strerror}); mend its rights") from error
    if path is None:
        hint = "put it there, or name another as sound.soundfont in the genre file"
        raise MissingSoundfont(f"{places[0]}: no such soundfont; {hint}")
    if not whole:
        raise MissingSoundfont(f"{path}: not a whole soundfont; copy it again")
    return path


def _is_whole(path: Path) -> bool:
    """Whether a file is a soundfont as long as its header says."""
    with path.open("rb") as file:
        header = file.read(12)
    size = int.from_bytes(header[4:8], "little")
    return header[:4] == b"RIFF" and header[8:] == b"sfbk" and path.stat().st_size >= size


@dataclass(frozen=True, slots=True, kw_only=True)
class _Take:
    """What comes out of one output of the synthesiser."""

    name: Name
    player: Player
    channel: Channel
    side: int | None  # 0 or 1 of a stem that is played twice
    strokes: tuple[Stroke, ...]

    @property
    def is_drum(self) -> bool:
        return self.player.role == "drums"

    @property
    def end(self) -> int:
        """Frame at which the last note is let go; a drum is let go as it is struck."""
        return max(stroke.start if self.is_drum else stroke.stop for stroke in self.strokes)

    @property
    def programs(self) -> tuple[int, ...]:
        """What open and muted strokes are played with."""
        program = self.player.program if self.channel.program is None else self.channel.program
        return (program,) if self.channel.muted_program is None else (program, self.channel.muted_program)


def piece_of(key: int) -> Piece:
    """The piece of the kit that a General MIDI key strikes."""
    return next((piece for piece, keys in _PIECES.items() if key in keys), "cymbals")


def _takes(part: Part, score: Score, genre: Genre, seed: int) -> Iterator[_Take]:
    player = genre.player(part.role)
    channels = channels_of(player)
    for number in range(1, max(channel.takes for channel in channels.values()) + 1):
        hand = next(iter(channels.values())).hand
        strokes = perform(part, score, hand, seed=seed, take=number, swing=genre.sound.swing)
        for name, channel in channels.items():
            own = tuple(stroke for stroke in strokes if name not in PIECES or piece_of(stroke.pitch) == name)
            if own:
                side = number - 1 if channel.takes == 2 else None
                yield _Take(name=name, player=player, channel=channel, side=side, strokes=own)


class _Synth:
    """One FluidSynth with a stereo output for each take."""

    def __init__(self, library: ModuleType, synth: int, soundfont: Path, outputs: int) -> None:
        self._library, self._synth, self._soundfont, self._outputs = library, synth, soundfont, outputs
        self._font = library.fluid_synth_sfload(synth, str(soundfont).encode(), 0)
        if self._font < 0:
            raise MissingSoundfont(f"{soundfont}: FluidSynth cannot read it; copy it again")
        self._write = library._fl.fluid_synth_nwrite_float
        self._write.argtypes = [ctypes.c_void_p, ctypes.c_int] + [ctypes.c_void_p] * 4

    def play(self, takes: Sequence[_Take], frames: int) -> Stems:
        """Every take through channels of its own, to stems."""
        _errors.clear()
        for output, take in enumerate(takes):
            for layer, program in enumerate(take.programs):
                self._seat(self._channel(output, layer), take, program)
        stems = {take.name: np.zeros((2 if take.side is not None or take.channel.wide else 1, frames), np.float32)
                 for take in takes}  # fmt: skip
        planes = np.zeros((self._outputs, 2, CHUNK), np.float32)
        events = self._events(takes)
        deadline = time.monotonic() + SECONDS_ALLOWED
        for start in range(0, frames, CHUNK):
            stop = min(start + CHUNK, frames)
            self._play_chunk(planes, events, start, stop)
            for take, plane in zip(takes, planes, strict=True):
                _keep(plane[:, : stop - start], take, stems[take.name][:, start:stop])
            if time.monotonic() > deadline:
                played = f"{stop / RATE:.0f} of {frames / RATE:.0f} s of music"
                raise RenderFailed(f"FluidSynth: {played} in {SECONDS_ALLOWED} s; the machine is too busy")
        if _errors:
            raise MissingSoundfont(f"{self._soundfont}: damaged, {_errors[0]!r}; copy it again")
        return stems

    def _channel(self, output: int, layer: int) -> int:
        """FluidSynth sends a channel to the output of its number modulo the outputs."""
        return output + layer * self._outputs

    def _seat(self, channel: int, take: _Take, program: int) -> None:
        """Give a channel its instrument."""
        if take.is_drum:
            self._library._fl.fluid_synth_set_channel_type(ctypes.c_void_p(self._synth), channel, DRUM_CHANNEL)
        bank = DRUM_BANK if take.is_drum else 0
        if self._library.fluid_synth_program_select(self._synth, channel, self._font, bank, program) != 0:
            kind = "drum kit" if take.is_drum else "program"
            found = f"has no {kind} {program} for {take.player.name!r}"
            raise MissingSoundfont(f"{self._soundfont}: {found}; choose another in the genre file")

    def _events(self, takes: Sequence[_Take]) -> list[tuple[int, int, int, int, int]]:
        """(frame, 0 for stop or 1 for start, channel, pitch, velocity), the last one first; a stop has velocity 0."""
        events = []
        for output, take in enumerate(takes):
            layers = len(take.programs)
            for stroke in take.strokes:
                channel = self._channel(output, int(stroke.muted and layers > 1))
                start = round(stroke.start / BLOCK) * BLOCK
                stop = max(round(stroke.stop / BLOCK) * BLOCK, start + BLOCK)
                events.append((start, 1, channel, stroke.pitch, stroke.velocity))
                events.append((stop, 0, channel, stroke.pitch, 0))
        return sorted(events, reverse=True)

    def _play_chunk(
        self, planes: NDArray[np.float32], events: list[tuple[int, int, int, int, int]], start: int, stop: int
    ) -> None:
        """Frames `start` to `stop` of every output; takes their events off the list's end."""
        done = start
        while events and events[-1][0] < stop:
            frame, _, channel, pitch, velocity = events.pop()
            done = self._advance(planes, start, done, frame)
            if velocity:
                self._library.fluid_synth_noteon(self._synth, channel, pitch, velocity)
            else:
                self._library.fluid_synth_noteoff(self._synth, channel, pitch)
        self._advance(planes, start, done, stop)

    def _advance(self, planes: NDArray[np.float32], start: int, done: int, until: int) -> int:
        """Render frames `done` to `until`, straight into their place."""
        if until <= done:
            return done
        pointers = ctypes.c_void_p * self._outputs
        sides = [pointers(*(plane[side, done - start :].ctypes.data for plane in planes)) for side in (0, 1)]
        self._write(self._synth, until - done, *sides, None, None)
        return until


def _keep(plane: Sound, take: _Take, place: Sound) -> None:
    """Lay what came out of an output into its stem."""
    if take.channel.wide and take.side is None:
        place[:] = plane
    else:
        place[take.side or 0] = (plane[0] + plane[1]) / 2


@contextmanager
def _synth(outputs: int, soundfont: Path) -> Iterator[_Synth]:
    library = _library()
    settings = library.new_fluid_settings()
    synth = None
    try:
        numbers = {"synth.gain": GAIN, "synth.sample-rate": float(RATE)}
        integers = {
            "synth.audio-channels": outputs, "synth.audio-groups": outputs, "synth.dynamic-sample-loading": 1,
            "synth.midi-channels": -(-2 * outputs // 16) * 16,
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


_errors: list[str] = []  # of the synthesiser in use, as its library has one log for all


@ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)  # type: ignore[untyped-decorator]
def _log(level: int, message: bytes, _data: None) -> None:
    text = message.decode(errors="replace")
    log.debug("FluidSynth: %s", text)
    if level <= ERROR:
        _errors.append(text)

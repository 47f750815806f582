"""The room that a band plays in: made of seeded noise, different left and right, and mixed in as much as is sent."""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from worker.perform import RATE
from worker.tone import Sound, butterworth, convolve, impulse_response

RoomName = Literal["studio", "club", "hall"]
BANDS_HERTZ = (0.0, 250.0, 1000.0, 4000.0, 0.0)  # edges of low, middle, high and highest tones; 0: none
GONE_DB = 60.0  # what is so far down is no longer heard


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A room as its echoes are heard."""

    seed: int
    pre_delay_seconds: float
    walls_seconds: float  # until the last of the single echoes
    decay_seconds: tuple[float, float, float, float]  # down by 60 dB, low tones to highest
    walls_db: float  # single echoes, to the tail


ROOMS: dict[RoomName, Room] = {
    "studio": Room(
        seed=11, pre_delay_seconds=0.004, walls_seconds=0.03, walls_db=3, decay_seconds=(0.45, 0.5, 0.4, 0.25),
    ),
    "club": Room(
        seed=12, pre_delay_seconds=0.012, walls_seconds=0.06, walls_db=0, decay_seconds=(0.8, 1.0, 0.8, 0.45),
    ),
    "hall": Room(
        seed=13, pre_delay_seconds=0.025, walls_seconds=0.09, walls_db=-3, decay_seconds=(1.7, 2.0, 1.5, 0.8),
    ),
}  # fmt: skip
ECHOES = 14  # single ones
TONE = ((20.0, -36.0), (120.0, -9.0), (250.0, -1.0), (500.0, 0.0), (6000.0, -1.0), (10000.0, -6.0), (20000.0, -18.0))


def resound(sound: Sound, name: RoomName) -> Sound:
    """What a room answers to sound, without the sound itself; about as loud as it was sent, both sides."""
    return convolve(sound, echoes(name))


@cache
def echoes(name: RoomName) -> Sound:
    """The impulse response of a room, of energy 1 on each side; not to be changed."""
    room = ROOMS[name]
    rng = np.random.default_rng(room.seed)
    sides = np.stack([_tail(room, rng) + _walls(room, rng) for _ in range(2)])
    toned = convolve(np.asarray(sides, np.float32), impulse_response(TONE)[None, :])
    toned *= np.cos(np.linspace(0, np.pi / 2, toned.shape[1])) ** 0.5
    response = np.asarray(toned / np.sqrt(np.square(toned).sum(axis=1, keepdims=True)), np.float32)
    response.flags.writeable = False
    return response


def _tail(room: Room, rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise of energy 1 that dies away, high tones first, after the pre-delay."""
    seconds = np.arange(round(max(room.decay_seconds) * RATE)) / RATE
    points = 2 * len(seconds)
    noise = fft.rfft(rng.standard_normal(len(seconds)), points)
    total = np.zeros(len(seconds))
    for edges, decay in zip(pairwise(BANDS_HERTZ), room.decay_seconds, strict=True):
        band = fft.irfft(noise * butterworth(points, *edges), points)[: len(seconds)]
        total += band * 10 ** (-GONE_DB / 20 * seconds / decay)
    late = np.roll(total, round(room.pre_delay_seconds * RATE))
    late[: round(room.pre_delay_seconds * RATE)] = 0
    return np.asarray(late / np.sqrt(np.square(late).sum()))


def _walls(room: Room, rng: np.random.Generator) -> NDArray[np.float64]:
    """Single echoes, sparser and louder than the tail."""
    heard = np.zeros(round(max(room.decay_seconds) * RATE))
    at = rng.uniform(room.pre_delay_seconds, room.walls_seconds, ECHOES)
    heard[np.round(at * RATE).astype(int)] = rng.choice([-1, 1], ECHOES) * (1 - 0.8 * at / room.walls_seconds)
    return np.asarray(heard / np.sqrt(np.square(heard).sum()) * 10 ** (room.walls_db / 20))

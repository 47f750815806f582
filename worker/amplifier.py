"""Electric guitars and basses: an amplifier, and the cabinet that it plays through.

The curve of the valves bends every sample by itself, four times oversampled, so that what it adds above hearing does
not fold back. Tone before and after it, and the change of rate, are one product of spectra per block: cheaper than
filters one after another.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from worker.levels import gain_to
from worker.tone import Curve, Sound, impulse_response, join

Model = Literal["clean", "crunch", "high-gain", "bass"]
Cabinet = Literal["open", "stack", "bass", "none"]

OVERSAMPLING = 4
BLOCK = 16_384  # frames
OVERLAP = 4096  # as long as both filters together
AT_ONCE = 4  # blocks; what fits into the processor's cache
NOMINAL_LUFS = -18.0  # what an amplifier is fed with
BIAS = 0.15  # valves bend the two halves of a wave differently
RIPPLE_DB = 1.5  # standard deviation of what makes one loudspeaker differ from the next


@dataclass(frozen=True, slots=True, kw_only=True)
class Valves:
    """What an amplifier does before its cabinet."""

    drive_db: float  # into the curve
    before: Curve  # tone before the curve: what is driven
    after: Curve  # tone after it
    under: Curve = ()  # what goes past the curve: the low band of a bass


AMPLIFIERS: dict[Model, Valves] = {
    "clean": Valves(
        drive_db=6.0,
        before=((40, -24), (90, -3), (200, 0), (3000, 2), (7000, -2), (12000, -30)),
        after=((80, 0), (250, 1), (500, -2), (2500, 2), (6000, 0)),
    ),
    "crunch": Valves(
        drive_db=20.0,
        before=((40, -36), (100, -8), (250, -2), (900, 4), (3000, 3), (7000, -6), (12000, -36)),
        after=((80, 1), (200, 1), (450, -1), (1500, 1), (3000, 2), (6000, 0)),
    ),
    "high-gain": Valves(
        drive_db=38.0,
        before=((40, -48), (80, -16), (160, -6), (350, -2), (900, 6), (2000, 5), (5000, -2), (8000, -18), (12000, -48)),
        after=((70, 2), (140, 2), (300, -1), (500, -1), (900, 2), (1600, 2), (2500, 0), (4500, 2), (6000, 1)),
    ),
    "bass": Valves(
        drive_db=22.0,
        before=((60, -48), (150, -18), (300, -3), (800, 3), (2500, 2), (5000, -8), (9000, -36)),
        after=((150, -24), (300, -9), (700, -7), (1500, -7), (3500, -10), (6000, -24)),
        under=((20, -36), (38, -3), (60, 1), (120, 1), (200, -2), (400, -10), (1000, -20), (3000, -40)),
    ),
}
CABINETS: dict[Cabinet, Curve] = {
    "open": ((40, -36), (80, -9), (130, 1), (250, 1), (600, -1), (1500, 0), (2800, 4), (4200, 1), (5500, -8),
             (8000, -26), (12000, -50), (20000, -80)),
    "stack": ((35, -40), (65, -12), (95, 1), (125, 4), (180, 1), (400, -3), (800, -1), (1500, 1), (2600, 5), (3600, 4),
              (4600, -2), (5600, -12), (8000, -34), (12000, -60), (20000, -90)),
    "bass": ((25, -24), (40, -3), (60, 1), (150, 0), (500, -2), (1200, 0), (2500, 2), (4000, -4), (6000, -24),
             (10000, -60), (20000, -90)),
    "none": ((20, -24), (40, 0), (10000, 0), (16000, -12), (20000, -60)),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """An amplifier as somebody has set it up."""

    model: Model
    cabinet: Cabinet
    drive_db: float = 0.0  # more or less than the model's own
    tone: float = 0.0  # -1 dark to 1 bright


def amplify(sound: Sound, rig: Rig) -> Sound:
    """Each side through an amplifier and a cabinet of its own; as loud as is convenient, not as it came."""
    valves = AMPLIFIERS[rig.model]
    gain = gain_to(sound, NOMINAL_LUFS)
    drive = 10 ** ((valves.drive_db + rig.drive_db) / 20)
    played = np.empty_like(sound)
    for side, row in enumerate(sound):
        played[side] = _play(row, gain, valves, drive, join(speaker(rig.cabinet, side), _tilt(rig.tone)))
    return played


def valve(wave: NDArray[np.float32]) -> NDArray[np.float32]:
    """The curve: soft where it is quiet, flat where it is loud, at most about 1, a little lopsided."""
    return np.asarray(np.tanh(wave + np.float32(BIAS)) - np.float32(np.tanh(BIAS)), np.float32)


@cache
def speaker(cabinet: Cabinet, number: int) -> Curve:
    """A cabinet's curve with the small ripples of one loudspeaker; another number is another one."""
    curve = CABINETS[cabinet]
    if cabinet == "none":
        return curve
    rng = np.random.default_rng([sum(cabinet.encode()), number])
    ripples = [(float(hertz), float(rng.normal(0, RIPPLE_DB))) for hertz in np.geomspace(200, 5000, 24)]
    return join(curve, ((150.0, 0.0), *ripples, (7000.0, 0.0)))


def _tilt(tone: float) -> Curve:
    return ((100, -3 * tone), (800, 0), (5000, 6 * tone))


def _play(row: NDArray[np.float32], gain: float, valves: Valves, drive: float, after: Curve) -> NDArray[np.float32]:
    """One side, turned up by a gain, block by block; silent blocks stay so."""
    before = _spectrum(valves.before) * np.float32(gain * drive)
    behind = _spectrum(join(valves.after, after))
    under = _spectrum(join(valves.under, after)) * np.float32(gain) if valves.under else None
    played = np.zeros_like(row)
    for start, blocks in _blocks(row):
        bent = _bend(fft.rfft(blocks, axis=1), before, behind, under)
        fresh = bent[:, OVERLAP:].reshape(-1)[: len(row) - start]
        played[start : start + len(fresh)] = fresh
    return played


def _bend(
    heard: NDArray[np.complex64], before: NDArray[np.complex64], behind: NDArray[np.complex64],
    under: NDArray[np.complex64] | None,
) -> NDArray[np.float32]:  # fmt: skip
    """Blocks, given as spectra, through tone, curve and tone; (blocks, BLOCK)."""
    finer = fft.irfft(heard * before, BLOCK * OVERSAMPLING, axis=1)  # a fourth as high, made up for in the next line
    bent = fft.rfft(valve(finer * np.float32(OVERSAMPLING)), axis=1)[:, : BLOCK // 2 + 1]
    total = bent * (behind / np.float32(OVERSAMPLING))
    if under is not None:
        total += heard * under
    return np.asarray(fft.irfft(total, BLOCK, axis=1), np.float32)


def _blocks(row: NDArray[np.float32]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """(first frame, blocks), a few at a time, each reaching back by the overlap; those without sound are left out."""
    hop = BLOCK - OVERLAP
    padded = np.pad(row, (OVERLAP, BLOCK))
    windows = np.lib.stride_tricks.sliding_window_view(padded, BLOCK)[::hop]
    for first in range(0, -(-len(row) // hop), AT_ONCE):
        blocks = windows[first : first + AT_ONCE]
        if blocks.any():
            yield first * hop, blocks


@cache
def _spectrum(curve: Curve) -> NDArray[np.complex64]:
    return np.asarray(fft.rfft(impulse_response(curve), BLOCK), np.complex64)

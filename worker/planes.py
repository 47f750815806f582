"""Pictures as a video stores them: brightness, and colour at half the resolution."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Mask = NDArray[np.float32]  # 0 to 1
Rgb = tuple[int, int, int]
MARGIN = 12  # pixels around a shape, for its halo
HALO, HALO_PIXELS = 0.55, 5.0  # its strength at the edge of the shape, and how far it reaches
# From red, green and blue to y, u and v: BT.709 in the range of television.
TO_YUV = (0.1826, 0.6142, 0.0620, 16.0, -0.1006, -0.3386, 0.4392, 128.0, 0.4392, -0.3989, -0.0403, 128.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planes:
    """One picture, or a part of one, as yuv420p wants it; all places and sizes are even numbers of pixels."""

    y: Pixels  # (height, width)
    uv: Pixels  # (2, height / 2, width / 2)

    @classmethod
    def plain(cls, width: int, height: int, colour: Rgb) -> Self:
        """A picture of one colour."""
        picture = cls(y=np.empty((height, width), np.uint8), uv=np.empty((2, height // 2, width // 2), np.uint8))
        picture.fill(colour)
        return picture

    @classmethod
    def of(cls, image: Image.Image) -> Self:
        """A picture from an image."""
        y, u, v = image.convert("RGB").convert("RGB", TO_YUV).split()
        return cls(y=np.array(y), uv=np.array([np.asarray(u.reduce(2)), np.asarray(v.reduce(2))]))

    def __iter__(self) -> Iterator[Pixels]:
        return iter((self.y, self.uv))

    def copy(self) -> "Planes":
        """The same picture on memory of its own."""
        return Planes(y=self.y.copy(), uv=self.uv.copy())

    def window(self, x: int, y: int, width: int, height: int) -> "Planes":
        """A part of this picture, on the same memory."""
        half = np.s_[:, y // 2 : (y + height) // 2, x // 2 : (x + width) // 2]
        return Planes(y=self.y[y : y + height, x : x + width], uv=self.uv[half])

    def fill(self, colour: Rgb) -> None:
        """Paint everything in one colour."""
        y, u, v = to_yuv(colour)
        self.y[...] = y
        self.uv[0], self.uv[1] = u, v

    def paste(self, other: "Planes", x: int, y: int) -> None:
        """Put a picture on this one."""
        height, width = other.y.shape
        place = self.window(x, y, width, height)
        place.y[...], place.uv[...] = other.y, other.uv

    def fade(self, other: "Planes", share: float) -> None:
        """Let another picture of the same size shine through."""
        weight = round(share * 256)
        for plane, shining in zip(self, other, strict=True):
            plane[...] = (plane.astype(np.uint16) * (256 - weight) + shining.astype(np.uint16) * weight) >> 8

    def blend(self, shape: "Shape", x: int, y: int, colour: Rgb, strength: float, *, halo: bool = False) -> None:
        """Lay a shape in one colour over this picture; what reaches out of it is cut off."""
        mask = shape.halo if halo else shape.solid
        left, top = x - MARGIN, y - MARGIN
        height, width = self.y.shape
        above, before = max(0, -top), max(0, -left)  # pixels of the shape
        below, after = min(mask.y.shape[0], height - top), min(mask.y.shape[1], width - left)
        if above >= below or before >= after:
            return
        there = self.window(left + before, top + above, after - before, below - above)
        values = np.array(to_yuv(colour), np.float32)
        cut, halved = mask.y[above:below, before:after], mask.uv[above // 2 : below // 2, before // 2 : after // 2]
        there.y[...] = there.y + (values[0] - there.y) * (cut * np.float32(strength)) + HALF
        there.uv[...] = there.uv + (values[1:, None, None] - there.uv) * (halved * np.float32(strength)) + HALF


HALF = np.float32(0.5)  # for rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How much of each pixel a shape covers, with a margin around."""

    y: Mask
    uv: Mask  # at half the resolution


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A rounded rectangle, with and without a halo."""

    solid: Coverage
    halo: Coverage


@lru_cache(maxsize=256)
def shape_of(width: int, height: int, radius: float) -> Shape:
    """The shape of a note."""
    across = np.abs(np.arange(width + 2 * MARGIN) + 0.5 - MARGIN - width / 2) - width / 2 + radius
    down = np.abs(np.arange(height + 2 * MARGIN) + 0.5 - MARGIN - height / 2) - height / 2 + radius
    outside = np.hypot(np.maximum(across, 0)[None], np.maximum(down, 0)[:, None])
    distance = outside + np.minimum(np.maximum(across[None], down[:, None]), 0) - radius  # pixels to the edge
    solid = np.clip(0.5 - distance, 0, 1)
    fading = np.clip(1 - distance / MARGIN, 0, 1)  # to nothing where the margin ends
    halo = np.maximum(solid, HALO * np.exp(-np.maximum(distance, 0) / HALO_PIXELS) * fading)
    return Shape(solid=_coverage(solid), halo=_coverage(halo))


def _coverage(share: NDArray[np.float64]) -> Coverage:
    height, width = share.shape
    quarters = share.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))
    return Coverage(y=share.astype(np.float32), uv=quarters.astype(np.float32))


@lru_cache(maxsize=4096)
def to_yuv(colour: Rgb) -> Rgb:
    """A colour as a video stores it."""
    y, u, v = (round(sum(factor * value for factor, value in zip(row, (*colour, 1), strict=True)))
               for row in (TO_YUV[:4], TO_YUV[4:8], TO_YUV[8:]))  # fmt: skip
    return y, u, v

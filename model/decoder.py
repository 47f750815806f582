"""What the composer hears after the next token of several songs: the plain way, on any device.

`model.quick` is the fast way on one core; both are checked against each other.
"""

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from model.network import Cache, Composer
from model.quick import QuickDecoder, sums_are_exact

Floats = NDArray[np.float32]
Whole = NDArray[np.int64]


class Decoder(Protocol):
    """Songs in step with each other: all have as many tokens."""

    length: int  # tokens in memory, of each song

    def read(self, tokens: Whole, known: Whole) -> Floats:
        """Forget everything, read tokens (B, T) and inputs (B, T, len(INPUTS)); the last hidden state (B, width)."""

    def step(self, tokens: Whole, known: Whole) -> Floats:
        """Read one more token (B,) with its inputs (B, len(INPUTS)); the hidden state (B, width)."""

    def keep(self, songs: list[int]) -> None:
        """Forget all songs but these, by their place in the batch."""


def decoder_of(network: Composer, songs: int) -> Decoder:
    """The fastest decoder for where the network lies."""
    if network.token.weight.device.type == "cpu" and sums_are_exact():
        return QuickDecoder(network, songs)
    return PlainDecoder(network, songs)


class PlainDecoder:
    """The network as it was trained, with a cache.

    On a CPU each song is read by itself: the rounding of a matrix product depends on its size, and a song must not
    depend on the others. On a GPU that would cost too much; a song's last digits depend on its batch there.
    """

    def __init__(self, network: Composer, songs: int) -> None:
        """Without memory, for that many songs."""
        self.length = 0
        self._network = network
        self._device = network.token.weight.device
        self._apart = self._device.type == "cpu"
        self._caches = [self._cache(1) for _ in range(songs)] if self._apart else [self._cache(songs)]

    def _cache(self, songs: int) -> Cache:
        return Cache(self._network.architecture, songs, self._device)

    def read(self, tokens: Whole, known: Whole) -> Floats:
        """Forget everything, read all tokens."""
        for cache in self._caches:
            cache.length = 0
        self.length = 0
        return self._hear(tokens, known)

    def step(self, tokens: Whole, known: Whole) -> Floats:
        """Read one more token."""
        return self._hear(tokens[:, None], known[:, None])

    def keep(self, songs: list[int]) -> None:
        """Forget all other songs."""
        if self._apart:
            self._caches = [self._caches[song] for song in songs]
        else:
            self._caches[0].memory = self._caches[0].memory[:, :, songs]

    @torch.inference_mode()
    def _hear(self, tokens: Whole, known: Whole) -> Floats:
        self.length += tokens.shape[1]
        groups = [slice(i, i + 1) for i in range(len(tokens))] if self._apart else [slice(None)]
        heard = [
            self._network.hidden(
                torch.from_numpy(tokens[group]).to(self._device), torch.from_numpy(known[group]).to(self._device), cache
            )[:, -1]
            for group, cache in zip(groups, self._caches, strict=True)
        ]
        hidden: Floats = torch.cat(heard).float().cpu().numpy()
        return hidden

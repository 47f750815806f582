"""What the composer hears after the next token of several songs: the plain way, on any device.

`model.quick` is the fast way on one core; both are checked against each other.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from model.network import Cache, Composer
from model.quick import QuickDecoder, can_decode

Floats = NDArray[np.float32]
Whole = NDArray[np.int64]


class Decoder(Protocol):
    """Songs side by side; on a GPU in step with each other, all as long."""

    @property
    def lengths(self) -> Sequence[int]:
        """Tokens in memory, of each song."""

    def read(self, songs: Sequence[int], tokens: Whole, known: Whole) -> Floats:
        """Let these songs, by their place, forget everything and read anew.

        Args:
            songs: On a GPU, all.
            tokens: As many of each song, (n, T).
            known: What is known of the token after each, (n, T, len(INPUTS)).

        Returns:
            The last hidden states, (n, width).
        """

    def step(self, songs: Sequence[int], tokens: Whole, known: Whole) -> Floats:
        """Let these songs read one more token (n,) with its inputs (n, len(INPUTS)); the hidden states (n, width)."""

    def forget(self, songs: Sequence[int], first: int, latest: int) -> None:
        """Let these songs, on a GPU all, forget what lies between their first and their latest tokens.

        The latest keep what they heard of it, and move down to the positions behind the first.
        """

    def keep(self, songs: Sequence[int]) -> None:
        """Forget all songs but these, by their place."""


def decoder_of(network: Composer, songs: int) -> Decoder:
    """The fastest decoder for where the network lies."""
    if network.token.weight.device.type == "cpu" and can_decode(network.architecture):
        return QuickDecoder(network, songs)
    return PlainDecoder(network, songs)


class PlainDecoder:
    """The network as it was trained, with a cache.

    On a CPU each song is read by itself: the rounding of a matrix product depends on its size, and a song must not
    depend on the others. On a GPU that would cost too much; a song's last digits depend on its batch there.
    """

    def __init__(self, network: Composer, songs: int) -> None:
        """Without memory, for that many songs."""
        self._network = network
        self._device = network.token.weight.device
        self._in_step = self._device.type != "cpu"
        sizes = [songs] if self._in_step else [1] * songs
        self._caches = [Cache(network.architecture, size, self._device) for size in sizes]

    @property
    def lengths(self) -> list[int]:
        """Tokens in memory, of each song."""
        return [cache.length for cache in self._caches for _ in range(cache.memory.shape[2])]

    def read(self, songs: Sequence[int], tokens: Whole, known: Whole) -> Floats:
        """Let songs forget everything, and read all tokens."""
        for cache in self._caches_of(songs):
            cache.length = 0
        return self._hear(songs, tokens, known)

    def step(self, songs: Sequence[int], tokens: Whole, known: Whole) -> Floats:
        """Read one more token."""
        return self._hear(songs, tokens[:, None], known[:, None])

    def forget(self, songs: Sequence[int], first: int, latest: int) -> None:
        """Let songs forget all but their first and their latest tokens."""
        for cache in self._caches_of(songs):
            self._network.forget(cache, first, latest)

    def keep(self, songs: Sequence[int]) -> None:
        """Forget all other songs."""
        if self._in_step:
            self._caches[0].memory = self._caches[0].memory[:, :, songs]
        else:
            self._caches = [self._caches[song] for song in songs]

    def _caches_of(self, songs: Sequence[int]) -> list[Cache]:
        return self._caches if self._in_step else [self._caches[song] for song in songs]

    @torch.inference_mode()
    def _hear(self, songs: Sequence[int], tokens: Whole, known: Whole) -> Floats:
        groups = [slice(None)] if self._in_step else [slice(i, i + 1) for i in range(len(tokens))]
        heard = [
            self._network.hidden(
                torch.from_numpy(tokens[group]).to(self._device), torch.from_numpy(known[group]).to(self._device), cache
            )[:, -1]
            for group, cache in zip(groups, self._caches_of(songs), strict=True)
        ]
        hidden: Floats = torch.cat(heard).float().cpu().numpy()
        return hidden

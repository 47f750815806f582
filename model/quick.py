"""The composer's hidden state after the next token of several songs, fast on one core: in whole numbers of 8 bits.

At this size a token costs memory traffic and overhead, not arithmetic. So the weights, what is multiplied with them,
and the keys and values in memory are rounded to 8 bits, each row (of a head: each token) with a step of its own, and
what lies between two products is one pass over memory (`model.kernels`). Sums of whole numbers are exact in any order,
and all other sums are taken song by song: what a song hears does not depend on the songs beside it, to the last bit.

Rounding each row of weights and activations by itself follows LLM.int8() (Dettmers et al. 2022, arXiv:2208.07339);
this network has no outliers to treat apart. See benchmarks/composing.md for what it costs in accuracy.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model import kernels
from model.network import CLASSES, PLAIN_INPUTS, Architecture, Cache, Composer
from model.reader import CLASS_INPUTS

Floats = NDArray[np.float32]
Whole = NDArray[np.int64]
HALF = CLASSES // 2  # bits; a set of pitch classes is looked up in two halves


@cache
def has_fast_products() -> bool:
    """Whether PyTorch multiplies int8 well here: with AVX-512's VNNI instructions, sums are exact and ten times faster.

    Without them oneDNN adds in 16 bits, where sums run over, or one number after another.
    """
    if not torch.cpu.get_capabilities().get("avx512_vnni"):
        return False
    most = torch.full((2, 1024), 127, dtype=torch.int8)
    return all(bool((torch._int_mm(most[:n], most.t()) == 1024 * 127**2).all()) for n in (1, 2))


def can_decode(architecture: Architecture) -> bool:
    """Whether a network's heads fit into memory."""
    return architecture.width <= architecture.heads * kernels.LANES


class QuickDecoder:
    """Songs side by side, on one core; each remembers as much as it has heard."""

    def __init__(self, network: Composer, songs: int) -> None:
        """Without memory, for that many songs; the network is one that `can_decode` allows."""
        self._network = network
        a = self._architecture = network.architecture
        weights = {name: tensor.detach() for name, tensor in network.state_dict().items()}
        self._layers = [
            tuple(_Matrix(weights[f"blocks.{i}.{name}.weight"]) for name in ("attend", "join", "widen", "narrow"))
            for i in range(a.layers)
        ]
        self._embeddings = _Embeddings(network)
        self._turns = torch.stack((network.angles.cos(), network.angles.sin()), dim=1).numpy()  # (window, 2, w / 2)
        remembered = (a.layers, songs, a.heads, a.window)
        self._keys, self._values = (np.zeros((*remembered, kernels.LANES), dtype=np.int8) for _ in range(2))
        self._key_steps, self._value_steps = (np.empty(remembered, dtype=np.float32) for _ in range(2))
        self._places = np.arange(songs)  # in memory, of those that are still heard
        self._lengths = np.zeros(songs, dtype=np.int64)
        self._seat(songs)

    @property
    def lengths(self) -> list[int]:
        """Tokens in memory, of each song."""
        lengths: list[int] = self._lengths.tolist()
        return lengths

    def _seat(self, songs: int) -> None:
        """Lay out what depends on the number of songs that are heard at once."""
        width = self._architecture.width
        for matrix in (matrix for layer in self._layers for matrix in layer):
            matrix.seat(songs)
        self._x = np.empty((songs, width), dtype=np.float32)
        self._tops = np.empty(songs, dtype=np.float32)

    def forget(self, songs: Sequence[int], first: int, latest: int) -> None:
        """Let songs forget all but their first and their latest tokens."""
        for song in songs:
            dropped = int(self._lengths[song]) - first - latest
            back = self._turns[dropped] * np.array([[1], [-1]], dtype=np.float32)
            kernels.forget(
                self._places[song], first, latest, dropped, back,
                self._keys, self._values, self._key_steps, self._value_steps,
            )  # fmt: skip
            self._lengths[song] = first + latest

    def keep(self, songs: Sequence[int]) -> None:
        """Forget all other songs."""
        self._places, self._lengths = self._places[list(songs)], self._lengths[list(songs)]

    @torch.inference_mode()
    def read(self, songs: Sequence[int], tokens: Whole, known: Whole) -> Floats:
        """Let songs forget everything, and read all tokens: in floating point and each song by itself."""
        return np.concatenate([
            self._read_one(song, tokens[i : i + 1], known[i : i + 1]) for i, song in enumerate(songs)
        ])  # fmt: skip

    def _read_one(self, song: int, tokens: Whole, known: Whole) -> Floats:
        a, length, place = self._architecture, tokens.shape[1], self._places[song]
        heard = Cache(replace(a, window=length), 1, torch.device("cpu"))
        hidden: Floats = self._network.hidden(torch.from_numpy(tokens), torch.from_numpy(known), heard)[:, -1].numpy()
        kept = ((self._keys, self._key_steps), (self._values, self._value_steps))
        for what, (codes, steps) in zip(heard.memory[:, :, 0].unbind(1), kept, strict=True):  # (layers, H, T, w)
            rounded, step = _as_codes(what)
            codes[:, place, :, :length, : what.shape[-1]] = rounded.numpy()
            steps[:, place, :, :length] = step.numpy()
        self._lengths[song] = length
        return hidden

    @torch.inference_mode()
    def step(self, songs: Sequence[int], tokens: Whole, known: Whole) -> Floats:
        """Read one more token of these songs."""
        self._lengths[songs] += 1
        lengths, places = self._lengths[songs], self._places[songs]
        if len(songs) != len(self._x):
            self._seat(len(songs))
        x, tops = self._x, self._tops
        self._embeddings(tokens, known, x)
        kernels.round_normed(x, self._layers[0][0].row, tops)
        for i, (attend, join, widen, narrow) in enumerate(self._layers):
            kernels.attend(
                attend.product(), attend.steps, tops, self._turns, places, lengths,
                self._keys[i], self._values[i], self._key_steps[i], self._value_steps[i], join.row, tops,
            )  # fmt: skip
            kernels.add(join.product(), join.steps, tops, x, widen.row, tops)
            kernels.square(widen.product(), widen.steps, tops, narrow.row, tops)
            following = self._layers[(i + 1) % len(self._layers)][0]
            kernels.add(narrow.product(), narrow.steps, tops, x, following.row, tops)
        kernels.norm(x, hidden := np.empty_like(x))
        return hidden


class _Matrix:
    """A linear layer in codes, each output with a step of its own."""

    def __init__(self, weight: Tensor) -> None:
        self._codes, steps = _as_codes(weight)  # (out, in)
        self.steps = steps.numpy()

    def seat(self, songs: int) -> None:
        """Make room for that many rows to multiply."""
        outputs, inputs = self._codes.shape
        self._row = torch.zeros(songs, inputs, dtype=torch.int8)
        self._sums = torch.zeros(songs, outputs, dtype=torch.int32)
        self.row, self._sums_here = self._row.numpy(), self._sums.numpy()
        self._codes_here, self._turned = self._codes.numpy(), self._codes.t()

    def product(self) -> NDArray[np.int32]:
        """Of `row` (B, in) and the weights: sums (B, out), valid until the next product."""
        if has_fast_products():
            torch._int_mm(self._row, self._turned, out=self._sums)
        else:
            kernels.multiply(self.row, self._codes_here, self._sums_here)
        return self._sums_here


class _Embeddings:
    """The sum of the embeddings of a token and of all that is known beside it, by one look into one table."""

    def __init__(self, network: Composer) -> None:
        known = network.known.weight.detach()
        plain = int(network.offsets[-1])
        halves = [_sums_of_sets(rows) for rows in torch.split(known[plain:], HALF)]
        self._table = torch.cat([known[:plain], *halves, network.token.weight.detach()]).numpy()
        starts = [plain + i * 2**HALF for i in range(len(halves) + 1)]
        self._starts = np.array([*network.offsets[:-1].tolist(), *starts])

    def __call__(self, tokens: Whole, known: Whole, x: Floats) -> None:
        """For tokens (B,) and what is known beside them (B, len(INPUTS)), into x (B, width)."""
        plain = len(PLAIN_INPUTS)
        rows = np.empty((len(tokens), len(self._starts)), dtype=np.int64)
        rows[:, :plain] = known[:, :plain]
        sets = known[:, plain:]
        np.bitwise_and(sets, 2**HALF - 1, out=rows[:, plain:-1:2])
        np.right_shift(sets, HALF, out=rows[:, plain + 1 : -1 : 2])
        rows[:, -1] = tokens
        rows += self._starts
        kernels.embed(self._table, rows, x)


def _sums_of_sets(rows: Tensor) -> Tensor:
    """For rows (n, width) the sums of all sets of them (2**n, width), where bit i of the index says if row i is in it.

    A product of matrices would do, but takes its sums in an order that changes with the threads it is given.
    """
    sums = torch.zeros(1, rows.shape[1])
    for row in rows:
        sums = torch.cat((sums, sums + row))
    return sums


def _as_codes(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (…, n) as whole numbers of 8 bits, and what a step of each row (…,) stands for."""
    tops = rows.abs().amax(dim=-1).clamp(min=float(kernels.TINY))
    return (rows * (127 / tops[..., None])).round().to(torch.int8), tops / 127


assert len(CLASS_INPUTS) * CLASSES % HALF == 0  # noqa: S101

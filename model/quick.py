"""The composer's hidden state after the next token of several songs, fast on one core: in whole numbers of 8 bits.

At this size a token costs memory traffic and overhead, not arithmetic. So the weights, what is multiplied with them,
and the keys and values in memory are rounded to 8 bits, each row (of a head: each token) with a step of its own, and
all else is done in few NumPy operations on buffers that stay. Sums of whole numbers are exact in any order: what a
song hears does not depend on the songs beside it, to the last bit.

Rounding each row of weights and activations by itself follows LLM.int8() (Dettmers et al. 2022, arXiv:2208.07339);
this network has no outliers to treat apart. See benchmarks/composing.md for what it costs in accuracy.
"""

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.network import CLASSES, PLAIN_INPUTS, Cache, Composer
from model.reader import CLASS_INPUTS

Floats = NDArray[np.float32]
Whole = NDArray[np.int64]
MOST = np.float32(127)  # the largest whole number of 8 bits
FINER = np.float32(254)  # shares of attention have a second plane: remainders, in steps this much finer
TINY = 1e-20  # instead of 0, where a row is silent
EPSILON = np.float32(torch.finfo(torch.float32).eps)  # as in rms_norm
BLOCK = 64  # tokens; attention is over whole blocks, so that shapes and views change seldom
HALF = CLASSES // 2  # bits; a set of pitch classes is looked up in two halves
ZERO = np.float32(0)


@cache
def sums_are_exact() -> bool:
    """Whether this processor adds products of 8 bits without running over; many do only with VNNI instructions."""
    most = torch.full((2, 1024), 127, dtype=torch.int8)
    try:
        return all(bool((torch._int_mm(most[:n], most.t()) == 1024 * 127**2).all()) for n in (1, 2))
    except RuntimeError:
        return False


class QuickDecoder:
    """Songs in step with each other, on one core."""

    def __init__(self, network: Composer, songs: int) -> None:
        """Without memory, for that many songs."""
        self.length = 0
        self._network = network
        a = self._architecture = network.architecture
        weights = {name: tensor.detach() for name, tensor in network.state_dict().items()}
        self._pairs = _rotary_pairs(a.heads, a.width // a.heads)
        self._layers = [
            tuple(_Matrix(weights[f"blocks.{i}.{name}.weight"]) for name in ("attend", "join", "widen", "narrow"))
            for i in range(a.layers)
        ]
        for attend, *_ in self._layers:
            attend.reorder(self._pairs)
        self._embeddings = _Embeddings(network)
        self._turns = torch.polar(torch.ones_like(network.angles), network.angles).numpy()  # (window, w / 2)
        self._keys = torch.zeros(a.layers, songs, a.window, a.width, dtype=torch.int8)
        self._values = torch.zeros_like(self._keys)
        self._key_steps = np.zeros((a.layers, songs, a.heads, a.window), dtype=np.float32)
        self._value_steps = np.zeros_like(self._key_steps)  # 0 where nothing is remembered yet
        self._seat(songs)

    def _seat(self, songs: int) -> None:
        """Lay out what depends on the number of songs."""
        a = self._architecture
        width = a.width // a.heads
        self._songs = songs
        for matrix in (matrix for layer in self._layers for matrix in layer):
            matrix.seat(songs)
        self._codes = np.empty((songs, 3 * a.heads, width), dtype=np.int8)
        self._asked = torch.zeros(songs, a.heads, a.width, dtype=torch.int8)  # each head's query, silent elsewhere
        self._asked_own = np.einsum("bhhw->bhw", self._asked.numpy().reshape(songs, a.heads, a.heads, width))
        self._heard = torch.zeros(songs, 2 * a.heads, a.width, dtype=torch.int32)
        self._heard_own = np.einsum("bphhw->bphw", self._heard.numpy().reshape(songs, 2, a.heads, a.heads, width))
        self._open_blocks(-(-max(self.length, 1) // BLOCK))

    def _open_blocks(self, blocks: int) -> None:
        """Lay out what depends on the number of tokens, in blocks."""
        a, songs = self._architecture, range(self._songs)
        self._span = min(blocks * BLOCK, a.window)
        self._sums = torch.empty(len(songs), a.heads, self._span, dtype=torch.int32)
        self._shares = torch.empty(len(songs), 2 * a.heads, self._span, dtype=torch.int8)
        self._weights = np.empty((len(songs), a.heads, self._span), dtype=np.float32)
        self._rounded = np.empty_like(self._weights)
        self._questions = [
            [(self._asked[b], self._keys[i, b, : self._span].t(), self._sums[b]) for b in songs]
            for i in range(a.layers)
        ]
        self._answers = [
            [(self._shares[b], self._values[i, b, : self._span], self._heard[b]) for b in songs]
            for i in range(a.layers)
        ]

    def keep(self, songs: list[int]) -> None:
        """Forget all other songs."""
        self._keys, self._values = self._keys[:, songs], self._values[:, songs]
        self._key_steps, self._value_steps = self._key_steps[:, songs], self._value_steps[:, songs]
        self._seat(len(songs))

    @torch.inference_mode()
    def read(self, tokens: Whole, known: Whole) -> Floats:
        """Forget everything, read all tokens, in floating point and each song by itself."""
        self.length = tokens.shape[1]
        self._value_steps[..., self.length :] = 0
        heard = [self._read_one(b, tokens[b : b + 1], known[b : b + 1]) for b in range(self._songs)]
        self._open_blocks(-(-self.length // BLOCK))
        return np.concatenate(heard)

    def _read_one(self, song: int, tokens: Whole, known: Whole) -> Floats:
        a, length = self._architecture, tokens.shape[1]
        cache = Cache(a, 1, torch.device("cpu"))
        hidden: Floats = self._network.hidden(torch.from_numpy(tokens), torch.from_numpy(known), cache)[:, -1].numpy()
        keys, values = cache.memory[:, 0, 0, :, :length], cache.memory[:, 1, 0, :, :length]  # (layers, H, T, w)
        keys = keys[..., self._pairs[: a.width // a.heads]]
        for memory, steps, what in (
            (self._keys, self._key_steps, keys), (self._values, self._value_steps, values),
        ):  # fmt: skip
            top = what.abs().amax(dim=-1).clamp(min=TINY)
            codes = (what * (127 / top[..., None])).round().to(torch.int8)
            memory[:, song, :length] = codes.transpose(1, 2).flatten(2)
            steps[:, song, :, :length] = top.numpy()
        return hidden

    @torch.inference_mode()
    def step(self, tokens: Whole, known: Whole) -> Floats:
        """Read one more token."""
        self.length += 1
        if self.length > self._span:
            self._open_blocks(-(-self.length // BLOCK))
        x = self._embeddings(tokens, known)
        turn = self._turns[self.length - 1]
        for i, (attend, join, widen, narrow) in enumerate(self._layers):
            qkv, top = attend(x)
            heard = self._attend(i, qkv, top / _rms(x), turn)
            y, top = join(heard)
            y *= top
            x += y
            h, top = widen(x)
            np.maximum(h, ZERO, out=h)
            np.square(h, out=h)
            scale = np.square(top / _rms(x))
            y, top = narrow(h)
            y *= top * scale
            x += y
        x /= _rms(x)
        return x

    def _attend(self, layer: int, qkv: Floats, value_scale: Floats, turn: NDArray[np.complex64]) -> Floats:
        """What the heads hear (B, width); `qkv` is (B, 3 width) in units of no matter, for values `value_scale`."""
        a, now = self._architecture, self.length - 1
        heads = qkv.reshape(self._songs, 3 * a.heads, -1)  # queries, keys, values
        qk = heads[:, : 2 * a.heads].view(np.complex64)
        qk *= turn
        top = _round(heads, self._codes)[..., 0]
        top[:, : 2 * a.heads] /= _rms(heads[:, : 2 * a.heads])[..., 0]
        top[:, 2 * a.heads :] *= value_scale
        self._remember(layer, now, top)

        for question, keys, sums in self._questions[layer]:
            torch._int_mm(question, keys, out=sums)
        weights, rounded, span = self._weights, self._rounded, self._span
        np.copyto(weights, self._sums.numpy(), casting="unsafe")
        weights *= top[:, : a.heads, None] * np.float32(heads.shape[-1] ** -0.5 / 127**2)
        weights *= self._key_steps[layer, :, :, :span]
        np.exp(weights, out=weights)  # of normed queries and keys: at most e to the square root of the head's width
        total = np.add.reduce(weights[..., : self.length], axis=-1)
        weights *= self._value_steps[layer, :, :, :span]

        shares = self._shares.numpy()
        peak = np.maximum.reduce(weights, axis=-1, keepdims=True, initial=TINY)
        weights *= MOST / peak
        np.rint(weights, out=rounded)
        np.copyto(shares[:, : a.heads], rounded, casting="unsafe")
        weights -= rounded
        weights *= FINER
        np.rint(weights, out=weights)
        np.copyto(shares[:, a.heads :], weights, casting="unsafe")
        for share, values, heard in self._answers[layer]:
            torch._int_mm(share, values, out=heard)
        planes = self._heard_own.astype(np.float32)  # (B, 2, H, w)
        planes[:, 1] /= FINER
        both: Floats = planes[:, 0]
        both += planes[:, 1]
        both *= peak / (total[..., None] * np.float32(127**2))
        return both.reshape(self._songs, a.width)

    def _remember(self, layer: int, now: int, top: Floats) -> None:
        heads = self._architecture.heads
        self._asked_own[:] = self._codes[:, :heads]
        self._keys.numpy()[layer, :, now] = self._codes[:, heads : 2 * heads].reshape(self._songs, -1)
        self._values.numpy()[layer, :, now] = self._codes[:, 2 * heads :].reshape(self._songs, -1)
        self._key_steps[layer, :, :, now] = top[:, heads : 2 * heads]
        self._value_steps[layer, :, :, now] = top[:, 2 * heads :]


class _Matrix:
    """A linear layer in 8 bits, each output with a step of its own."""

    def __init__(self, weight: Tensor) -> None:
        top = weight.abs().amax(dim=1).clamp(min=TINY)
        self._codes = (weight * (127 / top[:, None])).round().to(torch.int8)  # (out, in)
        self._step = top.numpy() / MOST**2

    def reorder(self, outputs: Tensor) -> None:
        """Put the outputs into another order."""
        self._codes, self._step = self._codes[outputs], self._step[outputs.numpy()]

    def seat(self, songs: int) -> None:
        """Make room for the results of that many songs."""
        outputs, inputs = self._codes.shape
        self._row = torch.empty(songs, inputs, dtype=torch.int8)
        self._sums = torch.empty(songs, outputs, dtype=torch.int32)
        self._row_codes, self._sums_here = self._row.numpy(), self._sums.numpy()
        self._product = np.empty((songs, outputs), dtype=np.float32)
        self._turned = self._codes.t()

    def __call__(self, x: Floats) -> tuple[Floats, Floats]:
        """The product (B, out), valid until the next call, still to be multiplied by the second result (B, 1)."""
        top = _round(x, self._row_codes)
        torch._int_mm(self._row, self._turned, out=self._sums)
        np.copyto(self._product, self._sums_here, casting="unsafe")
        self._product *= self._step
        return self._product, top


class _Embeddings:
    """The sum of the embeddings of a token and of all that is known beside it, by one look into one table."""

    def __init__(self, network: Composer) -> None:
        known = network.known.weight.detach()
        plain = int(network.offsets[-1])
        bits = (torch.arange(2**HALF)[:, None] >> torch.arange(HALF) & 1).float()
        halves = [bits @ rows for rows in torch.split(known[plain:], HALF)]
        self._table = torch.cat([known[:plain], *halves, network.token.weight.detach()]).numpy()
        starts = [plain + i * 2**HALF for i in range(len(halves) + 1)]
        self._starts = np.array([*network.offsets[:-1].tolist(), *starts])

    def __call__(self, tokens: Whole, known: Whole) -> Floats:
        plain = len(PLAIN_INPUTS)
        rows = np.empty((len(tokens), len(self._starts)), dtype=np.int64)
        rows[:, :plain] = known[:, :plain]
        sets = known[:, plain:]
        np.bitwise_and(sets, 2**HALF - 1, out=rows[:, plain:-1:2])
        np.right_shift(sets, HALF, out=rows[:, plain + 1 : -1 : 2])
        rows[:, -1] = tokens
        rows += self._starts
        summed: Floats = np.add.reduce(self._table.take(rows, axis=0), axis=1)
        return summed


def _round(x: Floats, codes: NDArray[np.int8]) -> Floats:
    """Write rows as whole numbers of 8 bits; the largest of each row (…, 1), which became 127."""
    size = np.abs(x)
    top: Floats = np.maximum.reduce(size, axis=-1, keepdims=True, initial=TINY)
    np.multiply(x, MOST / top, out=size)
    np.rint(size, out=size)
    np.copyto(codes, size, casting="unsafe")
    return top


def _rms(x: Floats) -> Floats:
    """Root mean square of rows, (…, 1)."""
    mean: Floats = np.vecdot(x, x)[..., None]
    mean *= np.float32(1 / x.shape[-1])
    mean += EPSILON
    np.sqrt(mean, out=mean)
    return mean


def _rotary_pairs(heads: int, width: int) -> Tensor:
    """The outputs of `attend` with what is rotated together side by side: in queries and keys, the halves of a head."""
    pairs = torch.arange(width).view(2, -1).t().flatten()
    rotated = torch.arange(2 * heads)[:, None] * width + pairs
    return torch.cat([rotated.flatten(), torch.arange(2 * heads * width, 3 * heads * width)])


assert len(CLASS_INPUTS) * CLASSES % HALF == 0  # noqa: S101

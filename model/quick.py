"""The composer's hidden state after the next token of several songs, fast on one core: in whole numbers of 8 bits.

At this size a token costs memory traffic and overhead, not arithmetic. So the weights, what is multiplied with them,
and the keys and values in memory are rounded to 8 bits, each row (of a head: each token) with a step of its own, and
all else is done in few NumPy operations on buffers that stay. Sums of whole numbers are exact in any order: what a
song hears does not depend on the songs beside it, to the last bit.

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

from model.network import CLASSES, PLAIN_INPUTS, Architecture, Cache, Composer
from model.reader import CLASS_INPUTS

Floats = NDArray[np.float32]
Whole = NDArray[np.int64]
Codes = NDArray[np.int8]
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
    """Songs side by side, on one core; each remembers as much as it has heard."""

    def __init__(self, network: Composer, songs: int) -> None:
        """Without memory, for that many songs."""
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
        self._ear = _Ear(a, np.zeros((a.layers, 2, songs, a.heads, a.window), dtype=np.float32))
        self._memories = [_Memory(a, self._ear, place) for place in range(songs)]
        self._seat(songs)

    @property
    def lengths(self) -> list[int]:
        """Tokens in memory, of each song."""
        return [memory.length for memory in self._memories]

    def _seat(self, songs: int) -> None:
        """Lay out what depends on the number of songs that are heard at once."""
        a = self._architecture
        for matrix in (matrix for layer in self._layers for matrix in layer):
            matrix.seat(songs)
        self._codes = np.empty((songs, 3 * a.heads, a.width // a.heads), dtype=np.int8)

    def keep(self, songs: Sequence[int]) -> None:
        """Forget all other songs."""
        self._memories = [self._memories[song] for song in songs]
        self._ear = _Ear(self._architecture, self._ear.steps[:, :, list(songs)])
        for place, memory in enumerate(self._memories):
            memory.sit(self._ear, place)

    @torch.inference_mode()
    def read(self, songs: Sequence[int], tokens: Whole, known: Whole) -> Floats:
        """Let songs forget everything, and read all tokens: in floating point and each song by itself."""
        return np.concatenate([
            self._read_one(self._memories[song], tokens[i : i + 1], known[i : i + 1]) for i, song in enumerate(songs)
        ])  # fmt: skip

    def _read_one(self, memory: "_Memory", tokens: Whole, known: Whole) -> Floats:
        a, length = self._architecture, tokens.shape[1]
        heard = Cache(replace(a, window=length), 1, torch.device("cpu"))
        hidden: Floats = self._network.hidden(torch.from_numpy(tokens), torch.from_numpy(known), heard)[:, -1].numpy()
        keys, values = heard.memory[:, 0, 0], heard.memory[:, 1, 0]  # (layers, H, T, w)
        memory.learn(keys[..., self._pairs[: a.width // a.heads]], values)
        return hidden

    @torch.inference_mode()
    def step(self, songs: Sequence[int], tokens: Whole, known: Whole) -> Floats:
        """Read one more token of these songs."""
        memories = [self._memories[song] for song in songs]
        for memory in memories:
            memory.make_room()
        self._ear.turn_to(memories)
        if len(memories) != len(self._codes):
            self._seat(len(memories))
        x = self._embeddings(tokens, known)
        turn = self._turns[[memory.length - 1 for memory in memories], None]
        for i, (attend, join, widen, narrow) in enumerate(self._layers):
            qkv, top = attend(x)
            heard = self._attend(i, memories, qkv, top / _rms(x), turn)
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

    def _attend(
        self, layer: int, memories: Sequence["_Memory"], qkv: Floats, value_scale: Floats, turn: NDArray[np.complex64]
    ) -> Floats:
        """What the heads hear (B, width); `qkv` is (B, 3 width) in units of no matter, for values `value_scale`."""
        a = self._architecture
        heads = qkv.reshape(len(qkv), 3 * a.heads, -1)  # queries, keys, values
        qk = heads[:, : 2 * a.heads].view(np.complex64)
        qk *= turn
        top = _round(heads, self._codes)
        top[:, : 2 * a.heads] /= _rms(heads[:, : 2 * a.heads])
        top[:, 2 * a.heads :] *= value_scale[..., None]
        top[:, : a.heads] *= np.float32(heads.shape[-1] ** -0.5 / 127**2)
        steps = top[:, a.heads :, 0].reshape(len(qkv), 2, a.heads)
        for memory, codes, own_steps in zip(memories, self._codes, steps, strict=True):
            memory.add(layer, codes[a.heads : 2 * a.heads], codes[2 * a.heads :], own_steps)
        heard = self._ear.attend(layer, memories, self._codes[:, : a.heads], top[:, : a.heads])
        return heard.reshape(len(qkv), a.width)


class _Ear:
    """Where songs sit side by side and attend: buffers that stay where the processor has them at hand.

    Each head multiplies by itself, since a row times a matrix is read as it lies, where a product of more rows would
    first repack all that a song remembers. All else is done for all songs at once.
    """

    def __init__(self, architecture: Architecture, steps: Floats) -> None:
        """For songs whose keys and values have these steps, (layers, 2, songs, H, window); 0: nothing is remembered."""
        self.steps = steps
        _, _, songs, heads, window = steps.shape
        width = architecture.width // heads
        self.asked = torch.zeros(songs, heads, width, dtype=torch.int8)  # queries
        self.sums = torch.zeros(songs, heads, window, dtype=torch.int32)
        self.shares = torch.zeros(songs, heads, 2, window, dtype=torch.int8)  # in two planes
        self.heard = torch.zeros(songs, heads, 2, width, dtype=torch.int32)
        self._asked, self._sums, self._heard = self.asked.numpy(), self.sums.numpy(), self.heard.numpy()
        self._coarse, self._fine = (self.shares.numpy()[:, :, plane] for plane in (0, 1))
        self._weights = self._rounded = np.empty((0, heads, 0), dtype=np.float32)

    def turn_to(self, memories: Sequence["_Memory"]) -> None:
        """Say who attends next; songs with less to remember than others are silent from there on.

        Memories know the ear, so it keeps none of them: in a circle they would stay until Python looks for such.
        """
        songs, heads = self._asked.shape[:2]
        places = [memory.place for memory in memories]
        self._places = slice(None) if places == list(range(songs)) else places
        self._lengths = [memory.length for memory in memories]
        self._span = max(memory.span for memory in memories)
        if self._weights.shape != (len(memories), heads, self._span):
            self._weights = np.empty((len(memories), heads, self._span), dtype=np.float32)
            self._rounded = np.empty_like(self._weights)

    def attend(self, layer: int, memories: Sequence["_Memory"], queries: Codes, query_steps: Floats) -> Floats:
        """What heads hear (B, H, w) of their songs' memories; queries are (B, H, w), their steps (B, H, 1)."""
        places, span = self._places, self._span
        weights, rounded = self._weights, self._rounded
        key_steps, value_steps = self.steps[layer][:, places, :, :span]
        self._asked[places] = queries
        for memory in memories:
            memory.compare(layer)
        weights[:] = self._sums[places, :, :span]
        weights *= query_steps
        weights *= key_steps
        np.exp(weights, out=weights)  # of normed queries and keys: at most e to the square root of the head's width
        total = _sums(weights, self._lengths)
        weights *= value_steps

        peak = np.maximum.reduce(weights, axis=-1, keepdims=True, initial=TINY)
        weights *= MOST / peak
        np.rint(weights, out=rounded)
        self._coarse[places, :, :span] = rounded
        weights -= rounded
        weights *= FINER
        np.rint(weights, out=weights)
        self._fine[places, :, :span] = weights
        for memory in memories:
            memory.hear(layer)
        planes = self._heard[places].astype(np.float32)  # (B, H, 2, w)
        heard = planes[:, :, 1]
        heard /= FINER
        heard += planes[:, :, 0]
        heard *= peak / (total * np.float32(127**2))
        return heard


class _Memory:
    """What one song has heard: keys and values of each layer in 8 bits."""

    def __init__(self, architecture: Architecture, ear: _Ear, place: int) -> None:
        a = architecture
        self.length = 0  # tokens
        self.span = 0  # tokens, in whole blocks
        self._keys = torch.zeros(a.layers, a.heads, a.window, a.width // a.heads, dtype=torch.int8)
        self._values = self._keys.transpose(2, 3).contiguous()  # (layers, H, w, window)
        self._key_rows, self._value_columns = self._keys.numpy(), self._values.numpy()
        self.sit(ear, place)

    def sit(self, ear: _Ear, place: int) -> None:
        """Take a place among songs."""
        self._ear, self.place = ear, place
        self._steps = ear.steps[:, :, place]  # (layers, 2, H, window)
        self._open()

    def _open(self) -> None:
        """Lay out what depends on the number of tokens: for each layer, factors and place of its products."""
        self.span = span = min(-(-self.length // BLOCK) * BLOCK, self._keys.shape[2])
        ear, place = self._ear, self.place
        asked = ear.asked[place][:, None].unbind()
        sums = ear.sums[place][:, None, :span].unbind()
        shares = ear.shares[place].flatten(0, 1)[:, None, :span].unbind()
        heard = ear.heard[place].flatten(0, 1)[:, None].unbind()
        self._to_compare = [
            list(zip(asked, keys.unbind(), sums, strict=True)) for keys in self._keys[:, :, :span].transpose(2, 3)
        ]
        self._to_hear = [
            list(zip(shares, [own for own in values for _ in range(2)], heard, strict=True))
            for values in self._values[..., :span].transpose(2, 3)
        ]

    def make_room(self) -> None:
        """One more token is to come."""
        self.length += 1
        if self.length > self.span:
            self._open()

    def learn(self, keys: Tensor, values: Tensor) -> None:
        """Remember this and nothing else: keys and values (layers, H, T, w)."""
        self.length = keys.shape[2]
        self._steps[..., self.length :] = 0
        for i, (memory, what) in enumerate(((self._key_rows, keys), (self._value_columns.swapaxes(2, 3), values))):
            top = what.abs().amax(dim=-1).clamp(min=TINY)
            memory[:, :, : self.length] = (what * (127 / top[..., None])).round().to(torch.int8).numpy()
            self._steps[:, i, :, : self.length] = top.numpy()
        self._open()

    def add(self, layer: int, keys: Codes, values: Codes, steps: Floats) -> None:
        """Remember the newest token: (H, w) of each, and the steps (2, H)."""
        now = self.length - 1
        self._key_rows[layer, :, now], self._value_columns[layer, ..., now] = keys, values
        self._steps[layer, ..., now] = steps

    def compare(self, layer: int) -> None:
        """Multiply what is asked with the keys."""
        for asked, keys, sums in self._to_compare[layer]:
            torch._int_mm(asked, keys, out=sums)

    def hear(self, layer: int) -> None:
        """Weigh the values by their shares."""
        for shares, values, heard in self._to_hear[layer]:
            torch._int_mm(shares, values, out=heard)


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


def _round(x: Floats, codes: Codes) -> Floats:
    """Write rows as whole numbers of 8 bits; the largest of each row (…, 1), which became 127."""
    size = np.abs(x)
    top: Floats = np.maximum.reduce(size, axis=-1, keepdims=True, initial=TINY)
    np.multiply(x, MOST / top, out=size)
    np.rint(size, out=size)
    np.copyto(codes, size, casting="unsafe")
    return top


def _sums(weights: Floats, lengths: Sequence[int]) -> Floats:
    """Sums (B, H, 1) of the first weights of each song; at once where as many are summed, for the order matters."""
    if len(set(lengths)) == 1:
        at_once: Floats = np.add.reduce(weights[..., : lengths[0]], axis=-1, keepdims=True)
        return at_once
    return np.array([
        np.add.reduce(own[:, :length], axis=-1, keepdims=True) for own, length in zip(weights, lengths, strict=True)
    ])  # fmt: skip


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

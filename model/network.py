"""The composer: a small decoder-only transformer that is told what sounds around each token.

Rotary positions (Su et al. 2021, arXiv:2104.09864), RMS norms before each block and on queries and keys, squared
ReLU (So et al. 2021, arXiv:2109.08668), tied embeddings.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn import functional

from model import tokens as t
from model.reader import CLASS_INPUTS, INPUTS, PITCH_INPUTS

CLASSES = 12  # pitch classes; bits of each of CLASS_INPUTS, which are the last
PLAIN_INPUTS = [name for name in INPUTS if name not in CLASS_INPUTS]
BITS = len(CLASS_INPUTS) * CLASSES


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """Everything needed to build the network; saved beside its weights."""

    width: int = 256
    layers: int = 4
    heads: int = 4
    window: int = 768  # tokens that it can look back


class Cache:
    """Keys and values of what was read so far, for decoding; of fixed size, filled from the left."""

    def __init__(self, architecture: Architecture, batch: int, device: torch.device) -> None:
        """Empty, for `batch` songs."""
        width = architecture.width // architecture.heads
        shape = (architecture.layers, 2, batch, architecture.heads, architecture.window, width)
        self.memory = torch.zeros(shape, device=device)
        self.length = 0


class Block(nn.Module):
    """Attention, then a two-layer perceptron."""

    def __init__(self, architecture: Architecture) -> None:
        """With random weights."""
        super().__init__()
        width = architecture.width
        self.heads = architecture.heads
        self.attend = nn.Linear(width, 3 * width, bias=False)
        self.join = nn.Linear(width, width, bias=False)
        self.widen = nn.Linear(width, 4 * width, bias=False)
        self.narrow = nn.Linear(4 * width, width, bias=False)
        nn.init.zeros_(self.join.weight)
        nn.init.zeros_(self.narrow.weight)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], memory: Tensor | None, past: int) -> Tensor:
        """One block; x is (B, T, width), `memory` this layer's share of a cache with `past` positions filled."""
        batch, length, width = x.shape
        q, k, v = self.attend(_norm(x)).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)  # (B, H, T, w)
        q, k = _turn(_norm(q), turn), _turn(_norm(k), turn)
        if memory is not None:
            memory[0, :, :, past : past + length] = k
            memory[1, :, :, past : past + length] = v
            k, v = memory[0, :, :, : past + length], memory[1, :, :, : past + length]
        heard = functional.scaled_dot_product_attention(q, k, v, is_causal=memory is None or past == 0)
        x = x + self.join(heard.transpose(1, 2).reshape(batch, length, width))
        hidden: Tensor = x + self.narrow(functional.relu(self.widen(_norm(x))).square())
        return hidden


class Composer(nn.Module):
    """Tokens and what is known beside them, to logits of the next token."""

    offsets: Tensor
    angles: Tensor

    def __init__(self, architecture: Architecture) -> None:
        """With random weights."""
        super().__init__()
        self.architecture = architecture
        width = architecture.width
        sizes = [INPUTS[name] for name in PLAIN_INPUTS]
        self.token = nn.Embedding(len(t.NAMES), width)
        self.known = nn.Embedding(1 + sum(sizes) + BITS, width)  # row 0 is nothing
        self.blocks = nn.ModuleList(Block(architecture) for _ in range(architecture.layers))
        nn.init.normal_(self.token.weight, std=0.05)
        nn.init.normal_(self.known.weight, std=0.02)
        self.register_buffer("offsets", torch.tensor(list(accumulate([1, *sizes]))), persistent=False)
        half = width // architecture.heads // 2
        frequency = 10_000.0 ** (-torch.arange(half) / half)
        angles = torch.arange(architecture.window)[:, None] * frequency  # (window, half)
        self.register_buffer("angles", angles, persistent=False)

    def at_rest(self) -> "Composer":
        """This network, its weights in half precision, as a file has them, until they are used: half the memory."""
        for parameter in self.parameters():
            parameter.data = parameter.data.half()
        return self

    def awake(self) -> "Composer":
        """This network with weights in single precision, to be used: where they rest in half, a copy."""
        if self.token.weight.dtype != torch.half:
            return self
        network = deepcopy(self)
        for parameter in network.parameters():
            parameter.data = parameter.data.float()
        return network

    def forward(self, tokens: Tensor, inputs: Tensor, cache: Cache | None = None) -> Tensor:
        """Logits (B, T, vocabulary) for tokens (B, T) and inputs (B, T, len(INPUTS))."""
        return self.logits(self.hidden(tokens, inputs, cache))

    def hidden(self, tokens: Tensor, inputs: Tensor, cache: Cache | None = None) -> Tensor:
        """The last hidden state (B, T, width), which lies in the space of the token embeddings.

        With a cache, the tokens continue what it holds, one at a time after the first call, and are added to it.
        """
        past = cache.length if cache else 0
        x = self.token(tokens) + self._embed(inputs)
        angles = self.angles[past : past + tokens.shape[1]]
        turn = (angles.cos().to(x.dtype), angles.sin().to(x.dtype))
        for i, block in enumerate(self.blocks):
            x = block(x, turn, cache.memory[i] if cache else None, past)
        if cache:
            cache.length += tokens.shape[1]
        return _norm(x)

    def forget(self, cache: Cache, first: int, latest: int) -> None:
        """Drop what a cache holds between its first and its latest tokens; these move down, as if they stood there.

        Their keys are turned back to their new positions, which is all that a position is in memory.
        """
        dropped = cache.length - first - latest
        moved = cache.memory[..., first + dropped : cache.length, :].clone()  # (layers, 2, B, H, latest, w)
        angles = -self.angles[dropped]
        moved[:, 0] = _turn(moved[:, 0], (angles.cos(), angles.sin()))
        cache.memory[..., first : first + latest, :] = moved
        cache.length = first + latest

    def logits(self, hidden: Tensor) -> Tensor:
        """Nearness of hidden states (…, width) to every token's embedding."""
        return functional.linear(hidden, self.token.weight)

    def _embed(self, inputs: Tensor) -> Tensor:
        plain = len(PLAIN_INPUTS)
        classes = torch.arange(CLASSES, device=inputs.device)
        bits = ((inputs[..., plain:, None] >> classes) & 1).flatten(-2)  # (B, T, BITS)
        rows = inputs[..., :plain] + self.offsets[:-1]
        bag = torch.cat([rows, bits * (self.offsets[-1] + torch.arange(BITS, device=inputs.device))], dim=-1)
        summed = functional.embedding_bag(bag.flatten(0, 1), self.known.weight, mode="sum", padding_idx=0)
        return summed.view(*inputs.shape[:2], -1)


def input_rows(inputs: Mapping[str, int]) -> dict[str, range]:
    """The rows of the table `known` that belong to each input; row 0 is nothing."""
    sizes = {name: CLASSES if name in CLASS_INPUTS else size for name, size in inputs.items()}
    ends = list(accumulate(sizes.values(), initial=1))
    return {name: range(begin, end) for name, begin, end in zip(sizes, ends, ends[1:], strict=False)}


def transpose(tokens: Tensor, inputs: Tensor, semitones: Tensor) -> tuple[Tensor, Tensor]:
    """Move songs (B, T) and their inputs (B, T, len(INPUTS)) by `semitones` (B,); drums stay."""
    step = semitones[:, None]
    pitched = (tokens >= t.PITCH.start) & (tokens < t.PITCH.stop)
    tokens = torch.where(pitched, (tokens + step).clamp(t.PITCH.start, t.PITCH.stop - 1), tokens)
    inputs = inputs.clone()
    for name in PITCH_INPUTS:
        column = inputs[..., list(INPUTS).index(name)]
        sounds = (column > 0) & (column <= 128)
        column[sounds] = (column + step).clamp(1, 128)[sounds]
    classes, turn = inputs[..., len(PLAIN_INPUTS) :], (step % CLASSES)[..., None]
    inputs[..., len(PLAIN_INPUTS) :] = ((classes << turn) | (classes >> (CLASSES - turn))) & (2**CLASSES - 1)
    return tokens, inputs


def _norm(x: Tensor) -> Tensor:
    return functional.rms_norm(x, (x.shape[-1],))


def _turn(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate the halves of each head's width by its position; x is (B, H, T, w)."""
    cos, sin = turn
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)

"""A composer small enough to be made anew in each test: random weights, and no genre's habits."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from model.network import Architecture, Composer
from model.reader import Reader


def small_composer(seed: int = 1, window: int = 256) -> Composer:
    """Two layers that matter: a fresh network's own blocks add nothing yet."""
    torch.manual_seed(seed)
    network = Composer(Architecture(width=32, layers=2, heads=2, window=window))
    for block in network.blocks:
        nn.init.normal_(block.join.weight, std=0.2)
        nn.init.normal_(block.narrow.weight, std=0.2)
    return network.eval()


def as_tensors(stream: Sequence[int], bars: int) -> tuple[Tensor, Tensor]:
    """A stream as the network reads it: tokens (1, T) and inputs (1, T, len(INPUTS))."""
    return torch.tensor([list(stream)]), torch.tensor([inputs_of(stream, bars)])


def inputs_of(stream: Sequence[int], bars: int) -> list[list[int]]:
    """What is known after each token of a stream."""
    reader = Reader(bars)
    known = []
    for token in stream:
        reader.push(token)
        known.append(reader.inputs())
    return known


def random_stream(rng: np.random.Generator, bars: int) -> list[int]:
    """A stream of tokens drawn evenly from those that the grammar allows."""
    reader = Reader(bars)
    stream = []
    while not reader.ended:
        stream.append(int(rng.choice(np.flatnonzero(reader.allowed()))))
        reader.push(stream[-1])
    return stream

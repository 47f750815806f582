"""Choosing the next token: from the output probabilities, or from the embedding space.

Probability: first the kind of token (a repeat, a position, a pitch, …), then one of that kind, cooled by that kind's
temperature and cut to its nucleus (Holtzman et al. 2020, arXiv:1904.09751). The choice of the kind is never cut: it
decides who rests, repeats or enters.

Embedding: the hidden state is a point in the space of token embeddings. Gaussian noise moves it, partly drawn anew
for each token and partly held for a bar, and the nearest embedding is taken. Tokens that mean nearly the same share
most of their noise, unlike the independent noise of the Gumbel trick (Papandreou and Yuille 2011, perturb-and-MAP).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from model import tokens as t
from model.genre import Freedom
from model.network import Cache, Composer
from model.reader import INPUTS, Reader

Method = Literal["probability", "embedding"]
Floats = NDArray[np.float32]
HELD_SHARE = 0.25  # of the noise's variance, held for a bar
GUMBEL_DEVIATION = 1.28  # of the noise that would make the nearest embedding an exact draw: pi / sqrt(6)
KINDS: tuple[tuple[str, range], ...] = (
    ("structure", range(t.START, t.REST + 1)), ("structure", range(t.GENRE.start, t.BAR.stop)),
    ("structure", t.REPEAT), ("structure", range(t.DOUBLE.start, t.ROOT.stop)), ("rhythm", t.AT),
    ("rhythm", t.DURATION), ("pitch", t.SHAPE), ("pitch", t.PITCH), ("rhythm", t.HIT), ("rhythm", t.ACCENT),
)  # fmt: skip
STARTS = np.array([tokens.start for _, tokens in KINDS])
Guard = Callable[[Reader, NDArray[np.bool_]], None]  # takes tokens away from what is allowed


def freedom_at(table: Sequence[Freedom], randomness: float) -> Freedom:
    """The row of a genre's table at a value of randomness, interpolated."""
    steps = [row.randomness for row in table]
    names = [field.name for field in fields(Freedom)]
    return Freedom(**{name: float(np.interp(randomness, steps, [getattr(row, name) for row in table]))
                      for name in names})  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Singer:
    """One song in the making."""

    reader: Reader
    rng: np.random.Generator
    held: Floats  # noise of this bar, (width,)
    bar: int = -1


Choose = Callable[[Singer, torch.Tensor, NDArray[np.bool_]], int]  # a token, from the hidden state (width,)


def choose_from_probabilities(logits: Floats, freedom: Freedom, rng: np.random.Generator) -> int:
    """A token, by kind and then within the kind; forbidden tokens have a logit of minus infinity."""
    weights = np.exp(logits - logits.max())
    kinds = np.add.reduceat(weights, STARTS) ** (1 / freedom.structure)
    name, tokens = KINDS[_draw(kinds, rng)]
    own = weights[tokens.start : tokens.stop]
    own = (own / own.max()) ** (1 / float(getattr(freedom, name)))  # an unlikely kind must not be rounded to nothing
    if name != "structure":
        own = nucleus(own, freedom.top_p)
    return tokens.start + _draw(own, rng)


def nucleus(weights: Floats, top_p: float) -> Floats:
    """The weights without the least likely that together have less than 1 - top_p of the sum."""
    order = np.argsort(-weights)
    before = np.cumsum(weights[order]) - weights[order]
    kept = weights.copy()
    kept[order[before >= top_p * weights.sum()]] = 0
    return kept


def compose_streams(
    network: Composer,
    header: Sequence[int],
    *,
    bars: int,
    freedom: Freedom,
    method: Method,
    rngs: Sequence[np.random.Generator],
    guard: Guard,
    on_bar: Callable[[int], None] = lambda _bar: None,
) -> list[Reader]:
    """Compose as many songs at once as there are generators, each of `bars` bars.

    Args:
        network: The composer.
        header: What every stream begins with, up to the line-up.
        bars: Length of each song.
        freedom: Temperatures, nucleus, noise.
        method: From the probabilities or from the embedding space.
        rngs: A generator for each song; a song depends on no other's.
        guard: Forbids tokens beyond the grammar.
        on_bar: Told the number of complete bars of the first song.

    Returns:
        The readers, each at its END.
    """
    width = network.architecture.width
    singers = [
        Singer(reader=Reader(bars), rng=rng, held=np.zeros(width, dtype=np.float32)) for rng in rngs
    ]
    known = np.zeros((len(singers), len(header), len(INPUTS)), dtype=np.int64)
    for i, singer in enumerate(singers):
        for j, token in enumerate(header):
            singer.reader.push(token)
            known[i, j] = singer.reader.inputs()
    hall = _Hall(network, known)
    choose = _by_probability(network, freedom) if method == "probability" else _by_noise(network, freedom.noise)
    with torch.inference_mode():
        hidden = hall.hear(np.tile(np.array(header), (len(singers), 1)), known)
        while not all(singer.reader.ended for singer in singers):
            chosen = [_sing(singer, hidden[i], choose, guard) for i, singer in enumerate(singers)]
            known = np.array([[singer.reader.inputs()] for singer in singers])
            hidden = hall.hear(np.array(chosen)[:, None], known)
            on_bar(singers[0].reader.bar)
    return [singer.reader for singer in singers]


def _sing(singer: Singer, hidden: torch.Tensor, choose: Choose, guard: Guard) -> int:
    """Choose and push one song's next token."""
    reader = singer.reader
    if reader.ended:
        return t.END
    mask = reader.allowed()
    guard(reader, mask)
    possible = np.flatnonzero(mask)
    token = int(possible[0]) if len(possible) == 1 else choose(singer, hidden, mask)
    reader.push(token)
    return token


def _by_probability(network: Composer, freedom: Freedom) -> Choose:
    def choose(singer: Singer, hidden: torch.Tensor, mask: NDArray[np.bool_]) -> int:
        logits = np.where(mask, network.logits(hidden).numpy(), -np.inf)
        return choose_from_probabilities(logits, freedom, singer.rng)

    return choose


def _by_noise(network: Composer, scale: float) -> Choose:
    """Nearest embedding to a moved hidden state; at scale 1 a logit moves about as much as by the Gumbel trick."""
    width = network.architecture.width
    deviation = scale * GUMBEL_DEVIATION / float(network.token.weight.detach().norm(dim=1).mean())

    def choose(singer: Singer, hidden: torch.Tensor, mask: NDArray[np.bool_]) -> int:
        if singer.bar != singer.reader.bar:
            singer.bar = singer.reader.bar
            singer.held = singer.rng.standard_normal(width, dtype=np.float32)
        fresh = singer.rng.standard_normal(width, dtype=np.float32)
        noise = np.sqrt(HELD_SHARE) * singer.held + np.sqrt(1 - HELD_SHARE) * fresh
        moved = hidden + torch.from_numpy(noise * deviation).to(hidden.dtype)
        return int(np.where(mask, network.logits(moved).numpy(), -np.inf).argmax())

    return choose


class _Hall:
    """The network with its cache; when that is full, the header and the latest half of the window stay."""

    def __init__(self, network: Composer, header: NDArray[np.int64]) -> None:
        self.network = network
        self.header = header.shape[1]
        self.tokens = np.zeros((header.shape[0], 0), dtype=np.int64)
        self.known = np.zeros((header.shape[0], 0, len(INPUTS)), dtype=np.int64)
        self.cache = self._empty()

    def hear(self, tokens: NDArray[np.int64], known: NDArray[np.int64]) -> torch.Tensor:
        """Hidden states (B, width) after the last of the tokens (B, T)."""
        self.tokens = np.concatenate([self.tokens, tokens], axis=1)
        self.known = np.concatenate([self.known, known], axis=1)
        window = self.network.architecture.window
        if self.cache.length + tokens.shape[1] > window:
            kept = np.r_[0 : self.header, self.tokens.shape[1] - window // 2 : self.tokens.shape[1]]
            self.tokens, self.known = self.tokens[:, kept], self.known[:, kept]
            tokens, known = self.tokens, self.known
            self.cache = self._empty()
        hidden = self.network.hidden(torch.from_numpy(tokens), torch.from_numpy(known), self.cache)
        return hidden[:, -1]

    def _empty(self) -> Cache:
        return Cache(self.network.architecture, len(self.tokens), torch.device("cpu"))


def _draw(weights: NDArray[np.floating[Any]], rng: np.random.Generator) -> int:
    total = np.cumsum(weights, dtype=np.float64)
    return int(np.searchsorted(total, rng.random() * total[-1], side="right"))

"""Choosing the next token: from the output probabilities, or from the embedding space.

Probability: first the kind of token (a repeat, a position, a pitch, …), then one of that kind, cooled by that kind's
temperature and cut to its nucleus (Holtzman et al. 2020, arXiv:1904.09751). The choice of the kind is never cut: it
decides who rests, repeats or enters.

Embedding: the hidden state is a point in the space of token embeddings. Gaussian noise, drawn for each bar and held
through it, moves all hidden states of the bar, as a mood would; then a token is drawn as above, but cooler by as much
as the noise adds to chance. So what is alike in meaning becomes likelier together, for a bar, where the draws of the
first way know nothing of each other. A draw is perturbation by Gumbel noise (Papandreou and Yuille 2011,
perturb-and-MAP); here a share of its variance is moved into a space where tokens have neighbours.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from model import tokens as t
from model.decoder import Decoder, decoder_of
from model.genre import Freedom
from model.network import Composer
from model.reader import INPUTS, Reader

Method = Literal["probability", "embedding"]
Floats = NDArray[np.float32]
Masks = NDArray[np.bool_]
GUMBEL_DEVIATION = 1.28  # of the noise in a logit that makes the largest an exact draw: pi / sqrt(6)
KINDS: tuple[tuple[str, range], ...] = (
    ("structure", range(t.START, t.REST + 1)), ("structure", range(t.GENRE.start, t.BAR.stop)),
    ("structure", t.REPEAT), ("structure", range(t.DOUBLE.start, t.ROOT.stop)), ("rhythm", t.AT),
    ("rhythm", t.DURATION), ("pitch", t.SHAPE), ("pitch", t.PITCH), ("rhythm", t.HIT), ("rhythm", t.ACCENT),
)  # fmt: skip
STARTS = np.array([tokens.start for _, tokens in KINDS])
Guard = Callable[[Reader, Masks], None]  # takes tokens away from what is allowed


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
    rng: np.random.Generator  # of the draws
    moods: np.random.Generator
    mood: Floats  # noise of this bar, (width,)
    bar: int = -1


Choose = Callable[[Sequence[Singer], Floats, Masks], list[int]]  # a token each, from hidden states (B, width)


def choose_from_probabilities(logits: Floats, freedom: Freedom, rngs: Sequence[np.random.Generator]) -> list[int]:
    """A token for each row, by kind and then within the kind; forbidden tokens have a logit of minus infinity."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    kinds = np.cumsum(np.add.reduceat(weights, STARTS, axis=1) ** (1 / freedom.structure), axis=1, dtype=np.float64)
    return [_choose_one(weights[i], kinds[i], freedom, rng) for i, rng in enumerate(rngs)]


def _choose_one(weights: Floats, kinds: NDArray[np.float64], freedom: Freedom, rng: np.random.Generator) -> int:
    name, tokens = KINDS[_draw(kinds, rng)]
    own = weights[tokens.start : tokens.stop]
    own = (own / own.max()) ** (1 / float(getattr(freedom, name)))  # an unlikely kind must not be rounded to nothing
    if name != "structure":
        own = nucleus(own, freedom.top_p)
    return tokens.start + _draw(np.cumsum(own, dtype=np.float64), rng)


def nucleus(weights: Floats, top_p: float) -> Floats:
    """The weights without the least likely that together have less than 1 - top_p of the sum."""
    falling = np.sort(weights)[::-1]
    total = np.cumsum(falling)
    kept = int(np.searchsorted(total - falling, top_p * total[-1], side="left"))
    return np.where(weights >= falling[max(kept, 1) - 1], weights, np.float32(0))


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
        network: The composer, on any device.
        header: What every stream begins with, up to the line-up.
        bars: Length of each song.
        freedom: Temperatures, nucleus, noise.
        method: From the probabilities or from the embedding space.
        rngs: A generator for each song; a song depends on no other's, on a CPU to the last bit.
        guard: Forbids tokens beyond the grammar.
        on_bar: Told the number of complete bars of the first song.

    Returns:
        The readers, each at its END.
    """
    calm = np.zeros(network.architecture.width, dtype=np.float32)
    singers = [Singer(reader=Reader(bars), rng=rng, moods=rng.spawn(1)[0], mood=calm) for rng in rngs]
    known = np.array([_read_header(singer.reader, header) for singer in singers])
    hall = _Hall(decoder_of(network, len(singers)), network.architecture.window, len(header))
    choose = _by_probability(network, freedom) if method == "probability" else _by_mood(network, freedom)
    hidden = hall.open(np.tile(np.array(header), (len(singers), 1)), known)
    singing = list(singers)
    while singing:
        chosen = _sing(singing, hidden, choose, guard)
        on_bar(singers[0].reader.bar)
        if any(singer.reader.ended for singer in singing):
            stay = [i for i, singer in enumerate(singing) if not singer.reader.ended]
            singing, chosen = [singing[i] for i in stay], [chosen[i] for i in stay]
            hall.keep(stay)
        if singing:
            hidden = hall.hear(np.array(chosen), np.array([singer.reader.inputs() for singer in singing]))
    return [singer.reader for singer in singers]


def _read_header(reader: Reader, header: Sequence[int]) -> list[list[int]]:
    """Let a reader take the header; what was known after each of its tokens."""
    known = []
    for token in header:
        reader.push(token)
        known.append(reader.inputs())
    return known


def _sing(singing: Sequence[Singer], hidden: Floats, choose: Choose, guard: Guard) -> list[int]:
    """Choose and push each song's next token; where only one may come, no chance is used."""
    masks = np.array([singer.reader.allowed() for singer in singing])
    for singer, mask in zip(singing, masks, strict=True):
        guard(singer.reader, mask)
    chosen: list[int] = masks.argmax(axis=1).tolist()
    free = [i for i, possible in enumerate(masks.sum(axis=1).tolist()) if possible > 1]
    if free:
        picked = choose([singing[i] for i in free], hidden[free], masks[free])
        for i, token in zip(free, picked, strict=True):
            chosen[i] = token
    for singer, token in zip(singing, chosen, strict=True):
        singer.reader.push(token)
    return chosen


def _by_probability(network: Composer, freedom: Freedom) -> Choose:
    nearness = _nearness(network)

    def choose(singing: Sequence[Singer], hidden: Floats, masks: Masks) -> list[int]:
        return choose_from_probabilities(nearness(hidden, masks), freedom, [singer.rng for singer in singing])

    return choose


def _by_mood(network: Composer, freedom: Freedom) -> Choose:
    """By probability, from hidden states that are moved by their bar's noise; at noise 1 all chance would be in it."""
    nearness = _nearness(network)
    deviation = freedom.noise * GUMBEL_DEVIATION / float(network.token.weight.detach().norm(dim=1).mean())
    cooler = (1 - freedom.noise**2) ** 0.5
    rest = replace(freedom, rhythm=freedom.rhythm * cooler, pitch=freedom.pitch * cooler)

    def choose(singing: Sequence[Singer], hidden: Floats, masks: Masks) -> list[int]:
        moods: Floats = np.array([_mood(singer) for singer in singing]) * np.float32(deviation)
        return choose_from_probabilities(nearness(hidden + moods, masks), rest, [singer.rng for singer in singing])

    return choose


def _mood(singer: Singer) -> Floats:
    """Noise of deviation 1, the same through a bar."""
    if singer.bar != singer.reader.bar:
        singer.bar = singer.reader.bar
        singer.mood = singer.moods.standard_normal(len(singer.mood), dtype=np.float32)
    return singer.mood


def _nearness(network: Composer) -> Callable[[Floats, Masks], Floats]:
    """Logits (B, vocabulary) of hidden states (B, width): each song's by itself, so that none depends on another."""
    embeddings = network.token.weight.detach().float().cpu().numpy()

    def nearness(hidden: Floats, masks: Masks) -> Floats:
        logits: Floats = np.matmul(embeddings, hidden[..., None])[..., 0]
        logits[~masks] = -np.inf
        return logits

    return nearness


class _Hall:
    """A decoder and what it was told; when its window is full, the header and the latest half of the window stay."""

    def __init__(self, decoder: Decoder, window: int, header: int) -> None:
        self._decoder = decoder
        self._window = window
        self._header = header

    def open(self, tokens: NDArray[np.int64], known: NDArray[np.int64]) -> Floats:
        """Hidden states (B, width) after the header (B, T)."""
        songs = len(tokens)
        self._tokens = np.zeros((songs, self._window + 1), dtype=np.int64)
        self._known = np.zeros((songs, self._window + 1, len(INPUTS)), dtype=np.int64)
        self._tokens[:, : self._header], self._known[:, : self._header] = tokens, known
        return self._decoder.read(tokens, known)

    def hear(self, tokens: NDArray[np.int64], known: NDArray[np.int64]) -> Floats:
        """Hidden states (B, width) after one more token (B,)."""
        length = self._decoder.length
        self._tokens[:, length], self._known[:, length] = tokens, known
        if length < self._window:
            return self._decoder.step(tokens, known)
        kept = np.r_[0 : self._header, length + 1 - self._window // 2 : length + 1]
        again, known_again = self._tokens[:, kept], self._known[:, kept]
        self._tokens[:, : len(kept)], self._known[:, : len(kept)] = again, known_again
        return self._decoder.read(again, known_again)

    def keep(self, songs: list[int]) -> None:
        """Let the other songs go."""
        self._tokens, self._known = self._tokens[songs], self._known[songs]
        self._decoder.keep(songs)


def _draw(total: NDArray[np.floating[Any]], rng: np.random.Generator) -> int:
    """An index, as often as running totals rise there."""
    return int(total.searchsorted(rng.random() * total[-1], side="right"))

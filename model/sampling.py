"""Choosing the next token: from the output probabilities, or from the embedding space.

Probability: a token is drawn by its kind and then within the kind, see `model.choice`.

Embedding: the hidden state is a point in the space of token embeddings. Gaussian noise, drawn for each bar and held
through it, moves all hidden states of the bar, as a mood would; then a token is drawn as above, but cooler by as much
as the noise adds to chance. So what is alike in meaning becomes likelier together, for a bar, where the draws of the
first way know nothing of each other. A draw is perturbation by Gumbel noise (Papandreou and Yuille 2011,
perturb-and-MAP); here a share of its variance is moved into a space where tokens have neighbours.

Either way the pitch that a part struck last has the odds that the genre leaves it: `Freedom.same_pitch`.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from model import tokens as t
from model.choice import choose, odds_of
from model.decoder import decoder_of
from model.genre import Freedom
from model.network import Composer
from model.reader import Reader

Method = Literal["probability", "embedding"]
Floats = NDArray[np.float32]
Masks = NDArray[np.bool_]
AT_ONCE = 16  # songs; more are hardly faster, see benchmarks/composing.md
LATEST = 0.75  # of a full window; with it, real songs are foretold as if all were read anew: docs/composing-fast.md
GUMBEL_DEVIATION = 1.28  # of the noise in a logit that makes the largest an exact draw: pi / sqrt(6)
Guard = Callable[[Reader, Masks], None]  # takes tokens away from what is allowed
Lead = Callable[[Reader, Floats], None]  # moves the logits (vocabulary,) of the next token


def freedom_at(table: Sequence[Freedom], randomness: float) -> Freedom:
    """The row of a genre's table at a value of randomness, interpolated."""
    steps = [row.randomness for row in table]
    names = [field.name for field in fields(Freedom)]
    return Freedom(**{name: float(np.interp(randomness, steps, [getattr(row, name) for row in table]))
                      for name in names})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A song to be composed."""

    header: Sequence[int]  # what its stream begins with, up to the line-up
    bars: int
    freedom: Freedom
    guard: Guard  # forbids tokens beyond the grammar
    rng: np.random.Generator  # all its chance
    leads: Sequence[Lead] = ()  # one after the other


@dataclass(slots=True, kw_only=True)
class Singer:
    """A song in the making."""

    piece: Piece
    reader: Reader
    odds: Floats  # as `odds_of` says
    same_pitch: float  # added to the logit of the pitch that a part struck last
    moods: np.random.Generator
    deviation: np.float32  # of a mood
    mood: Floats  # noise of this bar, (width,)
    bar: int = -1  # of the mood
    unheard: bool = True  # by the decoder
    tokens: list[int] = field(default_factory=list)
    known: list[list[int]] = field(default_factory=list)  # what is known of the token after each

    def sing(self, token: int) -> None:
        """Take the next token."""
        self.reader.push(token)
        self.tokens.append(token)
        self.known.append(self.reader.inputs())


def compose_streams(
    network: Composer, pieces: Sequence[Piece], *, method: Method, on_bar: Callable[[int], None] = lambda _bar: None
) -> list[Reader]:
    """Compose songs, AT_ONCE side by side; where one has ended the next begins. On a GPU all begin at once.

    Args:
        network: The composer, on any device.
        pieces: What to compose, with headers of one length; a song depends on no other, on a CPU to the last bit.
        method: From the probabilities or from the embedding space.
        on_bar: Told the number of complete bars of the first song.

    Returns:
        The readers, each at its END.
    """
    singers = [_singer(piece, network, method) for piece in pieces]
    hall = _Hall(network, singers)
    nearness = _nearness(network)
    while hall.stage:
        hidden = hall.hear()
        _sing(hall.stage, hidden, nearness)
        on_bar(singers[0].reader.bar)
        hall.change()
    return [singer.reader for singer in singers]


def _singer(piece: Piece, network: Composer, method: Method) -> Singer:
    """With its header sung; from the embedding space, the draw is cooler by as much as the moods add to chance."""
    noise = piece.freedom.noise if method == "embedding" else 0.0
    length = float(network.token.weight.detach().norm(dim=1).mean())
    singer = Singer(
        piece=piece, reader=Reader(piece.bars), odds=odds_of(piece.freedom, cooler=(1 - noise**2) ** 0.5),
        same_pitch=math.log(piece.freedom.same_pitch), moods=piece.rng.spawn(1)[0],
        deviation=np.float32(noise * GUMBEL_DEVIATION / length),
        mood=np.zeros(network.architecture.width, dtype=np.float32),
    )  # fmt: skip
    for token in piece.header:
        singer.sing(token)
    return singer


def _sing(stage: Sequence[Singer], hidden: Floats, nearness: Callable[[Floats], Floats]) -> None:
    """Choose each song's next token; where only one may come, no chance is used."""
    masks = np.array([singer.reader.allowed() for singer in stage])
    for singer, mask in zip(stage, masks, strict=True):
        singer.piece.guard(singer.reader, mask)
    chosen = masks.argmax(axis=1)
    free = np.flatnonzero(np.add.reduce(masks, axis=1) > 1)
    if len(free):
        singing = [stage[i] for i in free.tolist()]
        logits = nearness(_moved(singing, hidden[free]))
        for singer, row in zip(singing, logits, strict=True):
            for lead in singer.piece.leads:
                lead(singer.reader, row)
            if (last := singer.reader.last_pitch) is not None:
                row[t.PITCH[last]] += singer.same_pitch
        odds = np.array([singer.odds for singer in singing])
        draws = np.array([singer.piece.rng.random(2) for singer in singing])
        chosen[free] = choose(logits, masks[free], odds, draws)
    for singer, token in zip(stage, chosen.tolist(), strict=True):
        singer.sing(token)


def _moved(singing: Sequence[Singer], hidden: Floats) -> Floats:
    """Hidden states (B, width), each moved by the noise of its song's bar."""
    if not any(singer.deviation for singer in singing):
        return hidden
    for singer in singing:
        if singer.bar != singer.reader.bar:
            singer.bar = singer.reader.bar
            singer.mood = singer.moods.standard_normal(len(singer.mood), dtype=np.float32) * singer.deviation
    moved: Floats = hidden + np.array([singer.mood for singer in singing])
    return moved


def _nearness(network: Composer) -> Callable[[Floats], Floats]:
    """Logits (B, vocabulary) of hidden states (B, width): each song's by itself, so that none depends on another."""
    embeddings = network.token.weight.detach().float().cpu().numpy()

    def nearness(hidden: Floats) -> Floats:
        logits: Floats = np.matmul(embeddings, hidden[..., None])[..., 0]
        return logits

    return nearness


class _Hall:
    """Who sings, before a decoder; when its window is full, the header and the latest LATEST of the window stay."""

    def __init__(self, network: Composer, singers: Sequence[Singer]) -> None:
        self._window = network.architecture.window
        on_cpu = network.token.weight.device.type == "cpu"
        places = min(AT_ONCE, len(singers)) if on_cpu else len(singers)
        self._decoder = decoder_of(network, places)
        self.stage, self._waiting = list(singers[:places]), deque(singers[places:])

    def hear(self) -> Floats:
        """Hidden states (B, width) after the newest token of each song."""
        hidden = np.empty((len(self.stage), len(self.stage[0].mood)), dtype=np.float32)
        begin = [place for place, singer in enumerate(self.stage) if singer.unheard]
        going_on = [place for place, singer in enumerate(self.stage) if not singer.unheard]
        if begin:
            singers = [self.stage[place] for place in begin]
            tokens, known = [singer.tokens for singer in singers], [singer.known for singer in singers]
            hidden[begin] = self._decoder.read(begin, np.array(tokens), np.array(known))
            for singer in singers:
                singer.unheard = False
        if going_on:
            self._make_room(going_on)
            newest = [self.stage[place].tokens[-1] for place in going_on]
            beside = [self.stage[place].known[-1] for place in going_on]
            hidden[going_on] = self._decoder.step(going_on, np.array(newest), np.array(beside))
        return hidden

    def _make_room(self, places: Sequence[int]) -> None:
        """Where the window is full, let all but the header and the latest be forgotten."""
        lengths = self._decoder.lengths
        full = [place for place in places if lengths[place] == self._window]
        if full:
            self._decoder.forget(full, len(self.stage[0].piece.header), int(self._window * LATEST))

    def change(self) -> None:
        """Where a song has ended the next begins."""
        for place, singer in enumerate(self.stage):
            if singer.reader.ended and self._waiting:
                self.stage[place] = self._waiting.popleft()
        stay = [place for place, singer in enumerate(self.stage) if not singer.reader.ended]
        if len(stay) < len(self.stage):
            self.stage = [self.stage[place] for place in stay]
            self._decoder.keep(stay)

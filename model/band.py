"""The band: from a request to a score."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from model import tokens as t
from model.dynamics import play_dynamics
from model.genre import BadGenre, Genre
from model.network import Composer
from model.originality import Index
from model.reader import DRUMS, Reader
from model.request import ComposeRequest
from model.sampling import compose_streams, freedom_at
from model.score import ROLES, TICKS_PER_BEAT, TIME_SIGNATURES, Role, Score, ticks_per_bar
from model.weights import load_weights, weights_path

PHRASE = 4  # bars; a song is a whole number of phrases where its length leaves the choice
MOST_TAKES = 4
LONGEST_COPY = 24  # notes shared with one training song; 19 of 20 heavy metal songs share no more with another
LONGEST_DRUM_REST = 2  # bars
LATEST_ENTRY = 12  # bars after which a part that has not played yet must
MOST_ALIKE = 8  # bars of a part in a row


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """The players of a genre and what they have learned; warm, and used for one request after another."""

    genre: Genre
    network: Composer
    known_songs: Index | None  # what must not be copied; None when the index is not there

    @classmethod
    def load(cls, genre: Genre) -> Self:
        """Get a genre's band ready.

        Raises:
            BadGenre: The composer knows no songs of that name.
            BadWeights: Its weights are missing, damaged or of another vocabulary.
        """
        if genre.archives[0] not in t.CORPORA:
            known = ", ".join(t.CORPORA)
            raise BadGenre(f"genres/{genre.name}.toml: archives has {genre.archives[0]!r}; it can be {known}")
        path = weights_path(genre.weights)
        index = path.with_suffix(".originality.safetensors")
        return cls(
            genre=genre, network=load_weights(path), known_songs=Index.load(index) if index.is_file() else None
        )

    def compose(self, request: ComposeRequest, on_bar: Callable[[int], None] = lambda _bar: None) -> Score:
        """The score of a request; the same for the same request on the same machine.

        A take in which somebody never plays, or that copies a long passage, is dropped for the next one; of takes that
        all have a flaw, the least is played.
        """
        bars = bars_of(request, self.genre)
        header = t.header(self.genre.archives[0], request.tempo_bpm, self.roles)
        freedom = freedom_at(self.genre.sampling.freedom, request.randomness)
        takes: list[Score] = []
        while len(takes) < MOST_TAKES and not any(self._flaws(take) == (0, 0) for take in takes):
            rng = np.random.default_rng([request.seed, len(takes)])
            (reader,) = compose_streams(
                self.network, header, bars=bars, freedom=freedom, method=self.genre.sampling.method, rngs=[rng],
                guard=self.guard, on_bar=on_bar,
            )  # fmt: skip
            takes.append(play_dynamics(reader.score(request.tempo_bpm), rng))
        return min(takes, key=self._flaws)

    @property
    def roles(self) -> list[Role]:
        """Who plays, in the order of ROLES."""
        return [role for role in ROLES if any(player.role == role for player in self.genre.players)]

    def _flaws(self, score: Score) -> tuple[int, int]:
        """Parts that never play, and notes of the longest copied passage beyond what is fair; (0, 0) is a good take."""
        silent = sum(not part.notes for part in score.parts)
        copied = self.known_songs.longest_run(score) if self.known_songs else 0
        return silent, max(0, copied - LONGEST_COPY)

    def guard(self, reader: Reader, mask: NDArray[np.bool_]) -> None:
        """Keep to the genre's metre, and from what a young network falls into: long rests and endless loops."""
        if reader.turn == len(reader.roles) or not reader.signatures:
            keep_meter(mask, self.genre)
            return
        if reader.fresh:
            keep_playing(reader, mask)
        if reader.bar == reader.bars_wanted - 1 > 0:
            come_to_an_end(reader, mask)


def keep_to_one_core() -> None:
    """Let a process compose on one core; one song's matrices are too small to share.

    Measured on two busy cores, 32 bars: 4.3 CPU seconds with one thread, 41 with two that wait for each other.
    """
    torch.set_num_threads(1)


def keep_meter(mask: NDArray[np.bool_], genre: Genre) -> None:
    """Between bars, leave only the genre's time signature and the end."""
    possible = mask.copy()
    mask[:] = False
    for token in (t.BAR[TIME_SIGNATURES.index(genre.time_signature)], t.END):
        mask[token] = possible[token]


def keep_playing(reader: Reader, mask: NDArray[np.bool_]) -> None:
    """Forbid a rest that is too long, and one more bar of what was played too often in a row."""
    bars = reader.played[reader.role]
    if reader.role == DRUMS and len(bars) >= LONGEST_DRUM_REST and not any(bars[-LONGEST_DRUM_REST:]):
        mask[t.REST] = False
    if len(bars) >= min(LATEST_ENTRY, reader.bars_wanted - 1) and not any(bars):
        mask[t.REST] = False
    latest = bars[-MOST_ALIKE:]
    if len(latest) == MOST_ALIKE and latest[0] and all(bar == latest[0] for bar in latest):
        for back in range(1, min(len(bars), t.MOST_BACK) + 1):
            if bars[-back] == latest[0]:
                mask[t.REPEAT.start + back - 1] = False


def come_to_an_end(reader: Reader, mask: NDArray[np.bool_]) -> None:
    """In the last bar, repeat nothing and strike nothing after its middle, and let the first player not rest.

    In 72 % of real heavy metal songs the last note is struck in the first half of its bar.
    """
    middle = ticks_per_bar(TIME_SIGNATURES[reader.signatures[-1]]) // 2
    mask[t.REPEAT.start : t.REPEAT.stop] = False
    mask[t.AT.start + middle + 1 : t.AT.stop] = False
    if reader.turn == 0:
        mask[t.REST] = False


def bars_of(request: ComposeRequest, genre: Genre) -> int:
    """Length of a song: as asked, or the fewest whole phrases that last as long as the genre's songs at least do."""
    if request.bars is not None:
        return request.bars
    seconds_per_bar = ticks_per_bar(genre.time_signature) * 60 / request.tempo_bpm / TICKS_PER_BEAT
    if request.seconds is not None:
        return max(1, round(request.seconds / seconds_per_bar))
    shortest, longest = genre.seconds
    for phrase in (PHRASE, 2, 1):
        bars = phrase * math.ceil(shortest / seconds_per_bar / phrase)
        if bars * seconds_per_bar <= longest:
            return bars
    return max(1, int(longest / seconds_per_bar))

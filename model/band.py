"""The band: from a request to a score."""

import hashlib
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Self

import numpy as np
import torch

from model import tokens as t
from model.calibration import Calibration, calibration_path
from model.chart import Chart
from model.critic import Critic, critic_path
from model.dynamics import play_dynamics
from model.features import columns
from model.genre import BadGenre, Genre
from model.guards import guard
from model.leader import Leader, leader_path
from model.network import Composer
from model.originality import Index, index_path
from model.request import ComposeRequest
from model.sampling import Lead, Piece, compose_streams, freedom_at
from model.score import ROLES, TICKS_PER_BEAT, Part, Role, Score, TimeSignature, ticks_per_bar
from model.weights import load_weights, weights_path

PHRASE = 4  # bars; a song is a whole number of phrases where its length leaves the choice
FOUNDATION: dict[Role, float] = {"drums": 0.25, "bass": 0.25}  # of the bars; 1 % of real songs have less
MOST_BATCHES = 4  # of takes, until one has no flaw
OF_THE_METRE, OF_THE_CHOICE = 2**32, 2**32 + 1  # beside a seed: draws that no take shares


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """The players of a genre and what they have learned; warm, and used for one request after another."""

    genre: Genre
    network: Composer  # at rest; awake while it composes
    known_songs: Index | None  # what must not be copied; None when the index is not there
    critic: Critic | None = None  # who picks one of several takes; None: the first without a flaw is played
    leader: Leader | None = None  # who hands out a chart for each take; None: players agree on nothing before
    calibration: Calibration | None = None  # of how they choose; None: as the composer alone would
    fingerprint: str = ""  # of the genre, the files it was loaded from, the code; bands of the same one play the same

    @classmethod
    def load(cls, genre: Genre, *, device: str = "cpu", with_leader: bool = True, with_calibration: bool = True,
             with_critic: bool = True) -> Self:  # fmt: skip
        """Get a genre's band ready, on a torch device; without those who are to be trained anew, or after what is.

        Raises:
            BadGenre: The composer knows no songs of that name.
            BadWeights: Its weights are missing, damaged or of another vocabulary.
            BadCritic: Damaged, or of another version.
            BadLeader: The same.
            BadCalibration: The same.
        """
        if genre.archives[0] not in t.CORPORA:
            known = ", ".join(t.CORPORA)
            raise BadGenre(f"genres/{genre.name}.toml: archives has {genre.archives[0]!r}; it can be {known}")
        path = weights_path(genre.weights)
        index, critic, leader, calibration = (
            beside(path) for beside in (index_path, critic_path, leader_path, calibration_path)
        )
        return cls(
            genre=genre,
            network=load_weights(path).to(device).at_rest(),
            known_songs=Index.load(index) if index.is_file() else None,
            critic=Critic.load(critic) if with_critic and critic.is_file() else None,
            leader=Leader.load(leader) if with_leader and leader.is_file() else None,
            calibration=Calibration.load(calibration) if with_calibration and calibration.is_file() else None,
            fingerprint=_fingerprint(genre, path, index, critic, leader, calibration),
        )

    def compose(self, request: ComposeRequest, on_bar: Callable[[int], None] = lambda _bar: None) -> Score:
        """The score of a request; the same for the same request on the same machine.

        The band plays as many takes at once as the genre asks for. Those in which somebody hardly plays, or that copy
        a long passage, are dropped, and the critic picks one of the others. When all have a flaw, more are played; of
        takes that all have one, the least is released.
        """
        (score,) = self.compose_all([request], on_bar)
        return score

    def compose_all(
        self, requests: Sequence[ComposeRequest], on_bar: Callable[[int], None] = lambda _bar: None
    ) -> list[Score]:
        """The scores of requests, played together in less time than one by one; each as `compose` gives it."""
        count = self.genre.sampling.takes if self.critic else 1
        takes: list[list[tuple[Score, np.random.Generator]]] = [[] for _ in requests]
        chosen: dict[int, tuple[Score, np.random.Generator]] = {}
        for batch in range(MOST_BATCHES):
            chances = [
                (i, np.random.default_rng([request.seed, batch * count + take]))
                for i, request in enumerate(requests) if i not in chosen for take in range(count)
            ]  # fmt: skip
            played = self.play([(requests[i], rng) for i, rng in chances], on_bar)
            for (i, rng), take in zip(chances, played, strict=True):
                takes[i].append((take, rng))
            for i in {i for i, _ in chances}:
                good = [each for each in takes[i] if self.flaws(each[0]) == (0, 0)]
                if good:
                    chosen[i] = good[self._choose([take for take, _ in good], requests[i])]
            if len(chosen) == len(requests):
                break
        released = [chosen.get(i) or min(own, key=lambda each: self.flaws(each[0])) for i, own in enumerate(takes)]
        return [play_dynamics(take, rng) for take, rng in released]  # nothing before looks at how loud a note is

    def play(
        self, takes: Sequence[tuple[ComposeRequest, np.random.Generator]],
        on_bar: Callable[[int], None] = lambda _bar: None,
    ) -> list[Score]:  # fmt: skip
        """Takes of requests, each by its own chance, all struck with the composer's three velocities."""
        pieces = [self._piece(request, rng) for request, rng in takes]
        readers = compose_streams(self.network.awake(), pieces, method=self.genre.sampling.method, on_bar=on_bar)
        return [reader.score(request.tempo_bpm) for reader, (request, _) in zip(readers, takes, strict=True)]

    def _piece(self, request: ComposeRequest, rng: np.random.Generator) -> Piece:
        bars, signature = bars_of(request, self.genre), time_signature_of(request, self.genre)
        chart = self.leader.draw(bars, signature, rng) if self.leader else None
        return Piece(
            header=t.header(self.genre.archives[0], request.tempo_bpm, self.roles),
            bars=bars,
            freedom=freedom_at(self.genre.sampling.freedom, request.randomness),
            guard=partial(guard, self.genre, signature, chart),
            leads=tuple(self._leads(chart)),
            rng=rng,
        )

    def _leads(self, chart: Chart | None) -> Iterator[Lead]:
        if self.leader and chart:
            yield partial(self.leader.lead, chart, self.genre.sampling.strictness)
        if self.calibration:
            yield partial(self.calibration.correct, chart)

    @property
    def roles(self) -> list[Role]:
        """Who plays, in the order of ROLES."""
        return [role for role in ROLES if any(player.role == role for player in self.genre.players)]

    def flaws(self, score: Score) -> tuple[int, int]:
        """Notes of the longest copied passage beyond the limit, and parts that hardly play; (0, 0) is a good take."""
        copied = max(0, self.known_songs.longest_run(score) - self.known_songs.limit) if self.known_songs else 0
        return copied, sum(_hardly_plays(part, score) for part in score.parts)

    def _choose(self, takes: Sequence[Score], request: ComposeRequest) -> int:
        """Number of the take to release."""
        if self.critic is None or len(takes) == 1:
            return 0
        return self.critic.choose(takes, np.random.default_rng([request.seed, OF_THE_CHOICE]))


def _hardly_plays(part: Part, score: Score) -> bool:
    """Whether a part never plays, or one that the others stand on plays in too few of the bars."""
    played = len(np.unique(columns(part, score).bars))
    return played < max(1, FOUNDATION.get(part.role, 0) * len(score.time_signatures))


def _fingerprint(genre: Genre, *files: Path) -> str:
    digest = hashlib.sha256(repr(genre).encode() + _release())
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest() if file.is_file() else b"none")
    return digest.hexdigest()


@cache
def _release() -> bytes:
    """Changes with the code that composes: another release may play another song for the same key."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return b"".join(hashlib.sha256(source.read_bytes()).digest() for source in sources)


def keep_to_one_core() -> None:
    """Let a process compose on one core; one song's matrices are too small to share, and to be turned into tiles.

    Measured on two busy cores, 32 bars: 4.3 CPU seconds with one thread, 41 with two that wait for each other. Where a
    processor has tiles (AMX), oneDNN lays all weights out anew for each product: see docs/composing-fast.md.
    """
    torch.set_num_threads(1)
    os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_VNNI")  # read at the first product


def time_signature_of(request: ComposeRequest, genre: Genre) -> TimeSignature:
    """The metre of a song: drawn by its seed, as often as the genre's songs have it."""
    shares = np.array([metre.share for metre in genre.time_signatures])
    rng = np.random.default_rng([request.seed, OF_THE_METRE])
    return genre.time_signatures[rng.choice(len(shares), p=shares / shares.sum())].time_signature


def bars_of(request: ComposeRequest, genre: Genre) -> int:
    """Length of a song: as asked, or the fewest whole phrases that last as long as the genre's songs at least do."""
    if request.bars is not None:
        return request.bars
    seconds_per_bar = ticks_per_bar(time_signature_of(request, genre)) * 60 / request.tempo_bpm / TICKS_PER_BEAT
    if request.seconds is not None:
        return max(1, round(request.seconds / seconds_per_bar))
    shortest, longest = genre.seconds
    for phrase in (PHRASE, 2, 1):
        bars = phrase * math.ceil(shortest / seconds_per_bar / phrase)
        if bars * seconds_per_bar <= longest:
            return bars
    return max(1, int(longest / seconds_per_bar))

"""Composing in company: whoever takes a song from the queue composes those next in line with it.

Songs side by side cost less than one by one (docs/composing-fast.md). But each is a job of its own, with tries, a
deadline and a worker that may die, and all that stays as it is: the jobs next in line stay in the queue, in their
order. Their scores are put into Redis, and whichever worker takes such a job later finds its score there, and only
plays it. So a worker killed in the middle holds one job, as ever; of the others nothing but the work on their scores is
lost. Scores are a convenience: where one is missing, forgotten or damaged, or Redis is away, a song is composed anew,
and comes out the same.

A song is composed in company once. Whoever sets out to compose it marks it first. A worker that takes a song which
another is composing just now does not compose it, too: it composes those next in line that nobody has marked, and then
finds its own score done. It does not wait for it: where there is none yet, or where the other was killed meanwhile and
there never will be, it composes its song alone.

The mark also says whether the song's own job was begun. A job that is tried again is composed alone at once. So a song
loses one of its tries at most to what kills a worker in its company, and that, once marked, is in nobody's company
again. Marks outlive neither KEPT_SECONDS nor Redis; then all this begins anew.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Protocol

from redis import Redis
from redis.exceptions import RedisError
from rq.exceptions import DeserializationError
from rq.job import Job

from model.request import LONGEST_JSON, ComposeRequest, read_json
from model.score import DURATIONS, ROLES, TIME_SIGNATURES, Note, Part, Score
from worker.queue import COMPOSE_JOB, SERIALIZER, TriedJob, open_queue

log = logging.getLogger(__name__)

MOST = 4  # songs composed together; more would gain little, and let the first wait longer: docs/composing-fast.md
LOOK_AHEAD = 32  # jobs in line among which songs of the same genre are sought
KEPT_SECONDS = 3600  # a mark or a score
SCORE, MARK = "lnh:score:", "lnh:composing:"  # and a digest of the request; a score's also tells the band
AHEAD, BEGUN = b"ahead", b"begun"  # what a mark says of the song's job: it waits, or it was begun
NUMBERS = ("start", "pitch", "duration", "velocity")  # of a note


class Band(Protocol):
    """What is needed of a band."""

    @property
    def fingerprint(self) -> str:
        """Bands of the same one give the same scores."""

    def compose_all(self, requests: Sequence[ComposeRequest]) -> list[Score]:
        """The score of each request; the same as if it were alone."""


@dataclass(frozen=True, slots=True)
class Company:
    """A band that composes for a queue."""

    band: Band
    redis: Redis
    queue: str

    def compose(self, request: ComposeRequest) -> Score:
        """The score of a request, which the band would also play alone."""
        others: list[ComposeRequest] = []
        with suppress(RedisError):
            if score := self._kept(request):
                return score
            mark = self._begin(request)
            if mark == AHEAD:
                self._compose_ahead(self._next_in_line(request, MOST))
                if score := self._kept(request):
                    return score
            elif mark is None:
                others = self._next_in_line(request, MOST - 1)
        score, *scores = self.band.compose_all([request, *others])
        self._keep(others, scores)
        return score

    def place(self, request: ComposeRequest) -> str:
        """Where in Redis a score of this band is kept; when its genre file or its weights change, that is elsewhere."""
        return f"{SCORE}{self.band.fingerprint}:{digest(request)}"

    def _compose_ahead(self, others: Sequence[ComposeRequest]) -> None:
        if others:
            self._keep(others, self.band.compose_all(others))

    def _next_in_line(self, request: ComposeRequest, most: int) -> list[ComposeRequest]:
        """Requests of the same genre that wait, and that nobody has set out to compose; from now on, we have."""
        ids = open_queue(self.queue, self.redis).get_job_ids(0, LOOK_AHEAD)
        jobs = TriedJob.fetch_many(ids, self.redis, SERIALIZER)
        waiting = (other for job in jobs if job and (other := _request_of(job)) and other.genre == request.genre)
        return [*islice(filter(self._mark_ahead, waiting), most)]

    def _mark_ahead(self, request: ComposeRequest) -> bool:
        """Set out to compose a song whose job waits; whether nobody has before."""
        return bool(self.redis.set(MARK + digest(request), AHEAD, nx=True, ex=KEPT_SECONDS))

    def _begin(self, request: ComposeRequest) -> bytes | None:
        """Mark a song whose job was begun; how it was marked before."""
        before = self.redis.set(MARK + digest(request), BEGUN, get=True, ex=KEPT_SECONDS)
        return before if isinstance(before, bytes) else None

    def _keep(self, requests: Sequence[ComposeRequest], scores: Sequence[Score]) -> None:
        with suppress(RedisError):
            for request, score in zip(requests, scores, strict=True):
                text = score_to_json(score)
                if len(text) <= LONGEST_JSON:
                    self.redis.set(self.place(request), text, ex=KEPT_SECONDS)
        if requests:
            log.info("composed ahead: %s", ", ".join(request.key for request in requests))

    def _kept(self, request: ComposeRequest) -> Score | None:
        text = self.redis.get(self.place(request))
        if not isinstance(text, bytes):
            return None
        try:
            return score_from_json(text.decode(errors="replace"))
        except ValueError as error:
            log.warning("%s; composed anew", error)
            return None


def composing_for(queue: str, redis: Redis, load: Callable[..., Band]) -> Callable[..., Company]:
    """Load a genre's band, to compose in company."""
    return lambda genre: Company(load(genre), redis, queue)


def digest(request: ComposeRequest) -> str:
    """A name for a request as a whole: a post may be edited, and ask for something else by the same key."""
    return hashlib.sha256(request.to_json().encode()).hexdigest()


def score_to_json(score: Score) -> str:
    """As one JSON object."""
    parts = {part.role: [[int(getattr(note, name)) for note in part.notes] for name in NUMBERS] for part in score.parts}
    raw = {"tempo_bpm": score.tempo_bpm, "time_signatures": score.time_signatures, "parts": parts}
    return json.dumps(raw, separators=(",", ":"))


def score_from_json(text: str) -> Score:
    """Read and check what `score_to_json` wrote.

    Raises:
        ValueError: No such thing.
    """
    raw = read_json(text, "score")
    try:
        score = Score(
            tempo_bpm=raw["tempo_bpm"], time_signatures=tuple((beats, unit) for beats, unit in raw["time_signatures"]),
            parts=tuple(_part(role, numbers) for role, numbers in raw["parts"].items()),
        )  # fmt: skip
        good = type(score.tempo_bpm) in (int, float) and 1 <= score.tempo_bpm <= 1000 and _is_played(score)
    except (KeyError, TypeError, ValueError, AttributeError):
        good = False
    if not good:
        raise ValueError("score: not one that the band plays")
    return score


def _part(role: str, numbers: Sequence[Sequence[int]]) -> Part:
    notes = (Note(**dict(zip(NUMBERS, note, strict=True))) for note in zip(*numbers, strict=True))
    return Part(role=ROLES[ROLES.index(role)], notes=tuple(notes))


def _is_played(score: Score) -> bool:
    notes = [note for part in score.parts for note in part.notes]
    numbers = {type(number) for note in notes for number in (note.start, note.pitch, note.duration, note.velocity)}
    return (
        set(score.time_signatures) <= set(TIME_SIGNATURES)
        and numbers <= {int}
        and all(0 <= note.start < score.ticks and 0 <= note.pitch < 128 for note in notes)
        and all(1 <= note.duration <= DURATIONS[-1] and 1 <= note.velocity < 128 for note in notes)
        and all(ROLES.index(one.role) < ROLES.index(next_one.role) for one, next_one in pairwise(score.parts))
    )


def _request_of(job: Job) -> ComposeRequest | None:
    """What a job asks for; None where it is no such job, as it will be told when its turn comes."""
    try:
        return ComposeRequest.from_json(job.args[0]) if job.func_name == COMPOSE_JOB else None
    except (DeserializationError, ValueError, TypeError, IndexError, KeyError):
        return None

"""Queues on one Redis: `compose` needs a model and no credentials, `deliver-NETWORK` the other way round."""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import WatchError
from rq import Queue, Retry
from rq.exceptions import AbandonedJobError, DuplicateJobError, InvalidJobOperation, NoSuchJobError
from rq.executions import Execution, ExecutionRegistry
from rq.job import Job, JobStatus
from rq.utils import now

from model.request import ComposeRequest
from worker.track import Track

COMPOSE, DELIVER = "compose", "deliver"
COMPOSE_JOB, DELIVER_JOB = "worker.jobs.compose", "bot.deliver.deliver"  # names in a job; a service knows them by table
SERIALIZER = "json"
FAILED_TRIES = "lnh:failed-tries"  # a hash in Redis
MOST_SECONDS = 900  # for one job; uploads wait for the network's own processing
TAKEN_SECONDS = 10  # after which a job that was taken from its queue and not begun has lost its worker
BACK_OFF_SECONDS = (2, 10)  # before the second and the third try

FIELDS = frozenset(
    b"created_at data description ended_at enqueued_at last_heartbeat origin result_ttl retries_left retry_intervals "
    b"started_at status timeout worker_name".split()
)  # of a job's hash in Redis
MOST_BYTES = 1_000_000  # of a job's data; a request has at most 65,536 characters
WAITING = (JobStatus.QUEUED, JobStatus.SCHEDULED)
JobState = Literal["absent", "under way", "given up"]


def compose_id(key: str) -> str:
    """Id of the compose job of a mention."""
    return key


def deliver_id(key: str) -> str:
    """Id of the deliver job of a mention; no platform is called "deliver"."""
    return f"{DELIVER}-{key}"


def key_of(job_id: str) -> str:
    """The mention that a job is about."""
    return job_id.removeprefix(f"{DELIVER}-")


class Tries(ExecutionRegistry):
    """RQ's list of a job's tries, without those that Redis has forgotten.

    RQ's own names the try of a killed worker for a minute longer than it knows it, and meanwhile fails to delete the
    job: the next worker's success became a failure, and a job given up could not be taken away. Of the try of a worker
    that was cut off and came back it knows a heartbeat, and no more.
    """

    def get_executions(self, start: int = 0, end: int = -1) -> list[Execution]:
        """Those that are still known."""
        tries = []
        for each in self.get_execution_ids(start, end):
            with suppress(ValueError, KeyError):
                tries.append(Execution.fetch(each, self.job_id, self.connection))
        return tries


class TriedJob(Job):
    """RQ's job, with such a list, of which two workers may hold the same, and which Redis may have forgotten.

    Of what Redis has of it, it takes what we write, and no more: RQ would import callbacks by their names and send web
    hooks, in a bot that holds credentials, and inflate whatever there is.
    """

    def restore(self, raw_data: Mapping[bytes, bytes]) -> None:
        """As RQ's, from FIELDS alone; data that inflate to too much are none, which fails as other nonsense does."""
        known = {name: raw_data[name] for name in FIELDS if name in raw_data}
        with suppress(zlib.error):
            if zlib.decompressobj().decompress(known.get(b"data", b""), MOST_BYTES + 1)[MOST_BYTES:]:
                known[b"data"] = b""
        super().restore(known)

    @classmethod
    def fetch_many(cls, job_ids: Iterable[str], connection: Redis, serializer: Any = None) -> list[Job | None]:
        """As RQ's, which fails where one of them is a torso; that one is taken away here, so that its id is free.

        A torso is what a worker writes of a job when Redis was emptied meanwhile: a heartbeat, and nothing to do.
        """
        ids = list(job_ids)
        try:
            return super().fetch_many(ids, connection, serializer)
        except NoSuchJobError:
            for key in map(cls.key_for, ids):
                if not connection.hexists(key, "data"):
                    connection.delete(key)
            return super().fetch_many(ids, connection, serializer)

    @property
    def execution_registry(self) -> ExecutionRegistry:
        """Its tries."""
        return Tries(self.id, self.connection)

    def delete(
        self, pipeline: Pipeline | None = None, remove_from_queue: bool = True, delete_dependents: bool = False
    ) -> None:
        """As RQ's; but what a worker that was taken for dead has finished and deleted meanwhile may be gone."""
        with suppress(InvalidJobOperation):
            super().delete(pipeline, remove_from_queue, delete_dependents)


@dataclass(frozen=True, slots=True)
class Queues:
    """Puts jobs on their way; a job that is under way already stays as it is."""

    redis: Redis
    compose: str = COMPOSE
    deliver: str = DELIVER

    def to(self, platform: str) -> Self:
        """The same with a deliver queue of one network's own, so that none waits for another."""
        return replace(self, deliver=f"{self.deliver}-{platform}")

    def ask(self, request: ComposeRequest) -> None:
        """Have a song composed, and its track handed to our deliver queue."""
        self._enqueue(self.compose, COMPOSE_JOB, compose_id(request.key), [request.to_json(), self.deliver])

    def hand_over(self, key: str, track: Track | None) -> None:
        """Have a mention answered: with a track just finished, or with what its row in the ledger says."""
        self._enqueue(self.deliver, DELIVER_JOB, deliver_id(key), [key, track.to_json() if track else None])

    def states(self, job_ids: Sequence[str]) -> list[JobState]:
        """How each job stands; a finished one is absent.

        So is one that is said to wait and is in no list, as its worker was killed just when it moved it: that is taken
        away here, so that its id is free.
        """
        jobs = TriedJob.fetch_many(job_ids, self.redis, SERIALIZER)
        lost = self._lost([job for job in jobs if job and job.get_status(refresh=False) in WAITING])
        for job in lost:
            job.delete()
        return ["absent" if job in lost else _state(job) for job in jobs]

    def why(self, job_id: str) -> str:
        """Last line of what a given up job died of."""
        job = TriedJob.fetch(job_id, self.redis, SERIALIZER)
        result = job.latest_result()
        lines = (result.exc_string or "").strip().splitlines() if result else []
        last = lines[-1][:300] if lines else "ended badly"
        if AbandonedJobError.__name__ in last:
            last = "it took its worker with it, each time that it was tried"
        return "".join(letter if letter.isprintable() else "�" for letter in last)  # it may quote a stranger

    def forget(self, job_id: str) -> None:
        """Take a given up job away, so that its id is free again."""
        TriedJob.fetch(job_id, self.redis, SERIALIZER).delete()

    def _lost(self, waiting: Sequence[Job]) -> list[Job]:
        """Those of the jobs that still wait and are in none of the lists between which jobs are moved."""
        queues = [open_queue(name, self.redis) for name in {job.origin for job in waiting}]
        with self.redis.pipeline() as pipeline:  # as all of it was at one moment
            for job in waiting:
                pipeline.hget(job.key, "status")
            for queue in queues:
                pipeline.lrange(queue.key, 0, -1)
                pipeline.lrange(queue.intermediate_queue.key, 0, -1)
                pipeline.zrange(queue.scheduled_job_registry.key, 0, -1)
                pipeline.zrange(queue.started_job_registry.key, 0, -1)  # "JOB:TRY"; left together with what comes next
            found = pipeline.execute()
        statuses, lists = found[: len(waiting)], found[len(waiting) :]
        listed = {entry.decode().partition(":")[0] for each in lists for entry in each}
        return [
            job for job, status in zip(waiting, statuses, strict=True)
            if status is not None and status.decode() in WAITING and job.id not in listed
        ]  # fmt: skip

    def _enqueue(self, queue: str, name: str, job_id: str, arguments: Sequence[str | None]) -> None:
        try:
            open_queue(queue, self.redis).enqueue_call(
                name, list(arguments), job_id=job_id, unique=True, description=job_id,
                timeout=MOST_SECONDS, result_ttl=0, retry=Retry(2, list(BACK_OFF_SECONDS)),
            )  # fmt: skip
        except DuplicateJobError:
            return


def open_queue(name: str, redis: Redis) -> Queue:
    """The RQ queue of a name, in JSON."""
    return Queue(name, redis, serializer=SERIALIZER, job_class=TriedJob)


def jobs_by_state(name: str, redis: Redis) -> dict[str, int]:
    """How many jobs of a queue wait, are in hand, are to be tried again, and were given up."""
    queue = open_queue(name, redis)
    return {
        "waiting": queue.count,
        "in hand": queue.started_job_registry.get_job_count(cleanup=False),  # to look is not to take for dead
        "to be tried again": queue.scheduled_job_registry.count,
        "given up": queue.failed_job_registry.count,
    }


def count_failed_try(name: str, redis: Redis) -> None:
    """Note that a try of some job of a queue failed, or took its worker with it."""
    redis.hincrby(FAILED_TRIES, name, 1)


def failed_tries(name: str, redis: Redis) -> int:
    """How many did, since Redis was last empty."""
    return int(redis.hget(FAILED_TRIES, name) or 0)


def put_due(queue: Queue) -> None:
    """Move jobs whose back-off is over to the head of their queue, whose turn it was; any number of services may do so.

    RQ's own scheduler would be a forked process that outlives a killed worker and holds a lock for a minute after.
    """
    registry = queue.scheduled_job_registry
    for job_id in registry.get_jobs_to_schedule():
        with queue.connection.pipeline() as pipeline:
            pipeline.watch(registry.key)  # type: ignore[no-untyped-call]
            if pipeline.zscore(registry.key, job_id) is None:
                continue
            job = queue.fetch_job(job_id)
            pipeline.multi()
            pipeline.zrem(registry.key, job_id)
            if job:
                queue.enqueue_job(job, pipeline=pipeline, at_front=True)
            try:
                pipeline.execute()
            except WatchError:  # somebody else moved it
                continue


def put_back_taken(queue: Queue) -> None:
    """Put what a worker took and did not begin back to the head of its queue, when it was seen so for a while."""
    taken = queue.intermediate_queue
    for job_id in taken.get_job_ids():
        if job_id in queue.started_job_registry or taken.set_first_seen(job_id):
            continue
        seen = taken.get_first_seen(job_id)
        if seen is None or (now() - seen).total_seconds() < TAKEN_SECONDS:
            continue
        job = queue.fetch_job(job_id)
        with queue.connection.pipeline() as pipeline:
            pipeline.lrem(taken.key, 0, job_id)
            pipeline.delete(taken.get_first_seen_key(job_id))
            if job and job.get_status(refresh=False) == JobStatus.QUEUED:
                pipeline.lpush(queue.key, job_id)
            pipeline.execute()


def _state(job: Job | None) -> JobState:
    if job is None:
        return "absent"
    status = job.get_status(refresh=False)
    if status in (JobStatus.FAILED, JobStatus.STOPPED, JobStatus.CANCELED):
        return "given up"
    return "absent" if status == JobStatus.FINISHED else "under way"

"""A service: a warm worker that takes jobs of one queue until it is told to stop."""

import logging
import os
import signal
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from threading import Event, Thread, current_thread, main_thread
from types import FrameType
from typing import Any

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import ConnectionError as RedisGone
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisSlow
from rq import Queue, SimpleWorker, worker_registration
from rq.exceptions import DequeueTimeout
from rq.executions import Execution
from rq.job import Job
from rq.registry import clean_registries
from rq.timeouts import TimerDeathPenalty
from rq.worker import WorkerStatus

from model.errors import NeedsOperator
from worker.connection import compare_clocks
from worker.logs import about
from worker.queue import (
    MOST_SECONDS,
    SERIALIZER,
    TriedJob,
    count_failed_try,
    key_of,
    open_queue,
    put_back_taken,
    put_due,
)

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 5  # at each, a look for jobs of workers that are silent
HEARTBEAT_TTL_SECONDS = 20  # a job whose worker was not heard for so long is taken up by another
LOOK_SECONDS = 10  # for which others leave a look to one worker, should it die meanwhile
STUCK_SECONDS = MOST_SECONDS + 60  # a job that does not even hear its own deadline takes its process with it
MOST_FAILED = 3  # different jobs, none done in between: then it is not they that are at fault
TROUBLES = (RedisGone, RedisSlow, ResponseError)  # Redis is away, or refuses, as when it has no room to write

Handlers = Mapping[str, Callable[..., None]]


class GiveBack(BaseException):
    """A second signal: do not finish the job in hand, put it back."""


class Service(SimpleWorker):
    """RQ's worker in one process, so that a band once loaded stays warm; killed with -9, its job runs elsewhere.

    A job names an entry of `handlers`; nothing is imported because a job says so.
    """

    def __init__(
        self, queue_name: str, redis: Redis, handlers: Handlers, on_hang_up: Callable[[], None] | None = None
    ) -> None:
        super().__init__(
            [open_queue(queue_name, redis)],
            name=f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}",
            connection=redis,
            worker_ttl=HEARTBEAT_TTL_SECONDS,
            job_monitoring_interval=HEARTBEAT_SECONDS,
            serializer=SERIALIZER,
            job_class=_job_class(handlers),
        )
        self.push_exc_handler(self._count_failed_try)  # type: ignore[no-untyped-call]  # also for dead workers
        self._held: tuple[Job, Execution] | None = None
        self._held_since = 0.0
        self._on_hang_up, self._hung_up = on_hang_up, False
        self._trouble: Exception | None = None
        self._failed: set[str] = set()  # jobs, since one was done
        self._clocks_differ = False

    def run(self, *, until_empty: bool = False) -> None:
        """Take jobs until `stop`, an empty queue or, in the main thread, SIGTERM or SIGINT.

        The job in hand is finished, or put back on a second signal. SIGHUP calls `on_hang_up` between two jobs.

        Raises:
            NeedsOperator: A job met something that only the operator can mend, or several in a row failed; the job was
                put back, its tries kept. Or Redis has no room for us to sign on, or another time than we.
        """
        compare_clocks(self.connection)
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        ended = Event()
        pulse = Thread(target=self._beat, args=(ended,), name="pulse", daemon=True)
        pulse.start()
        log.info("taking jobs of %s", self.queues[0].name)
        try:
            self.work(burst=until_empty, logging_level="WARNING")
        except ResponseError as error:
            raise NeedsOperator(f"Redis refuses to write ({error}); give it memory or disk") from error
        finally:
            ended.set()
            pulse.join()
            if current_thread() is main_thread():
                for number, handler in before.items():
                    signal.signal(number, handler)
        if self._trouble:
            raise self._trouble
        if not (until_empty or self._stop_requested):
            raise NeedsOperator("the service ended of its own accord; see the log above and start again")

    def stop(self) -> None:
        """End after the job in hand; from any thread."""
        self._stop_requested = True

    def request_stop(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """First signal: finish the job in hand. Second: put it back."""
        if self._stop_requested and self._held:
            self._held = None
            raise GiveBack
        self.stop()

    def _install_signal_handlers(self) -> None:
        if current_thread() is not main_thread():  # which hears the signals, and then stops us
            self.death_penalty_class = TimerDeathPenalty
            return
        super()._install_signal_handlers()  # type: ignore[no-untyped-call]
        if self._on_hang_up:
            signal.signal(signal.SIGHUP, self._hang_up)

    def _hang_up(self, _number: int, _frame: FrameType | None) -> None:
        self._hung_up = True

    def subscribe(self) -> None:
        """Do not: nobody sends commands, and taking leave of the channel takes a second."""

    def check_for_suspension(self, burst: bool) -> None:
        """Do not: nobody suspends a worker of ours."""

    def run_maintenance_tasks(self) -> None:
        """Not between two jobs, which may be a quarter of an hour apart: the pulse looks for dead workers."""

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """As RQ's, which would end the service when Redis goes away or refuses meanwhile."""
        with self._waiting_for_redis():
            super().heartbeat(timeout, pipeline)

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None  # noqa: ARG002
    ) -> tuple[Job, Queue] | None:
        """The next job, or None when told to stop, or when there is none and `timeout` is None.

        RQ's own lets a signal break into it, which may lose a job just taken, and does not hear one while Redis is
        away; this one looks up every second.
        """
        while not self._stop_requested:
            with self._waiting_for_redis(), suppress(DequeueTimeout):
                if self._hung_up and self._on_hang_up:
                    self._hung_up = False
                    self._on_hang_up()
                self.set_state(WorkerStatus.IDLE)
                self.heartbeat()
                found = self.queue_class.dequeue_any(
                    self.queues, timeout and 1, self.connection, self.job_class, self.serializer
                )
                if found:
                    found[0].redis_server_version = self.get_redis_server_version()  # type: ignore[no-untyped-call]
                return found
        return None

    def clean_registries(self) -> None:
        """Put back what dead workers left; in any thread, for RQ keeps all that this needs in Redis.

        RQ's own locks all others out for 15 minutes when it is killed, or fails, while it does so; and it gives up,
        untried, what a worker had only just taken from the queue. By a clock that is wrong, the living count as dead.
        """
        (queue,) = self.queues
        if self._can_tell_time() and self.connection.set(queue.registry_cleaning_key, 1, nx=True, ex=LOOK_SECONDS):
            try:
                clean_registries(queue, self._exc_handlers)
                worker_registration.clean_worker_registry(queue)
                put_back_taken(queue)
            finally:
                queue.release_maintenance_lock()  # type: ignore[no-untyped-call]

    def _can_tell_time(self) -> bool:
        """Whether our clock and Redis' agree; when they do not, that is logged once."""
        try:
            compare_clocks(self.connection)
        except NeedsOperator as error:
            if not self._clocks_differ:
                log.warning("%s; until then nobody here looks for dead workers", error)
            self._clocks_differ = True
        else:
            self._clocks_differ = False
        return not self._clocks_differ

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Execute a job; when Redis goes away or refuses meanwhile, wait for it instead of ending."""
        with about(key_of(job.id)), self._waiting_for_redis():
            super().execute_job(job, queue)

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        """Perform a job while the pulse keeps its heartbeat."""
        started = self._held_since = time.monotonic()
        self._held = (job, execution)
        try:
            done = super().perform_job(job, queue, execution)
        finally:
            self._held = None
        if done:
            self._failed.clear()
        log.info("%s in %.1f s", "done" if done else "not done", time.monotonic() - started)
        return done

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """Keep the tries of a job that is not to blame, as the last of several in a row is not."""
        error = exc_info[1]
        if not isinstance(error, NeedsOperator | GiveBack):
            self._failed.add(job.id)
            if len(self._failed) >= MOST_FAILED:
                log.error("%d jobs in a row failed", len(self._failed), exc_info=error)
                said = f"{len(self._failed)} jobs in a row failed, the last of {error!r}"
                error = NeedsOperator(f"{said}; mend that, then start again")
        if isinstance(error, NeedsOperator | GiveBack):
            job.retries_left = (job.retries_left or 0) + 1
            self._stop_requested = True
            self._trouble = error if isinstance(error, NeedsOperator) else None
            log.warning("put back")
        else:
            super().handle_exception(job, *exc_info)

    def _count_failed_try(self, job: Job, *_: Any) -> bool:
        count_failed_try(job.origin, self.connection)
        return True  # the rest is RQ's

    def teardown(self) -> None:
        """Sign off; without Redis, or when it has no room, we are missed before long."""
        try:
            super().teardown()  # type: ignore[no-untyped-call]
        except RedisError as error:
            log.warning("could not sign off: %s", error)

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:  # noqa: ARG002
        """Seconds for which a job is ours without a new heartbeat."""
        return HEARTBEAT_TTL_SECONDS

    def _beat(self, ended: Event) -> None:
        for second in count():
            if ended.wait(1):
                return
            self._end_if_stuck()
            try:
                if second % HEARTBEAT_SECONDS == 0:
                    worker_registration.register(self)  # Redis may have been wiped
                    if held := self._held:
                        self.maintain_heartbeats(*held)
                    self.clean_registries()  # after our own heartbeat, so that what we hold is not taken for left
                put_due(self.queues[0])
            except RedisError as error:
                log.debug("no heartbeat: %s", error)
            except Exception:  # without a heartbeat, others would take what we hold
                log.exception("what dead workers left cannot be looked at")

    def _end_if_stuck(self) -> None:
        if (held := self._held) and time.monotonic() - self._held_since > STUCK_SECONDS:
            with about(key_of(held[0].id)):
                log.critical("stuck for %d s; ending with it", STUCK_SECONDS)
            os.kill(os.getpid(), signal.SIGKILL)  # its next try is another worker's

    @contextmanager
    def _waiting_for_redis(self) -> Iterator[None]:
        """When Redis goes away or refuses within, leave it at that, and wait until it takes what is written.

        Anything else RQ would log, and end as if it were well: it is kept, to end with that.
        """
        try:
            yield
        except TROUBLES as error:
            log.warning("Redis is away or refuses (%s); waiting for it", error)
            self._await_redis()
        except Exception as error:
            self._trouble = self._trouble or error
            raise

    def _await_redis(self) -> None:
        while not self._stop_requested:
            time.sleep(1)
            with suppress(RedisError):
                worker_registration.register(self)
                return


def look_again(learn: Callable[[], object], what: str = "the genre files") -> None:
    """What a service does at SIGHUP: read files again, and say so; bad ones change nothing."""
    try:
        learn()
    except NeedsOperator as error:
        log.error("%s; going on with %s as they were", error, what)
    else:
        log.info("read %s again; other settings want a restart", what)


def _job_class(handlers: Handlers) -> type[Job]:
    class TableJob(TriedJob):
        def _execute(self) -> None:
            handlers[str(self.func_name)](*self.args)

    return TableJob

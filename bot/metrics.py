"""Figures for Prometheus: the ledger, the queues and the disks as they are, and what was counted since the start."""

import contextlib
import time
from collections.abc import Iterator
from threading import Event

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis import Redis
from redis.exceptions import RedisError

from bot.counters import NETWORK_ERRORS, REFUSED, STAGE_SECONDS
from bot.ledger import Ledger
from bot.settings import Settings
from bot.status import places, queue_names, room, workers_of
from model.errors import NeedsOperator
from worker.queue import failed_tries, jobs_by_state
from worker.settings import named


class House(Collector):
    """Looks when it is asked."""

    def __init__(self, ledger: Ledger, redis: Redis, settings: Settings) -> None:
        self._ledger, self._redis, self._settings = ledger, redis, settings

    def collect(self) -> Iterator[Metric]:
        """Every figure; without Redis, those of the queues are missing."""
        yield from self._of_ledger()
        with contextlib.suppress(RedisError):
            yield from [*self._of_queues()]
        free = GaugeMetricFamily("lnh_disk_free_bytes", "Room on the disk of what we keep.", labels=["what"])
        for what, place in places(self._settings).items():
            free.add_metric([what], room(place))
        yield free

    def _of_ledger(self) -> Iterator[Metric]:
        rows = GaugeMetricFamily("lnh_posts", "Rows of the ledger.", labels=["platform", "state"])
        for (platform, state), number in self._ledger.counts().items():
            rows.add_metric([platform, state], number)
        ended = CounterMetricFamily("lnh_outcomes", "Posts that were finished.", labels=["platform", "outcome"])
        for (platform, outcome), number in self._ledger.outcomes().items():
            ended.add_metric([platform, outcome], number)
        read = GaugeMetricFamily("lnh_last_read_timestamp_seconds", "Last reading to the end.", labels=["platform"])
        for platform, moment in self._ledger.last_polls().items():
            read.add_metric([platform], moment)
        oldest = self._ledger.oldest_waiting()
        waits = 0.0 if oldest is None else time.time() - oldest
        yield from (rows, ended, read, GaugeMetricFamily("lnh_oldest_open_seconds", "Oldest open post.", value=waits))

    def _of_queues(self) -> Iterator[Metric]:
        jobs = GaugeMetricFamily("lnh_jobs", "Jobs on the queues.", labels=["queue", "state"])
        workers = GaugeMetricFamily("lnh_workers", "Services that take jobs.", labels=["queue"])
        failed = CounterMetricFamily("lnh_failed_tries", "Tries of jobs that failed or died.", labels=["queue"])
        for queue in queue_names(self._redis, self._ledger):
            for state, number in jobs_by_state(queue, self._redis).items():
                jobs.add_metric([queue, state], number)
            workers.add_metric([queue], len(workers_of(queue, self._redis)))
            failed.add_metric([queue], failed_tries(queue, self._redis))
        yield from (jobs, workers, failed)


def serve_metrics(where: str, house: House, stop: Event) -> None:
    """Answer at "PORT" or "ADDRESS:PORT" until told to stop; without an address, to this machine alone.

    Raises:
        NeedsOperator: It is no port, or one that we cannot have.
    """
    address, port = metrics_address(where)
    registry = CollectorRegistry()
    for each in (house, NETWORK_ERRORS, REFUSED, STAGE_SECONDS):
        registry.register(each)
    ProcessCollector(registry=registry)
    try:
        server, _ = start_http_server(port, address, registry)
    except OSError as error:
        raise _no_address(where, str(error)) from error
    stop.wait()
    server.shutdown()
    server.server_close()


def metrics_address(where: str) -> tuple[str, int]:
    """Address and port of "PORT" or "ADDRESS:PORT".

    Raises:
        NeedsOperator: It is neither.
    """
    address, _, port = where.rpartition(":")
    if not (port.isascii() and port.isdecimal() and len(port) <= 5 and int(port) < 2**16):
        raise _no_address(where, "it names no port")
    return address.strip("[]") or "127.0.0.1", int(port)


def _no_address(where: str, why: str) -> NeedsOperator:
    return NeedsOperator(f"{named('LNH_METRICS')} is {where!r}: {why}; write a free port, 9464 or 0.0.0.0:9464")

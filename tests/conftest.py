"""What tests share: a real Redis on a private socket, empty for each test."""

import os
import signal
from collections.abc import Iterator

import pytest
from redis import Redis

from worker.connection import connect
from worker.private_redis import private_redis
from worker.queue import Queues

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a script started us with "&", and inherited


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """Never REDIS_URL: tests empty it."""
    with private_redis({"PATH": os.environ["PATH"]}) as url:
        yield url


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with connect(redis_url) as redis:
        redis.flushall()
        yield redis


@pytest.fixture
def queues(redis: Redis) -> Queues:
    return Queues(redis)

"""The connection to Redis: its address, its password, its certificate, what to do when it is refused, and its clock."""

import time

from redis import Redis
from redis.exceptions import AuthenticationError, RedisError

from model.errors import NeedsOperator
from worker.settings import named

LONGEST_SILENCE_SECONDS = 15  # before a connection is taken for broken; nothing that we ask takes more than 1
ADDRESSES = "redis://HOST:6379/0, or rediss://:PASSWORD@HOST:6379/0 with password and TLS (in a password, %2F for /)"
MOST_CLOCK_SECONDS = 5  # between our clock and Redis'; heartbeats are written by one host's and judged by another's
NOT_THERE = "start one or set REDIS_URL"
NOT_TRUSTED = "call it as its certificate does, and name who signed that in REDIS_URL: rediss://…?ssl_ca_certs=FILE"


def connect(url: str) -> Redis:
    """A connection that has been heard; from then on, silence breaks it.

    Raises:
        NeedsOperator: No Redis answers at the URL, or one refuses us.
    """
    try:
        redis = Redis.from_url(
            url, socket_connect_timeout=5, socket_timeout=LONGEST_SILENCE_SECONDS, health_check_interval=30
        )
        redis.ping()
    except (ValueError, TypeError):  # their words may quote the password
        raise NeedsOperator(f"{named('REDIS_URL')}: {shown(url)} is no address; write {ADDRESSES}") from None
    except AuthenticationError as error:
        raise NeedsOperator(f"{shown(url)}: Redis refuses us ({error}); mend the password in REDIS_URL") from error
    except (RedisError, OSError) as error:
        advice = NOT_TRUSTED if "CERTIFICATE" in str(error) else NOT_THERE
        raise NeedsOperator(f"{shown(url)}: no Redis answers ({error}); {advice}") from error
    return redis


def clock_offset(redis: Redis) -> float:
    """Seconds that our clock is ahead of Redis', below 0 behind it, at the least: the way there and back takes time."""
    before = time.time()
    seconds, microseconds = redis.time()
    after = time.time()
    told = seconds + microseconds / 1_000_000
    return max(0.0, before - told) or min(0.0, after - told)


def compare_clocks(redis: Redis) -> None:
    """See that our clock and Redis' agree.

    Raises:
        NeedsOperator: They do not, and workers that live would count as dead.
    """
    offset = clock_offset(redis)
    if abs(offset) > MOST_CLOCK_SECONDS:
        side = "ahead of" if offset > 0 else "behind"
        raise NeedsOperator(f"this clock is {abs(offset):.0f} s {side} Redis'; set both right, by NTP")


def shown(url: str) -> str:
    """A URL as it may be shown: without its user, password and options; a path as it is."""
    scheme, slashes, rest = url.partition("://")
    if not slashes:
        return url
    before, _, place = rest.rpartition("@")
    return f"{scheme}://…" if "?" in before else f"{scheme}://{place.partition('?')[0]}"

"""`python -m worker.alive`: whether a service of this host is at work; exit status 1, and why, if it is not."""

import re
import socket
import sys

from redis.exceptions import RedisError

from model.errors import NeedsOperator
from worker.connection import connect
from worker.settings import StudioSettings, read_environment


def heartbeat() -> bool:
    """Whether the heart of a service beats: its key in Redis lives no longer, but for one that signed off."""
    with connect(StudioSettings.from_environment(read_environment()).redis_url) as redis:
        ours = re.compile(rf"rq:worker:{re.escape(socket.gethostname())}-\d+-[0-9a-f]{{6}}".encode())
        keys = redis.scan_iter("rq:worker:*", count=1000, _type="HASH")
        return any(ours.fullmatch(key) and not redis.hexists(key, "death") for key in keys)


if __name__ == "__main__":
    try:
        sys.exit(None if heartbeat() else "no heartbeat: `lnh bot` or `lnh work` does not run on this host")
    except (NeedsOperator, RedisError) as error:
        sys.exit(str(error))

"""`lnh status`: queues, workers, ledger and last poll."""

import time
from collections.abc import Iterator

from redis import Redis
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rq import SimpleWorker

from bot.ledger import Ledger
from bot.settings import Settings
from worker.queue import COMPOSE, DELIVER, SERIALIZER, connect, open_queue

LONGEST_SILENCE_SECONDS = 15 * 60  # between two readings of a platform; rate limits last about as long


def show_status(settings: Settings) -> list[str]:
    """Print three tables; what does not run as it should, in words.

    Raises:
        NeedsOperator: No Redis answers, or the ledger cannot be read.
    """
    redis = connect(settings.studio.redis_url)
    workers = {name: _workers(name, redis) for name in (COMPOSE, DELIVER)}
    console = Console(soft_wrap=True)
    console.print(_queue_table(redis, workers))
    troubles = [f"nobody works on {name}" for name, count in workers.items() if not count]
    if not settings.ledger.exists():
        return [*troubles, f"{settings.ledger}: no ledger yet; start `lnh bot`"]
    ledger = Ledger(settings.ledger)
    try:
        console.print(_ledger_table(ledger))
        console.print(_poll_table(ledger))
        return [*troubles, *_silent(ledger)]
    finally:
        ledger.close()


def _workers(queue: str, redis: Redis) -> int:
    return len(SimpleWorker.all(queue=open_queue(queue, redis), serializer=SERIALIZER))


def _queue_table(redis: Redis, workers: dict[str, int]) -> Table:
    table = Table("queue", "waiting", "in hand", "to be tried again", "given up", "workers", title="Queues")
    for name, count in workers.items():
        queue = open_queue(name, redis)
        started, scheduled, failed = queue.started_job_registry, queue.scheduled_job_registry, queue.failed_job_registry
        table.add_row(name, *(str(each) for each in (queue.count, started.count, scheduled.count, failed.count, count)))
    return table


def _ledger_table(ledger: Ledger) -> Table:
    oldest = ledger.oldest_waiting()
    notes = ["nothing is open" if oldest is None else f"oldest open post: {_ago(oldest)}"]
    if failure := ledger.last_failure():
        notes.append(f"last failure, {_ago(failure.times['failed'])}: {failure.key}: {escape(failure.reason)}")
    table = Table("platform", "state", "posts", title="Ledger", caption="\n".join(notes))
    for (platform, state), number in sorted(ledger.counts().items()):
        table.add_row(platform, state, str(number))
    return table


def _poll_table(ledger: Ledger) -> Table:
    table = Table("platform", "last read", title="Platforms")
    for platform, polled_at in ledger.last_polls().items():
        table.add_row(platform, _ago(polled_at))
    return table


def _silent(ledger: Ledger) -> Iterator[str]:
    for platform, polled_at in ledger.last_polls().items():
        if time.time() - polled_at > LONGEST_SILENCE_SECONDS:
            yield f"{platform} was last read {_ago(polled_at)}; is `lnh bot` running?"


def _ago(moment: float) -> str:
    seconds = max(0, int(time.time() - moment))
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours} h {minutes} min ago" if hours else f"{minutes} min {seconds % 60} s ago"

"""`lnh status`: queues, workers, ledger, last poll and disk."""

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from redis import Redis
from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table
from rq import SimpleWorker
from rq.worker import BaseWorker

from bot.ledger import Ledger
from bot.ledger_file import is_there
from bot.settings import Settings
from worker.connection import connect
from worker.queue import COMPOSE, SERIALIZER, Queues, jobs_by_state, open_queue
from worker.store import Store

LONGEST_SILENCE_SECONDS = 15 * 60  # between two readings of a platform; rate limits last about as long
LEAST_ROOM = 10**9  # bytes; a track takes about ten million

Workers = Mapping[str, Sequence[BaseWorker]]  # by queue


def show_status(settings: Settings) -> list[str]:
    """Print some tables; what does not run as it should, in words.

    Raises:
        NeedsOperator: No Redis answers, or the ledger cannot be read.
    """
    redis = connect(settings.studio.redis_url)
    console = Console(soft_wrap=True)
    ledger = Ledger(settings.ledger) if is_there(settings.ledger) else None
    try:
        workers = {name: workers_of(name, redis) for name in queue_names(redis, ledger)}
        console.print(_queue_table(redis, workers))
        console.print(_worker_table(workers))
        if ledger:
            console.print(_ledger_table(ledger))
            console.print(_poll_table(ledger))
        kept = places(settings)
        console.print(_disk_table(kept))
        troubles = [f"nobody works on {name}" for name, some in workers.items() if not some]
        silent = _silent(ledger) if ledger else [f"{settings.ledger}: no ledger yet; start `lnh bot`"]
        late = _late(ledger, settings.manners.late_seconds) if ledger else ()
        return [*troubles, *silent, *late, *_narrow(kept)]
    finally:
        if ledger:
            ledger.close()


def queue_names(redis: Redis, ledger: Ledger | None) -> list[str]:
    """The compose queue, and the deliver queue of each network that is switched on."""
    platforms = ledger.last_polls() if ledger else ()
    return [COMPOSE, *(Queues(redis).to(platform).deliver for platform in platforms)]


def workers_of(queue: str, redis: Redis) -> list[BaseWorker]:
    """Services that take jobs of a queue."""
    return SimpleWorker.all(queue=open_queue(queue, redis), serializer=SERIALIZER)


def _queue_table(redis: Redis, workers: Workers) -> Table:
    table = Table("queue", "waiting", "in hand", "to be tried again", "given up", "workers", title="Queues")
    for name, some in workers.items():
        numbers = (*jobs_by_state(name, redis).values(), len(some))
        table.add_row(name, *map(str, numbers))
    return table


def _worker_table(workers: Workers) -> Table:
    table = Table("worker", "queue", "in hand", "songs and answers", "last heard", title="Workers")
    for name, some in workers.items():
        for worker in some:
            heard = (worker.last_heartbeat or datetime.now(UTC)).timestamp()
            done = str(worker.successful_job_count)
            table.add_row(worker.name, name, worker.get_current_job_id() or "–", done, _ago(heard))
    return table


def _ledger_table(ledger: Ledger) -> Table:
    oldest = ledger.oldest_waiting()
    notes = ["nothing is open" if oldest is None else f"oldest open post: {_ago(oldest)}"]
    if others := ledger.open_but_switched_off():
        notes.append(f"besides, {others} wait for their platform to be switched on again")
    if failure := ledger.last_failure():
        notes.append(f"last failure, {_ago(failure.times['failed'])}: {failure.key}: {escape(failure.reason)}")
    table = Table("platform", "state", "posts", title="Ledger", caption="\n".join(notes))
    for (platform, state), number in sorted(ledger.counts().items()):
        table.add_row(platform, state, str(number))
    return table


def _poll_table(ledger: Ledger) -> Table:
    table = Table("platform", "last read, or else switched on", title="Platforms")
    for platform, polled_at in ledger.last_polls().items():
        table.add_row(platform, _ago(polled_at))
    return table


def _silent(ledger: Ledger) -> Iterator[str]:
    for platform, polled_at in ledger.last_polls().items():
        if time.time() - polled_at > LONGEST_SILENCE_SECONDS:
            yield f"{platform} was not read for {_time_since(polled_at)}; does `lnh bot` run, and does it let us in?"


def _late(ledger: Ledger, late_seconds: float) -> Iterator[str]:
    """Posts whose answer is overdue, as when a network lets us read and refuses our answers."""
    oldest = ledger.oldest_waiting()
    if oldest is not None and time.time() - oldest > late_seconds:
        yield f"the oldest open post was seen {_ago(oldest)}; see `lnh ledger list --open` and the log of `lnh bot`"


def places(settings: Settings) -> dict[str, Path]:
    """What we keep on this machine's disks, and where."""
    store = Store(settings.studio.store_url).folder
    return {"ledger": settings.data, **({"store": store} if store else {})}


def _disk_table(places: Mapping[str, Path]) -> Table:
    table = Table("what", "folder", "holds", "left on its disk", title="Disk")
    for what, place in places.items():
        table.add_row(what, str(place), decimal(_held(place)), decimal(room(place)))
    return table


def _held(place: Path) -> int:
    """Bytes of the files that lie directly in a folder."""
    held = 0
    for file in place.glob("*"):
        with suppress(FileNotFoundError):  # it was a passing one
            held += file.stat().st_size if file.is_file() else 0
    return held


def room(place: Path) -> int:
    """Bytes left on the disk of a folder that may not be there yet."""
    return shutil.disk_usage(next(each for each in (place, *place.absolute().parents) if each.exists())).free


def _narrow(places: Mapping[str, Path]) -> Iterator[str]:
    for what, place in places.items():
        if room(place) < LEAST_ROOM:
            yield f"{what}: only {decimal(room(place))} left on the disk of {place}; make room"


def _ago(moment: float) -> str:
    return f"{_time_since(moment)} ago"


def _time_since(moment: float) -> str:
    seconds = max(0, int(time.time() - moment))
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds % 60} s"

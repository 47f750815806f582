"""What the band bears: posts a second, the way to the queue, a burst of requests, memory over many jobs.

    python benchmarks/load.py [--posts N] [--backlog N] [--burst N] [--jobs N]
                              [--workers 1 2] [--composing alone together] [--sound real|mp3|none] [--bars N]

measures what is asked for, and puts each figure into its section of benchmarks/load.md; the others stay as they are.
Redis is private and real, and so is all of the bot but its network. A hundred songs of the usual length take a worker
half an hour: let them play in the background, and look how far they are.

    nohup python benchmarks/load.py --burst 100 --workers 2 --composing together > burst.log 2>&1 &
    tail -f burst.log
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise, product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Event
from typing import cast

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from load_studio import GENRE  # noqa: E402
from machine import machine  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import Progress  # noqa: E402

from bot.ledger import Ledger  # noqa: E402
from bot.listener import Listener  # noqa: E402
from bot.manners import Manners  # noqa: E402
from bot.mention import Mention  # noqa: E402
from bot.platforms.base import Page, Platform  # noqa: E402
from model.genre import load_genres  # noqa: E402
from model.request import ComposeRequest, seed_of  # noqa: E402
from worker.connection import connect  # noqa: E402
from worker.private_redis import private_redis  # noqa: E402
from worker.queue import Queues, jobs_by_state, open_queue  # noqa: E402

SAMPLES = 10  # mentions, each timed on its way to the queue
SHORT_LINE = 10  # backlog to compare with
LOOKS = 10  # at the memory of a worker
SOUND = {"real": "with sound and picture", "mp3": "as MP3 without video", "none": "without sound and picture"}
TABLES = HERE / "load.md"
PATIENT = Manners(songs_a_day=10**6, longest_line=10**6)


class Network:
    """A platform where everybody asks for a song, each a person of their own.

    Nobody is told about a long line: that takes what the network takes, once all are on the queue.
    """

    name, media_type, poll_seconds, says_line = "console", "audio/mpeg", 60.0, False

    def __init__(self) -> None:
        self.posted = self.read = 0

    def newest_bookmark(self) -> str:
        """The number of the last post."""
        return str(self.posted)

    def pages(self, bookmark: str) -> Iterator[Page]:
        """All that is new, forty a page."""
        for first in range(int(bookmark), self.posted, 40):
            last = min(first + 40, self.posted)
            yield Page(mentions=tuple(mention(number) for number in range(first, last)), bookmark=str(last))

    def stream(self, tell: object, stop: Event) -> None:
        """There is none."""


def mention(number: int) -> Mention:
    """A post of a person of their own."""
    return Mention(
        platform="console", id=f"{number}", root_id=f"{number}", author_id=f"{number}", author_handle=f"fan{number}",
        text=f"@lnh_ai Robots {number} /compose /g {GENRE}", visibility="public", content_warning="",
        created_at=datetime.now(UTC), by_bot=False,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where to measure."""

    redis_url: str
    folder: Path
    progress: Progress

    def queues(self) -> Queues:
        """Empty ones."""
        redis = connect(self.redis_url)
        redis.flushall()
        return Queues(redis)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How songs are made."""

    workers: int
    composing: str
    sound: str

    def __str__(self) -> str:
        workers = f"{self.workers} worker{'s' * (self.workers > 1)}"
        return f"{workers}, composing {self.composing}, {SOUND[self.sound]}"


def posts_a_second(bench: Bench, posts: int) -> str:
    """Posts read, understood, written into the ledger and put on the queue, in one go."""
    network, task = Network(), bench.progress.add_task("posts", total=posts)
    listener = listening(bench, network, "posts.sqlite")
    network.posted = posts
    began, cpu = time.perf_counter(), time.process_time()
    listener.poll()
    listener.put_on_the_way()
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    bench.progress.update(task, completed=posts)
    return (
        f"{posts} posts in one go: {posts / cpu:.0f} accepted a second of processor time ({posts / wall:.0f} a second "
        "by the clock), each read, understood, written into the ledger and put on the queue."
    )


def listening(bench: Bench, network: Network, name: str) -> Listener:
    """A listener that has read the network's bookmark, with a ledger of its own and empty queues."""
    genres = {GENRE: load_genres()[GENRE]}
    platform, ledger = cast("Platform", network), Ledger(bench.folder / name)
    listener = Listener(platform, ledger, bench.queues(), genres, GENRE, manners=PATIENT)
    listener.poll()
    return listener


def way_to_the_queue(bench: Bench, backlogs: Sequence[int]) -> str:
    """Seconds from a mention to its job, by how many songs wait already."""
    lines = ["| songs that wait | seconds to the queue, median | slowest | of processor time |", "|---|---|---|---|"]
    for backlog in backlogs:
        network, task = Network(), bench.progress.add_task(f"backlog {backlog}", total=SAMPLES)
        listener = listening(bench, network, f"backlog-{backlog}.sqlite")
        network.posted = backlog
        listener.poll()
        listener.put_on_the_way()
        wall, cpu = [], []
        for _ in range(SAMPLES):
            network.posted += 1
            began, cpu_began = time.perf_counter(), time.process_time()
            listener.poll()
            listener.put_on_the_way()
            wall.append(time.perf_counter() - began)
            cpu.append(time.process_time() - cpu_began)
            bench.progress.advance(task)
        lines.append(f"| {backlog} | {median(wall):.3f} | {max(wall):.3f} | {median(cpu):.3f} |")
    return "\n".join(lines)


def burst(bench: Bench, songs: int, bars: int | None, way: Way) -> str:
    """A burst of requests."""
    queues = bench.queues()
    ask(queues, [f"burst-{number}" for number in range(songs)], bars)
    with Studios(bench, way) as studios:
        began = time.perf_counter()
        await_songs(bench, queues, songs, str(way))
        wall = time.perf_counter() - began
        reports = studios.reports()
    composed = sum(report["composing_seconds"] for report in reports)
    spent = sum(report["seconds"] for report in reports)
    times = sum(report["composed"] for report in reports)
    return (
        f"{60 * songs / wall:.1f} tracks a minute by the clock; {spent / songs:.2f} CPU seconds a track, of these "
        f"{composed / songs:.2f} composing ({60 * songs / composed:.1f} songs a CPU minute). {times:.0f} songs were "
        f"composed; a worker held {max(report['most_mb'] for report in reports):.0f} MB at most."
    )


def ask(queues: Queues, keys: Sequence[str], bars: int | None) -> None:
    """Put requests on the queue."""
    for key in keys:
        queues.ask(ComposeRequest(
            key=key, title="Robots", take=1, genre=GENRE, tempo_bpm=160.0, randomness=0.3, seed=seed_of(key), bars=bars
        ))  # fmt: skip


def await_songs(bench: Bench, queues: Queues, songs: int, what: str) -> None:
    """Wait until so many songs are handed over."""
    task, deliver = bench.progress.add_task(what, total=songs), open_queue(queues.deliver, queues.redis)
    while deliver.count < songs:
        bench.progress.update(task, completed=deliver.count)
        given_up = jobs_by_state(queues.compose, queues.redis)["given up"]
        assert not given_up, f"{given_up} songs were given up"
        time.sleep(0.2)
    bench.progress.update(task, completed=songs)


class Studios(ExitStack):
    """Workers that end with the block."""

    def __init__(self, bench: Bench, way: Way) -> None:
        super().__init__()
        environment = {**os.environ, "REDIS_URL": bench.redis_url, "LNH_STORE": str(bench.folder / "tracks")}
        command = [sys.executable, str(HERE / "load_studio.py"), "compose", way.composing, way.sound]
        self.processes = [
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) for _ in range(way.workers)
        ]
        for process in self.processes:
            self.callback(process.kill)
        redis = connect(bench.redis_url)
        while redis.scard("rq:workers:compose") < way.workers:
            time.sleep(0.1)

    def memory_mb(self) -> float:
        """What the first holds."""
        status = Path(f"/proc/{self.processes[0].pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1e3

    def reports(self) -> list[dict[str, float]]:
        """Tell all to end; what each has done."""
        for process in self.processes:
            process.terminate()
        return [json.loads(process.communicate()[0]) for process in self.processes]


def memory(bench: Bench, jobs: int, bars: int | None, way: Way) -> str:
    """What the first worker holds while one song is made after another."""
    held, queues, counts = [], bench.queues(), [look * jobs // LOOKS for look in range(LOOKS + 1)]
    with Studios(bench, way) as studios:
        for done, due in pairwise(counts):
            ask(queues, [f"memory-{number}" for number in range(done, due)], bars)
            await_songs(bench, queues, due, f"memory, {due} jobs")
            held.append(studios.memory_mb())
        reports = studios.reports()
    rows = [f"| {count} | {mb:.0f} |" for count, mb in zip(counts[1:], held, strict=True)]
    spent = f"{sum(report['seconds'] for report in reports) / jobs:.2f} CPU seconds a job."
    return "\n".join(["| jobs done | resident MB |", "|---|---|", *rows, "", spent])


def write(title: str, found: str) -> None:
    """Put what was found into the section of its title."""
    before = TABLES.read_text(encoding="utf-8") if TABLES.exists() else "# Load"
    head, *sections = before.rstrip("\n").split("\n\n## ")
    mine = f"{title}\n\n{found}\n\n`{' '.join(sys.argv)}`: {machine()}."
    titles = [section.partition("\n")[0] for section in sections]
    if title in titles:
        sections[titles.index(title)] = mine
    else:
        sections.append(mine)
    TABLES.write_text("\n\n## ".join([head, *sections]) + "\n", encoding="utf-8")
    print(f"## {mine}\n", flush=True)


def main() -> None:
    """Measure what is asked for."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C, so that no worker stays
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, default=0, help="read so many posts in one go, say 10000")
    parser.add_argument("--backlog", type=int, default=0, help="let so many songs wait, say 10000, beside a line of 10")
    parser.add_argument("--burst", type=int, default=0, help="ask for so many songs at once, say 100")
    parser.add_argument("--jobs", type=int, default=0, help="look at a worker's memory over so many songs, say 1000")
    parser.add_argument("--workers", type=int, nargs="+", default=[1], help="for a burst [1]")
    parser.add_argument("--composing", choices=("alone", "together"), nargs="+", default=["together"])
    parser.add_argument("--sound", choices=SOUND, default="real", help="what a song becomes [real]")
    parser.add_argument("--bars", type=int, help="length of the songs [45 to 60 seconds]")
    asked = parser.parse_args()
    length = "the usual length" if asked.bars is None else f"{asked.bars} bar{'s' * (asked.bars > 1)}"
    of_bars = f"{GENRE} songs of {length}"
    with (
        TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        private_redis({"PATH": os.environ["PATH"]}) as redis_url,
        Progress(console=Console(stderr=True, force_terminal=True), refresh_per_second=1) as progress,  # also in a file
    ):
        bench = Bench(redis_url=redis_url, folder=Path(folder), progress=progress)
        if asked.posts:
            write("Posts", posts_a_second(bench, asked.posts))
        if asked.backlog:
            write("From mention to queue", way_to_the_queue(bench, (SHORT_LINE, asked.backlog)))
        for workers, composing in product(asked.workers, asked.composing) if asked.burst else ():
            way = Way(workers=workers, composing=composing, sound=asked.sound)
            write(f"A burst of {asked.burst} {of_bars}: {way}", burst(bench, asked.burst, asked.bars, way))
        if asked.jobs:
            way = Way(workers=1, composing="together", sound=asked.sound)
            write(f"Memory over {asked.jobs} {of_bars}: {way}", memory(bench, asked.jobs, asked.bars, way))


if __name__ == "__main__":
    main()

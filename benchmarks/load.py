"""What the band bears: posts a second, the way to the queue, a burst of requests, memory over many jobs.

    python benchmarks/load.py [--posts N] [--backlog N] [--burst N] [--jobs N] [--sound real|none] [--bars N]

writes its tables to benchmarks/load.md. A part is left out with 0. Redis is private and real, and so is all of the bot
but its network.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Event

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from load_studio import GENRE  # noqa: E402
from machine import machine  # noqa: E402
from rich.progress import Progress  # noqa: E402

from bot.ledger import Ledger  # noqa: E402
from bot.listener import Listener  # noqa: E402
from bot.manners import Manners  # noqa: E402
from bot.mention import Mention  # noqa: E402
from bot.platforms.base import Page  # noqa: E402
from model.genre import load_genres  # noqa: E402
from model.request import ComposeRequest, seed_of  # noqa: E402
from worker.connection import connect  # noqa: E402
from worker.private_redis import private_redis  # noqa: E402
from worker.queue import Queues, jobs_by_state, open_queue  # noqa: E402

SAMPLES = 10  # mentions, each timed on its way to the queue
SHORT_LINE = 10  # backlog to compare with
LOOKS = 5  # at the memory of a worker
PATIENT = Manners(songs_a_day=10**6, longest_line=10**6)


class Network:
    """A platform where everybody asks for a song, each a person of their own."""

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


def posts_a_second(bench: Bench, posts: int) -> list[str]:
    """Posts read, understood, written into the ledger and put on the queue, in one go."""
    network, task = Network(), bench.progress.add_task("posts", total=posts)
    listener = listening(bench, network, "posts.sqlite")
    network.posted = posts
    began, cpu = time.perf_counter(), time.process_time()
    listener.poll()
    listener.put_on_the_way()
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    bench.progress.update(task, completed=posts)
    return [
        f"{posts} posts in one go: {posts / cpu:.0f} accepted a second of processor time ({posts / wall:.0f} a second "
        "by the clock), each read, understood, written into the ledger and put on the queue."
    ]


def listening(bench: Bench, network: Network, name: str) -> Listener:
    """A listener that has read the network's bookmark, with a ledger of its own and empty queues."""
    genres = {GENRE: load_genres()[GENRE]}
    listener = Listener(network, Ledger(bench.folder / name), bench.queues(), genres, GENRE, manners=PATIENT)
    listener.poll()
    return listener


def way_to_the_queue(bench: Bench, backlogs: Sequence[int]) -> list[str]:
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
    return lines


def burst(bench: Bench, songs: int, sound: str, bars: int | None) -> list[str]:
    """A burst of requests, by how many workers there are and how they compose."""
    lines = [
        "| workers | composing | tracks a minute | CPU seconds a track | of these composing | composed a CPU minute |",
        "|---|---|---|---|---|---|",
    ]
    for workers, composing in ((1, "alone"), (1, "together"), (2, "alone"), (2, "together")):
        queues, keys = bench.queues(), [f"burst-{number}" for number in range(songs)]
        ask(queues, keys, bars)
        with Studios(bench, workers, composing, sound) as studios:
            began = time.perf_counter()
            await_songs(bench, queues, songs, f"{workers} × {composing}")
            wall = time.perf_counter() - began
            reports = studios.reports()
        composed = sum(report["composing_seconds"] for report in reports)
        spent = sum(report["seconds"] for report in reports)
        lines.append(
            f"| {workers} | {composing} | {60 * songs / wall:.1f} | {spent / songs:.1f} | {composed / songs:.2f} "
            f"| {60 * songs / composed:.1f} |"
        )
    return lines


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

    def __init__(self, bench: Bench, workers: int, composing: str, sound: str) -> None:
        super().__init__()
        environment = {**os.environ, "REDIS_URL": bench.redis_url, "LNH_STORE": str(bench.folder / "tracks")}
        command = [sys.executable, str(HERE / "load_studio.py"), "compose", composing, sound]
        self.processes = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) for _ in range(workers)]
        for process in self.processes:
            self.callback(process.kill)
        redis = connect(bench.redis_url)
        while redis.scard("rq:workers:compose") < workers:
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


def memory(bench: Bench, jobs: int) -> list[str]:
    """What a worker holds while it composes one song of four bars after another; the sound is a stub."""
    held, queues = [], bench.queues()
    with Studios(bench, 1, "together", "none") as studios:
        for look in range(LOOKS):
            ask(queues, [f"memory-{number}" for number in range(look * jobs // LOOKS, (look + 1) * jobs // LOOKS)], 4)
            await_songs(bench, queues, (look + 1) * jobs // LOOKS, f"memory, {look + 1} of {LOOKS}")
            held.append(f"{(look + 1) * jobs // LOOKS} jobs {studios.memory_mb():.0f} MB")
    return [f"A worker holds after {', '.join(held)}. Songs of four bars, really composed; the sound is a stub."]


def main() -> None:
    """Measure what is asked for, write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, default=10_000, help="posts read in one go [10000]")
    parser.add_argument("--backlog", type=int, default=10_000, help="songs that wait, beside a line of 10 [10000]")
    parser.add_argument("--burst", type=int, default=100, help="requests at once [100]")
    parser.add_argument("--jobs", type=int, default=1000, help="for the memory of a worker [1000]")
    parser.add_argument("--sound", choices=("real", "none"), default="real", help="of the burst [real]")
    parser.add_argument("--bars", type=int, help="of the burst's songs [45 to 60 seconds]")
    asked = parser.parse_args()
    tables = [f"By `python benchmarks/load.py {' '.join(sys.argv[1:])}`.", ""]
    with (
        TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        private_redis({"PATH": os.environ["PATH"]}) as redis_url,
        Progress() as progress,
    ):
        bench = Bench(redis_url=redis_url, folder=Path(folder), progress=progress)
        if asked.posts:
            tables += ["## Posts", "", *posts_a_second(bench, asked.posts), ""]
        if asked.backlog:
            tables += ["## From mention to queue", "", *way_to_the_queue(bench, (SHORT_LINE, asked.backlog)), ""]
        if asked.burst:
            sound = "with sound and picture" if asked.sound == "real" else "composed, without sound and picture"
            songs = f"{asked.burst} {GENRE} songs of {asked.bars or 'the usual'} bars, {sound}."
            tables += ["## A burst", "", songs, "", *burst(bench, asked.burst, asked.sound, asked.bars), ""]
        if asked.jobs:
            tables += ["## Memory", "", *memory(bench, asked.jobs), ""]
    text = "\n".join(["# Load", "", f"{machine()}.", *tables])
    (HERE / "load.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()

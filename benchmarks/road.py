"""Seconds from a post to its reply, by stage: a real worker, a private Redis, the console.

    python benchmarks/road.py [SONGS]

writes its table to benchmarks/road.md.
"""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Thread

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from machine import machine  # noqa: E402

from bot.ledger import Ledger  # noqa: E402
from bot.platforms.console import ConsolePlatform  # noqa: E402
from bot.play import WORK  # noqa: E402
from bot.post import Post  # noqa: E402
from bot.service import Bot  # noqa: E402
from bot.settings import Settings  # noqa: E402
from worker.connection import connect  # noqa: E402
from worker.private_redis import kept, private_redis  # noqa: E402
from worker.queue import Queues  # noqa: E402
from worker.store import Store  # noqa: E402

POST = "@lnh_ai Dancing robots {} /compose /g heavy-metal /t 160 /r 0.2"
STUDIO = ("compose", "render", "mix", "picture", "encode", "verify")  # as the studio measures itself


def main() -> None:
    """Play songs one after the other, and write the table."""
    songs = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    with TemporaryDirectory() as data, private_redis({"PATH": os.environ["PATH"]}) as redis_url:
        warm_seconds, posts = play(songs, redis_url, Path(data))
    text = "\n".join([*heading(songs), "", *table(posts), "", *footing(warm_seconds, posts), ""])
    (HERE / "road.md").write_text(text, encoding="utf-8")
    print(text)


def play(songs: int, redis_url: str, data: Path) -> tuple[float, list[Post]]:
    """Seconds until the worker was ready, and the rows of the songs."""
    environment = {**os.environ, "REDIS_URL": redis_url, "LNH_DATA": str(data)}
    settings = Settings.from_environment(environment)
    ledger, queues = Ledger(settings.ledger), Queues(connect(redis_url))
    reader, writer = os.pipe()
    console = ConsolePlatform(os.fdopen(reader), sys.stderr, data / "out")
    bot = Bot([console], ledger, queues, Store(settings.studio.store_url), settings)
    began = time.monotonic()
    with kept(WORK, data / "worker", environment):
        while not queues.redis.scard("rq:workers:compose"):
            time.sleep(0.05)
        warm_seconds = time.monotonic() - began
        Thread(target=post_songs, args=(songs, writer, ledger, bot), daemon=True).start()
        bot.run()
    return warm_seconds, ledger.posts()


def post_songs(songs: int, writer: int, ledger: Ledger, bot: Bot) -> None:
    """One after the other, so that none waits for another."""
    with os.fdopen(writer, "w") as console:
        for number in range(1, songs + 1):
            print(POST.format(number), file=console, flush=True)
            while sum(not post.open for post in ledger.posts()) < number:
                time.sleep(0.05)
    bot.stop()


def seconds_by_stage(post: Post) -> dict[str, float]:
    """What a song took, from the moment it was written."""
    times, stages = post.times, post.track.stage_seconds if post.track else {}
    studio = sum(stages.get(name, 0.0) for name in STUDIO)
    written = post.mention.created_at.timestamp()
    return {
        "read and accept": times["composing"] - written,
        **{name: stages.get(name, 0.0) for name in STUDIO},
        "queues and store": times["rendered"] - times["composing"] - studio,
        "upload and reply": times["posted"] - times["rendered"],
        "from post to reply": times["posted"] - written,
    }


def heading(songs: int) -> list[str]:
    """Where and when this was measured."""
    return [
        "# Seconds from post to reply",
        "",
        f"{machine()}; about 2 of the load is ours.",
        f"{songs} songs one after the other through a warm worker, by `python benchmarks/road.py {songs}`.",
    ]


def table(posts: Sequence[Post]) -> list[str]:
    """Median and slowest by stage."""
    rows = [seconds_by_stage(post) for post in posts]
    lines = ["| stage | median s | slowest s |", "|---|---|---|"]
    for stage in rows[0]:
        values = [row[stage] for row in rows]
        lines.append(f"| {stage} | {median(values):.2f} | {max(values):.2f} |")
    return lines


def footing(warm_seconds: float, posts: Sequence[Post]) -> list[str]:
    """What the table does not say."""
    lengths: Mapping[str, float] = {post.key: post.track.seconds for post in posts if post.track}
    return [
        f"The songs are {min(lengths.values()):.0f} to {max(lengths.values()):.0f} s long. "
        f"A worker is ready {warm_seconds:.1f} s after its start, the band loaded.",
        "The console is read twice a second; a network adds the time between two readings and that of its upload.",
    ]


if __name__ == "__main__":
    main()

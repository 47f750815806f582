"""One post through the whole loop on this machine: a private Redis, a worker, the console."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from threading import Event, Thread
from typing import IO, TextIO

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bot.ledger import Ledger
from bot.parse import NotUnderstood, parse
from bot.platforms.base import Page
from bot.platforms.console import ConsolePlatform
from bot.post import Post
from bot.service import Bot
from bot.settings import Settings
from model.errors import NeedsOperator, make_folder
from worker.connection import connect
from worker.private_redis import kept, private_redis
from worker.queue import COMPOSE, DELIVER, Queues, open_queue
from worker.store import Store

SAID = {
    "seen": "reading the post", "accepted": "calling the band together", "composing": "composing, playing and mixing",
    "rendered": "taking the track to the console", "uploaded": "posting", "posted": "posted",
    "refused": "answering", "failed": "apologising", "left": "left", "done": "done", "deleted": "taken down",
}  # fmt: skip

WORK = (sys.executable, "-m", "bot", "work")


class PlayedPost(ConsolePlatform):
    """A console with one post, whose key comes from its words: the same post gives the same score again."""

    poll_seconds = 3600.0

    def __init__(self, text: str, out: TextIO, folder: Path) -> None:
        super().__init__([" ".join(text.split())], out, folder)

    def pages(self, bookmark: str) -> Iterator[Page]:
        """The post, under the name that its words give it."""
        for page in super().pages(bookmark):
            mentions = (replace(each, root_id=_digest(each.text)) for each in page.mentions)
            yield replace(page, mentions=tuple(mentions))


def play(
    text: str,
    folder: Path,
    out: TextIO,
    settings: Settings,
    environment: Mapping[str, str],
    *,
    work: Sequence[str] = WORK,
) -> Post:
    """Play one post and write the reply out; leaves .mp3, .mp4, .mid and .png of a song in a folder.

    Whatever was started here ends with this process, also when that is killed.

    Raises:
        NeedsOperator: The post asks for nothing, there is no Redis, the worker cannot start.
    """
    _expect_command(text, settings)
    with (
        TemporaryDirectory(prefix="lnh-play-", ignore_cleanup_errors=True) as data,
        private_redis(environment) as redis_url,
    ):
        mine = Path(data).name.removeprefix("lnh-")
        queues = Queues(connect(redis_url), f"{COMPOSE}-{mine}", f"{DELIVER}-{mine}")  # the Redis may be shared
        ledger = Ledger(Path(data) / "ledger.sqlite")
        make_folder(folder)
        store = Store(str(folder.resolve()))
        ours = {**environment, "REDIS_URL": redis_url, "LNH_STORE": store.url}
        bot = Bot([PlayedPost(text, out, folder)], ledger, queues, store, settings)
        try:
            with (
                TemporaryFile() as said,  # of ours, for the folder goes when the worker ends
                _worker([*work, "--queue", queues.compose], ours, Path(data), said) as worker,
            ):
                _run(bot, ledger, worker)
                return _finished(ledger, worker, said)
        finally:
            for queue in (queues.compose, queues.to(PlayedPost.name).deliver):
                open_queue(queue, queues.redis).delete()
            ledger.close()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _expect_command(text: str, settings: Settings) -> None:
    try:
        command = parse(text, settings.genres, settings.default_genre)
    except NotUnderstood:
        return  # is said in the reply
    if command is None:
        raise NeedsOperator('this post asks for nothing; try "Dancing robots /compose", or "/help"')


@contextmanager
def _worker(
    command: Sequence[str], environment: Mapping[str, str], data: Path, errors: IO[bytes]
) -> Iterator[subprocess.Popen[bytes]]:
    """A worker as a process of its own; what it has in hand goes with our data folder."""
    with kept(command, data, {**environment, "TMPDIR": str(data)}, errors.fileno()) as worker:
        yield worker


def _run(bot: Bot, ledger: Ledger, worker: subprocess.Popen[bytes]) -> None:
    """Serve until the post is answered or the worker has ended."""
    ended = Event()
    watch = Thread(target=_watch, args=(bot, ledger, worker, ended), daemon=True)
    watch.start()
    try:
        bot.run()
    finally:
        ended.set()
        watch.join()


def _watch(bot: Bot, ledger: Ledger, worker: subprocess.Popen[bytes], ended: Event) -> None:
    """Show how far the post has come, on a terminal, until there is nothing left to wait for."""
    console = Console(stderr=True)
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(SAID["seen"])
        while not ended.wait(0.1) and worker.poll() is None:
            posts = ledger.posts()
            progress.update(task, description=SAID[posts[0].state] if posts else SAID["seen"])
            if posts and not posts[0].open:
                break
    bot.stop()


def _finished(ledger: Ledger, worker: subprocess.Popen[bytes], errors: IO[bytes]) -> Post:
    posts = ledger.posts()
    if posts and not posts[0].open:
        return posts[0]
    if worker.poll() is None:
        raise KeyboardInterrupt  # the signal went to the service, which has ended cleanly
    errors.seek(0)
    said = errors.read().decode(errors="replace").strip().splitlines()
    raise NeedsOperator(f"the worker ended: {said[-1].removeprefix('lnh: ') if said else 'it said nothing'}")

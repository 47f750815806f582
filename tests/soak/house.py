"""The band's processes, which can be killed and come back."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory

import fake_mastodon
import fake_x
from redis import Redis
from redis.exceptions import RedisError

from bot.status import workers_of
from soak.nursery import Child
from worker.private_redis import server_path
from worker.queue import COMPOSE

SECONDS_TO_END = 20
WORKERS = 2
DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL")  # then runs the program in its place
PATIENCE = {"LNH_SONGS_A_DAY": "1000000", "LNH_LONGEST_LINE": "1000000"}
TIDINESS = {"LNH_KEEP_TRACKS_DAYS": "0.003"}  # four minutes: each bot that starts sweeps the store
SECRETS = dict(zip(("X_API_KEY", "X_API_SECRET", "X_ACCESS_TOKEN", "X_ACCESS_SECRET"), fake_x.KEYS, strict=True))


class Server:
    """Redis, and those that come after it."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._command, self._log = command, folder / "redis.log"
        self._process: subprocess.Popen[bytes] | None = None

    def revive(self) -> None:
        """Start it unless it runs."""
        if self._process is not None and self._process.poll() is None:
            return
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*DIE_WITH_PARENT, *self._command], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def kill(self) -> None:
        """With -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def log(self) -> str:
        return self._log.read_text(errors="replace")


class Program:
    """A bot or a worker, and those that come after it; must be used by one thread, but for `kill`."""

    def __init__(self, name: str, environment: Mapping[str, str], folder: Path, log: str, *arguments: str) -> None:
        self._birth = (name, dict(environment), folder, folder / f"{log}.log", arguments)
        self._child: Child | None = None

    def revive(self) -> None:
        """Start it unless it runs."""
        if self._child is None or not self._child.is_alive():
            self._child = Child(*self._birth)

    def kill(self) -> None:
        """With -9."""
        if self._child is not None:
            self._child.send(signal.SIGKILL)
            self._child.wait(None)

    def end(self) -> None:
        """As an operator does."""
        if self._child is not None:
            self._child.send(signal.SIGTERM)
            if not self._child.wait(SECONDS_TO_END):
                self.kill()

    def ask_where_it_stands(self) -> None:
        """Have each of its threads say so in the log; only a process that expects this signal survives it."""
        if self._child is not None:
            self._child.send(signal.SIGUSR1)

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    def log(self) -> str:
        log = self._birth[3]
        return log.read_text(errors="replace") if log.exists() else ""


class House:
    """Redis with a file to which it appends, a bot on two networks, and workers with a stub band."""

    def __init__(self, folder: Path, redis_folder: Path, urls: Mapping[str, str], band_seconds: float) -> None:
        self._redis_folder = redis_folder
        self.ledger = folder / "data" / "ledger.sqlite"
        self._socket = f"unix://{redis_folder}/redis.sock"
        own = {
            "REDIS_URL": self._socket, "LNH_DATA": str(folder / "data"), "LNH_STORE": str(folder / "tracks"),
            "TMPDIR": str(folder), **PATIENCE, **TIDINESS,
        }  # fmt: skip
        plain = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        tokens = {"MASTODON_BASE_URL": urls["mastodon"], "MASTODON_ACCESS_TOKEN": fake_mastodon.TOKEN, **SECRETS}
        self.redis = Server(_redis_command(redis_folder), redis_folder)
        self.bot = Program("hurried_bot", {**plain, **own, **tokens}, folder, "bot", urls["x"])
        self.workers = [
            Program("hurried_studio", {**plain, **own}, folder, f"worker-{number}", str(band_seconds))
            for number in range(WORKERS)
        ]

    def revive(self) -> None:
        """Start what does not run, as an operator's system does."""
        for program in (self.redis, self.bot, *self.workers):
            program.revive()

    def who_composes(self) -> Program | None:
        """A worker with a song in hand."""
        try:
            with Redis.from_url(self._socket) as redis:
                busy = [each.name for each in workers_of(COMPOSE, redis) if each.get_current_job_id()]
        except RedisError:  # it is down, or reads its file
            return None
        return next((worker for worker in self.workers for name in busy if f"-{worker.pid}-" in name), None)

    def wipe_redis(self) -> None:
        try:
            with Redis.from_url(self._socket) as redis:
                redis.flushall()
        except RedisError:  # it is down, or reads its file
            return

    def empty_redis(self) -> None:
        """Kill it, with all that it kept."""
        self.redis.kill()
        for path in self._redis_folder.glob("appendonly*"):
            rmtree(path) if path.is_dir() else path.unlink()

    def await_redis(self) -> None:
        self.redis.revive()
        deadline = time.monotonic() + 30
        with Redis.from_url(self._socket) as redis:
            while time.monotonic() < deadline:
                try:
                    redis.ping()
                    return
                except RedisError:
                    time.sleep(0.05)
        raise AssertionError(f"Redis did not start: {self.redis.log()}")


@contextmanager
def open_house(folder: Path, urls: Mapping[str, str], band_seconds: float) -> Iterator[House]:
    """A house at work, which is closed at the end."""
    with TemporaryDirectory(prefix="lnh-soak-", dir="/tmp") as redis_folder:  # the kernel wants a short path
        house = House(folder, Path(redis_folder), urls, band_seconds)
        try:
            house.await_redis()
            house.revive()
            yield house
        finally:
            for program in (house.bot, *house.workers, house.redis):
                program.kill()


def _redis_command(folder: Path) -> list[str]:
    options = {
        "port": "0", "unixsocket": f"{folder}/redis.sock", "dir": str(folder), "save": "",
        "appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction",
    }  # fmt: skip
    return [str(server_path(os.environ)), *(word for name, value in options.items() for word in (f"--{name}", value))]

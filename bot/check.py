"""`lnh check`: is this installation sound?"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from typing import NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bot import platforms
from bot.ledger import Ledger
from bot.settings import Settings
from model.errors import NeedsOperator
from worker.private_redis import server_path
from worker.queue import connect, shown
from worker.store import Store

SECONDS_ALLOWED = 120  # for the bands to be loaded on a busy machine


class Finding(NamedTuple):
    """One line of the table."""

    what: str
    found: str
    sound: bool


def installation(environment: Mapping[str, str]) -> bool:
    """Print what was found as a table; whether all of it is sound."""
    findings = [*_studio(), *_bot(environment)]
    table = Table(show_header=False, box=None)
    for what, found, sound in findings:
        table.add_row("[green]✓[/]" if sound else "[red]✗[/]", escape(what), escape(found))
    Console(soft_wrap=True).print(table)
    return all(finding.sound for finding in findings)


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
    yield _find("settings", lambda: f"default genre {Settings.from_environment(environment).default_genre}")
    yield _find("redis", lambda: _redis(environment))
    yield _find("store", lambda: Store(Settings.from_environment(environment).studio.store_url).url)
    yield _find("ledger", lambda: _ledger(Settings.from_environment(environment)))
    yield _find("platforms", lambda: _platforms(environment))


def _find(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, look(), True)
    except NeedsOperator as error:
        return Finding(what, str(error), False)


def _redis(environment: Mapping[str, str]) -> str:
    if url := environment.get("REDIS_URL"):
        connect(url).close()
        return f"{shown(url)} answers"
    if path := server_path(environment):
        return f"REDIS_URL is not set; `lnh play` starts {path}"
    raise NeedsOperator("REDIS_URL is not set and there is no redis-server to start; install one or set it")


def _ledger(settings: Settings) -> str:
    if not settings.ledger.exists():
        return f"{settings.ledger}, at the first start"
    ledger = Ledger(settings.ledger)
    try:
        return f"{settings.ledger}, {sum(ledger.counts().values())} posts"
    finally:
        ledger.close()


def _platforms(environment: Mapping[str, str]) -> str:
    names = [platform.name for platform in platforms.connect(environment)]
    return ", ".join(names) or "none is switched on; `lnh bot` needs one, see .env.example"

"""The bot's commands."""

import io
import json
import logging
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from bot import platforms
from bot.check import installation
from bot.housekeeping import Housekeeping, Keeping
from bot.ledger import Ledger
from bot.live_genres import LiveGenres
from bot.metrics import House, serve_metrics
from bot.parse import Compose, NotUnderstood, parse
from bot.play import play
from bot.service import Bot
from bot.settings import Settings, read_environment
from bot.status import show_status
from model.errors import NeedsOperator
from model.genre import Genre
from worker.connection import connect
from worker.queue import Queues
from worker.service import look_again
from worker.store import Store


@click.command(name="play")
@click.argument("post")
@click.option("--out", "folder", type=click.Path(path_type=Path), default="out", show_default=True, help="Folder.")
def play_command(post: str, folder: Path) -> None:
    """Play one post through the whole loop on this machine: a private Redis, a worker, the console.

    Prints the reply, and leaves .mp3, .mp4, .mid and .png in a folder. The same post gives the same score again.

    \b
    Example:
      lnh play "@lnh_ai Dancing robots /compose /g heavy-metal /t 160 /r 0.2" --out out/demo
    """
    if logging.getLogger().level == logging.INFO:
        logging.getLogger().setLevel(logging.WARNING)  # the reply is what was asked for
    environment = read_environment()
    reply = io.StringIO()
    played = play(post, folder, reply, Settings.from_environment(environment), environment)
    click.echo(reply.getvalue(), nl=False)
    if played.state == "failed":
        raise NeedsOperator(f"the song failed: {played.reason}")


@click.command(name="bot")
def bot_command() -> None:
    """Listen for mentions and post replies, until SIGTERM or Ctrl-C; the deliveries in hand are finished.

    SIGHUP has the genre files, the block list and the word list read again.
    """
    environment = read_environment()
    settings = Settings.from_environment(environment)
    switched_on = platforms.connect(environment)
    if not switched_on:
        raise NeedsOperator("no platform is switched on, by .env or the environment; see .env.example")
    queues = Queues(connect(settings.studio.redis_url))
    ledger, store = Ledger(settings.ledger), Store(settings.studio.store_url)
    beside = [Housekeeping(ledger, store, Keeping.from_environment(environment, settings.manners)).run]
    if where := environment.get("LNH_METRICS", "").strip():
        beside.append(partial(serve_metrics, where, House(ledger, queues.redis, settings)))
    genres, lists = LiveGenres(settings.genres, settings.default_genre), settings.manners.lists

    def look() -> None:
        look_again(genres.read_again)
        look_again(lists.read_again, "the lists of LNH_BLOCKED and LNH_WORDS")

    settings = replace(settings, genres=genres)
    Bot(switched_on, ledger, queues, store, settings, beside=beside, on_hang_up=look).run()


@click.command(name="check")
def check_command() -> None:
    """Say whether this installation is sound; exit status 1 if it is not."""
    if not installation(read_environment()):
        raise NeedsOperator("this installation is not sound; see the lines marked ✗")


@click.command(name="status")
def status_command() -> None:
    """Show queues, workers, ledger and last poll; exit status 1 if something does not run as it should."""
    if troubles := show_status(Settings.from_environment(read_environment())):
        raise NeedsOperator("; ".join(troubles))


@click.command(name="parse")
@click.option("--jsonl", is_flag=True, required=True, help="Posts and answers as JSON lines; the one way there is.")
def parse_command(jsonl: bool) -> None:  # noqa: ARG001 - says the format, and leaves room for another
    """Read posts as the bot would, and say what it understood.

    Each line of standard input is a JSON string, a post; each line of standard output is an object:

    \b
      {"command": null}                        the band was not asked for anything
      {"command": "help"}                      or "stop", "start", "again", "delete"
      {"command": "compose", "title", "genre", "tempo_bpm", "randomness", "remarks": []}
      {"command": "compose", "refusal": "…"}   what the band would reply
      {"error": "line 3: …"}                   no JSON string; the exit status will be 1

    An untitled song has the title "". A post that names no genre is played in LNH_DEFAULT_GENRE (heavy-metal).
    Empty lines are passed over.

    \b
    Example:
      echo '"Dancing robots /compose /g metal /t 160"' | lnh parse --jsonl
    """
    settings = Settings.from_environment(read_environment())
    bad = 0
    for answer in _read_posts(sys.stdin.buffer, settings.genres, settings.default_genre):
        bad += "error" in answer
        click.echo(json.dumps(answer))  # which flushes
    if bad:
        raise NeedsOperator(f"standard input: {bad} line(s) were no JSON string; write each post as one, in quotes")


def _read_posts(lines: Iterable[bytes], genres: Mapping[str, Genre], default_genre: str) -> Iterator[dict[str, object]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            post = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield {"error": f"line {number}: not JSON: {error}"}
            continue
        if isinstance(post, str):
            yield _understood(post, genres, default_genre)
        else:
            yield {"error": f"line {number}: a JSON {type(post).__name__}, not a string"}


def _understood(post: str, genres: Mapping[str, Genre], default_genre: str) -> dict[str, object]:
    """One post as the object that `lnh parse` prints."""
    try:
        command = parse(post, genres, default_genre)
    except NotUnderstood as refusal:
        return {"command": "compose", "refusal": str(refusal)}
    match command:
        case Compose():
            return {
                "command": "compose",
                "title": command.title,
                "genre": command.genre,
                "tempo_bpm": command.tempo_bpm,
                "randomness": command.randomness,
                "remarks": list(command.remarks),
            }
        case None:
            return {"command": None}
        case _:
            return {"command": type(command).__name__.lower()}

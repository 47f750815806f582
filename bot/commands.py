"""The bot's commands."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping

import click

from bot.parse import Compose, Help, NotUnderstood, parse
from bot.settings import Settings, read_environment
from model.errors import NeedsOperator
from model.genre import Genre


@click.command(name="parse")
@click.option("--jsonl", is_flag=True, required=True, help="Posts and answers as JSON lines; the one way there is.")
def parse_command(jsonl: bool) -> None:  # noqa: ARG001 - says the format, and leaves room for another
    """Read posts as the bot would, and say what it understood.

    Each line of standard input is a JSON string, a post; each line of standard output is an object:

    \b
      {"command": null}                        the band was not asked for anything
      {"command": "help"}
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
        case Help():
            return {"command": "help"}
        case None:
            return {"command": None}

"""`lnh ledger`: for the operator, who may look into it, mend single posts, and keep a copy."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import get_args

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bot.ledger import Ledger
from bot.ledger_file import copy_back, is_there
from bot.post import Post, State
from bot.reception import SEEN_BY_MANY
from bot.settings import Settings, read_environment
from model.errors import NeedsOperator, writing

BY_HAND = "given up by the operator"
PRIVATE = "(private)"


@click.group(name="ledger")
def ledger_command() -> None:
    """List, show, retry and give up posts; back the ledger up and restore it.

    The bot may run meanwhile, but for `restore`. What was written in private is never shown.

    \b
    Examples:
      lnh ledger list --state failed
      lnh ledger retry mastodon-1138
      lnh ledger back-up ledger-2026-11-22.sqlite
    """


@ledger_command.command(name="list")
@click.option("--state", type=click.Choice(get_args(State)), help="Only posts in this state.")
@click.option("--open", "open_only", is_flag=True, help="Only posts with something left to do or say.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10**9), help="The newest so many.")
def list_posts(state: State | None, open_only: bool, limit: int) -> None:
    """List posts, the newest last."""
    with _opened() as ledger:
        posts = ledger.newest(limit, state, open_only=open_only)
    table = Table("key", "state", "left to do", "last change", "genre", "reason")
    for post in reversed(posts):
        genre = post.request.genre if post.request else ""
        table.add_row(post.key, post.state, "yes" if post.open else "", _moment(max(post.times.values())), genre,
                      escape(_unless_private(post, post.reason)))  # fmt: skip
    Console(soft_wrap=True).print(table)


@ledger_command.command(name="show")
@click.argument("key")
def show_post(key: str) -> None:
    """Show all that is known of one post."""
    with _opened() as ledger:
        post = _find(ledger, key)
    track, request = post.track, post.request
    facts = {
        "key": post.key,
        "from": f"{post.mention.author_handle} on {post.mention.platform}, {post.mention.visibility}",
        "post": _unless_private(post, post.mention.text),
        "asks for": request and f"{_unless_private(post, request.title)}, take {request.take}: {request.genre},"
        f" {request.tempo_bpm:g} bpm, randomness {request.randomness:g}, seed {request.seed}",
        "state": post.state + (", something is left to do" if post.open else ""),
        "reason": _unless_private(post, post.reason),
        "answer": post.reply_id,
        "track": track and f"{track.seconds:.0f} s in {track.musical_key},"
        f" produced in {sum(track.stage_seconds.values()):.0f} s",
        **{f"  {state}": _moment(moment) for state, moment in sorted(post.times.items(), key=lambda each: each[1])},
    }
    for name, value in facts.items():
        if value:
            click.echo(f"{name:<12}{''.join(each if each.isprintable() else '�' for each in value)}")


@ledger_command.command(name="retry")
@click.argument("key")
def retry_post(key: str) -> None:
    """Try a post again at once: one that waits, or one that failed without a word.

    What was answered, be it with an apology, is not answered twice.
    """
    with _opened() as ledger:
        post = _find(ledger, key)
        if not ledger.retry(key):
            raise NeedsOperator(f"{key}: is {post.state}; {_why_not(post)}")
    click.echo(f"{key}: will be tried again when `lnh bot` next looks")


@ledger_command.command(name="give-up")
@click.argument("key")
def give_up_post(key: str) -> None:
    """Give an open post up.

    Its author is told that the song failed; given up once more, or where no song was asked for, nothing is said.
    """
    with _opened() as ledger:
        post = _find(ledger, key)
        if not post.open:
            raise NeedsOperator(f"{key}: is {post.state}, and nothing is left to do about it")
        if post.request is None or post.state == "failed":
            ledger.close_post(key, BY_HAND)
        else:
            ledger.fail(key, BY_HAND)
    click.echo(f"{key}: given up")


@ledger_command.command(name="back-up")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def back_up(file: Path) -> None:
    """Copy the ledger to a new file, whole, while the bot runs."""
    with _opened() as ledger:
        with writing(file):
            if file.exists():
                raise NeedsOperator(f"{file}: is there already; name another file")
            if not file.parent.exists():
                raise NeedsOperator(f"{file}: there is no such folder; make it, or name another")
        ledger.copy_to(file)
    click.echo(f"{file}: {file.stat().st_size} bytes")


@ledger_command.command(name="restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
def restore(file: Path) -> None:
    """Put a back-up in the place of a ledger that was lost.

    Stop the bot first, and move what is left of the old one away.
    """
    settings = Settings.from_environment(read_environment())
    if is_there(settings.ledger):
        raise NeedsOperator(f"{settings.ledger}: is there still; stop the bot, and move it and its -wal and -shm away")
    with writing(settings.data):
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    copy_back(file, settings.ledger)
    with closing(Ledger(settings.ledger)) as ledger:
        click.echo(f"{settings.ledger}: {sum(ledger.counts().values())} posts; start the bot")


@contextmanager
def _opened() -> Iterator[Ledger]:
    path = Settings.from_environment(read_environment()).ledger
    if not is_there(path):
        raise NeedsOperator(f"{path}: no ledger yet; start `lnh bot`, or set LNH_DATA to its folder")
    with closing(Ledger(path)) as ledger:
        yield ledger


def _find(ledger: Ledger, key: str) -> Post:
    post = ledger.find(key)
    if post is None:
        raise NeedsOperator(f"{key}: no such post in the ledger; see `lnh ledger list`")
    return post


def _why_not(post: Post) -> str:
    if post.reply_id is not None:
        return f"it was answered with {post.reply_id}, and nothing is answered twice"
    if post.state in ("failed", "refused"):
        return "its author wrote /stop and wants no answer of ours"
    return "it was left or done without an answer, on purpose"


def _unless_private(post: Post, words: str) -> str:
    return words if post.mention.visibility in SEEN_BY_MANY or not words else PRIVATE


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))

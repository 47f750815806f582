"""`lnh`: every command, and the one place that turns our errors into one line."""

import importlib
import logging
import re
import signal
import sys

import click

from bot.parse import Compose, NotUnderstood, Stop, parse
from bot.settings import Settings, read_environment
from model.errors import NeedsOperator
from worker.logs import write_logs

COMMANDS = {
    "play": ("bot.commands", "One post through the whole loop on this machine."),
    "compose": ("worker.commands", "Music straight from the model, no queue."),
    "parse": ("bot.commands", "Read posts as JSON lines, write what was understood."),
    "bot": ("bot.commands", "Service: listen for mentions and post replies."),
    "work": ("worker.commands", "Service: compose and produce what is queued."),
    "genres": ("model.repertoire", "What can be played."),
    "check": ("bot.commands", "Is this installation sound?"),
    "status": ("bot.commands", "Queues, ledger, last poll."),
    "ledger": ("bot.ledger_commands", "List, retry, give up posts; back up, restore."),
    "train": ("model.learning", "Train a genre from a folder of MIDI."),
    "leader": ("model.commands", "Train who hands out the chart of a song."),
    "calibrate": ("model.commands", "Let a band rehearse until it has the habits of real players."),
    "critic": ("model.commands", "Train who picks the take to release."),
    "evaluate": ("model.commands", "Judge songs against real ones."),
}

FIRST_FLAG = re.compile(r"(?<!\S)/(?=[A-Za-z])")


class Commands(click.Group):
    """Imports a command's module only when it is called: `lnh --help` needs no torch, and the bot never does."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """Names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """The click command `<name>_command` of its module."""
        if name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(COMMANDS[name][0]), f"{name}_command")
        if not isinstance(command, click.Command):
            raise TypeError(f"{COMMANDS[name][0]}.{name}_command is no click command")
        return command

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """The table's own one-line helps, so that no module is imported for them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lnh", message="lnh %(version)s")
@click.option("-v", "--verbose", is_flag=True, help="Log what happens, in detail.")
@click.pass_context
def lnh(context: click.Context, verbose: bool) -> None:
    """LnH: a band that anyone can call from a social network."""
    context.obj = read_line  # for the studio's commands, which do not know how people write
    write_logs(logging.DEBUG if verbose else logging.INFO)


def read_line(line: str) -> Compose:
    """What a line on the command line asks for: a post, or only its flags.

    Raises:
        NeedsOperator: It cannot be understood.
    """
    settings = Settings.from_environment(read_environment())
    flags = FIRST_FLAG.search(line)
    title_end = flags.start() if flags else len(line)
    try:
        understood = parse(line, settings.genres, settings.default_genre)
        if understood is None or isinstance(understood, Stop):  # here, the word alone is a title
            as_post = f"{line[:title_end]} /compose {line[title_end:]}"
            understood = parse(as_post, settings.genres, settings.default_genre)
    except NotUnderstood as refusal:
        raise NeedsOperator(str(refusal)) from refusal
    if not isinstance(understood, Compose):
        raise NeedsOperator(f"{line!r}: nothing to compose in it; write it as in a post: 'Title /compose /t 160'")
    return understood


def main() -> None:
    """Run `lnh`; what only the operator can mend ends as one line and exit status 1."""
    for number in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C, so that nothing half-written stays
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    try:
        lnh.main(standalone_mode=True)
    except NeedsOperator as error:
        click.echo(f"lnh: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()

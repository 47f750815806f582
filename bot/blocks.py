"""Whom the band does not answer, and which words it does not repeat: lists that the operator keeps in files."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import regex

from bot.spelling import BadEntry, Pattern, compiled, found_in
from bot.title import without_mentions
from model.errors import NeedsOperator

LARGEST_FILE = 2**20  # bytes
BLOCKED = "its author or its server is blocked"  # why a post is left

_HANDLE = regex.compile(r"@[\w.-]+(?:@[\w.-]+)?")
_SERVER = regex.compile(r"[\w-]+(?:\.[\w-]+)+")

Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Blocks:
    """Accounts and servers that get no answer at all."""

    accounts: frozenset[str] = frozenset()  # "someone@example.social", or "someone" of our own server or of X
    servers: frozenset[str] = frozenset()  # "example.social", with all below it

    @classmethod
    def from_file(cls, path: Path) -> "Blocks":
        """Read `@someone@example.social`, `@someone` or `example.social`, one a line.

        Raises:
            NeedsOperator: It cannot be read, or a line is something else.
        """
        entries = list(_lines(path, _block))
        return cls(
            frozenset(entry.removeprefix("@") for entry in entries if entry.startswith("@")),
            frozenset(entry for entry in entries if not entry.startswith("@")),
        )

    def hold(self, handle: str) -> bool:
        """Whether an account is blocked, or its server."""
        name, _, server = handle.casefold().partition("@")
        server = _ascii(server)
        above = {server.split(".", dots)[-1] for dots in range(server.count(".") + 1)}
        return (f"{name}@{server}" if server else name) in self.accounts or bool(above & self.servers)


@dataclass(frozen=True, slots=True)
class Words:
    """Words that are not repeated, however they are spelled."""

    patterns: tuple[Pattern, ...] = ()

    @classmethod
    def from_file(cls, path: Path) -> "Words":
        """Read words or phrases, one a line; `word*` and `*word` also hold longer words.

        Raises:
            NeedsOperator: It cannot be read, or a line is no word.
        """
        return cls(tuple(_lines(path, compiled)))

    def hold(self, text: str) -> bool:
        """Whether one of them is in a text, outside the names of people, which are never repeated."""
        return bool(self.patterns) and found_in(without_mentions(text), self.patterns)


class Lists:
    """Both lists as the bot's parts know them, though their files be read again meanwhile."""

    def __init__(
        self, blocks: Blocks = Blocks(), words: Words = Words(),
        *, blocked_file: Path | None = None, words_file: Path | None = None,
    ) -> None:  # fmt: skip
        self._lists = blocks, words
        self._files = blocked_file, words_file

    @classmethod
    def from_files(cls, blocked_file: Path | None, words_file: Path | None) -> "Lists":
        """Read what there is.

        Raises:
            NeedsOperator: A file cannot be read, or a line of it cannot be right.
        """
        lists = cls(blocked_file=blocked_file, words_file=words_file)
        lists.read_again()
        return lists

    def read_again(self) -> None:
        """Read both files again, or stay as before.

        Raises:
            NeedsOperator: A file cannot be read, or a line of it cannot be right.
        """
        (blocked, words), (blocks_before, words_before) = self._files, self._lists
        self._lists = (
            Blocks.from_file(blocked) if blocked else blocks_before,
            Words.from_file(words) if words else words_before,
        )

    @property
    def blocks(self) -> Blocks:
        """Whom the band does not answer."""
        return self._lists[0]

    @property
    def words(self) -> Words:
        """What it does not repeat."""
        return self._lists[1]


def _lines(path: Path, read: Callable[[str], Read]) -> Iterator[Read]:
    """What is on each line; empty ones and those that begin with # are passed over."""
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_FILE + 1).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise NeedsOperator(f"{path}: cannot be read ({error}); it is a text in UTF-8, one entry a line") from error
    if len(text) > LARGEST_FILE:
        raise NeedsOperator(f"{path}: longer than {LARGEST_FILE} bytes; is it the right file?")
    for number, line in enumerate(text.splitlines(), start=1):
        entry = line.strip()
        if entry and not entry.startswith("#"):
            try:
                yield read(entry)
            except BadEntry as error:
                raise NeedsOperator(f"{path}, line {number}: {entry[:60]!r} {error}") from error


def _block(entry: str) -> str:
    if _HANDLE.fullmatch(entry):
        name, at, server = entry[1:].casefold().partition("@")
        return f"@{name}{at}{_ascii(server)}"
    if _SERVER.fullmatch(entry):
        return _ascii(entry.casefold())
    raise BadEntry("is neither @someone@example.social nor example.social")


def _ascii(server: str) -> str:
    """A server's name as it travels: bücher.example is xn--bcher-kva.example."""
    try:
        return server.encode("idna").decode("ascii") if not server.isascii() else server
    except UnicodeError:
        return server

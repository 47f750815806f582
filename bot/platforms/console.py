"""The console as a network: a line is a post, a printed line is a reply. Needs no account."""

import io
import queue
import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from bot.mention import Mention
from bot.platforms.base import Page
from model.errors import NeedsOperator
from worker.settings import named
from worker.track import MP3

FOLDER = Path("out")  # where the tracks stay that were answered on the console of a service


class ConsolePlatform:
    """Reads posts, one a line; prints replies, and where their files are.

    Ids count on from the first bookmark, so that a console started again does not use an id twice. A reply is
    given at most once for a key while the program runs; what was printed before is not looked up.
    """

    name = "console"
    home = ""
    media_type = MP3
    max_length = 500
    poll_seconds = 0.5
    says_line = False

    def __init__(
        self, lines: Iterable[str], out: TextIO, folder: Path, author: str = "someone", band: str = "lnh_ai"
    ) -> None:
        self._arrived: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._lines, self._out, self._folder, self._author, self._band = lines, out, folder, author, band
        self._posts: list[Mention] = []
        self._first: int | None = None
        self._answers: dict[str, str] = {}

    def hear(self, line: str) -> None:
        """Someone types one more post."""
        self._arrived.put(line)

    def newest_bookmark(self) -> str:
        """Nothing was said before the program started."""
        return "0"

    def may_write(self) -> bool:
        """Whoever reads a terminal may write to it."""
        return True

    def unheard(self) -> str:
        """Nobody's."""
        return ""

    def pages(self, bookmark: str) -> Iterator[Page]:
        """What has been typed since, a post a page; does not wait for more."""
        self._read(int(bookmark))
        for mention in tuple(self._posts):
            if int(mention.id) > int(bookmark):
                yield Page(mentions=(mention,), bookmark=mention.id)

    def stream(self, tell: Callable[[Mention], None], stop: threading.Event) -> None:
        """None: what is typed is read at once."""

    def still_there(self, mention: Mention) -> bool:  # noqa: ARG002 - what was typed stays typed
        """Always."""
        return True

    def count(self, text: str) -> int:
        """Characters."""
        return len(text)

    def upload(self, media: Path, cover: Path, alt_text: str) -> str:  # noqa: ARG002 - a console shows no pictures
        """Keep every file of the track in the console's folder; its id is the path there."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for file in {media, cover, *media.parent.glob(f"{media.stem}.*")}:
            if file.parent.resolve() != self._folder.resolve():
                shutil.copy2(file, self._folder / file.name)
        return str(self._folder / media.name)

    def reply(self, mention: Mention, text: str, media_id: str | None) -> str:
        """Print the answer, and the files of the track below it."""
        if mention.key not in self._answers:
            print(f"→ @{mention.author_handle} {text}", file=self._out)
            if media_id is not None:
                print(f"  {_files(Path(media_id))}", file=self._out)
            self._out.flush()
            self._answers[mention.key] = f"answer-{mention.id}"
        return self._answers[mention.key]

    def delete(self, reply_id: str) -> None:
        """Say that it would be gone; what is printed stays."""
        print(f"→ {reply_id} is taken down", file=self._out)

    def _begin(self) -> None:
        if isinstance(self._lines, io.TextIOWrapper):
            self._lines.reconfigure(errors="replace")  # a byte that is no text must not cost the lines behind it
        if hasattr(self._lines, "read"):  # a stream may keep us waiting: let it wait beside us
            threading.Thread(target=self._hear_all, daemon=True).start()
        else:
            self._hear_all()

    def _hear_all(self) -> None:
        for line in self._lines:
            self.hear(line)

    def _read(self, bookmark: int) -> None:
        if self._first is None:
            self._first = bookmark
            self._begin()
        while not self._arrived.empty():
            line = self._arrived.get().strip()
            if line:
                self._posts.append(self._mention(line, str(self._first + len(self._posts) + 1)))

    def _mention(self, text: str, number: str) -> Mention:
        return Mention(
            platform=self.name,
            id=number,
            root_id=number,
            author_id=self._author,
            author_handle=self._author,
            text=text,
            visibility="public",
            content_warning="",
            created_at=datetime.now(UTC),
            by_bot=self._author == self._band,
        )


def _files(media: Path) -> str:
    names = sorted(file.name for file in media.parent.glob(f"{media.stem}.*"))
    return f"{media.parent}/ {' '.join(names)}"


def connect(switch: str) -> ConsolePlatform:
    """The terminal.

    Raises:
        NeedsOperator: The switch is neither on nor off.
    """
    if switch != "1":
        raise NeedsOperator(f"{named('LNH_CONSOLE')} is {switch!r}; write 1, or 0 for no console")
    return ConsolePlatform(sys.stdin, sys.stdout, FOLDER)

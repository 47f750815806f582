"""A network in a folder: posts.jsonl is what people wrote, replies.jsonl what we answered, uploads.jsonl our media.

It outlives the bot, as networks do.
"""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

from bot.mention import Mention
from bot.platforms.base import Page
from worker.track import MP3

PAGE = 3


class FakeNetwork:
    """`troubles` are raised one by one by the next calls of the method they are listed under."""

    media_type = MP3
    home = ""
    poll_seconds = 0.2
    says_line = False
    max_length = 500

    def __init__(self, folder: Path, upload_seconds: float = 0, name: str = "mastodon") -> None:
        self.name = name
        self.folder, self._upload_seconds = folder, upload_seconds
        self.troubles: dict[str, list[Exception]] = {}
        self.streamed: list[Mention] = []
        self.deleted: set[str] = set()

    def post(self, text: str, author: str = "someone", root_id: str | None = None, **more: object) -> str:
        """Somebody writes; the key of their post."""
        number = str(len(self._rows("posts")) + 1)
        root_id = root_id or number
        row = {"id": number, "root_id": root_id, "author": author, "text": text, "more": more}
        self._add("posts", row)
        return f"{self.name}-{root_id}"

    @property
    def replies(self) -> list[dict]:
        return self._rows("replies")

    @property
    def uploads(self) -> list[dict]:
        return self._rows("uploads")

    def newest_bookmark(self) -> str:
        self._fall_into_trouble("newest_bookmark")
        return str(len(self._rows("posts")))

    def may_write(self) -> bool:
        self._fall_into_trouble("may_write")
        return True

    def unheard(self) -> str:
        """Nobody's calls."""
        return ""

    def pages(self, bookmark: str) -> Iterator[Page]:
        self._fall_into_trouble("pages")
        rows = [row for row in self._rows("posts") if int(row["id"]) > int(bookmark)]
        for start in range(0, len(rows), PAGE):
            page = rows[start : start + PAGE]
            yield Page(mentions=tuple(map(self._mention, page)), bookmark=page[-1]["id"])

    def stream(self, tell: Callable[[Mention], None], stop: Event) -> None:
        """What a test put into `streamed`; then no more."""
        self._fall_into_trouble("stream")
        for mention in self.streamed:
            tell(mention)

    def still_there(self, mention: Mention) -> bool:
        self._fall_into_trouble("still_there")
        return mention.key not in self.deleted

    def count(self, text: str) -> int:
        return len(text)

    def upload(self, media: Path, cover: Path, alt_text: str) -> str:
        self._fall_into_trouble("upload")
        assert media.stat().st_size
        assert cover.stat().st_size
        time.sleep(self._upload_seconds)
        media_id = str(len(self.uploads) + 1)
        self._add("uploads", {"id": media_id, "name": media.name, "alt_text": alt_text})
        return media_id

    def reply(self, mention: Mention, text: str, media_id: str | None) -> str:
        self._fall_into_trouble("reply")
        for reply in self.replies:
            if reply["key"] == mention.key:
                return reply["id"]
        reply_id = f"reply-{len(self.replies) + 1}"
        reply = {"id": reply_id, "key": mention.key, "text": text, "media_id": media_id}
        self._add("replies", {**reply, "visibility": mention.visibility, "warning": mention.content_warning})
        return reply_id

    def delete(self, reply_id: str) -> None:
        self._fall_into_trouble("delete")
        self._add("deletions", {"id": reply_id})

    @property
    def deletions(self) -> list[str]:
        return [row["id"] for row in self._rows("deletions")]

    def _fall_into_trouble(self, method: str) -> None:
        if waiting := self.troubles.get(method):
            raise waiting.pop(0)

    def _mention(self, row: dict) -> Mention:
        known = {"platform": self.name, "id": row["id"], "root_id": row["root_id"], "author_id": row["author"]}
        values = {**known, **row["more"]}
        if "created_at" in values:
            values["created_at"] = datetime.fromisoformat(values["created_at"])
        return make_mention(row["text"], **values)

    def _rows(self, name: str) -> list[dict]:
        path = self.folder / f"{name}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def _add(self, name: str, row: dict) -> None:
        with (self.folder / f"{name}.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")


def make_mention(text: str = "@lnh_ai Dancing robots /compose", **values) -> Mention:
    """A post that names the band."""
    number = values.get("root_id", "1")
    defaults = {
        "platform": "mastodon", "id": number, "root_id": number, "author_id": "someone", "author_handle": "someone",
        "text": text, "visibility": "public", "content_warning": "", "by_bot": False,
        "created_at": datetime.now(UTC),
    }  # fmt: skip
    return Mention(**{**defaults, **values})

"""A row of the ledger: one root post, and how far its song has come."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from bot.mention import Mention
from model.request import ComposeRequest
from worker.track import Track

State = Literal[
    "seen", "accepted", "composing", "rendered", "uploaded", "posted", "refused", "failed",
    "left",     # not answered, on purpose; the reason says why
    "done",     # what was asked needed no words: a stop, a deletion
    "deleted",  # it was posted, and taken down again
]  # fmt: skip

LONGEST_TEXT = 25_000  # characters, as many as X's longest posts have; some networks set no limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One row."""

    mention: Mention
    state: State
    reason: str  # of a refusal, as it is said to people; of a failure, as it is said to the operator
    request: ComposeRequest | None  # None: not accepted, or a call for help
    remarks: tuple[str, ...]
    track: Track | None
    media_id: str | None
    reply_id: str | None
    deletes: str | None  # key of the post whose answer is to be taken down
    open: bool  # something is left to do or say
    times: Mapping[str, float]  # state, and what else happened, to Unix time

    @property
    def key(self) -> str:
        """The mention's key."""
        return self.mention.key


def mention_json(mention: Mention) -> str:
    """A mention as the ledger keeps it, and as it is read from there: its words no longer than any that we answer."""
    words = {"text": mention.text[:LONGEST_TEXT], "content_warning": mention.content_warning[:LONGEST_TEXT]}
    return json.dumps({**asdict(mention), **words, "created_at": mention.created_at.isoformat()})


def post_of(row: sqlite3.Row) -> Post:
    """The row that SQLite gives."""
    mention = json.loads(row["mention"])
    mention["created_at"] = datetime.fromisoformat(mention["created_at"])
    return Post(
        mention=Mention(**mention),
        state=row["state"],
        reason=row["reason"],
        request=ComposeRequest.from_json(row["request"]) if row["request"] else None,
        remarks=tuple(json.loads(row["remarks"])),
        track=Track.from_json(row["track"]) if row["track"] else None,
        media_id=row["media_id"],
        reply_id=row["reply_id"],
        deletes=row["deletes"],
        open=bool(row["open"]),
        times=json.loads(row["times"]),
    )

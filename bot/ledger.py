"""The ledger: one row for each root post, and how far its song has come. It is the truth; Redis may be wiped."""

import json
import sqlite3
import time
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from threading import RLock
from typing import Any, Literal

from bot.mention import Mention
from model.errors import NeedsOperator
from model.request import ComposeRequest
from worker.track import Track

State = Literal["seen", "accepted", "composing", "rendered", "uploaded", "posted", "refused", "failed"]

TABLES = """
    CREATE TABLE IF NOT EXISTS posts (
        platform   TEXT NOT NULL,
        root_id    TEXT NOT NULL,
        key        TEXT NOT NULL UNIQUE,
        author_id  TEXT NOT NULL,
        mention    TEXT NOT NULL,                -- JSON
        request    TEXT,                         -- JSON; without one an accepted post asks for help
        remarks    TEXT NOT NULL DEFAULT '[]',   -- JSON
        song       TEXT,                         -- the title as takes are counted
        seed       INTEGER,
        take       INTEGER,
        state      TEXT NOT NULL DEFAULT 'seen',
        reason     TEXT NOT NULL DEFAULT '',
        track      TEXT,                         -- JSON
        media_id   TEXT,
        reply_id   TEXT,
        open       INTEGER NOT NULL DEFAULT 1,   -- 0: nothing is left to do or say
        not_before REAL NOT NULL DEFAULT 0,      -- Unix time
        times      TEXT NOT NULL,                -- JSON: state to Unix time
        PRIMARY KEY (platform, root_id)
    ) STRICT;
    CREATE INDEX IF NOT EXISTS open_posts ON posts (platform, state) WHERE open;
    CREATE INDEX IF NOT EXISTS songs ON posts (platform, author_id, song);
    CREATE TABLE IF NOT EXISTS bookmarks (
        platform  TEXT PRIMARY KEY,
        bookmark  TEXT NOT NULL,
        polled_at REAL NOT NULL                  -- Unix time
    ) STRICT;
"""


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
    open: bool  # something is left to do or say
    times: Mapping[str, float]  # state to Unix time

    @property
    def key(self) -> str:
        """The mention's key."""
        return self.mention.key


class Ledger:
    """SQLite in WAL mode; may be shared by threads, and read by other processes.

    Every method raises NeedsOperator when the disk is full or the file is not ours to use.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, RLock()
        with self._operator_errors():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # it holds what people wrote
            self._db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")  # what was posted must be known after a power cut
            self._db.executescript(TABLES)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # ---- from bookmark to acceptance

    def bookmark(self, platform: str) -> str | None:
        """Where reading goes on; None before the first start."""
        rows = self._read("SELECT bookmark FROM bookmarks WHERE platform = ?", platform)
        return rows[0]["bookmark"] if rows else None

    def keep(self, platform: str, mentions: Iterable[Mention], bookmark: str) -> None:
        """Commit mentions not seen before and, with them, the bookmark behind them."""
        with self._transaction() as db:
            for mention in mentions:
                db.execute(
                    "INSERT OR IGNORE INTO posts (platform, root_id, key, author_id, mention, times)"
                    " VALUES (?, ?, ?, ?, ?, json_object('seen', ?))",
                    (platform, mention.root_id, mention.key, mention.author_id, _mention_json(mention), time.time()),
                )
            db.execute("INSERT OR REPLACE INTO bookmarks VALUES (?, ?, ?)", (platform, bookmark, time.time()))

    def polled(self, platform: str) -> None:
        """Note that a platform was read to its end."""
        self._write("UPDATE bookmarks SET polled_at = ? WHERE platform = ?", time.time(), platform)

    def accept(self, request: ComposeRequest, remarks: Sequence[str]) -> ComposeRequest:
        """Accept a song, and give it its take: one more than its author's last of that title that did not fail."""
        with self._transaction() as db:
            song = same_title(request.title)
            (last,) = db.execute(
                "SELECT coalesce(max(other.take), 0) FROM posts AS other JOIN posts AS this USING (platform, author_id)"
                " WHERE this.key = ? AND other.song = ? AND other.state != 'failed'",
                (request.key, song),
            ).fetchone()
            request = replace(request, take=last + 1)
            db.execute(
                "UPDATE posts SET request = ?, remarks = ?, song = ?, seed = ?, take = ? WHERE key = ?",
                (request.to_json(), json.dumps(list(remarks)), song, request.seed, request.take, request.key),
            )
            self._move(request.key, "accepted", since=("seen",))
        return request

    def accept_help(self, key: str) -> None:
        """Accept a call for help."""
        self._move(key, "accepted", since=("seen",))

    def refuse(self, key: str, message: str) -> None:
        """Refuse what was asked; the message is still to be said."""
        self._move(key, "refused", since=("seen",), reason=message)

    def drop(self, key: str) -> None:
        """Forget a post that asks for nothing; should it be edited to ask, it is new."""
        self._write("DELETE FROM posts WHERE key = ? AND state = 'seen'", key)

    # ---- from queue to reply

    def composing(self, key: str) -> None:
        """It is in the compose queue."""
        self._move(key, "composing", since=("accepted",))

    def rendered(self, key: str, track: Track) -> None:
        """Its track is in the store; from here on nothing is composed again."""
        self._move(key, "rendered", since=("accepted", "composing"), track=track.to_json())

    def uploaded(self, key: str, media_id: str) -> None:
        """Its file is on the network."""
        self._move(key, "uploaded", since=("rendered",), media_id=media_id)

    def answered(self, key: str, reply_id: str) -> None:
        """It is posted; a refusal or an apology was said, and its state stays."""
        with self._transaction() as db:
            self._move(key, "posted", since=("accepted", "uploaded"))
            db.execute("UPDATE posts SET reply_id = ?, open = 0 WHERE key = ?", (reply_id, key))

    def fail(self, key: str, reason: str) -> None:
        """Give a song up; an apology is still to be said."""
        self._move(key, "failed", since=("seen", "accepted", "composing", "rendered", "uploaded"), reason=reason)

    def close_post(self, key: str, reason: str) -> None:
        """Leave it at that, without a word: a refusal stays one, anything else has failed."""
        with self._transaction() as db:
            self.fail(key, reason)
            db.execute("UPDATE posts SET open = 0 WHERE key = ?", (key,))

    def wait(self, key: str, seconds: float) -> None:
        """Leave it alone for a while."""
        self._write("UPDATE posts SET not_before = ? WHERE key = ?", time.time() + seconds, key)

    # ---- reading

    def find(self, key: str) -> Post | None:
        """The row of a key."""
        rows = self._read("SELECT * FROM posts WHERE key = ?", key)
        return _post(rows[0]) if rows else None

    def unfinished(self, platform: str) -> list[Post]:
        """Rows with something left to do or say, oldest first, without those that wait."""
        return [
            _post(row)
            for row in self._read(
                "SELECT * FROM posts WHERE platform = ? AND open AND not_before <= ? ORDER BY rowid",
                platform,
                time.time(),
            )
        ]

    def posts(self) -> list[Post]:
        """Every row, oldest first."""
        return [_post(row) for row in self._read("SELECT * FROM posts ORDER BY rowid")]

    def counts(self) -> dict[tuple[str, str], int]:
        """How many rows by platform and state."""
        rows = self._read("SELECT platform, state, count(*) AS number FROM posts GROUP BY platform, state")
        return {(row["platform"], row["state"]): row["number"] for row in rows}

    def oldest_waiting(self) -> float | None:
        """Unix time at which the oldest open row was seen."""
        rows = self._read("SELECT min(json_extract(times, '$.seen')) AS seen FROM posts WHERE open")
        return rows[0]["seen"] if rows else None

    def last_failure(self) -> Post | None:
        """The row that failed most recently."""
        rows = self._read(
            "SELECT * FROM posts WHERE state = 'failed' ORDER BY json_extract(times, '$.failed') DESC LIMIT 1"
        )
        return _post(rows[0]) if rows else None

    def last_polls(self) -> dict[str, float]:
        """Platform to Unix time at which it was last read to its end."""
        return {row["platform"]: row["polled_at"] for row in self._read("SELECT * FROM bookmarks")}

    # ---- the file

    def _move(self, key: str, state: State, since: Sequence[State], **values: str) -> None:
        """Set the state and more of an open row that stands in one of some states; else do nothing."""
        names = "".join(f", {name} = ?" for name in values)
        marks = ", ".join("?" * len(since))
        self._write(
            f"UPDATE posts SET state = ?, times = json_set(times, '$.' || ?, ?){names}"  # noqa: S608  our own names
            f" WHERE key = ? AND open AND state IN ({marks})",
            state, state, time.time(), *values.values(), key, *since,
        )  # fmt: skip

    def _read(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock, self._operator_errors():
            return self._db.execute(query, values).fetchall()

    def _write(self, query: str, *values: Any) -> None:
        with self._transaction() as db:
            db.execute(query, values)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; one inside another is part of it."""
        with self._lock, self._operator_errors():
            if self._db.in_transaction:
                yield self._db
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                self._db.rollback()
                raise

    @contextmanager
    def _operator_errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.OperationalError, sqlite3.DatabaseError, OSError) as error:
            if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError):
                raise
            raise NeedsOperator(f"{self._path}: {error}; make room, mend the rights or set LNH_DATA") from error


def same_title(title: str) -> str:
    """A title as takes are counted: case, width, spaces and marks at its ends make no difference."""
    words = " ".join(unicodedata.normalize("NFKC", title).casefold().split())
    bare = words.strip(" .,;:!?…\"'“”„‘’«»()[]-–—")
    return bare or words


def _mention_json(mention: Mention) -> str:
    return json.dumps({**asdict(mention), "created_at": mention.created_at.isoformat()})


def _post(row: sqlite3.Row) -> Post:
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
        open=bool(row["open"]),
        times=json.loads(row["times"]),
    )

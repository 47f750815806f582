"""The ledger: one row for each root post, and how far its song has come. It is the truth; Redis may be wiped."""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from bot.ledger_file import LedgerFile
from bot.mention import Mention
from bot.post import Post, State, mention_json, post_of
from bot.title import same_title
from model.errors import NeedsOperator
from model.request import ComposeRequest
from worker.track import Track

SILENCE_SECONDS = 3600.0  # between two helps or refusals to one person
ENOUGH_SAID = "its author had help or a refusal within the hour"


class Ledger(LedgerFile):
    """What is done to rows, and asked of them.

    Every method raises NeedsOperator when the disk is full or the file is not ours to use.
    """

    # ---- from bookmark to acceptance

    def bookmark(self, platform: str) -> str | None:
        """Where reading goes on; None before the first start."""
        rows = self._read("SELECT bookmark FROM bookmarks WHERE platform = ?", platform)
        return rows[0]["bookmark"] if rows else None

    def keep(self, platform: str, mentions: Iterable[Mention], bookmark: str) -> None:
        """Commit mentions not seen before and, with them, the bookmark behind them."""
        with self._transaction() as db:
            for mention in mentions:
                self.hear(mention)
            db.execute(
                "INSERT INTO bookmarks VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET bookmark = excluded.bookmark",
                (platform, bookmark, time.time()),
            )

    def hear(self, mention: Mention) -> None:
        """Commit a mention not seen before; the bookmark stays, so that it may be read once more."""
        self._write(
            "INSERT OR IGNORE INTO posts (platform, root_id, key, author_id, mention, times)"
            " VALUES (?, ?, ?, ?, ?, json_object('seen', ?))",
            mention.platform, mention.root_id, mention.key, mention.author_id, mention_json(mention), time.time(),
        )  # fmt: skip

    def polled(self, platform: str) -> None:
        """Note that a platform was read to its end."""
        self._write("UPDATE bookmarks SET polled_at = ? WHERE platform = ?", time.time(), platform)

    def settle(self, platform: str, home: str) -> None:
        """Note on which server the posts of a platform are.

        Raises:
            NeedsOperator: They were on another, where other posts and people have these ids.
        """
        with self._transaction() as db:
            db.execute("INSERT OR IGNORE INTO homes VALUES (?, ?)", (platform, home))
            (before,) = db.execute("SELECT home FROM homes WHERE platform = ?", (platform,)).fetchone()
        if before != home:
            raise NeedsOperator(
                f"{self._path}: its posts of {platform} are on {before}, not on {home}; go back there, or begin another"
                " ledger: move this one and its -wal and -shm away, or set LNH_DATA to another folder"
            )

    def watch(self, platforms: Iterable[str]) -> None:
        """Note which platforms are switched on: of others `last_polls` tells nothing, and their bookmarks stay."""
        marks, now = json.dumps(list(platforms)), time.time()
        with self._transaction() as db:
            db.execute(
                "UPDATE bookmarks SET polled_at = iif(platform IN (SELECT value FROM json_each(?)),"
                " iif(polled_at = 0, ?, polled_at), 0)",
                (marks, now),
            )
            db.execute("DELETE FROM unread WHERE platform NOT IN (SELECT value FROM json_each(?))", (marks,))
            db.execute("INSERT OR IGNORE INTO unread SELECT value, ? FROM json_each(?)", (now, marks))

    def accept(self, request: ComposeRequest, remarks: Sequence[str]) -> ComposeRequest:
        """Accept a song, and give it its take: one more than its author's last of that title, or more if it asks so."""
        with self._transaction() as db:
            song = same_title(request.title)
            (last,) = db.execute(
                "SELECT coalesce(max(other.take), 0) FROM posts AS other JOIN posts AS this USING (platform, author_id)"
                " WHERE this.key = ? AND other.song = ? AND other.state NOT IN ('failed', 'left')",
                (request.key, song),
            ).fetchone()
            request = replace(request, take=max(last + 1, request.take))
            db.execute(
                "UPDATE posts SET request = ?, remarks = ?, song = ?, seed = ?, take = ? WHERE key = ?",
                (request.to_json(), json.dumps(list(remarks)), song, request.seed, request.take, request.key),
            )
            self._move(request.key, "accepted", since=("seen",))
        return request

    def accept_help(self, key: str) -> None:
        """Accept a call for help, or leave it when its author had help or a refusal within the hour."""
        with self._transaction():
            if self.speaks(key):
                self._move(key, "accepted", since=("seen",))
            else:
                self.leave(key, ENOUGH_SAID)

    def accept_deletion(self, key: str, of: str) -> None:
        """Accept that the answer to a post is to be taken down."""
        self._move(key, "accepted", since=("seen",), deletes=of)

    def confine(self, mention: Mention) -> None:
        """Answer a post as if it had been written like this: to fewer people, or with a warning."""
        self._write("UPDATE posts SET mention = ? WHERE key = ? AND open", mention_json(mention), mention.key)

    def refuse(self, key: str, message: str) -> None:
        """Refuse what was asked, the message still to be said; or leave it, within the hour of the last one."""
        with self._transaction():
            if self.speaks(key):
                self._move(key, "refused", since=("seen",), reason=message)
            else:
                self.leave(key, ENOUGH_SAID)

    def speaks(self, key: str) -> bool:
        """Whether help, a refusal or a word about the line may be given: once an hour to a person; if so, noted."""
        now = time.time()
        with self._transaction() as db:
            db.execute("DELETE FROM people WHERE NOT stopped AND spoken_at <= ?", (now - SILENCE_SECONDS,))
            spoken = db.execute(
                "INSERT INTO people (platform, author_id, spoken_at)"
                " SELECT platform, author_id, ? FROM posts WHERE key = ? AND open"
                " ON CONFLICT DO UPDATE SET spoken_at = excluded.spoken_at WHERE spoken_at <= ?",
                (now, key, now - SILENCE_SECONDS),
            )
        return spoken.rowcount > 0

    def leave(self, key: str, reason: str) -> None:
        """Do not answer what was just read."""
        with self._transaction() as db:
            self._move(key, "left", since=("seen",), reason=reason)
            db.execute("UPDATE posts SET open = 0 WHERE key = ? AND state = 'left'", (key,))

    def stop(self, key: str) -> None:
        """Answer the author of a post no more, not even what was asked before; deletions go on."""
        with self._transaction() as db:
            self._set_stopped(key, stopped=True)
            before = db.execute(
                "SELECT early.key FROM posts AS early JOIN posts AS late USING (platform, author_id)"
                " WHERE late.key = ? AND early.open AND early.deletes IS NULL AND early.rowid < late.rowid",
                (key,),
            )
            for (early,) in before.fetchall():
                self.call_off(early, "its author wants no answer of ours")
            self._move(key, "done", since=("seen",))
            db.execute("UPDATE posts SET open = 0 WHERE key = ?", (key,))

    def call_off(self, key: str, reason: str) -> None:
        """Do not answer what was to be answered, however far it has come."""
        self._write(
            "UPDATE posts SET state = 'left', reason = ?, open = 0, times = json_set(times, '$.left', ?)"
            " WHERE key = ? AND open",
            reason, time.time(), key,
        )  # fmt: skip

    def start(self, key: str) -> None:
        """Answer the author of a post again."""
        self._set_stopped(key, stopped=False)

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

    def uploaded_again(self, key: str, media_id: str) -> None:
        """Its file is on the network once more, as networks throw away what was uploaded and not posted."""
        self._write(
            "UPDATE posts SET media_id = ?, times = json_set(times, '$.uploaded_again', ?)"
            " WHERE key = ? AND open AND state = 'uploaded'",
            media_id, time.time(), key,
        )  # fmt: skip

    def play_again(self, key: str) -> None:
        """Its track is gone from the store: it is to be composed once more."""
        with self._transaction() as db:
            self._move(key, "accepted", since=("rendered", "uploaded"))
            db.execute(
                "UPDATE posts SET track = NULL, times = json_set(times, '$.played_again', ?) WHERE key = ?",
                (time.time(), key),
            )

    def answered(self, key: str, reply_id: str, *, with_song: bool = False) -> None:
        """It is posted; a refusal or an apology was said, and its state stays, but not where a song was posted."""
        given_up: tuple[State, ...] = ("failed",) if with_song else ()  # by hand, meanwhile
        with self._transaction() as db:
            self._move(key, "posted", since=("accepted", "uploaded", *given_up))
            db.execute("UPDATE posts SET reply_id = ?, open = 0 WHERE key = ?", (reply_id, key))

    def taken_down(self, key: str) -> None:
        """The answer that this post wanted to be taken down is gone."""
        with self._transaction() as db:
            db.execute(
                "UPDATE posts SET state = 'deleted', times = json_set(times, '$.deleted', ?)"
                " WHERE key = (SELECT deletes FROM posts WHERE key = ?)",
                (time.time(), key),
            )
            self._move(key, "done", since=("accepted",))
            db.execute("UPDATE posts SET open = 0 WHERE key = ?", (key,))

    def fail(self, key: str, reason: str) -> None:
        """Give a song up; an apology is still to be said."""
        self._move(key, "failed", since=("seen", "accepted", "composing", "rendered", "uploaded"), reason=reason)

    def close_post(self, key: str, reason: str) -> None:
        """Leave it at that, without a word: a refusal stays one, anything else has failed."""
        with self._transaction() as db:
            self.fail(key, reason)
            db.execute("UPDATE posts SET open = 0 WHERE key = ?", (key,))

    def wait(self, key: str, seconds: float) -> float:
        """Leave it alone for a while; Unix time since which it has been put off, its state being the same."""
        now = time.time()
        with self._transaction() as db:
            (put_off,) = db.execute(
                "UPDATE posts SET not_before = ?, times = json_insert(times, '$.put_off', ?) WHERE key = ?"
                " RETURNING json_extract(times, '$.put_off')",
                (now + seconds, now, key),
            ).fetchone()
        return float(put_off)

    def forget(self, before: float) -> int:
        """Remove closed rows to which nothing happened since a Unix time; how many went. Who stopped stays known."""
        with self._transaction() as db:
            return db.execute(
                "DELETE FROM posts WHERE NOT open AND (SELECT max(value) FROM json_each(times)) < ?", (before,)
            ).rowcount

    # ---- by the operator's hand

    def retry(self, key: str) -> bool:
        """Let an open row wait no more, and begin anew with one that was given up without a word; False for others.

        Whose author wants no answer of ours stays as it is.
        """
        now = time.time()
        with self._transaction() as db:
            waits = db.execute(
                "UPDATE posts SET not_before = 0, times = json_remove(times, '$.put_off') WHERE key = ? AND open",
                (key,),
            ).rowcount
            begins = db.execute(
                "UPDATE posts SET open = 1, not_before = 0, track = NULL, media_id = NULL,"
                " reason = iif(state = 'refused', reason, ''),"
                " times = json_set(json_remove(times, '$.put_off', '$.played_again'), '$.retried', ?),"
                " state = CASE WHEN state = 'refused' THEN state"
                " WHEN json_extract(times, '$.accepted') IS NULL THEN 'seen' ELSE 'accepted' END"
                " WHERE key = ? AND NOT open AND reply_id IS NULL AND state IN ('failed', 'refused')"
                " AND NOT EXISTS (SELECT 1 FROM people WHERE people.platform = posts.platform"
                " AND people.author_id = posts.author_id AND stopped)",
                (now, key),
            ).rowcount
        return waits + begins > 0

    def newest(self, limit: int, state: State | None = None, *, open_only: bool = False) -> list[Post]:
        """The newest rows, newest first; only those in a state or with something left to do or say, if told so."""
        query = "SELECT * FROM posts WHERE (? OR open) AND (? IS NULL OR state = ?) ORDER BY rowid DESC LIMIT ?"
        return [post_of(row) for row in self._read(query, not open_only, state, state, limit)]

    # ---- reading

    def find(self, key: str) -> Post | None:
        """The row of a key."""
        rows = self._read("SELECT * FROM posts WHERE key = ?", key)
        return post_of(rows[0]) if rows else None

    def answered_by(self, platform: str, reply_id: str) -> Post | None:
        """The row that a post of ours answers."""
        rows = self._read("SELECT * FROM posts WHERE platform = ? AND reply_id = ?", platform, reply_id)
        return post_of(rows[0]) if rows else None

    def has_stopped(self, platform: str, author_id: str) -> bool:
        """Whether someone wants no answer of ours."""
        query = "SELECT 1 FROM people WHERE platform = ? AND author_id = ? AND stopped"
        return bool(self._read(query, platform, author_id))

    def songs_since(self, platform: str, author_id: str, moment: float) -> int:
        """How many songs of someone were accepted since a Unix time, without those that we owed an apology for.

        Those count that their author called off or deleted: they were played, or take their turn on the queue.
        """
        query = (
            "SELECT count(*) AS number FROM posts WHERE platform = ? AND author_id = ? AND request IS NOT NULL"
            " AND NOT (state = 'failed' AND (open OR reply_id IS NOT NULL)) AND json_extract(times, '$.accepted') > ?"
        )
        return int(self._read(query, platform, author_id, moment)[0]["number"])

    def songs_under_way(self) -> int:
        """How many songs wait or are played, for platforms that are switched on."""
        return int(self._read("SELECT count(*) AS number FROM line")[0]["number"])

    def songs_before(self, key: str) -> int:
        """How many of them were asked for before one."""
        query = "SELECT count(*) AS number FROM line WHERE place < (SELECT rowid FROM posts WHERE key = ?)"
        return int(self._read(query, key)[0]["number"])

    def is_out_of_turn(self, key: str) -> bool:
        """Whether a song waits for an earlier one of the same person."""
        query = (
            "SELECT 1 FROM posts AS late JOIN posts AS early USING (platform, author_id) WHERE late.key = ?"
            " AND late.request IS NOT NULL AND early.open AND early.request IS NOT NULL AND early.rowid < late.rowid"
        )
        return bool(self._read(query, key))

    def seen(self, platform: str) -> list[Post]:
        """Rows that nobody has looked at yet, oldest first."""
        query = "SELECT * FROM posts WHERE platform = ? AND state = 'seen' AND open AND not_before <= ? ORDER BY rowid"
        return [post_of(row) for row in self._read(query, platform, time.time())]

    def unfinished(self, platform: str, limit: int = -1, skipped: int = 0) -> list[Post]:
        """Rows with something left to do or say, without those that wait: `limit` of them, if not -1.

        The oldest come first, but those that were put off last.
        """
        query = (
            "SELECT * FROM posts WHERE platform = ? AND open AND not_before <= ?"
            " ORDER BY not_before, rowid LIMIT ? OFFSET ?"
        )
        return [post_of(row) for row in self._read(query, platform, time.time(), limit, skipped)]

    def open_keys(self) -> set[str]:
        """Keys of the rows with something left to do or say."""
        return {row["key"] for row in self._read("SELECT key FROM posts WHERE open")}

    def posts(self) -> list[Post]:
        """Every row, oldest first."""
        return [post_of(row) for row in self._read("SELECT * FROM posts ORDER BY rowid")]

    def counts(self) -> dict[tuple[str, str], int]:
        """How many rows by platform and state."""
        rows = self._read("SELECT platform, state, count(*) AS number FROM posts GROUP BY platform, state")
        return {(row["platform"], row["state"]): row["number"] for row in rows}

    def outcomes(self) -> dict[tuple[str, str], int]:
        """How many posts ever ended by platform and state, those whose rows are gone too."""
        return {(row["platform"], row["outcome"]): row["number"] for row in self._read("SELECT * FROM outcomes")}

    def oldest_waiting(self) -> float | None:
        """Unix time at which the oldest open row was seen, of the platforms that are switched on."""
        rows = self._read(
            "SELECT min(json_extract(times, '$.seen')) AS seen FROM posts WHERE open AND platform NOT IN switched_off"
        )
        return rows[0]["seen"] if rows else None

    def open_but_switched_off(self) -> int:
        """How many open rows wait for their platform to be switched on again."""
        query = "SELECT count(*) AS number FROM posts WHERE open AND platform IN switched_off"
        return int(self._read(query)[0]["number"])

    def last_failure(self) -> Post | None:
        """The row that failed most recently."""
        rows = self._read(
            "SELECT * FROM posts WHERE state = 'failed' ORDER BY json_extract(times, '$.failed') DESC LIMIT 1"
        )
        return post_of(rows[0]) if rows else None

    def last_polls(self) -> dict[str, float]:
        """Platform that is switched on to Unix time at which it was last read to its end, or else switched on."""
        rows = self._read(
            "SELECT platform, polled_at FROM bookmarks WHERE polled_at > 0"
            " UNION SELECT platform, since FROM unread WHERE platform NOT IN (SELECT platform FROM bookmarks)"
        )
        return {row["platform"]: row["polled_at"] for row in rows}

    # ---- the file

    def _set_stopped(self, key: str, *, stopped: bool) -> None:
        self._write(
            "INSERT INTO people (platform, author_id, stopped) SELECT platform, author_id, ? FROM posts WHERE key = ?"
            " ON CONFLICT DO UPDATE SET stopped = excluded.stopped",
            stopped, key,
        )  # fmt: skip

    def _move(self, key: str, state: State, since: Sequence[State], **values: str) -> None:
        """Set the state and more of an open row that stands in one of some states; else do nothing."""
        names = "".join(f", {name} = ?" for name in values)
        marks = ", ".join("?" * len(since))
        self._write(
            "UPDATE posts SET state = ?,"  # noqa: S608  our own names
            f" times = json_set(json_remove(times, '$.put_off'), '$.' || ?, ?){names}"
            f" WHERE key = ? AND open AND state IN ({marks})",
            state, state, time.time(), *values.values(), key, *since,
        )  # fmt: skip

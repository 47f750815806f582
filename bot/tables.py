"""The ledger's tables, and how a ledger of an earlier version comes to have them."""

import sqlite3

# Each step leads from one version to the next; the file keeps its version in user_version. What has been released is
# never changed again. The first ledgers had no version, so the first step must do no harm to them.
STEPS: tuple[tuple[str, ...], ...] = (
    (
        """
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
        ) STRICT
        """,
        "CREATE INDEX IF NOT EXISTS open_posts ON posts (platform, state) WHERE open",
        "CREATE INDEX IF NOT EXISTS songs ON posts (platform, author_id, song)",
        """
        CREATE TABLE IF NOT EXISTS bookmarks (
            platform  TEXT PRIMARY KEY,
            bookmark  TEXT NOT NULL,
            polled_at REAL NOT NULL                  -- Unix time
        ) STRICT
        """,
    ),
    (
        "ALTER TABLE posts ADD COLUMN deletes TEXT",  # key of the post whose answer is to be taken down
        "ALTER TABLE posts ADD COLUMN notice TEXT NOT NULL DEFAULT ''",  # what was said while it waited in line
        "CREATE INDEX replies ON posts (platform, reply_id) WHERE reply_id IS NOT NULL",
        "CREATE INDEX songs_under_way ON posts (platform, author_id) WHERE open AND request IS NOT NULL",
        """
        CREATE TABLE people (
            platform  TEXT NOT NULL,
            author_id TEXT NOT NULL,
            stopped   INTEGER NOT NULL DEFAULT 0,    -- 1: wants no answer of ours
            spoken_at REAL NOT NULL DEFAULT 0,       -- Unix time of the last help or refusal
            PRIMARY KEY (platform, author_id)
        ) STRICT
        """,
    ),
    (
        # How many posts ended how: it goes on counting when their rows are thrown away.
        """
        CREATE TABLE outcomes (
            platform TEXT NOT NULL,
            outcome  TEXT NOT NULL,
            number   INTEGER NOT NULL,
            PRIMARY KEY (platform, outcome)
        ) STRICT
        """,
        "INSERT INTO outcomes SELECT platform, state, count(*) FROM posts WHERE NOT open GROUP BY platform, state",
        """
        CREATE TRIGGER ended AFTER UPDATE OF open ON posts WHEN OLD.open AND NOT NEW.open BEGIN
            INSERT INTO outcomes VALUES (NEW.platform, NEW.state, 1) ON CONFLICT DO UPDATE SET number = number + 1;
        END
        """,
    ),
    (
        # The other way round it would be taken for `unfinished`, which wants open posts alone.
        "CREATE INDEX states ON posts (state, platform)",
        # What someone wrote is kept until it is finished, and then only where `retry` may have to read it again.
        "UPDATE posts SET mention = json_set(mention, '$.text', '')"
        " WHERE NOT open AND (state != 'failed' OR reply_id IS NOT NULL)",
        """
        CREATE TRIGGER finished AFTER UPDATE OF open ON posts
        WHEN NOT NEW.open AND (NEW.state != 'failed' OR NEW.reply_id IS NOT NULL) BEGIN
            UPDATE posts SET mention = json_set(mention, '$.text', '') WHERE key = NEW.key;
        END
        """,
    ),
    (
        # Networks that are switched on and have no bookmark, as they were never read.
        "CREATE TABLE unread (platform TEXT PRIMARY KEY, since REAL NOT NULL) STRICT",  # Unix time
        "CREATE TABLE homes (platform TEXT PRIMARY KEY, home TEXT NOT NULL) STRICT",  # on which server its posts are
        "CREATE VIEW switched_off AS SELECT platform FROM bookmarks WHERE polled_at = 0",
        """
        CREATE VIEW line AS                          -- what studios still have to play
            SELECT rowid AS place FROM posts WHERE open AND request IS NOT NULL
            AND state IN ('accepted', 'composing') AND platform NOT IN switched_off
        """,
    ),
)


class TooNew(sqlite3.DatabaseError):
    """The ledger was written by a later version of ours."""


def prepare(db: sqlite3.Connection) -> None:
    """Bring a ledger, or a new file, to the present version; all or nothing, and whoever comes second waits."""
    if _version(db) == len(STEPS):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        check_version(db)
        for statement in (statement for step in STEPS[_version(db) :] for statement in step):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {len(STEPS)}")
        db.execute("COMMIT")
    except BaseException:
        db.rollback()
        raise


def check_version(db: sqlite3.Connection) -> None:
    """Whether we know a ledger of this version.

    Raises:
        TooNew: It is of a later one.
    """
    if _version(db) > len(STEPS):
        raise TooNew("this ledger is of a later version of lnh; run that one")


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])

"""The file of the ledger: SQLite in WAL mode, its transactions, its copies, and what only the operator can mend."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

from bot.tables import TooNew, check_version, prepare
from model.errors import NeedsOperator, writing

_RESTORE = "stop the bot, move it and its -wal and -shm away, and `lnh ledger restore` a back-up"
_WHAT_TO_DO = {
    sqlite3.SQLITE_BUSY: "another process holds it; let that end, and start again",
    sqlite3.SQLITE_CORRUPT: _RESTORE,
    sqlite3.SQLITE_NOTADB: _RESTORE,
}


class _Damaged(sqlite3.DatabaseError):
    """SQLite found damage when it looked for some."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


class LedgerFile:
    """May be shared by threads, and read by other processes.

    Every method raises NeedsOperator when the disk is full, or the file is not ours to use or held by another process.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, RLock()
        with self._operator_errors():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # it holds what people wrote
            self._db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")  # what was posted must be known after a power cut
            prepare(self._db)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def examine(self) -> None:
        """Read all of it.

        Raises:
            NeedsOperator: Some of it is damaged.
        """
        with self._lock, self._operator_errors():
            _expect_whole(self._db, "quick_check")

    def copy_to(self, path: Path) -> None:
        """Copy all of it, as it is at one moment, to a file.

        Raises:
            NeedsOperator: Some of it is damaged, or there is no room for the copy.
        """
        with self._lock:
            with self._operator_errors():
                _expect_whole(self._db, "integrity_check")  # as `copy_back` does: what it would refuse is no back-up
            _copy(self._db, path)

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
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # above are details of it
            what_to_do = _WHAT_TO_DO.get(code, "make room, mend the rights or set LNH_DATA")
            raise NeedsOperator(f"{self._path}: {error}; {what_to_do}") from error


def is_there(path: Path) -> bool:
    """Whether there is a ledger.

    Raises:
        NeedsOperator: This user may not look, for its folder is the bot's alone.
    """
    try:
        return path.exists()
    except PermissionError as error:
        raise NeedsOperator(f"{path}: this user may not look there; run it as the user of the bot") from error


def copy_back(kept: Path, path: Path) -> None:
    """Make a ledger of a copy of one.

    Raises:
        NeedsOperator: The copy is damaged, of a later version, or no ledger; or there is no room for it.
    """
    with closing(sqlite3.connect(f"{kept.absolute().as_uri()}?immutable=1", uri=True)) as source:
        try:
            _expect_whole(source, "integrity_check")
            source.execute("SELECT count(*) FROM posts")
            check_version(source)
        except TooNew as error:
            raise NeedsOperator(f"{kept}: {error}") from error
        except sqlite3.Error as error:
            raise NeedsOperator(f"{kept}: {error}; take another back-up") from error
        _copy(source, path)


def _expect_whole(db: sqlite3.Connection, check: str) -> None:
    """Have SQLite look for damage; its quick_check does not compare rows with indexes.

    Raises:
        sqlite3.DatabaseError: There is some.
    """
    (found,) = db.execute(f"PRAGMA {check}(1)").fetchone()
    if found != "ok":
        raise _Damaged(f"it is damaged ({found.splitlines()[-1]})")


def _copy(source: sqlite3.Connection, path: Path) -> None:
    try:
        with _whole_file(path) as half, closing(sqlite3.connect(half)) as target:
            source.backup(target)
    except sqlite3.Error as error:
        raise NeedsOperator(f"{path}: {error}; make room, or mend the rights") from error


@contextmanager
def _whole_file(path: Path) -> Iterator[Path]:
    """A file beside, for the owner alone as it holds what people wrote; it takes the name when it was written whole."""
    half = path.with_name(f".{path.name}.part")
    with writing(path):
        half.unlink(missing_ok=True)
        try:
            half.touch(mode=0o600)
            yield half
            half.replace(path)
        finally:
            half.unlink(missing_ok=True)

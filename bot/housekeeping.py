"""What is thrown away, and when: tracks that were posted long ago, and rows that nobody will ask about again."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Event
from typing import Self

from bot.ledger import Ledger
from bot.manners import DAY_SECONDS, Manners
from model.errors import NeedsOperator
from worker.settings import named, read_number
from worker.store import Store

log = logging.getLogger(__name__)

SECONDS_BETWEEN = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """For how long what is finished is kept; what is open stays, however old."""

    tracks_seconds: float = 7 * DAY_SECONDS  # files in the store
    rows_seconds: float = 365 * DAY_SECONDS  # of the ledger; then /again, /delete and the number of a take know no more

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], manners: Manners) -> Self:
        """Read LNH_KEEP_TRACKS_DAYS and LNH_KEEP_ROWS_DAYS.

        Raises:
            NeedsOperator: One is no number above 0, or a row would go while its post could still be read once more.
        """
        usual = cls()
        rows, tracks = (
            read_number(environment, name, seconds / DAY_SECONDS) * DAY_SECONDS
            for name, seconds in (
                ("LNH_KEEP_ROWS_DAYS", usual.rows_seconds), ("LNH_KEEP_TRACKS_DAYS", usual.tracks_seconds),
            )
        )  # fmt: skip
        least = max(manners.left_seconds, DAY_SECONDS)  # quotas look back over a day
        if rows < least:
            raise NeedsOperator(
                f"{named('LNH_KEEP_ROWS_DAYS')} is {rows / DAY_SECONDS:g}; give {least / DAY_SECONDS:g} at least, a"
                " day and as long as LNH_LEFT_HOURS: until then the row keeps a post from being answered twice"
            )
        return cls(tracks_seconds=tracks, rows_seconds=rows)


class Housekeeping:
    """Looks every hour."""

    def __init__(self, ledger: Ledger, store: Store, keeping: Keeping) -> None:
        self._ledger, self._store, self._keeping = ledger, store, keeping

    def run(self, stop: Event) -> None:
        """Tidy until told to stop.

        Raises:
            NeedsOperator: The ledger cannot be written.
        """
        while True:
            self.tidy()
            if stop.wait(SECONDS_BETWEEN):
                return

    def tidy(self) -> None:
        """Throw away what has been kept long enough; a store that does not answer is asked again in an hour."""
        now = time.time()
        rows = self._ledger.forget(now - self._keeping.rows_seconds)
        try:
            files = self._store.sweep(now - self._keeping.tracks_seconds, self._ledger.open_keys())
        except Exception as error:  # each kind of store has errors of its own
            log.warning("LNH_STORE %s: cannot be swept: %s: %s", self._store.url, type(error).__name__, error)
            return
        if rows or files:
            log.info("threw away %d rows of the ledger and %d files of the store", rows, files)

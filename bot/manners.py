"""How the band behaves among strangers: what one person may ask for, whom it answers, and what it does not repeat."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from bot.blocks import Lists
from worker.settings import read_number

HOUR_SECONDS = 3600.0
DAY_SECONDS = 24 * HOUR_SECONDS
LONG_LINE = 20  # songs before one's own from which it is worth a word


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """Besides these, a person has one song played at a time, and gets help or a refusal at most once an hour."""

    songs_a_day: int = 10  # for one person, in any 24 hours
    longest_line: int = 500  # songs that wait or are played, everybody's together
    late_seconds: float = HOUR_SECONDS  # from a post to its answer; then the answer says sorry
    left_seconds: float = DAY_SECONDS  # from a post until we read it; then it is left unanswered
    lists: Lists = field(default_factory=Lists)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read LNH_SONGS_A_DAY, LNH_LONGEST_LINE, LNH_LATE_HOURS, LNH_LEFT_HOURS, LNH_BLOCKED and LNH_WORDS.

        Raises:
            NeedsOperator: One of them, or a line of a file that they name, cannot be right.
        """
        blocked, words = environment.get("LNH_BLOCKED"), environment.get("LNH_WORDS")
        return cls(
            songs_a_day=round(read_number(environment, "LNH_SONGS_A_DAY", USUAL.songs_a_day, whole=True)),
            longest_line=round(read_number(environment, "LNH_LONGEST_LINE", USUAL.longest_line, whole=True)),
            late_seconds=read_number(environment, "LNH_LATE_HOURS", USUAL.late_seconds / HOUR_SECONDS) * HOUR_SECONDS,
            left_seconds=read_number(environment, "LNH_LEFT_HOURS", USUAL.left_seconds / HOUR_SECONDS) * HOUR_SECONDS,
            lists=Lists.from_files(Path(blocked) if blocked else None, Path(words) if words else None),
        )


USUAL = Manners()

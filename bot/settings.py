"""What the environment says to the bot."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bot.manners import USUAL, Manners
from model.errors import NeedsOperator
from model.genre import Genre, load_genres
from worker.settings import StudioSettings, named, read_environment

__all__ = ["Settings", "read_environment"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where things are, and what is played when nobody says."""

    studio: StudioSettings
    data: Path  # the bot's own folder
    genres: Mapping[str, Genre]
    default_genre: str
    manners: Manners = USUAL

    @property
    def ledger(self) -> Path:
        """The ledger's file."""
        return self.data / "ledger.sqlite"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read LNH_DATA, LNH_DEFAULT_GENRE and what the manners and the studio read.

        Raises:
            NeedsOperator: A genre file is bad, there is none of the default genre, or a number or a list is wrong.
        """
        genres = load_genres()
        default_genre = environment.get("LNH_DEFAULT_GENRE") or "heavy-metal"
        if default_genre not in genres:
            raise NeedsOperator(f"{named('LNH_DEFAULT_GENRE')} is {default_genre!r}; genres/ has {', '.join(genres)}")
        return cls(
            studio=StudioSettings.from_environment(environment),
            data=Path(environment.get("LNH_DATA") or "data"),
            genres=genres,
            default_genre=default_genre,
            manners=Manners.from_environment(environment),
        )

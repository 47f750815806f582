"""The genres as the bot's parts know them, though their files be read again meanwhile."""

from collections.abc import Iterator, Mapping

from model.errors import NeedsOperator
from model.genre import Genre, load_genres


class LiveGenres(Mapping[str, Genre]):
    """A mapping that is exchanged as a whole: who is going through the old one is not disturbed."""

    def __init__(self, genres: Mapping[str, Genre], default_genre: str) -> None:
        self._genres, self._default_genre = genres, default_genre

    def read_again(self) -> None:
        """Read the genre files again, all of them, or stay as before.

        Raises:
            NeedsOperator: One of them is bad, or the default genre is gone.
        """
        genres = load_genres()
        if self._default_genre not in genres:
            raise NeedsOperator(f"genres/ has {', '.join(genres)}, but not LNH_DEFAULT_GENRE, {self._default_genre!r}")
        self._genres = genres

    def __getitem__(self, name: str) -> Genre:
        return self._genres[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._genres)

    def __len__(self) -> int:
        return len(self._genres)

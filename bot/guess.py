"""Which genre someone means."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import regex
from rapidfuzz.distance import OSA, JaroWinkler

from bot.spelling import UNSPACED
from model.genre import Genre

LETTERS_FOR_ONE_SLIP = 4  # "jaz" is jazz, but "hp" is not hm
SHORTEST_MISSPELT_ALIAS = 5  # letters: "funk" is not punk, and "hip" is not chip
LONGEST_NAME = 60  # letters; more is no genre and would only cost time

# Where words may have no space between them, each sign counts as one; so in Korean, whose small words hang on.
JOINED = rf"{UNSPACED}\p{{Script=Hangul}}"

_WORD = regex.compile(rf"[{JOINED}]|[^\s{JOINED}]+")
_SEPARATORS = regex.compile(r"[\s_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """A genre, and how it was read."""

    genre: str
    certain: bool  # its own name, however joined; not an alias or a misspelling
    length: int  # characters of the text that were read


def guess_genre(text: str, genres: Mapping[str, Genre]) -> Guess | None:
    """The genre that a text begins with, in as many words as make sense; None when nobody could tell."""
    names = _names(genres)
    most_words = max(words for _, words in names.values())
    ends = [word.end() for word, _ in zip(_WORD.finditer(text), range(most_words + 1), strict=False)]
    readings = [_squash(text[: min(end, LONGEST_NAME)]) for end in ends]
    for words, (end, letters) in reversed([*enumerate(zip(ends, readings, strict=True), start=1)]):
        if letters in names:
            genre = names[letters][0]
            return Guess(genre=genre.name, certain=letters in _own_names(genre), length=end)
        misspelt = _misspelt(readings[:words], names)
        if misspelt:
            return Guess(genre=min(misspelt)[1], certain=False, length=end)
    return None


def nearest_genres(text: str, genres: Mapping[str, Genre]) -> list[str]:
    """Every genre's name, the likeliest first."""
    readings = [_squash(text[: word.end()]) for word in _WORD.finditer(text[:LONGEST_NAME])]
    likeness = {
        genre.name: max(
            (JaroWinkler.similarity(letters, _squash(name)) for letters in readings for name in _spellings(genre)),
            default=0.0,
        )
        for genre in genres.values()
    }
    return sorted(likeness, key=lambda name: (-likeness[name], name))


def _spellings(genre: Genre) -> tuple[str, ...]:
    return (genre.name, genre.title, *genre.aliases)


def _names(genres: Mapping[str, Genre]) -> dict[str, tuple[Genre, int]]:
    """Squashed spelling to genre and number of words; a genre's own name wins over another's alias."""
    spellings = [(genre, name) for genre in genres.values() for name in genre.aliases]
    spellings += [(genre, name) for genre in genres.values() for name in (genre.title, genre.name)]
    return {_squash(name): (genre, len(_WORD.findall(_SEPARATORS.sub(" ", name)))) for genre, name in spellings}


def _own_names(genre: Genre) -> set[str]:
    return {_squash(genre.name), _squash(genre.title)}


def _misspelt(readings: Sequence[str], names: Mapping[str, tuple[Genre, int]]) -> list[tuple[int, str]]:
    """How many slips away each genre is, where one slip in four letters is forgiven, but none in a short alias.

    Read is the last, in one word more than the one before. No word more than the name has, nor one that brings it no
    nearer, nor any after a genre's own name: "jazz a" is jazz and the beginning of something else.
    """
    *shorter, letters = readings
    if any(read in names and read in _own_names(names[read][0]) for read in shorter):
        return []
    found = []
    for name, (genre, words_of_name) in names.items():
        may_slip = name in _own_names(genre) or len(name) >= SHORTEST_MISSPELT_ALIAS
        most = len(name) // LETTERS_FOR_ONE_SLIP if may_slip else 0
        slips = OSA.distance(letters, name, score_cutoff=most)
        if slips > most or len(readings) > words_of_name:
            continue
        if all(OSA.distance(read, name) > slips for read in shorter):
            found.append((slips, genre.name))
    return found


@lru_cache(maxsize=4096)
def _squash(name: str) -> str:
    """Bare letters and digits: "Heavy_Métal" is "heavymetal"."""
    bare = unicodedata.normalize("NFKD", name).casefold()
    return "".join(letter for letter in bare if letter.isalnum())

"""Words as they are meant: found also with accents, look-alike letters, digits and signs for letters, and gaps.

Each text is read several times, as `1` may stand for i, for l or for itself, and `!` for i or for an end. Only
whole words count, or what an entry's `*` allows: "class" holds no "ass".
"""

import unicodedata
from collections.abc import Sequence
from itertools import groupby
from typing import Any, TypeAlias

import regex

from bot.fold import unescape, visible

LONGEST_ENTRY = 100  # characters
# Scripts that put no space between words, and the sign for a long vowel, which belongs to two of them.
UNSPACED = r"\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}ー\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}"
SHORTEST_SPREAD = 3  # letters of a word that is also found as "w o r d"; two stand side by side too often

Pattern: TypeAlias = Any  # of the package regex, which has no types

_LOOK_ALIKES = str.maketrans(
    "аеорсухіѕјкмтвнԁһӏԛԝьзαοικρτυχεηνγωıłøđħŧɡ",
    "aeopcyxisjkmtbhdhlqwb3aoikptyxenvywilodhtg",
)
_DIGITS = {"0": "o", "3": "e", "4": "a", "5": "s", "6": "g", "7": "t", "8": "b", "9": "g"}
_SIGNS = {"@": "a", "$": "s", "€": "e", "+": "t", "£": "l", "¢": "c", "§": "s"}
_READINGS = (
    str.maketrans({}),
    *(str.maketrans({**_DIGITS, "1": letter}) for letter in "il"),
    *(str.maketrans({**_DIGITS, **_SIGNS, **dict.fromkeys("1!|¡", letter)}) for letter in "il"),
)
_DRAWN_OUT = regex.compile(r"(.)\1{2,}+")
_NO_SPACES = regex.compile(f"[{UNSPACED}]")
_DOT = r"[^\p{L}\p{N}\s]{0,3}+"  # w.o.r.d, w*ord
_GAP = r"[^\p{L}\p{N}]{1,5}+"  # w o r d


class BadEntry(ValueError):
    """No word that could be found; the message goes on after the entry."""


def found_in(text: str, patterns: Sequence[Pattern]) -> bool:
    """Whether a text holds one of the words."""
    plain = _plain(text)
    readings = [plain.translate(signs) for signs in _READINGS]
    return any(
        _is_word(found, plain) for reading in readings for pattern in patterns for found in pattern.finditer(reading)
    )


def _is_word(found: Any, plain: str) -> bool:
    """A number as such is none: 455 is a tempo."""
    written = plain[found.start() : found.end()]
    return written == found[0] or any(map(str.isalpha, written))


def compiled(entry: str) -> Pattern:
    """What finds a word or a phrase.

    Raises:
        BadEntry: There is nothing to find, or too much.
    """
    word = _plain(entry.strip("*"))
    if not word.strip() or len(entry) > LONGEST_ENTRY:
        raise BadEntry(f"is no word of 1 to {LONGEST_ENTRY} characters")
    if "*" in word:
        raise BadEntry("has a * inside; it may stand at an end")
    words = [_word(letters) for letters in word.split()]
    before = "" if entry.startswith("*") else _edge(word.strip()[0], r"(?<![{}])")
    after = "" if entry.endswith("*") else _edge(word.strip()[-1], r"(?![{}])")
    return regex.compile(before + r"[^\p{L}\p{N}]{1,5}+".join(words) + after)


def _plain(text: str) -> str:
    """Lower case, no accents, nothing invisible, Latin letters for those that look like them, none more than twice."""
    text = visible(unescape(text)).casefold()
    apart = unicodedata.normalize("NFKD", text)
    bare = "".join(letter for letter in apart if not unicodedata.combining(letter) and letter not in "\u200c\u200d")
    drawn_in: str = _DRAWN_OUT.sub(r"\1\1", bare.casefold().translate(_LOOK_ALIKES))
    return drawn_in


def _word(letters: str) -> str:
    """A word in one piece or with signs in it, or with a gap after each letter; any letter may be drawn out."""
    runs = [(regex.escape(letter), len(list(run))) for letter, run in groupby(letters)]
    joined = _drawn_out(runs, _DOT)
    if len(letters) < SHORTEST_SPREAD:
        return joined
    return f"(?:{joined}|{_drawn_out(runs, _GAP)})"


def _drawn_out(runs: Sequence[tuple[str, int]], between: str) -> str:
    """Letters with something between them; a few more of each do no harm, but without end they would cost time."""
    return between.join(f"{letter}(?:{between}{letter}){{{count - 1},{count + 2}}}+" for letter, count in runs)


def _edge(letter: str, look: str) -> str:
    """That a word ends here; nothing where a script has no spaces."""
    if _NO_SPACES.match(letter) or not letter.isalnum():
        return ""
    return look.format(r"\p{L}" if letter.isalpha() else r"\p{L}\p{N}")

"""How a kind reader sees a post: nothing invisible, every slash a slash, every digit a digit."""

import html
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import regex

SLASHES = "/／∕⁄⧸⟋╱"
MARKS_ON_A_LETTER = 4  # pointed Hebrew needs 4; more is zalgo; thousands make NFC slow

_JOINED_SCRIPTS = "".join(
    rf"\p{{Script={script}}}"
    for script in (
        "Arabic", "Syriac", "Mongolian", "Nko", "Devanagari", "Bengali", "Gurmukhi", "Gujarati", "Oriya", "Tamil",
        "Telugu", "Kannada", "Malayalam", "Sinhala", "Khmer", "Myanmar", "Tibetan",
    )
)
_FLAG_TAGS = r"\U0001F3F4[\U000E0020-\U000E007E]{1,8}\U000E007F"  # the flags of England, Scotland, Wales
_ENTITY = regex.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_BLANK = regex.compile(r"[\s\u115f\u1160\u2800\u3164\uffa0]")  # also letters that nobody can see
_HIDDEN = regex.compile(
    rf"({_FLAG_TAGS})|(?V1)[[\p{{Cc}}\p{{Cf}}\p{{Cs}}\p{{Co}}\p{{Noncharacter_Code_Point}}\u034f]--[\u200c\u200d]]"
)
_ENDLESS_MARKS = regex.compile(r"(\p{M}{20})\p{M}++")
_EXTRA_MARKS = regex.compile(rf"(\p{{M}}{{{MARKS_ON_A_LETTER}}})\p{{M}}++")
_IDLE_JOINER = regex.compile(
    r"(?<![\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f])\u200d"
    r"|\u200d(?!\p{Extended_Pictographic})|\u200c"
)
_JOINER = regex.compile(rf"(?<=[{_JOINED_SCRIPTS}])[\u200c\u200d](?=[{_JOINED_SCRIPTS}])")
_SIGNS = {"٫": ".", "٬": ",", "٪": "%", "−": "-", "‐": "-", "‑": "-"} | dict.fromkeys(SLASHES, "/")


def unescape(text: str) -> str:
    """HTML entities as what they stand for; `&copy` without its semicolon is left as it was meant."""
    plain: str = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
    return plain


def visible(text: str) -> str:
    """Only what can be seen, in NFC: control, bidi and zero-width characters gone, any blank a space, zalgo tamed.

    Joiners stay where a script or an emoji family needs them.
    """
    text = _HIDDEN.sub(lambda hidden: hidden[1] or "", _BLANK.sub(" ", text))
    needed = {joiner.start() for joiner in _JOINER.finditer(text)}
    text = _IDLE_JOINER.sub(lambda idle: idle[0] if idle.start() in needed else "", text)
    text = unicodedata.normalize("NFC", _ENDLESS_MARKS.sub(r"\1", text))
    tamed: str = _EXTRA_MARKS.sub(r"\1", text)
    return tamed


@dataclass(frozen=True, slots=True)
class Folded:
    """A text in its plainest spelling, and the way back to the text as written."""

    text: str  # lower case, ASCII slashes and digits, no joiners
    source: str  # as written
    positions: tuple[int, ...]  # where in the source each character stands, and the source's end

    def written(self, start: int, end: int) -> str:
        """What was written for `text[start:end]`."""
        return self.source[self.positions[start] : self.positions[end]]


def fold(source: str) -> Folded:
    """Fold a visible text for reading commands, flags and numbers."""
    characters, positions = [], []
    for position, character in enumerate(source):
        folded = _fold_character(character)
        if folded:
            characters.append(folded)
            positions.append(position)
    return Folded("".join(characters), source, (*positions, len(source)))


@lru_cache(maxsize=4096)
def _fold_character(character: str) -> str:
    """One plain character, or none for a joiner, a variation selector or the box of a keycap."""
    if character in "\u200c\u200d\u20e3" or "\ufe00" <= character <= "\ufe0f":
        return ""
    digit = unicodedata.digit(character, None)
    if digit is not None:
        return str(digit)
    plain = _SIGNS.get(character, unicodedata.normalize("NFKC", character).casefold())
    return plain if len(plain) == 1 else character

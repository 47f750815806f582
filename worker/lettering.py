"""Text as a picture, in whatever script a title is written."""

import math
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from itertools import groupby
from pathlib import Path

import regex
from PIL import Image, ImageDraw, ImageFont

from worker.bidi import in_order_of_sight, levels, opens_right_to_left

FONTS_FOLDER = Path(__file__).resolve().parent.parent / "fonts"
SYSTEM_FOLDER = Path("/usr/share/fonts")
DISPLAY, TEXT = FONTS_FOLDER / "BebasNeue-Bold.otf", FONTS_FOLDER / "OpenSans-CondBold.ttf"
JAPANESE, FALLBACK = FONTS_FOLDER / "Mplus1-Bold.otf", FONTS_FOLDER / "DroidSansFallback.ttf"
SYMBOLS = FONTS_FOLDER / "DejaVuSans-Bold.ttf"  # of our fonts, the only one that puts any mark over a capital
SCRIPTS = ("Arabic", "Hebrew", "Thai", "Devanagari")
OTHERS = (
    TEXT, *(FONTS_FOLDER / f"NotoSans{script}-Bold.ttf" for script in SCRIPTS), JAPANESE, FALLBACK, SYMBOLS,
)  # fmt: skip
EMBOLDENED = 0.026  # of the size: the stroke around the letters of the fallback, which has no bold
EMOJI, EMOJI_SIZE = "NotoColorEmoji.ttf", 109  # a bitmap font of this one size
IDEOGRAPHS = r"[\p{Han}\p{Hangul}\p{Hiragana}\p{Katakana}]"
WITHOUT_SPACES = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"  # between words
# What is not parted where a word is split: a vowel that Thai writes first from its consonant, a small kana or a mark
# from what it follows; two of them at most, for people write "goooal" in every script.
KEPT_TOGETHER = r"[\u0e40-\u0e44]{0,2}\X[、。，．・：；？！）」』】ーぁぃぅぇぉっゃゅょァィゥェォッャュョ]{0,2}"
OF_CAPITALS = r"[\p{Latin}\p{Cyrillic}]"  # what the display font has of these scripts looks like capitals, small or not
UNSEEN = r"[\p{DI}--\p{L}]"  # joiners and selectors: they shape others, and need no glyph
NO_CHARACTER = "\U0010ffff"  # drawn as the box that stands for a missing glyph
MOST_LETTERS = 80
KNOWN_LETTERS = 4096  # with their marks, of which strangers can pile up any number
ABOVE, BELOW = 1.2, 0.6  # over and under the base line of a line, in sizes; Thai and Arabic need it
CLOSEST, APART = 0.94, 0.1  # from base line to base line at least, and between what lines reach to, in sizes
EVENER = (0.55, 0.65, 0.75, 0.85)  # of the width: what lines of a title are tried to be kept in, so that none is short
Colour = str  # "#ff4b2b"


def set_line(text: str, size: int, colour: Colour, face: Path = TEXT) -> Image.Image:
    """One line of text on a transparent ground, as wide as it gets, cropped above and below its ink."""
    text = clean(text)
    line = _set_line(text, size, colour, face, right_to_left=opens_right_to_left(text))
    above, below = _reach(text, size, face)
    base = round(size * ABOVE)
    return line.crop((0, base - above, line.width, base + max(below, 1 - above)))


def set_title(
    text: str,
    *,
    width: int,
    height: int,
    sizes: Sequence[int],
    colour: Colour,
    align: float = 0.0,
    face: Path = DISPLAY,
) -> Image.Image:
    """A title as large as it fits into a box, in the first of the sizes that will do, or cut in the last; cropped.

    `align` is 0 for lines that begin together, 0.5 for lines in the middle.
    """
    text = clean(text)
    for size, may_split in [(size, may_split) for may_split in (False, True) for size in sizes]:
        lines = _wrap(text, size, width, face)
        fits = size == sizes[-1] or max(_width(line, size, face) for line in lines) <= width
        if fits and _height(lines, size, face) <= height and (may_split or _splits_no_word(lines, text)):
            lines = _balanced(text, lines, size, width, face)
            break
    else:
        lines = _shortened(lines, size, width, height, face)
    to_the_left = opens_right_to_left(text)
    pieces = [_set_line(line, size, colour, face, right_to_left=to_the_left) for line in lines]
    image = Image.new("RGBA", (max(piece.width for piece in pieces), _height(lines, size, face)))
    share = 1 - align if to_the_left else align
    top = _reach(lines[0], size, face)[0] - round(size * ABOVE)
    for row, piece in enumerate(pieces):
        line = Image.new("RGBA", image.size)
        line.paste(piece, (round((image.width - piece.width) * share), top + row * _leading(lines, size, face)))
        image.alpha_composite(line)
    return image


def _set_line(text: str, size: int, colour: Colour, face: Path, *, right_to_left: bool) -> Image.Image:
    """A line with room above and below its base line; every script in a font that has it."""
    runs = in_order_of_sight(list(_runs(text, face, right_to_left)))
    pieces = [_set_run(run, font, size, colour, level) for level, (run, font) in runs]
    image = Image.new("RGBA", (max(1, sum(piece.width for piece in pieces)), round(size * (ABOVE + BELOW))))
    x = 0
    for piece in pieces:
        image.alpha_composite(piece, (x, 0))
        x += piece.width
    return image


def _height(lines: Sequence[str], size: int, face: Path) -> int:
    """From the highest ink to the lowest, in pixels."""
    above, below = _reach(lines[0], size, face)[0], _reach(lines[-1], size, face)[1]
    leading: int = _leading(lines, size, face)
    return max(1, above + below + leading * (len(lines) - 1))


def _leading(lines: Sequence[str], size: int, face: Path) -> int:
    """From base line to base line, in pixels."""
    reaches = [_reach(line, size, face) for line in lines]
    above, below = max(above for above, _ in reaches), max(below for _, below in reaches)
    return max(round(size * CLOSEST), above + below + round(size * APART))


@lru_cache(maxsize=1024)
def _reach(line: str, size: int, face: Path) -> tuple[int, int]:
    """How far the ink of a line goes over its base line, and under it, in pixels."""
    above, below = 0.0, 0.0
    for _, (run, font) in _runs(line, face, right_to_left=False):
        drawn_size = EMOJI_SIZE if font.name == EMOJI else size
        _, top, _, bottom = _font(font, drawn_size).getbbox(run, anchor="ls")
        above, below = max(above, -top * size / drawn_size), max(below, bottom * size / drawn_size)
    return math.ceil(min(above, size * ABOVE)), math.ceil(min(below, size * BELOW))


def _shortened(lines: list[str], size: int, width: int, height: int, face: Path) -> list[str]:
    """As many lines as fit a height, the last one cut."""
    kept = max((count for count in range(1, len(lines)) if _height(lines[:count], size, face) <= height), default=1)
    return [*lines[: kept - 1], _cut(" ".join(lines[kept - 1 :]), size, width, face)]


def clean(text: str) -> str:
    """What can be drawn of a text: no control or direction characters, single spaces, not endless."""
    seen = regex.sub(r"[\p{Cc}\p{Cf}\p{Cs}--[\u200d\u200c]]", " ", text, flags=regex.V1)
    return "".join(regex.findall(r"\X", " ".join(seen.split()))[:MOST_LETTERS]).strip() or " "


def _balanced(text: str, lines: list[str], size: int, width: int, face: Path) -> list[str]:
    """As many lines, of lengths as even as can be without splitting more words."""
    for share in EVENER:
        narrower = _wrap(text, size, round(width * share), face)
        if len(narrower) == len(lines) and _words(narrower) == _words(lines):
            return narrower
    return lines


def _words(lines: Sequence[str]) -> int:
    return len(" ".join(lines).split())


def _splits_no_word(lines: Sequence[str], text: str) -> bool:
    """Whether each word is whole, but for what is not written with spaces."""
    whole = {word for word in text.split() if not regex.search(WITHOUT_SPACES, word)}
    return whole <= set(" ".join(lines).split())


def _wrap(text: str, size: int, width: int, face: Path) -> list[str]:
    """Lines of words that fit a width; a word that is too long, or a script without spaces, is split anywhere."""
    lines = [""]
    for word in _split_long(text.split(" "), size, width, face):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and _width(longer, size, face) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _split_long(words: Sequence[str], size: int, width: int, face: Path) -> Iterator[str]:
    for word in words:
        piece = ""
        for grapheme in regex.findall(KEPT_TOGETHER, word):
            if piece and _width(piece + grapheme, size, face) > width:
                yield piece
                piece = ""
            piece += grapheme
        yield piece


def _cut(text: str, size: int, width: int, face: Path) -> str:
    graphemes = regex.findall(r"\X", text)
    while graphemes and _width("".join(graphemes) + "…", size, face) > width:
        graphemes.pop()
    return "".join(graphemes).rstrip() + "…"


def _width(text: str, size: int, face: Path) -> int:
    """In pixels, as it is drawn."""
    return sum(_run_width(run, font, size) for _, (run, font) in _runs(text, face, right_to_left=False))


def _run_width(run: str, font: Path, size: int) -> int:
    drawn_size = EMOJI_SIZE if font.name == EMOJI else size
    return max(1, round(_font(font, drawn_size).getlength(run) * size / drawn_size))


def _set_run(run: str, font: Path, size: int, colour: Colour, level: int) -> Image.Image:
    is_emoji = font.name == EMOJI
    drawn_size = EMOJI_SIZE if is_emoji else size
    face = _font(font, drawn_size)
    image = Image.new("RGBA", (max(1, round(face.getlength(run))), round(drawn_size * (ABOVE + BELOW))))
    ImageDraw.Draw(image).text(
        (0, round(drawn_size * ABOVE)), run, fill=colour, font=face, anchor="ls", embedded_color=is_emoji,
        direction="rtl" if level % 2 else "ltr", stroke_width=EMBOLDENED * size if font == FALLBACK else 0,
    )  # fmt: skip
    if not is_emoji:
        return image
    smaller = (_run_width(run, font, size), round(size * (ABOVE + BELOW)))
    return image.resize(smaller, Image.Resampling.LANCZOS)


def _runs(text: str, face: Path, right_to_left: bool) -> Iterator[tuple[int, tuple[str, Path]]]:
    """Pieces of text of one level that one font can draw; an emoji for which there is no font is left out."""
    letters = [_as_drawn(letter, face) for letter in regex.findall(r"\X", text)]
    deep = levels(letters, right_to_left=right_to_left)
    fonts = fonts_of(letters, face)
    together = zip(letters, deep, fonts, strict=True)
    for (level, font), group in groupby(together, key=lambda each: each[1:]):
        if font is not None:
            yield level, ("".join(letter for letter, _, _ in group), font)


def fonts_of(letters: Sequence[str], face: Path) -> list[Path | None]:
    """The font of each letter; spaces and marks go with what they follow, ideographs of one text are of one font."""
    ideographs = [letter for letter in letters if regex.match(IDEOGRAPHS, letter)]
    chinese = not all(_draws(JAPANESE, letter) for letter in ideographs)
    fonts: list[Path | None] = []
    for letter in letters:
        before = fonts[-1] if fonts else None
        if before and before.name != EMOJI and regex.match(r"[\p{Z}\p{P}]\Z", letter) and _draws(before, letter):
            fonts.append(before)
        elif chinese and regex.match(IDEOGRAPHS, letter) and _draws(FALLBACK, letter):
            fonts.append(FALLBACK)
        else:
            fonts.append(_font_of(letter, face))
    return fonts


@lru_cache(KNOWN_LETTERS)
def _as_drawn(letter: str, face: Path) -> str:
    """A letter without the marks that no font has for it; a capital where the display font lacks a small one."""
    font = _font_of(letter, face)
    if font is None or font.name == EMOJI:
        return letter
    if not _draws(font, letter):
        signs = unicodedata.normalize("NFC", letter)
        letter = "".join(sign for sign in signs if _draws(font, sign) or not regex.match(r"\p{M}", sign))
    lacks = face == DISPLAY and not _draws(face, letter) and regex.match(OF_CAPITALS, letter)
    return letter.upper() if lacks and _first_to_draw(letter.upper(), face) else letter


@lru_cache(KNOWN_LETTERS)
def _font_of(letter: str, face: Path) -> Path | None:
    """The first font that has a letter with all its marks, or else the first that has it without."""
    if regex.search(r"\p{Emoji_Presentation}|\ufe0f", letter):
        return next((path for path in _system_fonts() if path.name == EMOJI), None)
    return _first_to_draw(letter, face) or _first_to_draw(letter[0], face) or face


def _first_to_draw(letter: str, face: Path) -> Path | None:
    is_marked = regex.match(OF_CAPITALS + r"\p{M}", unicodedata.normalize("NFC", letter))
    others = (SYMBOLS, *OTHERS) if is_marked else OTHERS
    return next((path for path in (face, *others, *_system_fonts()) if _draws(path, letter)), None)


@cache
def _system_fonts() -> tuple[Path, ...]:
    """Fonts of this machine, bold sans serifs first."""
    found = [path for path in SYSTEM_FOLDER.rglob("*") if path.suffix in {".ttf", ".otf", ".ttc"}]
    return tuple(sorted(found, key=lambda path: ("Bold" not in path.name, "Serif" in path.name, path.name)))


def _draws(path: Path, letter: str) -> bool:
    """Whether a font has all that is seen of a letter."""
    seen = regex.sub(UNSEEN, "", unicodedata.normalize("NFC", letter), flags=regex.V1)
    return all(_has(path, character) for character in seen)


@cache
def _has(path: Path, character: str) -> bool:
    """Whether a font has a glyph of its own for a character."""
    try:
        font = ImageFont.truetype(path, 24, layout_engine=ImageFont.Layout.BASIC)
        return character.isspace() or bytes(font.getmask(character)) != bytes(font.getmask(NO_CHARACTER))
    except OSError:
        return False


@cache
def _font(path: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)

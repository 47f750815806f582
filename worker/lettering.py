"""Text as a picture, in whatever script a title is written."""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path

import regex
from PIL import Image, ImageDraw, ImageFont

FONTS_FOLDER = Path(__file__).resolve().parent.parent / "fonts"
SYSTEM_FOLDER = Path("/usr/share/fonts")
DISPLAY, TEXT = FONTS_FOLDER / "BebasNeue-Bold.otf", FONTS_FOLDER / "OpenSans-CondBold.ttf"
OTHERS = ("OpenSans-CondBold.ttf", "DejaVuSans-Bold.ttf", "NotoSansDevanagari-Bold.ttf", "DroidSansFallback.ttf")
EMOJI, EMOJI_SIZE = "NotoColorEmoji.ttf", 109  # a bitmap font of this one size
NO_CHARACTER = "\U0010ffff"  # drawn as the box that stands for a missing glyph
MOST_CHARACTERS = 160
ABOVE, BELOW = 1.0, 0.4  # room over and under the base line, in sizes; Arabic and Devanagari need it
LEADING = 1.12  # from line to line, in sizes
Colour = str  # "#ff4b2b"


def set_line(text: str, size: int, colour: Colour, face: Path = TEXT) -> Image.Image:
    """One line of text on a transparent ground, as wide as it gets; every script in a font that has it."""
    runs = list(_runs(clean(text), face))
    if _opens_right_to_left(text):
        runs.reverse()
    pieces = [_set_run(run, font, size, colour) for run, font in runs]
    image = Image.new("RGBA", (max(1, sum(piece.width for piece in pieces)), round(size * (ABOVE + BELOW))))
    x = 0
    for piece in pieces:
        image.alpha_composite(piece, (x, 0))
        x += piece.width
    return image


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
    """A title as large as it fits into a box: in the first of the sizes that will do, or cut in the last.

    `align` is 0 for lines that begin together, 0.5 for lines in the middle.
    """
    text = clean(text)
    for size in sizes:
        lines = max(1, int((height / size - ABOVE - BELOW) / LEADING) + 1)
        wrapped = _wrap(text, size, width, face)
        if len(wrapped) <= lines:
            break
    else:
        wrapped = [*wrapped[: lines - 1], _cut(" ".join(wrapped[lines - 1 :]), size, width, face)]
    set_lines = [set_line(line, size, colour, face) for line in wrapped]
    taken = round(size * (LEADING * (len(set_lines) - 1) + ABOVE + BELOW))
    image = Image.new("RGBA", (max(each.width for each in set_lines), taken))
    share = 1 - align if _opens_right_to_left(text) else align
    for row, each in enumerate(set_lines):
        image.alpha_composite(each, (round((image.width - each.width) * share), round(row * LEADING * size)))
    return image


def clean(text: str) -> str:
    """What can be drawn of a text: no control or direction characters, single spaces, not endless."""
    seen = regex.sub(r"[\p{Cc}\p{Cf}\p{Cs}--[\u200d\u200c]]", " ", text, flags=regex.V1)
    return " ".join(seen[:MOST_CHARACTERS].split()) or " "


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
        for grapheme in regex.findall(r"\X", word):
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


def _width(text: str, size: int, face: Path) -> float:
    return sum(_run_width(run, font, size) for run, font in _runs(text, face))


def _run_width(run: str, font: Path, size: int) -> float:
    if font.name == EMOJI:
        return _font(font, EMOJI_SIZE).getlength(run) * size / EMOJI_SIZE
    return _font(font, size).getlength(run)


def _set_run(run: str, font: Path, size: int, colour: Colour) -> Image.Image:
    is_emoji = font.name == EMOJI
    drawn_size = EMOJI_SIZE if is_emoji else size
    face = _font(font, drawn_size)
    image = Image.new("RGBA", (max(1, round(face.getlength(run))), round(drawn_size * (ABOVE + BELOW))))
    place = (0, round(drawn_size * ABOVE))
    ImageDraw.Draw(image).text(place, run, fill=colour, font=face, anchor="ls", embedded_color=is_emoji)
    if not is_emoji:
        return image
    smaller = (max(1, round(image.width * size / EMOJI_SIZE)), round(size * (ABOVE + BELOW)))
    return image.resize(smaller, Image.Resampling.LANCZOS)


def _runs(text: str, face: Path) -> Iterator[tuple[str, Path]]:
    """Pieces of text that one font can draw; an emoji for which there is no font is left out."""
    fonts = [(grapheme, _font_of(grapheme, face)) for grapheme in regex.findall(r"\X", text)]
    for font, group in groupby(fonts, key=lambda pair: pair[1]):
        if font is not None:
            yield "".join(grapheme for grapheme, _ in group), font


@cache
def _font_of(grapheme: str, face: Path) -> Path | None:
    if regex.search(r"\p{Emoji_Presentation}|\ufe0f", grapheme):
        return next((path for path in _system_fonts() if path.name == EMOJI), None)
    ours = (face, *(FONTS_FOLDER / name for name in OTHERS))
    found = next((path for path in ours if _draws(path, grapheme[0])), None)
    return found or next((path for path in _system_fonts() if _draws(path, grapheme[0])), face)


@cache
def _system_fonts() -> tuple[Path, ...]:
    """Fonts of this machine, bold sans serifs first."""
    found = [path for path in SYSTEM_FOLDER.rglob("*") if path.suffix in {".ttf", ".otf", ".ttc"}]
    return tuple(sorted(found, key=lambda path: ("Bold" not in path.name, "Serif" in path.name, path.name)))


def _draws(path: Path, character: str) -> bool:
    """Whether a font has a glyph of its own for a character."""
    try:
        font = ImageFont.truetype(path, 24, layout_engine=ImageFont.Layout.BASIC)
        return character.isspace() or bytes(font.getmask(character)) != bytes(font.getmask(NO_CHARACTER))
    except OSError:
        return False


@cache
def _font(path: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)


def _opens_right_to_left(text: str) -> bool:
    first = regex.search(r"\p{L}", text)
    return first is not None and regex.match(r"[\p{Arabic}\p{Hebrew}\p{Syriac}\p{Thaana}\p{Nko}]", first[0]) is not None

"""The cover: the score as a poster, its roll wound around a record."""

import math
from collections.abc import Iterator

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from model.genre import Genre
from model.request import ComposeRequest
from model.score import Note, Part, Score
from worker.lettering import set_line, set_title
from worker.picture import (
    KIT,
    LEAST_ROWS,
    accent,
    colours,
    facts,
    first_onset,
    is_bright,
    kit_row,
    mix,
    pitch_range,
    playing,
    rows_of,
)

Radii = tuple[float, float]  # inner and outer, in shares of the disc's
Corners = list[tuple[float, float]]

COVER = 1200  # pixels on a side
EDGE, TOP = 56, 40  # of the page, and above the disc
DISC = 860  # pixels across
TITLE_HEIGHT, TITLE_SIZES = 196, (190, 164, 140, 120, 104, 90, 78, 66, 56, 46, 38)
FINER = 2  # the disc is drawn this much larger, for smooth edges
INNER, OUTER = 0.27, 0.975  # radii on the disc, between which the notes lie
GAP = 0.012  # between the rings of two players
SHADE = 0.065  # share of a player's colour in the ground of its ring
TURN = 0.985  # of a full turn is the song; the gap is where it begins, at its first note
THICK = 2.3  # rows of pitch that a note covers


def draw_cover(score: Score, request: ComposeRequest, genre: Genre) -> Image.Image:
    """A poster of 1200×1200: the whole song as a record, one turn from beginning to end, low notes inside."""
    paper = Image.new("RGB", (COVER, COVER), genre.look.background)
    disc = draw_disc(score, genre, DISC)
    paper.paste(disc, ((COVER - DISC) // 2, TOP), disc)
    title = set_title(
        request.title, width=COVER - 2 * EDGE, height=TITLE_HEIGHT, sizes=TITLE_SIZES, colour=genre.look.ink, align=0.5
    )
    line = set_line(facts(request, genre), 38, accent(genre))
    bottom = COVER - EDGE - line.height
    room = bottom - TOP - DISC
    paper.paste(title, ((COVER - title.width) // 2, TOP + DISC + (room - title.height) // 2), title)
    paper.paste(line, ((COVER - line.width) // 2, bottom), line)
    return paper


def draw_disc(score: Score, genre: Genre, size: int) -> Image.Image:
    """All notes around a hole, on a square of so many pixels: a ring for each player."""
    disc = Image.new("RGB", (size * FINER, size * FINER), genre.look.background)
    draw = ImageDraw.Draw(disc)
    dark = mix(genre.look.background, "#000000", 0.06 if is_bright(genre) else 0.5)
    draw.ellipse((0, 0, disc.width - 1, disc.height - 1), fill=dark)
    for part, radii in _rings(score):
        colour = colours(genre)[part.role]
        around = [disc.width / 2 * (1 + side * radii[1]) for side in (-1, -1, 1, 1)]
        width = round(disc.width / 2 * (radii[1] - radii[0]))
        draw.arc(around, 0, 360, fill=mix(genre.look.background, colour, SHADE), width=width)
        for corners, share in (*_bars(score, radii), *_notes(score, part, radii)):
            fill = mix(genre.look.background, colour, share)
            draw.polygon([(x * disc.width, y * disc.width) for x, y in corners], fill=fill)
    disc = disc.resize((size, size), Image.Resampling.BOX)
    disc = disc if is_bright(genre) else _glow(disc, 2)
    _draw_label(disc, genre)
    disc.putalpha(_round(size))
    return disc


def _bars(score: Score, radii: Radii) -> Iterator[tuple[Corners, float]]:
    """A thin line where each bar begins, and how strong its colour is."""
    for bar, start in enumerate(score.bar_starts[:-1]):
        if start >= first_onset(score):
            yield _ring(score, (start, start + 0.6), radii), 0.32 if bar % 4 == 0 else 0.18


def _notes(score: Score, part: Part, radii: Radii) -> Iterator[tuple[Corners, float]]:
    """A piece of the ring for each note, and how strong its colour is."""
    low, high = radii
    for note in part.notes:
        inside, outside = _place(part, note)
        stop = note.start + (2.2 if part.role == "drums" else max(2, note.duration * 0.95))
        edges = (low + (high - low) * inside, low + (high - low) * outside)
        yield _ring(score, (note.start, stop), edges), 0.6 + 0.4 * note.velocity / 127


def _rings(score: Score) -> Iterator[tuple[Part, Radii]]:
    """Each player's ring on the disc, from the inside: two radii. It is as wide as the player's range asks for."""
    parts = playing(score)[::-1]
    rows = [rows_of(part) for part in parts]
    room = OUTER - INNER - GAP * (len(parts) - 1)
    low = INNER
    for part, its_rows in zip(parts, rows, strict=True):
        high = low + room * its_rows / sum(rows)
        yield part, (low, high)
        low = high + GAP


def _place(part: Part, note: Note) -> tuple[float, float]:
    """Lower and upper edge of a note, as shares of the width of its ring."""
    if part.role == "drums":
        row = kit_row(note)
        return (row + 0.06) / len(KIT), (row + 0.94) / len(KIT)
    lowest, highest = pitch_range([part], LEAST_ROWS)
    rows = highest - lowest + 1
    middle = note.pitch - lowest + 0.5
    return max(0.0, (middle - THICK / 2) / rows), min(1.0, (middle + THICK / 2) / rows)


def _glow(image: Image.Image, pixels: int) -> Image.Image:
    """Every light with a halo."""
    small = image.resize((image.width // 4, image.height // 4)).filter(ImageFilter.GaussianBlur(pixels))
    return ImageChops.add(image, small.resize(image.size).point(lambda value: value // 3))


def _round(size: int) -> Image.Image:
    """A mask of a full circle."""
    mask = Image.new("L", (size * FINER, size * FINER))
    ImageDraw.Draw(mask).ellipse((0, 0, size * FINER - 1, size * FINER - 1), fill=255)
    return mask.resize((size, size), Image.Resampling.BOX)


def _draw_label(disc: Image.Image, genre: Genre) -> None:
    """The paper in the middle of the record."""
    fine = round(disc.width * (INNER - 0.04)) * 4
    label = Image.new("RGBA", (fine, fine))
    draw = ImageDraw.Draw(label)
    draw.ellipse((0, 0, fine - 1, fine - 1), fill=accent(genre))
    draw.ellipse((fine * 0.44, fine * 0.44, fine * 0.56, fine * 0.56), fill=genre.look.background)
    name = set_line("LnH", round(fine * 0.27), genre.look.background)
    label.alpha_composite(name, ((fine - name.width) // 2, round(fine * 0.13)))
    label = label.resize((fine // 4, fine // 4), Image.Resampling.LANCZOS)
    disc.paste(label, ((disc.width - label.width) // 2, (disc.height - label.height) // 2), label)


def _ring(score: Score, ticks: tuple[float, float], radii: Radii) -> Corners:
    """A piece of a ring, from tick to tick, on a disc that is 1 across."""
    turn = 2 * math.pi * TURN / max(1, score.ticks - first_onset(score))
    steps = max(1, math.ceil((ticks[1] - ticks[0]) * turn / 0.04))
    since = ticks[0] - first_onset(score)
    angles = [(since + (ticks[1] - ticks[0]) * step / steps) * turn for step in range(steps + 1)]
    low, high = (radius / 2 for radius in radii)
    there = [(0.5 + high * math.sin(angle), 0.5 - high * math.cos(angle)) for angle in angles]
    back = [(0.5 + low * math.sin(angle), 0.5 - low * math.cos(angle)) for angle in reversed(angles)]
    return there + back

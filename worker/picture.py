"""The score to look at: a poster for the cover, and a strip that moves past a line for the video."""

import math
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageColor, ImageDraw, ImageFilter

from model.genre import Genre
from model.request import ComposeRequest
from model.score import Note, Role, Score
from worker.lettering import set_line, set_title
from worker.perform import opening_seconds

Rgb = tuple[int, int, int]

COVER = 1200  # pixels on a side
FINER = 2  # the disc is drawn this much larger, for smooth edges
INNER, DRUMS, OUTER = 0.29, 0.47, 0.98  # radii on the disc: where drums begin, where pitches begin, where they end
TURN = 0.985  # of a full turn is the song; the gap is where it begins

WIDTH, HEIGHT = 1280, 720
ROLL_TOP, ROLL_HEIGHT = 172, 440
DRUM_HEIGHT = 110  # of the roll
LINE_X = 320  # where notes sound
PIXELS_PER_SECOND = 200  # divisible by twice the frame rate
BAR_HEIGHT = 8  # of the progress bar
DIM = 0.45  # share of its colour that a note has before it sounds

THICK = 1.5  # rows of pitch that a note covers
# Rows of the kit from low to high: General MIDI keys of kicks, snares, toms, hi-hats and cymbals.
KIT = ((35, 36), (37, 38, 39, 40), (41, 43, 45, 47, 48, 50), (42, 44, 46), (49, 51, 52, 53, 55, 57, 59))


@dataclass(frozen=True, slots=True, kw_only=True)
class MovingScore:
    """The pictures from which the video is put together."""

    still: Image.Image  # 1280×720: title, players, the line
    lit: Image.Image  # the strip as it has sounded; pixel LINE_X is the first moment of the track
    dim: Image.Image  # the strip as it is still to come
    line: Image.Image  # 2 pixels wide, between the two
    progress: Image.Image  # twice as wide as the video: played on the left half, to come on the right


def draw_cover(score: Score, request: ComposeRequest, genre: Genre) -> Image.Image:
    """A poster of 1200×1200: the whole song as a record, one turn from beginning to end, low notes inside."""
    paper = Image.new("RGB", (COVER, COVER), genre.look.background)
    disc = _draw_disc(score, genre, 860)
    paper.paste(disc, ((COVER - disc.width) // 2, 44), disc)
    sizes = (150, 124, 104, 84, 68, 58)
    title = set_title(request.title, width=COVER - 120, height=236, sizes=sizes, colour=genre.look.ink, align=0.5)
    facts = set_line(_facts(request, genre), 38, _accent(genre))
    room = COVER - 44 - disc.height
    top = 44 + disc.height + (room - title.height - 56) // 2 - 6
    paper.paste(title, ((COVER - title.width) // 2, top), title)
    paper.paste(facts, ((COVER - facts.width) // 2, COVER - 84), facts)
    return paper


def draw_moving_score(score: Score, request: ComposeRequest, genre: Genre, seconds: float) -> MovingScore:
    """The pictures of a video of so many seconds."""
    still = _draw_still(request, genre, score)
    width = math.ceil(seconds * PIXELS_PER_SECOND) + WIDTH + 2
    lit = _glow(_draw_strip(score, genre, width, 1.0), 3)
    dim = _draw_strip(score, genre, width, DIM)
    # The record rolls away as the song begins, so that the first picture shows it, and comes back as it ends.
    places = ((lit, LINE_X - 20, LINE_X // 2), (dim, ROLL_HEIGHT - 20, width - (WIDTH - LINE_X) // 2))
    for strip, size, middle in places:
        record = _draw_disc(score, genre, size)
        strip.paste(record, (middle - size // 2, (ROLL_HEIGHT - size) // 2), record)
    line = Image.new("RGB", (2, ROLL_HEIGHT), genre.look.ink)
    progress = Image.new("RGB", (2 * WIDTH, BAR_HEIGHT), _mix(genre.look.background, genre.look.ink, 0.15))
    ImageDraw.Draw(progress).rectangle((0, 0, WIDTH - 1, BAR_HEIGHT), fill=_accent(genre))
    return MovingScore(still=still, lit=lit, line=line, dim=dim, progress=progress)


def _draw_still(request: ComposeRequest, genre: Genre, score: Score) -> Image.Image:
    """What does not move: title, facts, players, and the line above and below the strip."""
    still = Image.new("RGB", (WIDTH, HEIGHT), genre.look.background)
    title = set_title(request.title, width=WIDTH - 400, height=150, sizes=(84, 68, 58, 46), colour=genre.look.ink)
    still.paste(title, (48, (ROLL_TOP - title.height) // 2 - 4), title)
    name = set_line("LnH", 58, _accent(genre))
    still.paste(name, (WIDTH - 48 - name.width, 20), name)
    facts = set_line(_facts(request, genre), 24, genre.look.ink)
    still.paste(facts, (WIDTH - 48 - facts.width, 100), facts)
    _draw_players(still, genre, score)
    draw = ImageDraw.Draw(still)
    for top, bottom in ((ROLL_TOP - 12, ROLL_TOP), (ROLL_TOP + ROLL_HEIGHT, ROLL_TOP + ROLL_HEIGHT + 12)):
        draw.rectangle((LINE_X - 2, top, LINE_X + 1, bottom), fill=genre.look.ink)
    return still


def _draw_players(still: Image.Image, genre: Genre, score: Score) -> None:
    x, y = 48, ROLL_TOP + ROLL_HEIGHT + 36
    draw = ImageDraw.Draw(still)
    for player in genre.players:
        part = score.part(player.role)
        if part is None or not part.notes:
            continue
        name = set_line(player.name, 24, genre.look.ink)
        draw.rounded_rectangle((x, y + 10, x + 20, y + 26), 4, fill=_colours(genre)[player.role])
        still.paste(name, (x + 30, y), name)
        x += name.width + 66


def _draw_strip(score: Score, genre: Genre, width: int, brightness: float) -> Image.Image:
    ground = genre.look.background
    strip = Image.new("RGB", (width, ROLL_HEIGHT), _mix(ground, "#000000", 0.35))
    draw = ImageDraw.Draw(strip)
    for bar, start in enumerate(score.bar_starts):
        x = _x(score, start)
        draw.line((x, 0, x, ROLL_HEIGHT), fill=_mix(ground, genre.look.ink, 0.22 if bar % 4 == 0 else 0.08))
    floor = ROLL_HEIGHT - DRUM_HEIGHT
    pitches = _range(score)
    for role, note in _notes(score):
        colour = _mix(ground, _colours(genre)[role], brightness * (0.6 + 0.4 * note.velocity / 127))
        low, high = _place(role, note, pitches)
        top, bottom = (ROLL_HEIGHT, floor + 8) if role == "drums" else (floor - 4, 10)
        box = [_x(score, note.start), top + (bottom - top) * high, 0, top + (bottom - top) * low - 2]
        length = 0 if role == "drums" else note.duration * score.seconds_per_tick * PIXELS_PER_SECOND - 2
        box[2] = box[0] + max(length, 10)
        draw.rounded_rectangle(box, 3, fill=colour)
    return strip


def _glow(image: Image.Image, pixels: int) -> Image.Image:
    """Every light with a halo."""
    small = image.resize((image.width // 4, image.height // 4)).filter(ImageFilter.GaussianBlur(pixels))
    return ImageChops.add(image, small.resize(image.size).point(lambda value: value // 2))


def _x(score: Score, tick: int) -> float:
    return LINE_X + (opening_seconds(score) + tick * score.seconds_per_tick) * PIXELS_PER_SECOND


def _draw_disc(score: Score, genre: Genre, size: int) -> Image.Image:
    """All notes around a hole, on a square of so many pixels."""
    ground = genre.look.background
    fine = size * FINER
    disc = Image.new("RGB", (fine, fine), ground)
    draw = ImageDraw.Draw(disc)
    draw.ellipse((0, 0, fine - 1, fine - 1), fill=_mix(ground, "#000000", 0.5))
    for bar in range(len(score.time_signatures)):
        start = score.bar_starts[bar]
        spoke = _ring(score, fine, (start, start + 0.6), (INNER, OUTER))
        draw.polygon(spoke, fill=_mix(ground, genre.look.ink, 0.16 if bar % 4 == 0 else 0.06))
    pitches = _range(score)
    for role, note in _notes(score):
        colour = _mix(ground, _colours(genre)[role], 0.55 + 0.45 * note.velocity / 127)
        low, high = _place(role, note, pitches)
        first, last = (INNER, DRUMS) if role == "drums" else (DRUMS + 0.015, OUTER)
        stop = note.start + (2.0 if role == "drums" else note.duration * 0.92)
        radii = (first + (last - first) * low, first + (last - first) * high)
        draw.polygon(_ring(score, fine, (note.start, stop), radii), fill=colour)
    disc = _glow(disc.resize((size, size), Image.Resampling.BOX), 2)
    _draw_label(disc, genre)
    disc.putalpha(_round(size))
    return disc


def _round(size: int) -> Image.Image:
    """A mask of a full circle."""
    mask = Image.new("L", (size * FINER, size * FINER))
    ImageDraw.Draw(mask).ellipse((0, 0, size * FINER - 1, size * FINER - 1), fill=255)
    return mask.resize((size, size), Image.Resampling.BOX)


def _draw_label(disc: Image.Image, genre: Genre) -> None:
    """The paper in the middle of the record."""
    fine = round(disc.width * (INNER - 0.05)) * 4
    label = Image.new("RGBA", (fine, fine))
    draw = ImageDraw.Draw(label)
    draw.ellipse((0, 0, fine - 1, fine - 1), fill=_accent(genre))
    draw.ellipse((fine * 0.44, fine * 0.44, fine * 0.56, fine * 0.56), fill=genre.look.background)
    name = set_line("LnH", round(fine * 0.3), genre.look.background)
    label.alpha_composite(name, ((fine - name.width) // 2, round(fine * 0.02)))
    label = label.resize((fine // 4, fine // 4), Image.Resampling.LANCZOS)
    disc.paste(label, ((disc.width - label.width) // 2, (disc.height - label.height) // 2), label)


def _ring(score: Score, size: int, ticks: tuple[float, float], radii: tuple[float, float]) -> list[tuple[float, float]]:
    """Corners of a piece of a ring: from tick to tick, between two radii given as shares of the disc's."""
    turn = 2 * math.pi * TURN / max(1, score.ticks)
    corners = max(1, math.ceil((ticks[1] - ticks[0]) * turn / 0.04))
    angles = [(ticks[0] + (ticks[1] - ticks[0]) * corner / corners) * turn for corner in range(corners + 1)]
    low, high = (radius * size / 2 for radius in radii)
    there = [(size / 2 + high * math.sin(angle), size / 2 - high * math.cos(angle)) for angle in angles]
    back = [(size / 2 + low * math.sin(angle), size / 2 - low * math.cos(angle)) for angle in reversed(angles)]
    return there + back


def _notes(score: Score) -> list[tuple[Role, Note]]:
    """All notes in the order in which they are drawn; the lead comes late and lies on top."""
    return [(part.role, note) for part in score.parts for note in part.notes]


def _place(role: Role, note: Note, pitches: tuple[int, int]) -> tuple[float, float]:
    """Lower and upper edge of a note, as shares of the height of its field; pitches are the lowest and the highest."""
    if role == "drums":
        row = next((row for row, keys in enumerate(KIT) if note.pitch in keys), 2)
        return (row + 0.12) / len(KIT), (row + 0.88) / len(KIT)
    lowest, highest = pitches
    rows = highest - lowest + 3
    middle = note.pitch - lowest + 1.5
    return (middle - THICK / 2) / rows, (middle + THICK / 2) / rows


def _range(score: Score) -> tuple[int, int]:
    """Lowest and highest pitch, at least three octaves apart."""
    pitches = [note.pitch for role, note in _notes(score) if role != "drums"] or [60]
    spare = max(0, 36 - (max(pitches) - min(pitches))) // 2
    return min(pitches) - spare, max(pitches) + spare


def _colours(genre: Genre) -> dict[Role, str]:
    return {player.role: colour for player, colour in zip(genre.players, genre.look.colours, strict=False)}


def _accent(genre: Genre) -> str:
    """The colour that stands for the genre: that of its second player."""
    return genre.look.colours[1 % len(genre.look.colours)]


def _mix(ground: str, colour: str, share: float) -> Rgb:
    """A colour laid over the ground."""
    pairs = zip(ImageColor.getrgb(ground), ImageColor.getrgb(colour), strict=True)
    red, green, blue = (round(under + (over - under) * share) for under, over in pairs)
    return red, green, blue


def _facts(request: ComposeRequest, genre: Genre) -> str:
    return f"take {request.take}  ·  {genre.title}  ·  {request.tempo_bpm:g} bpm".upper()

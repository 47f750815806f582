"""The video: the score moves past a line, and every note lights up as it sounds."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image, ImageDraw

from model.genre import Genre
from model.request import ComposeRequest
from model.score import Note, Part, Role, Score
from worker.cover import draw_disc
from worker.lettering import TEXT, set_line, set_title
from worker.perform import opening_seconds, swung
from worker.picture import (
    KIT,
    LEAST_ROWS,
    accent,
    colours,
    facts,
    kit_row,
    mix,
    notes_of,
    pitch_range,
    playing,
    rows_of,
)
from worker.planes import Planes, Rgb, shape_of

WIDTH, HEIGHT = 1280, 720
FRAME_RATE = 20  # the cost hangs on it, see benchmarks/picture.md; screens of 60 Hz show each frame equally long
STEP = 8  # pixels a frame that the score moves; even, so that colour, stored at half the resolution, moves with it
EDGE = 48  # of the page
ROLL_LEFT, ROLL_TOP, ROLL_HEIGHT = 220, 156, 444  # where notes move, to the right edge
ROLL_WIDTH = WIDTH - ROLL_LEFT
PAST = 180  # pixels of the roll that have sounded
LAMP = 6  # width of the light beside a lane
LANE_GAP = 12
MAP_TOP, MAP_HEIGHT = 632, 56  # the whole song, small
MAP_WIDTH = WIDTH - 2 * EDGE
CARD_SIZES = (200, 180, 160, 140, 120, 104, 90, 78, 66, 56, 46, 38)  # of its title

MAP_DRUM_ROWS = 16  # of pitch that the kit takes as much room as on the map
NAME_WIDTH = 150
HITS = (20, 18, 16, 10, 20)  # pixels across a kick, snare, tom, hi-hat and cymbal

AHEAD, PLAYED = 0.5, 0.9  # share of its colour that a note has before and after it sounds
HELD = 0.45  # how brightly a held note goes on, of how it began
LIGHT = 0.55  # share of ink in its colour as it is struck
FLASH_FRAMES, FADING_FRAMES = 3, 2  # in which the light of a strike, and that of a held note let go, falls to a third
CARD_SECONDS, FADE_SECONDS, CURTAIN_SECONDS = 0.6, 0.6, 1.2  # first the card is seen, then the score; then it is back


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """Where a player's notes move."""

    top: int
    height: int
    name: tuple[Planes, Planes]  # as they rest, as they play
    colour: Rgb


@dataclass(frozen=True, slots=True, kw_only=True)
class Struck:
    """A note as it moves past; places and sizes are even pixels on the strip."""

    start: int  # frame
    stop: int  # frame in which it has gone dark
    let_go: int  # frame
    x: int
    y: int
    width: int
    height: int
    radius: int
    ahead: Rgb  # before it sounds
    colour: Rgb  # after it has sounded
    light: Rgb  # while it sounds
    lane: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MovingScore:
    """Everything from which the frames of a video are put together."""

    frames: int
    card: Planes  # 1280×720: what is seen first
    scene: Planes  # 1280×720: what does not move
    strip: Planes  # the score before it has sounded
    lanes: tuple[Lane, ...]
    notes: tuple[Struck, ...]  # in order of start
    song: Planes  # the whole song as it has been played
    ink: Rgb

    def play(self) -> Iterator[Planes]:
        """Each frame; the same memory again and again."""
        strip, scene, frame = self.strip.copy(), self.scene.copy(), self.scene.copy()
        sounding: list[Struck] = []
        upcoming = 0
        for number in range(self.frames):
            sounding = [note for note in sounding if number < note.stop]
            while upcoming < len(self.notes) and self.notes[upcoming].start <= number:
                note = self.notes[upcoming]
                strip.blend(shape_of(note.width, note.height, note.radius), note.x, note.y, note.colour, 1.0)
                sounding.append(note)
                upcoming += 1
            self._draw_roll(scene, strip, sounding, number)
            self._draw_names(scene, sounding, number)
            self._draw_progress(scene, number)
            veil = self._veil(number)
            if veil == 0:
                yield scene
            else:
                frame.paste(scene, 0, 0)
                frame.fade(self.card, veil)
                yield frame

    def _draw_roll(self, scene: Planes, strip: Planes, sounding: list[Struck], number: int) -> None:
        roll = scene.window(ROLL_LEFT, ROLL_TOP, ROLL_WIDTH, ROLL_HEIGHT)
        left = number * STEP
        roll.paste(strip.window(left, 0, ROLL_WIDTH, ROLL_HEIGHT), 0, 0)
        for lane in self.lanes:
            roll.window(PAST - 2, lane.top, 2, lane.height).fill(self.ink)
        for note in sounding:
            shape = shape_of(note.width, note.height, note.radius)
            roll.blend(shape, note.x - left, note.y, note.light, _strength(note, number), halo=True)

    def _draw_names(self, scene: Planes, sounding: list[Struck], number: int) -> None:
        for index, lane in enumerate(self.lanes):
            light = max((_strength(note, number) for note in sounding if note.lane == index), default=0.0)
            place = (ROLL_LEFT - LAMP - 4, ROLL_TOP + lane.top, LAMP, lane.height)
            scene.paste(lane.name[light > 0], EDGE, place[1])
            lamp = scene.window(*place)
            lamp.fill(lane.colour)
            lamp.fade(self.scene.window(*place), 0.75 * (1 - light))

    def _draw_progress(self, scene: Planes, number: int) -> None:
        done = round(number / max(1, self.frames - 1) * MAP_WIDTH) // 2 * 2
        scene.paste(self.song.window(0, 0, done, MAP_HEIGHT), EDGE, MAP_TOP)
        scene.window(EDGE + done, MAP_TOP, 2, MAP_HEIGHT).fill(self.ink)

    def _veil(self, number: int) -> float:
        """How much of the card is seen."""
        opening = 1 - (number / FRAME_RATE - CARD_SECONDS) / FADE_SECONDS
        closing = 1 - (self.frames - 1 - number) / FRAME_RATE / CURTAIN_SECONDS
        return min(1.0, max(0.0, opening, closing))


def _strength(note: Struck, number: int) -> float:
    """How bright a note shines: struck, held and let go."""
    flash = math.exp((note.start - number) / FLASH_FRAMES)
    held = min(1.0, math.exp((note.let_go - number) / FADING_FRAMES))
    return flash + (1 - flash) * HELD * held


def draw_moving_score(score: Score, request: ComposeRequest, genre: Genre, seconds: float) -> MovingScore:
    """The pictures of a video of so many seconds."""
    frames = max(1, round(seconds * FRAME_RATE))
    lanes = _lanes(score, genre)
    strip = _draw_ground(score, genre, lanes, frames)
    notes = tuple(sorted(_notes(score, genre, lanes), key=lambda note: note.start))
    for note in notes:
        strip.blend(shape_of(note.width, note.height, note.radius), note.x, note.y, note.ahead, 1.0)
    return MovingScore(
        frames=frames, card=Planes.of(_draw_card(score, request, genre)),
        scene=Planes.of(_draw_scene(score, request, genre, seconds)), strip=strip,
        lanes=tuple(lanes.values()), notes=notes,
        song=Planes.of(_draw_song(score, genre, seconds, 1.0)), ink=mix(genre.look.ink, genre.look.ink, 0),
    )  # fmt: skip


def _lanes(score: Score, genre: Genre) -> dict[Role, Lane]:
    """A lane for each player, as high as the player's range asks for."""
    parts = playing(score)
    rows = [rows_of(part) for part in parts]
    room = ROLL_HEIGHT - LANE_GAP * (len(parts) - 1)
    lanes, top = {}, 0
    for part, its_rows in zip(parts, rows, strict=True):
        height = int(room * its_rows / sum(rows)) // 2 * 2
        lanes[part.role] = Lane(top=top, height=height, name=_draw_name(part.role, genre, height),
                                colour=mix(colours(genre)[part.role], genre.look.ink, 0))  # fmt: skip
        top += height + LANE_GAP
    return lanes


def _draw_name(role: Role, genre: Genre, height: int) -> tuple[Planes, Planes]:
    """A player's name as it rests and as it plays."""
    names = []
    for share in (0.6, 1.0):
        red, green, blue = mix(genre.look.background, colours(genre)[role], share)
        image = Image.new("RGB", (NAME_WIDTH, height), genre.look.background)
        name = set_title(genre.player(role).name, width=NAME_WIDTH, height=height, sizes=(26, 22, 18), face=TEXT,
                         colour=f"#{red:02x}{green:02x}{blue:02x}")  # fmt: skip
        image.paste(name, (0, (height - name.height) // 2), name)
        names.append(Planes.of(image))
    return names[0], names[1]


def _draw_ground(score: Score, genre: Genre, lanes: dict[Role, Lane], frames: int) -> Planes:
    """Lanes and bar lines, without a note."""
    look = genre.look
    ground = Planes.plain(frames * STEP + ROLL_WIDTH, ROLL_HEIGHT, mix(look.background, look.ink, 0))
    for lane in lanes.values():
        ground.window(0, lane.top, ground.y.shape[1], lane.height).fill(mix(look.background, look.ink, 0.045))
        for bar, start in enumerate(score.bar_starts):
            line = ground.window(_x(score, start), lane.top, 2, lane.height)
            line.fill(mix(look.background, look.ink, 0.2 if bar % 4 == 0 else 0.1))
    return ground


def _notes(score: Score, genre: Genre, lanes: dict[Role, Lane]) -> Iterator[Struck]:
    look, swing = genre.look, genre.sound.swing
    for part in playing(score):
        colour, is_hit = colours(genre)[part.role], part.role == "drums"
        for note in part.notes:
            begin, end = (swung(tick, score, swing) for tick in (note.start, note.start + note.duration))
            left, right = _x(score, begin), _x(score, end)
            y, height = _row(part, note, lanes[part.role])
            start = round(_seconds(score, begin) * FRAME_RATE)
            let_go = start if is_hit else round(_seconds(score, end) * FRAME_RATE)
            share = 0.7 + 0.3 * note.velocity / 127
            yield Struck(
                start=start, let_go=let_go, stop=max(start + 3 * FLASH_FRAMES, let_go + 2 * FADING_FRAMES),
                x=max(0, left - height // 4 * 2) if is_hit else left, y=y,
                width=height if is_hit else max(6, right - left - 2), height=height,
                radius=height // 2 if is_hit else 3,
                ahead=mix(look.background, colour, AHEAD * share), colour=mix(look.background, colour, PLAYED * share),
                light=mix(colour, look.ink, LIGHT), lane=list(lanes).index(part.role),
            )  # fmt: skip


def _row(part: Part, note: Note, lane: Lane) -> tuple[int, int]:
    """Top and height of a note on the strip."""
    if part.role == "drums":
        row = kit_row(note)
        height = min(HITS[row], lane.height // len(KIT) // 2 * 2 + 2)
        middle = lane.top + lane.height * (1 - (row + 0.5) / len(KIT))
    else:
        lowest, highest = pitch_range([part], LEAST_ROWS)
        row_height = (lane.height - 8) / (highest - lowest + 1)
        height = max(8, min(14, round(row_height / 2) * 2))
        middle = lane.top + 4 + (highest - note.pitch + 0.5) * row_height
    lowest_place = (lane.top + lane.height - height) // 2 * 2
    return min(max(0, round((middle - height / 2) / 2) * 2), lowest_place), height


def _seconds(score: Score, tick: float) -> float:
    return opening_seconds(score) + tick * score.seconds_per_tick


def _x(score: Score, tick: float) -> int:
    """Where a tick lies on the strip."""
    return max(0, PAST + round(_seconds(score, tick) * FRAME_RATE * STEP / 2) * 2)


def _draw_scene(score: Score, request: ComposeRequest, genre: Genre, seconds: float) -> Image.Image:
    """What does not move: title, facts, and the whole song before it is played."""
    scene = Image.new("RGB", (WIDTH, HEIGHT), genre.look.background)
    name = set_line("LnH", 56, accent(genre))
    scene.paste(name, (WIDTH - EDGE - name.width, 38), name)
    line = set_line(facts(request, genre), 24, genre.look.ink)
    scene.paste(line, (WIDTH - EDGE - line.width, 124 - line.height), line)
    room = WIDTH - 2 * EDGE - 48 - max(line.width, name.width)
    title = set_title(request.title, width=room, height=86, sizes=(122, 104, 88, 74, 62, 52, 44), colour=genre.look.ink)
    scene.paste(title, (EDGE, 38 + (86 - title.height) // 2), title)
    scene.paste(_draw_song(score, genre, seconds, AHEAD), (EDGE, MAP_TOP))
    return scene


def _draw_song(score: Score, genre: Genre, seconds: float, brightness: float) -> Image.Image:
    """All notes of the song in one line, at four times the size and then made small."""
    look = genre.look
    image = Image.new("RGB", (MAP_WIDTH * 2, MAP_HEIGHT * 4), mix(look.background, look.ink, 0.045))
    draw = ImageDraw.Draw(image)
    lowest, highest = pitch_range(playing(score), 24)
    rows = highest - lowest + 1 + MAP_DRUM_ROWS
    across, down = image.width / seconds, image.height / rows
    for role, note in notes_of(score):
        row = highest - note.pitch if role != "drums" else rows - MAP_DRUM_ROWS * (kit_row(note) + 0.9) / len(KIT)
        left, length = _seconds(score, note.start) * across, note.duration * score.seconds_per_tick * across
        right = left + (4 if role == "drums" else max(4, length - 1))
        draw.rectangle((left, (row - 0.25) * down, right, (row + 1.25) * down),
                       fill=mix(look.background, colours(genre)[role], brightness))  # fmt: skip
    return image.resize((MAP_WIDTH, MAP_HEIGHT), Image.Resampling.BOX)


def _draw_card(score: Score, request: ComposeRequest, genre: Genre) -> Image.Image:
    """What is seen before the first note: title and record."""
    card = Image.new("RGB", (WIDTH, HEIGHT), genre.look.background)
    disc = draw_disc(score, genre, 656)
    card.paste(disc, (WIDTH - disc.width - 32, (HEIGHT - disc.height) // 2), disc)
    room = WIDTH - disc.width - 32 - EDGE - 40
    name = set_line("LnH", 76, accent(genre))
    card.paste(name, (EDGE, 56), name)
    line = set_line(facts(request, genre), 30, accent(genre))
    card.paste(line, (EDGE, HEIGHT - 56 - line.height), line)
    title = set_title(request.title, width=room, height=430, sizes=CARD_SIZES, colour=genre.look.ink)
    card.paste(title, (EDGE, HEIGHT - 56 - line.height - 44 - title.height), title)
    return card

"""Piano rolls of three songs of the band beside three real ones, to look at what gives ours away.

    python benchmarks/rolls.py GENRE MIDI_FOLDER

writes docs/piano-rolls/GENRE.png. Ours have the seeds 1, 2 and 3 and default settings; the real ones are drawn by the
hashes of their files' names, and show a beginning, a middle and an end of as many bars. All are drawn coarsely, in
whole tones, since real songs are not ours to print.
"""

import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from model.arrange import arrange  # noqa: E402
from model.band import Band, keep_to_one_core  # noqa: E402
from model.features import cut  # noqa: E402
from model.genre import Genre, find_genre  # noqa: E402
from model.midi import BadMidi, read_midi  # noqa: E402
from model.request import ComposeRequest  # noqa: E402
from model.score import Score  # noqa: E402

SEEDS = (1, 2, 3)
WIDTH, HEIGHT, MARGIN = 620, 210, 26  # pixels of one roll, and above it for its caption
DRUM_HEIGHT = 36  # of a roll, at its bottom
LOWEST, HIGHEST = 24, 104  # MIDI pitches that a roll shows
# Rows of the kit from low to high: kicks, snares, toms, hi-hats, cymbals.
KIT = ({35, 36}, {37, 38, 39, 40}, {41, 43, 45, 47, 48, 50}, {42, 44, 46}, {49, 51, 52, 53, 55, 57, 59})
PLACES = ("beginning", "middle", "end")


def main() -> None:
    """Compose, read, draw."""
    genre, folder = find_genre(sys.argv[1]), Path(sys.argv[2])
    keep_to_one_core()
    ours = list(compose(genre))
    bars = len(ours[0].time_signatures)
    left = [(f"the band, seed {seed}, {len(song.time_signatures)} bars", song)
            for seed, song in zip(SEEDS, ours, strict=True)]  # fmt: skip
    right = [(f"a real song, {place}", song) for place, song in zip(PLACES, real(folder, genre, bars), strict=True)]
    page = Image.new("RGB", (2 * WIDTH + 3 * MARGIN, 3 * (HEIGHT + MARGIN) + MARGIN), "#ffffff")
    for column, songs in enumerate((left, right)):
        for row, (caption, song) in enumerate(songs):
            x, y = MARGIN + column * (WIDTH + MARGIN), MARGIN + row * (HEIGHT + MARGIN)
            page.paste(draw(song, genre), (x, y))
            ImageDraw.Draw(page).text((x, y - 18), caption, fill="#000000", font=ImageFont.load_default(14))
    place = HERE.parent / "docs" / "piano-rolls" / f"{genre.name}.png"
    place.parent.mkdir(exist_ok=True)
    page.quantize(48).save(place, optimize=True)
    print(f"{place}, {place.stat().st_size} bytes")


def compose(genre: Genre) -> Iterator[Score]:
    """Three songs as people get them when they ask for nothing but the genre."""
    band = Band.load(genre)
    for seed in SEEDS:
        yield band.compose(ComposeRequest(
            key=f"rolls-{seed}", title="", take=1, genre=genre.name, tempo_bpm=genre.tempo.default_bpm,
            randomness=genre.randomness, seed=seed,
        ))  # fmt: skip


def real(folder: Path, genre: Genre, bars: int) -> Iterator[Score]:
    """Passages of three songs that have all of the genre's players."""
    files = sorted(folder.rglob("*.mid"), key=lambda path: zlib.crc32(path.name.encode(errors="surrogateescape")))
    roles = [player.role for player in genre.players]
    found = 0
    for path in files:
        try:
            song = arrange(read_midi(path), roles)
        except BadMidi:
            continue
        spare = len(song.time_signatures) - bars
        if found < len(PLACES) and spare >= 0 and len(song.parts) == len(roles):
            yield cut(song, (0, spare // 2, spare)[found], bars)
            found += 1


def draw(song: Score, genre: Genre) -> Image.Image:
    """A whole song in one picture: a row for two semitones, the drums below."""
    roll = Image.new("RGB", (WIDTH, HEIGHT), genre.look.background)
    pen = ImageDraw.Draw(roll)
    scale = WIDTH / song.ticks
    for bar, start in enumerate(song.bar_starts):
        pen.line((start * scale, 0, start * scale, HEIGHT), fill="#ffffff" if bar % 4 == 0 else "#808080")
    rows = (HIGHEST - LOWEST) // 2
    row_height = (HEIGHT - DRUM_HEIGHT) / rows
    has_drums = song.part("drums") is not None
    colours = dict(zip([player.role for player in genre.players], genre.look.colours, strict=False))
    for part in song.parts:
        for note in part.notes:
            x = note.start * scale
            if part.role == "drums":
                kind = next((i for i, keys in enumerate(KIT) if note.pitch in keys), len(KIT) - 1)
                y = HEIGHT - (kind + 1) * DRUM_HEIGHT / len(KIT)
                pen.rectangle((x, y, x + 1, y + 4), fill=colours[part.role])
            else:
                row = min(max(note.pitch - LOWEST, 0) // 2, rows - 1)
                y = (HEIGHT - DRUM_HEIGHT * has_drums) - (row + 1) * row_height
                pen.rectangle((x, y, x + max(note.duration * scale - 1, 1), y + 3), fill=colours[part.role])
    return roll


if __name__ == "__main__":
    main()

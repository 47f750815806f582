"""What every picture of a score shares: its colours, the rows of its notes, the facts of its song."""

from PIL import ImageColor

from model.genre import Genre
from model.request import ComposeRequest
from model.score import Note, Part, Role, Score
from worker.planes import Rgb

# Rows of the kit from low to high: General MIDI keys of kicks, snares, toms, hi-hats and cymbals.
KIT = ((35, 36), (37, 38, 39, 40), (41, 43, 45, 47, 48, 50), (42, 44, 46), (49, 51, 52, 53, 55, 57, 59))
# Players from the top of a page to its bottom, as a band is written down.
ORDER: tuple[Role, ...] = ("lead", "keys", "rhythm_2", "rhythm", "bass", "drums")
LEAST_ROWS, MOST_ROWS = 14, 26  # of pitch that the height of a player's field is reckoned by
DRUM_ROWS = 20  # of pitch that the kit takes as much room as
TOMS = 2  # the row of what is not named above
BRIGHT_GROUND = 0.5  # lightness from which a ground takes no glow


def playing(score: Score) -> list[Part]:
    """The parts that have a note, from the top of a page to its bottom."""
    return sorted((part for part in score.parts if part.notes), key=lambda part: ORDER.index(part.role))


def rows_of(part: Part) -> int:
    """Rows of pitch that the height of a player's field is reckoned by."""
    if part.role == "drums":
        return DRUM_ROWS
    lowest, highest = pitch_range([part], LEAST_ROWS)
    return min(highest - lowest + 1, MOST_ROWS)


def first_onset(score: Score) -> int:
    """The tick of the first note, at which a track begins."""
    return min((part.notes[0].start for part in score.parts if part.notes), default=0)


def notes_of(score: Score) -> list[tuple[Role, Note]]:
    """All notes in the order in which they are drawn; the lead comes late and lies on top."""
    return [(part.role, note) for part in score.parts for note in part.notes]


def kit_row(note: Note) -> int:
    """The row of a hit, from 0 for kicks."""
    return next((row for row, keys in enumerate(KIT) if note.pitch in keys), TOMS)


def pitch_range(parts: list[Part], least: int) -> tuple[int, int]:
    """Lowest and highest pitch, at least so many semitones apart; of drums alone, any."""
    pitches = [note.pitch for part in parts if part.role != "drums" for note in part.notes] or [60]
    spare = max(0, least - (max(pitches) - min(pitches)))
    return min(pitches) - spare // 2, max(pitches) + spare - spare // 2


def colours(genre: Genre) -> dict[Role, str]:
    """The colour of each player."""
    return {player.role: colour for player, colour in zip(genre.players, genre.look.colours, strict=False)}


def accent(genre: Genre) -> str:
    """The colour that stands for the genre: that of its second player."""
    return genre.look.colours[1 % len(genre.look.colours)]


def is_bright(genre: Genre) -> bool:
    """Whether the genre is drawn on bright paper."""
    red, green, blue = mix(genre.look.background, genre.look.background, 0)
    return (0.3 * red + 0.59 * green + 0.11 * blue) / 255 > BRIGHT_GROUND


def mix(ground: str, colour: str, share: float) -> Rgb:
    """A colour laid over the ground."""
    pairs = zip(ImageColor.getrgb(ground)[:3], ImageColor.getrgb(colour)[:3], strict=True)
    red, green, blue = (round(under + (over - under) * share) for under, over in pairs)
    return red, green, blue


def facts(request: ComposeRequest, genre: Genre) -> str:
    """The line under a title."""
    return f"take {request.take}  ·  {genre.title}  ·  {request.tempo_bpm:g} bpm".upper()

import numpy as np
import pytest
from scores import empty_score, make_score, one_note_score
from stub_studio import make_request

from model.genre import load_genres
from model.score import Score
from worker.lettering import set_title
from worker.picture import (
    COVER,
    HEIGHT,
    LINE_X,
    PIXELS_PER_SECOND,
    ROLL_HEIGHT,
    WIDTH,
    draw_cover,
    draw_moving_score,
)  # fmt: skip

METAL = load_genres()["heavy-metal"]
TITLES = [
    "Dancing robots",
    "الروبوتات الراقصة",
    "踊るロボット",
    "नाचते हुए रोबोट",
    "👨‍👩‍👧‍👦" * 80,
    "W" * 80,
    "a" * 2000,
    "'; rm -rf / [v] \\ %{pts} :x=0",
    "𓀀 ᚠᚢᚦ \ufdfa e\u0301\u0302\u0303",
    "\u202egnicnad\x00\x1b[31m",
    "",
]


@pytest.mark.parametrize("title", TITLES)
def test_any_title_can_be_set_within_its_box(title):
    image = set_title(title, width=600, height=200, sizes=(100, 60, 40), colour="#ffffff")

    assert image.width <= 600 * 1.02
    assert image.height <= 200


def test_a_title_leaves_ink_and_control_characters_do_not():
    plain = set_title("Ox", width=600, height=200, sizes=(100,), colour="#ffffff")
    hidden = set_title("\u200b\u202eOx\x07", width=600, height=200, sizes=(100,), colour="#ffffff")

    assert np.asarray(plain)[..., 3].any()
    assert np.array_equal(np.asarray(plain), np.asarray(hidden))


def test_a_long_title_is_set_smaller_before_it_is_cut():
    short = set_title("Ox", width=600, height=150, sizes=(100, 50), colour="#ffffff")
    long = set_title("Dancing robots in the night", width=600, height=150, sizes=(100, 50), colour="#ffffff")

    assert short.height == 140
    assert long.height < 140


@pytest.mark.parametrize("score", [make_score(bars=2), one_note_score(), one_note_score("drums", 36), empty_score()])
def test_every_song_has_a_cover(score: Score):
    cover = draw_cover(score, make_request("console-1"), METAL)

    assert cover.size == (COVER, COVER)
    assert cover.mode == "RGB"


def test_the_cover_shows_every_player_in_their_colour():
    cover = np.asarray(draw_cover(make_score(bars=4), make_request("console-1"), METAL)).astype(int)

    for colour in METAL.look.colours:
        wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
        assert (np.abs(cover[:900] - wanted).sum(axis=2) < 60).sum() > 100


def test_the_same_song_has_the_same_cover():
    first, second = (draw_cover(make_score(bars=2), make_request("console-1"), METAL) for _ in range(2))

    assert first.tobytes() == second.tobytes()


def test_the_strips_reach_from_the_first_moment_to_the_last():
    picture = draw_moving_score(make_score(bars=2), make_request("console-1"), METAL, seconds=5.0)

    assert picture.still.size == (WIDTH, HEIGHT)
    assert picture.lit.size == picture.dim.size
    assert picture.lit.height == ROLL_HEIGHT
    assert picture.lit.width >= LINE_X + 5 * PIXELS_PER_SECOND + WIDTH - LINE_X


def test_a_note_lies_where_it_sounds_and_is_lit_when_it_has():
    score = one_note_score()

    picture = draw_moving_score(score, make_request("console-1"), METAL, seconds=5.0)

    lit, dim = (np.asarray(image).sum(axis=2).max(axis=0) for image in (picture.lit, picture.dim))
    note = slice(LINE_X + 12, LINE_X + 100)
    assert lit[note].min() > dim[note].min() > dim[LINE_X + 130 : LINE_X + 400].max()

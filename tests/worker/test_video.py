from itertools import islice

import numpy as np
import pytest
from scores import empty_score, make_score, one_note_score
from stub_studio import make_request

from model.genre import load_genres
from model.score import Note, Part, Score
from worker.planes import Planes
from worker.video import (
    CARD_SECONDS,
    FADE_SECONDS,
    FRAME_RATE,
    HEIGHT,
    MAP_TOP,
    PAST,
    ROLL_HEIGHT,
    ROLL_LEFT,
    ROLL_TOP,
    STEP,
    WIDTH,
    MovingScore,
    draw_moving_score,
)

METAL = load_genres()["heavy-metal"]
LINE = ROLL_LEFT + PAST
UNVEILED = round((CARD_SECONDS + FADE_SECONDS) * FRAME_RATE) + 1


def film(score: Score, seconds: float) -> MovingScore:
    return draw_moving_score(score, make_request("console-1"), METAL, seconds)


def frame(picture: MovingScore, number: int) -> Planes:
    return next(islice(picture.play(), number, None))


def roll(picture: Planes) -> Planes:
    return picture.window(ROLL_LEFT, ROLL_TOP, WIDTH - ROLL_LEFT, ROLL_HEIGHT)


@pytest.mark.parametrize("score", [make_score(bars=2), one_note_score(), one_note_score("drums", 36), empty_score()])
def test_every_song_has_a_frame_for_every_moment(score: Score):
    frames = [(picture.y.shape, picture.uv.shape) for picture in film(score, seconds=3.0).play()]

    assert frames == [((HEIGHT, WIDTH), (2, HEIGHT // 2, WIDTH // 2))] * 3 * FRAME_RATE


def test_the_score_moves_by_whole_pixels_of_colour_from_frame_to_frame():
    picture = film(make_score(bars=4), seconds=8.0)

    first, second = (roll(frame(picture, number).copy()) for number in (UNVEILED, UNVEILED + 1))

    ahead = PAST + 300  # where no note sounds yet
    assert np.array_equal(first.y[:, ahead + STEP :], second.y[:, ahead:-STEP])
    assert np.array_equal(first.uv[:, :, (ahead + STEP) // 2 :], second.uv[:, :, ahead // 2 : -STEP // 2])


def test_a_note_reaches_the_line_and_lights_up_as_it_sounds():
    score = make_score(bars=4, roles=["bass"], tempo_bpm=60.0)
    picture = film(score, seconds=12.0)
    struck = next(note for note in picture.notes if note.start > UNVEILED + 10)

    before, at, long_after = (frame(picture, struck.start + later).copy() for later in (-2, 0, 12))

    def brightness(shown: Planes, later: int) -> int:
        note = roll(shown).y[struck.y + struck.height // 2, struck.x + 4 - (struck.start + later) * STEP]
        return int(note)

    assert abs(ROLL_LEFT + struck.x - struck.start * STEP - LINE) <= STEP / 2 + 2
    assert brightness(before, -2) < brightness(long_after, 12) < brightness(at, 0)


def test_a_held_note_shines_until_it_is_let_go():
    notes = tuple(Note(start=start, pitch=64, duration=24, velocity=100) for start in (0, 48))
    score = Score(tempo_bpm=120.0, time_signatures=((4, 4),) * 2, parts=(Part(role="lead", notes=notes),))
    picture = film(score, seconds=8.0)
    note = picture.notes[1]

    shown = [roll(each).y[note.y + note.height // 2].astype(int) for each in islice(picture.play(), 90)]

    light = [row[note.x + note.width - 6 - number * STEP] for number, row in enumerate(shown[:80])]
    assert note.let_go - note.start == pytest.approx(FRAME_RATE, abs=1)
    assert light[note.start] > light[note.let_go - 1] > light[note.let_go + 3] + 10 > light[note.start - 1]


def test_the_first_frame_shows_title_and_record_and_the_last_one_too():
    picture = film(make_score(bars=4), seconds=6.0)

    shown = [each.y.copy() for each in picture.play()]

    assert np.array_equal(shown[0], shown[-1])
    assert (shown[0] > 120).mean() > 0.05
    assert not np.array_equal(shown[0], shown[UNVEILED])


def test_the_whole_song_fills_up_as_it_is_played():
    picture = film(make_score(bars=4), seconds=8.0)

    moments = (UNVEILED, 6 * FRAME_RATE)
    early, late = (frame(picture, number).window(0, MAP_TOP, WIDTH, 56).y.copy() for number in moments)

    assert late[:, : WIDTH // 2].mean() > early[:, : WIDTH // 2].mean() + 2
    assert np.array_equal(early[:, WIDTH * 9 // 10 :], late[:, WIDTH * 9 // 10 :])


def test_the_same_song_has_the_same_frames():
    first, second = (
        [picture.y.tobytes() for picture in film(make_score(bars=1), seconds=2.0).play()] for _ in range(2)
    )

    assert first == second


def test_a_player_s_lane_is_as_high_as_the_range_asks_for():
    picture = film(make_score(bars=4), seconds=2.0)

    assert [lane.height >= 60 for lane in picture.lanes] == [True] * 4
    assert sum(lane.height for lane in picture.lanes) <= ROLL_HEIGHT
    for note in picture.notes:
        lane = picture.lanes[note.lane]
        assert lane.top <= note.y
        assert note.y + note.height <= lane.top + lane.height + 2

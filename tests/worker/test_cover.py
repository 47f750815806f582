import numpy as np
import pytest
from scores import empty_score, make_score, one_note_score
from stub_studio import make_request

from model.genre import load_genres
from model.score import Score
from worker.cover import COVER, draw_cover

METAL = load_genres()["heavy-metal"]


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

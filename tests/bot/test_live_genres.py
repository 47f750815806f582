import pytest

from bot import live_genres
from bot.live_genres import LiveGenres
from model.errors import NeedsOperator
from model.genre import load_genres
from worker.service import look_again


@pytest.fixture
def genres():
    return LiveGenres(load_genres(), "heavy-metal")


def test_genre_files_are_read_again_while_somebody_goes_through_the_old_ones(genres, monkeypatch):
    monkeypatch.setattr(live_genres, "load_genres", lambda: {"heavy-metal": 1, "polka": 2})

    for _ in genres:
        genres.read_again()

    assert dict(genres) == {"heavy-metal": 1, "polka": 2}


def test_bad_genre_files_change_nothing_and_are_said(genres, monkeypatch, caplog):
    before = dict(genres)
    monkeypatch.setattr(live_genres, "load_genres", lambda: {"polka": 2})

    look_again(genres.read_again)

    assert dict(genres) == before
    assert "not LNH_DEFAULT_GENRE, 'heavy-metal'; going on with the genre files as they were" in caplog.text


def test_files_without_the_default_genre_are_bad(genres, monkeypatch):
    monkeypatch.setattr(live_genres, "load_genres", lambda: {"polka": 2})

    with pytest.raises(NeedsOperator, match="genres/ has polka"):
        genres.read_again()

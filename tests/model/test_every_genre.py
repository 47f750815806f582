"""Whatever players and metres a genre has, the band keeps its promises, even with a composer that knows nothing."""

import pytest
from small_composer import small_composer

from model.band import Band, time_signature_of
from model.genre import GENRES_FOLDER, Genre, load_genre
from model.request import ComposeRequest

GENRES = [load_genre(path) for path in sorted(GENRES_FOLDER.rglob("*.toml"))]


def request_of(genre: Genre, seed: int, tempo_bpm: float) -> ComposeRequest:
    return ComposeRequest(
        key="test-1", title="", take=1, genre=genre.name, tempo_bpm=tempo_bpm, randomness=genre.randomness, seed=seed,
        bars=5,
    )  # fmt: skip


@pytest.mark.parametrize("genre", GENRES, ids=lambda genre: genre.name)
def test_tempo_players_and_metre_are_as_asked_everybody_plays_and_the_song_begins_and_ends(genre: Genre):
    band = Band(genre=genre, network=small_composer(), known_songs=None)
    request = request_of(genre, 3, genre.tempo.slowest_bpm + 1)

    score = band.compose(request)

    assert score.tempo_bpm == request.tempo_bpm
    assert {part.role for part in score.parts} == {player.role for player in genre.players}
    assert all(part.notes for part in score.parts)
    assert score.time_signatures == (time_signature_of(request, genre),) * 5
    starts = [note.start for part in score.parts for note in part.notes]
    assert min(starts) < score.bar_starts[1]
    assert max(starts) == score.bar_starts[4]

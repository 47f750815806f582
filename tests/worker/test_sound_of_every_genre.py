"""What holds for the sound of every genre file."""

import numpy as np
import pytest
from scores import make_score
from signals import rms_db
from stub_studio import make_request

from model.genre import load_genres
from worker.cover import draw_cover
from worker.encode import encode_cover, encode_mp3
from worker.levels import loudness
from worker.mix import blend, mix_down, separate
from worker.render import render
from worker.verify import Promise, verify

GENRES = load_genres()


@pytest.fixture(params=GENRES, scope="module")
def song(request):
    """A genre, a score for its players, and their stems."""
    genre = GENRES[request.param]
    score = make_score(bars=4, roles=[player.role for player in genre.players], tempo_bpm=genre.tempo.default_bpm)
    return genre, score, render(score, genre, seed=2)


def test_a_song_passes_the_check_of_finished_tracks(song, tmp_path):
    genre, score, stems = song
    mix = mix_down([{**stems}], genre)
    encode_cover(draw_cover(score, make_request("console-1"), genre), tmp_path / "song.png")
    encode_mp3(mix, tmp_path / "song.png", {}, tmp_path / "song.mp3")

    notes = sum(len(part.notes) for part in score.parts)
    promise = Promise(
        seconds=mix.seconds, loudness_lufs=genre.sound.loudness_lufs, tempo_bpm=score.tempo_bpm, notes=notes
    )
    verify(tmp_path / "song.mp3", promise)


def test_every_player_is_heard_in_mono_too(song):
    genre, score, stems = song

    whole = loudness(blend(stems, genre))

    heard = separate(stems, genre)
    assert {name if name in ("rhythm", "bass", "rhythm_2", "lead", "keys") else "drums" for name in heard} == {
        part.role for part in score.parts
    }
    for name, stem in heard.items():
        mono = np.tile(stem.mean(axis=0), (2, 1))
        assert loudness(mono) > loudness(stem) - 3.5, name
        assert loudness(mono) > whole - 24, name


def test_the_stems_are_the_mix(song):
    genre, _, stems = song
    whole = blend(stems, genre)

    assert rms_db(sum(separate(stems, genre).values()) - whole) < rms_db(whole) - 60

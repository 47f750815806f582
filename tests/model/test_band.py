"""The band plays what was asked, the same again for the same request, and nothing that was stolen."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from leaders import make_leader
from small_composer import small_composer

from model import tokens as t
from model.band import PHRASE, Band, bars_of, time_signature_of
from model.calibration import BadCalibration, Calibration
from model.chart import Chart
from model.critic import BadCritic, Critic
from model.errors import NeedsOperator
from model.genre import BadGenre, Genre, Metre
from model.leader import BadLeader
from model.network import Composer
from model.originality import build_index
from model.request import ComposeRequest
from model.score import Note, Part, Role, Score, ticks_per_bar
from model.weights import BadWeights, load_weights, save_weights, weights_path

TRAINED = weights_path("heavy-metal")


def make_request(**changes: object) -> ComposeRequest:
    values = {
        "key": "mastodon-1138", "title": "Dancing robots", "take": 1, "genre": "heavy-metal", "tempo_bpm": 160.0,
        "randomness": 0.2, "seed": 123, "bars": 2,
    }  # fmt: skip
    return ComposeRequest(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def network() -> Composer:
    return small_composer()


@pytest.fixture(scope="module")
def band(genre: Genre, network: Composer) -> Band:
    return Band(genre=genre, network=network, known_songs=None)


@pytest.fixture(scope="module")
def song(band: Band) -> Score:
    return band.compose(make_request())


def with_method(band: Band, method: str) -> Band:
    sampling = replace(band.genre.sampling, method=method)
    return replace(band, genre=replace(band.genre, sampling=sampling))


def of_takes(band: Band, takes: int) -> Band:
    return replace(band, genre=replace(band.genre, sampling=replace(band.genre.sampling, takes=takes)))


def without_chances(song: Score) -> list[list[tuple[int, int, int]]]:
    """What is played, without how loud."""
    return [[(note.start, note.pitch, note.duration) for note in part.notes] for part in song.parts]


def test_the_same_request_gives_the_same_score(genre: Genre, song: Score):
    again = Band(genre=genre, network=small_composer(), known_songs=None).compose(make_request())

    assert again == song


@pytest.mark.parametrize("change", [{"seed": 124}, {"randomness": 0.9}])
def test_another_seed_or_randomness_gives_another_score(band: Band, song: Score, change: dict[str, float]):
    other = band.compose(make_request(**change))

    assert without_chances(other) != without_chances(song)


@pytest.mark.parametrize("change", [{"title": "Rust", "take": 7, "key": "x-1"}])
def test_what_is_not_music_does_not_change_the_music(band: Band, song: Score, change: dict[str, object]):
    assert band.compose(make_request(**change)) == song


@pytest.mark.parametrize("tempo_bpm", [70.0, 133.3])
def test_bars_tempo_metre_and_players_are_as_asked(band: Band, tempo_bpm: float):
    score = band.compose(make_request(tempo_bpm=tempo_bpm, bars=1))

    assert score.tempo_bpm == tempo_bpm
    assert score.time_signatures == ((4, 4),)
    assert [part.role for part in score.parts] == ["drums", "rhythm", "bass", "lead"]
    assert all(part.notes for part in score.parts)


def test_a_song_lasts_as_long_as_asked(band: Band):
    score = band.compose(make_request(bars=None, seconds=3.0))

    assert score.seconds == pytest.approx(3.0)


def with_metres(genre: Genre, **shares: float) -> Genre:
    """The genre in other time signatures: `_3_4=0.5`."""
    metres = [
        Metre(time_signature=(int(beats), int(unit)), share=share)
        for (beats, unit), share in ((name[1:].split("_"), share) for name, share in shares.items())
    ]
    return replace(genre, time_signatures=tuple(metres))


def test_a_song_keeps_the_metre_that_its_seed_draws(band: Band):
    folk = replace(band, genre=with_metres(band.genre, _7_8=0.5, _3_4=0.5))

    songs = [folk.compose(make_request(seed=seed)) for seed in range(4)]

    assert {song.time_signatures for song in songs} == {((7, 8), (7, 8)), ((3, 4), (3, 4))}


def test_metres_are_drawn_as_often_as_the_genre_says(genre: Genre):
    folk = with_metres(genre, _4_4=0.6, _3_4=0.3, _2_4=0.1)

    drawn = [time_signature_of(make_request(seed=seed), folk) for seed in range(600)]

    for metre in folk.time_signatures:
        assert drawn.count(metre.time_signature) / 600 == pytest.approx(metre.share, abs=0.06)


@pytest.mark.parametrize("seed", range(8))
def test_a_song_of_short_bars_has_more_of_them(genre: Genre, seed: int):
    request = make_request(seed=seed, bars=None)
    folk = with_metres(genre, _4_4=0.4, _2_4=0.3, _6_8=0.3)
    seconds_per_bar = ticks_per_bar(time_signature_of(request, folk)) / 12 * 60 / 160

    assert 45 <= bars_of(request, folk) * seconds_per_bar <= 60


def test_the_embedding_space_gives_a_song_too_and_another_one(band: Band, song: Score):
    other = with_method(band, "embedding").compose(make_request())

    assert len(other.time_signatures) == 2
    assert all(part.notes for part in other.parts)
    assert without_chances(other) != without_chances(song)


def test_not_all_notes_are_equally_loud(song: Score):
    assert len({note.velocity for part in song.parts for note in part.notes}) > 10


def test_progress_is_told_bar_by_bar(band: Band):
    heard: list[int] = []

    band.compose(make_request(), heard.append)

    assert set(heard) == {0, 1}


def test_what_the_chart_lets_return_returns_and_the_seed_draws_the_chart(band: Band):
    leader = replace(make_leader(), lengths=np.array([14]), signatures=np.zeros(1, np.uint8),
                     returns=np.array([0] * 7 + [4] * 7, np.uint8))  # fmt: skip
    led = replace(band, leader=leader)

    song = led.compose(make_request(bars=14))

    returns = Chart.read(song).returns
    assert leader.draw(14, (4, 4), np.random.default_rng([123, 0])).returns.tolist() == [0] * 7 + [4] * 6 + [0]
    assert (returns[7:13] > 0).all()
    assert led.compose(make_request(bars=14)) == song
    assert without_chances(song) != without_chances(band.compose(make_request(bars=14)))


def test_the_genre_says_how_strict_its_leader_is(band: Band):
    led = [
        replace(band, leader=make_leader(), genre=replace(band.genre, sampling=replace(band.genre.sampling,
                                                                                      strictness=strictness)))
        for strictness in (0.0, 4.0)
    ]  # fmt: skip

    free, strict = (band.compose(make_request(bars=8)) for band in led)

    assert without_chances(free) != without_chances(strict)


def test_a_song_that_copies_a_known_one_is_dropped_for_the_next(band: Band):
    song = band.compose(make_request(bars=8))
    known = build_index([song])
    assert known.longest_run(song) > known.limit

    other = replace(band, known_songs=known).compose(make_request(bars=8))

    assert other != song
    assert known.longest_run(other) <= known.limit
    assert other.time_signatures == song.time_signatures


def test_of_several_takes_the_critic_picks_one_by_the_seed(band: Band):
    takes = band.play([(make_request(), np.random.default_rng([123, take])) for take in range(3)])
    critic = Critic.learn([takes[2]] * 9, [takes[0], takes[1]] * 4, {})
    choosy = replace(of_takes(band, 3), critic=critic)

    song, again = choosy.compose(make_request()), choosy.compose(make_request())

    assert without_chances(song) == without_chances(takes[2])
    assert song == again


def test_a_take_with_a_flaw_is_not_put_before_the_critic(band: Band):
    takes = band.play([(make_request(bars=8), np.random.default_rng([123, take])) for take in range(3)])
    critic = Critic.learn([takes[2]] * 9, [takes[0], takes[1]] * 4, {})
    choosy = replace(of_takes(band, 3), critic=critic, known_songs=build_index([takes[2]]))

    song = choosy.compose(make_request(bars=8))

    assert without_chances(song) in [without_chances(takes[0]), without_chances(takes[1])]


@pytest.mark.parametrize(
    ("played", "flaws"),
    [
        ({"drums": 16, "bass": 16, "lead": 1}, 0),
        ({"drums": 4, "bass": 4, "lead": 1}, 0),
        ({"drums": 16, "bass": 3, "lead": 16}, 1),
        ({"drums": 3, "bass": 0, "lead": 16}, 2),
        ({"drums": 16, "bass": 16, "lead": 0}, 1),
    ],
)
def test_a_take_is_flawed_where_somebody_never_plays_or_drums_or_bass_in_less_than_a_quarter_of_the_bars(
    band: Band, played: dict[Role, int], flaws: int
):
    score = Score(
        tempo_bpm=160, time_signatures=((4, 4),) * 16,
        parts=tuple(
            Part(role=role, notes=tuple(Note(start=48 * bar, pitch=40, duration=6, velocity=96) for bar in range(bars)))
            for role, bars in played.items()
        ),
    )  # fmt: skip

    assert band.flaws(score) == (0, flaws)


@pytest.mark.parametrize("tempo_bpm", [40, 70, 72.5, 80, 96, 100, 120, 133, 140, 160, 180, 200, 239, 240, 400])
def test_by_default_a_song_lasts_within_the_time_of_its_genre(genre: Genre, tempo_bpm: float):
    request = make_request(tempo_bpm=tempo_bpm, bars=None)

    bars = bars_of(request, genre)

    assert 45 <= bars * 4 * 60 / tempo_bpm <= 60
    assert bars % 2 == 0


@pytest.mark.parametrize(("tempo_bpm", "bars"), [(70, 16), (100, 20), (140, 28), (160, 32), (240, 48)])
def test_a_song_is_a_whole_number_of_phrases(genre: Genre, tempo_bpm: float, bars: int):
    assert bars_of(make_request(tempo_bpm=tempo_bpm, bars=None), genre) == bars
    assert bars % PHRASE == 0


@given(st.floats(20, 400), st.floats(5, 300), st.floats(1, 2))
@settings(max_examples=60, deadline=None)
def test_no_time_that_a_genre_can_ask_for_is_exceeded(genre: Genre, tempo_bpm: float, shortest: float, stretch: float):
    short = replace(genre, seconds=(shortest, shortest * stretch))
    seconds_per_bar = 240 / tempo_bpm

    bars = bars_of(make_request(tempo_bpm=tempo_bpm, bars=None), short)

    assert bars >= 1
    assert bars * seconds_per_bar <= max(shortest * stretch, seconds_per_bar) * (1 + 1e-9)


@pytest.mark.parametrize(("seconds", "bars"), [(1, 1), (6, 4), (30, 20), (45.2, 30), (600, 400)])
def test_asked_seconds_are_met_to_the_nearest_bar(genre: Genre, seconds: float, bars: int):
    assert bars_of(make_request(bars=None, seconds=seconds), genre) == bars


def test_asked_bars_win_over_asked_seconds(genre: Genre):
    assert bars_of(make_request(bars=7, seconds=30), genre) == 7


def test_a_band_without_weights_says_what_to_do(genre: Genre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("model.weights.WEIGHTS_FOLDER", tmp_path)

    with pytest.raises(BadWeights, match=r"heavy-metal\.safetensors: no such file; train it"):
        Band.load(genre)


def test_a_band_is_loaded_with_what_must_not_be_copied(
    genre: Genre, network: Composer, band: Band, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    song = band.compose(make_request(bars=8))
    monkeypatch.setattr("model.weights.WEIGHTS_FOLDER", tmp_path)
    save_weights(tmp_path / "heavy-metal.safetensors", network, {})
    without = Band.load(genre)
    build_index([song]).save(tmp_path / "heavy-metal.originality.safetensors")

    band = Band.load(genre)

    assert without.known_songs is None
    assert band.known_songs is not None
    assert band.known_songs.longest_run(song) > 0


def test_bands_of_one_genre_the_same_files_and_one_release_share_a_fingerprint_and_no_others(
    genre: Genre, network: Composer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("model.weights.WEIGHTS_FOLDER", tmp_path)
    save_weights(tmp_path / "heavy-metal.safetensors", network, {})

    prints = [Band.load(genre).fingerprint, Band.load(replace(genre, seconds=(30.0, 40.0))).fingerprint]
    again = Band.load(genre).fingerprint
    build_index([Score(tempo_bpm=160.0, time_signatures=((4, 4),), parts=())]).save(
        tmp_path / "heavy-metal.originality.safetensors"
    )
    prints.append(Band.load(genre).fingerprint)
    save_weights(tmp_path / "heavy-metal.safetensors", small_composer(seed=2), {})
    prints.append(Band.load(genre).fingerprint)
    make_leader().save(tmp_path / "heavy-metal.leader.safetensors")
    prints.append(Band.load(genre).fingerprint)
    Calibration.none().save(tmp_path / "heavy-metal.calibration.safetensors")
    prints.append(Band.load(genre).fingerprint)
    monkeypatch.setattr("model.band._release", lambda: b"the next")
    prints.append(Band.load(genre).fingerprint)

    assert again == prints[0]
    assert len(set(prints)) == 7


def test_a_band_can_be_had_without_what_is_damaged_and_to_be_trained_anew(
    genre: Genre, network: Composer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """`lnh leader` said "run `lnh leader` again", and `lnh critic` the like; both refused, for they read the file."""
    monkeypatch.setattr("model.weights.WEIGHTS_FOLDER", tmp_path)
    save_weights(tmp_path / "heavy-metal.safetensors", network, {})
    (tmp_path / "heavy-metal.leader.safetensors").write_bytes(b"damaged")
    (tmp_path / "heavy-metal.calibration.safetensors").write_bytes(b"damaged")
    (tmp_path / "heavy-metal.critic.safetensors").write_bytes(b"damaged")
    without = {"with_leader": False, "with_calibration": False, "with_critic": False}

    band = Band.load(genre, **without)

    assert (band.leader, band.calibration, band.critic) == (None, None, None)
    for name, error in zip(without, (BadLeader, BadCalibration, BadCritic), strict=True):
        with pytest.raises(error):
            Band.load(genre, **(without | {name: True}))


def test_a_genre_that_the_composer_never_heard_of_is_named(genre: Genre):
    with pytest.raises(BadGenre, match="archives has 'polka'; it can be heavy-metal") as caught:
        Band.load(replace(genre, archives=("polka",)))

    assert isinstance(caught.value, NeedsOperator)


@pytest.mark.skipif(not TRAINED.is_file(), reason="the weights are not trained yet")
def test_the_trained_band_plays_the_same_again_for_the_same_request(genre: Genre):
    request = make_request(bars=4)

    first, again = (Band.load(genre).compose(request) for _ in range(2))

    assert first == again
    assert len(first.time_signatures) == 4
    assert all(part.notes for part in first.parts)


@pytest.mark.skipif(not TRAINED.is_file(), reason="the weights are not trained yet")
def test_the_trained_weights_are_of_this_vocabulary():
    network = load_weights(TRAINED)

    assert network.token.weight.shape[0] == len(t.NAMES)


@pytest.mark.parametrize("seed", range(4))
def test_a_song_begins_in_its_first_bar_and_ends_on_the_first_beat_of_its_last(band: Band, seed: int):
    score = band.compose(make_request(seed=seed, bars=6))

    starts = [note.start for part in score.parts for note in part.notes]

    assert min(starts) < score.bar_starts[1]
    assert max(starts) == score.bar_starts[5]


@pytest.mark.parametrize("method", ["probability", "embedding"])
def test_songs_composed_together_are_the_songs_composed_alone(band: Band, song: Score, method: str):
    requests = [make_request(seed=seed, tempo_bpm=tempo, bars=4 + seed) for seed, tempo in ((1, 90.0), (2, 200.0))]
    critic = Critic.learn([song] * 9, [band.compose(make_request(seed=9))] * 8, {})
    choosy = with_method(replace(of_takes(band, 2), critic=critic), method)

    together = choosy.compose_all(requests)

    assert together == [choosy.compose(request) for request in requests]


def test_of_songs_composed_together_only_one_with_a_flaw_is_played_again(band: Band):
    requests = [make_request(seed=seed, bars=8) for seed in (1, 2)]
    first, second = band.compose_all(requests)
    careful = replace(band, known_songs=build_index([first]))

    again, same = careful.compose_all(requests)

    assert again != first
    assert same == second

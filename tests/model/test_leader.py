"""A leader moves the odds to the chart, learns from real songs how far, and survives the trip to disk."""

from collections import Counter
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from leaders import make_leader
from rich.progress import Progress
from scores import make_score, vary
from small_composer import small_composer

from model import tokens as t
from model.band import Band
from model.chart import CHORDS, NO_LIMIT, Chart
from model.corpus import is_held_out
from model.genre import Genre
from model.leader import BadLeader, Leader, leader_path
from model.lesson import hear, train_leader
from model.midi import write_midi
from model.reader import Reader
from model.reference import NoSongs
from model.score import ROLES
from model.tokens import encode

RHYTHM, LEAD = ROLES.index("rhythm"), ROLES.index("lead")
E_MINOR, G_MAJOR = 1 + 12 + 4, 1 + 7


def after(stream: list[int], bars: int) -> Reader:
    reader = Reader(bars)
    for token in stream:
        reader.push(token)
    return reader


def moved(leader: Leader, chart: Chart, reader: Reader, strictness: float = 1.6) -> np.ndarray:
    logits = np.zeros(len(t.NAMES), np.float32)
    leader.lead(chart, strictness, reader, logits)
    return logits


def chart_of(*chords: int) -> Chart:
    return Chart(
        chords=np.array([[chord] * 2 for chord in chords], np.uint8), returns=np.zeros(len(chords), np.uint8),
        scale=np.ones(12, np.uint8), registers=np.tile(np.array(NO_LIMIT, np.uint8), (len(ROLES), 1)),
    )  # fmt: skip


def struck(role: int, *more: int) -> list[int]:
    """A stream up to the first pitch of a role that plays alone."""
    header = t.header("folk", 120, [ROLES[role]])
    return [*header, t.BAR[0], t.AT[0], t.DURATION[3], *more]


def test_notes_of_the_chord_become_likelier_but_not_a_note_as_such():
    logits = moved(make_leader(), chart_of(E_MINOR), after(struck(LEAD), 1))

    pitches = logits[t.PITCH.start : t.PITCH.stop]
    assert {pitch % 12 for pitch in np.flatnonzero(pitches == pitches.max())} == {4, 7, 11}
    assert np.logaddexp.reduce(pitches) == pytest.approx(np.log(128), abs=1e-4)
    assert not logits[: t.PITCH.start].any()


def test_twice_as_strict_a_leader_moves_the_odds_twice_as_far_and_one_of_strictness_0_not_at_all():
    of_pitch = {
        strictness: moved(make_leader(), chart_of(E_MINOR), after(struck(LEAD), 1), strictness)[t.PITCH.start :]
        for strictness in (0, 1, 2)
    }
    inside, outside = 64, 66  # E, F sharp

    assert not of_pitch[0].any()
    assert of_pitch[2][inside] - of_pitch[2][outside] == pytest.approx(
        2 * (of_pitch[1][inside] - of_pitch[1][outside]), rel=1e-4
    )


def test_a_shape_is_held_to_the_chord_with_all_its_notes():
    fifth = t.SHAPES.index((0, 7))
    pitches = moved(make_leader(), chart_of(G_MAJOR), after(struck(RHYTHM, t.SHAPE[fifth]), 1))[t.PITCH.start :]

    assert pitches[43] > pitches[47]  # G with D, B with F sharp
    assert pitches[43] > pitches[50]


def test_repeats_of_bars_with_the_same_chords_become_likelier():
    two_bars = encode(make_score(2, roles=("lead",)), "folk")[:-1]
    reader = after([*two_bars, t.BAR[0]], 3)

    repeats = moved(make_leader(), chart_of(E_MINOR, G_MAJOR, E_MINOR), reader)[t.REPEAT.start : t.REPEAT.stop]

    assert repeats[1] > 0 > repeats[0]
    assert not repeats[2:].any()


@pytest.mark.parametrize(
    "stream", [struck(0)[:-1], t.header("folk", 120, ["lead"]), [*encode(make_score(1, roles=("lead",)), "folk")[:-1]]],
    ids=["drums", "header", "between bars"],
)  # fmt: skip
def test_drums_and_what_is_no_music_are_left_alone(stream: list[int]):
    assert not moved(make_leader(), chart_of(E_MINOR), after(stream, 1)).any()


def test_where_nothing_sounds_nothing_is_wanted():
    assert not moved(make_leader(), chart_of(0), after(struck(LEAD), 1)).any()


def test_a_chart_is_drawn_in_the_time_signature_of_the_song():
    leader = make_leader()

    for seed in range(10):
        assert set(leader.draw(6, (3, 4), np.random.default_rng(seed)).chords.ravel()) <= set(range(9, 15))
    assert leader.draw(6, (7, 8), np.random.default_rng(1)).chords.shape == (6, 2)


@pytest.mark.parametrize("signature", [(4, 4), (3, 4), (7, 8)])
def test_a_chart_is_never_that_of_one_song(signature: tuple[int, int]):
    scales = np.array([[1] * 12, [1] * 11 + [0]], np.uint8)
    registers = np.stack([np.tile(np.array(each, np.uint8), (len(ROLES), 1)) for each in ((20, 90), (30, 100))])
    leader = replace(make_leader(), scales=scales, registers=registers)

    drawn = [leader.draw(6, signature, np.random.default_rng(seed)) for seed in range(20)]

    assert {(chart.scale.all(), chart.registers[LEAD, 0] == 20) for chart in drawn} <= {(True, False), (False, True)}


def test_a_leader_survives_the_trip_to_disk(tmp_path: Path):
    path = leader_path(tmp_path / "polka.safetensors")
    make_leader().save(path)

    again = Leader.load(path)

    assert path.name == "polka.leader.safetensors"
    for name, value in asdict(make_leader()).items():
        assert np.array_equal(getattr(again, name), value), name


@pytest.mark.parametrize(
    "wrong",
    [
        {"lengths": np.array([8])}, {"lengths": np.array([15, -1])}, {"lengths": np.array([2**62, 2**62])},
        {"lengths": np.zeros(0, np.int64)}, {"chords": np.full((14, 2), CHORDS, np.uint8)},
        {"returns": np.full(14, 33, np.uint8)}, {"signatures": np.array([200, 0], np.uint8)},
        {"scales": np.full((2, 12), 2, np.uint8)}, {"registers": np.full((2, len(ROLES), 2), 128, np.uint8)},
        {"outside": np.full(len(ROLES), np.nan, np.float32)}, {"repeat": np.zeros((2, 2), np.float32)},
        {"pitch": np.zeros((len(ROLES), 3, 2, 12))},
    ],
    ids=lambda wrong: next(iter(wrong)),
)  # fmt: skip
def test_a_leader_that_cannot_be_is_refused_by_name(tmp_path: Path, wrong: dict[str, np.ndarray]):
    path = tmp_path / "polka.leader.safetensors"
    replace(make_leader(), **wrong).save(path)

    with pytest.raises(BadLeader, match="do not belong together") as caught:
        Leader.load(path)

    assert str(path) in str(caught.value)


# --- learning


@pytest.fixture(scope="module")
def band(genre: Genre) -> Band:
    return Band(genre=genre, network=small_composer(), known_songs=None)


@cache
def names(held_out: bool) -> list[str]:
    return [name for name in map("song {}".format, range(200)) if is_held_out(name) == held_out]


def write_songs(folder: Path, genre: Genre, learned: int, held_out: int) -> None:
    rng = np.random.default_rng(1)
    for name in [*names(False)[:learned], *names(True)[:held_out]]:
        write_midi(vary(make_score(10), rng, 3), genre, folder / f"{name}.mid")


def test_a_leader_learns_to_foretell_songs_that_it_has_not_heard(band: Band, tmp_path: Path):
    write_songs(tmp_path, band.genre, 20, 4)

    leader, foretold = train_leader(band, tmp_path, Progress(disable=True))

    assert (len(leader.lengths), foretold.songs, foretold.held_out) == (20, 4, True)
    assert foretold.pitch[1] < foretold.pitch[0] - 0.1
    assert foretold.form[1] <= foretold.form[0]
    leader.save(tmp_path / "polka.leader.safetensors")
    assert Leader.load(tmp_path / "polka.leader.safetensors").draw(5, (4, 4), np.random.default_rng(1)).chords.all()


def test_who_keeps_to_no_register_is_given_none(band: Band, tmp_path: Path):
    write_songs(tmp_path, band.genre, 20, 4)
    players = tuple(replace(player, keeps_register=player.role != "lead") for player in band.genre.players)
    free_band = replace(band, genre=replace(band.genre, players=players))

    leader, _ = train_leader(free_band, tmp_path, Progress(disable=True))

    assert (leader.registers[:, LEAD] == NO_LIMIT).all()
    assert (leader.registers[:, RHYTHM] != NO_LIMIT).any()
    assert leader.pitch[LEAD].any()


def test_without_held_out_songs_the_leader_says_so(band: Band, tmp_path: Path):
    write_songs(tmp_path, band.genre, 20, 0)

    _, foretold = train_leader(band, tmp_path, Progress(disable=True))

    assert (foretold.songs, foretold.held_out) == (20, False)


def test_a_version_of_a_song_that_was_learned_is_not_held_out(band: Band, tmp_path: Path):
    write_songs(tmp_path, band.genre, 20, 4)
    known, version = names(False)[0], names(True)[4]
    (tmp_path / f"{version}.mid").write_bytes((tmp_path / f"{known}.mid").read_bytes())

    leader, foretold = train_leader(band, tmp_path, Progress(disable=True))

    assert (len(leader.lengths), foretold.songs, foretold.held_out) == (20, 4, True)


def test_where_only_drums_play_there_is_nothing_to_lead(band: Band, tmp_path: Path):
    for name in names(False)[:20]:
        write_midi(make_score(10, roles=("drums",)), band.genre, tmp_path / f"{name}.mid")
    drummers = replace(band, genre=replace(band.genre, players=(band.genre.player("drums"),)))

    for each in (band, drummers):
        with pytest.raises(NoSongs, match="only drums play here"):
            train_leader(each, tmp_path, Progress(disable=True))


def test_too_few_songs_are_refused_with_what_to_do(band: Band, tmp_path: Path):
    write_songs(tmp_path, band.genre, 3, 1)

    with pytest.raises(NoSongs, match="3 songs can be learned from; put at least 20 there"):
        train_leader(band, tmp_path, Progress(disable=True))


def test_every_pitch_and_every_first_word_of_a_song_is_a_decision(band: Band):
    score = make_score(40)  # of several windows
    stream = np.array(encode(score, "heavy-metal"))

    decisions = hear(band, [score], Progress(disable=True))

    pitches = stream[(stream >= t.PITCH.start) & (stream < t.PITCH.stop)] - t.PITCH.start
    assert decisions.pitches[:, 5].tolist() == pitches.tolist()
    assert len(decisions.forms) == 3 * 40  # all but the drums, in each bar
    assert len(decisions.pitch_logits) == len(decisions.pitches)
    assert len(decisions.form_logits) == len(decisions.forms)
    lags = stream[(stream >= t.REPEAT.start) & (stream < t.REPEAT.stop)] - t.REPEAT.start
    own = decisions.forms[:, 1]
    assert not Counter(own[own < t.MOST_BACK].tolist()) - Counter(lags.tolist())

"""A genre file is read strictly: what is wrong in it is named with the file, the key and what to write instead."""

import shutil
from pathlib import Path

import pytest

from model.errors import NeedsOperator
from model.genre import GENRES_FOLDER, BadGenre, load_genre, load_genres
from model.tokens import CORPORA

POLKA = """
title = "Polka"
aliases = ["oompah"]
weights = "polka"
archives = ["folk"]

[tempo]
slowest_bpm = 90
fastest_bpm = 140
default_bpm = 120

[[players]]
role = "lead"
name = "accordion"
program = 21

[[players]]
role = "bass"
name = "tuba"
program = 58

[sampling]
method = "probability"
freedom = [
    { randomness = 0, rhythm = 0.9, pitch = 0.8, structure = 1, top_p = 0.98, noise = 0.2 },
    { randomness = 1, rhythm = 1, pitch = 1, structure = 1, top_p = 1, noise = 0.9 },
]
"""


def write_genre(folder: Path, text: str = POLKA, name: str = "polka") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def metres(*rows: str) -> str:
    """The polka's first line, and its time signatures."""
    return f'title = "Polka"\ntime_signatures = [{", ".join(f"{{ time_signature = {row} }}" for row in rows)}]'


def complaint(folder: Path, old: str, new: str) -> str:
    """What the reader says about the polka after one change of its text."""
    assert old in POLKA
    path = write_genre(folder, POLKA.replace(old, new, 1))
    with pytest.raises(BadGenre) as caught:
        load_genre(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_genre_is_read_with_its_defaults(tmp_path: Path):
    path = write_genre(tmp_path)

    polka = load_genre(path)

    assert polka.name == "polka"
    assert polka.tempo.default_bpm == 120.0
    assert [metre.time_signature for metre in polka.time_signatures] == [(4, 4)]
    assert polka.player("bass").name == "tuba"
    assert [row.randomness for row in polka.sampling.freedom] == [0.0, 1.0]


def test_nobody_plays_a_role_that_is_not_in_the_file(tmp_path: Path):
    polka = load_genre(write_genre(tmp_path))

    with pytest.raises(KeyError):
        polka.player("drums")


@pytest.mark.parametrize("path", sorted(GENRES_FOLDER.rglob("*.toml")), ids=lambda path: path.stem)
def test_every_genre_of_the_house_can_be_read(path: Path):
    genre = load_genre(path)

    assert genre.name == path.stem
    assert genre.title


def test_the_genres_of_the_house_get_along(tmp_path: Path):
    for path in GENRES_FOLDER.rglob("*.toml"):
        shutil.copy(path, tmp_path)  # those that wait for their weights, too

    genres = load_genres(tmp_path)

    assert genres.keys() >= {"heavy-metal", "rock", "jazz", "reggae", "video-game", "folk", "baroque"}
    assert all(set(genre.archives) <= set(CORPORA) for genre in genres.values())


@pytest.mark.parametrize(
    ("old", "new", "key", "nearest"),
    [
        ("aliases =", "alias =", "alias", "aliases"),
        ("slowest_bpm", "slowest", "tempo.slowest", "slowest_bpm"),
        ("program = 21", "programme = 21", "players[0].programme", "program"),
        ("noise = 0.9", "noize = 0.9", "sampling.freedom[1].noize", "noise"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_one(tmp_path: Path, old: str, new: str, key: str, nearest: str):
    message = complaint(tmp_path, old, new)

    assert f"unknown key {key}; did you mean {nearest}?" in message


def test_an_unknown_key_that_is_like_no_other_is_named_alone(tmp_path: Path):
    message = complaint(tmp_path, 'title = "Polka"', 'title = "Polka"\nxyz = 1')

    assert message.endswith("unknown key xyz")


def test_a_genre_cannot_be_named_against_its_file(tmp_path: Path):
    message = complaint(tmp_path, 'title = "Polka"', 'title = "Polka"\nname = "waltz"')

    assert "unknown key name" in message


@pytest.mark.parametrize(
    ("line", "key"),
    [('title = "Polka"', "title"), ("fastest_bpm = 140", "tempo.fastest_bpm"), ("program = 58", "players[1].program")],
)
def test_a_missing_key_is_named(tmp_path: Path, line: str, key: str):
    message = complaint(tmp_path, line, "")

    assert f"{key} is missing" in message


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('title = "Polka"', "title = 7", "title is 7; write a text in quotes"),
        ('["oompah"]', '"oompah"', "aliases is 'oompah'; write a list"),
        ('["oompah"]', '["oompah", 3]', "aliases[1] is 3; write a text in quotes"),
        ("default_bpm = 120", 'default_bpm = "fast"', "tempo.default_bpm is 'fast'; write a number"),
        ("default_bpm = 120", "default_bpm = true", "tempo.default_bpm is True; write a number"),
        ("default_bpm = 120", "default_bpm = nan", "tempo.default_bpm is nan; write a plain number"),
        ("program = 21", "program = 21.5", "players[0].program is 21.5; write a whole number"),
        ("program = 21", "program = 21\npan = -inf", "players[0].pan is -inf; write a plain number"),
        ("program = 21", "program = 21\ntakes = true", "players[0].takes is True; it can be 1, 2"),
        ('role = "bass"', 'role = "tuba"', "players[1].role is 'tuba'; it can be 'drums', 'rhythm'"),
        ('"probability"', '"guess"', "sampling.method is 'guess'; it can be 'probability', 'embedding'"),
        ("[tempo]", "[[tempo]]", "; write a table"),
        ('title = "Polka"', 'title = "Polka"\nseconds = [30.0]', "seconds has 1 values; give 2"),
    ],
)
def test_a_value_of_another_type_is_named_with_what_to_write(tmp_path: Path, old: str, new: str, expected: str):
    message = complaint(tmp_path, old, new)

    assert expected in message


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("slowest_bpm = 90", "slowest_bpm = 150", "tempo is 150 to 140 bpm; put the slower first"),
        ("slowest_bpm = 90", "slowest_bpm = 0", "tempo is 0 to 140 bpm; stay within 20 to 400"),
        ("fastest_bpm = 140", "fastest_bpm = 9000", "tempo is 90 to 9000 bpm; stay within 20 to 400"),
        ("default_bpm = 120", "default_bpm = 60", "tempo.default_bpm is 60; choose it between"),
        ('title = "Polka"', 'title = "Polka"\nrandomness = 2', "randomness is 2; choose it from 0 to 1"),
        ('title = "Polka"', 'title = "Polka"\nseconds = [60, 30]', "seconds is [60.0, 30.0]; put the shorter first"),
        ('title = "Polka"', metres("[4, 0], share = 1"), "time_signatures are [[4, 0]]"),
        ('title = "Polka"', metres("[4, 3], share = 1"), "time_signatures are [[4, 3]]"),
        ('title = "Polka"', metres("[2, 2], share = 1"), "the band plays [4, 4], [2, 4]"),
        ('title = "Polka"', metres("[2, 4], share = 0.7", "[3, 4], share = 0.2"), "let them add up to 1"),
        ('title = "Polka"', metres("[2, 4], share = 0.3", "[3, 4], share = 0.7"), "put the greatest first"),
        ('title = "Polka"', metres("[2, 4], share = 1", "[3, 4], share = 0"), "shares [1.0, 0.0]"),
        ('title = "Polka"', metres(), "shares []"),
        ('archives = ["folk"]', "archives = []", "archives is empty"),
        ('role = "bass"', 'role = "lead"', "give each role once"),
        ("program = 58", "program = 128", "players[1].program of the bass is 128; choose one from 0 to 127"),
        ("program = 58", "program = 58\ntone = -2", "players[1].tone of the bass is -2; choose one from -1 to 1"),
        ("program = 58", "program = 58\ngain_db = 41", "gain_db of the bass is 41; choose one from -40 to 40"),
        ("program = 58", "program = 58\nsend_db = 13", "send_db of the bass is 13; choose one from -60 to 12"),
        ("program = 58", "program = 58\nlongest_loop = 0", "longest_loop of the bass is 0; choose one of 1 at least"),
        ("program = 58", "program = 58\npan = 1.5", "players[1].pan of the bass is 1.5; choose one from -1 to 1"),
        ("{ randomness = 0,", "{ randomness = 0.5,", "rise from 0 to 1"),
        ("[sampling]", "[sampling]\nstrictness = -1", "sampling.strictness is -1; choose it from 0, no chords, to 4"),
        ("rhythm = 0.9", "rhythm = 0", ".rhythm is 0; choose one from 0.01 to 100"),
        ("pitch = 0.8", "pitch = 1e300", ".pitch is 1e+300; choose one from 0.01 to 100"),
        ("noise = 0.9", "noise = 0.9, repeats = -1", "sampling.freedom[1].repeats is -1; choose one above 0"),
        ('title = "Polka"', 'title = " "', "title is empty"),
        ('weights = "polka"', 'weights = ""', "weights is empty"),
        ('["oompah"]', '["oompah", "!!"]', "aliases are ['oompah', '!!']; give each a letter or a digit"),
        ('name = "tuba"', 'name = ""', "players are called ['accordion', '']; call each otherwise"),
        ('name = "tuba"', 'name = "accordion"', "players are called ['accordion', 'accordion']; call each otherwise"),
        ("top_p = 0.98", "top_p = 1.5", ".top_p is 1.5; choose one of 1 at most"),
        ("noise = 0.9", "noise = 1", "sampling.freedom[1].noise is 1; choose one from 0 to below 1"),
        ("[sampling]", '[look]\nink = "red"\n[sampling]', "look.ink is 'red'; write it as #rrggbb"),
        ("[sampling]", '[look]\ncolours = ["#110d16", "#xyzxyz"]\n[sampling]', "look.colours[1] is '#xyzxyz'"),
        ("[sampling]", "[sound]\nloudness_lufs = 0\n[sampling]", "sound.loudness_lufs is 0; choose it from"),
    ],
)
def test_what_cannot_be_played_is_named_with_what_can(tmp_path: Path, old: str, new: str, expected: str):
    message = complaint(tmp_path, old, new)

    assert expected in message


def test_a_file_that_is_no_toml_is_named(tmp_path: Path):
    message = complaint(tmp_path, "[tempo]", "[tempo")

    assert "cannot be read" in message


def test_players_are_told_apart_in_a_midi_file(tmp_path: Path):
    # A MIDI file knows ASCII: both were "??" there, and one was read for the other.
    path = write_genre(tmp_path, POLKA.replace("accordion", "歌手").replace("tuba", "大号"))

    with pytest.raises(BadGenre, match="players are called"):
        load_genre(path)


def test_a_file_that_a_windows_editor_wrote_is_read(tmp_path: Path):
    path = write_genre(tmp_path, "\ufeff" + POLKA)

    assert load_genre(path).title == "Polka"


@pytest.mark.parametrize("name", ["Polka", "polka dots", "polka_1", "-polka", "pölka"])
def test_a_file_whose_name_cannot_be_asked_for_is_named(tmp_path: Path, name: str):
    # It was listed, and every song that was asked for under it fell.
    write_genre(tmp_path, name=name)

    with pytest.raises(BadGenre, match=f"{name}.toml: a genre is called as in /g heavy-metal"):
        load_genres(tmp_path)


def test_what_a_file_manager_leaves_is_no_genre(tmp_path: Path):
    write_genre(tmp_path)
    (tmp_path / "._polka.toml").write_bytes(b"\0")

    assert list(load_genres(tmp_path)) == ["polka"]


def test_a_file_that_is_no_text_is_named(tmp_path: Path):
    path = tmp_path / "polka.toml"
    path.write_bytes(b"title = \"\xff\"")

    with pytest.raises(BadGenre, match=r"polka\.toml: cannot be read"):
        load_genre(path)


@pytest.mark.parametrize("claim", ["oompah", "OOMPAH", "oom-pah", "polka"])
def test_two_genres_cannot_answer_to_one_name(tmp_path: Path, claim: str):
    write_genre(tmp_path)
    write_genre(tmp_path, POLKA.replace("oompah", claim), name="waltz")

    with pytest.raises(BadGenre, match=f"alias '{claim}' is claimed by polka and waltz; keep one"):
        load_genres(tmp_path)


@pytest.mark.parametrize("folder", [".", "missing"])
def test_a_folder_without_genres_is_the_operators_to_mend(tmp_path: Path, folder: str):
    with pytest.raises(NeedsOperator, match="no genre file"):
        load_genres(tmp_path / folder)

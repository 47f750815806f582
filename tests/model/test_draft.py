"""A genre file is written from songs: line-up, instruments, tempo range, metres, and as what they are learned."""

import math
from collections import Counter
from pathlib import Path

import pretty_midi
import pytest
import torch
from scores import make_score
from small_composer import small_composer

from model import tokens as t
from model.corpus import BadCorpus
from model.draft import Survey, draft, expect_free, nearest_corpus, survey, write_genre
from model.genre import BadGenre, Genre, Metre, load_genre
from model.midi import write_midi
from model.score import Role


def surveyed(**changes: object) -> Survey:
    """Ten songs of a jazz trio."""
    plays: Counter[Role] = Counter({"drums": 10, "bass": 9, "keys": 5, "lead": 2})
    found = Survey(tempi=[90.0 + 10 * i for i in range(10)], metres=Counter({(4, 4): 8, (3, 4): 2}), plays=plays)
    found.programs["bass"].update([32, 32, 33])
    found.programs["keys"].update([0])
    found.programs["drums"].update([32])
    found.loops["drums"].extend([2] * 18 + [4, 16])
    for name, value in changes.items():
        object.__setattr__(found, name, value)
    return found


def test_a_genre_file_says_what_the_songs_are_like(tmp_path: Path):
    trio = write_genre(tmp_path / "piano-trio.toml", surveyed(), "jazz")

    assert (trio.title, trio.weights, trio.archives) == ("Piano trio", "piano-trio", ("jazz",))
    assert [(p.role, p.name, p.program) for p in trio.players] == [
        ("drums", "drums", 32), ("bass", "acoustic bass", 32), ("keys", "acoustic grand piano", 0)
    ]  # fmt: skip
    assert (trio.tempo.slowest_bpm, trio.tempo.default_bpm, trio.tempo.fastest_bpm) == (95, 135, 175)
    assert trio.time_signatures == (Metre(time_signature=(4, 4), share=0.8), Metre(time_signature=(3, 4), share=0.2))
    assert trio.player("drums").longest_loop == 5
    assert trio == load_genre(tmp_path / "piano-trio.toml")


def test_rare_metres_are_left_out_and_the_shares_of_the_others_add_up(tmp_path: Path):
    metres = Counter({(4, 4): 33, (3, 4): 33, (6, 8): 32, (7, 8): 2})

    genre = write_genre(tmp_path / "waltz.toml", surveyed(metres=metres), "folk")

    assert [metre.time_signature for metre in genre.time_signatures] == [(4, 4), (3, 4), (6, 8)]
    assert math.isclose(sum(metre.share for metre in genre.time_signatures), 1)


def test_when_nobody_plays_often_whoever_plays_most_does(tmp_path: Path):
    plays: Counter[Role] = Counter({"keys": 4, "lead": 3})

    genre = write_genre(tmp_path / "solo.toml", surveyed(plays=plays), "folk")

    assert [player.role for player in genre.players] == ["keys"]


def test_guitars_are_called_by_what_they_do_and_twins_by_their_roles(tmp_path: Path):
    found = surveyed(plays=Counter({"rhythm": 10, "rhythm_2": 10, "lead": 10, "keys": 10}))
    for role, program in (("rhythm", 30), ("rhythm_2", 30), ("lead", 73), ("keys", 73)):
        found.programs[role].update([program] * 2)

    genre = write_genre(tmp_path / "twins.toml", found, "rock")

    assert [player.name for player in genre.players] == ["rhythm guitar", "second guitar", "flute", "keys flute"]


def test_every_instrument_has_a_name_without_brackets():
    for program in range(128):
        found = surveyed(plays=Counter({"keys": 10}))
        found.programs["keys"].clear()
        found.programs["keys"].update([program])

        assert "(" not in draft("any", found, "rock").partition("name = ")[2].partition("\n")[0]


def test_songs_are_looked_at(tmp_path: Path, genre: Genre):
    for i in range(4):
        write_midi(make_score(40, tempo_bpm=100.0 + i), genre, tmp_path / f"{i}.mid")
    (tmp_path / "bad.mid").write_bytes(b"MThd")
    write_midi(make_score(2), genre, tmp_path / "short.mid")
    heard: list[int] = []

    found = survey(sorted(tmp_path.glob("*.mid")), heard.append)

    assert heard == [6] * 6
    assert sorted(found.tempi) == [100.0, 101.0, 102.0, 103.0]
    assert found.metres == {(4, 4): 4}
    assert found.plays == {"drums": 4, "rhythm": 4, "bass": 4, "lead": 4}
    assert found.programs["bass"] == {genre.player("bass").program: 4}
    assert found.programs["drums"] == {genre.player("drums").program: 4}
    assert found.loops["bass"] == [2] * 4  # a riff of two bars on E and one each on C and D


def test_a_copy_of_a_song_is_not_counted(tmp_path: Path, genre: Genre):
    write_midi(make_score(40), genre, tmp_path / "one.mid")
    (tmp_path / "copy of one.mid").write_bytes((tmp_path / "one.mid").read_bytes())

    found = survey(sorted(tmp_path.glob("*.mid")), lambda _: None)

    assert len(found.tempi) == found.plays["bass"] == 1


def test_one_player_s_two_hands_have_one_program(tmp_path: Path):
    midi = pretty_midi.PrettyMIDI(resolution=480, initial_tempo=120)
    harpsichord = pretty_midi.Instrument(6)
    for i in range(80):
        for pitch in (48, 72):
            harpsichord.notes.append(pretty_midi.Note(90, pitch + i % 5, i / 2, i / 2 + 0.4))
    midi.instruments.append(harpsichord)
    midi.write(str(tmp_path / "suite.mid"))

    found = survey([tmp_path / "suite.mid"], lambda _: None)

    assert found.programs["lead"] == found.programs["keys"] == {6: 1}


def test_a_folder_in_which_nothing_is_a_song_is_named(tmp_path: Path):
    (tmp_path / "bad.mid").write_bytes(b"MThd")

    with pytest.raises(BadCorpus, match="none of 1 files"):
        survey([tmp_path / "bad.mid"], lambda _: None)


def test_songs_are_learned_as_what_the_base_takes_them_for():
    network = small_composer(window=800)
    with torch.no_grad():  # a composer that knows no music but is sure that jazz goes on with drums
        network.token.weight[t.GENRE[t.CORPORA.index("jazz")]] = 3 * network.token.weight[t.TEMPO.start + 13]
    found = surveyed(scores=[make_score(10, tempo_bpm=160.0)], plays=Counter({"drums": 10, "bass": 10}))
    heard: list[int] = []

    corpus = nearest_corpus(network, ["rock", "jazz", "an old corpus"], found, heard.append)

    assert corpus == "jazz"
    assert heard == [2, 2]


@pytest.mark.parametrize("name", ["Polka.toml", "polka", "pol ka.toml", "-.toml", "polka.tml"])
def test_a_name_that_nobody_could_ask_for_is_refused(tmp_path: Path, name: str):
    with pytest.raises(BadGenre, match="name its file like"):
        expect_free(tmp_path / name)


def test_a_name_that_another_genre_goes_by_is_refused(tmp_path: Path):
    write_genre(tmp_path / "piano-trio.toml", surveyed(), "jazz")
    expect_free(tmp_path / "polka.toml")

    with pytest.raises(BadGenre, match="'piano-trio' is piano-trio already; choose another name"):
        expect_free(tmp_path / "pianotrio.toml")

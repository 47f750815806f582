"""What was copied is found in any key, tempo and part; what is only simple is not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scores import make_score

from model.originality import GRAM, BadIndex, Bars, Index, build_index, full_bars, index_path
from model.score import Note, Part, Role, Score

rng = np.random.default_rng(7)
TUNE = [int(pitch) for pitch in rng.integers(55, 80, 200)]
OTHER = [int(pitch) for pitch in rng.integers(55, 80, 200)]


def tune(pitches: list[int], role: Role = "lead", step: int = 3) -> Score:
    """A line of notes at equal distance."""
    notes = tuple(Note(start=i * step, pitch=p, duration=step, velocity=90) for i, p in enumerate(pitches))
    bars = max(1, -(-len(pitches) * step // 48))
    return Score(tempo_bpm=120.0, time_signatures=((4, 4),) * bars, parts=(Part(role=role, notes=notes),))


def test_a_song_shares_all_of_itself():
    index = build_index([tune(OTHER), tune(TUNE)])

    assert index.longest_run(tune(TUNE)) == len(TUNE)


def test_another_song_shares_nothing():
    index = build_index([tune(TUNE)])

    assert index.longest_run(tune(OTHER)) == 0


@pytest.mark.parametrize("semitones", [-5, 0, 6])
@pytest.mark.parametrize("length", [GRAM, 30])
def test_a_quoted_passage_is_measured_in_any_key(semitones: int, length: int):
    index = build_index([tune(TUNE)])
    quote = OTHER[:40] + [pitch + semitones for pitch in TUNE[50 : 50 + length]] + OTHER[60:90]

    assert length <= index.longest_run(tune(quote)) <= length + 1


def test_a_passage_shorter_than_a_window_is_not_found():
    index = build_index([tune(TUNE)])

    assert index.longest_run(tune(OTHER[:40] + TUNE[50 : 50 + GRAM - 2] + OTHER[60:90])) == 0


def test_a_melody_is_found_though_another_instrument_plays_it():
    index = build_index([tune(TUNE, role="lead")])

    assert index.longest_run(tune(TUNE, role="keys")) == len(TUNE)


def test_another_rhythm_makes_another_tune():
    index = build_index([tune(TUNE)])

    assert index.longest_run(tune(TUNE, step=6)) == 0


def test_passages_of_two_songs_are_not_added():
    index = build_index([tune(TUNE[:60]), tune(TUNE[60 - GRAM + 1 : 100])])

    assert index.longest_run(tune(TUNE[:100])) == 60


def test_one_chugged_note_is_nobodys():
    index = build_index([tune([40] * 64)])

    assert len(index.hashes) == 0
    assert index.longest_run(tune([40] * 64)) == 0


def test_a_loop_counts_once():
    loop = [60, 63, 67, 70]

    index = build_index([tune(loop * 16)])

    assert index.longest_run(tune(loop * 16)) == len(loop) + GRAM - 1


def test_drums_are_everybodys():
    beat = make_score(bars=8, roles=("drums",))

    assert build_index([beat]).longest_run(beat) == 0


def test_a_song_left_out_is_not_looked_at():
    index = build_index([tune(TUNE), tune(TUNE[:40])])

    assert index.longest_run(tune(TUNE), leave_out=[0]) == 40
    assert index.longest_run(tune(TUNE), leave_out=[0, 1]) == 0


def test_an_index_that_is_too_big_is_thinned_and_still_finds_long_passages():
    songs = [tune([int(p) for p in rng.integers(50, 80, 400)]) for _ in range(10)]
    whole = build_index(songs)

    thin = build_index(songs, most_entries=len(whole.hashes) // 3)

    assert len(thin.hashes) <= len(whole.hashes) // 3
    assert all(350 <= thin.longest_run(song) <= 400 for song in songs)


def test_the_share_of_known_passages_is_that_of_what_was_quoted():
    index = build_index([tune(TUNE)])

    assert index.share_known(tune(TUNE)) == 1
    assert index.share_known(tune(OTHER)) == 0
    assert index.share_known(tune(OTHER[:50] + TUNE[:50])) == pytest.approx(39 / 89, abs=0.01)
    assert index.share_known(make_score(bars=4, roles=("drums",))) is None


def test_the_limit_is_what_nine_of_ten_songs_share_with_another():
    songs = [tune([int(p) for p in rng.integers(50, 80, 100)]) for _ in range(18)]
    quoting = [tune(TUNE[:40] + OTHER[:60]), tune(OTHER[100:160] + TUNE[:40])]

    index = build_index([*songs, *quoting])

    assert index.limit == GRAM
    assert build_index([*songs[:8], *quoting]).limit == 40


def test_versions_of_a_song_do_not_raise_the_limit():
    songs = [tune(TUNE), tune(TUNE), tune(OTHER)]

    assert build_index(songs).limit == 200
    assert build_index(songs, groups=["a", "a", "b"]).limit == GRAM


def test_an_empty_index_knows_nothing():
    assert build_index([]).longest_run(tune(TUNE)) == 0


def test_an_index_survives_the_trip_to_disk(tmp_path: Path):
    path = index_path(tmp_path / "polka.safetensors")
    index = build_index([tune(TUNE), tune(OTHER)])

    index.save(path)

    again = Index.load(path)
    assert path.name == "polka.originality.safetensors"
    assert np.array_equal(again.hashes, index.hashes)
    assert np.array_equal(again.songs, index.songs)
    assert (again.thinning, again.limit) == (index.thinning, index.limit)


def test_a_missing_or_damaged_index_says_which_and_what_to_do(tmp_path: Path):
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"no index")

    for path in (damaged, tmp_path / "missing.safetensors"):
        with pytest.raises(BadIndex, match=f"{path.name}.*train the genre again"):
            Index.load(path)


def test_full_bars_are_known_in_any_key():
    score = tune(TUNE)
    higher = tune([pitch + 2 for pitch in TUNE])

    bars = Bars.of([full_bars(score), full_bars(tune(OTHER))])

    assert bars.share_known(higher) == 1
    assert bars.share_known(higher, leave_out=[0]) == 0


def test_bars_of_few_or_equal_notes_do_not_count():
    sparse, chugged = tune(TUNE, step=12), tune([40] * 64)

    bars = Bars.of([full_bars(sparse), full_bars(chugged)])

    assert bars.share_known(sparse) is None
    assert bars.share_known(chugged) is None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 127), max_size=60), st.integers(1, 100))
def test_no_run_is_longer_than_the_song(pitches: list[int], step: int):
    score = tune(pitches, step=step)

    run = build_index([score, replace(score, parts=())]).longest_run(score)

    assert run == 0 or GRAM <= run <= len(pitches)

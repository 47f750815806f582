"""Versions of one song are known by what they play."""

import numpy as np
from scores import make_score

from model.originality import song_windows
from model.versions import versions


def passages(seed: int, count: int = 40) -> np.ndarray:
    return np.unique(np.random.default_rng(seed).integers(0, 2**32, count, dtype=np.uint32))


def test_songs_that_share_many_passages_are_one():
    first, other = passages(1), passages(2)
    again = np.unique(np.concatenate([first[:20], passages(3)]))

    assert versions([first, other, again]) == [0, 1, 0]


def test_a_version_of_a_version_belongs_to_the_first():
    one, two, three = passages(1), passages(2), passages(3)

    assert versions([one, np.concatenate([one, two]), np.concatenate([two, three]), passages(4)]) == [0, 0, 0, 3]


def test_a_shared_phrase_makes_no_version():
    first, other = passages(1, 100), passages(2, 100)

    assert versions([first, np.concatenate([other, first[:9]])]) == [0, 1]


def test_a_few_passages_make_no_version_of_a_short_song():
    first, short = passages(1), passages(2, 3)

    assert versions([first, np.concatenate([short, first[:7]])]) == [0, 1]


def test_songs_without_passages_are_each_their_own():
    nothing = np.zeros(0, np.uint32)

    assert versions([nothing, nothing]) == [0, 1]
    assert versions([]) == []


def test_a_song_in_another_tempo_and_line_up_is_a_version():
    whole, faster = make_score(16), make_score(16, tempo_bpm=200.0, roles=("rhythm", "lead"))

    assert versions([song_windows(whole), song_windows(faster)]) == [0, 0]

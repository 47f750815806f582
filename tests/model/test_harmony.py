import pytest
from scores import make_score

from model.harmony import musical_key
from model.score import Note, Part, Role, Score


def song_of(pitches: list[int], role: Role = "lead") -> Score:
    notes = tuple(Note(start=12 * i, pitch=pitch, duration=12, velocity=90) for i, pitch in enumerate(pitches))
    return Score(tempo_bpm=120.0, time_signatures=((4, 4),) * 8, parts=(Part(role=role, notes=notes),))


@pytest.mark.parametrize(
    ("pitches", "key"),
    [
        ([60, 62, 64, 65, 67, 69, 71, 72, 67, 64, 60], "C major"),
        ([69, 71, 72, 74, 76, 77, 80, 81, 76, 72, 69], "A minor"),
        ([63, 65, 67, 68, 70, 72, 74, 75, 70, 67, 63], "E flat major"),
    ],
)
def test_a_scale_with_its_triad_is_in_its_key(pitches, key):
    assert musical_key(song_of(pitches)) == key


def test_a_song_moved_up_is_in_a_key_moved_up():
    pitches = [60, 62, 64, 65, 67, 69, 71, 72, 67, 64, 60]

    assert musical_key(song_of([pitch + 2 for pitch in pitches])) == "D major"


def test_a_metal_riff_in_e_minor_is_heard_as_such():
    assert musical_key(make_score(bars=4)) == "E minor"


@pytest.mark.parametrize("score", [song_of([36, 38, 42], "drums"), song_of([]), song_of(list(range(60, 72)))])
def test_where_nothing_tells_there_is_no_key(score):
    assert musical_key(score) == "no key"

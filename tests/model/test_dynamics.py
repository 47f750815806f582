"""Notes are struck louder where the metre is strong, and never all alike."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import mean

import numpy as np
import pytest
from any_scores import any_scores
from hypothesis import given, settings
from hypothesis import strategies as st
from scores import make_score

from model.dynamics import LOUDNESS, play_dynamics
from model.reader import VELOCITIES
from model.score import Note, Part, Role, Score, TimeSignature, ticks_per_bar


def drums(*strokes: tuple[int, int]) -> Score:
    """A bar of (start, pitch) strokes, all of the same velocity."""
    notes = tuple(Note(start=start, pitch=pitch, duration=3, velocity=96) for start, pitch in sorted(strokes))
    return Score(tempo_bpm=120.0, time_signatures=((4, 4),), parts=(Part(role="drums", notes=notes),))


@given(any_scores(), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=8)
def test_every_note_is_heard_and_only_its_loudness_changes(score: Score, seed: int):
    played = play_dynamics(score, np.random.default_rng(seed))

    assert played.time_signatures == score.time_signatures
    for part, before in zip(played.parts, score.parts, strict=True):
        assert all(20 <= note.velocity <= 127 for note in part.notes)
        assert [replace(note, velocity=96) for note in part.notes] == list(before.notes)


def test_the_same_chance_plays_the_same():
    score = make_score(4)

    first, second = (play_dynamics(score, np.random.default_rng(7)) for _ in range(2))

    assert first == second


def test_another_chance_plays_otherwise():
    score = make_score(4)

    assert play_dynamics(score, np.random.default_rng(7)) != play_dynamics(score, np.random.default_rng(8))


def test_downbeats_are_louder_than_beats_and_beats_than_what_is_between():
    score = make_score(40, roles=("rhythm",))

    notes = play_dynamics(score, np.random.default_rng(1)).parts[0].notes

    downbeats = mean(note.velocity for note in notes if note.start % 48 == 0)
    beats = mean(note.velocity for note in notes if note.start % 12 == 0 and note.start % 48)
    between = mean(note.velocity for note in notes if note.start % 12)
    assert downbeats > beats + 3 > between + 6


def mean_velocities(role: Role, pitches: Sequence[int], metre: TimeSignature, step: int) -> list[float]:
    """Of notes `step` ticks apart in each of 200 bars, those of one place together, to the nearest of the levels."""
    places = ticks_per_bar(metre) // step
    notes = tuple(
        Note(start=step * i, pitch=pitches[i % len(pitches)], duration=3, velocity=96) for i in range(200 * places)
    )
    score = Score(tempo_bpm=120.0, time_signatures=(metre,) * 200, parts=(Part(role=role, notes=notes),))
    played = play_dynamics(score, np.random.default_rng(1)).parts[0].notes
    means = [mean(note.velocity for note in played[place::places]) for place in range(places)]
    return [round((each - LOUDNESS[role]) / 2) * 2 for each in means]


@pytest.mark.parametrize(
    ("metre", "accents"),
    [
        ((4, 4), [12, 0, 6, 0, 6, 0, 6, 0]),
        ((3, 4), [12, 0, 6, 0, 6, 0]),
        ((6, 8), [12, 0, 0, 6, 0, 0]),
        ((7, 8), [12, 0, 6, 0, 6, 0, 6]),
    ],
)
def test_every_bar_is_accented_by_its_metre(metre: TimeSignature, accents: list[int]):
    assert mean_velocities("lead", [60], metre, 6) == accents


def test_a_cymbal_is_struck_hard_anywhere_and_a_melody_of_its_number_is_not():
    assert mean_velocities("drums", [42, 49], (4, 4), 6) == [12, 12, 6, 12, 6, 12, 6, 12]
    assert mean_velocities("bass", [42, 49], (4, 4), 6) == [12, 0, 6, 0, 6, 0, 6, 0]


def test_no_two_hits_of_a_run_are_quite_alike():
    score = make_score(8, roles=("drums",))

    velocities = {note.velocity for note in play_dynamics(score, np.random.default_rng(1)).parts[0].notes}

    assert len(velocities) > 10


def test_a_soft_note_stays_softer_than_a_normal_one_and_that_softer_than_a_loud_one():
    notes = tuple(
        Note(start=12 * i, pitch=60, duration=3, velocity=velocity) for i, velocity in enumerate((96, *VELOCITIES))
    )
    score = Score(tempo_bpm=120.0, time_signatures=((4, 4),), parts=(Part(role="lead", notes=notes),))

    played = play_dynamics(score, np.random.default_rng(1)).parts[0].notes

    soft, normal, loud = (note.velocity for note in played[1:])
    assert soft + 12 < normal < loud


def test_a_song_without_notes_stays_without():
    score = drums()

    assert play_dynamics(score, np.random.default_rng(1)) == score

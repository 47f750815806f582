"""What a song is like, in numbers: songs whose figures are known beforehand, and any song at all."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scores import BAR, KICK, empty_score, make_score, one_note_score

from model.features import columns, cut, describe, syncopated
from model.score import ROLES, TICKS_PER_BEAT, TIME_SIGNATURES, Note, Part, Role, Score


def play(role: Role, *notes: tuple[int, int], duration: int = 3) -> Part:
    """A part of (start, pitch) notes."""
    struck = (Note(start=start, pitch=pitch, duration=duration, velocity=100) for start, pitch in notes)
    return Part(role=role, notes=tuple(sorted(struck)))


def song(*parts: Part, bars: int = 1) -> Score:
    return Score(tempo_bpm=120.0, time_signatures=((4, 4),) * bars, parts=parts)


def test_a_chromatic_scale_uses_all_pitch_classes_alike():
    score = song(play("lead", *((3 * i, 60 + i) for i in range(12))))

    features = describe(score)

    assert features["pitch-class entropy"] == pytest.approx(math.log2(12))
    assert features["scale consistency"] == pytest.approx(7 / 12)
    assert features["pitch classes a bar"] == 12
    assert features["lead: leap"] == 1
    assert features["lead: pitch range"] == 11


def test_a_major_scale_fits_its_scale_in_any_key():
    score = song(play("keys", *((6 * i, 61 + step) for i, step in enumerate((0, 2, 4, 5, 7, 9, 11, 12)))))

    features = describe(score)

    assert features["scale consistency"] == pytest.approx(1)
    assert features["most used pitch class"] == pytest.approx(2 / 8)


def test_a_single_note_has_no_entropy():
    features = describe(one_note_score())

    assert features["pitch-class entropy"] == 0
    assert features["lead: notes a bar"] == 1
    assert "lead: leap" not in features


def test_bars_alike_have_a_consistent_groove_and_repeat():
    score = song(*(play("bass", *((bar * BAR + beat * 12, 40) for bar in range(4) for beat in range(4))),), bars=4)

    features = describe(score)

    assert features["groove consistency"] == 1
    assert features["bass: bars repeated"] == pytest.approx(3 / 4)
    assert features["onsets on the beat"] == 1


def test_groove_counts_the_places_where_two_bars_differ():
    score = song(play("bass", (0, 40), (BAR, 40), (BAR + 6, 40), (BAR + 12, 40)), bars=2)

    features = describe(score)

    assert features["groove consistency"] == pytest.approx(1 - 2 / 48)


def test_a_repeat_of_long_ago_does_not_count_as_one():
    near = song(play("bass", (0, 40), (16 * BAR, 40)), bars=17)
    far = song(play("bass", (0, 40), (17 * BAR, 40)), bars=18)

    assert describe(near)["bass: bars repeated"] == 1 / 2
    assert describe(far)["bass: bars repeated"] == 0


def test_a_section_that_returns_is_seen_at_its_distance():
    melody = [(bar * BAR + 6 * (bar % 4), 60 + bar % 4) for bar in range(8)]

    features = describe(song(play("lead", *melody), bars=8))

    assert features["likeness after 4 bars"] == 1
    assert features["bars that return"] == 1 / 2
    assert "likeness after 8 bars" not in features


def test_empty_bars_and_notes_a_bar_are_counted_apart():
    score = song(play("drums", (0, 36), (12, 38), (BAR, 36)), bars=4)

    features = describe(score)

    assert features["drums: empty bars"] == 1 / 2
    assert features["drums: notes a bar"] == 3 / 2
    assert features["drums: different hits"] == 2


def test_a_chord_of_three_is_three_voices():
    score = song(play("rhythm", (0, 40), (0, 47), (0, 52), duration=12))

    features = describe(score)

    assert features["rhythm: polyphony"] == 3
    assert features["rhythm: duration"] == pytest.approx(1)


def test_the_bass_is_heard_with_kick_and_chord():
    kicks = play("drums", (0, KICK), (12, 38), (24, KICK))
    chord = play("rhythm", (0, 52), (0, 59), duration=36)
    bass = play("bass", (0, 40), (12, 47), (24, 41), (36, 40))  # root, fifth, wrong note, after the chord

    features = describe(song(kicks, chord, bass))

    assert features["bass: with the kick"] == 2 / 4
    assert features["bass: in the chord"] == 2 / 3


def test_a_beat_that_is_struck_before_and_left_out_is_syncopated():
    score = make_score(bars=2)
    places = np.array([6, 12, 18, 27, 42])  # of these only the beat at 12 is struck

    assert syncopated(places, score).tolist() == [False, False, True, True, True]


def test_an_excerpt_starts_at_its_bar_and_ends_with_it():
    score = song(play("bass", (0, 40), (BAR, 41), (2 * BAR - 3, 42), (2 * BAR, 43), duration=BAR), bars=4)

    excerpt = cut(score, 1, 1)

    assert excerpt.ticks == BAR
    assert [(note.start, note.pitch, note.duration) for note in excerpt.parts[0].notes] == [(0, 41, BAR), (45, 42, 3)]


def test_notes_after_the_last_bar_are_left_out():
    score = song(play("bass", (0, 40), (BAR, 41)))

    assert columns(score.parts[0], score).pitches.tolist() == [40]


def test_nothing_can_be_said_of_silence():
    assert describe(empty_score()) == {}
    assert describe(Score(tempo_bpm=120.0, time_signatures=(), parts=())) == {}


@st.composite
def scores(draw: st.DrawFn) -> Score:
    """Any score, also one of no bars or empty parts."""
    signatures = draw(st.lists(st.sampled_from(sorted(TIME_SIGNATURES)), max_size=20))
    bare = Score(tempo_bpm=120.0, time_signatures=tuple(signatures), parts=())
    note = st.builds(
        Note,
        start=st.integers(0, max(bare.ticks - 1, 0)),
        pitch=st.integers(0, 127),
        duration=st.integers(1, 8 * TICKS_PER_BEAT),
        velocity=st.integers(1, 127),
    )
    parts = [
        Part(role=role, notes=tuple(sorted(draw(st.lists(note, max_size=12 if bare.ticks else 0)))))
        for role in ROLES
        if draw(st.booleans())
    ]
    return Score(tempo_bpm=120.0, time_signatures=bare.time_signatures, parts=tuple(parts))


@settings(max_examples=150, deadline=None)
@given(scores())
def test_the_features_of_any_song_are_finite(score: Score):
    features = describe(score)

    assert all(math.isfinite(value) for value in features.values())


@settings(max_examples=50, deadline=None)
@given(scores(), st.integers(0, 30))
def test_any_excerpt_is_a_song(score: Score, first_bar: int):
    if not score.time_signatures:
        return
    excerpt = cut(score, first_bar % len(score.time_signatures), 4)

    notes = [note for part in excerpt.parts for note in part.notes]

    assert all(0 <= note.start < note.start + note.duration <= excerpt.ticks for note in notes)

"""A score counts its time in ticks of a beat."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scores import make_score

from model.score import (
    DURATIONS,
    ROLES,
    TIME_SIGNATURES,
    Note,
    Score,
    TimeSignature,
    end_when_struck_again,
    ticks_per_bar,
)


@pytest.mark.parametrize(
    ("time_signature", "ticks"), [((4, 4), 48), ((3, 4), 36), ((6, 8), 36), ((7, 8), 42), ((15, 8), 90)]
)
def test_a_bar_is_as_long_as_its_time_signature_says(time_signature: TimeSignature, ticks: int):
    length = ticks_per_bar(time_signature)

    assert length == ticks


def test_every_metre_of_the_band_fills_whole_ticks():
    for numerator, denominator in TIME_SIGNATURES:
        assert ticks_per_bar((numerator, denominator)) * denominator == numerator * 48


def test_bars_follow_each_other_when_the_metre_changes():
    score = Score(tempo_bpm=120.0, time_signatures=((4, 4), (7, 8), (3, 4)), parts=())

    assert score.bar_starts == (0, 48, 90, 126)
    assert score.ticks == 126


def test_a_song_lasts_as_long_as_its_tempo_says():
    score = make_score(bars=30, tempo_bpm=160.0)

    assert score.seconds == pytest.approx(30 * 4 * 60 / 160)
    assert score.seconds_per_tick == pytest.approx(score.seconds / score.ticks)


def test_a_part_is_found_by_its_role():
    score = make_score(roles=("drums", "bass"))

    assert score.part("bass") is score.parts[1]
    assert score.part("keys") is None


def test_parts_stand_in_the_order_of_the_roles():
    score = make_score(roles=("lead", "drums", "bass"))

    assert [part.role for part in score.parts] == [role for role in ROLES if role in ("lead", "drums", "bass")]


def test_notes_sort_by_start_and_then_by_pitch():
    late = Note(start=12, pitch=40, duration=3, velocity=90)
    high = Note(start=0, pitch=64, duration=3, velocity=90)
    low = Note(start=0, pitch=40, duration=48, velocity=90)

    assert sorted([late, high, low]) == [low, high, late]


@given(st.lists(st.builds(Note, start=st.integers(0, 60), pitch=st.integers(60, 63), velocity=st.just(96),
                          duration=st.sampled_from(DURATIONS)),
                unique_by=lambda note: (note.start, note.pitch)).map(sorted))  # fmt: skip
def test_a_note_ends_where_its_pitch_is_struck_again(notes: list[Note]):
    ended = end_when_struck_again(notes)

    assert [(note.start, note.pitch) for note in ended] == [(note.start, note.pitch) for note in notes]
    for note, before in zip(ended, notes, strict=True):
        again = min((n.start for n in notes if n.pitch == note.pitch and n.start > note.start), default=1000)
        room = min(again - note.start, before.duration)
        assert note.duration == max(duration for duration in DURATIONS if duration <= room)

"""A chart is read from what is played, and a new song's is put together from those of two."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from any_scores import any_scores
from hypothesis import given, settings
from hypothesis import strategies as st
from scores import make_score

from model.chart import CHORDS, FARTHEST_RETURN, FEWEST_NOTES, NEAREST_RETURN, NO_LIMIT, Chart, new_chart
from model.score import ROLES, Note, Part, Role, Score, TimeSignature, ticks_per_bar

C, F, G, A_MINOR = 1, 6, 8, 1 + 12 + 9
TRIADS = {C: (60, 64, 67), F: (60, 65, 69), G: (59, 62, 67), A_MINOR: (60, 64, 69)}


def song_of(
    chords: Sequence[int], signature: TimeSignature = (4, 4), role: Role = "keys", *, tune: Sequence[int] = ()
) -> Score:
    """A chord held for each bar, or 0 for a rest; with a tune, one note of it in each bar, for a lead."""
    bar = ticks_per_bar(signature)
    held = [
        Note(start=number * bar, pitch=pitch, duration=bar, velocity=96)
        for number, chord in enumerate(chords) if chord for pitch in TRIADS[chord]
    ]  # fmt: skip
    parts = [Part(role=role, notes=tuple(sorted(held)))]
    if tune:
        notes = [Note(start=number * bar, pitch=pitch, duration=3, velocity=96) for number, pitch in enumerate(tune)]
        parts.append(Part(role="lead", notes=tuple(notes)))
    parts.sort(key=lambda part: ROLES.index(part.role))
    return Score(tempo_bpm=120.0, time_signatures=(signature,) * len(chords), parts=tuple(parts))


def test_chords_are_those_that_sound():
    chart = Chart.read(song_of([C, F, 0, A_MINOR, G]))

    assert chart.chords.tolist() == [[C, C], [F, F], [0, 0], [A_MINOR, A_MINOR], [G, G]]


def test_a_bar_may_change_its_chord_in_its_middle_if_it_is_long_enough():
    halves = song_of([C, G, F, F], (2, 4))

    assert Chart.read(replace(halves, time_signatures=((4, 4),) * 2)).chords.tolist() == [[C, G], [F, F]]
    assert len({tuple(bar) for bar in Chart.read(halves).chords.tolist()}) == 3


def test_the_bass_decides_between_two_chords_of_the_same_notes():
    third = tuple(Note(start=0, pitch=pitch, duration=48, velocity=96) for pitch in (60, 64))  # of C and of A minor

    def with_bass(pitch: int) -> Score:
        bass = Part(role="bass", notes=(Note(start=0, pitch=pitch, duration=48, velocity=96),))
        parts = (bass, Part(role="keys", notes=third))
        return Score(tempo_bpm=120.0, time_signatures=((4, 4),), parts=parts)

    assert Chart.read(with_bass(36)).chords[0, 0] == C
    assert Chart.read(with_bass(33)).chords[0, 0] == A_MINOR


def test_a_section_that_comes_back_returns_from_its_first_time():
    tune = [60, 62, 64, 65, 67, 69, 71, 72] * 2

    chart = Chart.read(song_of([C] * 16, tune=tune))

    assert chart.returns.tolist() == [0] * 8 + [8] * 8


def test_a_loop_is_no_return_nor_is_silence():
    assert Chart.read(song_of([C, C, F, F, C, G], tune=[60, 60, 60, 60, 61, 62])).returns.tolist() == [0] * 6
    assert Chart.read(song_of([C, G] + [0] * 8)).returns.tolist() == [0] * 10


@settings(max_examples=60)
@given(any_scores(range(12, 116)), st.integers(-6, 6))
def test_a_song_in_another_key_has_the_same_chart_in_that_key(score: Score, semitones: int):
    moved = replace(score, parts=tuple(
        part if part.role == "drums" else
        replace(part, notes=tuple(replace(note, pitch=note.pitch + semitones) for note in part.notes))
        for part in score.parts
    ))  # fmt: skip

    one, other = Chart.read(score), Chart.read(moved)

    assert one.chords.shape == (len(score.time_signatures), 2)
    assert (one.chords < CHORDS).all()
    assert one.returns.tolist() == other.returns.tolist()
    assert ((one.chords == 0) == (other.chords == 0)).all()


def test_a_scale_is_what_a_song_is_made_of_without_what_slipped_in():
    song = song_of([C] * 200 + [G], tune=[61] + [60] * 200)

    assert np.flatnonzero(Chart.read(song).scale).tolist() == [0, 4, 7]
    assert Chart.read(make_score(4, roles=("drums",))).scale.all()


def test_a_register_reaches_from_the_lowest_to_the_highest_note_of_a_player():
    registers = Chart.read(song_of([C, G], tune=[60, 79])).registers

    assert registers[ROLES.index("keys")].tolist() == [59, 67]
    assert registers[ROLES.index("lead")].tolist() == [60, 79]
    assert registers[ROLES.index("bass")].tolist() == list(NO_LIMIT)


# --- a new song's


def tune_of(bars: int, section: int) -> Score:
    """One section again and again, over chords that change with each bar."""
    chords = [(C, F, G, A_MINOR)[bar % 4] for bar in range(bars)]
    return song_of(chords, tune=[60 + bar % section for bar in range(bars)])


def test_a_new_chart_has_the_form_of_one_song_and_the_chords_of_another():
    form, harmony = Chart.read(tune_of(24, 12)), Chart.read(song_of([G, C, C, F] * 6))

    chart = new_chart(form, harmony, 24)

    assert chart.returns.tolist() == [0] * 12 + [12] * 11 + [0]
    assert chart.chords[:12].tolist() == harmony.chords[:12].tolist()
    assert chart.chords[12:23].tolist() == chart.chords[:11].tolist()
    assert chart.scale.tolist() == harmony.scale.tolist()
    assert chart.registers.tolist() == form.registers.tolist()


def test_a_song_may_have_more_bars_than_fit_a_byte():
    # At bar 256 the distance of a return, a uint8, was taken from the number of the bar, and overflowed.
    song = Chart.read(tune_of(300, 12))

    chart = new_chart(song, song, 300)

    assert chart.returns.tolist() == [0] * 12 + [12] * 287 + [0]
    assert chart.chords.tolist() == song.chords.tolist()


def test_a_register_without_room_for_a_tune_is_widened():
    """A lead of two notes may find neither of them in the scale of the other song."""
    form, harmony = Chart.read(song_of([C] * 24, tune=[61, 63])), Chart.read(song_of([C, F, G, C] * 6))

    lowest, highest = new_chart(form, harmony, 24).registers[ROLES.index("lead")].tolist()

    assert (lowest, highest) == (59, 65)  # b, c, d, e, f


@given(st.sets(st.integers(0, 11), min_size=1), st.integers(0, 127), st.integers(0, 127))
def test_a_register_holds_some_notes_of_any_scale(classes: set[int], one: int, other: int):
    song = Chart.read(song_of([C] * 4, tune=[one, other]))
    scale = np.array([pitch_class in classes for pitch_class in range(12)], np.uint8)

    lowest, highest = new_chart(song, replace(song, scale=scale), 4).registers[ROLES.index("lead")].tolist()

    assert lowest <= min(one, other) <= max(one, other) <= highest
    assert scale[np.arange(lowest, highest + 1) % 12].sum() >= FEWEST_NOTES


def test_a_shorter_song_keeps_the_beginning_and_the_ending():
    harmony = Chart.read(song_of([C] * 20 + [F, G, F, A_MINOR]))

    chart = new_chart(Chart.read(song_of([C] * 24)), harmony, 10)

    assert chart.chords[:, 0].tolist() == [C] * 6 + [F, G, F, A_MINOR]


def test_a_new_chart_begins_with_a_chord_where_songs_are_counted_in():
    counted_in = Chart.read(song_of([0, 0, *[C, F, G, C] * 4], tune=[]))

    chart = new_chart(counted_in, counted_in, 16)

    assert chart.returns.tolist() == [0] * 4 + [4] * 11 + [0]
    assert chart.chords[:4, 0].tolist() == [C, F, G, C]


@settings(max_examples=200)
@given(
    bars=st.integers(1, 90), lengths=st.tuples(st.integers(1, 60), st.integers(1, 60)), section=st.integers(4, 40),
    silent=st.integers(0, 5),
)  # fmt: skip
def test_a_chart_of_any_length_holds_together(bars: int, lengths: tuple[int, int], section: int, silent: int):
    form = Chart.read(tune_of(lengths[0], section))
    harmony = Chart.read(song_of([0] * silent + [(C, F, G)[bar % 3] for bar in range(lengths[1])]))

    chart = new_chart(form, harmony, bars)

    assert chart.chords.shape == (bars, 2)
    assert chart.chords.all()
    assert chart.returns[-1] == 0
    for bar, back in enumerate(chart.returns.tolist()):
        assert back == 0 or NEAREST_RETURN <= back <= min(bar, FARTHEST_RETURN)
        assert chart.chords[bar].tolist() == chart.chords[bar - back].tolist()


def test_songs_without_a_chord_give_a_chart_without_one():
    drums = Chart.read(make_score(6, roles=("drums",)))

    assert not new_chart(drums, drums, 8).chords.any()

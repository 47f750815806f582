from itertools import pairwise

import pytest
from scores import empty_score, make_score, one_note_score

from model.score import Note, Part, Score
from worker.perform import (
    LAST_CHORD_SECONDS,
    LEAD_SECONDS,
    RATE,
    Hand,
    muted_starts,
    opening_seconds,
    perform,
    swung,
)

HAND = Hand()


def grid_frames(score: Score, part: Part) -> list[int]:
    return [round((opening_seconds(score) + note.start * score.seconds_per_tick) * RATE) for note in part.notes]


def test_every_note_is_struck_within_a_few_milliseconds_of_the_grid():
    score = make_score(bars=4)

    for part in score.parts:
        strokes = perform(part, score, HAND, seed=7)

        assert len(strokes) == len(part.notes)
        for stroke, frame in zip(strokes, sorted(grid_frames(score, part)), strict=True):
            assert abs(stroke.start - frame) < 0.012 * RATE


def test_the_same_seed_plays_the_same_and_another_seed_or_take_does_not():
    score = make_score(bars=2)
    rhythm = score.part("rhythm")

    again = perform(rhythm, score, HAND, seed=7)

    assert perform(rhythm, score, HAND, seed=7) == again
    assert perform(rhythm, score, HAND, seed=8) != again
    assert perform(rhythm, score, HAND, seed=7, take=2) != again


def test_no_stroke_outlasts_the_next_one_of_its_pitch():
    score = make_score(bars=4)

    for part in score.parts:
        by_pitch = {}
        for stroke in perform(part, score, HAND, seed=1):
            by_pitch.setdefault(stroke.pitch, []).append(stroke)

        for strokes in by_pitch.values():
            assert all(first.stop <= second.start for first, second in pairwise(strokes))
            assert all(stroke.stop > stroke.start for stroke in strokes)


def test_rests_at_the_beginning_are_left_out():
    score = make_score(bars=4, opening_rest_bars=2)

    first = min(stroke.start for part in score.parts for stroke in perform(part, score, HAND, seed=1))

    assert first <= (LEAD_SECONDS + 0.01) * RATE


def test_the_last_chord_is_held():
    notes = (Note(start=0, pitch=60, duration=6, velocity=90), Note(start=12, pitch=64, duration=1, velocity=90))
    score = Score(tempo_bpm=160.0, time_signatures=((4, 4),), parts=(Part(role="lead", notes=notes),))

    _, last = perform(score.parts[0], score, HAND, seed=1)

    assert last.stop - last.start >= LAST_CHORD_SECONDS * RATE - 1


def test_an_empty_part_has_no_strokes():
    score = empty_score()

    assert perform(score.parts[0], score, HAND, seed=1) == ()


def test_velocities_are_uneven_by_a_little_and_stay_within_midi():
    score = make_score(bars=4)
    rhythm = score.part("rhythm")

    strokes = perform(rhythm, score, HAND, seed=1)

    written = sorted((note.start, note.pitch, note.velocity) for note in rhythm.notes)
    differences = [stroke.velocity - velocity for stroke, (_, _, velocity) in zip(strokes, written, strict=True)]
    assert 1 < max(differences) < 12
    assert -12 < min(differences) < -1
    score, wild = one_note_score(), Hand(spread_velocity=80)
    assert all(1 <= perform(score.parts[0], score, wild, seed=seed)[0].velocity <= 127 for seed in range(9))


def test_a_machine_plays_on_the_grid_as_written():
    score = make_score(bars=2)
    bass = score.part("bass")

    strokes = perform(bass, score, Hand(spread_seconds=0, spread_velocity=0), seed=1)

    assert [stroke.start for stroke in strokes] == grid_frames(score, bass)
    assert [stroke.velocity for stroke in strokes] == [note.velocity for note in bass.notes]


def chord(start, duration=6):
    return [Note(start=start, pitch=pitch, duration=duration, velocity=90) for pitch in (52, 59, 64)]


def test_chords_are_strummed_down_on_the_beat_and_up_off_it():
    part = Part(role="rhythm", notes=tuple(chord(0) + chord(6)))
    score = Score(tempo_bpm=120.0, time_signatures=((4, 4),), parts=(part,))

    strokes = perform(part, score, Hand(spread_seconds=0, strum_seconds=0.003), seed=1)

    assert [stroke.pitch for stroke in strokes] == [52, 59, 64, 64, 59, 52]
    gaps = [(b.start - a.start) / RATE for a, b in pairwise(strokes[:3])]
    assert all(abs(gap - 0.003) < 1e-4 for gap in gaps)


def test_a_downbeat_is_strummed_down_wherever_its_bar_begins():
    # In 7/8 every second one fell between two beats of 4/4.
    part = Part(role="rhythm", notes=tuple(chord(0) + chord(42)))
    score = Score(tempo_bpm=120.0, time_signatures=((7, 8),) * 2, parts=(part,))

    strokes = perform(part, score, Hand(spread_seconds=0, strum_seconds=0.003), seed=1)

    assert [stroke.pitch for stroke in strokes] == [52, 59, 64] * 2


def test_swing_moves_eighths_and_sixteenths_but_neither_beats_nor_triplets():
    score = make_score(bars=1, tempo_bpm=120.0)

    assert [swung(tick, score, 2 / 3) for tick in (0, 4, 6, 8, 12)] == [0, 4, 8, 8, 12]
    assert 3 < swung(3, score, 2 / 3) < 6
    assert all(swung(tick, score, 0.5) == tick for tick in range(48))


def test_swing_is_counted_from_the_bar_line():
    # The second downbeat of 3/8 came late, as the first eighth after a beat does.
    score = Score(tempo_bpm=120.0, time_signatures=((3, 8),) * 2, parts=())

    assert [swung(tick, score, 2 / 3) for tick in (0, 6, 12, 18, 24, 30, 36)] == [0, 8, 12, 18, 26, 30, 36]


def test_the_faster_the_straighter():
    middles = [swung(6, make_score(bars=1, tempo_bpm=tempo), 2 / 3) for tempo in (120.0, 270.0, 400.0)]

    assert middles == sorted(middles, reverse=True)
    assert middles[-1] == 6


def short_notes(*starts_and_pitches):
    return tuple(Note(start=start, pitch=pitch, duration=3, velocity=90) for start, pitch in starts_and_pitches)


def test_fast_repeated_low_notes_are_damped_and_others_ring():
    chugging = short_notes((0, 40), (3, 40), (6, 40), (9, 40), (12, 52), (15, 52), (18, 47), (24, 40), (48, 40))
    score = make_score(bars=2)

    assert muted_starts(Part(role="rhythm", notes=chugging), score) == {3, 6, 9}
    assert muted_starts(Part(role="rhythm", notes=()), score) == set()


@pytest.mark.parametrize(("time_signature", "open_starts"), [((4, 4), {0, 48}), ((3, 4), {0, 36}), ((7, 8), {0, 42})])
def test_chugs_ring_as_each_bar_begins(time_signature, open_starts):
    # In 3/4 and 7/8 they rang as bars of 4/4 would begin.
    score = Score(tempo_bpm=120.0, time_signatures=(time_signature,) * 2, parts=())
    chugging = short_notes(*((start, 40) for start in range(0, score.ticks, 6)))

    muted = muted_starts(Part(role="rhythm", notes=chugging), score)

    assert {note.start for note in chugging[:-1]} - muted == open_starts

from itertools import pairwise

from scores import empty_score, make_score, one_note_score

from model.score import Note, Part, Score
from worker.perform import LAST_CHORD_SECONDS, LEAD_SECONDS, RATE, opening_seconds, perform


def grid_frames(score: Score, part: Part) -> list[int]:
    return [round((opening_seconds(score) + note.start * score.seconds_per_tick) * RATE) for note in part.notes]


def test_every_note_is_struck_within_a_few_milliseconds_of_the_grid():
    score = make_score(bars=4)

    for part in score.parts:
        strokes = perform(part, score, seed=7)

        assert len(strokes) == len(part.notes)
        for stroke, frame in zip(strokes, sorted(grid_frames(score, part)), strict=True):
            assert abs(stroke.start - frame) < 0.012 * RATE


def test_the_same_seed_plays_the_same_and_another_seed_or_take_does_not():
    score = make_score(bars=2)
    rhythm = score.part("rhythm")

    again = perform(rhythm, score, seed=7)

    assert perform(rhythm, score, seed=7) == again
    assert perform(rhythm, score, seed=8) != again
    assert perform(rhythm, score, seed=7, take=2) != again


def test_no_stroke_outlasts_the_next_one_of_its_pitch():
    score = make_score(bars=4)

    for part in score.parts:
        by_pitch = {}
        for stroke in perform(part, score, seed=1):
            by_pitch.setdefault(stroke.pitch, []).append(stroke)

        for strokes in by_pitch.values():
            assert all(first.stop <= second.start for first, second in pairwise(strokes))
            assert all(stroke.stop > stroke.start for stroke in strokes)


def test_rests_at_the_beginning_are_left_out():
    score = make_score(bars=4, opening_rest_bars=2)

    first = min(stroke.start for part in score.parts for stroke in perform(part, score, seed=1))

    assert first <= (LEAD_SECONDS + 0.01) * RATE


def test_the_last_chord_is_held():
    notes = (Note(start=0, pitch=60, duration=6, velocity=90), Note(start=12, pitch=64, duration=1, velocity=90))
    score = Score(tempo_bpm=160.0, time_signatures=((4, 4),), parts=(Part(role="lead", notes=notes),))

    _, last = perform(score.parts[0], score, seed=1)

    assert last.stop - last.start >= LAST_CHORD_SECONDS * RATE - 1


def test_an_empty_part_has_no_strokes():
    score = empty_score()

    assert perform(score.parts[0], score, seed=1) == ()


def test_the_first_take_is_struck_as_written_and_stays_within_midi():
    score = one_note_score()

    assert perform(score.parts[0], score, seed=1)[0].velocity == 100
    assert all(1 <= perform(score.parts[0], score, seed, take=2)[0].velocity <= 127 for seed in range(20))

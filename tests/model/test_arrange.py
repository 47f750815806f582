from model.arrange import arrange
from model.score import Note, Part, Role, Score


def part(role: Role, *starts: int, duration: int = 3) -> Part:
    notes = tuple(Note(start=start, pitch=50, duration=duration, velocity=90) for start in starts)
    return Part(role=role, notes=notes)


def song(*parts: Part) -> Score:
    return Score(tempo_bpm=120, time_signatures=((4, 4), (4, 4)), parts=parts)


def test_parts_that_nobody_plays_are_left_out():
    score = song(part("drums", 0), part("bass", 0), part("keys", 0))

    assert [each.role for each in arrange(score, ("bass", "lead")).parts] == ["bass"]


def test_what_a_left_out_second_guitar_plays_alone_goes_to_the_rhythm_guitar():
    score = song(part("rhythm", 60), part("rhythm_2", 0, 12, 72))

    (rhythm,) = arrange(score, ("rhythm",)).parts

    assert [note.start for note in rhythm.notes] == [0, 12, 60]


def test_what_rings_into_such_a_bar_ends_where_it_is_struck_there():
    score = song(part("rhythm", 36, duration=24), part("rhythm_2", 48))

    (rhythm,) = arrange(score, ("rhythm",)).parts

    assert [(note.start, note.duration) for note in rhythm.notes] == [(36, 12), (48, 3)]


def test_a_second_guitar_that_is_in_the_band_keeps_its_part():
    score = song(part("rhythm", 60), part("rhythm_2", 0))

    assert arrange(score, ("rhythm", "rhythm_2")) == score

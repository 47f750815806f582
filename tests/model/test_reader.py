"""The reader follows a stream: what may come next, and what is known of it."""

import numpy as np
import pytest
import torch
from any_scores import any_scores
from hypothesis import given, settings
from hypothesis import strategies as st
from scores import make_score
from small_composer import as_tensors, inputs_of, random_stream

from model import tokens as t
from model.network import transpose
from model.reader import DRUM_DURATION, INPUTS, NOWHERE, Reader, decode, grid
from model.score import DURATIONS, ROLES, TIME_SIGNATURES, Note, Part, Role, Score, end_when_struck_again

seeds = st.integers(0, 2**32 - 1)
few = settings(deadline=None, max_examples=12)


def read(names: str, bars: int = 4) -> Reader:
    """A reader after tokens given by their names, separated by commas."""
    reader = Reader(bars)
    for name in names.split(", "):
        reader.push(t.NAMES.index(name))
    return reader


def allowed(reader: Reader) -> set[str]:
    return {t.NAMES[token] for token in np.flatnonzero(reader.allowed())}


def known(reader: Reader) -> dict[str, int]:
    return dict(zip(INPUTS, reader.inputs(), strict=True))


def moved(score: Score, semitones: int) -> Score:
    """The score in another key; drums have none."""

    def move(note: Note) -> Note:
        return Note(start=note.start, pitch=note.pitch + semitones, duration=note.duration, velocity=note.velocity)

    parts = tuple(
        part if part.role == "drums" else Part(role=part.role, notes=tuple(map(move, part.notes)))
        for part in score.parts
    )
    return Score(tempo_bpm=score.tempo_bpm, time_signatures=score.time_signatures, parts=parts)


@given(any_scores())
@few
def test_every_token_of_a_song_is_allowed_where_it_stands(score: Score):
    stream = t.encode(score, "heavy-metal")
    reader = Reader(len(score.time_signatures))

    for token in stream:
        assert reader.allowed()[token], t.NAMES[token]
        reader.push(token)

    assert reader.ended


@given(seeds, st.integers(1, 5))
@few
def test_any_allowed_stream_is_a_playable_score_of_the_asked_length(seed: int, bars: int):
    stream = random_stream(np.random.default_rng(seed), bars)

    score = decode(stream, 120.0)

    assert len(score.time_signatures) == bars
    assert set(score.time_signatures) <= set(TIME_SIGNATURES)
    assert [part.role for part in score.parts] == sorted((part.role for part in score.parts), key=ROLES.index)
    for part in score.parts:
        assert list(part.notes) == sorted(part.notes)
        assert len({(note.start, note.pitch) for note in part.notes}) == len(part.notes)  # none twice at once
        assert part.role == "drums" or part.notes == end_when_struck_again(part.notes)
        for note in part.notes:
            assert 0 <= note.start < score.ticks
            assert 0 <= note.pitch <= 127
            assert note.duration == DRUM_DURATION if part.role == "drums" else note.duration in DURATIONS


@given(seeds, st.sampled_from([1, 3, 40]))
@few
def test_what_is_known_stays_within_the_sizes_of_the_inputs(seed: int, bars: int):
    stream = random_stream(np.random.default_rng(seed), min(bars, 6))

    rows = np.array(inputs_of(stream, bars))

    assert rows.min() >= 0
    assert (rows.max(axis=0) < list(INPUTS.values())).all()


@pytest.mark.parametrize("bars", [1, 32, 33, 100, 1000])
def test_bars_left_are_counted_down_for_songs_of_any_length(bars: int):
    reader = Reader(bars)

    left = known(reader)["left"]

    assert left == (bars if bars <= 32 else left)
    assert left < INPUTS["left"]


@given(any_scores(pitches=range(8, 120)), st.integers(-5, 6))
@few
def test_a_song_moved_to_another_key_is_read_as_the_song_moved(score: Score, semitones: int):
    bars = len(score.time_signatures)
    stream = t.encode(score, "heavy-metal")
    stream_there = t.encode(moved(score, semitones), "heavy-metal")
    if len(stream) != len(stream_there):
        return  # a bass whose root falls below what MIDI can name

    tokens, inputs = transpose(*as_tensors(stream, bars), torch.tensor([semitones]))

    tokens_there, inputs_there = as_tensors(stream_there, bars)
    assert torch.equal(tokens, tokens_there)
    assert torch.equal(inputs, inputs_there)


def test_a_song_begins_with_genre_tempo_and_players():
    reader = Reader(1)

    assert allowed(reader) == {"START"}
    assert allowed(read("START")) == {f"GENRE {name}" for name in t.CORPORA}
    assert allowed(read("START, GENRE rock")) == {f"TEMPO {tempo}" for tempo in t.TEMPI}
    assert allowed(read("START, GENRE rock, TEMPO 120")) == {f"WITH {role}" for role in ROLES}


def test_players_are_named_in_order_and_only_once():
    reader = read("START, GENRE rock, TEMPO 120, WITH bass")

    names = allowed(reader)

    assert {name for name in names if name.startswith("WITH")} == {"WITH rhythm_2", "WITH lead", "WITH keys"}
    assert "BAR 4/4" in names


def test_a_song_ends_when_its_bars_are_played_and_not_before():
    header = "START, GENRE rock, TEMPO 120, WITH drums"

    early = allowed(read(header + ", BAR 4/4, REST", bars=2))
    late = allowed(read(header + ", BAR 4/4, REST, BAR 4/4, REST", bars=2))

    assert "END" not in early
    assert late == {"END"}


def test_a_first_bar_cannot_repeat():
    reader = read("START, GENRE rock, TEMPO 120, WITH lead, BAR 4/4")

    assert not any(name.startswith(("REPEAT", "DOUBLE", "ROOT")) for name in allowed(reader))


def test_silence_is_written_as_a_rest_only():
    reader = read(
        "START, GENRE rock, TEMPO 120, WITH rhythm, WITH bass, WITH lead, BAR 4/4, REST, REST, REST, BAR 4/4, REST"
    )

    assert not any(name.startswith(("REPEAT", "DOUBLE", "ROOT")) for name in allowed(reader))
    assert "REST" in allowed(reader)


def test_a_bar_that_does_not_fit_a_shorter_one_cannot_be_repeated():
    note = "AT 42, DURATION 6, PITCH 60, DONE"

    reader = read(f"START, GENRE rock, TEMPO 120, WITH lead, BAR 4/4, {note}, BAR 7/8")

    assert "REPEAT 1" not in allowed(reader)
    assert "AT 41" in allowed(reader)
    assert "AT 42" not in allowed(reader)


def test_a_part_doubles_those_who_play_before_it_but_never_the_drums():
    drums, guitar = "AT 0, HIT 36, DONE", "AT 0, DURATION 6, PITCH 40, DONE"

    reader = read(
        f"START, GENRE rock, TEMPO 120, WITH drums, WITH rhythm, WITH bass, WITH lead, BAR 4/4, {drums}, {guitar}"
    )

    names = allowed(reader)
    assert {name for name in names if name.startswith("DOUBLE")} == {"DOUBLE rhythm"}
    assert {name for name in names if name.startswith("ROOT")} == {"ROOT 0", "ROOT 12", "ROOT 24"}


def test_a_root_below_the_lowest_pitch_is_not_offered():
    reader = read("START, GENRE rock, TEMPO 120, WITH rhythm, WITH bass, BAR 4/4, AT 0, DURATION 6, PITCH 20, DONE")

    assert {name for name in allowed(reader) if name.startswith("ROOT")} == {"ROOT 0", "ROOT 12"}


def test_a_chord_stays_within_what_midi_can_name():
    reader = read("START, GENRE rock, TEMPO 120, WITH keys, BAR 4/4, AT 0, DURATION 6, SHAPE 0.24")

    names = allowed(reader)

    assert "PITCH 103" in names
    assert "PITCH 104" not in names
    assert "DONE" not in names


def test_no_drum_is_struck_twice_at_once():
    reader = read("START, GENRE rock, TEMPO 120, WITH drums, BAR 4/4, AT 0, HIT 36+42")

    hits = {name for name in allowed(reader) if name.startswith("HIT")}

    assert "HIT 38+49" in hits
    assert not any("36" in hit or "42" in hit for hit in hits)


def test_the_guitar_and_the_bass_are_known_to_those_who_play_after_them():
    guitar = "AT 0, DURATION 24, SHAPE 0.7, PITCH 40, DONE"
    reader = read(f"START, GENRE rock, TEMPO 120, WITH rhythm, WITH bass, WITH lead, BAR 4/4, {guitar}")
    before = known(reader)

    reader.push(t.ROOT[1])

    assert before["role"] == ROLES.index("bass")
    assert before["root"] == 41
    assert before["low"] == 0
    assert before["guide"] == 0
    assert known(reader)["low"] == 29
    assert known(reader)["harmony"] == 1 << 40 % 12 | 1 << 47 % 12


def test_the_kick_is_known_to_the_bass():
    drums = "AT 12, HIT 36+42, AT 24, HIT 38, AT 36, HIT 36, DONE"
    reader = read(f"START, GENRE rock, TEMPO 120, WITH drums, WITH bass, BAR 4/4, {drums}")
    first = known(reader)["kick"]

    for name in ("AT 12", "DURATION 6", "PITCH 30"):
        reader.push(t.NAMES.index(name))

    assert first == 12
    assert known(reader)["kick"] == 36


def test_a_part_knows_what_it_struck_here_one_bar_ago():
    reader = read("START, GENRE rock, TEMPO 120, WITH lead, BAR 4/4, AT 6, DURATION 6, PITCH 60, DONE, BAR 4/4, AT 6")

    values = known(reader)

    assert values["own_1"] == 61
    assert values["next_1"] == NOWHERE
    assert values["form_4"] == 0


def test_a_part_knows_how_far_back_the_last_part_reaches_that_repeats():
    bar = "BAR 4/4, AT 0, HIT 36, DONE, AT 0, DURATION 12, PITCH 40, DONE, REST"

    reader = read(f"START, GENRE rock, TEMPO 120, WITH drums, WITH rhythm, WITH bass, {bar}, {bar}, BAR 4/4, REPEAT 2")
    after_a_repeat = known(reader)["mate"]
    for token in ("AT 0", "DURATION 12", "PITCH 41", "DONE"):
        reader.push(t.NAMES.index(token))

    assert after_a_repeat == 2
    assert known(reader)["mate"] == 2


def test_a_part_knows_what_it_still_sounds_and_until_when():
    reader = read("START, GENRE rock, TEMPO 120, WITH keys, BAR 4/4, AT 0, DURATION 24, SHAPE 0.7, PITCH 48")
    struck = known(reader)

    for name in ("AT 12", "DURATION 6", "SHAPE 0", "PITCH 64", "AT 24"):
        reader.push(t.NAMES.index(name))

    assert struck["until"] == 24
    assert struck["ringing"] == 0  # what is struck here does not ring yet
    assert known(read("START, GENRE rock, TEMPO 120, WITH keys, BAR 4/4"))["until"] == 0
    assert known(reader)["until"] == 24
    assert known(reader)["ringing"] == 0


def test_what_rings_beyond_a_bar_is_known_in_the_next():
    bar = "BAR 4/4, AT 24, DURATION 48, PITCH 48, AT 36, DURATION 96, PITCH 55, DONE"

    reader = read(f"START, GENRE rock, TEMPO 120, WITH keys, {bar}, BAR 4/4")
    at_first = known(reader)
    for name in ("AT 0", "DURATION 12", "PITCH 55", "AT 12"):  # ends the note of before
        reader.push(t.NAMES.index(name))

    assert at_first["ringing"] == 1 << 48 % 12 | 1 << 55 % 12
    assert at_first["until"] == 84
    assert known(reader)["ringing"] == 1 << 48 % 12
    assert known(reader)["until"] == 24


@given(any_scores())
@few
def test_a_part_knows_the_figures_that_it_has_made(score: Score):
    """An interval from the lowest pitch struck last, at a position of a bar, written and not repeated."""
    reader = Reader(len(score.time_signatures))
    made: set[tuple[int, int, int]] = set()

    for token in t.encode(score, "heavy-metal"):
        last = reader.last_pitch
        if last is not None and token in t.PITCH and not reader.struck_here:
            where = (reader.role, reader.position)
            known = {(*where, int(pitch) - last) for pitch in np.flatnonzero(reader.figures)}
            assert known == {figure for figure in made if figure[:2] == where and 0 <= figure[2] + last < 128}
            made.add((*where, token - t.PITCH.start - last))
        reader.push(token)


def test_a_drum_does_not_ring():
    reader = read("START, GENRE rock, TEMPO 120, WITH drums, BAR 4/4, AT 0, HIT 36, DONE, BAR 4/4, AT 0, HIT 36")

    assert known(reader)["ringing"] == 0
    assert known(reader)["until"] == 0


def test_what_is_known_does_not_depend_on_what_was_read_before():
    # Silence used to be told by identity, and a cache that had let go of it made another one: the bass of a bar
    # in which the guitar rests was then no longer guided by the drums.
    score = make_score(bars=2, roles=("drums", "rhythm", "bass"))
    quiet = Score(
        tempo_bpm=120.0, time_signatures=score.time_signatures,
        parts=(score.parts[0], Part(role="rhythm", notes=score.parts[1].notes[16:]), score.parts[2]),
    )  # fmt: skip
    stream = t.encode(quiet, "rock")
    expected = inputs_of(stream, 2)

    grid.cache_clear()

    assert inputs_of(stream, 2) == expected


def test_an_unfinished_bar_is_left_out_of_the_score():
    reader = read("START, GENRE rock, TEMPO 120, WITH lead, BAR 4/4, AT 0, DURATION 6, PITCH 60, DONE, BAR 4/4, AT 0")

    score = reader.score(120.0)

    assert len(score.time_signatures) == 1
    assert score.parts == (Part(role="lead", notes=(Note(start=0, pitch=60, duration=6, velocity=96),)),)


@pytest.mark.parametrize("roles", [("drums",), ("rhythm", "lead"), ROLES])
def test_the_players_of_the_header_are_the_parts_of_the_score(roles: tuple[Role, ...]):
    reader = Reader(1)

    for token in t.header("heavy-metal", 160, roles):
        reader.push(token)

    assert [part.role for part in reader.score(160.0).parts] == list(roles)

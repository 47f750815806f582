"""Players keep to the metre, enter in time, do not loop for ever, and begin and end as one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model import tokens as t
from model.chart import Chart
from model.guards import (
    BETWEEN_BREAKS,
    LATEST_ENTRY,
    LONGEST_DRUM_REST,
    LONGEST_DRUM_SOLO,
    close_in_the_key,
    come_to_an_end,
    keep_from_looping,
    keep_meter,
    keep_playing,
    keep_to_form,
    keep_to_scale,
    more_than_a_count,
)
from model.reader import Reader
from model.score import ROLES

BEAT, PHRASE = "AT 0, HIT 36, DONE", "AT 0, DURATION 6, PITCH 60, DONE"
ANSWER = "AT 0, DURATION 6, PITCH 67, DONE"
TUNE = (60, 64, 67, 72, 71, 65, 62, 60)
C_MAJOR = ", ".join(f"AT {6 * i}, DURATION 6, PITCH {pitch}" for i, pitch in enumerate(TUNE))


def read(bars: list[str], wanted: int = 40, role: str = "drums", metre: str = "4/4") -> Reader:
    """A reader before the next bar of a part, after bars given by their tokens; behind it waits a part that rests."""
    reader = Reader(wanted)
    others = ["WITH keys"] if role != "keys" else []
    names = ["START", "GENRE rock", "TEMPO 120", f"WITH {role}", *others]
    for bar in bars:
        names += [f"BAR {metre}", *bar.split(", "), *["REST" for _ in others]]
    for name in [*names, f"BAR {metre}"]:
        reader.push(t.NAMES.index(name))
    return reader


def names(mask: np.ndarray) -> set[str]:
    return {t.NAMES[token] for token in np.flatnonzero(mask)}


def kept(reader: Reader) -> set[str]:
    mask = reader.allowed()
    keep_playing(reader, mask)
    return names(mask)


def test_between_bars_only_the_metre_of_the_song_and_the_end_are_left():
    everything = np.ones(len(t.NAMES), dtype=np.bool_)

    keep_meter(everything, (6, 8))

    assert names(everything) == {"BAR 6/8", "END"}


def test_what_the_grammar_forbids_the_metre_does_not_allow():
    mask = np.zeros(len(t.NAMES), dtype=np.bool_)
    mask[t.BAR.start : t.BAR.stop] = True

    keep_meter(mask, (4, 4))

    assert names(mask) == {"BAR 4/4"}


def test_the_drums_do_not_rest_for_long():
    assert "REST" in kept(read([BEAT] + ["REST"] * (LONGEST_DRUM_REST - 1)))
    assert "REST" not in kept(read([BEAT] + ["REST"] * LONGEST_DRUM_REST))


def test_a_lead_may_rest_longer_than_the_drums():
    assert "REST" in kept(read([PHRASE] + ["REST"] * 10, role="lead"))


def test_a_part_that_never_played_must_enter_in_time():
    assert "REST" in kept(read(["REST"] * (LATEST_ENTRY - 1), role="lead"))
    assert "REST" not in kept(read(["REST"] * LATEST_ENTRY, role="lead"))


@pytest.mark.parametrize("bars", [1, 2, 5])
def test_in_a_short_song_everyone_enters_by_the_last_bar(bars: int):
    assert "REST" not in kept(read(["REST"] * (bars - 1), wanted=bars, role="lead"))


@pytest.mark.parametrize(
    ("bars", "first", "may_rest"),
    [
        ([], "REST", False), ([], PHRASE, True), ([PHRASE], "REST", True), ([PHRASE, "REST"], "REST", False),
        ([PHRASE, "REST", *[PHRASE] * (BETWEEN_BREAKS - 1)], "REST", False),
        ([PHRASE, "REST", *[PHRASE] * BETWEEN_BREAKS], "REST", True),
    ],
)  # fmt: skip
def test_a_song_begins_in_its_first_bar_and_seldom_all_rest_for_a_bar(bars: list[str], first: str, may_rest: bool):
    reader = read(bars, role="lead")

    for name in first.split(", "):
        reader.push(t.NAMES.index(name))

    assert ("REST" in kept(reader)) == may_rest


def test_a_form_does_not_bring_a_bar_of_silence_back_too_soon():
    reader = read([PHRASE, "REST", PHRASE, PHRASE], role="lead")
    first = reader.allowed()
    keep_to_form(reader, first, 3)
    reader.push(t.REST)
    last = reader.allowed()
    keep_playing(reader, last)
    keep_to_form(reader, last, 3)

    assert names(first) == {"REST"}
    assert "REST" not in names(last)
    assert "AT 0" in names(last)


@pytest.mark.parametrize(("bar", "may_rest"), [(4, True), (5, False)])
def test_in_the_last_bar_but_one_somebody_plays(bar: int, may_rest: bool):
    reader = read([PHRASE] * bar, wanted=7, role="lead")

    reader.push(t.REST)

    assert ("REST" in kept(reader)) == may_rest


def test_drums_begin_and_end_a_song_with_more_than_sticks():
    reader = read([])
    reader.push(t.AT[0])
    first, left = reader.allowed(), reader.allowed()
    more_than_a_count(reader, left)
    reader.push(t.NAMES.index("HIT 36+42"))
    second, still_left = reader.allowed(), reader.allowed()
    more_than_a_count(reader, still_left)

    assert {"HIT 37", "HIT 42", "HIT 54"} <= names(first) - names(left)
    assert {"HIT 36", "HIT 38+42", "HIT 41", "HIT 49"} <= names(left)
    assert names(still_left) == names(second)


@pytest.mark.parametrize("longest", [2, 8])
def test_a_bar_is_not_played_on_and_on(longest: int):
    repeats = ["REPEAT 1"] * (longest - 1)
    some, too_many = read([ANSWER, PHRASE, *repeats[1:]], role="lead"), read([ANSWER, PHRASE, *repeats], role="lead")
    allowed, left = some.allowed(), too_many.allowed()

    keep_from_looping(some, allowed, longest)
    keep_from_looping(too_many, left, longest)

    assert "REPEAT 1" in names(allowed)
    assert {name for name in names(left) if name.startswith("REPEAT")} == {f"REPEAT {longest + 1}"}


def test_in_the_last_bar_the_first_player_strikes_once_on_its_first_beat():
    reader = read([PHRASE], wanted=2, role="lead")
    mask = reader.allowed()

    come_to_an_end(reader, mask)

    assert names(mask) == {"AT 0"}


@pytest.mark.parametrize(("role", "steps"), [("bass", {0, 7}), ("rhythm", {0, 7}), ("lead", {0, 4, 7})])
def test_a_song_in_a_clear_key_closes_in_it(role: str, steps: set[int]):
    reader = read([f"{C_MAJOR}, DONE"] * 3, wanted=4, role=role)
    for name in ("AT 0", "DURATION 48"):
        reader.push(t.NAMES.index(name))
    mask = reader.allowed()

    close_in_the_key(reader, mask, None)

    assert {(int(name.split()[1]) % 12) for name in names(mask) if name.startswith("PITCH")} == steps


def closing(*tokens: str, chart: Chart | None = None) -> np.ndarray:
    """What keys may play next in the last bar of a song in C major, after tokens of that bar."""
    reader = read([f"{C_MAJOR}, DONE"] * 3, wanted=4, role="keys")
    for token in tokens:
        reader.push(t.NAMES.index(token))
    mask = reader.allowed()
    assert close_in_the_key(reader, mask, chart)
    return mask


def test_the_last_chord_is_the_triad_of_the_key():
    shapes = {name for name in names(closing("AT 0", "DURATION 48")) if name.startswith("SHAPE")}
    assert {"SHAPE 0", "SHAPE 0.7", "SHAPE 0.4.7", "SHAPE 0.5.9"} <= shapes
    assert not {"SHAPE 0.3.7", "SHAPE 0.7.10", "SHAPE 0.2"} & shapes

    left = closing("AT 0", "DURATION 48", "SHAPE 0.4.7")
    assert {pitch % 12 for pitch in np.flatnonzero(left[t.PITCH.start : t.PITCH.stop])} == {0}


def test_the_last_chord_keeps_to_the_chart():
    left = closing("AT 0", "DURATION 48", chart=chart_of({0, 7}, (60, 70)))

    assert np.flatnonzero(left[t.PITCH.start : t.PITCH.stop]).tolist() == [60, 67]
    assert {name for name in names(left) if name.startswith("SHAPE")} == {"SHAPE 0", "SHAPE 0.7"}


def test_where_the_chart_has_no_such_chord_the_chart_is_kept():
    reader = read([f"{C_MAJOR}, DONE"] * 3, wanted=4, role="keys")
    for token in ("AT 0", "DURATION 48"):
        reader.push(t.NAMES.index(token))
    mask = reader.allowed()

    assert not close_in_the_key(reader, mask, chart_of({2}, (60, 70)))
    assert names(mask) == names(reader.allowed())


@pytest.mark.parametrize(("lead", "may_rest"), [("REST", False), (PHRASE, True)])
def test_in_the_last_bar_a_note_is_heard(lead: str, may_rest: bool):
    reader = Reader(1)
    song = ["START", "GENRE rock", "TEMPO 120", "WITH drums", "WITH lead", "WITH keys", "BAR 4/4"]
    for name in [*song, *BEAT.split(", "), *lead.split(", ")]:
        reader.push(t.NAMES.index(name))
    mask = reader.allowed()

    come_to_an_end(reader, mask)

    assert ("REST" in names(mask)) == may_rest


def test_a_song_in_no_clear_key_closes_as_it_likes():
    chromatic = ", ".join(f"AT {at}, DURATION 3, PITCH {60 + at // 3}" for at in range(0, 36, 3))
    reader = read([f"{chromatic}, DONE"] * 3, wanted=4, role="lead")
    for name in ("AT 0", "DURATION 48"):
        reader.push(t.NAMES.index(name))
    mask = reader.allowed()

    close_in_the_key(reader, mask, None)

    assert names(mask) == names(reader.allowed())


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("rests", [0, 1, 20, 39])
def test_a_guard_always_leaves_something_to_play(role: str, rests: int):
    reader = read(["REST"] * rests, role=role)
    mask = reader.allowed()

    keep_playing(reader, mask)
    keep_from_looping(reader, mask, 1)
    come_to_an_end(reader, mask)
    close_in_the_key(reader, mask, None)

    assert mask.any()


# --- the chart


def chart_of(scale: set[int], register: tuple[int, int]) -> Chart:
    """One that says of all players to which scale and register they keep, and nothing else."""
    return Chart(
        chords=np.zeros((40, 2), np.uint8), returns=np.zeros(40, np.uint8),
        registers=np.tile(np.array(sorted(register), np.uint8), (len(ROLES), 1)),
        scale=np.array([pitch_class in scale for pitch_class in range(12)], np.uint8),
    )  # fmt: skip


def left(scale: set[int], register: tuple[int, int], *tokens: str) -> np.ndarray:
    """What keys may play next, after tokens of a bar."""
    chart = chart_of(scale, register)
    reader = read([], role="keys")
    for token in tokens:
        reader.push(t.NAMES.index(token))
    mask = reader.allowed()
    keep_to_scale(reader, mask, chart)
    return mask


def pitches_left(scale: set[int], register: tuple[int, int], *tokens: str) -> list[int]:
    return np.flatnonzero(left(scale, register, *tokens)[t.PITCH.start : t.PITCH.stop]).tolist()


def test_players_keep_to_the_scale_and_to_their_register():
    assert pitches_left({0, 4, 7}, (59, 68), "AT 0", "DURATION 6") == [60, 64, 67]


def test_all_notes_of_a_chord_stay_in_the_scale_and_in_the_register():
    assert pitches_left({0, 4, 7}, (48, 72), "AT 0", "DURATION 6", "SHAPE 0.7") == [48, 60]


def test_only_shapes_are_left_that_fit_somewhere():
    shapes = {name for name in names(left({0, 4, 7}, (60, 67), "AT 0", "DURATION 6")) if name.startswith("SHAPE")}

    assert shapes == {"SHAPE 0", "SHAPE 0.7", "SHAPE 0.4", "SHAPE 0.4.7", "SHAPE 0.3"}


def test_a_shape_that_no_longer_fits_is_changed_first():
    left_now = names(left({0, 4, 7}, (60, 67), "AT 0", "DURATION 6", "SHAPE 0.4", "PITCH 60", "AT 6"))
    assert {"PITCH 60", "SHAPE 0", "DURATION 6"} <= left_now

    left_now = names(left({0, 4, 7}, (60, 67), "AT 0", "DURATION 6", "SHAPE 0.4", "PITCH 60"))
    assert {"SHAPE 0", "DURATION 6", "DONE"} <= left_now
    assert not any(name.startswith("PITCH") for name in left_now)


def test_where_all_has_been_struck_a_player_goes_on():
    mask = names(left({0}, (60, 60), "AT 0", "DURATION 6", "PITCH 60"))

    assert mask == {"DONE", *(f"AT {position}" for position in range(1, 48))}


def test_where_no_note_would_be_left_the_nearest_is():
    assert pitches_left({0}, (61, 71), "AT 0", "DURATION 6") == list(range(61, 72))
    assert pitches_left({0}, (120, 127), "AT 0", "DURATION 6", "SHAPE 0.24") == [103]


@settings(max_examples=50)
@given(
    scale=st.sets(st.integers(0, 11), min_size=1), register=st.tuples(st.integers(0, 127), st.integers(0, 127)),
    seed=st.integers(0, 2**32),
)  # fmt: skip
def test_whatever_is_struck_lies_in_the_scale_and_the_register(scale: set[int], register: tuple[int, int], seed: int):
    chart, (lowest, highest) = chart_of(scale, register), sorted(register)
    anything = any(pitch % 12 in scale for pitch in range(lowest, highest + 1))
    rng = np.random.default_rng(seed)
    reader = read([], role="keys")

    while reader.role == ROLES.index("keys"):
        mask = reader.allowed()
        if reader.fresh:
            mask[t.AT.stop :] = mask[: t.AT.start] = False
        keep_to_scale(reader, mask, chart)
        reader.push(int(rng.choice(np.flatnonzero(mask))))

    pitches = {pitch for _, _, pitch in reader.played[ROLES.index("keys")][0]}
    assert pitches
    if anything:
        assert all(lowest <= pitch <= highest and pitch % 12 in scale for pitch in pitches)


# --- the drums to themselves


@pytest.mark.parametrize(("rests", "may_rest"), [(LONGEST_DRUM_SOLO - 1, True), (LONGEST_DRUM_SOLO, False)])
def test_drums_are_not_left_to_themselves_for_long(rests: int, may_rest: bool):
    """In 3 of 44 rock songs they were, for more than four bars."""
    reader = Reader(40)
    bars = ["BAR 4/4", *BEAT.split(", "), "REST"] * rests + ["BAR 4/4", *BEAT.split(", ")]
    for name in ["START", "GENRE rock", "TEMPO 120", "WITH drums", "WITH keys", *bars]:
        reader.push(t.NAMES.index(name))

    assert ("REST" in kept(reader)) == may_rest


def test_drums_that_just_had_company_may_be_alone_again():
    reader = Reader(40)
    bars = ["BAR 4/4", *BEAT.split(", "), *PHRASE.split(", ")] + ["BAR 4/4", *BEAT.split(", "), "REST"] * 3
    for name in ["START", "GENRE rock", "TEMPO 120", "WITH drums", "WITH keys", *bars, "BAR 4/4", *BEAT.split(", ")]:
        reader.push(t.NAMES.index(name))

    assert "REST" in kept(reader)

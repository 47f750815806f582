"""A song goes into tokens and comes out as it was; what repeats costs one token."""

import tarfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path

import pytest
from any_scores import DRUM_KEYS, VELOCITY, any_scores, part_of
from hypothesis import given, settings
from hypothesis import strategies as st
from scores import BAR, make_score

from model import tokens as t
from model.midi import read_midi
from model.reader import DRUM_DURATION, VELOCITIES, decode
from model.score import DURATIONS, ROLES, TIME_SIGNATURES, Note, Part, Role, Score, TimeSignature, ticks_per_bar

ARCHIVES = Path(__file__).parents[3] / "shared" / "data" / "midi"


def as_composed(score: Score) -> Score:
    """The score without what tokens do not carry: loudness, and the length of drums."""
    return replace(score, parts=tuple(
        Part(role=part.role, notes=tuple(
            replace(n, velocity=VELOCITY, duration=DRUM_DURATION if part.role == "drums" else n.duration)
            for n in part.notes))
        for part in score.parts
    ))  # fmt: skip


def song(*bars: dict[Role, t.BarNotes], signature: TimeSignature = (4, 4)) -> Score:
    """A score from what each part plays in each bar."""
    bare = Score(tempo_bpm=120.0, time_signatures=(signature,) * len(bars), parts=())
    roles = [role for role in ROLES if any(role in bar for bar in bars)]
    parts = (part_of(role, [bar.get(role, ()) for bar in bars], bare.bar_starts) for role in roles)
    return Score(tempo_bpm=120.0, time_signatures=bare.time_signatures, parts=tuple(parts))


def bars_in_tokens(score: Score) -> list[list[str]]:
    """The names of the tokens of each bar, all parts together."""
    names = [t.NAMES[token] for token in t.encode(score, "rock")]
    starts = [i for i, name in enumerate(names) if name.startswith("BAR")]
    return [names[begin + 1 : end] for begin, end in pairwise([*starts, len(names) - 1])]


def eighths(*pitches: int) -> t.BarNotes:
    return tuple((6 * i, 6, pitch) for i, pitch in enumerate(pitches))


@given(any_scores())
@settings(deadline=None, max_examples=30)
def test_any_score_survives_the_trip_through_tokens(score: Score):
    stream = t.encode(score, "heavy-metal")

    again = decode(stream, score.tempo_bpm)

    assert again == score


@pytest.mark.parametrize(
    "roles", [ROLES, ("drums",), ("lead",), ("rhythm", "bass"), ("drums", "rhythm", "bass", "lead")]
)
def test_a_song_of_any_line_up_survives_the_trip(roles: tuple[Role, ...]):
    score = as_composed(make_score(bars=8, roles=roles))

    again = decode(t.encode(score, "heavy-metal"), score.tempo_bpm)

    assert again == score


@pytest.mark.parametrize("signature", TIME_SIGNATURES)
def test_the_last_tick_of_a_bar_in_any_metre_survives_the_trip(signature: TimeSignature):
    last = ticks_per_bar(signature) - 1
    score = song({"lead": ((0, 3, 60), (last, 3, 60))}, {"lead": ((last, 192, 0),)}, signature=signature)

    again = decode(t.encode(score, "jazz"), score.tempo_bpm)

    assert again == score


@given(st.sets(st.sampled_from(DRUM_KEYS), min_size=1, max_size=t.MOST_AT_ONCE))
@settings(deadline=None, max_examples=30)
def test_drums_of_any_combination_survive_the_trip(keys: set[int]):
    score = song({"drums": tuple((12, DRUM_DURATION, key) for key in sorted(keys))})

    again = decode(t.encode(score, "rock"), score.tempo_bpm)

    assert again == score


@given(st.dictionaries(st.integers(0, 127), st.sampled_from(DURATIONS), min_size=1, max_size=t.MOST_AT_ONCE))
@settings(deadline=None, max_examples=30)
def test_chords_of_any_pitches_and_lengths_survive_the_trip(chord: dict[int, int]):
    score = song({"keys": tuple(sorted((4, duration, pitch) for pitch, duration in chord.items()))})

    again = decode(t.encode(score, "rock"), score.tempo_bpm)

    assert again == score


def test_a_bar_that_was_played_before_is_one_token():
    riff, fill = eighths(40, 40, 52, 40), eighths(43, 45, 47, 48)
    score = song({"lead": riff}, {"lead": fill}, {"lead": riff}, {"lead": riff})

    bars = bars_in_tokens(score)

    assert bars[2:] == [["REPEAT 2"], ["REPEAT 1"]]


def test_a_repeat_reaches_no_further_back_than_its_tokens():
    far = [{"lead": eighths(40, 41)}, *({"lead": eighths(60 + i)} for i in range(t.MOST_BACK))]
    score = song(*far, {"lead": eighths(60)}, {"lead": eighths(40, 41)})

    bars = bars_in_tokens(score)

    assert bars[-2] == [f"REPEAT {t.MOST_BACK}"]
    assert bars[-1][0] == "AT 0"


def test_a_section_that_returns_reaches_back_alike_in_all_parts():
    loop = ((0, 3, 36), (24, 3, 36))
    tune = [{"drums": loop, "lead": eighths(60 + i, 67)} for i in range(4)]

    bars = bars_in_tokens(song(*tune, *tune))

    assert [bar[0] for bar in bars[1:4]] == ["REPEAT 1"] * 3  # the drums have their loop
    assert bars[4:] == [["REPEAT 4", "REPEAT 4"]] * 4


def test_a_section_returns_from_where_all_of_it_is_found():
    riff = [{"drums": eighths(36), "lead": eighths(60 + i % 2)} for i in range(4)]
    bridge = [{"drums": eighths(38 + i), "lead": eighths(50 + i)} for i in range(2)]

    bars = bars_in_tokens(song(*riff, *bridge, *riff))

    assert bars[6:] == [["REPEAT 6", "REPEAT 6"]] * 4  # and not from the two bars of the riff that are nearer


def test_a_part_that_is_new_where_the_others_return_finds_its_own_repeat():
    tune = [{"drums": eighths(36 + i), "bass": eighths(40 + i), "lead": eighths(60 + i)} for i in range(4)]
    turned = {**tune[1], "lead": eighths(60)}

    bars = bars_in_tokens(song(*tune, tune[0], turned))

    assert bars[4:] == [["REPEAT 4"] * 3, ["REPEAT 4", "REPEAT 4", "REPEAT 1"]]


def test_a_part_that_plays_with_another_is_one_token():
    riff = eighths(52, 52, 55, 57)
    score = song({"rhythm": riff, "rhythm_2": riff})

    (bar,) = bars_in_tokens(score)

    assert bar[-1] == "DOUBLE rhythm"


@pytest.mark.parametrize("interval", t.ROOT_INTERVALS)
def test_a_bass_that_follows_the_lowest_note_of_the_guitar_is_one_token(interval: int):
    chords = tuple((12 * beat, 12, pitch) for beat in range(4) for pitch in (40 + beat, 47 + beat))
    score = song({"rhythm": chords, "bass": tuple((12 * beat, 12, 40 + beat - interval) for beat in range(4))})

    (bar,) = bars_in_tokens(score)

    assert bar[-1] == f"ROOT {interval}"


def test_a_silent_bar_is_one_token():
    score = song({"drums": ((0, 3, 36),), "lead": ()})

    (bar,) = bars_in_tokens(score)

    assert bar[-1] == "REST"


def test_a_power_chord_riff_names_its_shape_and_length_once():
    riff = tuple((6 * i, 6, root + step) for i, root in enumerate((40, 40, 43, 45)) for step in (0, 7))
    score = song({"rhythm": riff})

    (bar,) = bars_in_tokens(score)

    assert bar == [
        "AT 0", "DURATION 6", "SHAPE 0.7", "PITCH 40", "AT 6", "PITCH 40", "AT 12", "PITCH 43", "AT 18", "PITCH 45",
        "DONE",
    ]  # fmt: skip


def struck(*velocities: int, role: Role = "lead", bars: int = 1) -> Score:
    """Bars of eighths on one key, each bar with these velocities."""
    notes = tuple(
        Note(start=bar * BAR + 6 * i, pitch=t.SNARE, duration=3, velocity=velocity)
        for bar in range(bars) for i, velocity in enumerate(velocities)
    )  # fmt: skip
    parts = (Part(role=role, notes=notes),)
    return Score(tempo_bpm=120.0, time_signatures=((4, 4),) * bars, parts=parts)


@pytest.mark.parametrize("role", ["drums", "lead"])
def test_a_soft_and_a_loud_note_stay_so(role: Role):
    score = struck(90, 90, 60, 60, 90, 120, 90, role=role)

    again = decode(t.encode(score, "rock"), 120.0)

    soft, normal, loud = VELOCITIES
    heard = [note.velocity for note in again.parts[0].notes]
    assert heard == [normal, normal, soft, soft, normal, loud, normal]
    assert t.encode(again, "rock") == t.encode(score, "rock")


def test_an_accent_is_said_when_it_changes_and_forgotten_at_the_bar():
    (bar,) = bars_in_tokens(struck(60, 60, 90, 90, 90))

    assert [name for name in bar if name.startswith("ACCENT")] == ["ACCENT soft", "ACCENT normal"]


def test_a_repeated_bar_takes_its_accents_along():
    score = struck(90, 90, 90, 60, bars=2)

    again = decode(t.encode(score, "rock"), 120.0)

    assert bars_in_tokens(score)[1] == ["REPEAT 1"]
    assert [note.velocity for note in again.parts[0].notes][4:] == [96, 96, 96, 68]


def test_a_hat_is_not_soft_for_being_softer_than_the_snare():
    hats = tuple(Note(start=6 * i, pitch=42, duration=3, velocity=60) for i in range(8))
    snares = tuple(Note(start=12 + 24 * i, pitch=t.SNARE, duration=3, velocity=120) for i in range(2))
    part = Part(role="drums", notes=tuple(sorted(hats + snares)))
    score = Score(tempo_bpm=120.0, time_signatures=((4, 4),), parts=(part,))

    assert t.accents_of(part, score) == [{}]


@pytest.mark.parametrize(
    ("tempo_bpm", "token"), [(20, "TEMPO 30"), (137, "TEMPO 140"), (160, "TEMPO 160"), (400, "TEMPO 250")]
)
def test_a_tempo_belongs_to_the_nearest_token(tempo_bpm: float, token: str):
    header = t.header("heavy-metal", tempo_bpm, ["drums"])

    assert [t.NAMES[i] for i in header] == ["START", "GENRE heavy-metal", token, "WITH drums"]


def test_no_token_has_two_meanings():
    assert len(set(t.NAMES)) == len(t.NAMES)
    assert len(set(t.HITS)) == len(t.HITS)
    assert len(set(t.SHAPES)) == len(t.SHAPES)


def test_a_note_that_rings_over_the_bar_line_belongs_to_the_bar_in_which_it_starts():
    part = Part(role="lead", notes=(Note(start=BAR - 3, pitch=64, duration=24, velocity=90),))
    score = Score(tempo_bpm=120.0, time_signatures=((4, 4),) * 2, parts=(part,))

    bars = t.bars_of(part, score)

    assert bars == [((BAR - 3, 24, 64),), ()]


def real_songs(archive: Path, count: int, folder: Path) -> Iterator[Score]:
    with tarfile.open(archive) as tar:
        for member in islice((m for m in tar if m.name.endswith(".mid")), count):
            content = tar.extractfile(member)
            assert content is not None
            path = folder / Path(member.name).name
            path.write_bytes(content.read())
            yield read_midi(path)


@pytest.mark.parametrize("name", ["heavy-metal", "metal-adjacent"])
def test_real_songs_lose_nothing_in_tokens(name: str, tmp_path: Path):
    archive = ARCHIVES / f"{name}.tar.xz"
    if not archive.is_file():
        pytest.skip("the songs to learn from are not on this machine")

    for score in real_songs(archive, 6, tmp_path):
        again = decode(t.encode(score, name), score.tempo_bpm)

        assert as_composed(again) == as_composed(score)

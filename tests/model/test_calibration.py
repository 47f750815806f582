"""A calibration makes choices likelier, player by player, and is found by rehearsing beside real players."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from rich.progress import Progress
from scores import make_score, vary
from small_composer import small_composer

from model import tokens as t
from model.band import Band
from model.calibration import (
    ENOUGH,
    INSIDE,
    KEPT,
    MADE,
    REPEAT,
    REST,
    SIZES,
    WITH_KICK,
    BadCalibration,
    Calibration,
    calibration_path,
)
from model.chart import Chart
from model.commands import calibrate_command
from model.corpus import is_held_out
from model.genre import Freedom, Genre
from model.guards import keep_meter
from model.midi import write_midi
from model.reader import DRUMS, Reader
from model.sampling import Piece, compose_streams
from model.score import ROLES, Note, Part, Role, Score
from model.tally import calibrate, shares, tally
from model.weights import save_weights

QUIET = Progress(disable=True)
FREE = Freedom(randomness=0.4, rhythm=1, pitch=1, structure=1, top_p=1, noise=0)
BASS, LEAD = ROLES.index("bass"), ROLES.index("lead")


def likelier(kind: str, choice: int, role: int, nats: float = 5.0) -> Calibration:
    table = np.zeros((len(ROLES), SIZES[kind]), np.float32)
    table[role, choice] = nats
    return replace(Calibration.none(), **{kind: table})


def played(calibration: Calibration, roles: tuple[Role, ...] = ("drums", "bass", "lead")) -> list[Score]:
    def guard(reader: Reader, mask: np.ndarray) -> None:
        if reader.turn == len(reader.roles):
            keep_meter(mask, (4, 4))

    pieces = [
        Piece(header=t.header("folk", 120, roles), bars=12, freedom=FREE, guard=guard,
              leads=[partial(calibration.correct, None)], rng=np.random.default_rng(seed))
        for seed in range(8)
    ]  # fmt: skip
    return [reader.score(120.0) for reader in compose_streams(small_composer(), pieces, method="probability")]


def share(kind: str, choice: int, role: int, calibration: Calibration) -> float:
    return float(shares([tally(song, "folk") for song in played(calibration)])[kind][role, choice])


@pytest.mark.parametrize(
    ("kind", "choice", "role"),
    [
        ("steps", 1, LEAD), ("steps", 0, BASS), ("waits", 6, LEAD), ("waits", 12, DRUMS), ("durations", 3, BASS),
        ("shapes", 4, LEAD), ("hits", 2, DRUMS), ("forms", REST, LEAD), ("forms", REPEAT, BASS),
        ("together", ENOUGH, LEAD), ("kicks", WITH_KICK, BASS), ("registers", 15, LEAD),
    ],
)  # fmt: skip
def test_a_choice_that_is_made_likelier_is_made_more_often_by_whom_it_was_meant_for(kind: str, choice: int, role: int):
    before, after = (
        share(kind, choice, role, each) for each in (Calibration.none(), likelier(kind, choice, role))
    )

    assert after > 1.5 * before


def test_one_that_changes_nothing_changes_nothing():
    logits = np.arange(len(t.NAMES), dtype=np.float32)
    reader = Reader(2)
    for token in [*t.header("folk", 120, ["lead"]), t.BAR[0]]:
        reader.push(token)

    Calibration.none().correct(None, reader, logits)

    assert np.array_equal(logits, np.arange(len(t.NAMES)))


@pytest.mark.parametrize(
    ("before", "inside"), [([t.REST], {0, 4, 7}), ([t.AT[0], t.DURATION[9], t.PITCH[41], t.DONE], {5})]
)
def test_a_pitch_is_held_to_what_others_sound_and_beside_silence_to_the_chord_of_the_chart(
    before: list[int], inside: set[int]
):
    song = make_score(4, roles=("bass", "lead"))
    chart = replace(Chart.read(song), chords=np.full((4, 2), 1, np.uint8))  # C major
    reader = Reader(4)
    for token in [*t.header("folk", 120, ["bass", "lead"]), t.BAR[0], *before, t.AT[0], t.DURATION[3]]:
        reader.push(token)
    logits = np.zeros(len(t.NAMES), np.float32)

    likelier("harmony", INSIDE, LEAD).correct(chart, reader, logits)

    assert {pitch % 12 for pitch in np.flatnonzero(logits[t.PITCH.start : t.PITCH.stop])} == inside


def test_an_interval_that_a_part_has_struck_at_this_position_of_a_bar_is_a_figure_that_it_knows():
    reader = Reader(4)
    first = [t.AT[0], t.DURATION[3], t.PITCH[60], t.AT[12], t.PITCH[64], t.DONE]
    second = [t.AT[0], t.PITCH[50], t.AT[12]]
    for token in [*t.header("folk", 120, ["lead"]), t.BAR[0], *first, t.BAR[0], *second]:
        reader.push(token)
    logits = np.zeros(len(t.NAMES), np.float32)

    likelier("figures", MADE, LEAD).correct(None, reader, logits)

    assert np.flatnonzero(logits).tolist() == [t.PITCH[54]]


def test_a_place_is_where_the_kick_is_struck_or_apart_from_it_in_bars_that_have_a_kick():
    reader, kick = Reader(4), t.HIT[t.HITS.index((t.KICK,))]
    drums = [t.AT[0], kick, t.AT[24], kick, t.DONE]
    for token in [*t.header("folk", 120, ["drums", "bass"]), t.BAR[0], *drums, t.AT[0], t.DURATION[3], t.PITCH[40]]:
        reader.push(token)
    logits = np.zeros(len(t.NAMES), np.float32)

    likelier("kicks", WITH_KICK, BASS).correct(None, reader, logits)

    assert np.flatnonzero(logits).tolist() == [t.AT[0], t.AT[24]]
    for token in [t.DONE, t.BAR[0], t.REST, t.AT[0], t.DURATION[3], t.PITCH[40]]:
        reader.push(token)
    logits[:] = 0
    likelier("kicks", WITH_KICK, BASS).correct(None, reader, logits)
    assert not logits.any()


def test_a_bass_that_follows_the_guitar_keeps_its_interval():
    reader, guitar = Reader(4), [t.AT[0], t.DURATION[3], t.PITCH[60], t.DONE]
    for token in [*t.header("folk", 120, ["rhythm", "bass"]), t.BAR[0], *guitar]:
        reader.push(token)
    logits = np.zeros(len(t.NAMES), np.float32)
    likelier("intervals", KEPT, BASS).correct(None, reader, logits)
    assert not logits.any()  # there is none yet

    for token in [t.ROOT[1], t.BAR[0], *guitar]:
        reader.push(token)
    likelier("intervals", KEPT, BASS).correct(None, reader, logits)

    assert np.flatnonzero(logits).tolist() == [t.ROOT[1]]


def test_the_interval_in_which_a_bass_follows_the_guitar_is_counted():
    riff = [Note(start=start, pitch=50, duration=12, velocity=90) for start in range(0, 192, 12)]
    line = [replace(note, pitch=38 if note.start < 144 else 26) for note in riff]
    riff = [replace(note, pitch=note.pitch + note.start // 48) for note in riff]  # no bar is a repeat
    line = [replace(note, pitch=note.pitch + note.start // 48) for note in line]
    song = Score(
        tempo_bpm=120, time_signatures=((4, 4),) * 4,
        parts=(Part(role="rhythm", notes=tuple(riff)), Part(role="bass", notes=tuple(line))),
    )  # fmt: skip

    assert tally(song, "folk")["intervals"][BASS].tolist() == [1, 2]


def test_a_register_is_a_third_wide_and_counts_for_what_is_struck_first():
    reader = Reader(4)
    for token in [*t.header("folk", 120, ["lead"]), t.BAR[0], t.AT[0], t.DURATION[3]]:
        reader.push(token)
    logits = np.zeros(len(t.NAMES), np.float32)

    likelier("registers", 15, LEAD).correct(None, reader, logits)

    assert np.flatnonzero(logits).tolist() == [t.PITCH[60], t.PITCH[61], t.PITCH[62], t.PITCH[63]]
    reader.push(t.PITCH[60])
    logits[:] = 0
    likelier("registers", 15, LEAD).correct(None, reader, logits)
    assert not logits.any()


def test_choices_are_counted_as_they_were_made():
    def note(start: int, pitch: int, duration: int = 6) -> Note:
        return Note(start=start, pitch=pitch, duration=duration, velocity=90)

    bar = [note(0, 60), note(6, 61), note(12, 61, 7), note(12, 65, 8), note(36, 48)]
    again = [replace(each, start=each.start + 48) for each in bar]
    song = Score(
        tempo_bpm=120, time_signatures=((4, 4),) * 3, parts=(Part(role="lead", notes=tuple(sorted(bar + again))),)
    )

    counts = {kind: table[LEAD] for kind, table in tally(song, "folk").items()}

    assert np.flatnonzero(counts["steps"]).tolist() == [0, 1, 13]
    assert {wait: int(counts["waits"][wait]) for wait in np.flatnonzero(counts["waits"])} == {6: 2, 12: 1, 24: 1}
    assert counts["forms"].tolist() == [1, 1, 1]
    assert counts["together"].tolist() == [0, 4]  # the two struck together are one shape
    assert counts["shapes"].sum() == 2
    assert counts["figures"].tolist() == [3, 0]
    assert counts["harmony"].sum() == 0  # nobody else plays
    assert {third: int(counts["registers"][third]) for third in np.flatnonzero(counts["registers"])} == {12: 1, 15: 3}
    assert counts["kicks"].sum() == 0  # nobody drums


def test_strokes_with_the_kick_are_counted():
    kit = tuple(Note(start=start, pitch=36, duration=3, velocity=90) for start in (0, 24))
    line = tuple(Note(start=start, pitch=40, duration=6, velocity=90) for start in (0, 12, 24, 36))
    song = Score(
        tempo_bpm=120, time_signatures=((4, 4),), parts=(Part(role="drums", notes=kit), Part(role="bass", notes=line)),
    )  # fmt: skip

    assert tally(song, "folk")["kicks"][BASS].tolist() == [2, 2]


@pytest.fixture(scope="module")
def band(genre: Genre) -> Band:
    return Band(genre=genre, network=small_composer(), known_songs=None)


@pytest.fixture(scope="module")
def real() -> list[Score]:
    rng = np.random.default_rng(1)
    return [vary(make_score(bars=8), rng, 5) for _ in range(24)]


def test_a_band_that_rehearses_comes_nearer_to_real_players(band: Band, real: list[Score]):
    found, habits = calibrate(band, real, songs=16, bars=8, progress=QUIET)

    assert habits.first.keys() == habits.last.keys() == SIZES.keys()
    ratios = [habits.last[kind] / habits.first[kind] for kind in ("steps", "waits", "durations", "hits", "forms")]
    assert max(ratios) < 1
    assert np.mean(ratios) < 0.9
    assert all(np.isfinite(getattr(found, kind)).all() for kind in SIZES)


def test_the_same_rehearsals_come_to_the_same(band: Band, real: list[Score]):
    one, again = (calibrate(band, real, songs=8, bars=2, progress=QUIET)[0] for _ in range(2))

    assert all(np.array_equal(getattr(one, kind), getattr(again, kind)) for kind in SIZES)


def test_the_command_writes_it_beside_the_weights_and_the_band_plays_by_it(
    genre: Genre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("model.weights.WEIGHTS_FOLDER", tmp_path)
    save_weights(tmp_path / "heavy-metal.safetensors", small_composer(), {})
    rng = np.random.default_rng(1)
    learned = [name for name in map("name-{}".format, range(60)) if not is_held_out(name)]
    (tmp_path / "midi").mkdir()
    for name in learned[:24]:
        write_midi(vary(make_score(bars=6), rng, 5), genre, tmp_path / "midi" / f"{name}.mid")
    path = calibration_path(tmp_path / "heavy-metal.safetensors")
    path.write_bytes(b"damaged")

    result = CliRunner().invoke(
        calibrate_command, ["heavy-metal", "--midi", str(tmp_path / "midi"), "--songs", "8", "--bars", "4"]
    )

    assert result.exit_code == 0, result.output
    assert "before" in result.output
    assert "waits" in result.output
    band = Band.load(genre)
    assert band.calibration is not None
    assert band.calibration.waits.any()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda found: replace(found, steps=found.steps[:, :3]), "do not belong together"),
        (lambda found: replace(found, forms=found.forms.astype(np.float64)), "do not belong together"),
        (lambda found: replace(found, hits=np.full_like(found.hits, np.inf)), "do not belong together"),
    ],
)
def test_numbers_that_do_not_belong_together_are_refused(
    tmp_path: Path, damage: Callable[[Calibration], Calibration], said: str
):
    path = tmp_path / "polka.calibration.safetensors"
    damage(Calibration.none()).save(path)

    with pytest.raises(BadCalibration, match=said):
        Calibration.load(path)

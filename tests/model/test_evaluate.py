"""Songs are judged against real ones, and the command says what it found or what is missing."""

import json
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console
from rich.progress import Progress
from scores import make_score, vary

from model import commands
from model.commands import evaluate_command
from model.corpus import is_held_out
from model.errors import NeedsOperator
from model.evaluate import FEWEST_SONGS, Report, evaluate
from model.genre import load_genres
from model.midi import write_midi
from model.naming import Namer
from model.originality import build_index
from model.reference import NoSongs, Reading, families, find_midi, read_reference
from model.report import show, to_json

GENRE = load_genres()["heavy-metal"]
PLAYERS = {player.name: player.role for player in GENRE.players}
SHARED_DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
METAL = SHARED_DATA / "midi" / "heavy-metal.tar.xz"


def write_songs(folder: Path, *, count: int, seed: int, highest: int = 12, bars: int = 12) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(seed)
    for i in range(count):
        write_midi(vary(make_score(bars=bars), rng, highest), GENRE, folder / f"song-{i}.mid")
    return folder


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_songs(tmp_path_factory.mktemp("songs") / "real", count=24, seed=1)


@pytest.fixture(scope="module")
def partly_held_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_songs(tmp_path_factory.mktemp("songs") / "real", count=36, seed=1)
    names = [f"name-{i}" for i in range(400)]
    held_out, learned = [[name for name in names if is_held_out(name) == wanted] for wanted in (True, False)]
    for path, name in zip(sorted(folder.glob("*.mid")), held_out[:12] + learned[:24], strict=True):
        path.rename(folder / f"{name}.mid")
    return folder


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, partly_held_out: Path) -> Report:
    """Songs of the same source as the real ones, and tamer ones; a genre whose songs are tame is known."""
    folder = tmp_path_factory.mktemp("sets")
    same = write_songs(folder / "same", count=16, seed=2)
    tamer = write_songs(folder / "tamer", count=16, seed=3, highest=2)
    tame = write_songs(folder / "tame", count=30, seed=4, highest=2)
    return evaluate([same, tamer], partly_held_out, PLAYERS, others=[tame])


def test_songs_from_the_same_source_are_alike(report: Report):
    same = report.sets[0]

    assert (report.bars, report.real_songs, report.held_out_songs, same.songs) == (12, 36, 12, 16)
    for likeness in (same.all, same.held_out):
        assert likeness is not None
        assert likeness.overlap.value == pytest.approx(1, abs=0.12)
        assert 0.2 < likeness.told_apart.value < 0.8
    assert 0.2 < same.told_by_moves.value < 0.8
    assert same.silent["lead"] == 0


def test_songs_from_another_source_are_told_apart(report: Report):
    tamer = report.sets[1].held_out

    assert tamer is not None
    entropy = next(feature for feature in tamer.features if feature.name == "pitch-class entropy")
    assert tamer.against == 12
    assert tamer.told_apart.value > 0.95
    assert report.sets[1].told_by_moves.value > 0.95
    assert tamer.overlap.value < 1 - 2 * tamer.overlap.deviation
    assert entropy.relative is not None and entropy.relative < 0.5
    assert entropy.ours is not None and entropy.real is not None and entropy.ours < entropy.real


def test_real_songs_also_through_tokens_are_as_real_songs_are(report: Report):
    for verdict in (report.real, report.through_tokens):
        assert verdict.held_out is not None
        assert verdict.held_out.overlap.value == pytest.approx(1, abs=0.02)
        assert 0.2 < verdict.held_out.told_apart.value < 0.8
    assert [middle.ours for middle in report.through_tokens.middle] == [middle.ours for middle in report.real.middle]


def test_songs_are_named_by_a_classifier_that_knows_other_genres(report: Report):
    assert [verdict.named for verdict in report.sets] == [1, 0]
    assert report.real.named == 1


def test_genres_whose_folders_have_one_name_are_all_known(
    tmp_path: Path, real: Path, monkeypatch: pytest.MonkeyPatch
):
    ours = write_songs(tmp_path / "ours", count=10, seed=2)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    others = [write_songs(tmp_path / name / "midi", count=10, seed=3) for name in ("one", "two")]
    monkeypatch.chdir(ours)
    known: list[list[str]] = []

    def learn(songs: dict[str, object]) -> Namer:
        known.append(list(songs))
        raise NoSongs("enough was seen")

    monkeypatch.setattr(Namer, "learn", learn)
    with pytest.raises(NoSongs, match="enough was seen"):
        evaluate([ours], real, PLAYERS, others=[*others, Path()])

    assert known == [["", str(others[0]), str(others[1]), str(ours)]]


def test_a_median_is_inside_or_outside_the_middle_half_of_real_songs(report: Report):
    repeats = next(middle for middle in report.sets[0].middle if middle.feature == "part repeats")

    assert repeats.inside
    assert not replace(repeats, ours=repeats.high + 0.1).inside
    assert not replace(repeats, ours=repeats.low - 0.1).inside


def test_where_too_few_songs_are_held_out_all_are_compared(tmp_path: Path, real: Path):
    ours = write_songs(tmp_path / "ours", count=12, seed=2)

    (verdict,) = evaluate([ours], real, PLAYERS).sets

    assert verdict.held_out is None
    assert verdict.named is None
    assert verdict.all.against == 24


def test_the_same_folders_give_the_same_figures(tmp_path: Path, real: Path):
    ours = write_songs(tmp_path / "ours", count=12, seed=2)

    one, again = (to_json(evaluate([ours], real, PLAYERS, bars=4)) for _ in range(2))

    assert one == again


def test_longer_songs_are_cut_to_the_length_of_ours(tmp_path: Path):
    real = write_songs(tmp_path / "real", count=12, seed=1, bars=30)
    ours = write_songs(tmp_path / "ours", count=12, seed=2, bars=8)

    report = evaluate([ours], real, PLAYERS)

    drums = next(feature for feature in report.sets[0].all.features if feature.name == "drums: notes a bar")
    assert report.bars == 8
    assert drums.real == pytest.approx(drums.ours, abs=0.2)


def test_a_copied_song_is_found_in_the_reference_and_in_the_training_songs(tmp_path: Path, real: Path):
    ours = write_songs(tmp_path / "ours", count=12, seed=2)
    stolen = vary(make_score(bars=12), np.random.default_rng(1), 12)  # the first of the real ones
    write_midi(stolen, GENRE, ours / "stolen.mid")

    report = evaluate([ours], real, PLAYERS, training=build_index([stolen]))

    assert report.sets[0].copied.most > 50
    assert report.real.copied.most < 30
    assert report.sets[0].beyond_limit == pytest.approx(1 / 13)


def test_a_version_of_a_song_that_was_learned_is_not_held_out():
    tunes = [np.arange(40, dtype=np.uint32) + 100 * number for number in range(4)]
    tunes[3] = np.concatenate([tunes[3][:30], tunes[1][:10]])

    groups = families(["a", "b", "a", "c"], tunes)

    assert groups[0] == groups[2] != groups[1]
    assert groups[1] == groups[3]


def test_versions_of_a_song_are_not_taken_for_copies(tmp_path: Path):
    real = write_songs(tmp_path / "real", count=12, seed=1)
    (real / "version.mid").write_bytes((real / "song-0.mid").read_bytes())
    ours = write_songs(tmp_path / "ours", count=12, seed=2)

    rows = [f"real.tar.xz\treal/{path.name}\t{path.stem.replace('version', 'song-0')}" for path in real.glob("*.mid")]
    (tmp_path / "INDEX.tsv").write_text("\n".join(["archive\tmember\tsong_group", *rows]) + "\n")

    assert evaluate([ours], real, PLAYERS).real.copied.most < 30


def test_unreadable_files_are_counted_and_named(tmp_path: Path, real: Path):
    ours = write_songs(tmp_path / "ours", count=12, seed=2)
    (ours / "broken [red].mid").write_bytes(b"MThd, or so it says")

    report = evaluate([ours], real, PLAYERS, bars=4)

    console = Console(record=True, width=200, file=(tmp_path / "out").open("w"))
    show(report, console)
    assert report.sets[0].songs == 12
    assert "1 files of no use" in console.export_text(clear=False)
    assert "broken [red].mid" in console.export_text()


def test_a_file_is_too_short_or_unreadable_or_has_no_player_of_ours_but_one_of_these(tmp_path: Path):
    real = write_songs(tmp_path / "real", count=12, seed=1)
    write_midi(make_score(bars=4), GENRE, real / "short.mid")
    write_midi(make_score(bars=12, roles=("lead",)), GENRE, real / "solo.mid")
    (real / "broken.mid").write_bytes(b"MThd, or so it says")
    reading = Reading(roles=["drums"], bars=12, progress=Progress(disable=True), unreadable=[])

    reference = read_reference(real, reading)

    assert (len(reference.songs), reference.too_short) == (12, 1)
    assert "broken.mid: damaged" in reading.unreadable[0]
    assert reading.unreadable[1] == f"{real / 'solo.mid'}: nobody of the line-up plays"


def test_a_genre_of_too_few_songs_is_none_to_be_named_by(tmp_path: Path, real: Path):
    # Beside no song at all ours were "named as the genre 100 %".
    ours = write_songs(tmp_path / "ours", count=10, seed=2)
    few = write_songs(tmp_path / "few", count=FEWEST_SONGS - 1, seed=3)

    with pytest.raises(NoSongs, match=f"{few}: {FEWEST_SONGS - 1} different songs"):
        evaluate([ours], real, PLAYERS, others=[few])


def test_a_song_whose_name_no_terminal_can_show_is_shown_after_the_figures_are_written(
    tmp_path: Path, real: Path, report: Report, monkeypatch: pytest.MonkeyPatch
):
    broken = replace(report, unreadable=("caf\udce9.mid: damaged",))
    monkeypatch.setattr(commands, "evaluate", lambda *_, **__: broken)
    shown: list[bool] = []
    monkeypatch.setattr(commands, "show", lambda *args: shown.append(json_file.is_file()) or show(*args))
    json_file = tmp_path / "figures.json"

    result = CliRunner().invoke(
        evaluate_command,
        [str(real), "--genre", "heavy-metal", "--reference", str(real), "--json", str(json_file)],
    )

    assert result.exit_code == 0, result.exception
    assert "caf?.mid: damaged" in result.output
    assert shown == [True]


def test_a_set_of_songs_is_judged_once(real: Path):
    result = CliRunner().invoke(
        evaluate_command, [str(real), f"{real}/../real", "--genre", "heavy-metal", "--reference", str(real)]
    )

    assert result.exit_code == 2
    assert "named twice" in result.output


def test_archives_are_to_be_unpacked_first(tmp_path: Path):
    (tmp_path / "polka.tar.xz").touch()
    (tmp_path / "loose.mid").touch()

    with pytest.raises(NoSongs, match=f"unpack {tmp_path / 'polka.tar.xz'} first"):
        find_midi(tmp_path / "polka")
    with pytest.raises(NoSongs, match=f"{tmp_path}: holds polka.tar.xz; unpack each"):
        find_midi(tmp_path)


@pytest.mark.parametrize("count", [0, FEWEST_SONGS - 1])
def test_too_few_songs_are_refused_with_what_to_do(tmp_path: Path, real: Path, count: int):
    few = write_songs(tmp_path / "few", count=count, seed=2)

    with pytest.raises(NoSongs, match=f"{few}: .*(name a folder of songs|put at least {FEWEST_SONGS})"):
        evaluate([few], real, PLAYERS)


def test_the_command_prints_tables_of_several_sets_and_writes_json(tmp_path: Path, real: Path):
    sets = [str(write_songs(tmp_path / f"ours-{seed}", count=10, seed=seed, bars=6)) for seed in (2, 3, 4)]
    json_file = tmp_path / "figures.json"

    result = CliRunner().invoke(
        evaluate_command, [*sets, "--genre", "heavy-metal", "--reference", str(real), "--json", str(json_file)]
    )

    assert result.exit_code == 0, result.output
    assert "bass: with the kick" in result.output
    assert "3 sets" in result.output
    assert "\x1b[" not in result.output
    figures = json.loads(json_file.read_text())
    assert [each["songs"] for each in figures["sets"]] == [10, 10, 10]
    assert 0 <= figures["sets"][0]["all"]["told_apart"]["value"] <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--genre", "heavy-metl"], "did you mean heavy-metal?"),
        (["--genre", "heavy-metal", "--json", "no/such/folder/figures.json"], "its folder does not exist"),
        (["--genre", "heavy-metal", "--reference", "no-such-folder"], "no such folder"),
    ],
)
def test_what_is_missing_is_said_before_any_work(real: Path, arguments: list[str], message: str):
    reference = [] if "--reference" in arguments else ["--reference", str(real)]

    result = CliRunner().invoke(evaluate_command, [str(real), *reference, *arguments])

    assert isinstance(result.exception, NeedsOperator)
    assert message in str(result.exception)


def test_a_folder_is_no_file_to_write_figures_to(real: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(commands, "evaluate", lambda *_, **__: pytest.fail("this may take minutes"))

    result = CliRunner().invoke(
        evaluate_command, [str(real), "--genre", "heavy-metal", "--reference", str(real), "--json", str(real)]
    )

    assert result.exit_code == 2
    assert "is a directory" in result.output


@pytest.mark.skipif(not METAL.is_file(), reason="the training songs are not on this machine")
def test_real_metal_beside_real_metal_is_alike(tmp_path: Path):
    with tarfile.open(METAL) as archive:
        members = [member for member in archive if member.name.endswith(".mid")][:48]
        archive.extractall(tmp_path, members, filter="data")
    songs = sorted((tmp_path / "heavy-metal").glob("*.mid"))
    for number, song in enumerate(songs):
        (tmp_path / f"half{number % 2}").mkdir(exist_ok=True)
        song.rename(tmp_path / f"half{number % 2}" / song.name)

    (verdict,) = evaluate([tmp_path / "half0"], tmp_path / "half1", PLAYERS, bars=32).sets

    assert verdict.all.overlap.value > 0.9
    assert 0.2 < verdict.all.told_apart.value < 0.8

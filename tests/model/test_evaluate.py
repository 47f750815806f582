"""Songs are judged against real ones, and the command says what it found or what is missing."""

import json
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console
from scores import make_score

from model.commands import evaluate_command
from model.errors import NeedsOperator
from model.evaluate import FEWEST_SONGS, NoSongs, evaluate
from model.genre import load_genres
from model.midi import write_midi
from model.originality import build_index
from model.report import show, to_json
from model.score import Part, Score

GENRE = load_genres()["heavy-metal"]
ROLES = [player.role for player in GENRE.players]
SHARED_DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
METAL = SHARED_DATA / "midi" / "heavy-metal.tar.xz"


def vary(score: Score, rng: np.random.Generator, highest: int) -> Score:
    """The same song with another tune: melodies move up to so many semitones."""
    parts = [
        part if part.role == "drums" else
        Part(role=part.role, notes=tuple(replace(n, pitch=n.pitch + int(rng.integers(highest))) for n in part.notes))
        for part in score.parts
    ]  # fmt: skip
    return replace(score, parts=tuple(parts))


def write_songs(folder: Path, *, count: int, seed: int, highest: int = 12, bars: int = 12) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(seed)
    for i in range(count):
        write_midi(vary(make_score(bars=bars), rng, highest), GENRE, folder / f"song-{i}.mid")
    return folder


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_songs(tmp_path_factory.mktemp("songs") / "real", count=24, seed=1)


def test_songs_from_the_same_source_are_alike(tmp_path: Path, real: Path):
    ours = write_songs(tmp_path / "ours", count=16, seed=2)

    report = evaluate(ours, real, ROLES)

    assert (report.bars, report.real_songs, report.generated_songs) == (12, 24, 16)
    assert report.relative_overlap == pytest.approx(1, abs=0.1)
    assert 0.2 < report.told_apart.area < 0.8
    assert report.silent["lead"] == (0, 0)


def test_songs_from_another_source_are_told_apart(tmp_path: Path, real: Path):
    tamer = write_songs(tmp_path / "tamer", count=16, seed=2, highest=3)

    report = evaluate(tamer, real, ROLES)

    rows = {row.feature: row for row in report.likeness}
    assert report.told_apart.area > 0.95
    assert rows["pitch-class entropy"].relative < 0.5
    assert rows["pitch-class entropy"].generated < rows["pitch-class entropy"].real


def test_the_same_folders_give_the_same_figures(tmp_path: Path, real: Path):
    ours = write_songs(tmp_path / "ours", count=12, seed=2)

    assert to_json(evaluate(ours, real, ROLES)) == to_json(evaluate(ours, real, ROLES))


def test_longer_songs_are_cut_to_the_length_of_ours(tmp_path: Path):
    real = write_songs(tmp_path / "real", count=12, seed=1, bars=30)
    ours = write_songs(tmp_path / "ours", count=12, seed=2, bars=8)

    report = evaluate(ours, real, ROLES)

    drums = next(row for row in report.likeness if row.feature == "drums: notes a bar")
    assert report.bars == 8
    assert drums.real == pytest.approx(drums.generated, abs=0.2)


def test_a_copied_song_is_found_in_the_reference_and_in_the_training_songs(tmp_path: Path, real: Path):
    ours = write_songs(tmp_path / "ours", count=12, seed=2)
    stolen = vary(make_score(bars=12), np.random.default_rng(1), 12)  # the first of the real ones
    write_midi(stolen, GENRE, ours / "stolen.mid")

    report = evaluate(ours, real, ROLES, training=build_index([stolen]))

    assert report.copied.most > 50
    assert report.real_copied.most < 30
    assert report.longest_from_training == report.copied.most


def test_versions_of_a_song_are_not_taken_for_copies(tmp_path: Path):
    real = write_songs(tmp_path / "real", count=12, seed=1)
    (real / "version.mid").write_bytes((real / "song-0.mid").read_bytes())
    ours = write_songs(tmp_path / "ours", count=12, seed=2)
    assert evaluate(ours, real, ROLES).real_copied.most > 50

    rows = [f"real.tar.xz\treal/{path.name}\t{path.stem.replace('version', 'song-0')}" for path in real.glob("*.mid")]
    (tmp_path / "INDEX.tsv").write_text("\n".join(["archive\tmember\tsong_group", *rows]) + "\n")

    assert evaluate(ours, real, ROLES).real_copied.most < 30


def test_unreadable_files_are_counted_and_named(tmp_path: Path, real: Path):
    ours = write_songs(tmp_path / "ours", count=12, seed=2)
    (ours / "broken [red].mid").write_bytes(b"MThd, or so it says")

    report = evaluate(ours, real, ROLES)

    console = Console(record=True, width=200, file=(tmp_path / "out").open("w"))
    show(report, console)
    assert report.generated_songs == 12
    assert "1 files unreadable" in console.export_text(clear=False)
    assert "broken [red].mid" in console.export_text()


@pytest.mark.parametrize("count", [0, FEWEST_SONGS - 1])
def test_too_few_songs_are_refused_with_what_to_do(tmp_path: Path, real: Path, count: int):
    few = write_songs(tmp_path / "few", count=count, seed=2)

    with pytest.raises(NoSongs, match=f"{few}: .*(name a folder of songs|put at least {FEWEST_SONGS})"):
        evaluate(few, real, ROLES)


def test_the_command_prints_tables_and_writes_json(tmp_path: Path, real: Path):
    ours = write_songs(tmp_path / "ours", count=12, seed=2)
    json_file = tmp_path / "figures.json"

    result = CliRunner().invoke(
        evaluate_command, [str(ours), "--genre", "heavy-metal", "--reference", str(real), "--json", str(json_file)]
    )

    assert result.exit_code == 0, result.output
    assert "bass: with the kick" in result.output
    assert "\x1b[" not in result.output
    figures = json.loads(json_file.read_text())
    assert {row["feature"]: row for row in figures["likeness"]}["groove consistency"]["relative"] > 0
    assert 0 <= figures["told_apart"]["area"] <= 1


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


@pytest.mark.skipif(not METAL.is_file(), reason="the training songs are not on this machine")
def test_real_metal_beside_real_metal_is_alike(tmp_path: Path):
    with tarfile.open(METAL) as archive:
        members = [member for member in archive if member.name.endswith(".mid")][:48]
        archive.extractall(tmp_path, members, filter="data")
    songs = sorted((tmp_path / "heavy-metal").glob("*.mid"))
    for number, song in enumerate(songs):
        (tmp_path / f"half{number % 2}").mkdir(exist_ok=True)
        song.rename(tmp_path / f"half{number % 2}" / song.name)

    report = evaluate(tmp_path / "half0", tmp_path / "half1", ROLES, bars=32)

    assert report.relative_overlap > 0.9
    assert 0.2 < report.told_apart.area < 0.8

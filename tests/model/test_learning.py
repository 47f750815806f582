"""`lnh train` makes a genre from a folder of songs, goes on where it was killed, and says in a line why it cannot."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file
from scores import make_score
from stub_train import SMALL

from model import device, learning
from model import train as training
from model.errors import NeedsOperator
from model.genre import Genre, load_genre
from model.learning import SHARE_OF_OWN, train_command
from model.midi import write_midi
from model.network import Architecture
from model.originality import Index
from model.weights import load_weights, read_provenance

STUB = Path(__file__).resolve().parent.parent / "stub_train.py"
STEPS = 20
TOKENS = STEPS * SMALL["WINDOW"] * SMALL["BATCH"]


@pytest.fixture
def music(tmp_path: Path, genre: Genre, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two songs of metal and one of rock, at hand for a small composer."""
    for name, tempo_bpm in (("heavy-metal/one", 120), ("heavy-metal/two", 150), ("rock/three", 100)):
        path = tmp_path / "music" / f"{name}.mid"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_midi(make_score(10, tempo_bpm=tempo_bpm), genre, path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(learning, "Architecture", lambda: Architecture(width=32, layers=2, heads=2, window=256))
    monkeypatch.setattr(learning, "weights_path", lambda name: tmp_path / f"{name}.safetensors")
    for name, value in SMALL.items():
        monkeypatch.setattr(training, name, value)
    return tmp_path / "music"


@pytest.fixture
def loose(tmp_path: Path, genre: Genre) -> Path:
    """A folder of six songs that lie loose: as many as it takes for one to be held out."""
    folder = tmp_path / "polkas"
    folder.mkdir()
    for i in range(6):
        score = make_score(10 + i, tempo_bpm=100.0 + 10 * i, roles=("drums", "bass", "lead") if i else ("drums",))
        write_midi(score, genre, folder / f"polka {i}.mid")
    (folder / "INDEX.tsv").write_text(
        "member\tsong_group\n" + "".join(f"polka {i}.mid\tpolka {i}\n" for i in range(6))
    )
    (folder / "damaged.mid").write_bytes(b"MThd")
    return folder


def train(*arguments: str) -> Result:
    return CliRunner().invoke(train_command, ["--threads", "1", "--tokens", "768", *arguments])


def test_a_base_is_trained_and_then_tuned_to_a_genre(music: Path, tmp_path: Path, genre: Genre):
    toml = Path(learning.__file__).parent.parent / "genres" / "heavy-metal.toml"

    base = train("--midi", str(music), "--corpora", "rock,heavy-metal")
    tuned = train(str(toml), "--midi", str(music), "--corpora", "rock")

    assert base.exit_code == 0, base.output
    assert tuned.exit_code == 0, tuned.output
    made = tmp_path / f"{genre.weights}.safetensors"
    assert load_weights(made).architecture.width == 32
    provenance = read_provenance(made)
    assert provenance["corpora"] == pytest.approx({"heavy-metal": SHARE_OF_OWN, "rock": 1 - SHARE_OF_OWN})
    assert provenance["songs"] == {"heavy-metal": 2, "rock": 1}
    assert provenance["base"]["corpora"] == {"rock": 0.5, "heavy-metal": 0.5}
    assert provenance["tokens_seen"] == 768
    index = Index.load(made.with_suffix(".originality.safetensors"))
    assert index.longest_run(make_score(10)) > 0
    assert set(index.songs.tolist()) == {0, 1, 2}, "the song of rock was learned, too"
    assert "2 | heavy-metal | 60% | 2 |" in made.with_suffix(".md").read_text()


def test_a_folder_of_files_becomes_a_genre_that_did_not_exist(loose: Path, music: Path, tmp_path: Path):
    made = train("genres/polka.toml", "--midi", str(loose))

    assert made.exit_code == 0, made.output
    polka = load_genre(tmp_path / "genres" / "polka.toml")
    assert [player.role for player in polka.players] == ["drums", "rhythm", "bass"]  # an only guitar is the rhythm
    assert read_provenance(tmp_path / "polka.safetensors")["held_out"] == {
        "other-band": {"songs": 1, "groups": 1, "of_groups": 6}
    }
    assert "damaged, or no MIDI" in made.output
    assert "held out" in made.output
    unused = (tmp_path / "runs/polka/unused.tsv").read_text().splitlines()
    assert unused[1].startswith("damaged.mid\tdamaged, or no MIDI")
    assert "The operator's own files" in (tmp_path / "polka.md").read_text()
    assert (tmp_path / "polka.originality.safetensors").is_file()


def test_a_run_that_is_killed_ends_as_one_that_is_not(loose: Path, tmp_path: Path):
    def start(run: str, out: str) -> subprocess.Popen[bytes]:
        arguments = ["polka.toml", "--midi", str(loose), "--run", run, "--out", out, "--tokens", str(TOKENS)]
        command = [sys.executable, STUB, *arguments, "--threads", "1", "--device", "cpu", "--base", "base.safetensors"]
        return subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def train_base() -> None:
        command = [sys.executable, STUB, "--midi", str(tmp_path / "archive"), "--corpora", "folk", "--tokens", "192",
                   "--threads", "1", "--out", "base.safetensors"]  # fmt: skip
        (tmp_path / "archive").mkdir()
        (tmp_path / "archive" / "folk").symlink_to(loose)
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=120)

    def steps() -> int:
        log = tmp_path / "killed" / "log.jsonl"
        lines = log.read_text().splitlines() if log.is_file() else []
        return json.loads(lines[-1])["step"] if lines else 0

    train_base()
    assert start("whole", "whole.safetensors").wait(120) == 0
    killed = start("killed", "killed.safetensors")
    while steps() < STEPS // 2 and killed.poll() is None:
        time.sleep(0.002)
    killed.kill()
    killed.wait()
    assert not (tmp_path / "killed.safetensors").exists()
    assert start("killed", "killed.safetensors").wait(120) == 0

    whole, again = (load_file(tmp_path / f"{name}.safetensors") for name in ("whole", "killed"))
    assert whole.keys() == again.keys()
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    logs = [
        [json.loads(line) | {"time": 0} for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        for name in ("whole", "killed")
    ]
    assert logs[0] == logs[1]


def test_the_same_command_goes_on_with_the_run(music: Path, tmp_path: Path):
    train("--midi", str(music), "--corpora", "rock")

    again = train("--midi", str(music), "--corpora", "rock", "--tokens", "1536")

    assert again.exit_code == 0, again.output
    assert training.read_state(tmp_path / "runs" / "base")["step"] == 8


def test_by_default_the_songs_are_gone_through_twice(music: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(learning, "FEWEST_STEPS", 1)

    made = CliRunner().invoke(train_command, ["--midi", str(music), "--corpora", "rock", "--threads", "1"])

    facts = read_provenance(music.parent / "base.safetensors")
    assert made.exit_code == 0, made.output
    assert facts["tokens_seen"] == pytest.approx(2 * facts["tokens"]["rock"], abs=SMALL["WINDOW"] * SMALL["BATCH"])


def test_without_midi_only_the_card_is_written_again(music: Path, tmp_path: Path):
    train("--midi", str(music), "--corpora", "rock")
    (tmp_path / "base.md").unlink()

    again = train("--out", str(tmp_path / "base.safetensors"))

    assert again.exit_code == 0, again.output
    assert "rock" in (tmp_path / "base.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to learn: give GENRE.toml and --midi FOLDER"),
        (["--midi", "music"], "nothing to learn: give GENRE.toml, --corpora, or both"),
        (["--midi", "music", "--corpora", "polka"], "corpus 'polka' is not one of heavy-metal"),
        (["--midi", "music", "--corpora", "rock=much"], "the share of rock is 'much'; write a number above 0"),
        (["--midi", "music", "--corpora", "jazz"], "neither jazz/ nor jazz.tar.xz is here"),
        (["--midi", "music", "--corpora", "rock", "--base", "music/rock/three.mid"], "three.mid: damaged"),
        (["--midi", "music/rock", "Polka!.toml"], "name its file like genres/heavy-metal.toml"),
        (["--midi", "music", "polka.toml"], "holds heavy-metal, rock, named as other music is"),
        (["--midi", "music/rock", "genres/metal.toml"], "'metal' is heavy-metal already; choose another name"),
        (["--midi", "music", "genres/heavy-metal.toml", "--corpora", "rock,heavy-metal=2"],
         "heavy-metal itself is learned as heavy-metal; leave it out"),
        (["genres/polka.toml"], "polka.toml: no such file; give --midi FOLDER"),
        (["--midi", "music", "--corpora", "rock", "--out", "no/base.safetensors"], "its folder does not exist"),
        (["--midi", "music", "--corpora", "rock", "--out", "songs.mid"], "--out songs.mid: weights are called NAME."),
        (["--out", "songs.mid"], "give --out songs.mid.safetensors"),
        (["--midi", "music", "--corpora", "rock", "--figures", "music/rock/three.mid"], "three.mid: cannot be read"),
    ],
)
def test_what_cannot_be_trained_is_said_in_a_line(music: Path, tmp_path: Path, arguments: list[str], message: str):
    (tmp_path / "genres").mkdir()
    shipped = Path(learning.__file__).parent.parent / "genres" / "heavy-metal.toml"
    (tmp_path / "genres" / "heavy-metal.toml").write_bytes(shipped.read_bytes())

    result = train(*arguments)

    assert isinstance(result.exception, NeedsOperator), result.output
    assert message in str(result.exception)
    assert [path.name for path in tmp_path.rglob("*.toml")] == ["heavy-metal.toml"]
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_name_is_refused_before_all_songs_were_looked_at(music: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(learning, "survey", lambda *_: pytest.fail("this may take minutes"))

    result = train("Polka!.toml", "--midi", str(music / "rock"))

    assert isinstance(result.exception, NeedsOperator), result.output


def test_a_new_genre_is_not_learned_as_the_music_beside_it(
    loose: Path, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (music / "polka").symlink_to(loose)
    train("--midi", str(music), "--corpora", "rock,heavy-metal", "--out", "base.safetensors")
    monkeypatch.setattr(learning, "nearest_corpus", lambda network, learned, found, on_corpus: learned[0])

    made = train("polka.toml", "--midi", str(music), "--corpora", "rock")

    assert made.exit_code == 0, made.output
    assert list(read_provenance(tmp_path / "polka.safetensors")["corpora"]) == ["heavy-metal", "rock"]


def test_a_run_that_began_with_another_base_is_refused(music: Path):
    for seed_corpus in ("rock", "heavy-metal"):
        out = ["--run", f"runs/{seed_corpus}", "--out", f"{seed_corpus}.safetensors"]
        train("--midi", str(music), "--corpora", seed_corpus, *out)
    first = train("--midi", str(music), "--corpora", "rock", "--base", "rock.safetensors")

    again, other = (
        train("--midi", str(music), "--corpora", "rock", "--base", f"{name}.safetensors")
        for name in ("rock", "heavy-metal")
    )

    assert first.exit_code == again.exit_code == 0, again.output
    assert isinstance(other.exception, training.BadRun)
    assert "another base" in str(other.exception)


def test_what_was_told_of_a_run_is_not_told_again_beside_another_loss(loose: Path, music: Path):
    command = ["polka.toml", "--midi", str(loose)]

    first, again = train(*command), train(*command)
    more = train(*command, "--tokens", "1536")

    steps = [re.findall(r"^step \d+", run.output, re.MULTILINE) for run in (first, again, more)]
    assert steps == [["step 0", "step 2", "step 4"], [], ["step 6", "step 8"]]
    assert "step 0, 0.00 M tokens: held out" in first.output  # nothing was learned yet, so there is no loss
    assert "4/4 0:00:00" in again.output
    assert "from step 4 on" in more.output


def test_whoever_stops_it_is_told_how_to_go_on(music: Path, monkeypatch: pytest.MonkeyPatch):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "train", stop)

    result = train("--midi", str(music), "--corpora", "rock")

    assert result.exit_code == 1
    assert "Stopped; the same command goes on." in result.output


def test_weights_are_never_without_the_index_that_guards_against_copies(
    loose: Path, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(learning, "_index", stop)

    train("polka.toml", "--midi", str(loose))

    assert not (tmp_path / "polka.safetensors").exists()


def test_what_is_said_of_listening_is_true(loose: Path, music: Path, tmp_path: Path):
    played = train("polka.toml", "--midi", str(loose))
    elsewhere = train("polka.toml", "--midi", str(loose), "--out", "other.safetensors")

    assert "listen: lnh compose '/g polka'" in played.output
    assert "lnh compose" not in elsewhere.output
    assert f"to listen, copy it to {tmp_path / 'polka.safetensors'}, and other.originality" in elsewhere.output


def test_what_learns_from_how_the_weights_play_is_named(loose: Path, music: Path, tmp_path: Path):
    first = train("polka.toml", "--midi", str(loose))
    (tmp_path / "polka.leader.safetensors").touch()
    (tmp_path / "polka.critic.safetensors").touch()
    (tmp_path / "polka.figures.json").touch()

    again = train("polka.toml", "--midi", str(loose))

    assert "nearer to real songs: lnh calibrate polka --midi MIDI_FOLDER; lnh critic polka" in first.output
    assert "run again" not in first.output
    assert "figures" not in first.output
    assert f"{tmp_path / 'polka.figures.json'} tells of the weights before: judge anew, or delete it" in again.output
    assert "run again: lnh leader polka --midi MIDI_FOLDER; lnh critic polka --midi MIDI_FOLDER" in again.output


def test_a_run_on_other_songs_is_refused(music: Path):
    train("--midi", str(music), "--corpora", "rock")

    result = train("--midi", str(music), "--corpora", "heavy-metal")

    assert isinstance(result.exception, training.BadRun)
    assert "--run" in str(result.exception)


def test_more_threads_than_any_machine_has_are_refused(music: Path):
    result = train("--midi", str(music), "--corpora", "rock", "--threads", "1000000")

    assert result.exit_code == 2
    assert "0<=x<=256" in result.output


def test_the_gpu_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch):
    for there, chosen in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)

        assert device.choose_device() == chosen
        assert device.choose_device("cpu") == "cpu"


def test_a_gpu_that_is_not_there_is_missed(music: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    result = train("--midi", str(music), "--corpora", "rock", "--device", "cuda")

    assert isinstance(result.exception, NeedsOperator)
    assert "--device" in str(result.exception)

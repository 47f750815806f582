"""`lnh train` makes weights from a folder of songs, and says in a line why it cannot."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from scores import make_score

from model import learning
from model import train as training
from model.errors import NeedsOperator
from model.genre import Genre
from model.learning import SHARE_OF_OWN, train_command
from model.midi import write_midi
from model.network import Architecture
from model.originality import Index
from model.weights import load_weights, read_provenance


@pytest.fixture
def music(tmp_path: Path, genre: Genre, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two songs of metal and one of rock, at hand for a small composer."""
    for name, tempo_bpm in (("heavy-metal/one", 120), ("heavy-metal/two", 150), ("rock/three", 100)):
        path = tmp_path / "music" / f"{name}.mid"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_midi(make_score(10, tempo_bpm=tempo_bpm), genre, path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(learning, "Architecture", lambda: Architecture(width=32, layers=2, heads=2, window=256))
    monkeypatch.setattr(training, "WINDOW", 128)
    monkeypatch.setattr(training, "BATCH", 2)
    return tmp_path / "music"


def train(music: Path, *arguments: str) -> Result:
    return CliRunner().invoke(train_command, [str(music), "--threads", "1", "--tokens", "768", *arguments])


def test_a_base_is_trained_and_then_tuned_to_a_genre(music: Path, tmp_path: Path):
    base = train(music, "--corpora", "rock,heavy-metal", "--out", "base.safetensors")
    tuned = train(
        music, "--genre", "heavy-metal", "--corpora", "rock", "--base", "base.safetensors", "--out", "m.safetensors"
    )

    assert base.exit_code == 0, base.output
    assert tuned.exit_code == 0, tuned.output
    assert load_weights(tmp_path / "m.safetensors").architecture.width == 32
    provenance = read_provenance(tmp_path / "m.safetensors")
    assert provenance["corpora"] == pytest.approx({"heavy-metal": SHARE_OF_OWN, "rock": 1 - SHARE_OF_OWN})
    assert provenance["songs"] == {"heavy-metal": 2, "rock": 1}
    assert provenance["base"]["corpora"] == {"rock": 0.5, "heavy-metal": 0.5}
    assert provenance["tokens_seen"] == 768
    assert Index.load(tmp_path / "m.originality.safetensors").longest_run(make_score(10)) > 0


def test_the_same_command_goes_on_with_the_run(music: Path, tmp_path: Path):
    train(music, "--corpora", "rock", "--out", "base.safetensors")

    again = train(music, "--corpora", "rock", "--out", "base.safetensors", "--tokens", "1536")

    assert again.exit_code == 0, again.output
    assert training.read_state(tmp_path / "runs" / "base")["step"] == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to learn: give --genre, --corpora, or both"),
        (["--corpora", "polka"], "corpus 'polka' is not one of heavy-metal"),
        (["--corpora", "rock=much"], "the share of rock is 'much'; write a number above 0"),
        (["--corpora", "jazz"], "neither jazz/ nor jazz.tar.xz is here"),
        (["--corpora", "rock", "--base", "music/rock/three.mid"], "three.mid: damaged"),
    ],
)
def test_what_cannot_be_trained_is_said_in_a_line(music: Path, arguments: list[str], message: str):
    result = train(music, *arguments)

    assert isinstance(result.exception, NeedsOperator)
    assert message in str(result.exception)


def test_a_run_on_other_songs_is_refused(music: Path):
    train(music, "--corpora", "rock", "--out", "base.safetensors")

    result = train(music, "--corpora", "heavy-metal", "--out", "base.safetensors")

    assert isinstance(result.exception, training.BadRun)
    assert "--run" in str(result.exception)

"""Weights are read as they were written, or refused by the name of their file."""

import errno
import json
import os
from functools import partial
from pathlib import Path

import pytest
import torch
from leaders import make_leader
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from scores import make_score
from small_composer import as_tensors, small_composer

from model import tokens as t
from model.calibration import Calibration
from model.critic import Critic
from model.errors import CannotWrite, NeedsOperator
from model.network import input_rows
from model.originality import build_index
from model.reader import INPUTS
from model.weights import FORMAT, BadWeights, load_base, load_weights, read_provenance, save_weights, weights_path


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "polka.safetensors"
    save_weights(path, small_composer(), {"corpora": {"folk": 1.0}, "tokens_seen": 7})
    return path


def tampered(path: Path, **metadata: str | None) -> Path:
    """The same weights under another header; None leaves a line out."""
    with safe_open(path, framework="pt") as stored:
        header = dict(stored.metadata()) | metadata
    save_file(load_file(path), path, {name: text for name, text in header.items() if text is not None})
    return path


def test_weights_compose_after_the_trip_through_a_file_as_before(weights: Path):
    song = as_tensors(t.encode(make_score(2), "folk"), 2)

    again = load_weights(weights)

    with torch.no_grad():
        torch.testing.assert_close(again(*song), small_composer()(*song), rtol=2e-2, atol=2e-2)
    assert again.architecture == small_composer().architecture
    assert not again.training
    assert all(parameter.dtype == torch.float32 for parameter in again.parameters())


def test_weights_are_stored_in_half_precision(weights: Path):
    tensors = load_file(weights)

    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}


def test_weights_rest_in_half_the_memory_and_wake_as_they_were_read(weights: Path):
    read, resting = load_weights(weights), load_weights(weights).at_rest()

    awake = resting.awake()

    assert {parameter.dtype for parameter in resting.parameters()} == {torch.float16}
    assert all(torch.equal(tensor, read.state_dict()[name]) for name, tensor in awake.state_dict().items())
    assert torch.equal(awake.angles, read.angles)
    assert awake.awake() is awake


def test_weights_say_where_they_come_from(weights: Path):
    assert read_provenance(weights) == {"corpora": {"folk": 1.0}, "tokens_seen": 7}


def test_weights_replace_older_ones_and_leave_nothing_half_written(weights: Path):
    save_weights(weights, small_composer(seed=2), {})

    assert [path.name for path in weights.parent.iterdir()] == ["polka.safetensors"]
    assert read_provenance(weights) == {}


def test_weights_that_cannot_be_written_are_named(tmp_path: Path):
    (tmp_path / "polka.partial").mkdir()

    with pytest.raises(CannotWrite, match=r"polka\.safetensors: there is a folder where a file should be"):
        save_weights(tmp_path / "polka.safetensors", small_composer(), {})


def test_a_full_disk_is_said_to_be_full_and_what_was_there_stays(weights: Path, monkeypatch: pytest.MonkeyPatch):
    before = weights.read_bytes()

    def full(_number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    songs = [make_score(4)]
    writers = [build_index(songs).save, Critic.learn(songs, songs, {}).save, make_leader().save,
               Calibration.none().save]  # fmt: skip

    for save in (partial(save_weights, network=small_composer(), provenance={}), *writers):
        with pytest.raises(CannotWrite, match=r"polka\.safetensors: no space left on this disk"):
            save(weights)
    assert weights.read_bytes() == before


def test_missing_weights_are_named_with_what_to_do(tmp_path: Path):
    path = tmp_path / "polka.safetensors"

    with pytest.raises(BadWeights) as caught:
        load_weights(path)

    assert str(path) in str(caught.value)
    assert "lnh train" in str(caught.value)


def test_weights_of_another_vocabulary_are_named(weights: Path):
    older = json.dumps(json.loads(FORMAT) | {"vocabulary": "0123456789abcdef"})

    with pytest.raises(BadWeights, match=r"another vocabulary; .*`lnh train GENRE\.toml --midi FOLDER`") as caught:
        load_weights(tampered(weights, format=older))

    assert str(weights) in str(caught.value)


def test_weights_for_other_inputs_are_named(weights: Path):
    older = json.dumps({"vocabulary": t.FINGERPRINT, "inputs": {"role": 7}})

    with pytest.raises(BadWeights, match="another vocabulary"):
        load_weights(tampered(weights, format=older))


@pytest.mark.parametrize(
    "architecture",
    [
        None, "{", "[]", "{}", '{"width": 64}', '{"depth": 3}', '{"width": "wide"}', '{"heads": 0}',
        '{"width": 32, "layers": 1, "heads": 2, "window": 256}',
    ],
)  # fmt: skip
def test_weights_of_another_architecture_are_named(weights: Path, architecture: str | None):
    path = tampered(weights, architecture=architecture)

    with pytest.raises(BadWeights) as caught:
        load_weights(path)

    assert str(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("kept", [0, 4, 100, 5000, -1])
def test_a_truncated_file_is_named(weights: Path, kept: int):
    weights.write_bytes(weights.read_bytes()[:kept])

    with pytest.raises(BadWeights) as caught:
        load_weights(weights)

    assert str(weights) in str(caught.value)
    with pytest.raises(BadWeights):
        read_provenance(weights)


@pytest.mark.parametrize("content", [b"PK\x03\x04 a pickle in a zip", b"\x80\x04\x95", b"\xff" * 4096])
def test_a_file_of_another_kind_is_named_and_never_run(weights: Path, content: bytes):
    weights.write_bytes(content)

    with pytest.raises(BadWeights):
        load_weights(weights)


def test_a_folder_in_place_of_weights_is_named(tmp_path: Path):
    with pytest.raises(BadWeights):
        load_weights(tmp_path)
    with pytest.raises(BadWeights):
        read_provenance(tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_named(tmp_path: Path, value: float):
    network = small_composer()
    with torch.no_grad():
        network.token.weight[3, 4] = value
    path = tmp_path / "broken.safetensors"
    save_weights(path, network, {})

    with pytest.raises(BadWeights, match="not finite") as caught:
        load_weights(path)

    assert str(path) in str(caught.value)


def test_bad_weights_are_for_the_operator():
    assert issubclass(BadWeights, NeedsOperator)


def test_the_weights_of_a_genre_lie_in_the_house():
    path = weights_path("heavy-metal")

    assert path.parts[-2:] == ("weights", "heavy-metal.safetensors")


def test_a_base_of_an_older_vocabulary_is_grown_by_the_names_of_its_rows(weights: Path):
    old = small_composer()
    fewer_inputs = {name: size for name, size in INPUTS.items() if name not in ("last", "scale")}
    rows = input_rows(INPUTS)
    kept = [row for name in fewer_inputs for row in rows[name]]
    with torch.no_grad():
        old.token.weight = torch.nn.Parameter(old.token.weight[:-2].clone())
        old.known.weight = torch.nn.Parameter(old.known.weight[[0, *kept]].clone())
    save_weights(weights, old, {})
    older = json.dumps({"vocabulary": "0123456789abcdef", "inputs": fewer_inputs})
    tampered(weights, format=older, names=json.dumps(t.NAMES[:-2]))

    grown = load_base(weights)

    torch.testing.assert_close(grown.token.weight[:-2], old.token.weight, rtol=1e-2, atol=1e-3)
    torch.testing.assert_close(grown.known.weight[kept], old.known.weight[1:], rtol=1e-2, atol=1e-3)
    assert not grown.known.weight[list(rows["last"])].any()
    with pytest.raises(BadWeights, match="another vocabulary"):
        load_weights(weights)


def test_a_base_that_does_not_tell_its_vocabulary_is_named(weights: Path):
    tampered(weights, format=json.dumps({"vocabulary": "0", "inputs": {}}), names=None)

    with pytest.raises(BadWeights, match="another base"):
        load_base(weights)

"""Weights on disk: safetensors in half precision, architecture and vocabulary fingerprint in the header."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from model import tokens as t
from model.errors import NeedsOperator, write_whole
from model.network import Architecture, Composer, input_rows
from model.reader import INPUTS

WEIGHTS_FOLDER = Path(__file__).resolve().parent.parent / "weights"
LONGEST_WINDOW = 2**16  # tokens; far beyond what is of use
FORMAT = json.dumps({"vocabulary": t.FINGERPRINT, "inputs": INPUTS})


class BadWeights(NeedsOperator):
    """A weights file cannot be used; the message names it."""


def weights_path(name: str) -> Path:
    """Where the weights of a genre file's `weights` lie."""
    return WEIGHTS_FOLDER / f"{name}.safetensors"


def save_weights(path: Path, network: Composer, provenance: dict[str, Any]) -> None:
    """Write all or nothing; `provenance` says from what and how the weights were trained.

    Raises:
        CannotWrite: The disk is full, or not ours to write.
    """
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in network.state_dict().items()}
    metadata = {
        "format": FORMAT,
        "names": json.dumps(t.NAMES),
        "architecture": json.dumps(asdict(network.architecture)),
        "provenance": json.dumps(provenance),
    }
    write_whole(path, save(tensors, metadata))  # `save_file` would not say what the trouble is


def load_weights(path: Path) -> Composer:
    """The network of a weights file, in single precision, ready to compose.

    Raises:
        BadWeights: Missing, damaged, or made for another vocabulary or architecture.
    """
    metadata, tensors = _read(path)
    if metadata.get("format") != FORMAT:
        again = "train it again with `lnh train GENRE.toml --midi FOLDER`"
        raise BadWeights(f"{path}: made for another vocabulary; {again}")
    return _network(path, metadata, tensors).eval()


def load_base(path: Path) -> Composer:
    """The network of a weights file to go on learning from, though its vocabulary be an older one.

    What is known beside a token and was not known then begins as nothing; new tokens begin at random.

    Raises:
        BadWeights: Missing, damaged, or made for another architecture.
    """
    metadata, tensors = _read(path)
    if metadata.get("format") != FORMAT:
        try:
            tensors = _grown(metadata, tensors)
        except (ArithmeticError, RuntimeError, KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise BadWeights(f"{path}: made for a vocabulary that it does not tell; choose another base") from error
    return _network(path, metadata, tensors).train()


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    if not path.is_file():
        raise BadWeights(f"{path}: no such file; train it with `lnh train`, or name other weights in the genre file")
    try:
        with safe_open(path, framework="pt") as stored:
            tensors = {name: stored.get_tensor(name).float() for name in stored.keys()}  # noqa: SIM118
            return stored.metadata() or {}, tensors
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise _damaged(path, error) from error


def _network(path: Path, metadata: Mapping[str, str], tensors: dict[str, Tensor]) -> Composer:
    try:
        network = Composer(_architecture(metadata, tensors))
        network.load_state_dict(tensors)
    except (ArithmeticError, RuntimeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise _damaged(path, error) from error
    if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
        raise BadWeights(f"{path}: holds numbers that are not finite; restore it or train it again with `lnh train`")
    return network


def _architecture(metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> Architecture:
    """What the header says, unless the tensors say otherwise: a damaged one could ask for more memory than there is.

    Raises:
        ValueError, KeyError, IndexError, TypeError, RecursionError
    """
    told = Architecture(**json.loads(metadata["architecture"]))
    width = tensors["token.weight"].shape[1]
    layers = len({name.split(".")[1] for name in tensors if name.startswith("blocks.")})
    if not all(type(each) is int for each in asdict(told).values()) or (told.width, told.layers) != (width, layers):
        raise ValueError(f"an architecture of {told}, for tensors of {layers} layers and width {width}")
    if told.heads < 1 or told.width % (2 * told.heads) or not 0 < told.window <= LONGEST_WINDOW:
        raise ValueError(f"an architecture of {told}, which cannot be")
    return told


def _damaged(path: Path, error: Exception) -> BadWeights:
    why = (str(error).splitlines() or ["empty"])[0]  # torch lists every tensor that does not fit
    return BadWeights(f"{path}: damaged ({why}); restore it or train it again with `lnh train`")


def _grown(metadata: Mapping[str, str], tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with rows for today's tokens and inputs, each filled with its old row where there was one."""
    fresh = Composer(_architecture(metadata, tensors))
    token, known = fresh.token.weight.detach().clone(), torch.zeros_like(fresh.known.weight)
    old_names: list[str] = json.loads(metadata["names"])
    for row, name in enumerate(old_names):
        if name in t.NAMES:
            token[t.NAMES.index(name)] = tensors["token.weight"][row]
    old_rows, new_rows = input_rows(json.loads(metadata["format"])["inputs"]), input_rows(INPUTS)
    for name in old_rows.keys() & new_rows.keys():
        if len(old_rows[name]) == len(new_rows[name]):
            known[new_rows[name].start : new_rows[name].stop] = tensors["known.weight"][
                old_rows[name].start : old_rows[name].stop
            ]
    return tensors | {"token.weight": token, "known.weight": known}


def read_provenance(path: Path) -> dict[str, Any]:
    """What `save_weights` was told, for the model card and `lnh genres`.

    Raises:
        BadWeights: Missing or damaged.
    """
    return _read_about(path, "provenance")


def read_architecture(path: Path) -> Architecture:
    """The shape of the network of a weights file.

    Raises:
        BadWeights: Missing or damaged.
    """
    try:
        return Architecture(**_read_about(path, "architecture"))
    except TypeError as error:
        raise _damaged(path, error) from error


def _read_about(path: Path, key: str) -> dict[str, Any]:
    try:
        with safe_open(path, framework="pt") as stored:
            about = json.loads((stored.metadata() or {})[key])
    except (SafetensorError, OSError, KeyError, ValueError, RecursionError) as error:
        raise BadWeights(f"{path}: no {key} to be read ({error})") from error
    if not isinstance(about, dict):
        raise BadWeights(f"{path}: no {key} to be read ({about!r:.80} is no table)")
    return about

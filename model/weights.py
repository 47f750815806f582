"""Weights on disk: safetensors in half precision, architecture and vocabulary fingerprint in the header."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from model import tokens as t
from model.errors import NeedsOperator
from model.network import Architecture, Composer
from model.reader import INPUTS

WEIGHTS_FOLDER = Path(__file__).resolve().parent.parent / "weights"
FORMAT = json.dumps({"vocabulary": t.FINGERPRINT, "inputs": INPUTS})


class BadWeights(NeedsOperator):
    """A weights file cannot be used; the message names it."""


def weights_path(name: str) -> Path:
    """Where the weights of a genre file's `weights` lie."""
    return WEIGHTS_FOLDER / f"{name}.safetensors"


def save_weights(path: Path, network: Composer, provenance: dict[str, Any]) -> None:
    """Write all or nothing; `provenance` says from what and how the weights were trained."""
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in network.state_dict().items()}
    metadata = {
        "format": FORMAT,
        "architecture": json.dumps(asdict(network.architecture)),
        "provenance": json.dumps(provenance),
    }
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, metadata)
    partial.chmod(0o644)  # safetensors lets only its owner read, and the worker may be another user
    partial.replace(path)


def load_weights(path: Path) -> Composer:
    """The network of a weights file, in single precision, ready to compose.

    Raises:
        BadWeights: Missing, damaged, or made for another vocabulary or architecture.
    """
    if not path.is_file():
        raise BadWeights(f"{path}: no such file; train it with `lnh train`, or name other weights in the genre file")
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise BadWeights(f"{path}: made for another vocabulary; train it again with `lnh train`")
            tensors = {name: stored.get_tensor(name).float() for name in stored.keys()}  # noqa: SIM118
        network = Composer(Architecture(**json.loads(metadata["architecture"])))
        network.load_state_dict(tensors)
    except (SafetensorError, OSError, ArithmeticError, RuntimeError, KeyError, TypeError, ValueError) as error:
        why = (str(error).splitlines() or ["empty"])[0]  # torch lists every tensor that does not fit
        raise BadWeights(f"{path}: damaged ({why}); restore it or train it again with `lnh train`") from error
    if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
        raise BadWeights(f"{path}: holds numbers that are not finite; restore it or train it again with `lnh train`")
    return network.eval()


def read_provenance(path: Path) -> dict[str, Any]:
    """What `save_weights` was told, for the model card and `lnh genres`.

    Raises:
        BadWeights: Missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            provenance: dict[str, Any] = json.loads((stored.metadata() or {})["provenance"])
            return provenance
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise BadWeights(f"{path}: no provenance to be read ({error})") from error

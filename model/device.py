"""Where the composer learns or plays: on the processor or on a GPU."""

import torch

from model.errors import NeedsOperator


def choose_device(asked: str = "auto") -> str:
    """A torch device: "auto" is the GPU where there is one that torch can use.

    Raises:
        NeedsOperator: What was asked for is not there.
    """
    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if asked == "cuda" and not torch.cuda.is_available():
        raise NeedsOperator("--device cuda: torch finds no GPU here; install its driver, or leave --device out")
    return asked

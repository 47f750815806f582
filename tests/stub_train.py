"""`lnh train` with a composer so small that a test can train it; run as a program, so that it can be killed."""

import sys

from model import learning, train
from model.learning import train_command
from model.network import Architecture

SMALL = {"WINDOW": 96, "BATCH": 2, "SAVE_EVERY": 4, "SAVE_LEAST": 2, "HELD_OUT_WINDOWS": 4}


def main() -> None:
    """The arguments are those of `lnh train`."""
    for name, value in SMALL.items():
        setattr(train, name, value)
    learning.Architecture = lambda: Architecture(width=32, layers=2, heads=2, window=128)  # type: ignore[assignment, misc]
    train_command(sys.argv[1:])


if __name__ == "__main__":
    main()

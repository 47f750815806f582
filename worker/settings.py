"""What the environment says to the studio; the bot reads the same two lines through here."""

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from dotenv import dotenv_values

from model.errors import NeedsOperator

LONGEST_SECRET = 4096  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class StudioSettings:
    """Where the queues and the tracks are."""

    redis_url: str
    store_url: str  # of fsspec: a folder or "s3://…"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read REDIS_URL and LNH_STORE; the store is by default a folder in LNH_DATA."""
        data = environment.get("LNH_DATA") or "data"
        return cls(
            redis_url=environment.get("REDIS_URL") or "redis://localhost:6379/0",
            store_url=environment.get("LNH_STORE") or str(Path(data) / "tracks"),
        )


def read_environment(dotenv: Path = Path(".env")) -> dict[str, str]:
    """The variables of this process, and beneath them those of the file `.env` in the working folder.

    Those that begin with AWS_ become the process's own: the store's library looks for them there alone.
    """
    written = {name: value for name, value in dotenv_values(dotenv).items() if value is not None}
    for name, value in written.items():
        if name.startswith("AWS_"):
            os.environ.setdefault(name, value)
    return with_secrets({**written, **os.environ}, ("REDIS_URL",))


def named(name: str, dotenv: Path = Path(".env")) -> str:
    """A variable as errors name it: with the file where it stands, unless it is of the environment."""
    return name if name in os.environ or name not in dotenv_values(dotenv) else f"{dotenv}: {name}"


def read_number(environment: Mapping[str, str], name: str, otherwise: float, *, whole: bool = False) -> float:
    """The number that a variable holds, or what it is otherwise.

    Raises:
        NeedsOperator: It is no number above 0.
    """
    written = environment.get(name, "").strip()
    if not written:
        return otherwise
    try:
        number = float(int(written) if whole else written)
    except (ValueError, OverflowError):
        number = math.nan
    if not 0 < number < math.inf:
        raise NeedsOperator(f"{named(name)} is {written!r}; write a {'whole ' if whole else ''}number above 0")
    return number


def with_secrets(environment: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """The variables, and those of the names that stand in a file of their own: what NAME_FILE names becomes NAME.

    Raises:
        NeedsOperator: Both are set, and NAME does not name the file as well, or the file cannot be read.
    """
    files = {name: environment[f"{name}_FILE"].strip() for name in names if environment.get(f"{name}_FILE", "").strip()}
    return {**environment, **{name: _secret(name, Path(path), environment) for name, path in files.items()}}


def _secret(name: str, path: Path, environment: Mapping[str, str]) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            secret = file.read(LONGEST_SECRET + 1).strip()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no text"  # more could repeat what is in it
        raise NeedsOperator(f"{name}_FILE: {path} cannot be read: {why}") from None
    if not secret or len(secret) > LONGEST_SECRET:
        raise NeedsOperator(f"{name}_FILE: {path} is empty, or too long for a secret")
    if environment.get(name, "").strip() not in ("", secret, environment[f"{name}_FILE"].strip()):
        raise NeedsOperator(f"{name} and {name}_FILE are both set; take one away")
    return secret

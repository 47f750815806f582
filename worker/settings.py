"""What the environment says to the studio; the bot reads the same two lines through here."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from dotenv import dotenv_values


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
    """The variables of this process, and beneath them those of the file `.env` in the working folder."""
    written = {name: value for name, value in dotenv_values(dotenv).items() if value is not None}
    return {**written, **os.environ}

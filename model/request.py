"""What someone asked for, complete and checked."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

KEY_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,128}")
UNWRITABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")  # not in a tag, an argument or a line of text
SEEDS = 2**32
LONGEST_JSON = 65_536  # characters of a request or a track; they have a few hundred
NUMBER = int | float
KINDS = {
    "key": str, "title": str, "take": int, "genre": str, "tempo_bpm": NUMBER, "randomness": NUMBER, "seed": int,
    "seconds": NUMBER | None, "bars": int | None,
}  # what each field is in JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeRequest:
    """One song to compose; the same request gives the same score on the same machine.

    Raises:
        ValueError: A field is outside what its comment allows.
    """

    key: str  # "mastodon-1138": names the job and the files; letters, digits, "_" and "-"
    title: str  # as shown to people; at most 80 graphemes, on one line
    take: int  # 1 for the first time that its author has it played
    genre: str  # name of a genre file
    tempo_bpm: float  # quarter notes a minute, above 0
    randomness: float  # 0 safe to 1 wild
    seed: int  # 0 to 2**32 - 1
    seconds: float | None = None  # length asked for; None: the genre's own
    bars: int | None = None  # exact number of bars; wins over seconds

    def __post_init__(self) -> None:
        checks = {
            "key": KEY_PATTERN.fullmatch(self.key) is not None,
            "title": len(self.title) <= 2000 and not UNWRITABLE.search(self.title),
            "take": self.take >= 1,
            "tempo_bpm": 1 <= self.tempo_bpm <= 1000,
            "randomness": 0 <= self.randomness <= 1,
            "seed": 0 <= self.seed < SEEDS,
            "seconds": self.seconds is None or 1 <= self.seconds <= 600,
            "bars": self.bars is None or 1 <= self.bars <= 1000,
        }
        wrong = [name for name, good in checks.items() if not good]
        if wrong:
            shown = "no such thing" if wrong[0] == "title" else repr(getattr(self, wrong[0]))  # words may be private
            raise ValueError(f"compose request: {wrong[0]} is {shown}")

    def to_json(self) -> str:
        """As one JSON object."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read and check what `to_json` wrote.

        Raises:
            ValueError: Not such an object; a job that was tampered with, or of another version.
        """
        raw = read_json(text, "compose request")
        if set(raw) != {field.name for field in fields(cls)}:
            raise ValueError("compose request: not an object with the fields of a request")
        for name, value in raw.items():
            if isinstance(value, bool) or not isinstance(value, KINDS[name]):
                raise ValueError(f"compose request: {name} is a {type(value).__name__}")
        return cls(**raw)


def read_json(text: object, what: str) -> dict[str, Any]:
    """The JSON object in a text that may come from anywhere.

    Raises:
        ValueError: No such thing, or too long; says `what`, and repeats nothing of it.
    """
    if not isinstance(text, str) or len(text) > LONGEST_JSON:
        raise ValueError(f"{what}: no text of at most {LONGEST_JSON} characters")
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"{what}: no JSON") from None
    if not isinstance(raw, dict):
        raise ValueError(f"{what}: no JSON object")
    return raw


def seed_of(key: str) -> int:
    """The seed that belongs to a key: the first 32 bits of its SHA-256."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big")

"""A finished track: what the studio hands over."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Self

MP3, MP4, MIDI, PNG = "audio/mpeg", "video/mp4", "audio/midi", "image/png"
SUFFIXES = {MP3: ".mp3", MP4: ".mp4", MIDI: ".mid", PNG: ".png"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One song as files, and what is to be said about it."""

    key: str  # the request's key; the files are <key>.mp3 and so on
    media_types: tuple[str, ...]  # which of the files exist
    seconds: float  # length of the audio
    musical_key: str  # "E minor"
    players: tuple[str, ...]  # who is heard, as people say it
    stage_seconds: dict[str, float]  # wall time by stage: compose, render, mix, encode, picture

    def file_name(self, media_type: str) -> str:
        """Name of the file of a media type."""
        return self.key + SUFFIXES[media_type]

    def to_json(self) -> str:
        """As one JSON object."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ValueError: Not such an object.
        """
        raw = json.loads(text)
        if not isinstance(raw, dict) or set(raw) != {field.name for field in fields(cls)}:
            raise ValueError(f"track: not an object with the fields of a track: {text[:80]!r}")
        return cls(**{**raw, "media_types": tuple(raw["media_types"]), "players": tuple(raw["players"])})

"""A finished track: what the studio hands over."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Self

from model.request import KEY_PATTERN, read_json

LONGEST_NAME = 100  # characters of what is said about a track
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
    stage_seconds: dict[str, float]  # wall time by stage: compose, render, mix, picture, encode, verify

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
            ValueError: Not such an object; a job that was tampered with, or of another version.
        """
        raw = read_json(text, "track")
        if set(raw) != {field.name for field in fields(cls)}:
            raise ValueError("track: not an object with the fields of a track")
        timed = isinstance(raw["stage_seconds"], dict) and _are([*raw["stage_seconds"].values()], int, float)
        sound = {
            "key": isinstance(raw["key"], str) and KEY_PATTERN.fullmatch(raw["key"]),
            "media_types": _are(raw["media_types"], str) and set(raw["media_types"]) <= set(SUFFIXES),
            "seconds": _are([raw["seconds"]], int, float),
            "musical_key": isinstance(raw["musical_key"], str) and len(raw["musical_key"]) <= LONGEST_NAME,
            "players": _are(raw["players"], str) and all(len(name) <= LONGEST_NAME for name in raw["players"]),
            "stage_seconds": timed,
        }
        if wrong := [name for name, good in sound.items() if not good]:
            raise ValueError(f"track: {wrong[0]} cannot be right")
        return cls(**{**raw, "media_types": tuple(raw["media_types"]), "players": tuple(raw["players"])})


def _are(values: object, *kinds: type) -> bool:
    """Whether these are a list of such values; a truth value is no number."""
    return isinstance(values, list) and all(isinstance(each, kinds) and not isinstance(each, bool) for each in values)

"""Length of a text as X weighs it."""

import importlib
import importlib.resources
import sys
from functools import cache
from types import ModuleType
from typing import Any

MAX_WEIGHT = 280


def weighted_length(text: str) -> int:
    """A link weighs 23, an emoji or a CJK sign 2, a Latin letter 1.

    Source:
        The twitter-text configuration, version 3.
    """
    return int(_twitter_text().parse_tweet(text).weightedLength)


@cache
def _twitter_text() -> Any:
    """Import twitter-text-parser, which reads its emoji table through `pkg_resources`; setuptools 82 dropped that."""
    before = sys.modules.get("pkg_resources")
    stand_in = ModuleType("pkg_resources")
    stand_in.resource_string = _resource  # type: ignore[attr-defined]
    sys.modules["pkg_resources"] = stand_in
    try:
        return importlib.import_module("twitter_text")
    finally:
        del sys.modules["pkg_resources"]
        if before is not None:
            sys.modules["pkg_resources"] = before


def _resource(module: str, name: str) -> bytes:
    return importlib.resources.files(module.rpartition(".")[0]).joinpath(name).read_bytes()

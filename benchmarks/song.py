"""What sound and picture are measured with: one song of a four-piece band, and one way of measuring."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests")]

from machine import machine  # noqa: E402
from scores import make_score  # noqa: E402

from model.genre import load_genres  # noqa: E402
from model.request import ComposeRequest  # noqa: E402

Result = TypeVar("Result")
GENRE = load_genres()["heavy-metal"]
REQUEST = ComposeRequest(
    key="benchmark", title="Dancing robots", take=1, genre="heavy-metal", tempo_bpm=160.0, randomness=0.2, seed=1
)
TAGS = {"title": "Dancing robots", "artist": "LnH"}
SONG = make_score(bars=38, tempo_bpm=160.0)  # a minute with its ring
EXCERPT = make_score(bars=4, tempo_bpm=160.0)
TRIES = 2  # of which the cheapest counts: the other core is not always idle


def measure(work: Callable[[], Result]) -> tuple[Result, float]:
    """A result, and the least CPU seconds that it took, those of child processes too."""
    least = float("inf")
    for _ in range(TRIES):
        began = os.times()
        result = work()
        least = min(least, sum(os.times()[:4]) - sum(began[:4]))
    return result, least


def write_table(name: str, title: str, tables: list[str]) -> None:
    """Leave what was measured in `benchmarks/<name>.md`, with where, when and by which ffmpeg."""
    ffmpeg = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True).stdout.split()[2]
    heading = f"{machine()}, ffmpeg {ffmpeg}. By `python benchmarks/{name}.py`; of {TRIES} tries the cheapest."
    text = "\n".join([f"# {title}", "", heading, "", *tables, ""])
    (HERE / f"{name}.md").write_text(text, encoding="utf-8")
    print(text)

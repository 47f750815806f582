"""How much memory a worker holds that has all genres and makes a track of a minute of each.

    python benchmarks/memory.py

takes two minutes and writes its table to benchmarks/memory.md.
"""

import resource
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent)]

from machine import machine  # noqa: E402

from model.band import Band, keep_to_one_core  # noqa: E402
from model.genre import load_genres  # noqa: E402
from model.request import ComposeRequest  # noqa: E402
from worker.produce import produce  # noqa: E402

SECONDS = 60.0
SEED = 3


def main() -> None:
    """Measure and write the table."""
    keep_to_one_core()
    genres = load_genres()
    rows = [("packages", most_mb())]
    bands = {name: Band.load(genre) for name, genre in genres.items()}
    rows.append((f"{len(bands)} genres ready", most_mb()))
    with tempfile.TemporaryDirectory() as folder:
        for name, genre in genres.items():
            request = ComposeRequest(
                key=name, title="Memory", take=1, genre=name, tempo_bpm=genre.tempo.default_bpm,
                randomness=genre.randomness, seed=SEED, seconds=SECONDS,
            )  # fmt: skip
            produce(request, genre, bands[name], Path(folder))
            rows.append((f"a track of {genre.title.lower()}", most_mb()))
    text = "\n".join([
        "# Memory of a worker", "", f"{machine()}. By `python benchmarks/memory.py`.", "",
        f"The most that one process held so far. Each track is {SECONDS:g} s long, with its cover and its video "
        f"(seed {SEED}).", "", "| after | MB |", "|---|---|", *(f"| {what} | {mb:.0f} |" for what, mb in rows), "",
    ])  # fmt: skip
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


def most_mb() -> float:
    """The most resident memory so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


if __name__ == "__main__":
    main()

"""Notes, tokens and seconds of music that one core composes in a second, by batch and way of sampling.

    python benchmarks/composing.py [GENRE]

writes its table to benchmarks/composing.md.
"""

import sys
import time
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from machine import machine  # noqa: E402

from model import tokens as t  # noqa: E402
from model.band import Band, keep_to_one_core  # noqa: E402
from model.genre import find_genre  # noqa: E402
from model.guards import guard  # noqa: E402
from model.sampling import Method, compose_streams, freedom_at  # noqa: E402

BARS, TEMPO_BPM, RUNS = 32, 160, 3
CASES: tuple[tuple[Method, int], ...] = (("probability", 1), ("probability", 8), ("embedding", 1))


def main() -> None:
    """Load a band, let it compose, write the table."""
    name = sys.argv[1] if len(sys.argv) > 1 else "heavy-metal"
    keep_to_one_core()
    began = time.perf_counter()
    band = Band.load(find_genre(name))
    load_seconds = time.perf_counter() - began
    rows = [row(band, method, batch) for method, batch in CASES]
    parameters = sum(parameter.numel() for parameter in band.network.parameters())
    text = "\n".join([
        "# Composing",
        "",
        f"{machine()}. By `python benchmarks/composing.py {name}`: one core, songs of {BARS} bars at {TEMPO_BPM} bpm, "
        f"median of {RUNS} runs with seeds 0, 1, …; processor time, so that another load tells little.",
        "",
        "| sampling | songs at once | notes/s | seconds of music/s | tokens/s | seconds a song |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
        f"{parameters / 1e6:.1f} million parameters in single precision, loaded in {load_seconds:.2f} s. Memory allows "
        f"{bandwidth() / (4 * parameters):.0f} tokens/s at most, one song at a time: each token reads all of them.",
        "",
    ])  # fmt: skip
    (HERE / "composing.md").write_text(text, encoding="utf-8")
    print(text)


def row(band: Band, method: Method, batch: int) -> str:
    """One line of the table."""
    genre = band.genre
    header = t.header(genre.archives[0], TEMPO_BPM, band.roles)
    freedom = freedom_at(genre.sampling.freedom, genre.randomness)
    seconds, notes, tokens = [], [], []
    for run in range(RUNS):
        rngs = [np.random.default_rng([run * batch + i, 0]) for i in range(batch)]
        began = time.process_time()
        readers = compose_streams(
            band.network, header, bars=BARS, freedom=freedom, method=method, rngs=rngs,
            guard=partial(guard, genre, (4, 4)),
        )  # fmt: skip
        seconds.append(time.process_time() - began)
        scores = [reader.score(TEMPO_BPM) for reader in readers]
        notes.append(sum(len(part.notes) for score in scores for part in score.parts) / seconds[-1])
        tokens.append(sum(len(t.encode(score, genre.archives[0])) for score in scores) / seconds[-1])
    music = batch * BARS * 4 * 60 / TEMPO_BPM
    each = [music / taken for taken in seconds]
    return (
        f"| {method} | {batch} | {median(notes):.0f} | {median(each):.0f} | {median(tokens):.0f} "
        f"| {median(seconds) / batch:.1f} |"
    )


def bandwidth() -> float:
    """Bytes a second that one core reads, from a sum over an array larger than any cache."""
    array = torch.ones(64 << 20)
    array.sum()
    began = time.perf_counter()
    for _ in range(5):
        array.sum()
    return 5 * array.numel() * 4 / (time.perf_counter() - began)


if __name__ == "__main__":
    main()

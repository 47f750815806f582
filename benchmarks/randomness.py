"""Whether novelty and surprise rise with `/r`: measured over r = 0, 0.1, … 1, for both ways of sampling.

    python benchmarks/randomness.py [GENRE] [SONGS]

writes its table to benchmarks/randomness.md.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from statistics import mean, median
from typing import get_args

import numpy as np
import torch
from scipy.stats import spearmanr
from torch.nn import functional

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from machine import machine  # noqa: E402

from model.band import Band, keep_to_one_core  # noqa: E402
from model.corpus import as_song  # noqa: E402
from model.features import bar_hashes, columns  # noqa: E402
from model.genre import find_genre  # noqa: E402
from model.request import ComposeRequest  # noqa: E402
from model.sampling import Method  # noqa: E402
from model.score import Score  # noqa: E402

BARS, SONGS, BATCH = 32, 16, 16
STEPS = tuple(step / 10 for step in range(11))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wildness:
    """How unexpected songs are: medians over the songs, of new passages the mean, since most songs share none."""

    surprise: float  # nats a token, by the composer's own probabilities
    new_passages: float  # share of the passages of 12 notes that no training song has
    new_bars: float  # share of a part's bars that it has not played before


def main() -> None:
    """Let the band play for each r, write the table."""
    name = sys.argv[1] if len(sys.argv) > 1 else "heavy-metal"
    songs = int(sys.argv[2]) if len(sys.argv) > 2 else SONGS
    keep_to_one_core()
    band = Band.load(find_genre(name))
    lines = [
        "# Randomness",
        "",
        f"{machine()}. By `python benchmarks/randomness.py {name} {songs}`: {songs} songs of {BARS} bars for each r, "
        "seeds 0, 1, …, one take each; medians, of new passages the mean. Surprise in nats a token by the composer's "
        "own probabilities; new passages: of 12 notes, that no training song has; new bars: that the part has not "
        "played before in the song.",
    ]  # fmt: skip
    for method in get_args(Method):
        found = [measure(with_method(band, method), r, songs) for r in STEPS]
        lines += ["", f"## Sampling by {method}", "", *table(found)]
    text = "\n".join([*lines, ""])
    (HERE / "randomness.md").write_text(text, encoding="utf-8")
    print(text)


def with_method(band: Band, method: Method) -> Band:
    """The same band with another way of sampling."""
    return replace(band, genre=replace(band.genre, sampling=replace(band.genre.sampling, method=method)))


def measure(band: Band, randomness: float, songs: int) -> Wildness:
    """Let the band play, and say how unexpected it is."""
    request = ComposeRequest(
        key="randomness", title="", take=1, genre=band.genre.name, tempo_bpm=band.genre.tempo.default_bpm,
        randomness=randomness, seed=0, bars=BARS,
    )  # fmt: skip
    scores = [
        score
        for first in range(0, songs, BATCH)
        for score in band.play(
            [(request, np.random.default_rng([seed, 0])) for seed in range(first, min(first + BATCH, songs))]
        )
    ]
    known = [band.known_songs.share_known(score) if band.known_songs else None for score in scores]
    return Wildness(
        surprise=median(surprise(band, score) for score in scores),
        new_passages=mean(1 - (share or 0) for share in known),
        new_bars=median(new_bars(score) for score in scores),
    )


def surprise(band: Band, score: Score) -> float:
    """Nats a token of a score's first window, without the header."""
    song = as_song(score, "", band.genre.archives[0], band.roles, False)
    if song is None:
        return 0.0
    length = min(len(song.tokens), band.network.architecture.window)
    tokens = torch.from_numpy(song.tokens[:length].astype(np.int64))
    inputs = torch.from_numpy(song.inputs[:length].astype(np.int64))
    with torch.inference_mode():
        logits = band.network.awake()(tokens[None], inputs[None])[0]
    losses = functional.cross_entropy(logits[song.header - 1 : -1], tokens[song.header :])
    return float(losses)


def new_bars(score: Score) -> float:
    """Share of all parts' bars with notes that are the first of their kind."""
    bars = [bar_hashes(columns(part, score), len(score.time_signatures)) for part in score.parts]
    played = [part[part != 0] for part in bars]
    return sum(len(np.unique(part)) for part in played) / max(sum(map(len, played)), 1)


def table(found: Sequence[Wildness]) -> list[str]:
    """A row for each r, and the rank correlation of each column with it."""
    names = [field.name for field in fields(Wildness)]
    rows = [
        f"| {r:g} | {' | '.join(f'{getattr(each, name):.3f}' for name in names)} |"
        for r, each in zip(STEPS, found, strict=True)
    ]
    ranks = [spearmanr(STEPS, [getattr(each, name) for each in found]).statistic for name in names]
    return [
        f"| r | {' | '.join(name.replace('_', ' ') for name in names)} |",
        "|---" * (len(names) + 1) + "|",
        *rows,
        f"| rank correlation with r (Spearman) | {' | '.join(f'{rank:.2f}' for rank in ranks)} |",
    ]


if __name__ == "__main__":
    main()

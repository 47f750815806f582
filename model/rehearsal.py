"""Training a critic: the band rehearses with seeds of its own, and the critic learns those songs from real ones.

It learns from songs that the composer has learned from, too. What it gains is measured with other seeds, beside the
songs held out, which neither has seen.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from model.band import Band
from model.critic import Critic, draw
from model.likeness import Bench, Candidates, Measured
from model.reference import NoSongs, Reading, Song, read_reference, tabulate
from model.request import ComposeRequest
from model.score import Score

FIRST_SEED = 3_000_000_000  # far from those that people give; each take has its own, for its metre, too
BATCH = 16  # songs at once
TAKES = (1, 2, 4, 8, 16)  # of which one is picked, when the gain is measured
SHUFFLES = 4  # of the takes into groups to pick from
FEWEST_SONGS = 20  # real ones to learn from
FEWEST_HELD_OUT = 10  # to measure by
FEWEST_PICKED = 10  # to measure with
MOST_FLAWED = 4  # times as many takes are played as songs are wanted, at most

Floats = NDArray[np.float64]
Pick = Callable[[Floats, np.random.Generator], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """What picking one of so many takes comes to, beside held-out songs; means over SHUFFLES."""

    takes: int
    songs: int  # picked
    overlap: Measured  # relative
    told_apart: Measured  # AUC


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What the band played."""

    songs: tuple[Score, ...]  # without a flaw
    copied: int  # takes that were dropped because they share too much with a training song
    silent: int  # and because somebody hardly plays

    @property
    def played(self) -> int:
        """All takes."""
        return len(self.songs) + self.copied + self.silent


def rehearse(band: Band, *, songs: int, bars: int, first_seed: int, progress: Progress) -> Rehearsal:
    """Let the band play by its genre's defaults until there are so many songs without a flaw, or far too many with."""
    task = progress.add_task("Rehearsing", total=songs)
    good: list[Score] = []
    copied = silent = 0
    for take in takes_of(band, bars=bars, first_seed=first_seed, most=MOST_FLAWED * songs):
        beyond, hardly_plays = band.flaws(take)
        silent += hardly_plays > 0
        copied += beyond > 0 and not hardly_plays
        if not hardly_plays and not beyond:
            good.append(take)
            progress.advance(task)
        if len(good) == songs:
            break
    return Rehearsal(songs=tuple(good), copied=copied, silent=silent)


def takes_of(band: Band, *, bars: int, first_seed: int, most: int) -> Iterator[Score]:
    """Single takes by the genre's defaults, with a seed each."""
    requests = (
        ComposeRequest(
            key="rehearsal", title="", take=1, genre=band.genre.name, tempo_bpm=band.genre.tempo.default_bpm,
            randomness=band.genre.randomness, seed=seed, bars=bars,
        )
        for seed in range(first_seed, first_seed + most)
    )  # fmt: skip
    while batch := list(islice(requests, BATCH)):
        yield from band.play([(request, np.random.default_rng([request.seed, 0])) for request in batch])


def read_real(folder: Path, reading: Reading) -> tuple[Song, ...]:
    """Read a folder of real songs.

    Raises:
        NoSongs: There are too few to learn from.
    """
    songs = read_reference(folder, reading).songs
    learned = sum(not song.held_out for song in songs)
    if learned < FEWEST_SONGS:
        raise NoSongs(
            f"{folder}: {learned} songs of at least {reading.bars / 2:g} bars can be learned from; put at least "
            f"{FEWEST_SONGS} there"
        )
    return songs


def train_critic(
    band: Band, real: Sequence[Song], *, songs: int, bars: int, progress: Progress
) -> tuple[Critic, tuple[Gain, ...]]:
    """Train a critic for a band, and measure what it gains.

    Args:
        band: The band.
        real: Real songs, cut to `bars`.
        songs: How many the band plays to learn from, and again to measure by.
        bars: Length of each.
        progress: Where to show how far it is.

    Returns:
        The critic, and its gain for each number of TAKES that `songs` allow; none where too few songs are held out.
    """
    lesson = rehearse(band, songs=songs, bars=bars, first_seed=FIRST_SEED, progress=progress)
    test = rehearse(band, songs=songs, bars=bars, first_seed=FIRST_SEED + 1_000_000, progress=progress)
    learned = [song.score for song in real if not song.held_out]
    provenance = {
        "genre": band.genre.name, "bars": bars, "real_songs": len(learned), "songs": len(lesson.songs),
        "first_seed": FIRST_SEED, "takes_played": lesson.played + test.played,
        "dropped_as_copied": lesson.copied + test.copied, "dropped_as_silent": lesson.silent + test.silent,
    }  # fmt: skip
    critic = Critic.learn(learned, lesson.songs, provenance)
    enough = len(real) - len(learned) >= FEWEST_HELD_OUT
    gains = measure(real, test.songs, critic.odds(test.songs)) if enough else ()
    provenance["gains"] = [asdict(gain) for gain in gains]
    return critic, gains


def measure(real: Sequence[Song], songs: Sequence[Score], odds: Floats, pick: Pick = draw) -> tuple[Gain, ...]:
    """Gain of picking one of 1, 2, 4, … songs; as many are picked of each, for a classifier learns from them.

    Args:
        real: Real songs.
        songs: Songs of the band that the critic has not seen.
        odds: Its log odds of each.
        pick: Chooses one of several by their odds.
    """
    table = tabulate([[song.score for song in real], songs])
    held_out, of_song = np.array([song.held_out for song in real]), np.array([song.group for song in real])
    bench = Bench(table.names, table.sets[0], of_song, held_out)
    groups = len(songs) // max(TAKES)
    gains = []
    for takes in TAKES if groups >= FEWEST_PICKED else ():
        rng = np.random.default_rng(takes)
        found = []
        for _ in range(SHUFFLES):
            shuffled = rng.permutation(len(songs))[: groups * takes].reshape(groups, takes)
            picked = np.array([group[pick(odds[group], rng)] for group in shuffled])
            found.append(bench.compare(Candidates(features=table.sets[1][picked])))
        overlap, told_apart = (_mean([getattr(each, name) for each in found]) for name in ("overlap", "told_apart"))
        gains.append(Gain(takes=takes, songs=groups, overlap=overlap, told_apart=told_apart))
    return tuple(gains)


def _mean(figures: Sequence[Measured]) -> Measured:
    return Measured(
        value=float(np.mean([figure.value for figure in figures])),
        deviation=float(np.mean([figure.deviation for figure in figures])),
    )

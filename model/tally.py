"""Counting what players choose, song by song, and calibrating a band until its counts are those of real players.

Choices are counted as tokens say them, so that what is repeated counts once; but what is struck within a harmony or
with the kick is counted as it sounds, for either may be repeated without the other. A share of a song is one of the
choices of one kind that a player has made in it; each song counts alike, however much is played.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import nan

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from model import tokens as t
from model.band import Band
from model.calibration import (
    APART,
    CHANGED,
    ENOUGH,
    HIGHEST,
    INSIDE,
    KEPT,
    LONGEST_WAIT,
    MADE,
    MORE,
    NEW,
    OTHER,
    OUTSIDE,
    REPEAT,
    REST,
    SIZES,
    THIRD,
    WIDEST_STEP,
    WITH_KICK,
    WORDS,
    Calibration,
)
from model.features import KICKS, columns, sounds_in
from model.midi import nearest_duration
from model.reader import Reader
from model.rehearsal import takes_of
from model.score import ROLES, Score

FEWEST_CHOICES = 8  # of a kind, by a player in a song of which shares are taken
FEWEST_SONGS = 5
FIRST_SEED = 3_100_000_000  # far from those that people give, and from those of critics
GAINS = (0.7, 0.7, 0.7, 0.5, 0.5, 0.5, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4)  # of each rehearsal: how much of a fault it mends
AVERAGED = 6  # what the last so many come to
EVEN = 0.02  # of all shares are even ones: so that nothing is taken for impossible
FARTHEST = 2.0  # nats; what would need more is done by some players always and by others never, and not by chance

Floats = NDArray[np.float64]
Table = dict[str, Floats]  # by kind of choice: (ROLES, choices)


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How far a band is from real players, kind by kind of choice: total variation, mean over those who play.

    NaN for what nobody does often enough.
    """

    first: dict[str, float]  # in the first rehearsal
    last: dict[str, float]  # and in the last


def calibrate(
    band: Band, real: Sequence[Score], *, songs: int, bars: int, progress: Progress
) -> tuple[Calibration, Habits]:
    """Let a band rehearse until it has the habits of real players; a calibration that it has is forgotten.

    Args:
        band: The band.
        real: Real songs.
        songs: How many are played in each of the rehearsals, one after the other.
        bars: Length of each.
        progress: Where to show how far it is.
    """
    corpus, players = band.genre.archives[0], [ROLES.index(role) for role in band.roles]
    wanted = shares([tally(score, corpus) for score in progress.track(real, description="Real songs")])
    task = progress.add_task("Rehearsing", total=songs * len(GAINS))
    found, faults, latest = Calibration.none(), [], []
    for number, gain in enumerate(GAINS):
        rehearsing, first_seed = replace(band, calibration=found), FIRST_SEED + number * songs
        counts = []
        for take in takes_of(rehearsing, bars=bars, first_seed=first_seed, most=songs):
            counts.append(tally(take, corpus))
            progress.advance(task)
        own = shares(counts)
        faults.append({kind: _apart(wanted[kind][players], own[kind][players]) for kind in SIZES})
        found = _mended(found, wanted, own, gain)
        latest.append(found)
    mean = {kind: np.mean([getattr(each, kind) for each in latest[-AVERAGED:]], axis=0) for kind in SIZES}
    return Calibration(**mean), Habits(first=faults[0], last=faults[-1])


def _mended(calibration: Calibration, wanted: Table, own: Table, gain: float) -> Calibration:
    """With the logarithm of what was wanted for each time that it was done; on average nothing is added."""
    tables = {}
    for kind in SIZES:
        nats = getattr(calibration, kind) + np.nan_to_num(gain * np.log(wanted[kind] / own[kind]))
        nats -= np.nan_to_num(wanted[kind] * nats).sum(1, keepdims=True)
        tables[kind] = nats.clip(-FARTHEST, FARTHEST).astype(np.float32)
    return Calibration(**tables)


def _apart(wanted: Floats, own: Floats) -> float:
    apart = abs(wanted - own).sum(1) / 2
    known = ~np.isnan(apart)
    return float(apart[known].mean()) if known.any() else nan


def shares(songs: Sequence[Table]) -> Table:
    """Of each kind of choice, how often players choose which: (ROLES, choices), all above 0, rows of sum 1.

    NaN where fewer than FEWEST_SONGS tell.
    """
    found = {}
    for kind, size in SIZES.items():
        counts = np.array([song[kind] for song in songs])  # (songs, ROLES, choices)
        made = counts.sum(2, keepdims=True)
        tells = made >= FEWEST_CHOICES
        own = np.where(tells, counts / np.maximum(made, 1), 0).sum(0) / np.maximum(tells.sum(0), 1)
        found[kind] = np.where(tells.sum(0) >= FEWEST_SONGS, (1 - EVEN) * own + EVEN / size, np.nan)
    return found


def tally(score: Score, corpus: str) -> Table:
    """How often each player of a song has chosen what."""
    counts = {kind: np.zeros((len(ROLES), size)) for kind, size in SIZES.items()}
    reader = Reader(len(score.time_signatures))
    for token in t.encode(_on_grid(score), corpus):
        if reader.role < len(ROLES):
            for kind, choice in _choices(reader, token):
                counts[kind][reader.role, choice] += 1
        reader.push(token)
    kicks = [note.start for part in score.parts if part.role == "drums" for note in part.notes if note.pitch in KICKS]
    parts = [columns(part, score) for part in score.parts if part.role != "drums" and part.notes]
    for part in parts:
        others = [other for other in parts if other is not part and other.role != "lead"]
        role = ROLES.index(part.role)
        inside = sounds_in(part, others, score.ticks)
        counts["harmony"][role, [OUTSIDE, INSIDE]] = (~inside).sum(), inside.sum()
        if kicks:
            together = np.isin(np.unique(part.starts), kicks)
            counts["kicks"][role, [APART, WITH_KICK]] = (~together).sum(), together.sum()
    return counts


def _choices(reader: Reader, token: int) -> Iterator[tuple[str, int]]:
    """What a token chooses, of each kind."""
    if reader.fresh:
        yield "forms", REST if token == t.REST else REPEAT if token in t.REPEAT else OTHER
        if token in t.ROOT and reader.interval is not None:
            yield "intervals", KEPT if token == t.ROOT[reader.interval] else CHANGED
        return
    if token in t.ACCENT:
        return
    goes_on = token in t.AT or token == t.DONE
    if reader.struck_here:
        yield "together", ENOUGH if goes_on else MORE
    if goes_on:
        position = token - t.AT.start if token in t.AT else reader.bar_ticks
        yield "waits", min(position - reader.position, LONGEST_WAIT)
    elif token in t.PITCH:
        if not reader.struck_here:
            yield from _choices_of_pitch(reader, token - t.PITCH.start)
    else:
        kind, tokens = next(each for each in WORDS.items() if token in each[1])
        yield kind, token - tokens.start


def _choices_of_pitch(reader: Reader, pitch: int) -> Iterator[tuple[str, int]]:
    yield "registers", pitch // THIRD
    if reader.last_pitch is not None:
        yield "heights", min(max(pitch - reader.lowest_pitch, -1), HIGHEST) + 1
        yield "steps", min(abs(pitch - reader.last_pitch), WIDEST_STEP)
        yield "figures", MADE if reader.figures[pitch] else NEW


def _on_grid(score: Score) -> Score:
    """With durations that there are tokens for; a note cut short may have another."""
    parts = tuple(
        replace(part, notes=tuple(replace(note, duration=nearest_duration(note.duration)) for note in part.notes))
        for part in score.parts
    )
    return replace(score, parts=parts)

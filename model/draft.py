"""A genre file written from songs: who plays in them, on what, how fast, in which metres."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
import pretty_midi
import torch

from model import tokens as t
from model.casting import GUITARS
from model.corpus import BadCorpus, Song, as_song
from model.errors import writing
from model.genre import (
    FASTEST_BPM,
    SLOWEST_BPM,
    BadGenre,
    Genre,
    as_heard,
    check_name,
    genre_files,
    load_genre,
    load_genres,
)
from model.midi import BadMidi, read_midi, read_programs
from model.network import Composer
from model.score import ROLES, Role, Score, TimeSignature
from model.shelf import unfit
from model.train import collate, example, losses

MOST_FILES = 300  # looked at; more would not change the line-up
PLAYS_OFTEN = 0.5  # share of the songs from which a role belongs to the line-up
SLOW, FAST = 5, 95  # percentiles of the songs' tempi
TEMPO_STEP = 5  # bpm
RARE_METRE = 0.05  # share of the songs below which a metre is left out
PASSAGE = 32  # bars, in which loops are counted
NEAREST_SONGS = 16
FALLBACK = "other-band"  # the corpus of mixed bands
GUITARISTS: dict[Role, str] = {"rhythm": "rhythm guitar", "rhythm_2": "second guitar", "lead": "lead guitar"}

# The map of r that came closest to real songs in heavy metal; docs/experiments.md tells how it was found.
SAMPLING = """
[sampling]
method = "probability"

[[sampling.freedom]]        # what /r means, from 0 to 1; the middle row came closest to real songs in heavy metal
randomness = 0.0
rhythm = 0.92               # temperatures
pitch = 0.90
structure = 1.0
top_p = 0.95
noise = 0.4
repeats = 0.9

[[sampling.freedom]]
randomness = 0.4
rhythm = 1.0
pitch = 1.0
structure = 1.0
top_p = 0.98
noise = 0.4
repeats = 0.8

[[sampling.freedom]]
randomness = 1.0
rhythm = 1.06
pitch = 1.10
structure = 1.06
top_p = 1.0
noise = 0.4
repeats = 0.6
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What was found in the songs of a genre."""

    tempi: list[float] = field(default_factory=list)  # bpm, of each song
    metres: Counter[TimeSignature] = field(default_factory=Counter)  # songs by their most frequent one
    plays: Counter[Role] = field(default_factory=Counter)  # songs in which a role plays
    programs: dict[Role, Counter[int]] = field(default_factory=lambda: {role: Counter() for role in ROLES})
    loops: dict[Role, list[int]] = field(default_factory=lambda: {role: [] for role in ROLES})
    scores: list[Score] = field(default_factory=list)  # NEAREST_SONGS of them at most

    @property
    def roles(self) -> list[Role]:
        """The line-up: who plays in half of the songs, or else whoever plays most."""
        often = [role for role in ROLES if self.plays[role] >= PLAYS_OFTEN * len(self.tempi)]
        return often or [self.plays.most_common(1)[0][0]]


def survey(files: Sequence[Path], on_file: Callable[[int], None]) -> Survey:
    """Look at MOST_FILES of the files, evenly spread; `on_file` hears how many that will be, after each.

    A copy of another file is no song of its own.

    Raises:
        BadCorpus: None of them can be read.
    """
    found = Survey()
    chosen = files[:: -(-len(files) // MOST_FILES)]
    seen: set[bytes] = set()
    for path in chosen:
        with suppress(BadMidi):
            score = read_midi(path)
            digest = hashlib.sha256(path.read_bytes()).digest()
            if digest not in seen and not unfit(score):
                _look_at(score, read_programs(path), found)
            seen.add(digest)
        on_file(len(chosen))
    if not found.tempi:
        raise BadCorpus(f"{files[0].parent}: none of {len(chosen)} files is a song that can be read")
    return found


def _look_at(score: Score, programs: dict[Role, int], found: Survey) -> None:
    found.tempi.append(score.tempo_bpm)
    found.metres[Counter(score.time_signatures).most_common(1)[0][0]] += 1
    for part in score.parts:
        found.plays[part.role] += 1
        found.programs[part.role][programs[part.role]] += 1
        bars = t.bars_of(part, score)
        for begin in range(0, len(bars) - PASSAGE + 1, PASSAGE):
            runs = (len(list(run)) for notes, run in groupby(bars[begin : begin + PASSAGE]) if notes)
            found.loops[part.role].append(max(runs, default=1))
    if len(found.scores) < NEAREST_SONGS:
        found.scores.append(score)


def nearest_corpus(network: Composer, learned: Iterable[str], found: Survey, on_corpus: Callable[[int], None]) -> str:
    """The corpus, of those that a base has learned, as which it foretells the songs best.

    Every song is read as each corpus in turn: only the token GENRE of its header differs. `on_corpus` hears how many
    corpora there are, after each.
    """
    songs = [song for score in found.scores if (song := as_song(score, "", FALLBACK, found.roles, held_out=False))]
    names = [name for name in learned if name in t.CORPORA] or [FALLBACK]
    if not songs:
        return names[0]
    losses_as: dict[str, float] = {}
    for name in names:
        losses_as[name] = _loss_as(network, name, songs)
        on_corpus(len(names))
    return min(names, key=losses_as.__getitem__)


@torch.no_grad()
def _loss_as(network: Composer, corpus: str, songs: Sequence[Song]) -> float:
    rng = np.random.default_rng(0)
    total = 0.0
    for song in songs:
        tokens, inputs = collate([example(song, rng)])
        tokens[:, 1] = t.GENRE[t.CORPORA.index(corpus)]
        total += losses(network, tokens, inputs).mean().item()
    return total / len(songs)


def expect_free(path: Path) -> None:
    """A genre file that is still to be written can be called so.

    Raises:
        BadGenre: The file's name cannot be asked for in a post, or another genre has it.
    """
    check_name(path)
    for genre in load_genres(path.parent).values() if genre_files(path.parent) else ():
        for alias in (genre.name, *genre.aliases):
            if as_heard(alias) == as_heard(path.stem):
                raise BadGenre(f"{path}: {alias!r} is {genre.name} already; choose another name")


def write_genre(path: Path, found: Survey, corpus: str) -> Genre:
    """Write the genre file, and read it as any other."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(draft(path.stem, found, corpus), encoding="utf-8")
    return load_genre(path)


def draft(name: str, found: Survey, corpus: str) -> str:
    """A genre file as text: what was found, and the defaults."""
    slow, usual, fast = (_on_step(float(np.percentile(found.tempi, rank))) for rank in (SLOW, 50, FAST))
    lines = [
        f"# Written by `lnh train` from {len(found.tempi)} songs; change what you know better.",
        f"title = {json.dumps(name.replace('-', ' ').capitalize())}",
        f"weights = {json.dumps(name)}",
        f"archives = {json.dumps([corpus])}  # as which corpus the songs are learned",
        "",
        f"[tempo]  # of the songs: {SLOW} in 100 are slower, {100 - FAST} in 100 are faster",
        f"slowest_bpm = {slow}",
        f"fastest_bpm = {fast}",
        f"default_bpm = {usual}",
    ]
    for signature, share in _metres(found):
        lines += ["", "[[time_signatures]]", f"time_signature = {list(signature)}", f"share = {share:.2f}"]
    names: list[str] = []
    for role in found.roles:
        program = found.programs[role].most_common(1)[0][0]
        names.append(_player_name(role, program, names))
        lines += [
            "",
            f"[[players]]  # in {found.plays[role] / len(found.tempi):.0%} of the songs",
            f"role = {json.dumps(role)}",
            f"name = {json.dumps(names[-1])}",
            f"program = {program}",
            f"longest_loop = {_longest_loop(found.loops[role])}"
            f"  # bars alike; 19 of 20 passages of {PASSAGE} bars have no more",
        ]
    return "\n".join(lines) + "\n" + SAMPLING


def _on_step(tempo_bpm: float) -> int:
    return min(max(TEMPO_STEP * round(tempo_bpm / TEMPO_STEP), SLOWEST_BPM), FASTEST_BPM)


def _metres(found: Survey) -> list[tuple[TimeSignature, float]]:
    """Metres that are not rare with their shares, the most frequent first."""
    songs = sum(found.metres.values())
    kept = [(metre, count) for metre, count in found.metres.most_common() if count >= RARE_METRE * songs]
    kept = kept or found.metres.most_common(1)
    hundredths = [100 * count // sum(count for _, count in kept) for _, count in kept]
    hundredths[0] = 100 - sum(hundredths[1:])
    return [(metre, share / 100) for (metre, _), share in zip(kept, hundredths, strict=True)]


def _longest_loop(loops: Sequence[int]) -> int:
    return int(np.ceil(np.percentile(loops, 95))) if loops else PASSAGE // 4


def _player_name(role: Role, program: int, taken: Sequence[str]) -> str:
    """As people say it: "lead guitar", "tenor sax"; no two players have one name."""
    if role == "drums":
        return "drums"
    if program in GUITARS and role in GUITARISTS:
        return GUITARISTS[role]
    name = re.sub(r" \(.*\)|\d", "", pretty_midi.program_to_instrument_name(program)).strip().lower()
    return name if name not in taken else f"{role.replace('_', ' ')} {name}"

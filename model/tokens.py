"""The token grammar: a song as one stream, laid out bar by bar and, within a bar, part by part.

    song  = START GENRE TEMPO WITH… (BAR part…)… END        one part for each WITH, in the order of ROLES
    part  = REST | REPEAT | DOUBLE | ROOT | event… DONE
    event = AT ACCENT? (DURATION? SHAPE? PITCH)…             pitched: a duration and a chord shape hold until changed
          | AT ACCENT? HIT…                                  drums: kick, snare and one more sound in one token

A part that plays what it played k bars ago says REPEAT k, of several k the one that most parts can say; one that plays
what another part plays in this bar says DOUBLE; a bass that follows the lowest note of the rhythm guitar says ROOT. In
real songs two bars of three are of these kinds. An accent holds until changed, at most for the bar; what is repeated or
doubled takes its accents along. Because such tokens hide the music that they copy, `reader.Reader` follows the stream
and says beside each token what sounds around it.

Sources: bar-wise tokens with positions, REMI (Huang and Yang 2020, arXiv:2002.00212); parts per bar, MMM (Ens and
Pasquier 2020, arXiv:2008.06048). Repeats, doubles, roots and shapes as tokens are ours.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from statistics import median_low

import numpy as np

from model.score import DURATIONS, ROLES, TIME_SIGNATURES, Part, Role, Score, ticks_per_bar

BarNotes = tuple[tuple[int, int, int], ...]  # (start in the bar, duration, pitch), sorted: what a part plays in one bar
Accents = Mapping[int, int]  # start in the bar to SOFT or LOUD; the other starts of a bar are NORMAL

CORPORA = (
    "heavy-metal", "metal-adjacent", "rock", "other-band", "metal-drums", "jazz", "reggae", "video-game", "folk",
    "folk-leadsheet", "oldies", "classical-baroque", "funk-soul-blues", "electronic",
)  # fmt: skip
TEMPI = range(30, 260, 10)  # bpm; a tempo belongs to the nearest
MOST_BACK = 32  # bars that a repeat reaches back
LONGEST_BAR = 96  # ticks
MOST_AT_ONCE = 8  # chords or hits struck by one part at one position
ROOT_INTERVALS = (0, 12, 24)  # semitones below the rhythm guitar
OTHER_DRUMS = (37, 39, 41, 42, 44, 45, 46, 48, 49, 51, 52, 53, 54, 55, 56)  # beside kick 36 and snare 38
KICK, SNARE = 36, 38
SOFT, NORMAL, LOUD = 0, 1, 2
ACCENT_VELOCITY = 20  # from the part's median, for drums from the drum's: where soft and loud begin
HITS = tuple(
    tuple(key for key in (kick, snare, other) if key)
    for kick, snare, other in product((0, KICK), (0, SNARE), (0, *OTHER_DRUMS))
    if kick or snare or other
)
# Semitones above the lowest note; the 64 most frequent of 5 million chords in the band archives (98 % of them).
SHAPES: tuple[tuple[int, ...], ...] = tuple(
    tuple(map(int, shape.split(".")))
    for shape in (  # noqa: SIM905  # a table of words is easier to read than a list of strings
        "0 0.7 0.7.12 0.5 0.12 0.3 0.4 0.4.7 0.5.9 0.3.8 0.3.7 0.9 0.8 0.4.9 0.5.8 0.7.12.16 0.2 0.6 0.12.19 0.5.10 "
        "0.5.12 0.4.7.12 0.15 0.5.9.12 0.5.12.17 0.7.12.19 0.16 0.10 0.24 0.7.12.16.19.24 0.12.24 0.4.7.12.16 "
        "0.7.12.16.19 0.1 0.7.12.19.24 0.5.7 0.8.12 0.7.16 0.19 0.3.8.12 0.2.7 0.7.12.15 0.5.8.12 0.3.7.12 0.3.7.10 "
        "0.7.12.15.19 0.4.12 0.7.14 0.4.7.11 0.3.6 0.7.10 0.12.19.24 0.11 0.5.9.12.17 0.7.12.15.19.24 0.6.11 0.5.9.14 "
        "0.2.5 0.12.16.19 0.9.12 0.2.5.9 0.21 0.3.10 0.14"
    ).split()
)

NAMES: list[str] = []


def _tokens(prefix: str, values: Iterable[object]) -> range:
    first = len(NAMES)
    NAMES.extend(f"{prefix} {value}".strip() for value in values)
    return range(first, len(NAMES))


START, END, DONE, REST = _tokens("", ["START", "END", "DONE", "REST"])
GENRE = _tokens("GENRE", CORPORA)
TEMPO = _tokens("TEMPO", TEMPI)
WITH = _tokens("WITH", ROLES)
BAR = _tokens("BAR", (f"{n}/{d}" for n, d in TIME_SIGNATURES))
REPEAT = _tokens("REPEAT", range(1, MOST_BACK + 1))
DOUBLE = _tokens("DOUBLE", ROLES)
ROOT = _tokens("ROOT", ROOT_INTERVALS)
AT = _tokens("AT", range(LONGEST_BAR))
DURATION = _tokens("DURATION", DURATIONS)
SHAPE = _tokens("SHAPE", (".".join(map(str, shape)) for shape in SHAPES))
PITCH = _tokens("PITCH", range(128))
HIT = _tokens("HIT", ("+".join(map(str, hit)) for hit in HITS))
ACCENT = _tokens("ACCENT", ("soft", "normal", "loud"))

FINGERPRINT = hashlib.sha256("\n".join(NAMES).encode()).hexdigest()[:16]  # weights of another vocabulary do not fit

_DURATION_INDEX = {duration: i for i, duration in enumerate(DURATIONS)}
_SHAPE_INDEX = {shape: i for i, shape in enumerate(SHAPES)}
_HIT_INDEX = {hit: i for i, hit in enumerate(HITS)}
_SIGNATURE_INDEX = {signature: i for i, signature in enumerate(TIME_SIGNATURES)}


def header(corpus: str, tempo_bpm: float, roles: Sequence[Role]) -> list[int]:
    """The tokens before the first bar."""
    tempo = min(range(len(TEMPI)), key=lambda i: abs(TEMPI[i] - tempo_bpm))
    return [START, GENRE[CORPORA.index(corpus)], TEMPO[tempo], *(WITH[ROLES.index(role)] for role in roles)]


def encode(score: Score, corpus: str) -> list[int]:
    """A score as tokens.

    Lost are velocities but for three levels, and what lies outside the grid: `model.midi` folds it on reading.
    """
    parts = {part.role: bars_of(part, score) for part in score.parts}
    lags = shared_lags(list(parts.values()))
    accents = {part.role: accents_of(part, score) for part in score.parts}
    stream = header(corpus, score.tempo_bpm, list(parts))
    for bar, signature in enumerate(score.time_signatures):
        stream.append(BAR[_SIGNATURE_INDEX[signature]])
        for role in parts:
            stream += _encode_bar(bar, role, parts, lags[bar], accents[role][bar])
    return [*stream, END]


def shared_lags(parts: Sequence[Sequence[BarNotes]]) -> list[int]:
    """How many bars back, at most MOST_BACK, the parts repeat together in each bar; where none does, it says nothing.

    Of all ways through the song the one in which most parts repeat at their bar's lag; to change the lag costs as much
    as one part that does not. So a section that returns has one lag in all its bars and parts; nearest repeats would
    hide it behind the loops within it. By dynamic programming from the last bar (Viterbi 1967).
    """
    worth = np.array([
        [sum(bars[bar] != () and bars[bar] == bars[bar - back] for bars in parts) if 0 < back <= bar else 0
         for back in range(MOST_BACK + 1)]
        for bar in range(len(parts[0]) if parts else 0)
    ])  # fmt: skip
    best = worth.copy()  # from this bar on, when it has this lag
    for bar in reversed(range(len(worth) - 1)):
        best[bar] += np.maximum(best[bar + 1], best[bar + 1].max() - 1)
    lags: list[int] = []
    for now in best:
        nearest = int(now.argmax())
        lags.append(lags[-1] if lags and now[lags[-1]] >= now[nearest] - 1 else nearest)
    return lags


def bars_of(part: Part, score: Score) -> list[BarNotes]:
    """A part cut into bars; a note belongs to the bar in which it starts."""
    bars: list[list[tuple[int, int, int]]] = [[] for _ in score.time_signatures]
    bar = 0
    for note in part.notes:
        while note.start >= score.bar_starts[bar + 1]:
            bar += 1
        bars[bar].append((note.start - score.bar_starts[bar], note.duration, note.pitch))
    return [tuple(sorted(notes)) for notes in bars]


def accents_of(part: Part, score: Score) -> list[dict[int, int]]:
    """What is struck softly or loudly in each bar, by its start in the bar; beside the median velocity of the song."""
    usual = _usual_velocities(part)
    strikes: dict[int, list[int]] = {}
    for note in part.notes:
        strikes.setdefault(note.start, []).append(note.velocity - usual[note.pitch])
    accents: list[dict[int, int]] = [{} for _ in score.time_signatures]
    bar = 0
    for start, above in sorted(strikes.items()):
        while start >= score.bar_starts[bar + 1]:
            bar += 1
        mean = sum(above) / len(above)
        if abs(mean) >= ACCENT_VELOCITY:
            accents[bar][start - score.bar_starts[bar]] = LOUD if mean > 0 else SOFT
    return accents


def _usual_velocities(part: Part) -> dict[int, int]:
    """The median velocity by pitch: each drum's own, and one for all notes of the others."""
    velocities: dict[int, list[int]] = {}
    for note in part.notes:
        velocities.setdefault(note.pitch if part.role == "drums" else 0, []).append(note.velocity)
    medians = {key: median_low(values) for key, values in velocities.items()}
    return {note.pitch: medians[note.pitch if part.role == "drums" else 0] for note in part.notes}


def rooted(guitar: BarNotes, interval: int) -> BarNotes:
    """What a bass plays that follows the lowest note of each of the guitar's chords, `interval` semitones below."""
    lowest: dict[int, tuple[int, int, int]] = {}
    for start, duration, pitch in guitar:
        if start not in lowest or pitch < lowest[start][2]:
            lowest[start] = (start, duration, pitch)
    return tuple((start, duration, pitch - interval) for start, duration, pitch in lowest.values() if pitch >= interval)


def _encode_bar(
    bar: int, role: Role, parts: dict[Role, list[BarNotes]], shared_lag: int, accents: Accents
) -> list[int]:
    bars = parts[role]
    notes = bars[bar]
    if not notes:
        return [REST]
    for back in (shared_lag, *range(1, min(bar, MOST_BACK) + 1)):
        if 0 < back <= bar and bars[bar - back] == notes:
            return [REPEAT[back - 1]]
    if role == "drums":
        return [*_encode_hits(notes, accents), DONE]
    for other in ROLES[1 : ROLES.index(role)]:
        if other in parts and parts[other][bar] == notes:
            return [DOUBLE[ROLES.index(other)]]
    if role == "bass" and "rhythm" in parts:
        for i, interval in enumerate(ROOT_INTERVALS):
            if rooted(parts["rhythm"][bar], interval) == notes:
                return [ROOT[i]]
    return [*_encode_notes(notes, accents), DONE]


def _encode_hits(notes: BarNotes, accents: Accents) -> list[int]:
    stream: list[int] = []
    accent_now = NORMAL
    for start in sorted({note[0] for note in notes}):
        keys = {pitch for at, _, pitch in notes if at == start}
        others = sorted(keys - {KICK, SNARE})
        first = [key for key in (KICK, SNARE) if key in keys] + others[:1]
        hits = [tuple(first), *((key,) for key in others[1:])]
        accent = accents.get(start, NORMAL)
        stream += [AT[start], *([ACCENT[accent]] if accent != accent_now else [])]
        stream += [HIT[_HIT_INDEX[hit]] for hit in hits[:MOST_AT_ONCE]]
        accent_now = accent
    return stream


def _encode_notes(notes: BarNotes, accents: Accents) -> list[int]:
    stream: list[int] = []
    duration_now, shape_now, accent_now = -1, 0, NORMAL
    for start in sorted({note[0] for note in notes}):
        accent = accents.get(start, NORMAL)
        stream += [AT[start], *([ACCENT[accent]] if accent != accent_now else [])]
        accent_now = accent
        for duration, pitch, shape in _chords([note[1:] for note in notes if note[0] == start])[:MOST_AT_ONCE]:
            if duration != duration_now:
                stream.append(DURATION[_DURATION_INDEX[duration]])
                duration_now = duration
            if shape != shape_now:
                stream.append(SHAPE[shape])
                shape_now = shape
            stream.append(PITCH[pitch])
    return stream


def _chords(notes: Sequence[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Notes (duration, pitch) struck together as chords (duration, lowest pitch, shape), as large as shapes allow."""
    chords = []
    for duration in sorted({duration for duration, _ in notes}):
        pitches = sorted(pitch for d, pitch in notes if d == duration)
        while pitches:
            size = next(
                n for n in range(len(pitches), 0, -1) if tuple(p - pitches[0] for p in pitches[:n]) in _SHAPE_INDEX
            )
            chords.append((duration, pitches[0], _SHAPE_INDEX[tuple(p - pitches[0] for p in pitches[:size])]))
            pitches = pitches[size:]
    return sorted(chords, key=lambda chord: (chord[1], chord[0]))


assert all(ticks_per_bar(signature) <= LONGEST_BAR for signature in TIME_SIGNATURES)  # noqa: S101

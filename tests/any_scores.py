"""Scores of every kind that the tokens can write, for hypothesis."""

from collections.abc import Sequence

from hypothesis import strategies as st

from model import tokens as t
from model.reader import DRUM_DURATION, VELOCITIES
from model.score import DURATIONS, ROLES, TIME_SIGNATURES, Note, Part, Role, Score, as_part, ticks_per_bar

DRUM_KEYS = (t.KICK, t.SNARE, *t.OTHER_DRUMS)
VELOCITY = VELOCITIES[t.NORMAL]


@st.composite
def any_scores(draw: st.DrawFn, pitches: range = range(128)) -> Score:
    """Any line-up in any metre: bars of new notes, rests, repeats, doubles and roots, in no musical order."""
    signatures = tuple(draw(st.lists(st.sampled_from(TIME_SIGNATURES), min_size=1, max_size=4)))
    roles: list[Role] = sorted(draw(st.sets(st.sampled_from(ROLES), min_size=1)), key=ROLES.index)
    played: dict[Role, list[t.BarNotes]] = {role: [] for role in roles}
    for signature in signatures:
        ticks = ticks_per_bar(signature)
        for role in roles:
            bar = draw(_old_bars(played, role) | _new_bars(role, ticks, pitches))
            played[role].append(tuple(note for note in bar if note[0] < ticks))
    bare = Score(tempo_bpm=float(draw(st.integers(40, 250))), time_signatures=signatures, parts=())
    parts = tuple(part_of(role, bars, bare.bar_starts) for role, bars in played.items())
    return Score(tempo_bpm=bare.tempo_bpm, time_signatures=signatures, parts=parts)


def _old_bars(played: dict[Role, list[t.BarNotes]], role: Role) -> st.SearchStrategy[t.BarNotes]:
    """What this part played before, or what others play in this bar; nothing, too."""
    bar = len(played[role])
    bars: list[t.BarNotes] = [(), *played[role]]
    if role != "drums":
        bars += [others[bar] for other, others in played.items() if other != "drums" and len(others) > bar]
    if role == "bass" and len(played.get("rhythm", ())) > bar:
        bars += [t.rooted(played["rhythm"][bar], interval) for interval in t.ROOT_INTERVALS]
    return st.sampled_from(bars)


def _new_bars(role: Role, ticks: int, pitches: range) -> st.SearchStrategy[t.BarNotes]:
    def as_bar(strokes: dict[int, dict[int, int]]) -> t.BarNotes:
        return tuple(
            sorted((at, duration, pitch) for at, notes in strokes.items() for pitch, duration in notes.items())
        )

    sixteenths, triplets = range(0, ticks, 3), range(0, ticks, 4)
    starts = st.sampled_from(sixteenths) | st.sampled_from(triplets) | st.integers(0, ticks - 1)
    if role == "drums":
        notes = st.dictionaries(st.sampled_from(DRUM_KEYS), st.just(DRUM_DURATION), min_size=1, max_size=8)
    else:
        keys = st.integers(pitches.start, pitches.stop - 1)
        notes = st.dictionaries(keys, st.sampled_from(DURATIONS), min_size=1, max_size=t.MOST_AT_ONCE)
    return st.dictionaries(starts, notes, min_size=1, max_size=3).map(as_bar)


def part_of(role: Role, bars: Sequence[t.BarNotes], bar_starts: Sequence[int]) -> Part:
    """The opposite of `tokens.bars_of`, nothing accented."""
    notes = (
        Note(start=bar_starts[bar] + start, duration=duration, pitch=pitch, velocity=VELOCITY)
        for bar, bar_notes in enumerate(bars)
        for start, duration, pitch in bar_notes
    )
    return as_part(role, notes)

"""Follows a token stream: what sounds around the next token, which tokens may come, and the score so far."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model import tokens as t
from model.score import DURATIONS, ROLES, TIME_SIGNATURES, Note, Part, Score, as_part, ticks_per_bar

NOWHERE = t.LONGEST_BAR + 1  # "no such position in this bar"
DRUM_DURATION = 3  # ticks; a drum has no length of its own
VELOCITIES = (68, 96, 120)  # of soft, normal and loud notes, further apart than ACCENT_VELOCITY
DRUMS, RHYTHM, BASS = 0, 1, 2  # indices into ROLES
OWN_LAGS = (1, 4, 8, 16)  # bars back
FORM_LAGS = (1, 4, 8, 16)
SCALE_SIZE = 7  # pitch classes

# What is said beside each token, and how many values each can take; 0 is "none" where there may be none.
INPUTS: dict[str, int] = {
    "role": len(ROLES) + 1,          # whose turn it is; the last: nobody's
    "position": NOWHERE,             # tick in the bar
    "bar": 16,                       # bar of the song, modulo 16
    "left": 38,                      # bars left to play, this one too; in steps from 33 on
    "played": 16,                    # bars played, up to 15
    "root": 129,                     # lowest pitch + 1 that the rhythm guitar sounds here
    "low": 129,                      # pitch + 1 that the bass sounds here
    "kick": NOWHERE + 1,             # position of the next kick
    "guide": NOWHERE + 1,            # position of the next note of the part to follow
    **{f"own_{lag}": 129 + len(t.HITS) + 1 for lag in OWN_LAGS},   # what this part struck here that many bars ago
    **{f"next_{lag}": NOWHERE + 1 for lag in OWN_LAGS},            # where it struck next
    **{f"form_{lag}": t.MOST_BACK + 5 for lag in FORM_LAGS},       # whether its bar was a repeat, and how far back
    "mate": t.MOST_BACK + 5,         # the same of the last part that repeats in this bar, else of the one before this
    "last": 129,                     # lowest pitch + 1 that this part struck last, however long ago
    "until": NOWHERE + 1,            # position where the last note ends that this part sounds; NOWHERE: in a later bar
    "harmony": 4096,                 # bit set of the pitch classes that the other parts sound here
    "chord": 4096,                   # and of those that they sound anywhere in this bar
    "scale": 4096,                   # the SCALE_SIZE most frequent of the song so far
    "ringing": 4096,                 # those that this part struck before and still sounds here
}  # fmt: skip
PITCH_INPUTS = ("root", "low", *(f"own_{lag}" for lag in OWN_LAGS), "last")  # move with a transposition, up to 128
CLASS_INPUTS = ("harmony", "chord", "scale", "ringing")  # bit sets; the last of INPUTS


class Grid(NamedTuple):
    """One part's bar by position, 0 to LONGEST_BAR."""

    lowest: list[int]  # lowest pitch + 1 that sounds; 0: silence
    classes: list[int]  # bit set of pitch classes that sound
    struck: list[int]  # lowest pitch + 1 struck here; for drums 130 + the hit; 0: nothing
    next: list[int]  # position of the first strike here or later; NOWHERE: none
    next_kick: list[int]  # the same for the kick
    kicks: NDArray[np.bool_]  # whether it is struck here
    bar_classes: int  # bit set of all pitch classes in it
    counts: tuple[int, ...]  # strikes by pitch class
    last: int  # lowest pitch + 1 of the last strike; 0: none
    ends: dict[int, int]  # by pitch: where its last note ends, be it in a later bar; of drums nothing


@lru_cache(maxsize=2560)  # 13 MB; sixteen songs have some 2500 bars
def grid(notes: t.BarNotes, drums: bool) -> Grid:
    """Lay a bar out by position."""
    size = t.LONGEST_BAR + 1
    lowest, classes, struck = [0] * size, [0] * size, [0] * size
    counts = [0] * 12
    keys: dict[int, list[int]] = {}
    for start, duration, pitch in notes:
        keys.setdefault(start, []).append(pitch)
        if drums:
            continue
        counts[pitch % 12] += 1
        if struck[start] == 0 or pitch + 1 < struck[start]:
            struck[start] = pitch + 1
        for tick in range(start, min(start + duration, size)):
            classes[tick] |= 1 << (pitch % 12)
            if lowest[tick] == 0 or pitch + 1 < lowest[tick]:
                lowest[tick] = pitch + 1
    if drums:
        for start, pitches in keys.items():
            struck[start] = 130 + _main_hit(pitches)
    kicks = {start for start, pitches in keys.items() if t.KICK in pitches} if drums else set()
    bar_classes = sum(1 << pitch_class for pitch_class, count in enumerate(counts) if count)
    last = min(keys[max(keys)]) + 1 if keys and not drums else 0
    ends = {} if drums else {pitch: start + duration for start, duration, pitch in notes}
    return Grid(
        lowest, classes, struck, _next_of(keys, size), _next_of(kicks, size), np.isin(np.arange(size), [*kicks]),
        bar_classes, tuple(counts), last, ends,
    )  # fmt: skip


def _main_hit(keys: list[int]) -> int:
    others = sorted(set(keys) - {t.KICK, t.SNARE})
    return t.HITS.index(tuple([key for key in (t.KICK, t.SNARE) if key in keys] + others[:1]))


def _next_of(starts: dict[int, list[int]] | set[int], size: int) -> list[int]:
    following = [NOWHERE] * (size + 1)
    for tick in range(size - 1, -1, -1):
        following[tick] = tick if tick in starts else following[tick + 1]
    return following


@lru_cache(maxsize=4096)
def _hits_beside(struck: frozenset[int]) -> tuple[bool, ...]:
    """Which of HITS may be struck together with these drums."""
    return tuple(struck.isdisjoint(hit) for hit in t.HITS)


_SILENCE = grid((), False)
_NO_FIGURES = np.zeros(256, dtype=np.bool_)  # by interval + 128
_SHAPE_NUMBERS = {shape: number for number, shape in enumerate(t.SHAPES)}
_WHOLE_BARS = {t.DONE, t.REST, *t.REPEAT, *t.DOUBLE, *t.ROOT}


class Reader:
    """Follows one song, token by token.

    `inputs` and `allowed` speak of the token that comes next. Any stream of allowed tokens that ends with END is a
    playable score of exactly `bars` bars.
    """

    def __init__(self, bars: int) -> None:
        """Begin before START; `bars` is the length of the song."""
        self.bars_wanted = bars
        self.roles: list[int] = []
        self.signatures: list[int] = []  # indices into TIME_SIGNATURES, one for each bar begun
        self.played: list[list[t.BarNotes]] = [[] for _ in ROLES]  # by role, complete bars
        self.accents: list[list[t.Accents]] = [[] for _ in ROLES]  # by role, complete bars
        self.forms: list[list[int]] = [[] for _ in ROLES]  # by role: repeat distance, or a code above
        self._grids: list[list[Grid]] = [[] for _ in ROLES]  # by role, of `played`
        self._latest: list[list[int]] = [[] for _ in ROLES]  # by role: where each bar strikes last; NOWHERE: silence
        self._counts = [0] * 12  # strikes by pitch class so far
        self._scale = 0  # the most frequent of them, as a bit set
        self._last = [0] * len(ROLES)  # by role: lowest pitch + 1 of the last strike
        self._lowest = [128] * len(ROLES)  # by role: the lowest pitch so far; 128: none
        self.interval: int | None = None  # index into ROOT_INTERVALS: in which the bass followed the guitar last
        self._figures: list[dict[int, NDArray[np.bool_]]] = [{} for _ in ROLES]  # by role and position: `figures`
        self._held: list[dict[int, int]] = [{} for _ in ROLES]  # by role: notes of full bars that end later, by pitch
        self.tempo_bpm = 120
        self.last = -1
        self.turn = 0  # index into roles; len(roles): the bar is complete
        self.ended = False
        self._open(fresh=True)

    def _open(self, *, fresh: bool) -> None:
        self.position = 0
        self.fresh = fresh  # nothing of this part's bar is written yet
        self._notes: list[tuple[int, int, int]] = []
        self._accents: dict[int, int] = {}
        self._accent = t.NORMAL
        self._duration = -1
        self._shape = t.SHAPES[0]
        self._struck: set[int] = set()
        self._chords = 0
        if self.role < len(ROLES):
            self._look_around()
            self._ends = dict(self._held[self.role])  # by pitch: where its last note ends
            self._listen()

    def _look_around(self) -> None:
        """Note what a part has around it all through its bar."""
        role, bar, grids = self.role, self.bar, self._grids
        drums = role == DRUMS
        self._kit = self._now(DRUMS) if not drums else _SILENCE
        self._guitar = self._now(RHYTHM) if role > RHYTHM else _SILENCE
        self._bass = self._now(BASS) if role > BASS else _SILENCE
        self._guide = next((grid for grid in (self._guitar, self._bass) if grid is not _SILENCE), self._kit)
        self._own = [grids[role][bar - lag] if bar >= lag else _SILENCE for lag in OWN_LAGS]
        self._others = [] if drums else [self._now(other) for other in self.roles[: self.turn] if other != DRUMS]
        self._when = [bar % 16, _bars_left(self.bars_wanted - bar), min(bar, 15)]
        self._habits = [self.forms[role][bar - lag] if bar >= lag else 0 for lag in FORM_LAGS]
        self._habits.append(self._mate)
        chord = 0
        for other in self._others:
            chord |= other.bar_classes
        self._tonality = [chord, 0 if drums else self._scale]

    def _listen(self) -> None:
        """Note what this part still sounds of what it struck before."""
        ringing = {pitch % 12 for pitch, end in self._ends.items() if end > self.position}
        self._ringing = sum(1 << pitch_class for pitch_class in ringing)

    @property
    def role(self) -> int:
        """Index into ROLES of the part that is written now; len(ROLES) between bars."""
        return self.roles[self.turn] if self.signatures and self.turn < len(self.roles) else len(ROLES)

    @property
    def shape(self) -> int:
        """Index into SHAPES of the chord shape that holds now."""
        return _SHAPE_NUMBERS[self._shape]

    @property
    def struck(self) -> bool:
        """Whether this part has struck anything in its bar."""
        return bool(self._notes)

    @property
    def struck_here(self) -> bool:
        """Whether this part has struck anything at its position."""
        return self._chords > 0

    @property
    def harmony(self) -> int:
        """Bit set of the pitch classes that parts which have had their turn sound here."""
        harmony = 0
        for other in self._others:
            harmony |= other.classes[self.position]
        return harmony

    @property
    def last_pitch(self) -> int | None:
        """The lowest pitch of what this part struck last, however long ago; None for drums and who has not played."""
        last = self._last[self.role] if self.role < len(ROLES) else 0
        return last - 1 if last else None

    @property
    def lowest_pitch(self) -> int:
        """The lowest pitch that this part, which is no drummer, has struck in this song; 128 before the first."""
        return self._lowest[self.role]

    @property
    def figures(self) -> NDArray[np.bool_]:
        """Which pitches (128,) make a figure that this part, which has a last pitch, has made before in this song.

        A figure is an interval from the last pitch, struck at a position of a bar.
        """
        last = self._last[self.role] - 1
        return self._figures[self.role].get(self.position, _NO_FIGURES)[128 - last : 256 - last]

    @property
    def kicks(self) -> NDArray[np.bool_]:
        """Where in the bar the kick is struck, to which a part that is no drummer can listen: (LONGEST_BAR + 1,)."""
        return self._kit.kicks

    @property
    def bar_ticks(self) -> int:
        """Length of the bar that is written now."""
        return ticks_per_bar(TIME_SIGNATURES[self.signatures[-1]])

    @property
    def bar(self) -> int:
        """Number of the bar that is written now, from 0; -1 before the first."""
        return len(self.signatures) - 1

    def push(self, token: int) -> None:
        """Take the next token of the stream."""
        if token in t.AT:
            self.position, self.fresh = token - t.AT.start, False
            self._struck, self._chords = set(), 0
            self._listen()
        elif token in t.PITCH:
            if not self.struck_here and self.last_pitch is not None:
                self._remember(token - t.PITCH.start - self.last_pitch)
            self._strike(tuple(token - t.PITCH.start + step for step in self._shape), self._duration)
        elif token in t.HIT:
            self._strike(t.HITS[token - t.HIT.start], DRUM_DURATION)
        elif token in t.ACCENT:
            self._accent = token - t.ACCENT.start
        elif token in t.DURATION:
            self._duration = DURATIONS[token - t.DURATION.start]
        elif token in t.SHAPE:
            self._shape = t.SHAPES[token - t.SHAPE.start]
        elif token in _WHOLE_BARS:
            self._close(*self._whole_bar(token))
        elif token in t.BAR:
            self.signatures.append(token - t.BAR.start)
            self.turn = 0
            self._open(fresh=True)
        elif token in t.WITH:
            self.roles.append(token - t.WITH.start)
        elif token in t.TEMPO:
            self.tempo_bpm = t.TEMPI[token - t.TEMPO.start]
        self.ended = token == t.END
        self.last = token

    def _whole_bar(self, token: int) -> tuple[t.BarNotes, t.Accents, int]:
        """What a part plays in this bar by its last token, and the code of its form."""
        if token in t.REPEAT:
            back = token - t.REPEAT.start + 1
            return self.played[self.role][self.bar - back], self.accents[self.role][self.bar - back], back
        if token in t.DOUBLE:
            other = token - t.DOUBLE.start
            return self.played[other][self.bar], self.accents[other][self.bar], t.MOST_BACK + 2
        if token in t.ROOT:
            self.interval = token - t.ROOT.start
            notes = t.rooted(self.played[RHYTHM][self.bar], t.ROOT_INTERVALS[self.interval])
            return notes, self.accents[RHYTHM][self.bar], t.MOST_BACK + 3
        if token == t.REST:
            return (), {}, t.MOST_BACK + 1
        return tuple(sorted(self._notes)), self._accents, t.MOST_BACK + 4

    def _remember(self, interval: int) -> None:
        made = self._figures[self.role].setdefault(self.position, np.zeros_like(_NO_FIGURES))
        made[128 + interval] = True

    def _strike(self, pitches: tuple[int, ...], duration: int) -> None:
        self._notes += [(self.position, duration, pitch) for pitch in pitches if pitch not in self._struck]
        self._struck.update(pitches)
        self._chords += 1
        if self._accent != t.NORMAL:
            self._accents[self.position] = self._accent
        if self.role != DRUMS:
            self._last[self.role] = pitches[0] + 1
            self._lowest[self.role] = min(pitches[0], self._lowest[self.role])
            self._ends.update(dict.fromkeys(pitches, self.position + duration))

    def _close(self, notes: t.BarNotes, accents: t.Accents, form: int) -> None:
        role = self.role
        self.played[role].append(notes)
        self.accents[role].append(accents)
        self.forms[role].append(form)
        self._latest[role].append(notes[-1][0] if notes else NOWHERE)
        bar = grid(notes, role == DRUMS) if notes else _SILENCE
        self._grids[role].append(bar)
        if role != DRUMS and notes:
            self._counts = [one + other for one, other in zip(self._counts, bar.counts, strict=True)]
            self._last[role] = bar.last
            self._lowest[role] = min(self._lowest[role], *(pitch for _, _, pitch in notes))
            least = max(sorted(self._counts, reverse=True)[SCALE_SIZE - 1], 1)
            self._scale = sum(1 << pitch_class for pitch_class, count in enumerate(self._counts) if count >= least)
        ends, ticks = self._held[role] | bar.ends, self.bar_ticks
        self._held[role] = {pitch: end - ticks for pitch, end in ends.items() if end > ticks}
        self.turn += 1
        self._open(fresh=True)

    def inputs(self) -> list[int]:
        """What is known of the next token, in the order of INPUTS."""
        role, here = self.role, self.position
        if role == len(ROLES):
            bar = max(self.bar, 0)
            when = [role, here, bar % 16, _bars_left(self.bars_wanted - bar), min(bar, 15)]
            silence = [0, 0, NOWHERE, NOWHERE] + [0] * len(OWN_LAGS) + [NOWHERE] * len(OWN_LAGS)
            return when + silence + [0] * (len(FORM_LAGS) + 5) + [self._scale, 0]
        after = here if self.fresh else here + 1
        return [
            role, here, *self._when, self._guitar.lowest[here], self._bass.lowest[here], self._kit.next_kick[after],
            self._guide.next[after], *[past.struck[here] for past in self._own],
            *[past.next[after] for past in self._own], *self._habits, self._last[role],
            min(max(self._ends.values(), default=0), NOWHERE), self.harmony, *self._tonality, self._ringing,
        ]  # fmt: skip

    @property
    def _mate(self) -> int:
        """How far back the last part reaches that repeats in this bar, else the form of the part before; 0: none."""
        forms = [self.forms[role][self.bar] for role in self.roles[: self.turn]]
        repeats = [form for form in forms if form <= t.MOST_BACK]
        return (repeats or forms or [0])[-1]

    def _now(self, role: int) -> Grid:
        """What a part that has had its turn plays in this bar."""
        grids = self._grids[role]
        return grids[self.bar] if len(grids) > self.bar else _SILENCE

    def allowed(self) -> NDArray[np.bool_]:
        """Which tokens may come next, by token."""
        mask = np.zeros(len(t.NAMES), dtype=np.bool_)
        if self.last == -1:
            mask[t.START] = True
        elif self.last == t.START:
            mask[t.GENRE.start : t.GENRE.stop] = True
        elif self.last in t.GENRE:
            mask[t.TEMPO.start : t.TEMPO.stop] = True
        elif not self.signatures:
            mask[t.WITH.start + (self.roles[-1] + 1 if self.roles else 0) : t.WITH.stop] = True
            mask[t.BAR.start : t.BAR.stop] = bool(self.roles)
        elif self.turn == len(self.roles):
            over = len(self.signatures) >= self.bars_wanted
            mask[t.END] = over
            mask[t.BAR.start : t.BAR.stop] = not over
        elif self.fresh:
            self._allow_forms(mask)
        else:
            self._allow_notes(mask)
        return mask

    def _allow_forms(self, mask: NDArray[np.bool_]) -> None:
        role, bar = self.role, self.bar
        mask[t.REST] = True
        mask[t.AT.start : t.AT.start + self.bar_ticks] = True
        back = [latest < self.bar_ticks for latest in self._latest[role][: -t.MOST_BACK - 1 : -1]]
        mask[t.REPEAT.start : t.REPEAT.start + len(back)] = back
        if role == DRUMS:
            return
        for other in self.roles[: self.turn]:
            mask[t.DOUBLE.start + other] = other != DRUMS and bool(self.played[other][bar])
        if role == BASS and RHYTHM in self.roles:
            highest = max(self._guitar.struck) - 1  # of the lowest pitches of its chords
            mask[t.ROOT.start : t.ROOT.stop] = [highest >= interval for interval in t.ROOT_INTERVALS]

    def _allow_notes(self, mask: NDArray[np.bool_]) -> None:
        room = self._chords < t.MOST_AT_ONCE
        if self.last in t.AT:
            mask[t.ACCENT.start : t.ACCENT.stop] = True
            mask[t.ACCENT.start + self._accent] = False
        if self.struck_here:
            mask[t.DONE] = True
            mask[t.AT.start + self.position + 1 : t.AT.start + self.bar_ticks] = True
        if self.role == DRUMS:
            mask[t.HIT.start : t.HIT.stop] = _hits_beside(frozenset(self._struck)) if room else False
            return
        if self.last in t.DURATION or self.last in t.SHAPE:
            mask[t.DONE] = False
            mask[t.AT.start : t.AT.stop] = False
        if room or self.last in t.DURATION or self.last in t.SHAPE:
            may_pitch = self._duration > 0
            mask[t.DURATION.start : t.DURATION.stop] = self.last not in t.DURATION and self.last not in t.SHAPE
            mask[t.SHAPE.start : t.SHAPE.stop] = may_pitch and self.last not in t.SHAPE
            mask[t.PITCH.start : t.PITCH.stop - self._shape[-1]] = may_pitch
            for pitch in self._struck:
                if pitch < 128:
                    mask[t.PITCH.start + pitch] = False

    def score(self, tempo_bpm: float) -> Score:
        """What was played, up to the last complete bar; velocities tell soft, normal and loud notes.

        A note ends where its pitch is struck again, however long it was meant to be: only a later token tells.
        """
        complete = min((len(self.played[role]) for role in self.roles), default=0)
        signatures = tuple(TIME_SIGNATURES[i] for i in self.signatures[:complete])
        starts = Score(tempo_bpm=tempo_bpm, time_signatures=signatures, parts=()).bar_starts
        parts = tuple(self._part(index, starts[:complete]) for index in self.roles)
        return Score(tempo_bpm=tempo_bpm, time_signatures=signatures, parts=parts)

    def _part(self, role: int, bar_starts: Sequence[int]) -> Part:
        notes = (
            Note(start=bar_start + start, duration=duration, pitch=pitch,
                 velocity=VELOCITIES[accents.get(start, t.NORMAL)])
            for bar_start, bar, accents in zip(bar_starts, self.played[role], self.accents[role], strict=False)
            for start, duration, pitch in bar
        )  # fmt: skip
        return as_part(ROLES[role], notes)


def decode(stream: Sequence[int], tempo_bpm: float) -> Score:
    """The score of a whole stream."""
    reader = Reader(sum(token in t.BAR for token in stream))
    for token in stream:
        reader.push(token)
    return reader.score(tempo_bpm)


def _bars_left(bars: int) -> int:
    """Exact up to 32, then in steps."""
    if bars <= 32:
        return max(bars, 0)
    return 33 + sum(bars > limit for limit in (40, 48, 64, 96))

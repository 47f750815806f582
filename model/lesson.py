"""What a leader learns: how real players treat the chords of their chart, beside what the composer expects of them.

The composer reads real songs. Each pitch, and each first word on a bar, is a decision that is held beside the chart
of the song itself; what is added to the logits is fitted to make these decisions likely, by L-BFGS.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress
from torch import Tensor, nn
from torch.nn import functional

from model import tokens as t
from model.arrange import arrange
from model.band import Band
from model.chart import NO_LIMIT, QUALITIES, Chart
from model.corpus import Song, as_song, is_held_out, named_groups, song_groups
from model.leader import MOST_CHARTS, OUTSIDE, PLACES, Leader, places
from model.network import Composer
from model.originality import song_windows
from model.reader import DRUMS, INPUTS
from model.reference import NoSongs, Reading, families, find_midi, sample
from model.score import ROLES, TIME_SIGNATURES, Role, Score, ticks_per_bar

RIDGE = 1.0  # on every number; few decisions move it little
STEPS = 60  # of L-BFGS
FEWEST_SONGS = 20  # to learn from
ONLY_DRUMS = "only drums play here, and a leader has nothing to say to them; do without one"
MOST_HEARD = 100  # songs, of those to learn from and of those held out; some hundred numbers want no more
ROLE, POSITION = (list(INPUTS).index(name) for name in ("role", "position"))
ELSE, NO_BAR = t.MOST_BACK, 2  # codes of `Decisions.forms`
ENDS_OF_BARS = np.array([*t.BAR, t.DONE, t.REST, *t.REPEAT, *t.DOUBLE, *t.ROOT])  # before a part's first word on a bar

Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Foretold:
    """How well decisions are foretold, in nats each, without and with the chart."""

    songs: int
    held_out: bool  # from learning
    pitch: tuple[float, float]
    form: tuple[float, float]  # which repeat, or none


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """What real players decided beside their charts, and what the composer expected."""

    pitch_logits: Tensor  # (n, 128)
    pitches: Whole  # (n, 6): role, place, quality, root, shape, pitch
    form_logits: Tensor  # (m, MOST_BACK + 1): each repeat, and all else together
    forms: Whole  # (m, MOST_BACK + 2): role; which of them; for each repeat 0: same chords, 1: others, NO_BAR


def train_leader(band: Band, folder: Path, progress: Progress) -> tuple[Leader, Foretold]:
    """Learn from a folder of the genre's real songs; what it comes to is measured on those held out, if there are any.

    Raises:
        NoSongs: There are too few to learn from, or only drums play.
    """
    if set(band.roles) == {"drums"}:
        raise NoSongs(f"{band.genre.name}: {ONLY_DRUMS}")
    learned, held = _songs(folder, band.roles, progress)
    if len(learned) < FEWEST_SONGS:
        raise NoSongs(f"{folder}: {len(learned)} songs can be learned from; put at least {FEWEST_SONGS} there")
    lesson = hear(band, learned[:MOST_HEARD], progress)
    if not len(lesson.pitches):
        raise NoSongs(f"{folder}: {ONLY_DRUMS}")
    pupil = _learn(lesson)
    judged = held[:MOST_HEARD] or learned[:MOST_HEARD]
    decisions = hear(band, judged, progress)
    with torch.no_grad():
        before, after = _Pupil()(decisions), pupil(decisions)
    (pitch, form), (new_pitch, new_form) = ([each.item() for each in losses] for losses in (before, after))
    charts = [Chart.read(score) for score in learned]
    registers = np.stack([chart.registers for chart in charts])
    registers[:, [ROLES.index(player.role) for player in band.genre.players if not player.keeps_register]] = NO_LIMIT
    usual = [Counter(score.time_signatures).most_common(1)[0][0] for score in learned]
    leader = Leader(
        pitch=pupil.pitch.detach().numpy(), outside=pupil.outside.detach().numpy(),
        repeat=pupil.repeat.detach().numpy(),
        lengths=np.array([len(chart.returns) for chart in charts], np.int64),
        signatures=np.array([TIME_SIGNATURES.index(signature) for signature in usual], np.uint8),
        chords=np.concatenate([chart.chords for chart in charts]),
        returns=np.concatenate([chart.returns for chart in charts]),
        scales=np.stack([chart.scale for chart in charts]),
        registers=registers,
    )  # fmt: skip
    return leader, Foretold(
        songs=len(judged), held_out=bool(held), pitch=(pitch, new_pitch), form=(form, new_form)
    )  # fmt: skip


def _songs(folder: Path, roles: Sequence[Role], progress: Progress) -> tuple[list[Score], list[Score]]:
    """Songs to learn from, and those held out of which no version is among what the composer learned."""
    files = find_midi(folder)
    names = named_groups(files, song_groups(folder))
    wanted = {
        path for side in (True, False)
        for path in sample([path for path in files if is_held_out(names[path]) == side], MOST_CHARTS)
    }  # fmt: skip
    read: list[str] = []
    windows, scores = [], {}
    reading = Reading(roles=roles, bars=0, progress=progress, unreadable=[])
    for path, score in reading.scores(files, "Real songs"):
        own = arrange(score, roles)
        if path in wanted and any(part.notes for part in own.parts):
            scores[len(read)] = own
        read.append(names[path])
        windows.append(song_windows(score))
    groups = families(read, windows)
    composed = {group for group, name in zip(groups, read, strict=True) if not is_held_out(name)}
    return (
        [score for number, score in scores.items() if not is_held_out(read[number])],
        [score for number, score in scores.items() if groups[number] not in composed],
    )


@torch.no_grad()
def hear(band: Band, scores: Sequence[Score], progress: Progress) -> Decisions:
    """What the composer expects of songs, and what came."""
    heard = []
    network = band.network.awake()
    for score in progress.track(scores, description="Hearing"):
        song = as_song(score, "", band.genre.archives[0], band.roles, held_out=False)
        if song:
            halves = [ticks_per_bar(signature) / 2 for signature in score.time_signatures]
            known = _Known(song=song, chart=Chart.read(score), halves=np.array(halves), shapes=_shapes(song.tokens))
            heard += [known.decisions(network, *window) for window in known.windows(network)]
    return Decisions(
        pitch_logits=torch.cat([each.pitch_logits for each in heard]),
        pitches=np.concatenate([each.pitches for each in heard]),
        form_logits=torch.cat([each.form_logits for each in heard]),
        forms=np.concatenate([each.forms for each in heard]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """A real song and its chart."""

    song: Song
    chart: Chart
    halves: NDArray[np.float64]  # (bars,): ticks of half a bar
    shapes: Whole  # (tokens,): the chord shape that holds after each

    def windows(self, network: Composer) -> Iterator[tuple[Whole, int]]:
        """Rows of the header and of as many whole bars as fit, window after window; and the length of the header."""
        starts = self.song.bars
        header = int(starts[0])
        room = network.architecture.window - header
        ends = np.append(starts[1:], len(self.song.tokens))
        bar = 0
        while bar < len(starts):
            begin = int(starts[bar])
            bar = max(int(np.searchsorted(ends, begin + room, side="right")), bar + 1)
            yield np.r_[:header, begin : min(int(ends[bar - 1]), begin + room)], header

    def decisions(self, network: Composer, rows: Whole, header: int) -> Decisions:
        """The decisions of a window."""
        tokens, inputs = self.song.tokens.astype(np.int64), self.song.inputs.astype(np.int64)
        told = torch.from_numpy(tokens[rows])[None], torch.from_numpy(inputs[rows])[None]
        logits = network(*told)[0, header:-1].float()
        before, came = rows[header:-1], tokens[rows[header + 1 :]]
        role, position = inputs[before, ROLE], inputs[before, POSITION]
        bar = np.searchsorted(self.song.bars, before, side="right") - 1
        pitched = (role != DRUMS) & (role < len(ROLES))
        chord = self.chart.chords[bar, (position >= self.halves[bar]).astype(int)].astype(np.int64) - 1
        struck = pitched & (came >= t.PITCH.start) & (came < t.PITCH.stop) & (chord >= 0)
        first = np.flatnonzero(pitched & np.isin(tokens[before], ENDS_OF_BARS))
        pitches = [role, places(position), chord // 12, chord % 12, self.shapes[before], came - t.PITCH.start]
        others = [*range(t.REPEAT.start), *range(t.REPEAT.stop, len(t.NAMES))]
        own = logits[first]
        forms = [_form(int(role[i]), int(bar[i]), int(came[i]), self.chart) for i in first]
        return Decisions(
            pitch_logits=logits[np.flatnonzero(struck), t.PITCH.start : t.PITCH.stop],
            pitches=np.stack(pitches, axis=1)[struck],
            form_logits=torch.cat(
                [own[:, t.REPEAT.start : t.REPEAT.stop], own[:, others].logsumexp(1, keepdim=True)], dim=1
            ),
            forms=np.array(forms, np.int64).reshape(-1, t.MOST_BACK + 2),
        )


def _shapes(tokens: NDArray[np.int16]) -> Whole:
    """The chord shape that holds after each token."""
    ends = set(ENDS_OF_BARS.tolist())
    shapes = np.zeros(len(tokens), np.int64)
    for i, token in enumerate(tokens.tolist()):
        shapes[i] = 0 if token in ends else token - t.SHAPE.start if token in t.SHAPE else shapes[i - 1] if i else 0
    return shapes


def _form(role: int, bar: int, came: int, chart: Chart) -> Whole:
    """A row of `Decisions.forms`."""
    back = min(bar, t.MOST_BACK)
    form = np.full(t.MOST_BACK + 2, NO_BAR, np.int64)
    form[0], form[1] = role, came - t.REPEAT.start if came in t.REPEAT else ELSE
    form[2 : 2 + back] = (chart.chords[bar - back : bar] != chart.chords[bar]).any(1)[::-1]
    return form


class _Pupil(nn.Module):
    """The numbers of a leader in the making, at first all 0."""

    def __init__(self) -> None:
        super().__init__()
        self.pitch = nn.Parameter(torch.zeros(len(ROLES), PLACES, len(QUALITIES), 12))
        self.outside = nn.Parameter(torch.zeros(len(ROLES)))
        self.repeat = nn.Parameter(torch.zeros(len(ROLES), 2))

    def forward(self, decisions: Decisions) -> tuple[Tensor, Tensor]:
        """Nats a pitch, and a form."""
        role, place, quality, root, shape, pitch = torch.from_numpy(decisions.pitches).T[:, :, None]
        every = torch.arange(128)
        outside = torch.from_numpy(OUTSIDE)[quality * 12 + root, shape, every % 12]
        wanted = self.pitch[role, place, quality, (every - root) % 12] + self.outside[role] * outside
        forms = torch.from_numpy(decisions.forms)
        repeats = functional.pad(self.repeat, (0, 1))[forms[:, :1], forms[:, 2:]]  # 0 for NO_BAR
        return (
            functional.cross_entropy(decisions.pitch_logits + wanted, pitch[:, 0]),
            functional.cross_entropy(decisions.form_logits + functional.pad(repeats, (0, 1)), forms[:, 1]),
        )


def _learn(decisions: Decisions) -> _Pupil:
    pupil = _Pupil()
    optimizer = torch.optim.LBFGS(pupil.parameters(), max_iter=STEPS, line_search_fn="strong_wolfe")
    pitches, forms = len(decisions.pitches), len(decisions.forms)

    def loss_of() -> Tensor:
        optimizer.zero_grad()
        pitch, form = pupil(decisions)
        ridge = torch.stack([each.square().sum() for each in pupil.parameters()]).sum()
        loss: Tensor = (pitch * pitches + form * forms + RIDGE * ridge) / (pitches + forms)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(loss_of)  # type: ignore[no-untyped-call]
    return pupil

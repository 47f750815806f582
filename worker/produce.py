"""From a request to a finished track: the road through the studio."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, TypeVar

from model.errors import writing
from model.genre import Genre
from model.harmony import musical_key
from model.midi import write_midi
from model.request import SEEDS, ComposeRequest
from model.score import Score
from worker.cover import draw_cover
from worker.deadline import deadline
from worker.desk import at_desk
from worker.encode import cut_for_video, encode_cover, encode_mp3, encode_mp4
from worker.levels import loudness
from worker.mix import Mix, mix_down
from worker.render import render, render_each
from worker.stems import write_stems
from worker.track import MIDI, MP3, MP4, PNG, SUFFIXES, Track
from worker.verify import BadTrack, Promise, verify
from worker.video import draw_moving_score

log = logging.getLogger(__name__)

ARTIST = "LnH"
COMMENT = "Composed by a machine"
SIGNS = {" sharp": "#", " flat": "b", " minor": "m", " major": "", "no key": "o"}  # of a key, in ID3
STAGE_SECONDS = 300  # of a job; ten are usual
Item = TypeVar("Item")


class Composer(Protocol):
    """What the studio needs of a band."""

    def compose(self, request: ComposeRequest) -> Score:
        """The score of a request; the same for the same request."""


def produce(request: ComposeRequest, genre: Genre, band: Composer, folder: Path, *, keep_stems: bool = False) -> Track:
    """Compose, play, mix, encode and check one song; leaves its .mp3, .mp4, .mid and .png in a folder, all or none.

    A track that does not pass the check is made again once, with other hands.

    Args:
        keep_stems: Leaves a .flac of each stem, too, and one of the mix before the master, which is their sum.

    Raises:
        MissingSoundfont, MissingFluidSynth, MissingFfmpeg, CannotWrite: What only the operator can put right.
        RenderFailed: A program ended badly or ran past its time.
        TooSlow: A stage was not done in its time.
        BadTrack: The second did not pass the check either.
    """
    watch = _Watch()
    with watch("compose"):
        score = band.compose(request)
    names = {media_type: request.key + suffix for media_type, suffix in SUFFIXES.items()}
    finished = [*names.values()]
    with _all_or_none(folder.absolute(), finished) as desk:  # ffmpeg takes `-x` for an option, `a:b` for a protocol
        files = {media_type: desk / name for media_type, name in names.items()}
        hands = request.seed
        try:
            seconds = _make(request, score, genre, files, watch, hands=hands)
        except BadTrack as fault:
            log.warning("%s; made again with other hands", fault)
            hands = (request.seed + 1) % SEEDS
            seconds = _make(request, score, genre, files, watch, hands=hands)
        if keep_stems:
            finished += write_stems(render(score, genre, hands), genre, desk, request.key)
    return Track(
        key=request.key, media_types=tuple(SUFFIXES), seconds=round(seconds, 3), musical_key=musical_key(score),
        players=tuple(player.name for player in genre.players if (part := score.part(player.role)) and part.notes),
        stage_seconds={stage: round(seconds, 3) for stage, seconds in watch.seconds.items()},
    )  # fmt: skip


def _make(
    request: ComposeRequest, score: Score, genre: Genre, files: Mapping[str, Path], watch: "_Watch", *, hands: int
) -> float:
    """Play, mix, draw, encode and check one song; `hands` seeds how it is played. Returns its length in seconds."""
    mix = _record(score, genre, hands, watch)
    for_video = cut_for_video(mix)
    tags = _tags(request, score, genre)
    with watch("picture"):
        cover = draw_cover(score, request, genre)
        moving_score = draw_moving_score(score, request, genre, for_video.seconds)
    with watch("encode"):
        with writing(files[MIDI]):
            write_midi(score, genre, files[MIDI], request.title)
        encode_cover(cover, files[PNG])
        encode_mp3(mix, files[PNG], tags, files[MP3])
        encode_mp4(for_video, moving_score, tags, files[MP4])
    with watch("verify"):
        promise = Promise(seconds=mix.seconds, loudness_lufs=genre.sound.loudness_lufs, tempo_bpm=score.tempo_bpm,
                          notes=sum(len(part.notes) for part in score.parts))  # fmt: skip
        verify(files[MP3], promise)
        if for_video is not mix:  # the beginning of a song need not be as loud as the whole
            promise = replace(promise, seconds=for_video.seconds, loudness_lufs=loudness(for_video.sound.T))
        verify(files[MP4], promise)
    return mix.seconds


def _tags(request: ComposeRequest, score: Score, genre: Genre) -> dict[str, str]:
    """What a player shows of a track, by ffmpeg's names; the last two are frames of ID3 alone."""
    key = musical_key(score)
    for word, sign in SIGNS.items():
        key = key.replace(word, sign)
    return {
        "title": f"{request.title} – take {request.take}", "artist": ARTIST, "genre": genre.title, "comment": COMMENT,
        "TBPM": f"{score.tempo_bpm:.0f}", "TKEY": key,
    }  # fmt: skip


def _record(score: Score, genre: Genre, hands: int, watch: "_Watch") -> Mix:
    """Play and mix one player after another: their stems take some megabytes for each second."""
    with watch("mix"):
        return mix_down(watch.each("render", render_each(score, genre, hands)), genre)


def write_score(request: ComposeRequest, score: Score, genre: Genre, folder: Path) -> None:
    """Leave a song's .mid in a folder, whole or not at all.

    Raises:
        CannotWrite
    """
    name = request.key + SUFFIXES[MIDI]
    with _all_or_none(folder, [name]) as desk, writing(desk / name):
        write_midi(score, genre, desk / name, request.title)


@contextmanager
def _all_or_none(folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """A desk beside the folder's files; those of the names are moved over at the end, in one go.

    Names may be added until then.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with at_desk(folder) as place:
        yield place
        with writing(folder):
            for name in names:
                (place / name).replace(folder / name)


@dataclass(slots=True)
class _Watch:
    """Adds up wall time by stage, and lets none go on for ever; what a stage waits for another counts as that one's."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        began, before = time.perf_counter(), sum(self.seconds.values())
        with deadline(stage, STAGE_SECONDS):
            yield
        within = sum(self.seconds.values()) - before
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - began - within

    def each(self, stage: str, items: Iterator[Item]) -> Iterator[Item]:
        """Items, as they come from a stage."""
        while True:
            with self(stage):
                item = next(items, None)
            if item is None:
                return
            yield item

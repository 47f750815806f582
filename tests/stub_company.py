"""A studio whose stub band composes in company: `python stub_company.py SECONDS` for each song that it composes."""

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import worker.queue
from model.genre import Genre, load_genres
from model.request import ComposeRequest
from model.score import Note, Part, Score
from worker import service
from worker.company import Company, composing_for
from worker.connection import connect
from worker.jobs import Studio
from worker.queue import COMPOSE_JOB, Queues
from worker.service import Service
from worker.store import Store
from worker.track import MIDI, MP3, MP4, PNG, SUFFIXES, Track


class StubBand:
    """Plays a note that tells the seed; keeps who was composed together. A title, "poison", kills."""

    def __init__(self, seconds: float = 0, fingerprint: str = "stub") -> None:
        self.seconds, self.fingerprint = seconds, fingerprint
        self.together: list[list[str]] = []

    def compose_all(self, requests: Sequence[ComposeRequest]) -> list[Score]:
        """A note each."""
        self.together.append([request.key for request in requests])
        if any(request.title == "poison" for request in requests):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.seconds * len(requests))
        return [one_note(request.seed % 128) for request in requests]


def one_note(pitch: int) -> Score:
    """A bar with a note."""
    note = Note(start=0, pitch=pitch, duration=12, velocity=96)
    return Score(tempo_bpm=160.0, time_signatures=((4, 4),), parts=(Part(role="bass", notes=(note,)),))


def stub_produce(request: ComposeRequest, genre: Genre, band: Company, folder: Path) -> Track:
    """Four tiny files that say what was composed."""
    score = band.compose(request)
    for suffix in SUFFIXES.values():
        (folder / (request.key + suffix)).write_text(f"{score.parts[0].notes[0].pitch} by {os.getpid()}")
    return Track(
        key=request.key, media_types=(MP3, MP4, MIDI, PNG), seconds=1.5, musical_key="E minor", players=("bass",),
        stage_seconds={"compose": 0.0},
    )  # fmt: skip


def stub_service(redis_url: str, store_url: str, band: StubBand) -> Service:
    """The service around it."""
    redis = connect(redis_url)
    studio = Studio(
        load_genres(), composing_for("compose", redis, lambda _: band), stub_produce, Store(store_url), Queues(redis)
    )
    return Service("compose", redis, {COMPOSE_JOB: studio.compose})


if __name__ == "__main__":
    worker.queue.BACK_OFF_SECONDS = (0, 0)  # a dead worker is missed sooner
    service.HEARTBEAT_SECONDS, service.HEARTBEAT_TTL_SECONDS = 1, 3
    stub_service(os.environ["REDIS_URL"], os.environ["LNH_STORE"], StubBand(float(sys.argv[1]))).run()

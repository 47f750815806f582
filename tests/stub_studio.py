"""A studio whose band is a stub: `python stub_studio.py SECONDS [--queue NAME]` works like `lnh work`."""

import os
import signal
import sys
import time
from pathlib import Path

import worker.queue
from model.errors import NeedsOperator
from model.genre import Genre, load_genres
from model.request import ComposeRequest, seed_of
from worker import service
from worker.connection import connect
from worker.jobs import Studio
from worker.queue import COMPOSE_JOB, Queues
from worker.service import Service
from worker.store import Store
from worker.track import MIDI, MP3, MP4, PNG, SUFFIXES, Track


def make_request(key: str, title: str = "Dancing robots") -> ComposeRequest:
    """A request as the bot makes it."""
    return ComposeRequest(
        key=key, title=title, take=1, genre="heavy-metal", tempo_bpm=160.0, randomness=0.2, seed=seed_of(key)
    )


def stub_produce(request: ComposeRequest, genre: Genre, band: float, folder: Path) -> Track:
    """Four tiny files that say which process made them; the band is the number of seconds that it takes.

    A title can ask for trouble: "break" fails, "flood" fills the disk, "poison" kills.
    """
    time.sleep(band)
    if request.title == "poison":
        os.kill(os.getpid(), signal.SIGKILL)
    if request.title == "break":
        raise ValueError("a string snapped")
    if request.title == "flood":
        raise NeedsOperator("tracks: the disk is full; make room")
    for suffix in SUFFIXES.values():
        (folder / (request.key + suffix)).write_text(f"{request.seed} by {os.getpid()}")
    return Track(
        key=request.key, media_types=(MP3, MP4, MIDI, PNG), seconds=45.0, musical_key="E minor",
        players=("drums", "bass"), stage_seconds={"compose": band},
    )  # fmt: skip


def stub_service(redis_url: str, store_url: str, seconds: float, queue: str = "compose") -> Service:
    """The service around a stub."""
    redis = connect(redis_url)
    studio = Studio(load_genres(), lambda _: seconds, stub_produce, Store(store_url), Queues(redis))
    return Service(queue, redis, {COMPOSE_JOB: studio.compose})


if __name__ == "__main__":
    if "HURRY" in os.environ:  # a dead worker is missed after three times so many seconds
        worker.queue.BACK_OFF_SECONDS = (0, 0)
        service.HEARTBEAT_SECONDS, service.HEARTBEAT_TTL_SECONDS = 1, 3 * int(os.environ["HURRY"])
    try:
        stub_service(os.environ["REDIS_URL"], os.environ["LNH_STORE"], float(sys.argv[1]), *sys.argv[3:]).run()
    except NeedsOperator as error:
        sys.exit(f"lnh: {error}")

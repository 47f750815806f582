"""A worker for `load.py`: `python load_studio.py QUEUE COMPOSING SOUND` works like `lnh work`.

COMPOSING is `together`, as `lnh work` does, or `alone`; SOUND is `real`, or `none`: then four tiny files stand for it.
At its end it prints a JSON object: songs, CPU seconds of composing and of all, the most memory that it held.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from model.band import Band, keep_to_one_core  # noqa: E402
from model.genre import Genre, load_genres  # noqa: E402
from model.request import ComposeRequest  # noqa: E402
from model.score import Score  # noqa: E402
from worker.company import Company  # noqa: E402
from worker.connection import connect  # noqa: E402
from worker.jobs import Studio  # noqa: E402
from worker.produce import produce  # noqa: E402
from worker.queue import COMPOSE_JOB, Queues  # noqa: E402
from worker.service import Service  # noqa: E402
from worker.store import Store  # noqa: E402
from worker.track import SUFFIXES, Track  # noqa: E402

GENRE = "heavy-metal"


class TimedBand:
    """A band, and the CPU seconds that it has composed."""

    def __init__(self, band: Band) -> None:
        self._band = band
        self.seconds = 0.0

    def compose_all(self, requests: Sequence[ComposeRequest]) -> list[Score]:
        """As the band does."""
        began = time.process_time()
        scores = self._band.compose_all(requests)
        self.seconds += time.process_time() - began
        return scores

    def compose(self, request: ComposeRequest) -> Score:
        """As the band does."""
        return self.compose_all([request])[0]


def stub_sound(request: ComposeRequest, genre: Genre, band: Company | TimedBand, folder: Path) -> Track:
    """Compose, and leave four tiny files."""
    score = band.compose(request)
    for suffix in SUFFIXES.values():
        (folder / (request.key + suffix)).write_text(str(len(score.parts)))
    return Track(
        key=request.key, media_types=tuple(SUFFIXES), seconds=score.seconds, musical_key="no key",
        players=tuple(player.name for player in genre.players), stage_seconds={},
    )  # fmt: skip


def main(queue: str, composing: str, sound: str) -> None:
    """Work until told to stop."""
    keep_to_one_core()
    redis, genres = connect(os.environ["REDIS_URL"]), {GENRE: load_genres()[GENRE]}
    songs = 0

    def make(request: ComposeRequest, genre: Genre, band: Company | TimedBand, folder: Path) -> Track:
        nonlocal songs
        songs += 1
        return (produce if sound == "real" else stub_sound)(request, genre, band, folder)

    band = TimedBand(Band.load(genres[GENRE]))
    ensemble = Company(band, redis, queue) if composing == "together" else band
    studio = Studio(genres, lambda _: ensemble, make, Store(os.environ["LNH_STORE"]), Queues(redis))
    Service(queue, redis, {COMPOSE_JOB: studio.compose}).run()
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps({
        "songs": songs, "composing_seconds": band.seconds, "most_mb": own.ru_maxrss / 1e3,
        "seconds": own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime,
    }))  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])

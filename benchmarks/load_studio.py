"""A worker for `load.py`: `python load_studio.py QUEUE COMPOSING SOUND` works like `lnh work`.

COMPOSING is `together`, as `lnh work` does, or `alone`. SOUND is `real`; or `mp3`: no video, no MIDI, no check, and a
cover that is drawn already; or `none`. At its end it prints a JSON object: songs composed, CPU seconds of composing and
of all, the most memory that it held.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from model.band import Band, keep_to_one_core  # noqa: E402
from model.genre import Genre, load_genres  # noqa: E402
from model.request import ComposeRequest  # noqa: E402
from model.score import Score  # noqa: E402
from worker.company import Company  # noqa: E402
from worker.connection import connect  # noqa: E402
from worker.encode import encode_mp3  # noqa: E402
from worker.jobs import Studio  # noqa: E402
from worker.mix import mix_down  # noqa: E402
from worker.produce import produce  # noqa: E402
from worker.queue import COMPOSE_JOB, Queues  # noqa: E402
from worker.render import render_each  # noqa: E402
from worker.service import Service  # noqa: E402
from worker.store import Store  # noqa: E402
from worker.track import MP3, Track  # noqa: E402

GENRE = "heavy-metal"
COVER = HERE.parent / "docs" / "sample-cover.png"


class TimedBand:
    """A band, and the CPU seconds that it has composed."""

    def __init__(self, band: Band) -> None:
        self._band, self.fingerprint = band, band.fingerprint
        self.seconds, self.composed = 0.0, 0

    def compose_all(self, requests: Sequence[ComposeRequest]) -> list[Score]:
        """As the band does."""
        began = time.process_time()
        scores = self._band.compose_all(requests)
        self.seconds += time.process_time() - began
        self.composed += len(scores)
        return scores

    def compose(self, request: ComposeRequest) -> Score:
        """As the band does."""
        return self.compose_all([request])[0]


def in_part(request: ComposeRequest, genre: Genre, band: Company | TimedBand, folder: Path, sound: str) -> Track:
    """Compose, and make no more of it than is asked for."""
    score = band.compose(request)
    if sound == "mp3":
        mix = mix_down(render_each(score, genre, request.seed), genre)
        encode_mp3(mix, COVER, {"title": request.title}, folder / f"{request.key}.mp3")
    return Track(
        key=request.key, media_types=(MP3,) if sound == "mp3" else (), seconds=score.seconds, musical_key="no key",
        players=(), stage_seconds={},
    )  # fmt: skip


def main(queue: str, composing: str, sound: str) -> None:
    """Work until told to stop."""
    keep_to_one_core()
    redis, genres = connect(os.environ["REDIS_URL"]), {GENRE: load_genres()[GENRE]}
    band = TimedBand(Band.load(genres[GENRE]))
    ensemble = Company(band, redis, queue) if composing == "together" else band
    make = produce if sound == "real" else partial(in_part, sound=sound)
    studio = Studio(genres, lambda _: ensemble, make, Store(os.environ["LNH_STORE"]), Queues(redis))
    Service(queue, redis, {COMPOSE_JOB: studio.compose}).run()
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps({
        "composed": band.composed, "composing_seconds": band.seconds, "most_mb": own.ru_maxrss / 1e3,
        "seconds": own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime,
    }))  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])

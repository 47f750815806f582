"""`lnh work`: the studio as a service."""

import click

from model.genre import load_genres
from worker.queue import COMPOSE, COMPOSE_JOB, Queues, connect
from worker.service import Service
from worker.settings import StudioSettings, read_environment
from worker.store import Store


@click.command("work")
@click.option("--queue", default=COMPOSE, show_default=True, help="Take jobs from this queue.")
def work_command(queue: str) -> None:
    """Compose and produce what is queued, until SIGTERM or Ctrl-C; a second one puts the song in hand back."""
    from model.band import Band  # noqa: PLC0415  torch takes seconds, `--help` should not

    from worker.jobs import Studio  # noqa: PLC0415
    from worker.produce import produce  # noqa: PLC0415

    settings = StudioSettings.from_environment(read_environment())
    redis = connect(settings.redis_url)
    studio = Studio(load_genres(), Band.load, produce, Store(settings.store_url), Queues(redis))
    Service(queue, redis, {COMPOSE_JOB: studio.compose}).run()

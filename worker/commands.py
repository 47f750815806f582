"""The studio's commands: `lnh work`, the service, and `lnh compose`, music without a queue."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

import click
from rich.console import Console
from rich.progress import Progress

from model.errors import make_folder
from model.genre import load_genres
from model.request import SEEDS, ComposeRequest
from worker.connection import connect
from worker.queue import COMPOSE, COMPOSE_JOB, Queues
from worker.service import Service, look_again
from worker.settings import StudioSettings, read_environment
from worker.store import Store

ON_A_GPU = 16  # songs composed together there, their takes all at once

on_device = click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True,
    help="Where the composer plays; on a GPU, which has not been tried yet, many songs at once.",
)  # fmt: skip


@click.command("work")
@click.option("--queue", default=COMPOSE, show_default=True, help="Take jobs from this queue.")
@on_device
def work_command(queue: str, device: str) -> None:
    """Compose and produce what is queued, until SIGTERM or Ctrl-C; a second one puts the song in hand back.

    SIGHUP has the genre files and their weights read again, before the next song.
    """
    settings = StudioSettings.from_environment(read_environment())
    redis, genres = connect(settings.redis_url), load_genres()
    from model.band import Band, keep_to_one_core  # noqa: PLC0415  torch takes seconds, `--help` should not
    from model.device import choose_device  # noqa: PLC0415
    from worker.check import find_programs, find_soundfonts  # noqa: PLC0415
    from worker.company import composing_for  # noqa: PLC0415
    from worker.jobs import Studio  # noqa: PLC0415
    from worker.produce import produce  # noqa: PLC0415

    keep_to_one_core()
    find_programs()
    find_soundfonts(genres)
    store = Store(settings.store_url)
    store.examine()
    load = partial(Band.load, device=choose_device(device))
    studio = Studio(genres, composing_for(queue, redis, load), produce, store, Queues(redis))

    def learn_anew() -> None:
        genres = load_genres()
        find_soundfonts(genres)
        studio.learn(genres)

    Service(queue, redis, {COMPOSE_JOB: studio.compose}, on_hang_up=partial(look_again, learn_anew)).run()


class Wish(Protocol):
    """What a line asks for, as the bot reads it."""

    title: str
    genre: str
    tempo_bpm: float
    randomness: float
    remarks: tuple[str, ...]


@click.command("compose")
@click.argument("line", metavar="LINE", default="")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0, SEEDS - 1), help="Of the first song.")
@click.option("--count", default=1, show_default=True, type=click.IntRange(1, 10_000),
              help="Songs; seeds count upwards.")  # fmt: skip
@click.option("--bars", type=click.IntRange(1, 1000), help="Length [45 to 60 seconds].")
@click.option("--seconds", type=click.FloatRange(1, 600), help="Length, to the nearest bar.")
@click.option("--midi-only", is_flag=True, help="Only the score, which takes a fraction of the time.")
@click.option("--stems", is_flag=True, help="Leave each player as FLAC, too, before the master.")
@click.option("--out", "folder", metavar="DIR", default="out", show_default=True, type=click.Path(path_type=Path))
@on_device
@click.pass_obj
def compose_command(
    read_line: Callable[[str], Wish], /, *, line: str, seed: int, count: int, bars: int | None,
    seconds: float | None, midi_only: bool, stems: bool, folder: Path, device: str,
) -> None:  # fmt: skip
    """Music straight from the model. LINE is what one would post, with or without a title and the word /compose.

    Each song is named GENRE-SEED: .mp3 .mp4 .mid .png, or .mid alone. With --stems there is a .flac for each player
    and piece of the kit, and .mix.flac, which they add up to.

    \b
    Examples:
      lnh compose "/g heavy-metal /t 160 /r 0.2" --seed 7
      lnh compose "Dancing robots /t 180" --count 20 --midi-only --bars 48 --out songs
      lnh compose "/g heavy-metal" --seed 7 --stems
    """
    if midi_only and stems:
        raise click.UsageError("--midi-only makes no sound; leave it out to get stems.")
    if seed + count > SEEDS:
        raise click.UsageError(f"Seeds end at {SEEDS - 1}; with --count {count}, begin at {SEEDS - count} at most.")
    wish = read_line(line)
    for remark in wish.remarks:
        click.echo(remark, err=True)
    songs = [
        ComposeRequest(
            key=f"{wish.genre}-{number}", title=wish.title or f"{wish.genre} {number}", take=1,
            genre=wish.genre, tempo_bpm=wish.tempo_bpm, randomness=wish.randomness, seed=number,
            seconds=seconds, bars=bars,
        )
        for number in range(seed, seed + count)
    ]  # fmt: skip
    _compose(songs, folder, midi_only, stems, device)


def _compose(songs: list[ComposeRequest], folder: Path, midi_only: bool, stems: bool, device: str) -> None:
    from model.band import Band, keep_to_one_core  # noqa: PLC0415  torch takes seconds, `--help` should not
    from model.device import choose_device  # noqa: PLC0415
    from worker.company import MOST  # noqa: PLC0415
    from worker.produce import produce, write_score  # noqa: PLC0415

    keep_to_one_core()
    genre = load_genres()[songs[0].genre]
    errors = Console(stderr=True)
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
        task = progress.add_task(f"{genre.title}", total=len(songs))
        band = Band.load(genre, device=choose_device(device))
        make_folder(folder)

        def finished(name: str) -> None:
            progress.advance(task)
            click.echo(click.format_filename(folder / name))

        if midi_only:
            most = MOST if device == "cpu" else ON_A_GPU
            for first in range(0, len(songs), most):
                together = songs[first : first + most]
                for song, score in zip(together, band.compose_all(together), strict=True):
                    write_score(song, score, genre, folder)
                    finished(f"{song.key}.mid")
        else:
            for song in songs:
                produce(song, genre, band, folder, keep_stems=stems)
                finished(f"{song.key}.mp3")

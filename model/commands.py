"""The commands of the composer."""

from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from model.band import Band, keep_to_one_core
from model.calibration import calibration_path
from model.critic import critic_path
from model.errors import NeedsOperator, writing
from model.evaluate import evaluate
from model.genre import find_genre
from model.leader import leader_path
from model.lesson import train_leader
from model.originality import Index, index_path
from model.reference import Reading
from model.rehearsal import read_real, train_critic
from model.report import show, show_gains, show_habits, show_leader, to_json
from model.tally import GAINS, calibrate
from model.weights import weights_path


@click.command(name="evaluate")
@click.argument("folders", metavar="DIR…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--genre", "genre_name", required=True, metavar="G", help="Whose players are compared.")
@click.option("--reference", required=True, metavar="MIDI_FOLDER", type=click.Path(path_type=Path),
              help="Real songs; an INDEX.tsv there or above tells which are versions of one.")  # fmt: skip
@click.option("--others", multiple=True, metavar="MIDI_FOLDER", type=click.Path(path_type=Path),
              help="Real songs of another genre, to see whether ours are named right; can be repeated.")  # fmt: skip
@click.option("--bars", type=click.IntRange(min=4), help="Length compared [the songs' median].")
@click.option("--json", "json_file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
              help="Write the figures, too.")  # fmt: skip
def evaluate_command(
    *, folders: tuple[Path, ...], genre_name: str, reference: Path, others: tuple[Path, ...], bars: int | None,
    json_file: Path | None,
) -> None:  # fmt: skip
    """Judge songs (MIDI files) against real ones: how alike, told apart or not, what was copied.

    Each DIR is judged by itself, and the median and range are shown: give one for each set of seeds. The main figures
    are beside songs that training held out.

    \b
    Example:
      lnh compose "/g heavy-metal" --count 128 --bars 48 --midi-only --seed 1 --out one
      lnh compose "/g heavy-metal" --count 128 --bars 48 --midi-only --seed 1001 --out two
      lnh evaluate one two --genre heavy-metal --reference midi/heavy-metal --others midi/rock --others midi/jazz
    """
    genre = find_genre(genre_name)
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise click.UsageError("A folder is named twice; each set of seeds has its own.")
    if json_file and not json_file.parent.is_dir():
        raise NeedsOperator(f"{json_file}: its folder does not exist; make it, or name another")
    place = index_path(weights_path(genre.weights))
    training = Index.load(place) if place.is_file() else None
    errors = Console(stderr=True)
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
        report = evaluate(
            folders, reference, {player.name: player.role for player in genre.players},
            others=others, bars=bars, training=training, progress=progress,
        )  # fmt: skip
    if json_file:
        _write(json_file, to_json(report))
    show(report, Console())


@click.command(name="calibrate")
@click.argument("genre_name", metavar="GENRE")
@click.option("--midi", "folder", required=True, metavar="MIDI_FOLDER", type=click.Path(path_type=Path),
              help="The genre's real songs; an INDEX.tsv there or above tells which are versions of one.")  # fmt: skip
@click.option("--songs", default=64, show_default=True, type=click.IntRange(min=8),
              help=f"Played in each of {len(GAINS)} rehearsals.")  # fmt: skip
@click.option("--bars", default=48, show_default=True, type=click.IntRange(min=4), help="Length of each.")
def calibrate_command(genre_name: str, folder: Path, songs: int, bars: int) -> None:
    """Let the band rehearse until it steps, waits, rests and repeats as often as real players do.

    Worth it in all our genres but heavy metal; see by lnh evaluate. Without its file the composer is left alone.
    Do it after the leader, if there is one, and train the critic after it, for the band then plays otherwise.
    """
    keep_to_one_core()
    genre = find_genre(genre_name)
    errors = Console(stderr=True)
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
        band = Band.load(genre, with_calibration=False, with_critic=False)
        reading = Reading(roles=band.roles, bars=bars, progress=progress, unreadable=[])
        learned = [song.score for song in read_real(folder, reading) if not song.held_out]
        calibration, habits = calibrate(band, learned, songs=songs, bars=bars, progress=progress)
    path = calibration_path(weights_path(genre.weights))
    calibration.save(path)
    show_habits(habits, Console())
    click.echo(path)


@click.command(name="critic")
@click.argument("genre_name", metavar="GENRE")
@click.option("--midi", "folder", required=True, metavar="MIDI_FOLDER", type=click.Path(path_type=Path),
              help="The genre's real songs; an INDEX.tsv there or above tells which are versions of one.")  # fmt: skip
@click.option("--songs", default=256, show_default=True, type=click.IntRange(min=20),
              help="Played to learn from, and again to measure by.")  # fmt: skip
@click.option("--bars", default=48, show_default=True, type=click.IntRange(min=4), help="Length of each.")
def critic_command(genre_name: str, folder: Path, songs: int, bars: int) -> None:
    """Train the critic who picks of several takes the one to release, and say what it gains."""
    keep_to_one_core()
    genre = find_genre(genre_name)
    errors = Console(stderr=True)
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
        band = Band.load(genre, with_critic=False)
        reading = Reading(roles=band.roles, bars=bars, progress=progress, unreadable=[])
        critic, gains = train_critic(band, read_real(folder, reading), songs=songs, bars=bars, progress=progress)
    path = critic_path(weights_path(genre.weights))
    critic.save(path)
    show_gains(critic.provenance, gains, Console())
    click.echo(path)


@click.command(name="leader")
@click.argument("genre_name", metavar="GENRE")
@click.option("--midi", "folder", required=True, metavar="MIDI_FOLDER", type=click.Path(path_type=Path),
              help="The genre's real songs; an INDEX.tsv there or above tells which are versions of one.")  # fmt: skip
def leader_command(genre_name: str, folder: Path) -> None:
    """Train the leader who hands out a chart, and say how well songs are foretold with it.

    A chart says the chords, the scale, what returns, and in which register each player keeps.

    Worth it where harmony stands still or sections do not return, by lnh evaluate; without its file there is no chart.
    Run `lnh calibrate` and train the critic after it, for the band then plays otherwise.
    """
    keep_to_one_core()
    genre = find_genre(genre_name)
    errors = Console(stderr=True)
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
        composer = Band.load(genre, with_leader=False, with_calibration=False, with_critic=False)
        leader, foretold = train_leader(composer, folder, progress)
    path = leader_path(weights_path(genre.weights))
    leader.save(path)
    show_leader(leader, foretold, Console())
    click.echo(path)


def _write(path: Path, text: str) -> None:
    with writing(path):
        path.write_text(text + "\n", encoding="utf-8")

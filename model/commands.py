"""The commands of the composer."""

from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from model.errors import NeedsOperator, writing
from model.evaluate import evaluate
from model.genre import find_genre
from model.originality import Index, index_path
from model.report import show, to_json
from model.weights import weights_path


@click.command(name="evaluate")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--genre", "genre_name", required=True, metavar="G", help="Whose players are compared.")
@click.option("--reference", required=True, metavar="MIDI_FOLDER", type=click.Path(path_type=Path),
              help="Real songs; an INDEX.tsv there or above tells which are versions of one.")  # fmt: skip
@click.option("--bars", type=click.IntRange(min=4), help="Length compared [the songs' median].")
@click.option("--json", "json_file", metavar="FILE", type=click.Path(path_type=Path), help="Write the figures, too.")
def evaluate_command(folder: Path, genre_name: str, reference: Path, bars: int | None, json_file: Path | None) -> None:
    """Judge the songs (MIDI files) in DIR against real ones: how alike, told apart or not, what was copied."""
    genre = find_genre(genre_name)
    if json_file and not json_file.parent.is_dir():
        raise NeedsOperator(f"{json_file}: its folder does not exist; make it, or name another")
    place = index_path(weights_path(genre.weights))
    training = Index.load(place) if place.is_file() else None
    errors = Console(stderr=True)
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
        report = evaluate(
            folder, reference, [player.role for player in genre.players],
            bars=bars, training=training, progress=progress,
        )  # fmt: skip
    show(report, Console())
    if json_file:
        _write(json_file, to_json(report))


def _write(path: Path, text: str) -> None:
    with writing(path):
        path.write_text(text + "\n", encoding="utf-8")

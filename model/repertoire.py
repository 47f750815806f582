"""What can be played: each genre with its players, and how well its composer has learned them."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from model.card import figures_path
from model.genre import Genre, load_genres
from model.weights import BadWeights, read_provenance, weights_path


@click.command(name="genres")
def genres_command() -> None:
    """Show what can be played: each genre with its players, tempi and metres, what was learned, and how well."""
    table = Table(box=None, show_header=False)
    for genre in load_genres().values():
        for i, (what, said) in enumerate(_facts(genre)):
            table.add_row(f"[bold]{genre.name}[/bold]" if i == 0 else "", f"[dim]{what}[/dim]", escape(said))
        table.add_row()
    Console().print(table)


def _facts(genre: Genre) -> Iterator[tuple[str, str]]:
    """What there is to say of a genre, and under which heading."""
    tempo, path = genre.tempo, weights_path(genre.weights)
    yield "also called", ", ".join(genre.aliases) or "–"
    yield "players", ", ".join(player.name for player in genre.players)
    yield "tempo", f"{tempo.slowest_bpm:g} to {tempo.fastest_bpm:g} bpm, else {tempo.default_bpm:g}"
    yield "metre", ", ".join(_metres(genre))
    yield "learned", _learned(genre, path)
    yield "judged", _judged(genre, figures_path(path))


def _metres(genre: Genre) -> Iterator[str]:
    for metre in genre.time_signatures:
        beats, unit = metre.time_signature
        yield f"{beats}/{unit}" + ("" if metre.share == 1 else f" ({metre.share:.0%})")


def _learned(genre: Genre, path: Path) -> str:
    if not path.is_file():
        return f"nothing yet: no {path.parent.name}/{path.name}"
    try:
        facts = read_provenance(path)
        songs, loss = facts["songs"][genre.archives[0]], facts["held_out_loss"]
        heard = f", held-out loss {loss['all']:.3f}" if loss else ""
        return f"{songs} songs of the genre; {_tokens_seen(facts) / 1e6:.1f} million tokens seen in all{heard}"
    except (BadWeights, KeyError, TypeError, ValueError):
        return f"{path.parent.name}/{path.name} does not say"


def _tokens_seen(provenance: Mapping[str, Any]) -> int:
    """By the weights, and by the base that they began as."""
    base = provenance["base"]
    return int(provenance["tokens_seen"]) + (_tokens_seen(base) if base else 0)


def _judged(genre: Genre, path: Path) -> str:
    """The medians over the sets of songs, one for each set of seeds."""
    if not path.is_file():
        return "not yet"
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        sets = report["sets"]
        beside = [each["held_out"] or each["all"] for each in sets]
        overlap = median(each["overlap"]["value"] for each in beside)
        area = median(each["told_apart"]["value"] for each in beside)
        named = [each["named"] for each in sets if each["named"] is not None]
        seeds = ", ".join(f"{each['name']} ({each['songs']} songs)" for each in sets)
        said = f", named as {genre.name} {median(named):.0%}" if named else ""
        return (
            f"overlap with real songs {overlap:.3f} (real 1), told from them AUC {area:.2f} (best 0.5){said}; "
            f"{report['bars']} bars, sets {seeds}"
        )
    except (OSError, ValueError, KeyError, TypeError):
        return f"{path.parent.name}/{path.name} cannot be read"

"""What `evaluate` found, as tables for people and as JSON for programs."""

import json
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from model.evaluate import Copying, Report, Telling

CLOSE, FAR = 0.97, 0.85  # relative overlap from which a row is shown green, below which red
SHOWN = 5  # unreadable files that are named


def to_json(report: Report) -> str:
    """As one JSON object, with the relative overlaps worked out."""
    rows = [{**asdict(row), "relative": row.relative} for row in report.likeness]
    return json.dumps({**asdict(report), "likeness": rows, "relative_overlap": report.relative_overlap}, indent=2)


def show(report: Report, console: Console) -> None:
    """Print the report; colours only where the console has them."""
    console.print(
        f"{report.generated_songs} songs beside {report.real_songs} real ones, {report.bars} bars of each; "
        f"{report.too_short} too short, {len(report.unreadable)} files unreadable"
    )
    for problem in report.unreadable[:SHOWN]:
        console.print(f"  {escape(problem)}", style="yellow")
    console.print(_likeness(report))
    console.print(_summary(report))
    silent = (f"{role} {real:.0%} / {ours:.0%}" for role, (real, ours) in report.silent.items())
    console.print("Songs in which a part never plays, real / ours: " + ", ".join(silent))


def _likeness(report: Report) -> Table:
    table = Table("feature", title="Features", caption="overlap 1: as alike as can be; relative 1: as real songs are")
    for heading in ("real", "ours", "overlap", "real to real", "relative"):
        table.add_column(heading, justify="right")
    for row in report.likeness:
        values = (row.real, row.generated, row.overlap, row.real_overlap, row.relative)
        table.add_row(row.feature, *map(_number, values), style=_style(row.relative))
    table.add_section()
    table.add_row("mean", "", "", "", "", _number(report.relative_overlap), style="bold")
    return table


def _summary(report: Report) -> Table:
    table = Table("", title="Told apart and copied")
    table.add_column("ours", justify="right")
    table.add_column("real to real", justify="right")
    table.add_row("told from real, AUC ± deviation", *map(_telling, (report.told_apart, report.real_told_apart)))
    both = (report.copied, report.real_copied)
    table.add_row("longest shared passage: median / 9 in 10 / most", *map(_passages, both))
    table.add_row("full bars that the real songs know", *(f"{each.bars:.1%}" for each in both))
    if report.longest_from_training is not None:
        table.add_row("longest passage from training, notes", str(report.longest_from_training), "")
    return table


def _style(relative: float | None) -> str:
    if relative is None or FAR <= relative < CLOSE:
        return ""
    return "green" if relative >= CLOSE else "red"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _telling(telling: Telling) -> str:
    return f"{telling.area:.2f} ± {telling.deviation:.2f}"


def _passages(copying: Copying) -> str:
    return f"{copying.median:.0f} / {copying.nine_in_ten:.0f} / {copying.most}"

"""What `evaluate` found, as tables for people and as JSON for programs."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from math import isnan
from statistics import median
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from model.account import printable
from model.evaluate import Copying, Report, Verdict
from model.leader import Leader
from model.lesson import Foretold
from model.likeness import Likeness, Measured
from model.rehearsal import Gain
from model.tally import Habits

CLOSE, FAR = 0.97, 0.85  # relative overlap from which a row is shown green, below which red
SHOWN = 5  # files of no use that are named


def to_json(report: Report) -> str:
    """As one JSON object."""
    return json.dumps(asdict(report), indent=2)


def show(report: Report, console: Console) -> None:
    """Print the report; colours only where the console has them."""
    counts = printable(", ".join(f"{each.songs} in {each.name}" for each in report.sets))
    console.print(
        f"Songs: {escape(counts)}; {report.real_songs} real ones, {report.held_out_songs} of them held out from "
        f"learning. {report.bars} bars of each; {report.too_short} too short, {len(report.unreadable)} files of no use"
    )
    for problem in report.unreadable[:SHOWN]:
        console.print(f"  {escape(printable(problem))}", style="yellow")
    console.print(_features(report))
    console.print(_summary(report))
    silent = (
        f"{role} {share:.0%} / {median(each.silent[role] for each in report.sets):.0%}"
        for role, share in report.real.silent.items()
    )
    console.print("Songs in which a part never plays, real / ours: " + ", ".join(silent))


def _features(report: Report) -> Table:
    beside = "held-out songs" if report.real.held_out else "all real songs"
    table = Table("feature", title=f"Features beside {beside}", caption="relative 1: as alike as real songs are")
    for heading in ("real", "ours", "relative", "through tokens"):
        table.add_column(heading, justify="right")
    sets = [_main(each).features for each in report.sets]
    for i, (first, tokens) in enumerate(zip(sets[0], _main(report.through_tokens).features, strict=True)):
        ours = _median([features[i].ours for features in sets])
        relative = _median([features[i].relative for features in sets])
        table.add_row(
            first.name, _number(first.real), _number(ours), _number(relative), _number(tokens.relative),
            style=_style(relative),
        )  # fmt: skip
    return table


def _summary(report: Report) -> Table:
    table = Table(
        "", title=f"In short: median and range of {len(report.sets)} sets",
        caption="± by bootstrap; real songs are judged as if the band had made them",
    )  # fmt: skip
    for heading in ("ours", "through tokens", "real songs"):
        table.add_column(heading, justify="right")

    def add(what: str, figure: Callable[[Verdict], str], spread: str = "") -> None:
        table.add_row(what, spread or figure(report.sets[0]), figure(report.through_tokens), figure(report.real))

    if report.real.held_out:
        add(f"{report.real.held_out.against} held-out songs: relative overlap", lambda v: _measured(_main(v).overlap),
            _spread([_main(each).overlap for each in report.sets]))  # fmt: skip
        add("  told from them, AUC", lambda v: _measured(_main(v).told_apart),
            _spread([_main(each).told_apart for each in report.sets]))  # fmt: skip
    add(f"all {report.real.all.against} songs: relative overlap", lambda v: _measured(v.all.overlap),
        _spread([each.all.overlap for each in report.sets]))  # fmt: skip
    add("  told from them, AUC", lambda v: _measured(v.all.told_apart),
        _spread([each.all.told_apart for each in report.sets]))  # fmt: skip
    add("  told by moves, which no critic sees", lambda v: _measured(v.told_by_moves),
        _spread([each.told_by_moves for each in report.sets]))  # fmt: skip
    if report.real.named is not None:
        add("named as the genre", lambda v: f"{v.named:.0%}", _range([each.named or 0 for each in report.sets], ".0%"))
    for i, middle in enumerate(report.real.middle):
        table.add_row(
            middle.feature, _of_quartiles(report, i),
            f"{report.through_tokens.middle[i].ours:.2f}", f"{middle.low:.2f} to {middle.high:.2f}",
        )  # fmt: skip
    table.add_section()
    add("longest shared: median / 90 % / most", lambda v: _passages(v.copied), _passages(_worst(report)))
    add("full bars that real songs have", lambda v: f"{v.copied.bars:.1%}",
        _range([each.copied.bars for each in report.sets], ".1%"))  # fmt: skip
    if report.limit is not None:
        shares = [each.beyond_limit or 0 for each in report.sets]
        table.add_row(f"songs that share over {report.limit} notes", _range(shares, ".1%"), "", "")
    return table


def show_gains(provenance: Mapping[str, Any], gains: Sequence[Gain], console: Console) -> None:
    """Print what a critic gains, and what was dropped."""
    played = provenance["takes_played"]
    console.print(
        f"Of {played} takes {provenance['dropped_as_copied'] / played:.1%} were dropped for what they share with a "
        f"training song, {provenance['dropped_as_silent'] / played:.1%} for a player who hardly plays"
    )
    table = Table("one of", title="Beside held-out songs")
    for heading in ("songs picked", "relative overlap", "told apart, AUC"):
        table.add_column(heading, justify="right")
    for gain in gains:
        table.add_row(str(gain.takes), str(gain.songs), _measured(gain.overlap), _measured(gain.told_apart))
    console.print(table if gains else "Too few songs, or too few held out, to say what the critic gains")


def show_leader(leader: Leader, foretold: Foretold, console: Console) -> None:
    """Print how many charts a leader has, and how well real players' decisions are foretold by theirs."""
    console.print(f"{len(leader.lengths)} charts")
    of = "held-out songs" if foretold.held_out else "songs it learned from, for none is held out"
    table = Table("nats each", title=f"Decisions in {foretold.songs} {of}")
    for heading in ("without the chart", "with it"):
        table.add_column(heading, justify="right")
    for name, (without, with_it) in (("pitch", foretold.pitch), ("repeat, or none", foretold.form)):
        table.add_row(name, f"{without:.3f}", f"{with_it:.3f}")
    console.print(table)


def show_habits(habits: Habits, console: Console) -> None:
    """Print how far a band was from real players, and is, kind by kind of choice."""
    table = Table("choices", title="Total variation from real players")
    for heading in ("before", "now"):
        table.add_column(heading, justify="right")
    for kind, before in habits.first.items():
        table.add_row(kind, *("–" if isnan(apart) else f"{apart:.3f}" for apart in (before, habits.last[kind])))
    console.print(table)


def _main(verdict: Verdict) -> Likeness:
    return verdict.held_out or verdict.all


def _of_quartiles(report: Report, i: int) -> str:
    found = [each.middle[i] for each in report.sets]
    inside = sum(middle.inside for middle in found)
    said = "inside" if inside == len(found) else "outside" if not inside else f"inside {inside} times"
    return f"{_range([middle.ours for middle in found], '.2f')} {said}"


def _worst(report: Report) -> Copying:
    """The median set's figures, and the longest passage of any."""
    copied = [each.copied for each in report.sets]
    return Copying(
        median=median(each.median for each in copied),
        nine_in_ten=median(each.nine_in_ten for each in copied),
        most=max(each.most for each in copied),
        bars=median(each.bars for each in copied),
    )


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _style(relative: float | None) -> str:
    if relative is None or FAR <= relative < CLOSE:
        return ""
    return "green" if relative >= CLOSE else "red"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _measured(figure: Measured) -> str:
    return f"{figure.value:.3f} ± {figure.deviation:.3f}"


def _spread(figures: Sequence[Measured]) -> str:
    if len(figures) == 1:
        return _measured(figures[0])
    deviation = median(figure.deviation for figure in figures)
    return f"{_range([figure.value for figure in figures], '.3f')} ± {deviation:.3f}"


def _range(values: Sequence[float], form: str) -> str:
    said = f"{median(values):{form}}"
    return said if len(values) == 1 else f"{said} ({min(values):{form}} to {max(values):{form}})"


def _passages(copying: Copying) -> str:
    return f"{copying.median:.0f} / {copying.nine_in_ten:.0f} / {copying.most}"

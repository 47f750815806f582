"""`make soak`: the large run, with a progress bar and a report."""

import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from soak.drive import Report, soak

SERVERS = {True: "a Mastodon that honours idempotency keys, and X", False: "a Mastodon that ignores them, and X"}


@click.command()
@click.option("--posts", default=10_000, show_default=True, type=click.IntRange(2), help="Half on each Mastodon.")
@click.option("--faults", default=0.1, show_default=True, type=click.FloatRange(0), help="A post.")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same order of faults.")
@click.option("--keep", type=click.Path(path_type=Path), help="Folder in which ledgers, tracks and logs stay.")
def main(posts: int, faults: float, seed: int, keep: Path | None) -> None:
    """Drive bot, workers and Redis through posts and faults; exit status 1 if anything is lost or answered twice.

    Ctrl-C ends each of its halves early, with a report.
    """
    console, bad = Console(highlight=False), 0
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("posts"), TimeElapsedColumn(), TimeRemainingColumn())
    for remembers_keys, name in SERVERS.items():
        console.print(f"[bold]{name}[/bold]")
        share = posts // 2 + (posts % 2 if remembers_keys else 0)
        with TemporaryDirectory(prefix="lnh-soak-") as spare, Progress(*columns, console=console) as progress:
            folder = (keep / ("honours" if remembers_keys else "ignores")).resolve() if keep else Path(spare)
            folder.mkdir(parents=True, exist_ok=True)
            task = progress.add_task("", total=share)
            report = soak(
                share, round(share * faults), seed, folder, remembers_keys=remembers_keys,
                tell=lambda done, bar=progress, task=task: bar.update(task, completed=done),
            )  # fmt: skip
        console.print("\n".join(lines(report)) + "\n")
        bad += not report.sound
    sys.exit(bad > 0)


def lines(report: Report) -> list[str]:
    """The report in words."""
    faults = Counter(dict(sorted(report.faults.items())))
    return [
        f"posts         {report.posts}",
        f"by stream too {report.streamed}",
        f"faults        {faults.total()}",
        *(f"{number:13d} {kind}" for kind, number in faults.items()),
        *(f"{name:13} {len(keys)} {' '.join(keys[:20])}".rstrip() for name, keys in troubles(report).items()),
        f"stalled       {'yes' if report.stalled else 'no'}",
        f"longest wait  {report.longest_wait_seconds:.1f} s",
        f"took          {report.seconds:.0f} s",
    ]


def troubles(report: Report) -> dict[str, list[str]]:
    """Keys by what is wrong with them."""
    return {
        "lost": report.lost, "doubled": report.doubled, "not its track": report.trackless,
        "left open": report.left_open,
    }  # fmt: skip


if __name__ == "__main__":
    main()

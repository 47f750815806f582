"""What training tells its operator: which files were of use, how it goes, what came of it."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from model.errors import make_folder, writing
from model.shelf import Corpus, Unused
from model.train import BATCH, WINDOW, Judgement

NAMED = 3  # files of each trouble; all of them stand in the run's folder


def show_reading(corpora: Sequence[Corpus], run_folder: Path, console: Console) -> None:
    """Print what was read and what was not of use, and leave both as tables in the run's folder."""
    read = Table("corpus", "songs", "tokens", "held out", "not used", title="Songs")
    for corpus in corpora:
        kept = len(corpus.held_out_groups)
        read.add_row(corpus.name, f"{len(corpus.songs):,}", f"{sum(len(song.tokens) for song in corpus.songs):,}",
                     f"{kept} of {len(set(corpus.groups))}", f"{len(corpus.unused):,}")  # fmt: skip
    console.print(read)
    unused = [each for corpus in corpora for each in corpus.unused]
    if unused:
        console.print(_troubles(unused))
        console.print(Text(f"All of them: {run_folder}/unused.tsv"))
    make_folder(run_folder)
    with writing(run_folder):
        _write(run_folder / "unused.tsv", ("file", "trouble", "in full"),
               [(each.name, each.kind, each.why) for each in unused])  # fmt: skip
        _write(run_folder / "songs.tsv", ("member", "song_group", "corpus", "held_out"),
               [(song.name, group, corpus.name, str(song.held_out)) for corpus in corpora
                for song, group in zip(corpus.songs, corpus.groups, strict=True)])  # fmt: skip


def _troubles(unused: Sequence[Unused]) -> Table:
    """Troubles, the most frequent first, with the names of the first few files that have each."""
    by_kind: dict[str, list[str]] = {}
    for each in unused:
        by_kind.setdefault(each.kind, []).append(printable(each.name))
    table = Table("why", "files", "such as", title="Files that are not used")
    for kind, names in sorted(by_kind.items(), key=lambda item: -len(item[1])):
        table.add_row(Text(kind), f"{len(names):,}", Text(", ".join(names[:NAMED])))
    return table


def show_judgement(judgement: Judgement, loss: float, best: bool, console: Console) -> None:
    """Print one line: how well held-out songs are foretold now, all in all and by kind of token."""
    kinds = ", ".join(f"{kind} {value:.3f}" for kind, value in judgement.losses.items() if kind != "all")
    tokens = judgement.step * WINDOW * BATCH
    learned = f"loss {loss:.3f}, " if judgement.step else ""
    console.print(
        f"step {judgement.step:,}, {tokens / 1e6:.2f} M tokens: {learned}held out "
        f"{judgement.losses['all']:.3f}{' (best)' if best else ''}: {kinds}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip


def show_losses(first: Mapping[str, float], best: Mapping[str, float], console: Console) -> None:
    """Print how much better held-out songs are foretold than before."""
    table = Table("held-out loss, nats a token", title="What was learned")
    for heading in ("before", "after"):
        table.add_column(heading, justify="right")
    for kind, value in best.items():
        table.add_row(kind, f"{first[kind]:.3f}", f"{value:.3f}")
    console.print(table)


def printable(name: str) -> str:
    """A file's name with nothing in it that a terminal would obey, or that cannot be written."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def _write(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, escapechar="\\")
        table.writerow(header)
        table.writerows([printable(each) for each in row] for row in rows)

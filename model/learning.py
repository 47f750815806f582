"""`lnh train`: from folders of MIDI to weights."""

import os
import re
from pathlib import Path

import click
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from model import train
from model.corpus import Song, load_corpus, midi_files, read_scores
from model.errors import NeedsOperator
from model.genre import find_genre
from model.network import Architecture, Composer
from model.originality import build_index, index_path
from model.score import ROLES, Role
from model.tokens import CORPORA
from model.weights import load_base, read_provenance, weights_path

SHARE_OF_OWN = 0.6  # of the examples when a base is tuned to a genre; the rest are shared among the other corpora


@click.command(name="train")
@click.argument("folder", metavar="MIDI_FOLDER", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--genre", "genre_name", metavar="G",
              help="Tune to this genre: its players, mostly its own songs. Without it, a base is trained.")  # fmt: skip
@click.option("--corpora", metavar="A[=SHARE],B,…", default="",
              help="What to learn beside the genre's own songs, or for the base.")  # fmt: skip
@click.option("--base", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="Weights to begin with; without them, chance.")  # fmt: skip
@click.option("--tokens", default=3_000_000, show_default=True, type=click.IntRange(min=1), help="To see in all.")
@click.option("--run", "run_folder", metavar="DIR", type=click.Path(path_type=Path),
              help="Where the run keeps its state [runs/NAME].")  # fmt: skip
@click.option("--out", metavar="FILE", type=click.Path(path_type=Path),
              help="Weights to write [weights/NAME.safetensors].")  # fmt: skip
@click.option("--threads", default=0, help="Processor cores to use [all].", type=click.IntRange(min=0))
def train_command(
    *, folder: Path, genre_name: str | None, corpora: str, base: Path | None, tokens: int,
    run_folder: Path | None, out: Path | None, threads: int,
) -> None:  # fmt: skip
    """Train the composer on MIDI_FOLDER, which holds <corpus>/ folders or <corpus>.tar.xz archives of MIDI files.

    An INDEX.tsv there or above (columns member and song_group) keeps versions of one song together, so that no
    version of a held-out song is learned from. Ctrl-C stops the run; the same command goes on with it.

    \b
    Examples:
      lnh train midi --corpora heavy-metal=2,rock,other-band --tokens 11000000 --out base.safetensors
      lnh train midi --genre heavy-metal --corpora metal-adjacent,rock --base base.safetensors --tokens 3000000
    """
    own = find_genre(genre_name) if genre_name else None
    roles = [role for role in ROLES if own is None or any(player.role == role for player in own.players)]
    shares = _shares(own.archives if own else (), corpora)
    name = own.weights if own else "base"
    run_folder = run_folder or Path("runs") / name
    out = out or weights_path(name)
    torch.set_num_threads(threads or os.cpu_count() or 1)
    with _progress() as progress:
        songs = _read(folder, list(shares), roles, progress)
        network = load_base(base) if base else Composer(Architecture())
        plan = train.Plan(corpora=shares, tokens=tokens, decay=own is not None)
        trainer = train.Trainer(network, songs, plan)
        _learn(trainer, run_folder, progress)
        train.export(run_folder, out, _provenance(trainer, songs, base))
        if own:
            _index(folder, own.archives, index_path(out), progress)
    judged = trainer.held_out
    loss = f"held-out loss {judged['all']:.3f} nats a token" if judged else "no song was held out to judge it by"
    Console(stderr=True).print(f"{out}: {loss}")


def _shares(own: tuple[str, ...], corpora: str) -> dict[str, float]:
    """Share of the examples by corpus: a genre's own songs first, the rest by the weights that were given."""
    weights = {}
    for name, _, weight in (each.partition("=") for each in corpora.split(",") if each):
        if name not in (*CORPORA, *own):
            raise NeedsOperator(f"corpus {name!r} is not one of {', '.join(CORPORA)}; see model/tokens.py")
        if not re.fullmatch(r"\d*\.?\d+", weight or "1") or float(weight or 1) == 0:
            raise NeedsOperator(f"--corpora: the share of {name} is {weight!r}; write a number above 0, as {name}=0.25")
        if name not in own:
            weights[name] = float(weight or 1)
    unknown = [name for name in own if name not in CORPORA]
    if unknown:
        raise NeedsOperator(f"corpus {unknown[0]!r} is not one of {', '.join(CORPORA)}; see model/tokens.py")
    if not own and not weights:
        raise NeedsOperator("nothing to learn: give --genre, --corpora, or both")
    kept = 0.0 if not own else SHARE_OF_OWN if weights else 1.0
    total = sum(weights.values())
    shares = {name: kept / len(own) for name in own}
    return shares | {name: (1 - kept) * weight / total for name, weight in weights.items()}


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))


def _read(folder: Path, corpora: list[str], roles: list[Role], progress: Progress) -> list[Song]:
    songs = []
    for corpus in corpora:
        task = progress.add_task(f"reading {corpus}", total=None)

        def on_file(total: int, task: object = task) -> None:
            progress.update(task, total=total, advance=1)  # type: ignore[arg-type]

        songs += load_corpus(folder, corpus, roles, Path("runs") / "cache", on_file)
        progress.update(task, total=1, completed=1)
    return songs


def _learn(trainer: train.Trainer, run_folder: Path, progress: Progress) -> None:
    task = progress.add_task("learning", total=trainer.plan.steps)

    def on_step(now: train.Progress) -> None:
        judged = f", held out {now.held_out['all']:.3f}" if now.held_out else ""
        progress.update(task, completed=now.step, description=f"loss {now.loss:.3f}{judged}")

    train.train(trainer, run_folder, on_step)


def _provenance(trainer: train.Trainer, songs: list[Song], base: Path | None) -> dict[str, object]:
    plan = trainer.plan
    return {
        "corpora": dict(plan.corpora),
        "songs": {name: sum(song.corpus == name and not song.held_out for song in songs) for name in plan.corpora},
        "tokens_seen": trainer.step * train.WINDOW * train.BATCH,
        "held_out_loss": trainer.held_out,
        "base": read_provenance(base) if base else None,
        "seed": plan.seed,
    }


def _index(folder: Path, archives: tuple[str, ...], path: Path, progress: Progress) -> None:
    """Index the passages of the genre's songs, so that none is copied."""
    scores = []
    for corpus in archives:
        with midi_files(folder, corpus) as files:
            task = progress.add_task(f"indexing {corpus}", total=len(files))
            scores += [score for _, score in read_scores(files, lambda task=task: progress.advance(task))]  # type: ignore[misc]
    build_index(scores).save(path)

"""`lnh train`: from a folder of MIDI files to a genre that can be played."""

import hashlib
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date
from pathlib import Path

import click
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from model import train
from model.account import printable, show_judgement, show_losses, show_reading
from model.calibration import calibration_path
from model.card import corpora_of, figures_path, read_figures, write_card
from model.corpus import corpus_source, files_of, new_sources, own_sources
from model.critic import critic_path
from model.device import choose_device
from model.draft import FALLBACK, Survey, expect_free, nearest_corpus, survey, write_genre
from model.errors import NeedsOperator
from model.genre import Genre, load_genre
from model.leader import leader_path
from model.midi import BadMidi, read_midi
from model.network import Architecture, Composer
from model.originality import compared_songs, gather_index, index_path, measure_limit, middle
from model.score import ROLES, Role
from model.shelf import Corpus, load_corpus
from model.tokens import CORPORA
from model.weights import load_base, read_provenance, weights_path

SHARE_OF_OWN = 0.6  # of the examples when a base is tuned to a genre; the rest are shared among the other corpora
PASSES = 2  # times through the songs by default; more is learning by heart, see docs/experiments.md
FEWEST_STEPS = 100  # by default; twice through few songs, the rate has hardly risen: docs/experiments.md
FEW_SONGS = 30  # below which a genre is not worth much
CACHE = Path("runs") / "cache"
SEED = 1


@click.command(name="train")
@click.argument("genre_file", metavar="[GENRE.toml]", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--midi", "folder", metavar="FOLDER", type=click.Path(path_type=Path, exists=True, file_okay=False),
              help="The songs. Without it, only the card of the weights is written again.")  # fmt: skip
@click.option("--corpora", metavar="A[=SHARE],B,…", default="",
              help="What else in FOLDER to learn: beside the genre's own songs, or for a base.")  # fmt: skip
@click.option("--base", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="Weights to begin with [for a genre weights/base.safetensors, if there; else chance].")  # fmt: skip
@click.option("--tokens", type=click.IntRange(min=1),
              help="To see in all [about twice through the songs, a few songs more often].")  # fmt: skip
@click.option("--figures", metavar="JSON", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="What lnh evaluate --json wrote, for the card and lnh genres.")  # fmt: skip
@click.option("--run", "run_folder", metavar="DIR", type=click.Path(path_type=Path),
              help="Where the run keeps its state [runs/NAME].")  # fmt: skip
@click.option("--out", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
              help="Weights to write [weights/NAME.safetensors].")  # fmt: skip
@click.option("--threads", default=0, help="Processor cores to use [all].", type=click.IntRange(0, 256))
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True,
              help="Where to learn; auto is the GPU where there is one.")  # fmt: skip
def train_command(
    *, genre_file: Path | None, folder: Path | None, corpora: str, base: Path | None, tokens: int | None,
    figures: Path | None, run_folder: Path | None, out: Path | None, threads: int, device: str,
) -> None:  # fmt: skip
    """Learn a genre from the MIDI files in FOLDER: its weights, an index of its songs, and a card.

    GENRE.toml names the players; where there is no such file, it is written from the songs. FOLDER holds MIDI files, or
    <corpus>/ folders or <corpus>.tar.xz archives of them; an INDEX.tsv there or above (columns member, song_group and
    licence) keeps versions of one song together. Ctrl-C stops the run; the same command goes on with it.

    \b
    Examples:
      lnh train genres/polka.toml --midi polkas
      lnh train genres/heavy-metal.toml --midi midi --corpora metal-adjacent,rock
      lnh train --midi midi --corpora heavy-metal=2,rock,jazz --out weights/base.safetensors
    """
    name = genre_file.stem if genre_file else "base"
    if out and out.suffix != ".safetensors":  # what lies beside the weights is called as they are
        raise NeedsOperator(f"--out {out}: weights are called NAME.safetensors; give --out {out}.safetensors")
    if folder is None:
        _write_card_again(genre_file, out, figures)
        return
    if out and not out.parent.is_dir():
        raise NeedsOperator(f"{out}: its folder does not exist; make it, or name another")
    if figures:
        read_figures(figures)
    place = choose_device(device)
    threads = threads or os.cpu_count() or 1
    torch.set_num_threads(threads)
    torch.manual_seed(SEED)
    if genre_file and base is None and weights_path("base").is_file():
        base = weights_path("base")
    beside = _weights(corpora)
    console = Console(stderr=True)
    with _progress(console) as progress:
        own = _genre(genre_file, folder, base, beside, progress) if genre_file else None
        run_folder = run_folder or Path("runs") / name
        out = out or weights_path(own.weights if own else name)
        roles = [role for role in ROLES if own is None or any(player.role == role for player in own.players)]
        read = _read(folder, own, beside, roles=roles, processes=threads, progress=progress)
        show_reading(read, run_folder, console)
        ours = [corpus for corpus in read if own and corpus.name in own.archives]
        shares = _shares(ours, beside)
        network = load_base(base) if base else Composer(Architecture())
        plan = train.Plan(
            corpora=shares, tokens=tokens or _tokens(ours or read, shares), decay=own is not None,
            own=[corpus.name for corpus in ours], base=_digest(base) if base else "", seed=SEED,
        )  # fmt: skip
        trainer = train.Trainer(network, [song for corpus in read for song in corpus.songs], plan, place)
        _learn(trainer, run_folder, progress)
        if own:  # first, so that the weights are never without it
            _index(ours, read, index_path(out), progress)
        train.export(run_folder, out, _provenance(trainer, read, roles, base))
    if trainer.first and trainer.best:
        show_losses(trainer.first.losses, trainer.best.losses, console)
    card = write_card(out, own.name if own else None, figures)
    said = _how_to_listen(own, out) + _what_is_next(own, out, figures) if own else ""
    console.print(f"{out}, and its card {card}{said}", highlight=False, markup=False, soft_wrap=True)


def _write_card_again(genre_file: Path | None, out: Path | None, figures: Path | None) -> None:
    if genre_file and not genre_file.is_file():
        raise NeedsOperator(f"{genre_file}: no such file; give --midi FOLDER, and it is written from the songs there")
    own = load_genre(genre_file) if genre_file else None
    if not own and not out:
        raise NeedsOperator("nothing to learn: give GENRE.toml and --midi FOLDER; lnh train --help tells more")
    weights = out or weights_path(own.weights if own else "base")
    if not weights.is_file():
        raise NeedsOperator(f"{weights}: no such file; give --midi FOLDER to train it")
    click.echo(f"{write_card(weights, own.name if own else None, figures)}", err=True)


@contextmanager
def _progress(console: Console) -> Iterator[Progress]:
    """Shows how far it is, and says how to go on when it is stopped."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=console) as progress:
            yield progress
    except KeyboardInterrupt:
        console.print("Stopped; the same command goes on.")
        raise


def _how_to_listen(own: Genre, out: Path) -> str:
    played = weights_path(own.weights)
    if out.resolve() == played.resolve():
        return f"; listen: lnh compose '/g {own.name}'"
    return f"; to listen, copy it to {played}, and {index_path(out)} to {index_path(played)}"


def _what_is_next(own: Genre, out: Path, figures: Path | None) -> str:
    """What is to be learned from how these weights play, and judged: anew where it was of the weights before."""
    learned = {"leader": leader_path(out), "calibrate": calibration_path(out), "critic": critic_path(out)}
    stale = [command for command, path in learned.items() if path.is_file()]
    commands = "; ".join(f"lnh {each} {own.name} --midi MIDI_FOLDER" for each in stale or ("calibrate", "critic"))
    old = figures_path(out)
    judged = f"; {old} tells of the weights before: judge anew, or delete it" if old.is_file() and not figures else ""
    if stale:
        return f"; what lies beside it is of the weights before, so run again: {commands}{judged}"
    return f"; then, to come nearer to real songs: {commands}{judged}"


# --- the genre


def _genre(path: Path, folder: Path, base: Path | None, beside: Collection[str], progress: Progress) -> Genre:
    """The genre of a file, which is written from the songs where there is none; the corpora `beside` are others."""
    if path.is_file():
        genre = load_genre(path)
        unknown = [name for name in genre.archives if name not in CORPORA]
        if unknown:
            raise NeedsOperator(f"{path}: archives has {unknown[0]!r}; it can be {', '.join(CORPORA)}")
        return genre
    expect_free(path)
    sources = new_sources(folder, path.stem, path.stem if path.stem in CORPORA else FALLBACK)
    files = [file for source in sources for file in files_of(source, CACHE)]
    task = progress.add_task("looking at the songs", total=None)
    found = survey(files, lambda total: progress.update(task, total=total, advance=1))
    corpus = path.stem if path.stem in CORPORA else _nearest(base, beside, found, progress) if base else FALLBACK
    genre = write_genre(path, found, corpus)
    tempo = genre.tempo
    progress.console.print(
        f"{path} is written from {len(found.tempi)} songs: {', '.join(player.name for player in genre.players)}; "
        f"{tempo.slowest_bpm:g} to {tempo.fastest_bpm:g} bpm, mostly {tempo.default_bpm:g}; learned as {corpus}. "
        "Change what you know better and train again.",
        highlight=False, markup=False, soft_wrap=True,
    )  # fmt: skip
    return genre


def _nearest(base: Path, beside: Collection[str], found: Survey, progress: Progress) -> str:
    """The corpus as which a base foretells the songs best; those learned `beside` them keep their names."""
    task = progress.add_task("what music it is", total=None)
    learned = [name for name in corpora_of(read_provenance(base)) if name not in beside]
    return nearest_corpus(load_base(base), learned, found, lambda total: progress.update(task, total=total, advance=1))


# --- the songs


def _read(
    folder: Path, own: Genre | None, beside: Collection[str], *, roles: list[Role], processes: int, progress: Progress
) -> list[Corpus]:
    """The genre's own songs first, then the others."""
    twice = [name for name in beside if own and name in own.archives]
    if own and twice:
        raise NeedsOperator(
            f"--corpora: {own.name} itself is learned as {twice[0]}; leave it out, or change archives in the genre file"
        )
    sources = own_sources(folder, own.name, own.archives) if own else []
    taken = {source.corpus for source in sources}
    sources += [corpus_source(folder, name) for name in beside]
    if not sources:
        raise NeedsOperator("nothing to learn: give GENRE.toml, --corpora, or both")
    read = []
    for source in sources:
        task = progress.add_task(f"reading {source.corpus}", total=None)

        def on_files(done: int, total: int, task: object = task) -> None:
            progress.update(task, total=total, advance=done)  # type: ignore[arg-type]

        read.append(load_corpus(source, roles, CACHE, processes, on_files))
    songs = sum(len(corpus.songs) for corpus in read if own and corpus.name in taken)
    if own and songs < FEW_SONGS:
        progress.console.print(f"Only {songs} songs: they will be half learned by heart; {FEW_SONGS} are few already.")
    return read


def _weights(corpora: str) -> dict[str, float]:
    """What `--corpora` gives to each."""
    weights = {}
    for name, _, weight in (each.partition("=") for each in corpora.split(",") if each):
        if name not in CORPORA:
            raise NeedsOperator(f"corpus {name!r} is not one of {', '.join(CORPORA)}; see model/tokens.py")
        if not re.fullmatch(r"\d*\.?\d+", weight or "1") or float(weight or 1) == 0:
            raise NeedsOperator(f"--corpora: the share of {name} is {weight!r}; write a number above 0, as {name}=0.25")
        weights[name] = float(weight or 1)
    return weights


def _shares(ours: Sequence[Corpus], weights: Mapping[str, float]) -> dict[str, float]:
    """Share of the examples by corpus: a genre's own songs first, the rest by the weights that were given."""
    kept = 0.0 if not ours else SHARE_OF_OWN if weights else 1.0
    total = sum(weights.values())
    shares = {corpus.name: kept / len(ours) for corpus in ours}
    return shares | {name: (1 - kept) * weight / total for name, weight in weights.items()}


def _tokens(chosen: Sequence[Corpus], shares: Mapping[str, float]) -> int:
    """PASSES through the songs of some corpora, which are some of the examples or all."""
    once = sum(len(song.tokens) for corpus in chosen for song in corpus.learned)
    share = sum(shares[corpus.name] for corpus in chosen)
    return max(round(PASSES * once / share), FEWEST_STEPS * train.WINDOW * train.BATCH)


# --- learning


def _learn(trainer: train.Trainer, run_folder: Path, progress: Progress) -> None:
    trainer.resume(run_folder)  # `train` does so, too; here for what the bar begins with, and what was told
    task = progress.add_task("learning", total=trainer.steps, completed=trainer.step)
    told = [trainer.last.step if trainer.last else -1]

    def on_step(now: train.Progress) -> None:
        progress.update(task, completed=now.step, total=now.steps, description=f"learning, loss {now.loss:.3f}")
        if now.judged and now.judged.step > told[-1]:
            show_judgement(now.judged, now.loss, now.judged == now.best, progress.console)
            told.append(now.judged.step)
        if now.step == trainer.ending:
            progress.console.print("Held-out songs are no longer foretold better: from here the rate falls to zero")

    onwards = f", from step {trainer.step:,} on" if trainer.step else ""
    progress.console.print(
        f"Learning on {trainer.device}: {trainer.plan.tokens:,} tokens{onwards}; state in {run_folder}",
        highlight=False, markup=False,
    )  # fmt: skip
    train.train(trainer, run_folder, on_step)
    progress.update(task, completed=trainer.step)
    if trainer.best and trainer.best.step < trainer.step:
        progress.console.print(f"Held-out songs were foretold best at step {trainer.best.step}: those weights are kept")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _provenance(
    trainer: train.Trainer, read: list[Corpus], roles: list[Role], base: Path | None
) -> dict[str, object]:
    """What the header of the weights says of how they came to be; the card is written from it."""
    plan, best = trainer.plan, trainer.best
    return {
        "corpora": dict(plan.corpora),
        "songs": {corpus.name: len(corpus.learned) for corpus in read},
        "tokens": {corpus.name: sum(len(song.tokens) for song in corpus.learned) for corpus in read},
        "held_out": {
            corpus.name: {"songs": len(corpus.songs) - len(corpus.learned), "groups": len(corpus.held_out_groups),
                          "of_groups": len(set(corpus.groups))}
            for corpus in read
        },
        "licences": {corpus.name: {printable(name): count for name, count in corpus.licences.items()}
                     for corpus in read},
        "tokens_seen": (best.step if best else trainer.step) * train.WINDOW * train.BATCH,
        "first_loss": trainer.first.losses if trainer.first else {},
        "held_out_loss": best.losses if best else {},
        "roles": list(roles),
        "base": read_provenance(base) if base else None,
        "seed": plan.seed,
        "device": trainer.device,
        "date": date.today().isoformat(),
    }  # fmt: skip


def _index(own: Sequence[Corpus], read: Sequence[Corpus], path: Path, progress: Progress) -> None:
    """Index the passages of all songs that were read, so that none is copied; the limit is what the genre's own share.

    Whole songs by the thousand would fill the memory; a file that is gone by now, or damaged, is not compared.
    """
    paths = [path for corpus in own for path in corpus.paths]
    scores = {}
    for number in progress.track(compared_songs(len(paths)), description="comparing the songs"):
        with suppress(BadMidi):
            scores[number] = middle(read_midi(paths[number]))
    windows = [each for corpus in read for each in corpus.windows]  # those of the genre first, as in `_read`
    limit = measure_limit(
        gather_index(windows[: len(paths)]), scores, [group for corpus in own for group in corpus.groups]
    )
    replace(gather_index(windows), limit=limit).save(path)

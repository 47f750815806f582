"""The card of weights: from what they were learned, under which licences, how good they are, where their limits lie."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from model.calibration import calibration_path
from model.errors import NeedsOperator, write_whole
from model.leader import leader_path
from model.weights import read_architecture, read_provenance

OF_THE_HOUSE = (
    "Most songs of LnH's own archives are fan transcriptions and sequences of songs under copyright, collected from "
    "public repositories, with no licence of their own; the Freedoom songs among them are BSD-3-Clause, those of "
    "OpenMSX GPL-2.0 (original compositions). They served for training and are not part of this repository."
)
OF_THE_OPERATOR = (
    "The operator's own files: no INDEX.tsv says where they come from. **Say here whose they are and under what "
    "licence, before you give the weights to anybody.**"
)

FIGURES = {"bars", "real_songs", "held_out_songs", "sets", "through_tokens", "real"}  # what a card reads of them


class BadFigures(NeedsOperator):
    """The file of figures is not what `lnh evaluate --json` writes."""


def card_path(weights: Path) -> Path:
    """Where the card of a weights file lies: beside it."""
    return weights.with_suffix(".md")


def figures_path(weights: Path) -> Path:
    """Where the figures of a weights file's songs lie, for `lnh genres`: beside it."""
    return weights.with_suffix(".figures.json")


def write_card(weights: Path, genre: str | None = None, figures: Path | None = None) -> Path:
    """Write the card of a weights file from what its header says; the figures are kept beside it, too.

    Args:
        weights: The file.
        genre: The name in /g of what it composes; None for a base.
        figures: What `lnh evaluate --json` wrote of its songs.

    Raises:
        BadWeights: The weights are missing or damaged.
        BadFigures: The figures cannot be read.
    """
    facts = read_provenance(weights)
    measured = read_figures(figures) if figures else None
    sections = [
        f"# {weights.stem}: model card",
        f"`{weights.name}`, written by `lnh train`; the figures of its learning stand in its header, too.",
        *_what_it_is(weights, genre, facts),
        *_learned(facts),
        *_provenance(facts),
        *(_figures(genre, measured) if genre else []),
        *_limits(facts),
        *_imitation(weights),
    ]
    if genre and figures:
        write_whole(figures_path(weights), figures.read_bytes())
    path = card_path(weights)
    write_whole(path, ("\n\n".join(sections) + "\n").encode())
    return path


def corpora_of(facts: Mapping[str, Any]) -> list[str]:
    """Every corpus that weights have learned from by their provenance, those of their base too."""
    return list(dict.fromkeys(corpus for _, stage in _stages(facts) for corpus in stage["corpora"]))


def read_figures(path: Path) -> Mapping[str, Any]:
    """What `lnh evaluate --json` wrote.

    Raises:
        BadFigures: It cannot be read, or is something else.
    """
    try:
        figures = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadFigures(f"{path}: cannot be read ({error}); write it with `lnh evaluate --json`") from error
    if not isinstance(figures, dict) or not figures.keys() >= FIGURES:
        raise BadFigures(f"{path}: not the figures of `lnh evaluate`; write it with `lnh evaluate --json`")
    return figures


def _what_it_is(weights: Path, genre: str | None, facts: Mapping[str, Any]) -> Iterable[str]:
    shape = read_architecture(weights)
    yield "## What it is"
    use = f"It composes what `/g {genre}` asks for" if genre else "It is a base: genres are tuned from it"
    players = f", for {', '.join(facts['roles'])}" if facts.get("roles") else ""
    yield (
        f"A decoder-only transformer: {shape.layers} layers of width {shape.width} with {shape.heads} heads, half "
        f"precision on disk, a window of {shape.window} tokens. It writes a song bar by bar and part by part in the "
        f"tokens of `model/tokens.py`, and is told beside each token what sounds around it. {use}{players}."
    )


def _learned(facts: Mapping[str, Any]) -> Iterable[str]:
    """A table of every stage: the oldest base first."""
    yield "## What it learned from"
    stages = list(_stages(facts))
    rows = ["| stage | corpus | share of the examples | songs | tokens | held out |", "|---|---|---|---|---|---|"]
    for name, stage in stages:
        for corpus, share in stage["corpora"].items():
            kept = stage.get("held_out", {}).get(corpus)
            rows.append(
                f"| {name} | {corpus} | {share:.0%} | {stage['songs'][corpus]:,} | "
                f"{_number(stage.get('tokens', {}).get(corpus))} | {_held_out(kept)} |"
            )
    yield "\n".join(rows)
    yield (
        "Songs and tokens are those learned from, once through; every example is moved by −5 to +6 semitones at "
        "random. Versions of one song are held out together."
    )
    kinds = list(dict.fromkeys(kind for _, stage in stages for kind in stage["held_out_loss"]))
    if kinds:
        heading = f"| held-out loss, nats a token | {' | '.join(kinds)} | tokens seen |"
        rows = [heading, "|---|" + "---|" * (len(kinds) + 1)]
        for name, stage in stages:
            if stage.get("first_loss"):
                rows.append(_loss_row(f"{name}, before", stage["first_loss"], kinds, None))
            rows.append(_loss_row(name, stage["held_out_loss"], kinds, stage["tokens_seen"]))
        yield "\n".join(rows)
        yield "Losses of stages with other players, tokens or held-out songs cannot be compared."
    else:
        yield f"Tokens seen: {facts['tokens_seen']:,}. No song was held out, so nothing says how well it learned."


def _stages(facts: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    if facts.get("base"):
        older = list(_stages(facts["base"]))
        yield from older
        yield f"{len(older) + 1}", facts
    else:
        yield "1", facts


def _loss_row(name: str, found: Mapping[str, float], kinds: list[str], tokens: int | None) -> str:
    losses = " | ".join(f"{found[kind]:.3f}" if kind in found else "–" for kind in kinds)
    return f"| {name} | {losses} | {_number(tokens)} |"


def _held_out(kept: Mapping[str, int] | None) -> str:
    return f"{kept['groups']} of {kept['of_groups']} songs, {kept['songs']} files" if kept else "–"


def _provenance(facts: Mapping[str, Any]) -> Iterable[str]:
    yield "## Provenance and licences"
    rows: list[str] = []
    of_house = of_operator = False
    for _, stage in _stages(facts):
        for corpus in stage["corpora"]:
            licences = stage["licences"][corpus] if "licences" in stage else None
            rows += [f"- {corpus}, {count:,} songs: {licence}" for licence, count in (licences or {}).items()]
            of_house = of_house or licences is None
            of_operator = of_operator or licences == {}
    if rows:
        yield "The INDEX.tsv beside the files says:"
        yield "\n".join(dict.fromkeys(rows))
        yield "Songs with no licence of their own served for training only; none of them is part of this repository."
    if of_house:
        yield OF_THE_HOUSE
    if of_operator:
        yield OF_THE_OPERATOR


def _figures(genre: str, measured: Mapping[str, Any] | None) -> Iterable[str]:
    yield "## How good it is"
    if measured is None:
        yield "Not measured yet. With real songs in a folder `midi`:"
        yield "\n".join([
            f'    lnh compose "/g {genre}" --seed 1 --count 128 --bars 48 --midi-only --out songs',
            f"    lnh evaluate songs --genre {genre} --reference midi --json figures.json",
            f"    lnh train genres/{genre}.toml --figures figures.json",
        ])  # fmt: skip
        return
    columns = [dict(_flat(verdict)) for verdict in (*measured["sets"], measured["through_tokens"], measured["real"])]
    sets = [Path(str(verdict.get("name", "ours"))).name.replace("-", " ") for verdict in measured["sets"]]
    names = [*sets, "real songs through tokens", "real songs"]
    rows = [f"| | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    rows += [
        f"| {name} | {' | '.join(column.get(name, '–') for column in columns)} |"
        for name in dict.fromkeys(name for column in columns for name in column)
    ]
    yield (
        f"What `lnh evaluate` found of {measured['bars']} bars of each song, beside {measured['real_songs']} real "
        f"ones, {measured['held_out_songs']} of them held out from learning:"
    )
    yield "\n".join(rows)


def _flat(value: object, name: str = "") -> Iterable[tuple[str, str]]:
    """Every figure of a verdict with its name; single features are too many for a card."""
    if isinstance(value, Mapping) and value.keys() == {"value", "deviation"}:
        yield name, f"{value['value']:.3f} ± {value['deviation']:.3f}"
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if key != "features":
                title = key.replace("_", " ")
                yield from _flat(inner, f"{name}, {title}" if name else title)
    elif isinstance(value, list):
        for inner in value:
            figures = "{ours:.3f} ({low:.3f} to {high:.3f})".format(**inner)
            yield f"{inner['feature']} (middle half of real songs)", figures
    elif isinstance(value, int | float):
        yield name, f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def _limits(facts: Mapping[str, Any]) -> Iterable[str]:
    yield "## Limits"
    own = sum(facts["songs"][corpus] for corpus in facts["corpora"])
    limits = [
        "Nobody has judged it by ear in a blind test.",
        "It keeps to a grid of sixteenths and triplets; loudness has three levels.",
        "What its songs never do, it does not do: other metres, other line-ups, singing.",
    ]
    if own < 100:
        limits.insert(0, f"It learned from {own} songs only: expect little variety, and listen for what you know.")
    yield "\n".join(f"- {limit}" for limit in limits)


def _imitation(weights: Path) -> Iterable[str]:
    yield "## The risk of imitation, and what guards against it"
    yield (
        "A model can repeat what it learned, the more so the fewer songs there were and the longer it saw them. So: "
        "learning stops when held-out songs are no longer foretold better, and the weights that foretold them best are "
        "kept; every example is transposed at random; an index of the songs' passages, as hashes of twelve notes from "
        f"which no song can be put together again, lies beside the weights of a genre (`{weights.stem}.originality"
        ".safetensors`), and the band drops a take that shares a longer passage with one of the songs than real songs "
        "share with each other. Drums are not compared, nor is the manner of a known band: that remains a risk, and "
        "whoever publishes a song answers for it."
    )
    leader = leader_path(weights)
    if leader.is_file():
        yield (
            f"A leader (`{leader.name}`) hands out a chart before each take. Of the songs that were learned from, "
            "it holds which chord each half bar has, the scale, each player's lowest and highest note, and which bars "
            "return, and no tune; a take has the form and the registers of one song over the chords and the scale of "
            "another, both drawn by lot."
        )
    calibration = calibration_path(weights)
    if calibration.is_file():
        yield (
            f"A calibration (`{calibration.name}`) makes the band step, wait, rest and repeat as often as the songs "
            "that were learned from: it holds counts over all of them, and nothing of a single one."
        )


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"

"""Learning from songs: windows of whole bars, moved to any key, until the asked number of tokens is seen.

Matrices learn by Muon (Jordan et al. 2024), the rest by AdamW. A run keeps its state in its folder and goes on from
there when it is started again.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from model import tokens as t
from model.corpus import BadCorpus, Song
from model.errors import NeedsOperator
from model.network import Architecture, Composer, transpose
from model.weights import FORMAT, save_weights

WINDOW = 768  # tokens of a training example; 28 bars of six players, 40 of four
BATCH = 8
PEAK_RATE = 2e-3
WARM_UP = 60  # steps
WEIGHT_DECAY = 0.05
TRANSPOSE = range(-5, 7)  # semitones
SAVE_EVERY = 100  # steps; also how often held-out songs are judged
HELD_OUT_WINDOWS = 32
IGNORED = -100  # the target of padding
KINDS = {
    "pitch": (t.PITCH, t.SHAPE), "drums": (t.HIT,), "duration": (t.DURATION,), "position": (t.AT,),
    "structure": (t.REPEAT, t.DOUBLE, t.ROOT, range(t.START, t.REST + 1)), "accent": (t.ACCENT,),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to learn, for how long."""

    corpora: Mapping[str, float]  # share of the examples
    tokens: int  # to see in all
    decay: bool  # whether the rate falls to zero on the way, as it should for weights that are to be used
    seed: int = 1

    @property
    def steps(self) -> int:
        """Number of steps."""
        return max(1, self.tokens // (WINDOW * BATCH))


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is."""

    step: int
    steps: int
    loss: float  # nats a token, average of the last steps
    held_out: dict[str, float]  # nats a token on held-out songs, "all" and by kind; empty before the first judging


Example = tuple[NDArray[np.int16], NDArray[np.int16]]  # tokens (n,), inputs (n, len(INPUTS))


class BadRun(NeedsOperator):
    """A training run cannot go on from what its folder holds."""


class Trainer:
    """A network, its optimizers, and the songs."""

    def __init__(self, network: Composer, songs: Sequence[Song], plan: Plan) -> None:
        """Ready for step 0.

        Raises:
            BadCorpus: There is nothing to learn in a corpus of the plan.
        """
        self.network, self.plan = network, plan
        self.learning = {c: [s for s in songs if s.corpus == c and not s.held_out] for c in plan.corpora}
        for corpus, learned in self.learning.items():
            if not learned:
                raise BadCorpus(f"corpus {corpus}: no song to learn from is left after some were held out; add songs")
        main = max(plan.corpora, key=lambda corpus: plan.corpora[corpus])
        self.judged = [song for song in songs if song.corpus == main and song.held_out]
        matrices = [p for p in network.blocks.parameters() if p.ndim == 2]
        tables = [network.token.weight, network.known.weight]
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.Muon(matrices, lr=PEAK_RATE, weight_decay=WEIGHT_DECAY, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(tables, lr=PEAK_RATE, betas=(0.9, 0.98), weight_decay=0.0),
        ]
        self.step = 0
        self.loss = 0.0
        self.held_out: dict[str, float] = {}

    def learn(self) -> None:
        """One step."""
        rng = np.random.default_rng([self.plan.seed, self.step])
        tokens, inputs = self._batch(rng)
        rate = PEAK_RATE * self._rate()
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        loss = self._loss(tokens, inputs).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self.step += 1
        self.loss += (loss.item() - self.loss) / min(self.step, 50)

    @torch.no_grad()
    def judge(self) -> dict[str, float]:
        """Nats a token on windows of held-out songs, the same at each call."""
        if not self.judged:
            return {}
        rng = np.random.default_rng(0)
        losses, targets = [], []
        for _ in range(HELD_OUT_WINDOWS // BATCH):
            tokens, inputs = collate([example(self.judged[rng.integers(len(self.judged))], rng) for _ in range(BATCH)])
            losses.append(self._loss(tokens, inputs))
            targets.append(tokens[:, 1:][tokens[:, 1:] != IGNORED])
        loss, target = torch.cat(losses), torch.cat(targets)
        result = {"all": loss.mean().item()}
        for kind, ranges in KINDS.items():
            chosen = torch.zeros_like(target, dtype=torch.bool)
            for tokens_of_kind in ranges:
                chosen |= (target >= tokens_of_kind.start) & (target < tokens_of_kind.stop)
            if chosen.any():
                result[kind] = loss[chosen].mean().item()
        return result

    def save(self, folder: Path) -> None:
        """Keep everything that is needed to go on, all or nothing."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {f"network.{name}": tensor.contiguous() for name, tensor in self.network.state_dict().items()}
        for i, optimizer in enumerate(self.optimizers):
            for p, state in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer.{i}.{p}.{name}": value.contiguous() for name, value in state.items()}
        state = {"step": self.step, "loss": self.loss, "held_out": self.held_out, "plan": asdict(self.plan),
                 "format": FORMAT, "architecture": asdict(self.network.architecture)}  # fmt: skip
        partial = folder / "state.partial"
        save_file(tensors, partial, {"state": json.dumps(state)})
        partial.replace(folder / "state.safetensors")

    def resume(self, folder: Path) -> None:
        """Go on from what `save` kept, if anything.

        Raises:
            BadRun: The folder holds another run.
        """
        path = folder / "state.safetensors"
        if not path.is_file():
            return
        state = read_state(folder)
        if state["plan"]["corpora"] != dict(self.plan.corpora):
            raise BadRun(f"{folder}: holds a run on {state['plan']['corpora']}; choose another folder with --run")
        if state["format"] != FORMAT:
            raise BadRun(f"{folder}: holds a run with another vocabulary; choose another folder with --run")
        tensors = load_file(path)
        try:
            self.network.load_state_dict(_under("network.", tensors))
        except RuntimeError as error:
            raise BadRun(f"{folder}: holds a run of another network; choose another folder with --run") from error
        for i, optimizer in enumerate(self.optimizers):
            stored: dict[int, dict[str, Tensor]] = {}
            for name, value in _under(f"optimizer.{i}.", tensors).items():
                parameter, _, key = name.partition(".")
                stored.setdefault(int(parameter), {})[key] = value
            optimizer.load_state_dict({**optimizer.state_dict(), "state": stored})
        self.step, self.loss, self.held_out = state["step"], state["loss"], state["held_out"]

    def _rate(self) -> float:
        warm = min(1.0, (self.step + 1) / WARM_UP)
        return warm * (1 - self.step / self.plan.steps) if self.plan.decay else warm

    def _batch(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        names = list(self.plan.corpora)
        shares = np.array([self.plan.corpora[name] for name in names])
        examples = []
        for corpus in rng.choice(len(names), BATCH, p=shares / shares.sum()):
            songs = self.learning[names[corpus]]
            examples.append(example(songs[rng.integers(len(songs))], rng))
        tokens, inputs = collate(examples)
        semitones = torch.from_numpy(rng.choice(np.array(TRANSPOSE), BATCH))
        return transpose(tokens, inputs, semitones)

    def _loss(self, tokens: Tensor, inputs: Tensor) -> Tensor:
        """Nats for each token that is not padding, (n,)."""
        seen = tokens[:, :-1].clamp(min=0)
        with torch.autocast(tokens.device.type, dtype=torch.bfloat16):
            logits = self.network(seen, inputs[:, :-1])
        target = tokens[:, 1:].flatten()
        loss = functional.cross_entropy(logits.flatten(0, 1).float(), target, ignore_index=IGNORED, reduction="none")
        return loss[target != IGNORED]


def example(song: Song, rng: np.random.Generator) -> Example:
    """A song's header and a window of it that begins with a bar; often its beginning, often its end."""
    room = WINDOW + 1 - song.header
    where = rng.random()
    last = int(np.searchsorted(song.bars, len(song.tokens) - room))  # first bar from which the rest fits
    bar = 0 if where < 0.2 else min(last, len(song.bars) - 1) if where < 0.35 else rng.integers(max(last, 1))
    begin = int(song.bars[bar])
    rows = np.r_[0 : song.header, begin : min(begin + room, len(song.tokens))]
    inputs = song.inputs[rows]
    inputs[song.header - 1] = song.inputs[begin - 1]  # what is known before the window's first bar
    return song.tokens[rows], inputs


def collate(examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
    """Examples of unlike length as (B, WINDOW + 1) tokens, padded with IGNORED, and (B, WINDOW + 1, inputs)."""
    tokens = np.full((len(examples), WINDOW + 1), IGNORED, dtype=np.int64)
    inputs = np.zeros((len(examples), WINDOW + 1, examples[0][1].shape[1]), dtype=np.int64)
    for row, (own_tokens, own_inputs) in enumerate(examples):
        tokens[row, : len(own_tokens)] = own_tokens
        inputs[row, : len(own_inputs)] = own_inputs
    return torch.from_numpy(tokens), torch.from_numpy(inputs)


def train(trainer: Trainer, folder: Path, on_step: Callable[[Progress], None]) -> None:
    """Learn until the plan is fulfilled, keeping the state in `folder`; interrupted, it keeps what it has."""
    trainer.resume(folder)
    steps = trainer.plan.steps
    try:
        while trainer.step < steps:
            trainer.learn()
            if trainer.step % SAVE_EVERY == 0 or trainer.step == steps:
                trainer.held_out = trainer.judge()
                trainer.save(folder)
                _log(trainer, folder)
            on_step(Progress(step=trainer.step, steps=steps, loss=trainer.loss, held_out=trainer.held_out))
    except KeyboardInterrupt:
        trainer.save(folder)
        raise


def export(folder: Path, path: Path, provenance: dict[str, object]) -> None:
    """Turn the state of a run into weights to compose with.

    Raises:
        BadRun: There is no run in the folder.
    """
    state = read_state(folder)
    network = Composer(Architecture(**state["architecture"]))
    network.load_state_dict(_under("network.", load_file(folder / "state.safetensors")))
    save_weights(path, network, provenance)


def read_state(folder: Path) -> dict[str, Any]:
    """Step, loss, held-out loss, plan and architecture of a run.

    Raises:
        BadRun: There is no run in the folder, or it is damaged.
    """
    try:
        with safe_open(folder / "state.safetensors", framework="pt") as stored:
            state: dict[str, Any] = json.loads(stored.metadata()["state"])
            return state
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise BadRun(f"{folder}: no training state to go on from ({error})") from error


def _log(trainer: Trainer, folder: Path) -> None:
    held_out = {kind: round(loss, 4) for kind, loss in trainer.held_out.items()}
    line = {"step": trainer.step, "tokens": trainer.step * WINDOW * BATCH, "loss": round(trainer.loss, 4),
            "held_out": held_out, "time": round(time.time())}  # fmt: skip
    with (folder / "log.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

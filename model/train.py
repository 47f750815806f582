"""Learning from songs: windows of whole bars, moved to any key, until the asked number of tokens is seen.

Matrices learn by Muon (Jordan et al. 2024), the rest by AdamW. Held-out songs are judged now and then; the network that
judged best is kept, and a run that has not become better for long comes to its end: its rate falls to zero at once,
for only then shows what was learned at a high one. A run keeps its state in its folder and goes on from there when it
is started again, as if nothing had happened.
"""

import hashlib
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor
from torch.nn import functional

from model import tokens as t
from model.corpus import BadCorpus, Song
from model.errors import NeedsOperator, make_folder, write_whole, writing
from model.network import Architecture, Composer, transpose
from model.weights import FORMAT, save_weights

WINDOW = 768  # tokens of a training example; 28 bars of six players, 40 of four
BATCH = 8
PEAK_RATE = 2e-3
WARM_UP = 60  # steps
WEIGHT_DECAY = 0.05
TRANSPOSE = range(-5, 7)  # semitones
SAVE_EVERY = 100  # steps at most; also how often held-out songs are judged
JUDGEMENTS = 20  # of a run, where that is not more often than SAVE_LEAST
SAVE_LEAST = 10  # steps
PATIENCE = 5  # judgements in a row that are no better, after which a run comes to its end, in as many more
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
    own: Sequence[str] = ()  # the corpora of a genre, by whose held-out songs it is judged
    base: str = ""  # digest of the weights to begin with
    seed: int = 1

    @property
    def judges(self) -> list[str]:
        """The corpora whose held-out songs judge: a genre's own, those of a base that have the largest share."""
        largest = max(self.corpora.values())
        return [name for name, share in self.corpora.items() if (name in self.own if self.own else share == largest)]

    @property
    def steps(self) -> int:
        """Number of steps."""
        return max(1, self.tokens // (WINDOW * BATCH))

    @property
    def save_every(self) -> int:
        """Steps from one judging, and saving, to the next."""
        return min(SAVE_EVERY, max(SAVE_LEAST, self.steps // JUDGEMENTS))

    def steps_from(self, ending: int | None) -> int:
        """Number of steps of a run that came to its end early, from that step on; None: it did not."""
        return self.steps if ending is None else min(self.steps, ending + PATIENCE * self.save_every)

    def rate(self, step: int, ending: int | None = None) -> float:
        """Share of PEAK_RATE at which a step learns."""
        warm = min(1.0, (step + 1) / WARM_UP)
        if not self.decay:
            return warm
        left = 1 - (step if ending is None else ending) / self.steps
        if ending is not None:
            left *= 1 - (step - ending) / (self.steps_from(ending) - ending)
        return warm * left


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """How well held-out songs are foretold after so many steps."""

    step: int
    losses: dict[str, float]  # nats a token, "all" and by kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is."""

    step: int
    steps: int
    loss: float  # nats a token, average of the last steps
    judged: Judgement | None  # the last
    best: Judgement | None  # the one whose network is kept


Example = tuple[NDArray[np.int16], NDArray[np.int16]]  # tokens (n,), inputs (n, len(INPUTS))


class BadRun(NeedsOperator):
    """A training run cannot go on from what its folder holds."""


class Trainer:
    """A network, its optimizers, and the songs."""

    def __init__(self, network: Composer, songs: Sequence[Song], plan: Plan, device: str = "cpu") -> None:
        """Ready for step 0, on a torch device.

        Raises:
            BadCorpus: There is nothing to learn in a corpus of the plan.
        """
        self.network, self.plan, self.device = network.to(device), plan, device
        self.songs_digest = _digest(songs)
        self.learning = {c: [s for s in songs if s.corpus == c and not s.held_out] for c in plan.corpora}
        for corpus, learned in self.learning.items():
            if not learned:
                raise BadCorpus(f"corpus {corpus}: no song to learn from is left after some were held out; add songs")
        self.judged = [song for song in songs if song.held_out and song.corpus in plan.judges]
        matrices = [p for p in network.blocks.parameters() if p.ndim == 2]
        tables = [network.token.weight, network.known.weight]
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.Muon(matrices, lr=PEAK_RATE, weight_decay=WEIGHT_DECAY, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(tables, lr=PEAK_RATE, betas=(0.9, 0.98), weight_decay=0.0),
        ]
        self.step = 0
        self.loss = 0.0
        self.first: Judgement | None = None  # before anything was learned
        self.last: Judgement | None = None
        self.best: Judgement | None = None
        self.no_better = 0  # judgements since the best
        self.ending: int | None = None  # step from which the run comes to its end early

    @property
    def steps(self) -> int:
        """Number of steps of the run, as far as is known."""
        return self.plan.steps_from(self.ending)

    def learn(self) -> None:
        """One step."""
        rng = np.random.default_rng([self.plan.seed, self.step])
        tokens, inputs = self._batch(rng)
        rate = PEAK_RATE * self.plan.rate(self.step, self.ending)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        loss = losses(self.network, tokens, inputs).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self.step += 1
        self.loss += (loss.item() - self.loss) / min(self.step, 50)

    def judge(self, folder: Path) -> None:
        """Judge by the held-out songs, if there are any, and keep the network in `folder` if it is the best so far.

        At a constant rate a judgement rises and falls with the last steps, while the network goes on learning what a
        falling rate will bring out: there the latest counts as the best.
        """
        if not self.judged:
            return
        self.last = Judgement(step=self.step, losses=self.held_out_losses())
        self.first = self.first or self.last
        self.no_better += 1
        if self.best is None or not self.plan.decay or self.last.losses["all"] < self.best.losses["all"]:
            self.best, self.no_better = self.last, 0
            best = {name: each.contiguous() for name, each in self.network.state_dict().items()}
            write_whole(folder / "best.safetensors", save(best))
        if self.no_better >= PATIENCE and self.ending is None and self.step < self.plan.steps:
            self.ending = self.step

    @torch.no_grad()
    def held_out_losses(self) -> dict[str, float]:
        """Nats a token on windows of held-out songs, "all" and by kind; the same windows at each call."""
        rng = np.random.default_rng(0)
        found, targets = [], []
        for _ in range(HELD_OUT_WINDOWS // BATCH):
            songs = [self.judged[rng.integers(len(self.judged))] for _ in range(BATCH)]
            tokens, inputs = (each.to(self.device) for each in collate([example(song, rng) for song in songs]))
            found.append(losses(self.network, tokens, inputs))
            targets.append(tokens[:, 1:][tokens[:, 1:] != IGNORED])
        loss, target = torch.cat(found), torch.cat(targets)
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
        tensors = {f"network.{name}": tensor.contiguous() for name, tensor in self.network.state_dict().items()}
        for i, optimizer in enumerate(self.optimizers):
            for p, state in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer.{i}.{p}.{name}": value.contiguous() for name, value in state.items()}
        about = {
            "step": self.step, "loss": self.loss, "no_better": self.no_better, "ending": self.ending,
            "songs": self.songs_digest,
            "first": _as_json(self.first), "last": _as_json(self.last), "best": _as_json(self.best),
            "plan": asdict(self.plan), "format": FORMAT, "architecture": asdict(self.network.architecture),
        }  # fmt: skip
        write_whole(folder / "state.safetensors", save(tensors, {"state": json.dumps(about)}))

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
        if state["plan"].get("base", self.plan.base) != self.plan.base:  # older runs kept none
            raise BadRun(f"{folder}: holds a run from another base; give it as --base, or another folder as --run")
        if state.get("songs") != self.songs_digest:
            raise BadRun(f"{folder}: holds a run on other songs, or on other bars of them; delete it to begin anew")
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
        self.step, self.loss, self.no_better = state["step"], state["loss"], state["no_better"]
        self.ending = state.get("ending")  # older runs had none
        self.first, self.last, self.best = (_from_json(state[name]) for name in ("first", "last", "best"))

    def _batch(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        names = list(self.plan.corpora)
        shares = np.array([self.plan.corpora[name] for name in names])
        examples = []
        for corpus in rng.choice(len(names), BATCH, p=shares / shares.sum()):
            songs = self.learning[names[corpus]]
            examples.append(example(songs[rng.integers(len(songs))], rng))
        tokens, inputs = collate(examples)
        semitones = torch.from_numpy(rng.choice(np.array(TRANSPOSE), BATCH))
        tokens, inputs = transpose(tokens, inputs, semitones)
        return tokens.to(self.device), inputs.to(self.device)


def losses(network: Composer, tokens: Tensor, inputs: Tensor) -> Tensor:
    """Nats for each token that is not padding, (n,)."""
    seen = tokens[:, :-1].clamp(min=0)
    with torch.autocast(tokens.device.type, dtype=torch.bfloat16):
        logits = network(seen, inputs[:, :-1])
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
    """Learn until the run is over, keeping its state in `folder`; interrupted, it finishes its step and keeps that.

    Raises:
        BadRun: The folder holds another run, or a damaged one.
    """
    trainer.resume(folder)
    make_folder(folder)
    _forget_log_after(trainer.step, folder)
    with _interrupts() as interrupts:
        if trainer.step == 0:
            _keep(trainer, folder)
        while trainer.step < trainer.steps and not interrupts:
            trainer.learn()
            if trainer.step % trainer.plan.save_every == 0 or trainer.step == trainer.steps:
                _keep(trainer, folder)
            on_step(Progress(step=trainer.step, steps=trainer.steps, loss=trainer.loss, judged=trainer.last,
                             best=trainer.best))  # fmt: skip
        if interrupts:
            trainer.save(folder)
            raise KeyboardInterrupt


def _keep(trainer: Trainer, folder: Path) -> None:
    trainer.judge(folder)
    trainer.save(folder)
    _log(trainer, folder)


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """The signals that asked this process to stop, for whoever looks; half a step must not be kept."""
    asked: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    if threading.current_thread() is not threading.main_thread():  # Python gives signals to no other
        yield asked
        return
    before = [signal.signal(number, lambda number, _frame: asked.append(number)) for number in numbers]
    try:
        yield asked
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def export(folder: Path, path: Path, provenance: dict[str, object]) -> None:
    """Turn a run into weights to compose with: those that judged best, or the last where no song was held out.

    Raises:
        BadRun: There is no run in the folder, or it is damaged.
    """
    state = read_state(folder)
    network = Composer(Architecture(**state["architecture"]))
    try:
        tensors = (load_file(folder / "best.safetensors") if state.get("best")
                   else _under("network.", load_file(folder / "state.safetensors")))  # fmt: skip
        network.load_state_dict(tensors)
    except (SafetensorError, OSError, RuntimeError) as error:
        raise BadRun(f"{folder}: best.safetensors is missing or damaged; delete the folder to begin anew") from error
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
        raise BadRun(
            f"{folder}: no training state to go on from ({error}); name the folder of a run, or delete it to begin anew"
        ) from error


def _log(trainer: Trainer, folder: Path) -> None:
    held_out = {kind: round(loss, 4) for kind, loss in trainer.last.losses.items()} if trainer.last else {}
    line = {"step": trainer.step, "tokens": trainer.step * WINDOW * BATCH, "loss": round(trainer.loss, 4),
            "held_out": held_out, "time": round(time.time())}  # fmt: skip
    path = folder / "log.jsonl"
    with writing(path), path.open("a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")


def _forget_log_after(step: int, folder: Path) -> None:
    """Drop lines of steps that were logged but not kept, for they are done again."""
    path = folder / "log.jsonl"
    if path.is_file():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
        write_whole(path, "".join(kept if (folder / "state.safetensors").is_file() else []).encode())


def _as_json(judgement: Judgement | None) -> dict[str, Any] | None:
    return asdict(judgement) if judgement else None


def _from_json(stored: dict[str, Any] | None) -> Judgement | None:
    return Judgement(**stored) if stored else None


def _digest(songs: Sequence[Song]) -> str:
    """Changes with the songs, their order, and who is held out."""
    digest = hashlib.sha256()
    for song in songs:
        digest.update(f"{song.corpus} {song.held_out}".encode())
        digest.update(song.tokens.tobytes())
    return digest.hexdigest()[:16]


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

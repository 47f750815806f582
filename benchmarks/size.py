"""How well held-out songs are foretold by composers of several sizes that have seen the same tokens.

    python benchmarks/size.py MIDI_FOLDER [THOUSAND_TOKENS]

writes its table to benchmarks/size.md.
"""

import sys
import time
from pathlib import Path

import torch
from rich.progress import track

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from machine import machine  # noqa: E402

from model.corpus import corpus_source  # noqa: E402
from model.learning import CACHE  # noqa: E402
from model.network import Architecture, Composer  # noqa: E402
from model.score import ROLES  # noqa: E402
from model.shelf import Corpus, load_corpus  # noqa: E402
from model.train import BATCH, WINDOW, Plan, Trainer  # noqa: E402

CORPORA = ("heavy-metal", "rock", "reggae")
SIZES = (
    Architecture(width=128, layers=2, heads=2),
    Architecture(width=128, layers=4, heads=2),
    Architecture(width=256, layers=4, heads=4),
)
THOUSAND_TOKENS = 800
LOOKS = 4  # at the held-out loss, evenly spread


def main() -> None:
    """Train each size from chance, write the table."""
    folder = Path(sys.argv[1])
    thousands = int(sys.argv[2]) if len(sys.argv) > 2 else THOUSAND_TOKENS
    torch.set_num_threads(1)
    corpora = [load_corpus(corpus_source(folder, name), ROLES, CACHE) for name in CORPORA]
    plan = Plan(corpora=dict.fromkeys(CORPORA, 1.0), tokens=1000 * thousands, decay=True)
    looks = [round(plan.steps * look / LOOKS) for look in range(1, LOOKS + 1)]
    seen = " | ".join(f"{look * WINDOW * BATCH / 1e6:.2f}" for look in looks)
    lines = [
        "# Size",
        "",
        f"{machine()}. By `python benchmarks/size.py {folder.name} {thousands}`: composers that learn "
        f"{', '.join(CORPORA)} "
        f"from chance, in the same order, the rate falling to zero; nats a token on the same windows of held-out songs "
        "after so many million tokens; seconds of processor time, on one core.",
        "",
        f"| width | layers | parameters, million | {seen} | structure | pitch | tokens a CPU second |",
        "|---" * (6 + LOOKS) + "|",
    ]
    for architecture in SIZES:
        lines.append(learn(architecture, corpora, plan, looks))
        text = "\n".join([*lines, ""])
        (HERE / "size.md").write_text(text, encoding="utf-8")
    print(text)


def learn(architecture: Architecture, corpora: list[Corpus], plan: Plan, looks: list[int]) -> str:
    """Train one size; its row of the table."""
    torch.manual_seed(plan.seed)
    trainer = Trainer(Composer(architecture), [song for corpus in corpora for song in corpus.songs], plan)
    parameters = sum(parameter.numel() for parameter in trainer.network.parameters())
    judged, seconds = [], 0.0
    for step in track(range(1, plan.steps + 1), description=f"{architecture.width} × {architecture.layers}"):
        begun = time.process_time()
        trainer.learn()
        seconds += time.process_time() - begun
        if step in looks:
            judged.append(trainer.held_out_losses())
    losses = " | ".join(f"{each['all']:.3f}" for each in judged)
    return (
        f"| {architecture.width} | {architecture.layers} | {parameters / 1e6:.1f} | {losses} "
        f"| {judged[-1]['structure']:.3f} | {judged[-1]['pitch']:.3f} | {plan.steps * WINDOW * BATCH / seconds:.0f} |"
    )


if __name__ == "__main__":
    main()

"""What goes wrong, and when: drawn from a seed, so that the same seed brings the same faults in the same order."""

from dataclasses import dataclass
from itertools import product
from random import Random

NETWORKS = ("mastodon", "x")
ROUTES = ("read", "look", "upload", "post")  # what is new? what is there? take this, say this
ANSWERS = (
    "429 with a reset", "429 without a reset", "5xx in HTML before it landed", "5xx in HTML after it landed",
    "reset before it landed", "reset after it landed", "time-out before it landed", "time-out after it landed",
    "bot killed before it landed", "bot killed after it landed",
)  # fmt: skip
REFUSALS = ("401", "402")  # until the operator mends it
ONLY_ON_X = ("402",)
FALLS = (
    "bot killed", "bot told to stop", "worker killed", "worker killed while it composes",
    "Redis killed", "Redis wiped", "Redis killed and emptied",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One of them; without a network it befalls one of our own processes."""

    after: int  # posts
    kind: str
    network: str = ""
    route: str = ""


def plan(posts: int, faults: int, seed: int) -> list[Fault]:
    """Faults spread over a number of posts, in order; of each kind as many as of any other, give or take one."""
    rng = Random(f"faults-{seed}")
    moments = sorted(rng.randrange(posts) for _ in range(faults))
    deck: list[tuple[str, str, str]] = []
    while len(deck) < faults:
        deck += rng.sample(_every(), len(_every()))
    return [
        Fault(after=after, kind=kind, network=network, route=route)
        for after, (kind, network, route) in zip(moments, deck, strict=False)
    ]


def _every() -> list[tuple[str, str, str]]:
    """Each fault of a network on each of its routes; each fall as often as there are routes."""
    answers = list(product(ANSWERS, NETWORKS, ROUTES))
    refusals = [
        (kind, network, route)
        for kind, network, route in product(REFUSALS, NETWORKS, ("read", "post"))
        if network == "x" or kind not in ONLY_ON_X
    ]
    falls = [(kind, "", "") for kind in FALLS for _ in ROUTES]
    return answers + refusals + falls

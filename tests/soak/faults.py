"""What goes wrong, and when: drawn from a seed, so that the same seed brings the same faults in the same order."""

from dataclasses import dataclass
from itertools import product
from random import Random

ROUTES = {  # what is new? tell me what is new; what is there? take this, say this
    "mastodon": ("read", "stream", "look", "upload", "post"),
    "x": ("read", "look", "upload", "post"),
}
ANSWERS = (
    "429 with a reset", "429 without a reset", "5xx in HTML before it landed", "5xx in HTML after it landed",
    "reset before it landed", "reset after it landed", "time-out before it landed", "time-out after it landed",
    "bot killed before it landed", "bot killed after it landed",
)  # fmt: skip
NETWORKS = tuple(ROUTES)
REFUSALS = ("401", "402")  # until the operator mends it
ONLY_ON_X = ("402",)
FALLS = (
    "bot killed", "bot told to stop", "worker killed", "worker killed while it composes",
    "Redis killed", "Redis wiped", "Redis killed and emptied", "stream cut",
)  # fmt: skip
FALLS_TO_A_ROUND = 4  # in which each fault of a network comes once on each of its routes


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
    answers = [(kind, network, route) for network, routes in ROUTES.items() for kind, route in product(ANSWERS, routes)]
    refusals = [
        (kind, network, route)
        for kind, network, route in product(REFUSALS, NETWORKS, ("read", "post"))
        if network == "x" or kind not in ONLY_ON_X
    ]
    falls = [(kind, "", "") for kind in FALLS] * FALLS_TO_A_ROUND
    return answers + refusals + falls

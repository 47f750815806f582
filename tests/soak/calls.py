"""Who calls the band, with what, and how the network brings it to us; a stream that is open brings all of it, too."""

from dataclasses import dataclass
from random import Random

WAYS = {
    "once": 50,
    "twice": 12,
    "edited": 10,  # after we may have read it
    "late": 10,  # is shown after a younger one, behind our bookmark
    "old": 5,  # was written long before those that came first
    "deleted": 8,  # at some moment: before, while or after it is played
    "help": 5,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One post that names the band."""

    number: int
    network: str
    author: int
    way: str

    @property
    def text(self) -> str:
        return "@lnh_ai /help" if self.way == "help" else f"@lnh_ai Song {self.number} /compose /g heavy-metal"

    @property
    def deserves_an_answer(self) -> bool:
        return self.way != "deleted"


def draw_calls(posts: int, seed: int) -> list[Call]:
    """Posts in the order in which they are written; only newcomers ask for help, which is given once an hour."""
    rng = Random(f"calls-{seed}")
    ways = rng.choices(list(WAYS), list(WAYS.values()), k=posts)
    return [
        Call(
            number=number,
            network=rng.choice(("mastodon", "x")),
            author=1000 + (posts + number if way == "help" else rng.randrange(posts)),
            way=way,
        )
        for number, way in enumerate(ways, start=1)
    ]

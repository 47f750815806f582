"""The order in which a line of mixed scripts is seen.

The Unicode Bidirectional Algorithm (https://www.unicode.org/reports/tr9/) without its explicit controls, which titles
are cleaned of, and without its rule for pairs of brackets. A letter is a grapheme, and counts as its first character.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby
from typing import TypeVar

Item = TypeVar("Item")
STRONG = {"L": "L", "R": "R", "AL": "R"}
NUMBERS = ("EN", "AN")
JOINED = {("EN", "CS"), ("AN", "CS"), ("EN", "ES")}  # a number, and what may stand between two of its kind


def opens_right_to_left(text: str) -> bool:
    """Whether the first letter of a text that has a direction is of a script that runs to the left."""
    return next((STRONG[kind] for kind in map(unicodedata.bidirectional, text) if kind in STRONG), "L") == "R"


def levels(letters: Sequence[str], *, right_to_left: bool) -> list[int]:
    """How deeply each letter is embedded: odd runs to the left."""
    base = "R" if right_to_left else "L"
    kinds = _with_numbers([unicodedata.bidirectional(letter[0]) for letter in letters], base)
    kinds = _without_neutrals(kinds, base)
    deep = {"R": 1, "L": 2, "EN": 2, "AN": 2} if right_to_left else {"L": 0, "R": 1, "EN": 2, "AN": 2}
    return [deep[kind] for kind in kinds]


def in_order_of_sight(runs: Sequence[tuple[int, Item]]) -> list[tuple[int, Item]]:
    """Runs of one level each, from left to right."""
    seen = list(runs)
    for level in range(max((level for level, _ in seen), default=0), 0, -1):
        seen = [run for deep, group in groupby(seen, key=lambda run: run[0] >= level)
                for run in (reversed(list(group)) if deep else list(group))]  # fmt: skip
    return seen


def _with_numbers(kinds: Sequence[str], base: str) -> list[str]:
    """L, R, EN, AN, or ON for what takes its direction from its neighbours: rules W2 to W7."""
    strong = list(accumulate(kinds, lambda last, kind: kind if kind in STRONG else last, initial=base))[1:]
    weak = ["AN" if kind == "EN" and last == "AL" else kind for kind, last in zip(kinds, strong, strict=True)]
    weak = list(_with_signs(_with_separators(weak)))
    weak = ["L" if kind == "EN" and last == "L" else kind for kind, last in zip(weak, strong, strict=True)]
    return [STRONG.get(kind, kind if kind in NUMBERS else "ON") for kind in weak]


def _with_separators(kinds: Sequence[str]) -> list[str]:
    """A single comma between two numbers of one kind, or a single plus or minus, is of that kind."""
    around = zip(["", *kinds], kinds, [*kinds[1:], ""], strict=False)
    return [before if before == after and (before, kind) in JOINED else kind for before, kind, after in around]


def _with_signs(kinds: Sequence[str]) -> Iterator[str]:
    """Signs of money and per cent go with the number that they stand before or behind."""
    groups = [(kind, len(list(group))) for kind, group in groupby(kinds)]
    ends = ("", 0)
    for (before, _), (kind, size), (after, _) in zip([ends, *groups], groups, [*groups[1:], ends], strict=False):
        yield from ["EN" if kind == "ET" and "EN" in (before, after) else kind] * size


def _without_neutrals(kinds: Sequence[str], base: str) -> list[str]:
    """What stands between two of one direction goes with them, what stands between two directions with the line."""
    return list(_settled([(kind, len(list(group))) for kind, group in groupby(kinds)], base))


def _settled(groups: Sequence[tuple[str, int]], base: str) -> Iterator[str]:
    def direction(index: int) -> str:
        kind = groups[index][0] if 0 <= index < len(groups) else base
        return "R" if kind in NUMBERS else kind

    for index, (kind, size) in enumerate(groups):
        if kind != "ON":
            yield from [kind] * size
        else:
            yield from [direction(index - 1) if direction(index - 1) == direction(index + 1) else base] * size

"""The order in which a line of mixed scripts is seen.

The Unicode Bidirectional Algorithm (https://www.unicode.org/reports/tr9/) without its explicit controls, which titles
are cleaned of, and without its rule for pairs of brackets. A letter is a grapheme, and counts as its first character.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TypeVar

Item = TypeVar("Item")
STRONG = {"L": "L", "R": "R", "AL": "R"}
NUMBERS = ("EN", "AN")


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
    """L, R, EN, AN, or ON for what takes its direction from its neighbours."""
    weak: list[str] = []
    last_strong = base
    for place, kind in enumerate(kinds):
        if kind in STRONG:
            last_strong = kind
        before = weak[-1] if weak else ""
        after = kinds[place + 1] if place + 1 < len(kinds) else ""
        joins = (
            (kind == "CS" and before in NUMBERS and after in NUMBERS)
            or (kind == "ES" and before == "EN" and after == "EN")
            or (kind == "ET" and before == "EN")
        )
        if kind == "EN":
            weak.append("AN" if last_strong == "AL" else "L" if last_strong == "L" else "EN")
        elif joins:
            weak.append(before)
        else:
            weak.append(STRONG.get(kind, kind if kind == "AN" else "ON"))
    return weak


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

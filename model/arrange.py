"""A song for a smaller band: the parts of its line-up, with nothing important lost."""

from collections.abc import Collection
from dataclasses import replace

from model.score import ROLES, Note, Part, Role, Score, as_part


def arrange(score: Score, roles: Collection[Role]) -> Score:
    """The score for a band of these roles; bars that only a left-out second guitar plays go to the rhythm guitar."""
    parts = {part.role: part for part in score.parts if part.role in roles}
    second = score.part("rhythm_2")
    if "rhythm" in roles and "rhythm_2" not in roles and second is not None:
        first = score.part("rhythm") or Part(role="rhythm", notes=())
        parts["rhythm"] = as_part("rhythm", _fill(first.notes, second.notes, score))
    return replace(score, parts=tuple(parts[role] for role in ROLES if role in parts))


def _fill(notes: tuple[Note, ...], others: tuple[Note, ...], score: Score) -> list[Note]:
    """The notes, and in bars that have none the others."""
    bar_of = {}
    bar = 0
    for start in sorted({note.start for note in (*notes, *others)}):
        while start >= score.bar_starts[bar + 1]:
            bar += 1
        bar_of[start] = bar
    busy = {bar_of[note.start] for note in notes}
    return [*notes, *(note for note in others if bar_of[note.start] not in busy)]

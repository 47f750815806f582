"""Choosing the next token from its probabilities, compiled: by kind, then within the kind.

First the kind of token (a repeat, a position, a pitch, …), then one of that kind, cooled by that kind's temperature and
cut to its nucleus (Holtzman et al. 2020, arXiv:1904.09751). The choice of the kind is never cut: it decides who rests,
repeats or enters.

Every row is chosen by itself, so that a song does not depend on the songs beside it. Sums are float64.
"""

import numpy as np
from numpy.typing import NDArray

from model import tokens as t
from model.genre import Freedom
from model.kernels import compiled, inlined

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Whole = NDArray[np.int64]
Masks = NDArray[np.bool_]

KINDS: tuple[tuple[str, range], ...] = (
    ("structure", range(t.START, t.REST + 1)), ("structure", range(t.GENRE.start, t.BAR.stop)),
    ("structure", t.REPEAT), ("structure", range(t.DOUBLE.start, t.ROOT.stop)), ("rhythm", t.AT),
    ("rhythm", t.DURATION), ("pitch", t.SHAPE), ("pitch", t.PITCH), ("rhythm", t.HIT), ("rhythm", t.ACCENT),
)  # fmt: skip
STRUCTURE, RHYTHM, PITCH, TOP_P, REPEAT = range(5)  # columns of what `odds_of` gives
TABLE = np.array([
    (tokens.start, tokens.stop, ("structure", "rhythm", "pitch").index(name), tokens == t.REPEAT)
    for name, tokens in KINDS
])  # fmt: skip  # (kinds, 4)
LEAST = -1e30  # less than any logit; no infinity, of which compiled loops know nothing


def odds_of(freedom: Freedom, *, cooler: float = 1) -> Floats:
    """The exponents of structure, rhythm and pitch, which are inverse temperatures, the nucleus, and the repeats."""
    exponents = [1 / freedom.structure, 1 / (freedom.rhythm * cooler), 1 / (freedom.pitch * cooler)]
    return np.array([*exponents, freedom.top_p, freedom.repeats], dtype=np.float32)


def choose(logits: Floats, masks: Masks, odds: Floats, draws: Doubles) -> Whole:
    """A token for each row, by kind and then within the kind.

    Args:
        logits: Of all tokens (B, vocabulary).
        masks: Which may come, one at least, (B, vocabulary).
        odds: As `odds_of` says, (B, 5).
        draws: Of even chance in [0, 1), (B, 2).
    """
    chosen = np.empty(len(logits), dtype=np.int64)
    choose_rows(logits, masks, odds, draws, TABLE, chosen)
    return chosen


@compiled
def choose_rows(logits: Floats, masks: Masks, odds: Floats, draws: Doubles, kinds: Whole, chosen: Whole) -> None:
    """Do what `choose` says, into `chosen` (B,); kinds is TABLE, which a kept loop must not have learned by heart."""
    evidence, shares = np.empty(len(kinds)), np.empty(len(kinds))
    possible = np.empty(len(kinds), dtype=np.bool_)
    weights = np.empty(logits.shape[1])
    for b in range(len(logits)):
        for k in range(len(kinds)):
            first, end = kinds[k, 0], kinds[k, 1]
            top = weigh(logits[b, first:end], masks[b, first:end], 1.0, weights[first:end])
            possible[k] = top > LEAST
            evidence[k] = top + np.log(weights[first:end].sum()) if possible[k] else LEAST
        weigh(evidence, possible, odds[b, STRUCTURE], shares)
        for k in range(len(kinds)):
            if kinds[k, 3]:
                shares[k] *= odds[b, REPEAT]
        kind = draw(shares, draws[b, 0])
        first, end, column = kinds[kind, 0], kinds[kind, 1], kinds[kind, 2]
        own = weights[first:end]
        weigh(logits[b, first:end], masks[b, first:end], odds[b, column], own)
        if column != STRUCTURE:
            nucleus(own, odds[b, TOP_P])
        chosen[b] = first + draw(own, draws[b, 1])


@inlined
def weigh(logits: Floats | Doubles, mask: Masks, exponent: float, weights: Doubles) -> float:
    """Write weights (n,), the likeliest 1, the forbidden 0; the largest logit, LEAST where all are forbidden."""
    top = LEAST
    for i in range(len(logits)):
        if mask[i] and logits[i] > top:
            top = np.float64(logits[i])
    for i in range(len(logits)):
        weights[i] = np.exp(exponent * (logits[i] - top)) if mask[i] else 0.0
    return top


@inlined
def nucleus(weights: Doubles, top_p: float) -> None:
    """Take away the least of the weights (n,) that together have less than 1 - top_p of the sum."""
    rising = np.sort(weights)
    enough = top_p * weights.sum()
    reached, least = 0.0, rising[-1]
    for i in range(len(rising) - 1, -1, -1):
        if reached >= enough:
            break
        least = rising[i]
        reached += least
    for i in range(len(weights)):
        if weights[i] < least:
            weights[i] = 0.0


@inlined
def draw(weights: Doubles, chance: float) -> int:
    """An index of weights (n,), as often as they say; chance is even in [0, 1)."""
    left = chance * weights.sum()
    last = 0
    for i in range(len(weights)):
        if weights[i] > 0:
            left -= weights[i]
            last = i
            if left < 0:
                break
    return last

"""What one step of the quick decoder does beside its matrix products, compiled: one pass over memory instead of many.

numba (Lam et al. 2015) compiles these loops when they are first called, and keeps the result in `__pycache__`, in the
user's cache or in NUMBA_CACHE_DIR. Every loop goes through the songs one after another, so that a song's sums are
taken in the same order whatever is composed beside it.

All numbers are float32, but for codes: whole numbers from -127 to 127. A row of codes stands for its numbers divided by
their largest, which is kept beside it.
"""

from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Codes = NDArray[np.int8]
Sums = NDArray[np.int32]  # of products of codes
Indices = NDArray[np.int64]

LANES = 64  # numbers that a head has in memory; loops of a length that is known beforehand are twice as fast
MOST = np.float32(127)
TINY = np.float32(1e-20)  # instead of 0, where a row is silent
EPSILON = np.finfo(np.float32).eps  # as in rms_norm
HALVINGS = 6  # of an exponent, before its series

float32, int32 = np.float32, np.int32
F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """Compile a function when it is first called, in about a second; from then on it is kept where that is possible."""
    try:
        return cast("F", njit(cache=True, fastmath=True, error_model="numpy")(function))
    except RuntimeError:  # neither this folder nor the user's can be written
        return cast("F", njit(fastmath=True, error_model="numpy")(function))


def inlined(function: F) -> F:
    """Compile a function into each of those that call it.

    Left to itself, one in a process that had compiled it summed in another order than the one that was kept.
    """
    return cast("F", njit(fastmath=True, error_model="numpy", forceinline=True)(function))


@compiled
def embed(tables: Floats, rows: Indices, x: Floats) -> None:
    """Add up rows of a table, those of each song (B, n), into x (B, width)."""
    for b in range(len(rows)):
        x[b] = 0
        for row in rows[b]:
            for i in range(x.shape[1]):
                x[b, i] += tables[row, i]


@compiled
def multiply(rows: Codes, weights: Codes, sums: Sums) -> None:
    """Products of rows (B, in) and weights (out, in), (B, out): for processors on which PyTorch's are slow or wrong."""
    inputs = weights.shape[1]
    wide = rows.astype(np.int16)  # so that the inner loop has one factor to widen, not two: a sixth faster
    for output in range(len(weights)):
        for b in range(len(wide)):
            total = int32(0)
            for i in range(inputs):
                total = int32(total + int32(wide[b, i]) * int32(weights[output, i]))
            sums[b, output] = total


@compiled
def round_normed(x: Floats, codes: Codes, tops: Floats) -> None:
    """Round rows (B, n) as if each had been divided by its root mean square; tops is (B,)."""
    for b in range(len(x)):
        tops[b] = round_row(x[b], codes[b]) / rms(x[b])


@compiled
def attend(
    sums: Sums, steps: Floats, scales: Floats, turns: Floats, places: Indices, lengths: Indices,
    keys: Codes, values: Codes, key_steps: Floats, value_steps: Floats,
    codes: Codes, tops: Floats,
) -> None:  # fmt: skip
    """Let heads remember a token and hear all that they remember; rounded for the next product.

    Args:
        sums: Queries, keys and values (B, 3 H w), still to be multiplied by `steps` (3 H w,) and `scales` (B,).
        steps: Of each output.
        scales: Of each song.
        turns: Cosines and sines of each position, (window, 2, w / 2).
        places: Of the songs in memory, (B,).
        lengths: Tokens that each remembers, this one too, (B,).
        keys: Memory (S, H, window, LANES), zero beyond w.
        values: The same.
        key_steps: What a step of the codes in memory stands for, (S, H, window).
        value_steps: The same.
        codes: What is heard, (B, H w).
        tops: The largest of each row, (B,).
    """
    heads, window, padded = keys.shape[1:]
    width = 2 * turns.shape[2]
    query = np.zeros(padded, dtype=np.int16)  # one factor less to widen, as in `multiply`
    row = np.empty(width, dtype=float32)
    shares = np.empty(window, dtype=float32)
    one = np.empty(padded, dtype=float32)
    heard = np.empty(heads * width, dtype=float32)
    for b in range(len(places)):
        place, length = places[b], lengths[b]
        now = length - 1
        scale = scales[b] / MOST
        for head in range(heads):
            first = head * width
            scaled(sums[b], steps, first, row)
            turn(row, turns[now])
            query_step = round_row(row, query) / (MOST * rms(row) * np.sqrt(float32(width)))
            first += heads * width
            scaled(sums[b], steps, first, row)
            turn(row, turns[now])
            key_steps[place, head, now] = round_row(row, keys[place, head, now]) / (MOST * rms(row))
            first += heads * width
            scaled(sums[b], steps, first, row)
            value_steps[place, head, now] = round_row(row, values[place, head, now]) / MOST * scale
            compare(query, keys[place, head], length, shares)
            total = share(shares, query_step, key_steps[place, head], value_steps[place, head], length)
            hear(shares, values[place, head], length, one)
            for i in range(width):
                heard[head * width + i] = one[i] / total
        tops[b] = round_row(heard, codes[b])


@compiled
def forget(
    place: int, first: int, latest: int, dropped: int, back: Floats,
    keys: Codes, values: Codes, key_steps: Floats, value_steps: Floats,
) -> None:  # fmt: skip
    """Let a song forget the tokens between its first and its latest; these move down, their keys turned back.

    Args:
        place: Of the song in memory.
        first: Tokens that stay where they are.
        latest: Tokens that move.
        dropped: Tokens between them.
        back: Cosines and negative sines of the angles of so many positions, (2, w / 2).
        keys: Memory of all layers, (layers, S, H, window, LANES).
        values: The same.
        key_steps: What a step of the codes in memory stands for, (layers, S, H, window).
        value_steps: The same.
    """
    row = np.empty(2 * back.shape[1], dtype=float32)
    for layer in range(keys.shape[0]):
        for head in range(keys.shape[2]):
            key, key_step = keys[layer, place, head], key_steps[layer, place, head]
            value, value_step = values[layer, place, head], value_steps[layer, place, head]
            for now in range(first, first + latest):
                for i in range(row.size):
                    row[i] = float32(key[now + dropped, i]) * key_step[now + dropped]
                turn(row, back)
                key_step[now] = round_row(row, key[now]) / MOST
                value[now] = value[now + dropped]
                value_step[now] = value_step[now + dropped]


@compiled
def add(sums: Sums, steps: Floats, scales: Floats, x: Floats, codes: Codes, tops: Floats) -> None:
    """Add to x (B, n) what a product says, `sums` times `steps` (n,) and `scales` (B,), and round it normed."""
    for b in range(len(x)):
        scale = scales[b] / MOST
        for i in range(x.shape[1]):
            x[b, i] += float32(sums[b, i]) * steps[i] * scale
        tops[b] = round_row(x[b], codes[b]) / rms(x[b])


@compiled
def square(sums: Sums, steps: Floats, scales: Floats, codes: Codes, tops: Floats) -> None:
    """Square what is above zero (B, n), and round it."""
    row = np.empty(sums.shape[1], dtype=float32)
    for b in range(len(sums)):
        scale = scales[b] / MOST
        for i in range(len(row)):
            above = max(float32(sums[b, i]) * steps[i], float32(0)) * scale
            row[i] = above * above
        tops[b] = round_row(row, codes[b])


@compiled
def norm(x: Floats, normed: Floats) -> None:
    """Divide rows by their root mean squares."""
    for b in range(len(x)):
        scale = float32(1) / rms(x[b])
        for i in range(x.shape[1]):
            normed[b, i] = x[b, i] * scale


@inlined
def round_row(row: Floats, codes: Codes | NDArray[np.int16]) -> np.float32:
    """Write a row as codes; the largest of it."""
    top = TINY
    for i in range(row.size):
        top = max(top, abs(row[i]))
    scale = MOST / top
    for i in range(row.size):
        codes[i] = np.rint(row[i] * scale)
    return top


@inlined
def rms(row: Floats) -> np.float32:
    """Root mean square."""
    total = float32(0)
    for i in range(row.size):
        total += row[i] * row[i]
    root: np.float32 = np.sqrt(total / float32(row.size) + EPSILON)
    return root


@inlined
def scaled(sums: Sums, steps: Floats, first: int, row: Floats) -> None:
    """A head's part of a product, but for the scale of the song."""
    for i in range(row.size):
        row[i] = float32(sums[first + i]) * steps[first + i]


@inlined
def turn(row: Floats, by: Floats) -> None:
    """Rotate the halves of a head, as its position wants (Su et al. 2021)."""
    half = by.shape[1]
    for i in range(half):
        a, b = row[i], row[half + i]
        row[i] = a * by[0, i] - b * by[1, i]
        row[half + i] = a * by[1, i] + b * by[0, i]


@inlined
def compare(query: NDArray[np.int16], keys: Codes, length: int, products: Floats) -> None:
    """Products of a query and the first keys, (length,)."""
    for token in range(length):
        total = int32(0)
        for i in range(LANES):
            total = int32(total + int32(query[i]) * int32(keys[token, i]))
        products[token] = float32(total)


@inlined
def share(products: Floats, query_step: np.float32, key_steps: Floats, value_steps: Floats, length: int) -> np.float32:
    """From products to exponentials, which are summed, and then the weights of codes in memory.

    Normed queries and keys keep exponents between the roots of a head's width; after HALVINGS a short series will do.
    """
    total = float32(0)
    for token in range(length):
        e = products[token] * query_step * key_steps[token] * float32(0.5**HALVINGS)
        e = float32(1) + e * (float32(1) + e * (float32(1 / 2) + e * (float32(1 / 6) + e * (
            float32(1 / 24) + e * float32(1 / 120)))))  # fmt: skip
        for _ in range(HALVINGS):
            e *= e
        total += e
        products[token] = e * value_steps[token]
    return total


@inlined
def hear(shares: Floats, values: Codes, length: int, heard: Floats) -> None:
    """The sum of values (length, w), each by its share."""
    heard[:] = 0
    whole = length - length % 8
    for token in range(0, whole, 8):
        a, b, c, d = shares[token], shares[token + 1], shares[token + 2], shares[token + 3]
        e, f, g, h = shares[token + 4], shares[token + 5], shares[token + 6], shares[token + 7]
        for i in range(LANES):
            heard[i] += (
                (a * float32(values[token, i]) + b * float32(values[token + 1, i]))
                + (c * float32(values[token + 2, i]) + d * float32(values[token + 3, i]))
            ) + (
                (e * float32(values[token + 4, i]) + f * float32(values[token + 5, i]))
                + (g * float32(values[token + 6, i]) + h * float32(values[token + 7, i]))
            )
    for token in range(whole, length):
        for i in range(LANES):
            heard[i] += shares[token] * float32(values[token, i])

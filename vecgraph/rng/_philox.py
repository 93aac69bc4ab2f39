"""The streams themselves: keys, counters, and Philox on columns of counters."""

from __future__ import annotations

import hashlib
import operator
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Positions", "Words", "counters", "multiply", "philox", "row_generator", "stream_key"]

Words: TypeAlias = npt.NDArray[np.uint64]
Positions: TypeAlias = npt.NDArray[np.intp]

_LOW: Final = np.uint64(0xFFFFFFFF)
_SHIFT: Final = np.uint64(32)
# Multipliers and Weyl increments of Philox4x64: Salmon et al., "Parallel random numbers: as
# easy as 1, 2, 3", SC 2011.
_FACTORS: Final = (np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157))
_HALVES: Final = tuple((factor & _LOW, factor >> _SHIFT) for factor in _FACTORS)
_WEYL: Final = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
_ROUNDS: Final = 10


def stream_key(seed: int, node: str) -> tuple[int, int]:
    """Derive the Philox key of a node.

    Parameters
    ----------
    seed : int
        The seed of the batch; any size, any sign.
    node : str
        The node's name.

    Returns
    -------
    tuple of two ints
        64 bits each: the first 16 bytes, little-endian, of SHA-256 over a version line, the
        seed in decimal, a line break and the name in UTF-8.

    Examples
    --------
    >>> stream_key(0, "draw") == stream_key(0, "draw"), stream_key(0, "draw") == stream_key(1, "draw")
    (True, False)
    """
    text = f"vecgraph.rng/1\n{operator.index(seed)}\n{node}"
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:16], "little")


def row_generator(seed: int, row: int, step: int, node: str, task: int = 0) -> np.random.Generator:
    """Return the random stream of one execution of a node.

    Parameters
    ----------
    seed : int
        The seed of the batch.
    row, step : int
        Number of the run in its batch, and the run's superstep; from 0, at most 2**63 - 1.
    node : str
        The node's name.
    task : int
        0 for a node that an edge triggered, 1 + its index for a task made by ``Send``.

    Returns
    -------
    numpy.random.Generator
        On Philox with the node's key and the counter ``[0, task, step, row]``, little end
        first: each stream has 2**66 words before it meets the next.

    Examples
    --------
    >>> row_generator(0, row=3, step=1, node="draw").random() < 1
    True
    """
    key = np.array(stream_key(seed, node), np.uint64)
    words = [counters(word, name) for word, name in ((task, "task"), (step, "step"), (row, "row"))]
    counter = np.concatenate([np.zeros(1, np.uint64), *words])
    return np.random.Generator(np.random.Philox(counter=counter, key=key))


def counters(value: npt.ArrayLike, name: str) -> Words:
    """Return one word of each row's counter, of shape (1,) where a single one serves all."""
    words = np.atleast_1d(np.asarray(value))
    if words.ndim != 1 or (words.size and words.dtype.kind not in "iu"):
        raise TypeError(f"{name} must be an int or a one-dimensional array of ints, got {value!r}")
    words = words.astype(np.int64)
    if (words < 0).any():
        raise ValueError(f"{name} must not be negative, got {int(words.min())}")
    return words.astype(np.uint64)


def multiply(words: Words, factor: Any) -> tuple[Words, Words]:
    """Multiply to 128 bits; returns the upper and the lower words."""
    high = np.empty(words.shape, np.uint64)
    scratch = [np.empty(words.shape, np.uint64) for _ in range(3)]
    _upper(words, (factor & _LOW, factor >> _SHIFT), high, scratch)
    return high, words * factor


def _upper(words: Words, halves: tuple[Any, Any], high: Words, scratch: list[Words]) -> None:
    """Multiply by a factor's lower and upper half, in place: the upper words go to `high`."""
    low, cross, carry = scratch
    np.bitwise_and(words, _LOW, out=low)
    np.right_shift(words, _SHIFT, out=high)
    np.multiply(low, halves[0], out=carry)
    carry >>= _SHIFT
    np.multiply(high, halves[0], out=cross)
    cross += carry  # at most 2**64 - 2**32: no wrap, here and below
    np.bitwise_and(cross, _LOW, out=carry)
    cross >>= _SHIFT
    low *= halves[1]
    low += carry
    low >>= _SHIFT
    high *= halves[1]
    high += cross
    high += low


def philox(counter: Words, key: tuple[int, int]) -> tuple[Words, ...]:
    """Encrypt counters of four words.

    Parameters
    ----------
    counter : uint64 ndarray of shape (4, ...)
        Overwritten.
    key : tuple of two ints
        64 bits each.

    Returns
    -------
    four uint64 ndarrays of shape (...)
        The blocks' words: views of `counter`.
    """
    first, second, third, fourth = counter
    high, other_high, *scratch = np.empty((5, *first.shape), np.uint64)
    keys = list(key)
    for _ in range(_ROUNDS):
        _upper(first, _HALVES[0], high, scratch)
        _upper(third, _HALVES[1], other_high, scratch)
        first *= _FACTORS[0]
        third *= _FACTORS[1]
        second ^= other_high
        second ^= np.uint64(keys[0])
        fourth ^= high
        fourth ^= np.uint64(keys[1])
        first, second, third, fourth = second, third, fourth, first
        keys = [(word + step) % (1 << 64) for word, step in zip(keys, _WEYL, strict=True)]
    return first, second, third, fourth

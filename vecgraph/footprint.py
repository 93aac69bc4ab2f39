"""How much memory arrays and Python objects take, measured from what they are."""

from __future__ import annotations

from sys import getsizeof
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["bytes_of", "footprint", "size_of"]


def footprint(values: Any, present: Any = None) -> int:
    """Return the bytes that a column keeps in memory.

    Parameters
    ----------
    values : ndarray or pyarrow Array
        Objects count with all that is in their lists, tuples, sets and dicts.
    present : bool ndarray, or None
    """
    total = bytes_of(values) + (0 if present is None else bytes_of(present))
    if isinstance(values, np.ndarray) and values.dtype == object:
        total += size_of(values.ravel().tolist())
    return total


def bytes_of(values: Any) -> int:
    """Return the bytes of an array's buffers; a view of one cell, repeated, counts as that cell."""
    if isinstance(values, pa.Array):
        return int(values.nbytes)
    shape = [n for n, stride in zip(values.shape, values.strides, strict=True) if stride]
    return int(np.prod(shape, dtype=np.int64)) * int(values.itemsize)


def size_of(values: Iterable[Any]) -> int:
    """Return the bytes of Python objects and of what they hold, each object once.

    >>> size_of([["a"], ["a"]]) < 2 * size_of([["a"]])
    True
    """
    seen: set[int] = set()
    left: list[Any] = list(values)
    total = 0
    kept = []  # lists made here stay, so that no other object gets the id of one
    while left:
        value = left.pop()
        if value is None or id(value) in seen:
            continue
        seen.add(id(value))
        total += getsizeof(value)
        if isinstance(value, dict):
            left += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple | set | frozenset):
            left += value
        elif hasattr(value, "tolist") and not isinstance(value, np.ndarray | np.generic):
            kept.append(value.tolist())  # a list that grows
            left.append(kept[-1])
    return total

"""Many values a row, folded in with sums: in place, one pass over the values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.channels.merging import local_heads

if TYPE_CHECKING:
    from vecgraph.channels.base import Write
    from vecgraph.channels.merging import Positions
    from vecgraph.positions import Spans
    from vecgraph.typing import Values, Where

__all__ = ["accumulated", "accumulated_turns", "bounds"]

_BLOCK = 8_192
"""Rows whose values are added while they are in cache."""

_LOW, _HIGH = -(2**63), 2**63 - 1


def accumulated(ufunc: np.ufunc, start: Values, where: Where, write: Write) -> Values | None:
    """Return ``ufunc(...ufunc(ufunc(start, v1), v2)..., vk)`` for the k values of each row.

    Parameters
    ----------
    ufunc : np.add or np.subtract
    start : ndarray of shape (N,)
    where : Where
        The rows of `start`; those of `write` are among them.
    write : Write
        With numbers as values.

    Returns
    -------
    ndarray or None
        New; int64 or float64. None: not these types, an int could leave int64 on the way, or
        the values of a row do not stand together.

    Notes
    -----
    Both ways apply one value at a time in the order in which a row's values stand, so floats
    are rounded as by a loop. Ints that cannot overflow need no check at each of them.
    """
    values, spans = write.values.as_numpy(), write.spans()
    if spans is None or {start.dtype.kind, values.dtype.kind} - {"i", "f"}:
        return None
    if start.ndim > 1 or values.ndim > 1:
        return None
    dtype = np.result_type(start, values)
    if dtype.kind == "i" and not _fits(ufunc, start, values, _most(spans)):
        return None
    heads = local_heads(where, spans, len(start))
    if heads is not None and dtype != start.dtype:
        return None  # the rows that are not written keep their type
    total = start.astype(dtype)
    with np.errstate(all="ignore"):  # Python's float arithmetic warns of nothing
        _fold(ufunc, total, heads, spans, values.astype(dtype, copy=False))
    return total


def accumulated_turns(
    ufunc: np.ufunc, start: Values, table: Values, *, owned: bool = False
) -> Values | None:
    """Return the same of rows that all have as many values: `table` has the shape (each, N).

    If `start` is owned it is changed, unless the result is None.
    """
    if {start.dtype.kind, table.dtype.kind} - {"i", "f"} or start.ndim > 1 or table.ndim > 2:
        return None
    dtype = np.result_type(start, table)
    if dtype.kind == "i" and not _fits(ufunc, start, table, len(table)):
        return None
    total = start.astype(dtype, copy=not owned)
    with np.errstate(all="ignore"):
        for begin in range(0, len(total), _BLOCK):
            part = total[begin : begin + _BLOCK]
            for turn in table[:, begin : begin + _BLOCK].astype(dtype, copy=False):
                ufunc(part, turn, out=part)
    return total


def _fits(ufunc: np.ufunc, start: Values, values: Values, most: int) -> bool:
    """Return whether no int can leave int64, from the extremes and the longest span."""
    (low, high), (first, last) = bounds(values), bounds(start)
    if ufunc is np.subtract:
        low, high = -high, -low
    return first + min(low * most, 0) >= _LOW and last + max(high * most, 0) <= _HIGH


def bounds(values: Values) -> tuple[int, int]:
    """Return two ints that no value of an int64 array is beyond; (0, 0) if it is empty.

    Of values that are not negative one pass says it: others are large as unsigned numbers.
    """
    if not values.size:
        return 0, 0
    most = int(values.view(np.uint64).max())
    return (0, most) if most <= _HIGH else (int(values.min()), int(values.max()))


def _most(spans: Spans) -> int:
    return spans.each or int(spans.lengths().max())


def _fold(
    ufunc: np.ufunc, total: Values, heads: Positions | None, spans: Spans, values: Values
) -> None:
    if spans.each and spans.each <= len(spans.heads):
        into = total if heads is None else total[heads]
        _by_columns(ufunc, into, values.reshape(-1, spans.each))
        if heads is not None:
            total[heads] = into
        return
    at: Any = np.arange(len(spans.heads)) if heads is None else heads
    ufunc.at(total, np.repeat(at, spans.lengths()), values)


def _by_columns(ufunc: np.ufunc, total: Values, table: Values) -> None:
    """Fold the columns of a table into `total`, in place."""
    for begin in range(0, len(total), _BLOCK):
        part, rows = total[begin : begin + _BLOCK], table[begin : begin + _BLOCK]
        for column in range(table.shape[1]):
            ufunc(part, rows[:, column], out=part)

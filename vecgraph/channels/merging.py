"""Which rows a superstep's writes touch, found by positions, without a loop over rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from vecgraph.columns import Column, concat
from vecgraph.positions import Spans, count, is_sorted_unique, positions, spans_of, union
from vecgraph.typing import Values, Where

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vecgraph.channels.base import Write

__all__ = [
    "Merged",
    "Positions",
    "Round",
    "heads_of",
    "local_heads",
    "local_positions",
    "merge",
    "only_write",
    "rounds_of",
    "rows_written",
]

Positions: TypeAlias = npt.NDArray[np.intp]
"""Positions in a column or in a part of it; intp."""

Round: TypeAlias = tuple[Positions | None, Values]
"""Unique positions in the rows written (None: all of them, in order) and their values."""


@dataclass(frozen=True, slots=True)
class Merged:
    """Several writes as one: the last value of each row.

    Attributes
    ----------
    where : intp ndarray of shape (K,), or None
        Positions written, sorted and unique; None: all N.
    last : Column of K rows
        The last value written to each.
    several : intp ndarray
        Positions that were written more than once, sorted.
    """

    where: Where
    last: Column
    several: Positions


def only_write(writes: Sequence[Write]) -> Write | None:
    """Return the one write whose positions are sorted and unique, if that is all there is."""
    if len(writes) != 1 or writes[0].repeats:
        return None
    where = writes[0].where
    return writes[0] if where is None or is_sorted_unique(where) else None


def rows_written(n: int, writes: Sequence[Write]) -> Where:
    """Return the positions that `writes` touch, sorted and unique; None: all `n`."""
    write = only_write(writes)
    if write is not None:
        return write.where
    return union([heads_of(w) for w in writes], n)


def heads_of(write: Write) -> Where:
    """Return the positions that a write touches, each once if they stand together."""
    spans = write.spans() if write.repeats else None
    return write.where if spans is None else spans.heads


def local_positions(where: Where, write: Write) -> Positions | None:
    """Return where among the rows `where`, the union of all writes, a write goes; None: all."""
    if write.where is None or write.where is where:
        return None
    return write.where if where is None else np.searchsorted(where, write.where)


def rounds_of(where: Where, write: Write, values: Values, n: int) -> list[Round]:
    """Split a write of `values` into rounds that hold a position once, in task order.

    Parameters
    ----------
    where : Where
        The rows that all writes touch, of which there are `n`.
    """
    spans = write.spans() if write.repeats else None
    if spans is not None:
        return list(_turns(local_heads(where, spans, n), spans, values))
    at = local_positions(where, write)
    if at is None or not write.repeats:
        return [(at, values)]
    order = np.argsort(at, kind="stable")
    spans = spans_of(at[order])
    return [] if spans is None else list(_turns(spans.heads, spans, values[order]))


def local_heads(where: Where, spans: Spans, n: int) -> Positions | None:
    """Return where among the `n` rows `where`, the union of all writes, spans go; None: all."""
    if len(spans.heads) == n:
        return None
    return spans.heads if where is None else np.searchsorted(where, spans.heads)


def _turns(heads: Positions | None, spans: Spans, values: Values) -> Iterator[Round]:
    """Yield the first value of every span, then the second of those that have one, and so on."""
    if spans.each:
        table = values.reshape(-1, spans.each, *values.shape[1:])
        for turn in range(spans.each):
            yield heads, table[:, turn]
        return
    lengths = spans.lengths()
    longest = np.argsort(-lengths, kind="stable")
    heads = longest if heads is None else heads[longest]
    starts, lengths = spans.starts[longest], -lengths[longest]
    for turn in range(-int(lengths[0])):
        k = int(np.searchsorted(lengths, -turn, "left"))
        yield heads[:k], values[starts[:k] + turn]


def merge(n: int, writes: Sequence[Write]) -> Merged:
    """Merge writes to a column of `n` rows; cost grows with N + M, with one pass over each."""
    at = np.concatenate([positions(write.where, n) for write in writes])
    values = concat([write.values for write in writes])
    where = union([at], n)
    # Of the values assigned to one position NumPy keeps the last.
    source = np.empty(n, np.intp)
    source[at] = np.arange(len(at))
    several = np.empty(0, np.intp)
    if count(where, n) != len(at):
        several = np.flatnonzero(np.bincount(at, minlength=n) > 1)
    return Merged(where, values.take(source if where is None else source[where]), several)

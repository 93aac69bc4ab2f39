"""Columns of a table of checkpoints that are no channel's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from vecgraph.checkpoint.arrays import from_numpy
from vecgraph.columns import Column

if TYPE_CHECKING:
    from collections.abc import Callable

    from vecgraph.checkpoint.past import Past
    from vecgraph.checkpoint.timeline import Texts
    from vecgraph.typing import Rows

_compute: Any = pyarrow.compute

__all__ = ["FIXED", "STEPS", "times", "written"]

STEPS = ("thread_id", "checkpoint_ns", "step", "ts", "seconds", "source", "ran", "next", "changed")
"""Columns of `steps_df`, if none are named."""


def written(channel: str) -> str:
    """Return what a channel's column is called."""
    return f"channel:{channel}" if channel in FIXED else channel


def times(ts: Any) -> Column:
    """Return microseconds since 1970 as times."""
    return Column(from_numpy(ts, pa.timestamp("us", tz="UTC")))


def _names(which: int) -> Callable[[Past, Rows], Column]:
    def made(past: Past, rows: Rows) -> Column:
        if rows is past.rows:
            at, names = past.named
        else:
            known, at = past.distinct(rows)
            names = past.names(known)
        return _taken(names[which], at)

    return made


def _taken(array: Any, at: Any) -> Column:
    if pa.types.is_run_end_encoded(array.type):
        array = _compute.run_end_decode(array)
    return Column(array.take(pa.array(at)))


def _picked(past: Past, values: Any, rows: Rows) -> Any:
    """Return the values of some rows of the timeline, without a copy where those are all."""
    return values if rows is past.rows and past.is_whole else values[rows]


def _texts(of: Callable[[Past], Texts]) -> Callable[[Past, Rows], Column]:
    def made(past: Past, rows: Rows) -> Column:
        codes, texts = of(past)
        return _taken(pa.array(texts, pa.large_string()), _picked(past, codes, rows))

    return made


def _step(past: Past, rows: Rows) -> Column:
    return Column(_picked(past, past.timeline.numbers("step"), rows))


def _seq(past: Past, rows: Rows) -> Column:
    return Column(_picked(past, past.timeline.seq, rows).astype(np.int64))


def _ts(past: Past, rows: Rows) -> Column:
    return times(_picked(past, past.timeline.numbers("ts"), rows))


def _id(past: Past, rows: Rows) -> Column:
    ids = past.timeline.ids()
    return Column(ids) if rows is past.rows and past.is_whole else _taken(ids, rows)


def _parent_id(past: Past, rows: Rows) -> Column:
    parent = past.timeline.parent[rows]
    column = _taken(past.timeline.ids(), np.maximum(parent, 0))
    return Column(column.values, None if (parent >= 0).all() else parent >= 0)


def _seconds(past: Past, rows: Rows) -> Column:
    ts, parent = past.timeline.numbers("ts"), past.timeline.parent[rows]
    since = (ts[rows] - ts[parent]) / 1e6
    return Column(since, None if (parent >= 0).all() else parent >= 0)


def _changed(past: Past, rows: Rows) -> Column:
    """Return the names of the channels that each checkpoint changed."""
    codes = np.zeros(len(rows), np.int64)
    texts = [""]
    for channel in past.channels:
        codes = 2 * codes + past.cells(channel).changed[rows]
        # Few of the combinations occur: number those anew, so that codes stay small.
        found = np.flatnonzero(np.bincount(codes))
        number = np.zeros(2 * len(texts), np.int64)
        number[found] = np.arange(len(found))
        codes = number[codes]
        texts = [
            f"{texts[code >> 1]}, {channel}".removeprefix(", ") if code & 1 else texts[code >> 1]
            for code in found.tolist()
        ]
    return _taken(pa.array(texts, pa.large_string()), codes)


FIXED: dict[str, Callable[[Past, Rows], Column]] = {
    "thread_id": _names(0),
    "checkpoint_ns": _names(1),
    "checkpoint_id": _id,
    "parent_id": _parent_id,
    "seq": _seq,
    "step": _step,
    "ts": _ts,
    "seconds": _seconds,
    "source": _texts(lambda past: past.timeline.source()),
    "ran": _texts(lambda past: past.timeline.ran()),
    "next": _texts(lambda past: past.due()),
    "changed": _changed,
}
"""Columns by name; each gets a past and rows of its timeline."""

"""What is known of each thread as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.columns import Column, objects
from vecgraph.constants import ERROR, INTERRUPT
from vecgraph.frames.fixed import FIXED, times

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["RUNS", "run_columns"]

RUNS = (
    "thread_id",
    "checkpoint_ns",
    "status",
    "checkpoints",
    "step",
    "begun",
    "ended",
    "next",
)
"""Columns of `runs_df` before those of the channels, if none are named."""


def run_columns(whole: Any, last: Any, names: Iterable[str]) -> dict[str, Column]:
    """Return columns with a row for each thread.

    Parameters
    ----------
    whole, last : History
        The checkpoints, and each thread's last one.
    """
    return {name: _column(whole, last, name) for name in names}


def _column(whole: Any, last: Any, name: str) -> Column:
    past = last.past
    if name in FIXED:
        return FIXED[name](past, last.rows)
    if name == "status":
        return _status(last)
    threads = np.sort(whole.threads)
    if name == "checkpoints":
        first = np.searchsorted(threads, last.threads)
        return Column(np.searchsorted(threads, last.threads, "right") - first)
    ts = past.timeline.numbers("ts")
    if name == "ended":
        return times(ts[last.rows])
    earliest = np.full(len(last), np.iinfo(np.int64).max)
    at = np.searchsorted(last.threads, whole.threads)
    np.minimum.at(earliest, at, ts[whole.rows])
    return times(earliest)


def _status(last: Any) -> Column:
    """Return what became of each run, as far as its checkpoint and the writes beside it say."""
    due = FIXED["next"](last.past, last.rows).tolist()
    status = objects(["due" if nodes else "done" for nodes in due])
    writes = last.saver.pending_of(last.threads, last.seq)
    for channel, word in ((INTERRUPT, "interrupted"), (ERROR, "error")):
        found = [i for i, name in enumerate(writes.channels) if name == channel]
        status[writes.rows[found]] = word
    return Column(status)

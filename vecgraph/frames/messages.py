"""The messages of threads, one a row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.columns import Column, objects
from vecgraph.frames.fixed import FIXED, times
from vecgraph.messages import id_of, role_of

if TYPE_CHECKING:
    from vecgraph.checkpoint.past import Past
    from vecgraph.checkpoint.timecells import ChannelCells
    from vecgraph.typing import Rows

__all__ = ["message_columns"]


def message_columns(past: Past, rows: Rows, channel: str) -> dict[str, Column]:
    """Return the messages that a channel holds at some rows, as columns.

    Parameters
    ----------
    rows : int64 ndarray of shape (K,)
        Of the past's timeline.
    """
    cells = past.cells(channel)
    messages: list[Any] = []
    since: list[int] = []
    counts = np.zeros(len(rows), np.int64)
    for i, row in enumerate(rows.tolist()):
        found = _listed(cells, row)
        messages += [message for message, _ in found]
        since += [origin for _, origin in found]
        counts[i] = len(found)
    of, origin = np.repeat(rows, counts), np.array(since, np.int64)
    position = np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts)
    ids = [id_of(m) if isinstance(m, dict) or hasattr(m, "id") else None for m in messages]
    return {
        "thread_id": FIXED["thread_id"](past, of),
        "checkpoint_ns": FIXED["checkpoint_ns"](past, of),
        "position": Column(position),
        "step": Column(past.timeline.numbers("step")[origin]),
        "ts": times(past.timeline.numbers("ts")[origin]),
        "role": Column(objects([role_of(message) for message in messages])),
        "name": _field(messages, "name"),
        "content": _field(messages, "content"),
        "tool_calls": Column(objects([_json(_of(m, "tool_calls")) for m in messages])),
        "tool_call_id": _field(messages, "tool_call_id"),
        "id": Column(objects(ids)),
    }


def _listed(cells: ChannelCells, row: int) -> list[tuple[Any, int]]:
    """Return the messages at a row, each with the row that first had it at its place."""
    held: list[tuple[Any, int]] = []
    for origin, kept, value in cells.growth(row):
        if kept is not None:
            held = held[:kept] + [(message, origin) for message in value]
            continue
        some = value if isinstance(value, list) else []
        held = [
            held[i] if i < len(held) and held[i][0] == message else (message, origin)
            for i, message in enumerate(some)
        ]
    return held


def _of(message: Any, name: str) -> Any:
    found = message.get(name) if isinstance(message, dict) else getattr(message, name, None)
    return None if name == "tool_calls" and not found else found


def _field(messages: list[Any], name: str) -> Column:
    return Column(objects([_of(message, name) for message in messages]))


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, default=repr)

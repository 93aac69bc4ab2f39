"""Checkpoints in row form as any program reads them: beside what vecgraph reads, open columns."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from vecgraph.checkpoint.arrays import from_bytes, from_numpy
from vecgraph.checkpoint.cells import written
from vecgraph.checkpoint.chunks import ROWS, unpack_body
from vecgraph.checkpoint.entries import APPEND, CLEAR, PUT, entry_of
from vecgraph.checkpoint.opened import clean
from vecgraph.checkpoint.rows import EntryRow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vecgraph.checkpoint.chunks import Row
    from vecgraph.checkpoint.entries import Entry, Op
    from vecgraph.checkpoint.opened import Names
    from vecgraph.checkpoint.storage import Header

__all__ = ["open_rows"]

_TYPES: dict[type, Any] = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.large_string(),
}
_WORDS = {PUT: "put", APPEND: "append", CLEAR: "clear"}
_ELSE = "refer"
_NOTHING: Any = object()


def open_rows(
    rows: Sequence[Row],
    header: Header,
    names: Names,
    unpack: Callable[[bytes], Any],
    place: str,
) -> pa.RecordBatch:
    """Return rows of ``entries`` with columns that say the same to those who lack vecgraph.

    ``op`` is JSON: what happened to each channel. A channel's own column has what was put into
    it or appended to it, typed where all are of one plain type, else as JSON; null where nothing
    was, or where a large value is kept apart.

    Parameters
    ----------
    rows : sequence of (int, int, bytes)
    header : Header
        Of a chunk that they were in, for messages.
    names : Names
    unpack : callable
        Returns the value of packed bytes.
    place : str
        Of the storage, for messages.
    """
    threads = np.array([thread for thread, _, _ in rows], np.int64)
    entries = [
        EntryRow(header, thread, seq, entry_of(header, unpack_body(header, body, place), place))
        for thread, seq, body in rows
    ]
    said = [entry.entry for entry in entries]
    metadata = [b"\x80" if one.metadata is None else one.metadata for one in said]
    ids, spaces = names.of(threads)
    columns: dict[str, Any] = {
        "thread": from_numpy(threads, pa.int64()),
        "seq": from_numpy(np.array([seq for _, seq, _ in rows], np.int32), pa.int32()),
        "body": from_bytes([body for _, _, body in rows]),
        "thread_id": ids,
        "ns": spaces,
        "id": _texts([entry.id for entry in entries]),
        "parent_id": _texts([_parent(entry) for entry in entries]),
        "parent": pa.array([_place(one) for one in said], pa.int32()),
        "step": pa.array([one.step for one in said], pa.int64()),
        "ts": from_numpy(np.array([one.ts for one in said]), pa.timestamp("us", tz="UTC")),
        "source": _texts([one.source for one in said]),
        "metadata": _texts([_json(unpack(data)) for data in metadata]),
        "op": _texts([_json({c: _word(op) for c, op in one.changes.items()}) for one in said]),
    }
    channels = dict.fromkeys(channel for one in said for channel in one.changes)
    for channel in channels:
        name = written(channel) if written(channel) not in columns else f"channel:{channel}"
        columns[clean(name)] = _column([_value(one.changes, channel, unpack) for one in said])
    more = [pa.field(name, columns[name].type) for name in list(columns)[len(ROWS) :]]
    schema = pa.schema([*ROWS, *more]).with_metadata(ROWS.metadata)
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=schema)


def _parent(entry: EntryRow) -> str | None:
    parent = entry.entry.parent
    return parent if isinstance(parent, str) else None


def _place(said: Entry) -> int | None:
    return said.parent if isinstance(said.parent, int) else None


def _word(op: Op) -> str:
    return _WORDS.get(op[0], _ELSE)


def _value(changes: Mapping[str, Op], channel: str, unpack: Callable[[bytes], Any]) -> Any:
    """Return what was put into a channel or appended to it."""
    op = changes.get(channel)
    if op is not None and op[0] == PUT:
        return unpack(op[1])
    if op is not None and op[0] == APPEND and not op[3]:
        return unpack(op[2])
    return _NOTHING


def _column(values: list[Any]) -> Any:
    kinds = {type(value) for value in values if value is not _NOTHING}
    plain = [None if value is _NOTHING else value for value in values]
    if len(kinds) == 1 and (kind := _TYPES.get(kinds.pop())) is not None:
        try:
            return pa.array(plain, kind)
        except (pa.ArrowException, OverflowError, ValueError):
            pass  # beyond int64, a lone surrogate
    return _texts([None if value is _NOTHING else _json(value) for value in values])


def _texts(texts: Sequence[str | None]) -> Any:
    return pa.array([None if text is None else clean(text) for text in texts], pa.large_string())


def _json(value: Any) -> str:
    try:
        return json.dumps(value, default=_plain, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return json.dumps(repr(value), ensure_ascii=False)


def _plain(value: Any) -> Any:
    """Return what JSON has for a value that it has not."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {part.name: getattr(value, part.name) for part in dataclasses.fields(value)}
    if isinstance(value, (set, frozenset)):
        return list(value)
    dump = getattr(value, "model_dump", None)
    return dump() if dump is not None else str(value)

"""Pending writes of many threads in one chunk: put, and read again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from vecgraph.checkpoint._forms import WRITES_IDX_MAP, writes_sort_key
from vecgraph.checkpoint.arrays import (
    coded,
    decoded,
    from_bytes,
    from_numpy,
    from_texts,
    plain,
    runs,
    to_numpy,
)
from vecgraph.checkpoint.chunks import FORMAT, Compression, Span, damaged, encode, pack_body
from vecgraph.checkpoint.typed import BLOB, PACKED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

    from vecgraph.checkpoint.arrays import Array
    from vecgraph.checkpoint.shelf import Shelf
    from vecgraph.checkpoint.storage import Chunk, Header
    from vecgraph.checkpoint.typed import Pack
    from vecgraph.typing import Rows, Values

__all__ = ["ManyWrites", "WritesChunk", "has_writes", "keys_of", "read_writes", "writes_chunks"]

_MOST = 1 << 16
"""Most rows of a chunk."""

_FIELDS: list[pa.Field[Any]] = [
    pa.field("thread", pa.int64()),
    pa.field("seq", pa.int32()),
    pa.field("task_id", pa.large_string()),
    pa.field("task_path", pa.large_string()),
    pa.field("idx", pa.int32()),
    pa.field("channel", pa.large_string()),
    pa.field("is_blob", pa.uint8()),
    pa.field("value", pa.large_binary()),
]


@dataclass(frozen=True, slots=True)
class ManyWrites:
    """Pending writes of many checkpoints, in the order in which they apply to each.

    Attributes
    ----------
    rows : int64 ndarray of shape (M,)
        Which of the checkpoints that were asked for has the write; sorted.
    task_ids, paths, channels : list of M str
    idx : int32 ndarray of shape (M,)
        Place in the task's list, negative for the channels of `WRITES_IDX_MAP`.
    values : list of M objects
    """

    rows: Rows
    task_ids: list[str]
    paths: list[str]
    idx: npt.NDArray[np.int32]
    channels: list[str]
    values: list[Any]

    def __len__(self) -> int:
        return len(self.rows)


def keys_of(threads: Values, seqs: Values) -> Values:
    """Return a number for each pair of thread and place."""
    keys: Values = threads.astype(np.int64) << 32 | seqs
    return keys


def writes_chunks(
    threads: Values,
    seq: Values,
    task_ids: Sequence[str],
    paths: Sequence[str],
    channels: Sequence[str],
    values: Sequence[Any],
    *,
    idx: Values | None,
    ts: int,
    pack: Pack,
    how: Compression,
) -> Iterator[Chunk]:
    """Return the chunks of writes; the arguments are those of `LogSaver.put_writes_many`.

    Raises
    ------
    ValueError
        They are not of one length.
    """
    n = len(threads)
    parts = {"seq": seq, "task_ids": task_ids, "paths": paths, "channels": channels}
    parts["values"] = values
    if idx is not None:
        parts["idx"] = idx
    for name, part in parts.items():
        if len(part) != n:
            raise ValueError(f"{n} writes have {len(part)} {name}")
    places = _places(keys_of(threads, seq), task_ids, channels, idx)
    packed = [pack(value) for value in values]
    for begin in range(0, n, _MOST):
        cut = slice(begin, begin + _MOST)
        arrays = [
            from_numpy(threads[cut], pa.int64()),
            runs(seq[cut].astype(np.int32), pa.int32()),
            from_texts(task_ids[cut]),
            _named(paths[cut]),
            runs(places[cut], pa.int32()),
            _named(channels[cut]),
            runs(np.array([kind == BLOB for kind, _ in packed[cut]], np.uint8), pa.uint8()),
            from_bytes([data for _, data in packed[cut]]),
        ]
        yield _chunk(arrays, threads[cut], seq[cut], ts, how)


def _chunk(arrays: list[Array], threads: Values, seq: Values, ts: int, how: Compression) -> Chunk:
    fields = [pa.field(f.name, a.type) for f, a in zip(_FIELDS, arrays, strict=True)]
    schema = pa.schema(fields, {"vecgraph": f'{{"format": {FORMAT}}}'})
    span = Span(int(threads.min()), int(threads.max()), int(seq.min()), int(seq.max()), ts)
    return encode("writes", pa.RecordBatch.from_arrays(arrays, schema=schema), span, how)


def _named(texts: Sequence[str]) -> Array:
    table: dict[str, int] = {}
    codes = np.array([table.setdefault(text, len(table)) for text in texts], np.int64)
    return coded(codes, list(table))


def _places(
    keys: Values, task_ids: Sequence[str], channels: Sequence[str], idx: Values | None
) -> Values:
    """Return the place of each write: of a special channel its own, of others as they come."""
    if idx is None:
        counts: dict[tuple[int, str], int] = {}
        idx = np.zeros(len(keys), np.int32)
        for at, task in enumerate(zip(keys.tolist(), task_ids, strict=True)):
            idx[at] = count = counts.get(task, 0)
            counts[task] = count + 1
    special = np.array([WRITES_IDX_MAP.get(channel, 0) for channel in channels], np.int32)
    places: Values = np.where(special < 0, special, idx).astype(np.int32)
    return places


class WritesChunk:
    """A chunk of pending writes in column form, with the face of a `RowsChunk`.

    Attributes
    ----------
    header : Header
    threads : int64 ndarray of shape (N,)
    seqs : int32 ndarray of shape (N,)
    """

    def __init__(self, header: Header, batch: pa.RecordBatch, place: str) -> None:
        self.header = header
        self.place = place
        if batch.schema.names != [field.name for field in _FIELDS]:
            raise damaged(header, "it has another schema than writes have", place)
        self._arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
        for field in _FIELDS:
            if plain(self._arrays[field.name][:0]).type != field.type:
                raise damaged(header, f"its column {field.name!r} has another type", place)
        self.threads: Values = to_numpy(plain(self._arrays["thread"]))
        self.seqs: Values = to_numpy(plain(self._arrays["seq"]))

    def __len__(self) -> int:
        return len(self.threads)

    @cached_property
    def _said(self) -> list[tuple[Any, ...]]:
        """What the rows say, by name: task, path, place, channel, whether a blob, value."""
        try:
            return list(self._read())
        except (pa.ArrowException, ValueError, IndexError) as error:
            raise damaged(self.header, f"its columns do not agree ({error})", self.place) from error

    def _read(self) -> Iterator[tuple[Any, ...]]:
        named = []
        for name in ("task_path", "channel"):
            codes, table = decoded(self._arrays[name])
            named.append([table[code] for code in codes.tolist()])
        tasks, idx, is_blob, values = (
            plain(self._arrays[name]).to_pylist() for name in ("task_id", "idx", "is_blob", "value")
        )
        return zip(tasks, named[0], idx, named[1], map(bool, is_blob), values, strict=True)

    def said(self, row: int) -> list[Any]:
        """Return what a row says, as one of a `RowsChunk` would."""
        return [None, *self._said[row]]

    def body(self, row: int) -> bytes:
        """Return what a row says, packed."""
        return pack_body(self.said(row))

    def of(self, thread: int) -> list[int]:
        """Return the rows of a thread."""
        found: list[int] = np.flatnonzero(self.threads == thread).tolist()
        return found

    def __iter__(self) -> Iterator[tuple[int, int, Any]]:
        """Return (thread, seq, what it says) of each row."""
        for row in range(len(self)):
            yield int(self.threads[row]), int(self.seqs[row]), self.said(row)


def _touching(shelf: Shelf, threads: Rows, seq: Values) -> Iterator[Any]:
    """Return the chunks that may hold writes of some checkpoints."""
    if not len(threads):
        return
    headers = shelf.find(["writes"], int(threads.min()), int(threads.max()))
    lo, hi = max(int(seq.min()), 0), int(seq.max())
    yield from shelf.rows([h for h in headers if h.seq_lo <= hi and h.seq_hi >= lo])


def has_writes(shelf: Shelf, threads: Rows, seq: Values) -> npt.NDArray[np.bool_]:
    """Return which checkpoints have writes beside them."""
    found = np.zeros(len(threads), np.bool_)
    keys = keys_of(threads, seq)
    for chunk in _touching(shelf, threads, seq):
        found |= np.isin(keys, keys_of(chunk.threads, chunk.seqs))
    found[seq < 0] = False
    return found


def read_writes(
    shelf: Shelf, threads: Rows, seq: Values, load: Callable[[int, bytes], Any]
) -> ManyWrites:
    """Return the writes beside many checkpoints.

    Parameters
    ----------
    threads, seq : integer ndarrays of shape (N,)
        Places; pairs are unique.
    load : callable
        Gets `PACKED` or `BLOB` and bytes; returns the value.
    """
    held: dict[tuple[int, str, int], tuple[str, str, int, bytes]] = {}
    keys = keys_of(threads, seq)
    order = np.argsort(keys, kind="stable")
    for chunk in _touching(shelf, threads, seq):
        wanted = keys_of(chunk.threads, chunk.seqs)
        found = np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)
        hits = np.flatnonzero((keys[order[found]] == wanted) & (chunk.seqs >= 0))
        for at, row in zip(hits.tolist(), order[found[hits]].tolist(), strict=True):
            _take(held, row, chunk, at)
    ordered = sorted(held, key=lambda key: (key[0], *writes_sort_key(held[key][0], *key[1:])))
    return ManyWrites(
        rows=np.array([row for row, _, _ in ordered], np.int64),
        task_ids=[task for _, task, _ in ordered],
        paths=[held[key][0] for key in ordered],
        idx=np.array([idx for _, _, idx in ordered], np.int32),
        channels=[held[key][1] for key in ordered],
        values=[load(*held[key][2:]) for key in ordered],
    )


def _take(held: dict[Any, Any], row: int, chunk: Any, at: int) -> None:
    """Add a write: an ordinary one stays as it was first, a special one as it was last."""
    try:
        _, task, path, idx, channel, is_blob, data = chunk.said(at)
        key = (row, str(task), int(idx))
    except (TypeError, ValueError) as error:
        raise damaged(chunk.header, f"a row is no write ({error})", chunk.place) from error
    if idx < 0 or key not in held:
        held[key] = (path, channel, BLOB if is_blob else PACKED, data)

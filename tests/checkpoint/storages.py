"""Chunks for tests of storages, and what a storage holds of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from vecgraph.checkpoint.chunks import Span, decode, encode, encode_rows
from vecgraph.checkpoint.storage import KINDS, Chunk


def rows(thread: int, *bodies: bytes, kind: Any = "entries", key: str = "", seq: int = 0) -> Chunk:
    """Return a chunk of rows of one thread."""
    some = [(thread, seq + i, body) for i, body in enumerate(bodies)]
    return encode_rows(kind, some, 1_700_000_000_000_000 + thread, key=key, compression="zstd")


def columns(lo: int, hi: int, *names: str, step: int = 0) -> Chunk:
    """Return a chunk of columns of the threads from `lo` to `hi`."""
    numbers = np.arange(lo, hi + 1)
    batch = pa.record_batch({name: pa.array(numbers * (i + 1)) for i, name in enumerate(names)})
    return encode("columns", batch, Span(lo, hi, step, step, 1_700_000_000_000_000), "zstd")


def held(storage: Any) -> list[tuple[str, int, int, bytes]]:
    """Return everything that a storage holds, in order; each chunk is decoded."""
    headers = storage.find(KINDS)
    found = []
    for header, payload in zip(headers, storage.load(headers), strict=True):
        decode(header, payload, storage.schema(header.schema), storage.place)
        found.append((header.kind, header.lo, header.hi, payload))
    return found


def said(chunks: Any) -> list[tuple[str, int, int, bytes]]:
    """Return what `held` says of chunks."""
    return [(c.header.kind, c.header.lo, c.header.hi, c.payload) for c in chunks]

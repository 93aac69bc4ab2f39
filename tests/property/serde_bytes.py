"""Bytes to try a reader with: those of values that meet every extension type, and damaged ones."""

from __future__ import annotations

import collections
import ipaddress
import pathlib
import random
import re
import struct
import tracemalloc
import uuid
import zoneinfo
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from tests.property.serde_values import (
    Bag,
    Color,
    Flags,
    Frozen,
    Level,
    Model,
    Number,
    Odd,
    Pair,
    Point,
    Strict,
    Text,
)
from vecgraph.checkpoint.serde import StoredError
from vecgraph.errors import CorruptDataError
from vecgraph.types import Command, Interrupt, Overwrite, Send

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
RECORDS = np.array([(1, 2.5, "a")], [("n", "i4"), ("x", "f8"), ("s", "U2")])

SAMPLES: tuple[Any, ...] = (
    None,
    {"n": 1, "x": 0.5, "name": "agent", "tags": ["a", "b"], "data": b"\x00\xff"},
    {1: "a", None: "b", 2.5: "c", False: "d"},
    [2**63, -(2**80), 1j, "\ud800", bytearray(b"ab")],
    [Decimal("-1.50"), date(2026, 1, 31), time(1, 2, 3, fold=1), timedelta(-1, 2, 3)],
    [datetime(2026, 3, 29, 2, 30, tzinfo=BERLIN), datetime(1, 1, 1, tzinfo=UTC)],
    [BERLIN, timezone(timedelta(hours=1), "X"), uuid.UUID(int=7), pathlib.PurePosixPath("a/b")],
    [ipaddress.ip_address("::1"), ipaddress.ip_network("10.0.0.0/8"), re.compile("a(b|c)*")],
    [np.float64(1.5), np.datetime64("2026-01-01"), np.str_("a\0"), np.bytes_(b"a\0"), RECORDS[0]],
    np.arange(6, dtype=">i2").reshape(2, 3),
    np.asfortranarray(np.ones((2, 3))),
    np.array(["é", "b"]),
    np.array([True, False]),
    RECORDS,
    np.fromiter([[1], {2: 3}, None], np.dtype(object), 3),
    np.array(["a", "b" * 40], np.dtypes.StringDType()),
    pa.table({"a": [1, None], "b": ["x", "y"], "c": [[1.5], []]}),
    [pa.array(["x", "y", "x"]).dictionary_encode(), pa.record_batch({"t": pa.array([True])})],
    (1, (2, frozenset({3, (4, 5)})), {6}),
    {(1, 2): "tuple", frozenset({3}): "set", Decimal(4): "decimal"},
    [collections.deque([1, 2], 5), collections.OrderedDict(a=1), collections.Counter("aab")],
    [collections.defaultdict(list, {"a": [1]}), range(2, 10, 3)],
    [Color.RED, Level.HIGH, Flags.A | Flags.B, Text("t"), Number(5), Bag(a=1)],
    [Point(1, [2]), Frozen((1,), "b"), Odd(3), Pair(1, {"a": 2})],
    [Model(name="m", value=[1], more=(2,)), Strict(n=1, tags=["x"])],
    [Send("n", {"a": 1}), Command(update={"a": 1}, goto=["n"]), Interrupt("q"), Overwrite([1])],
    [StoredError.of(ValueError("x")), KeyError("y")],
)


def damaged(data: bytes, rng: random.Random) -> bytes:
    """The bytes after a few accidents: flipped, cut off, doubled, left out, or made a length."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        ACCIDENTS[rng.randrange(len(ACCIDENTS))](changed, rng)
    return bytes(changed)


def _flip(data: bytearray, rng: random.Random) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _put(data: bytearray, rng: random.Random) -> None:
    if data:
        data[rng.randrange(len(data))] = rng.randrange(256)


def _cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data) + 1) :]


def _leave_out(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data) + 1)
    del data[start : start + rng.randrange(9)]


def _double(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data) + 1)
    data[start:start] = data[start : start + rng.randrange(40)]


def _insert(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data) + 1)
    data[start:start] = rng.choice(WORDS)


def _overwrite(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data) + 1)
    word = rng.choice(WORDS)
    data[start : start + len(word)] = word


ACCIDENTS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip,
    _put,
    _cut,
    _leave_out,
    _double,
    _insert,
    _overwrite,
)
# Headers of containers and extension types, and lengths that are not there.
WORDS = (
    *(bytes([code]) + struct.pack(">I", 2**32 - 1) for code in (0xC6, 0xC9, 0xDB, 0xDD, 0xDF)),
    *(bytes([code]) + struct.pack(">H", 2**16 - 1) for code in (0xC5, 0xC8, 0xDA, 0xDC, 0xDE)),
    *(bytes([0xC7, 0, code]) for code in (*range(64, 76), *range(80, 86))),
    *(bytes([0xD4, code, 0]) for code in (*range(16, 37), *range(64, 76), *range(80, 86))),
    b"\x81",
    b"\x91",
    b"\xc1",
    struct.pack("<q", 2**62),
    struct.pack("<q", -1),
    struct.pack("<i", 2**31 - 1),
    struct.pack(">q", 2**62),
    b"\xff" * 9,
    b"\x00" * 9,
)


def bombs() -> Iterator[tuple[str, bytes]]:
    """Few bytes that declare much: lengths that are not there, and nesting without an end."""
    for code in (0xC6, 0xC9, 0xDB, 0xDD, 0xDF):
        yield f"length of {code:x}", bytes([code]) + struct.pack(">I", 2**32 - 1)
        yield (
            f"length of {code:x}, padded",
            bytes([code]) + struct.pack(">I", 2**32 - 1) + bytes(99),
        )
    for n in (300, 2_000, 100_000, 3_000_000):
        yield f"{n} lists in each other", b"\x91" * n + b"\xc0"
        yield f"{n} maps in each other", b"\x81\xa1a" * n + b"\xc0"
        yield f"{n} tuples in each other", b"\x81\xc7\x00\x40\x91" * n + b"\xc0"
        yield f"{n} sets in each other", b"\x81\xc7\x00\x42\x91" * n + b"\xc0"
        header = b"\xdd" + struct.pack(">I", n - 10)
        yield f"lists of {n} items in each other", (header * (n // 5))[:n]
        yield f"maps of {n} items", (b"\xdf" + struct.pack(">I", n) + b"\xa1a")[:n]
    for code in (*range(16, 36), *range(64, 75), *range(80, 85), 0, 5, 36, 100, 127, 128, 255):
        for body in (b"", b"\x00", b"\xff" * 8, b"\x00" * 40, b"\xff" * 40):
            header = bytes([0xC7, len(body), code])
            yield f"type {code} with {body[:1]!r} * {len(body)}", header + body
            yield (
                f"map of type {code} with {body[:1]!r} * {len(body)}",
                b"\x81" + header + body + b"\x90",
            )


def limited(read: Callable[[bytes], Any], data: bytes, memory: int) -> Any:
    """Read; a value or CorruptDataError, within `memory` bytes. Returns the value or the error."""
    tracemalloc.start()
    try:
        try:
            return read(data)
        except CorruptDataError as error:
            return error
        finally:
            peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        assert peak <= memory, f"{peak} bytes for {len(data)} bytes"

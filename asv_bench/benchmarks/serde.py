"""Values to bytes and back: ours, raw MessagePack, JSON, ormsgpack and LangGraph's serialiser."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias

import msgpack
import numpy as np

from vecgraph.checkpoint.serde import Packer
from vecgraph.checkpoint.serde.codecs import codec

Pair: TypeAlias = tuple[Callable[[Any], Any], Callable[[Any], Any]]

SMALL = {"n": 3, "x": 0.125, "name": "agent", "tags": ["a", "b", "c"]}
MESSAGES = {
    "messages": [{"role": "user", "content": "hello " * 20, "id": f"{i:032x}"} for i in range(5)]
}
MIXED = {**SMALL, "at": datetime(2026, 1, 31, tzinfo=UTC), "seen": {1, 2, 3}}
VALUES = {"small": SMALL, "messages": MESSAGES, "mixed": MIXED}


def _packer() -> Pair:
    packer = Packer()
    return packer.pack, packer.unpack


def _msgpack() -> Pair:
    return msgpack.packb, msgpack.unpackb


def _json() -> Pair:
    return json.dumps, json.loads


def _ormsgpack() -> Pair:
    try:
        import ormsgpack
    except ImportError as error:
        raise NotImplementedError from error
    return ormsgpack.packb, ormsgpack.unpackb


def _langgraph() -> Pair:
    try:
        from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
    except ImportError as error:
        raise NotImplementedError from error
    serde = JsonPlusSerializer()
    return serde.dumps_typed, serde.loads_typed


SERIALISERS = {
    "packer": _packer,
    "msgpack": _msgpack,
    "json": _json,
    "ormsgpack": _ormsgpack,
    "langgraph": _langgraph,
}
EXACT = {"packer", "langgraph"}
"""Those that give sets and times back as they were."""


class OneValue:
    """One state at a time; microseconds per value, over `repeats` of them."""

    params = (list(SERIALISERS), list(VALUES), [100, 10_000])
    param_names = ("serialiser", "value", "repeats")
    version = "1"

    def setup(self, serialiser: str, value: str, repeats: int) -> None:
        """Pack once.

        Raises
        ------
        NotImplementedError
            The serialiser is not installed, or has no form for the value.
        """
        if value == "mixed" and serialiser not in EXACT:
            raise NotImplementedError
        self.pack, self.unpack = SERIALISERS[serialiser]()
        self.value = VALUES[value]
        self.packed = self.pack(self.value)

    def track_pack(self, serialiser: str, value: str, repeats: int) -> float:
        """Value to bytes."""
        start = time.perf_counter()
        for _ in range(repeats):
            packed = self.pack(self.value)
        seconds = time.perf_counter() - start
        assert self.unpack(packed) == self.value
        return seconds / repeats * 1e6

    def track_unpack(self, serialiser: str, value: str, repeats: int) -> float:
        """Bytes to value."""
        start = time.perf_counter()
        for _ in range(repeats):
            back = self.unpack(self.packed)
        seconds = time.perf_counter() - start
        assert back == self.value
        return seconds / repeats * 1e6

    track_pack.unit = track_unpack.unit = "us"  # type: ignore[attr-defined]


def columns(n: int) -> dict[str, list[Any]]:
    """Four channels of n states."""
    rng = np.random.default_rng(0)
    return {
        "n": rng.integers(0, 1_000, n).tolist(),
        "x": rng.random(n).tolist(),
        "name": [f"agent {i % 50}" for i in range(n)],
        "tags": [["a", "b", "c"][: i % 4] for i in range(n)],
    }


CODECS = {
    f"{name} {compression}": (name, compression)
    for name in ("json", "msgpack", "arrow")
    for compression in ("none", "lz4", "zstd", "gzip")
}


class Columns:
    """Columns of many states; nanoseconds per state, and bytes per state."""

    params = ([*SERIALISERS, *CODECS], [100, 100_000])
    param_names = ("form", "states")
    version = "1"

    def setup(self, form: str, states: int) -> None:
        """Pack once.

        Raises
        ------
        NotImplementedError
            The serialiser is not installed.
        """
        self.columns = columns(states)
        if form in CODECS:
            name, compression = CODECS[form]
            made = codec(name, compression)  # type: ignore[arg-type]
            self.pack: Callable[[Any], Any] = made.encode
            self.unpack: Callable[[Any], Any] = lambda data: made.decode_columns(data).columns
        else:
            self.pack, self.unpack = SERIALISERS[form]()
        self.packed = self.pack(self.columns)

    def track_pack(self, form: str, states: int) -> float:
        """Columns to bytes."""
        start = time.perf_counter()
        packed = self.pack(self.columns)
        seconds = time.perf_counter() - start
        assert self.unpack(packed) == self.columns
        return seconds / states * 1e9

    def track_unpack(self, form: str, states: int) -> float:
        """Bytes to columns."""
        start = time.perf_counter()
        back = self.unpack(self.packed)
        seconds = time.perf_counter() - start
        assert back == self.columns
        return seconds / states * 1e9

    def track_bytes(self, form: str, states: int) -> float:
        """Bytes of a state."""
        data = self.packed[1] if form == "langgraph" else self.packed
        return len(data) / states

    track_pack.unit = track_unpack.unit = "ns"  # type: ignore[attr-defined]
    track_bytes.unit = "bytes"  # type: ignore[attr-defined]

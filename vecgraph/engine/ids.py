"""Ids of tasks and of questions, as LangGraph derives them, so that either finds the other's."""

from __future__ import annotations

import random
import uuid
from threading import Lock
from time import time_ns

from xxhash import xxh3_128_hexdigest

__all__ = [
    "EPOCH",
    "MIX",
    "MULTICAST",
    "SEQ",
    "THREAD",
    "checkpoint_id",
    "digest",
    "interrupt_id",
    "layout",
    "mixed",
    "new_checkpoint_id",
    "new_ticks",
    "path_text",
    "task_id",
]

EPOCH = 0x01B21DD213814000
"""Units of 100 ns from 1582-10-15, where UUIDs begin, to 1970-01-01."""
_CLOCK = 0x3FFF
_MASK = (1 << 64) - 1
MULTICAST = 1 << 40
"""Set in nodes that are not the address of a network card."""
THREAD, SEQ, MIX = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0xBF58476D1CE4E5B9
"""Odd numbers by which threads and places are multiplied, and what is mixed of both."""

_lock = Lock()
_last = 0


def new_ticks() -> int:
    """Return the time in UUID units, later than any returned before by this process."""
    global _last
    now = time_ns() // 100 + EPOCH
    with _lock:
        _last = now = max(now, _last + 1)
    return now


def layout(ticks: int, clock: int, node: int) -> int:
    """Return the UUID of version 6 (RFC 9562, section 5.6) of a time, 14 bits and a node."""
    return (
        (ticks >> 12) << 80
        | 6 << 76
        | (ticks & 0xFFF) << 64
        | 2 << 62
        | (clock & _CLOCK) << 48
        | node
    )


def new_checkpoint_id(step: int) -> str:
    """Return a new id that sorts after every one made before by this process.

    A UUID of version 6: the time, the step as the clock sequence, and 48 random bits.

    Parameters
    ----------
    step : int
        Superstep of the checkpoint; its last 14 bits count.
    """
    ticks = new_ticks()
    text = f"{ticks >> 12:012x}{0x6000 | ticks & 0xFFF:04x}"
    text += f"{(0x8000 | step & _CLOCK) << 48 | random.getrandbits(48):016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def mixed(thread: int, seq: int) -> int:
    """Return the node of a checkpoint's id: a hash of its thread's number and its place there."""
    found = (thread * THREAD ^ seq * SEQ) & _MASK
    found ^= found >> 32
    found = found * MIX & _MASK
    return (found >> 16) | MULTICAST


def checkpoint_id(ts: int, step: int, thread: int, seq: int) -> str:
    """Return the id of a checkpoint that was given none.

    Parameters
    ----------
    ts : int
        Microseconds since 1970.
    step : int
        Its last 14 bits are the clock sequence.
    thread, seq : int
        Number of the thread, and place in it; the node is a hash of both.

    Examples
    --------
    >>> checkpoint_id(1_700_000_000_000_000, 3, 12, 4)
    '1ee833b0-4afc-6000-8003-09041f3fffa7'
    """
    return str(uuid.UUID(int=layout(ts * 10 + EPOCH, step, mixed(thread, seq))))


def task_id(checkpoint: str, *parts: str) -> str:
    """Return the id of a task: a hash of the checkpoint that it runs on and of what it is.

    Parameters
    ----------
    checkpoint : str
        Id of the checkpoint, a UUID.
    parts : str
        Namespace, step, node, kind, and what tells it from others of that kind.

    Examples
    --------
    >>> task_id("1ef4f797-8335-6428-8001-8a1503f9b875", "a", "1", "a", "__pregel_pull", "branch:to:a")
    '88a395be-d5ba-6b3a-a9ae-8eaef0480381'
    """
    found = xxh3_128_hexdigest(bytes.fromhex(checkpoint.replace("-", "")) + "".join(parts).encode())
    return f"{found[:8]}-{found[8:12]}-{found[12:16]}-{found[16:20]}-{found[20:]}"


def interrupt_id(ns: str, answered: int) -> str:
    """Return the id of a task's next question, after `answered` answers."""
    return xxh3_128_hexdigest((f"{ns}|{answered}" if answered else ns).encode())


def digest(data: str | bytes) -> str:
    """Return the hash under which a cache keeps what has the key `data`."""
    return xxh3_128_hexdigest(data.encode() if isinstance(data, str) else data)


def path_text(path: object) -> str:
    """Return a task's path as the text by which writes are ordered.

    Examples
    --------
    >>> path_text(("__pregel_push", 3, False))
    '~__pregel_push, 0000000003, 0000000000'
    """
    if isinstance(path, tuple | list):
        return f"~{', '.join(map(path_text, path))}"
    return f"{path:010d}" if isinstance(path, int) else str(path)

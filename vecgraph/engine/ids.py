"""Ids of tasks and of questions, as LangGraph derives them, so that either finds the other's."""

from __future__ import annotations

import random
from threading import Lock
from time import time_ns

from xxhash import xxh3_128_hexdigest

__all__ = ["digest", "interrupt_id", "new_checkpoint_id", "path_text", "task_id"]

_EPOCH = 0x01B21DD213814000
"""Ticks of 100 ns from the beginning of UUID time to 1970."""

_lock = Lock()
_last = 0


def new_checkpoint_id(step: int) -> str:
    """Return a new id that sorts after every one made before by this process.

    A UUID of version 6 (RFC 9562): the time, the step as the clock sequence, and 48 random bits.

    Parameters
    ----------
    step : int
        Superstep of the checkpoint; its last 14 bits count.
    """
    global _last
    ticks = time_ns() // 100 + _EPOCH
    with _lock:
        if ticks <= _last:
            ticks = _last + 1
        _last = ticks
    high, low = ticks >> 12, ticks & 0xFFF
    tail = (0x8000 | (step & 0x3FFF)) << 48 | random.getrandbits(48)
    text = f"{high:012x}{0x6000 | low:04x}{tail:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


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

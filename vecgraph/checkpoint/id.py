"""Ids of checkpoints: UUIDs of version 6, which sort by age as text.

Source of the layout: RFC 9562, section 5.6.
"""

from __future__ import annotations

import threading
import time
import uuid
from secrets import randbits
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["UUID", "checkpoint_id", "checkpoint_ids", "id_time", "uuid6"]

_EPOCH = 0x01B21DD213814000
"""Units of 100 ns from 1582-10-15, where UUIDs begin, to 1970-01-01."""
_CLOCK = 0x3FFF
_NODE = (1 << 48) - 1
_MULTICAST = 1 << 40
"""Set in nodes that are not the address of a network card."""
_MASK = (1 << 64) - 1
_THREAD, _SEQ, _MIX = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0xBF58476D1CE4E5B9

_lock = threading.Lock()
_last = 0


class UUID(uuid.UUID):
    """A UUID that knows the time of version 6."""

    __slots__ = ()

    @property
    def time(self) -> int:
        """Units of 100 ns since 1582-10-15."""
        if self.version != 6:
            return super().time
        value = self.int
        return ((value >> 80) << 12) | ((value >> 64) & 0xFFF)


def uuid6(node: int | None = None, clock_seq: int | None = None) -> UUID:
    """Return a new UUID, greater than all before it in this process.

    Parameters
    ----------
    node : int, optional
        48 bits; random if left out.
    clock_seq : int, optional
        14 bits are kept; random if left out. Checkpoints have their step here.
    """
    global _last
    with _lock:
        now = max(time.time_ns() // 100 + _EPOCH, _last + 1)
        _last = now
    node = randbits(48) if node is None else node & _NODE
    return UUID(int=_layout(now, randbits(14) if clock_seq is None else clock_seq, node))


def _layout(ticks: int, clock: int, node: int) -> int:
    return (
        (ticks >> 12) << 80
        | 6 << 76
        | (ticks & 0xFFF) << 64
        | 2 << 62
        | (clock & _CLOCK) << 48
        | node
    )


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
    mixed = (thread * _THREAD ^ seq * _SEQ) & _MASK
    mixed ^= mixed >> 32
    mixed = mixed * _MIX & _MASK
    node = (mixed >> 16) | _MULTICAST
    return str(uuid.UUID(int=_layout(ts * 10 + _EPOCH, step, node)))


_HEX = np.array([int.from_bytes(f"{i:02x}".encode(), "little") for i in range(256)], "<u2")


def checkpoint_ids(
    ts: npt.NDArray[np.int64],
    step: npt.NDArray[np.int64],
    thread: npt.NDArray[np.int64],
    seq: npt.NDArray[np.int64],
) -> pa.Array[Any]:
    """Return `checkpoint_id` of many checkpoints.

    Parameters
    ----------
    ts, step, thread, seq : integer ndarrays of shape (N,)

    Returns
    -------
    pyarrow LargeStringArray of length N
    """
    n = len(ts)
    # uint64 from the start: products wrap as they do under the mask of the scalar form.
    mixed = thread.astype(np.uint64) * np.uint64(_THREAD) ^ seq.astype(np.uint64) * np.uint64(_SEQ)
    mixed ^= mixed >> np.uint64(32)
    mixed *= np.uint64(_MIX)
    ticks = ts.astype(np.uint64) * np.uint64(10) + np.uint64(_EPOCH)
    words = np.empty((n, 2), ">u8")
    high = (ticks >> np.uint64(12)) << np.uint64(16)
    words[:, 0] = high | np.uint64(6 << 12) | (ticks & np.uint64(0xFFF))
    clock = (step.astype(np.int64) & _CLOCK).astype(np.uint64)
    words[:, 1] = (
        np.uint64(2 << 62)
        | (clock << np.uint64(48))
        | (mixed >> np.uint64(16))
        | np.uint64(_MULTICAST)
    )
    digits = _HEX[words.view(np.uint8)].view(np.uint8)
    text = np.full((n, 36), ord("-"), np.uint8)
    for begin, end, at in ((0, 8, 0), (8, 12, 9), (12, 16, 14), (16, 20, 19), (20, 32, 24)):
        text[:, at : at + end - begin] = digits[:, begin:end]
    offsets: Any = np.arange(0, 36 * (n + 1), 36, dtype=np.int64)
    letters: Any = text
    return pa.LargeStringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(letters))


def id_time(text: str) -> int | None:
    """Return the time of a version 6 UUID in microseconds since 1970; None for other ids."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return None if found.version != 6 else (found.time - _EPOCH) // 10

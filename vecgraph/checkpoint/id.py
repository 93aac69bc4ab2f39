"""Ids of checkpoints: UUIDs of version 6, which sort by age as text.

Source of the layout: RFC 9562, section 5.6.
"""

from __future__ import annotations

import uuid
from secrets import randbits
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vecgraph.engine.ids import EPOCH, MIX, MULTICAST, SEQ, THREAD, checkpoint_id, layout, new_ticks

__all__ = ["UUID", "checkpoint_id", "checkpoint_ids", "id_time", "uuid6"]

_CLOCK = 0x3FFF
_NODE = (1 << 48) - 1


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
    node = randbits(48) if node is None else node & _NODE
    clock = randbits(14) if clock_seq is None else clock_seq
    return UUID(int=layout(new_ticks(), clock, node))


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
    mixed = thread.astype(np.uint64) * np.uint64(THREAD) ^ seq.astype(np.uint64) * np.uint64(SEQ)
    mixed ^= mixed >> np.uint64(32)
    mixed *= np.uint64(MIX)
    ticks = ts.astype(np.uint64) * np.uint64(10) + np.uint64(EPOCH)
    words = np.empty((n, 2), ">u8")
    high = (ticks >> np.uint64(12)) << np.uint64(16)
    words[:, 0] = high | np.uint64(6 << 12) | (ticks & np.uint64(0xFFF))
    clock = (step.astype(np.int64) & _CLOCK).astype(np.uint64)
    words[:, 1] = (
        np.uint64(2 << 62)
        | (clock << np.uint64(48))
        | (mixed >> np.uint64(16))
        | np.uint64(MULTICAST)
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
    return None if found.version != 6 else (found.time - EPOCH) // 10

"""Objects between processes: their arrays in shared memory, the rest as bytes.

The processes at both ends run the same program and trust each other; nothing here is read
from a file that anybody else could have written.
"""

from __future__ import annotations

import mmap
import os
import pickle
from pathlib import Path
from typing import Any
from uuid import uuid4

__all__ = ["dumps", "pack", "unpack"]

_ALIGN = 64

Parcel = tuple[bytes, str, tuple[tuple[int, int], ...]]
"""Bytes of an object without its arrays, the file that holds those, and where each lies."""


def dumps(value: Any) -> bytes:
    """Return a value as bytes, functions of any kind included where cloudpickle is there."""
    try:
        import cloudpickle
    except ImportError:
        return pickle.dumps(value, protocol=5)
    done: bytes = cloudpickle.dumps(value, protocol=5)
    return done


def pack(value: Any, folder: str) -> Parcel:
    """Put a value's arrays in a new file in `folder`, and return the rest with it."""
    buffers: list[pickle.PickleBuffer] = []
    body = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    if not buffers:
        return body, "", ()
    path = os.path.join(folder, uuid4().hex)
    places = []
    with Path(path).open("xb") as file:
        for buffer in buffers:
            raw = buffer.raw()
            file.write(b"\0" * (-file.tell() % _ALIGN))
            places.append((file.tell(), raw.nbytes))
            file.write(raw)
    return body, path, tuple(places)


def unpack(parcel: Parcel) -> Any:
    """Return what was packed; its file is gone then, its memory lives as long as the arrays."""
    body, path, places = parcel
    if not path:
        return pickle.loads(body)
    with Path(path).open("rb") as file:
        Path(path).unlink()
        size = places[-1][0] + places[-1][1]
        # Arrays may be written to; what is written stays in this process.
        view = memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY) if size else b"")
    return pickle.loads(body, buffers=[view[at : at + n] for at, n in places])

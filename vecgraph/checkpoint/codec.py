"""Values as bytes, and the large ones among them by the hash of those."""

from __future__ import annotations

import threading
from collections import OrderedDict
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Protocol

import msgpack

from vecgraph.checkpoint.chunks import damaged, pack_body
from vecgraph.checkpoint.typed import BLOB, PACKED
from vecgraph.errors import DamagedCheckpointError

if TYPE_CHECKING:
    from vecgraph.checkpoint.shelf import Shelf
    from vecgraph.checkpoint.storage import Chunk

__all__ = ["Codec", "Held", "PacksValues", "SerdePacker"]

_MOST_KNOWN = 1 << 17
_CACHED = 64 << 20


class PacksValues(Protocol):
    """Turns values into bytes and back, exactly, without running code from the bytes."""

    def pack(self, value: Any) -> bytes:
        """Return a value as bytes."""
        ...

    def unpack(self, data: bytes) -> Any:
        """Return the value of bytes."""
        ...


class SerdePacker:
    """A serialiser of LangGraph's kind as a packer.

    Parameters
    ----------
    serde : object
        Has `dumps_typed` and `loads_typed`.
    """

    def __init__(self, serde: Any) -> None:
        self.serde = serde

    def pack(self, value: Any) -> bytes:
        """Return a value as bytes."""
        return pack_body(list(self.serde.dumps_typed(value)))

    def unpack(self, data: bytes) -> Any:
        """Return the value of bytes."""
        kind, inner = msgpack.unpackb(data, raw=False, strict_map_key=False)
        return self.serde.loads_typed((kind, inner))


class Held:
    """Packs nothing: values are held as they are, and known by numbers."""

    def __init__(self) -> None:
        self._values: list[Any] = []

    def pack(self, value: Any) -> bytes:
        """Return the number of a value; lists may yet grow."""
        self._values.append(list(value) if isinstance(value, list) else value)
        return (len(self._values) - 1).to_bytes(8, "little")

    def unpack(self, data: bytes) -> Any:
        """Return the value of a number."""
        return self._values[int.from_bytes(data, "little")]


class Codec:
    """Packs values; those of `blob_at` bytes or more are kept once, under their digest.

    Parameters
    ----------
    packer : PacksValues
    shelf : Shelf
    blob_at : int
    """

    def __init__(self, packer: PacksValues, shelf: Shelf, blob_at: int) -> None:
        self.packer = packer
        self._shelf = shelf
        self._blob_at = blob_at
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._new: list[Chunk] = []
        self._cache: OrderedDict[bytes, bytes] = OrderedDict()
        self._cached = 0
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Forget which blobs there are: some may have been lost."""
        self._known.clear()
        self._new.clear()

    def pack(self, value: Any) -> tuple[int, bytes]:
        """Return `PACKED` and bytes, or `BLOB` and a digest."""
        return self.keep(self.packer.pack(value))

    def keep(self, data: bytes) -> tuple[int, bytes]:
        """Do the same for a value that is packed already."""
        if len(data) < self._blob_at:
            return PACKED, data
        digest = blake2b(data, digest_size=32).digest()
        if digest not in self._known:
            key = digest.hex()
            if not self._shelf.find(["blobs"], key=key, settled=False):
                row = (0, -1, pack_body([digest, data]))
                self._new.append(self._shelf.rows_chunk("blobs", [row], self._shelf.now(), key))
            self._known[digest] = None
            if len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        return BLOB, digest

    def taken(self) -> list[Chunk]:
        """Return the chunks of new blobs; they go into the flush that refers to them."""
        new, self._new = self._new, []
        return new

    def load(self, kind: int, data: bytes) -> Any:
        """Return the value of what `pack` returned."""
        return self.packer.unpack(self.bytes_of(kind, data))

    def bytes_of(self, kind: int, data: bytes) -> bytes:
        """Return the packed value of what `pack` returned."""
        if kind == PACKED:
            return data
        if kind != BLOB:
            raise ValueError(f"no value has the marker {kind}")
        with self._lock:
            found = self._cache.get(data)
        if found is None:
            found = self._loaded(data)
            self._remember(data, found)
        return found

    def _loaded(self, digest: bytes) -> bytes:
        for chunk in self._shelf.rows(self._shelf.find(["blobs"], key=digest.hex())):
            for _, _, said in chunk:
                if not isinstance(said, list) or len(said) != 2 or said[0] != digest:
                    continue
                data = said[1]
                if blake2b(data, digest_size=32).digest() != digest:
                    raise damaged(chunk.header, "a blob fails its hash", self._shelf.place)
                return bytes(data)
        raise DamagedCheckpointError.found(
            f"the large value {digest.hex()} is missing", self._shelf.place
        )

    def _remember(self, digest: bytes, data: bytes) -> None:
        with self._lock:
            if digest not in self._cache:
                self._cache[digest] = data
                self._cached += len(data)
            while self._cached > _CACHED and len(self._cache) > 1:
                self._cached -= len(self._cache.popitem(last=False)[1])

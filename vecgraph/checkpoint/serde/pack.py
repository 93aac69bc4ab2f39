"""Stand-in until the branch `serde` is merged."""

from __future__ import annotations

from typing import Any

import msgpack

from vecgraph.types import Send

__all__ = ["Packer"]


class Packer:
    """Packs plain values."""

    def pack(self, value: Any) -> bytes:
        """Return bytes."""
        return msgpack.packb(  # type: ignore[no-any-return]
            value, default=_default, strict_types=True, unicode_errors="surrogatepass"
        )

    def unpack(self, data: bytes) -> Any:
        """Return the value."""
        return msgpack.unpackb(
            data, ext_hook=_hook, strict_map_key=False, unicode_errors="surrogatepass"
        )


def _default(value: Any) -> Any:
    packer = Packer()
    if type(value) is tuple:
        return msgpack.ExtType(1, packer.pack(list(value)))
    if type(value) is set:
        return msgpack.ExtType(2, packer.pack(sorted(value, key=repr)))
    if type(value) is frozenset:
        return msgpack.ExtType(3, packer.pack(sorted(value, key=repr)))
    if type(value) is int:
        return msgpack.ExtType(4, str(value).encode())
    if type(value) is Send:
        return msgpack.ExtType(5, packer.pack([value.node, value.arg]))
    raise TypeError(f"cannot pack {type(value)}")


def _hook(code: int, data: bytes) -> Any:
    packer = Packer()
    if code == 4:
        return int(data)
    items = packer.unpack(data)
    if code == 5:
        return Send(*items)
    return {1: tuple, 2: set, 3: frozenset}[code](items)

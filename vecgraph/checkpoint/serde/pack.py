"""Python values as bytes and back, exactly: MessagePack with a closed set of extension types.

What comes back has the value and the type of what was stored, or storing it was refused with
the way to the part that cannot be. Nothing that is read imports a module, calls a function that
the data name, or runs code of a class: an instance of a program's class is made only of a class
that the program allows, by setting its attributes. There is no pickle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgpack

from vecgraph.checkpoint.serde._atoms import StoredError
from vecgraph.checkpoint.serde._build import Marked, Reader, atom, reading
from vecgraph.checkpoint.serde._codes import MAX_DEPTH
from vecgraph.checkpoint.serde._known import Classes
from vecgraph.checkpoint.serde._lower import NATIVE, lowered
from vecgraph.checkpoint.serde._record import Record
from vecgraph.errors import UnserialisableError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MAX_DEPTH", "Packer", "Record", "StoredError"]

# MessagePack stores bytearray and memoryview as bytes, and an ExtType of the program's as if it
# were ours. Their headers are these bytes, which text in ASCII and small numbers have not.
_SUSPECT: Final = frozenset(b"\xc4\xc5\xc6\xc7\xc8\xc9\xd4\xd5\xd6\xd7\xd8")
_CONTAINER: Final = frozenset([*range(0x80, 0xA0), *range(0xDC, 0xE0)])
# `bytes.translate` leaves out all others faster than anything else finds one.
_NOT_SUSPECT: Final = bytes(set(range(256)) - _SUSPECT)
_NOT_CONTAINER: Final = bytes(set(range(256)) - _CONTAINER)
_LEAVES: Final = NATIVE | {int, str}
_CHECKED: Final = 1_024
"""Bytes from which on declared sizes are checked before anything is made of them."""


class Packer:
    """Packs values to bytes and unpacks them, exactly; see the module for the promises.

    One object serves any number of threads.

    Parameters
    ----------
    allowed : iterable of type
        Dataclasses, pydantic models, Enums, named tuples and subclasses of builtins whose
        instances come back as instances. Those of other classes come back as a `Record`, with
        a warning in the log.

    Examples
    --------
    >>> packer = Packer()
    >>> packer.unpack(packer.pack({"n": 1, "seen": {(1, 2.5)}}))
    {'n': 1, 'seen': {(1, 2.5)}}
    >>> packer.pack({"messages": [1, {"tool": print}]})
    Traceback (most recent call last):
    ...
    vecgraph.errors._checkpoint.UnserialisableError: Cannot store messages[1].tool: \
builtin_function_or_method.
    Hint: Store plain data, or make its class a dataclass, a pydantic model or a NamedTuple.
    """

    __slots__ = ("_classes", "_idle")

    def __init__(self, allowed: Iterable[type[Any]] = ()) -> None:
        self._classes = Classes(allowed)
        # A packer of msgpack's is not for two threads at once; who finds none makes one.
        self._idle: list[msgpack.Packer] = []

    def pack(self, value: Any) -> bytes:
        """Return the bytes of a value.

        Raises
        ------
        UnserialisableError
            A part of it would not come back exactly; its text and `path` say which.
        """
        try:
            packed = self._pack(value)
        except (TypeError, ValueError, OverflowError):
            # Something in it is no value of MessagePack's; the general way finds out what.
            return self._pack_lowered(value)
        if type(value) in _LEAVES or _must_be_plain(packed) or _is_plain(value):
            return packed
        return self._pack_lowered(value)

    def unpack(self, data: bytes | bytearray | memoryview) -> Any:
        """Return the value of bytes that `pack` made.

        Raises
        ------
        CorruptDataError
            They are anything else.
        """
        small = len(data) < _CHECKED
        try:
            if small:
                return msgpack.unpackb(data, ext_hook=atom)
        except Exception:  # noqa: BLE001, S110 - the general way reads it or says what is wrong
            pass
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"Packed values are bytes, not {type(data).__name__}.")
        with reading("packed values"):
            if small:
                return self._unpack_marked(data)
            _check_sizes(data)
            return self._unpack(data)

    def _pack(self, value: Any) -> bytes:
        try:
            packer = self._idle.pop()
        except IndexError:
            packer = msgpack.Packer(strict_types=True)
        packed: bytes = packer.pack(value)
        # Not after an error: what it left behind in the buffer is nobody's.
        self._idle.append(packer)
        return packed

    def _pack_lowered(self, value: Any) -> bytes:
        low = lowered(value)
        try:
            return self._pack(low)
        except (TypeError, ValueError, OverflowError) as error:
            reason = f"{type(value).__name__} ({error})"
            raise UnserialisableError.at([], reason, "Store it in smaller parts.") from error

    def _unpack(self, data: Any) -> Any:
        try:
            return msgpack.unpackb(data, ext_hook=atom)
        except (Marked, ValueError):
            # A mark, or a key that is no text; or damage, which then raises again.
            return self._unpack_marked(data)

    def _unpack_marked(self, data: Any) -> Any:
        reader = Reader(self._classes)
        value = msgpack.unpackb(
            data, ext_hook=reader.ext, object_pairs_hook=reader.pairs, strict_map_key=False
        )
        reader.finish()
        return value


def _must_be_plain(packed: bytes) -> bool:
    """Return whether no value but a plain one, not nested too deep, has these bytes."""
    if packed.translate(None, _NOT_SUSPECT):
        return False
    return len(packed) < MAX_DEPTH or len(packed.translate(None, _NOT_CONTAINER)) < MAX_DEPTH


def _is_plain(value: Any) -> bool:
    """Return whether every part of a value that MessagePack has packed is of a type it keeps."""
    if type(value) in _LEAVES:
        return True
    level = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for container in level:
            items = _items(container)
            if items is None:
                return False
            if not _LEAVES.issuperset(map(type, items)):
                below += [item for item in items if type(item) not in _LEAVES]
        if not below:
            return True
        level = below
    return False


def _items(container: Any) -> Any:
    """Return the items of a list or of a dict with plain keys; None for anything else."""
    if type(container) is list:
        return container
    if type(container) is dict and _LEAVES.issuperset(map(type, container)):
        return container.values()
    return None


def _check_sizes(data: Any) -> None:
    """Go through the data without making anything of it: every declared size must be there.

    MessagePack makes room for a list before it reads the items, and lists may nest.
    """
    unpacker = msgpack.Unpacker(max_buffer_size=len(data))
    unpacker.feed(data)
    unpacker.skip()

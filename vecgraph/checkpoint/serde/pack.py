"""Python values as bytes and back, exactly: MessagePack with a closed set of extension types.

What comes back has the value and the type of what was stored, or storing it was refused with
the way to the part that cannot be. Nothing that is read imports a module, calls a function that
the data name, or runs code of a class: an instance of a program's class is made only of a class
that the program allows, by setting its attributes. There is no pickle.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import msgpack

from vecgraph.checkpoint.serde._atoms import StoredError
from vecgraph.checkpoint.serde._build import Marked, Reader, atom
from vecgraph.checkpoint.serde._codes import MAX_DEPTH, Refused
from vecgraph.checkpoint.serde._known import Classes
from vecgraph.checkpoint.serde._lower import NATIVE, lower
from vecgraph.checkpoint.serde._record import Record
from vecgraph.errors import CorruptDataError, UnserialisableError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MAX_DEPTH", "Packer", "Record", "StoredError"]

# MessagePack stores bytearray and memoryview as bytes, and an ExtType of the program's as if it
# were ours. Their headers are these bytes, which text in ASCII and small numbers have not.
_SUSPECT: Final = re.compile(rb"[\xc4-\xc9\xd4-\xd8]").search
_PLAIN: Final = NATIVE | {int, str, list, dict}
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
        if len(packed) < MAX_DEPTH and not _SUSPECT(packed):
            return packed
        return packed if _is_plain(value) else self._pack_lowered(value)

    def unpack(self, data: bytes | bytearray | memoryview) -> Any:
        """Return the value of bytes that `pack` made.

        Raises
        ------
        CorruptDataError
            They are anything else.
        """
        try:
            if len(data) >= _CHECKED:
                _check_sizes(data)
            return self._unpack(data)
        except CorruptDataError:
            raise
        except Exception as error:
            if not isinstance(data, (bytes, bytearray, memoryview)):
                raise
            reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise CorruptDataError.reading("packed values", reason[:300]) from error

    def _pack(self, value: Any) -> bytes:
        packer = self._idle.pop() if self._idle else msgpack.Packer(strict_types=True)
        packed: bytes = packer.pack(value)
        # Not after an error: what it left behind in the buffer is nobody's.
        self._idle.append(packer)
        return packed

    def _pack_lowered(self, value: Any) -> bytes:
        try:
            return self._pack(lower(value))
        except Refused as refused:
            raise _error(refused) from None
        except RecursionError:
            deep = Refused("it is nested deeper than the stack", "Flatten it.")
            raise _error(deep) from None
        except (TypeError, ValueError, OverflowError) as error:
            large = Refused(f"{type(value).__name__} ({error})", "Store it in smaller parts.")
            raise _error(large) from error

    def _unpack(self, data: Any) -> Any:
        try:
            return msgpack.unpackb(data, ext_hook=atom)
        except (Marked, ValueError):
            # A mark, or a key that is no text; or damage, which then raises again.
            reader = Reader(self._classes)
        value = msgpack.unpackb(
            data, ext_hook=reader.ext, object_pairs_hook=reader.pairs, strict_map_key=False
        )
        reader.finish()
        return value


def _error(refused: Refused) -> UnserialisableError:
    if len(set(refused.trail)) < len(refused.trail):
        return UnserialisableError.at(
            refused.steps[::-1], "it contains itself", "Refer to it by an id instead."
        )
    return UnserialisableError.at(refused.steps[::-1], refused.reason, refused.hint)


def _is_plain(value: Any) -> bool:
    """Return whether every part of a value that MessagePack has packed is of a type it keeps.

    Level by level, so that the loops over items run in C.
    """
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH + 1):
        kinds = set(map(type, level))
        if not kinds <= _PLAIN:
            return False
        if list not in kinds and dict not in kinds:
            return True
        lists = [item for item in level if type(item) is list]
        dicts = [item for item in level if type(item) is dict]
        if not _PLAIN.issuperset(map(type, chain.from_iterable(dicts))):
            return False
        level = [*chain.from_iterable(lists)]
        level.extend(chain.from_iterable(map(dict.values, dicts)))
    return False


def _check_sizes(data: Any) -> None:
    """Go through the data without making anything of it: every declared size must be there.

    MessagePack makes room for a list before it reads the items, and lists may nest.
    """
    unpacker = msgpack.Unpacker(max_buffer_size=len(data))
    unpacker.feed(data)
    unpacker.skip()

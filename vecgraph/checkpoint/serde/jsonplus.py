"""The packer under the name and with the methods of LangGraph's serialiser."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any, Literal

from vecgraph.checkpoint.serde.base import SerializerProtocol
from vecgraph.checkpoint.serde.pack import Packer
from vecgraph.errors import CorruptDataError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["JsonPlusSerializer"]


class JsonPlusSerializer(SerializerProtocol):
    r"""Stores values as `Packer` does.

    Parameters
    ----------
    pickle_fallback : bool
        Must be False: there is no pickle.
    allowed_json_modules : iterable, optional
        Taken and not needed: JSON is read as plain data and makes no objects.
    allowed_msgpack_modules : iterable of type or of (module, name), optional
        Classes whose instances come back as instances. A pair is imported here and now, by
        the program that names it, and never when data are read.

    Raises
    ------
    ValueError
        Pickle was asked for, or that data may name any class.

    Examples
    --------
    >>> serde = JsonPlusSerializer()
    >>> serde.dumps_typed(None), serde.dumps_typed(b"raw"), serde.dumps_typed([1])
    (('null', b''), ('bytes', b'raw'), ('msgpack', b'\x91\x01'))
    >>> serde.loads_typed(("msgpack", b"\x91\x01"))
    [1]
    """

    def __init__(
        self,
        *,
        pickle_fallback: bool = False,
        allowed_json_modules: Iterable[tuple[str, ...]] | Literal[True] | None = None,
        allowed_msgpack_modules: Iterable[type[Any] | tuple[str, ...]] | Literal[True] | None = (),
        __unpack_ext_hook__: None = None,
    ) -> None:
        if pickle_fallback:
            raise ValueError(
                "There is no pickle_fallback: unpickling runs code that the data name, and whoever "
                "can write to the store would run it.\nHint: leave it out. What cannot be stored "
                "raises an error that says where it is."
            )
        if allowed_json_modules is True or allowed_msgpack_modules is True:
            raise ValueError(
                "allowed_*_modules=True would let stored data name any class of any module.\n"
                "Hint: list the classes of your state, e.g. classes_in(State)."
            )
        if __unpack_ext_hook__ is not None:
            raise ValueError(
                "There is no hook for extension types: they are a closed set.\n"
                "Hint: make the value's class a dataclass or a pydantic model and allow it."
            )
        self.pickle_fallback = False
        self._allowed = tuple(map(_class_of, allowed_msgpack_modules or ()))
        self._packer = Packer(self._allowed)

    def with_msgpack_allowlist(
        self, extra_allowlist: Iterable[type[Any] | tuple[str, ...]]
    ) -> JsonPlusSerializer:
        """Return a serialiser that allows these classes too."""
        extra = [*extra_allowlist]
        return JsonPlusSerializer(allowed_msgpack_modules=[*self._allowed, *extra])

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """Return the kind of the bytes and the bytes.

        Returns
        -------
        kind : {'null', 'bytes', 'bytearray', 'msgpack'}
        data : bytes

        Raises
        ------
        UnserialisableError
            A part of the value would not come back exactly.
        """
        if obj is None:
            return "null", b""
        if type(obj) is bytes:
            return "bytes", obj
        if type(obj) is bytearray:
            return "bytearray", bytes(obj)
        return "msgpack", self._packer.pack(obj)

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """Return the value that `dumps_typed` took.

        Raises
        ------
        CorruptDataError
            The bytes are damaged.
        UnsupportedError
            They are of a kind that is not read here, such as pickle.
        """
        kind, raw = data
        if kind == "msgpack":
            return self._packer.unpack(raw)
        if kind == "null":
            return None
        if kind == "bytes":
            return bytes(raw)
        if kind == "bytearray":
            return bytearray(raw)
        if kind == "json":
            return _plain_json(raw)
        error = UnsupportedError(f"Unknown serialization type: {kind}")
        error.add_note(
            "Kinds that are read: null, bytes, bytearray, msgpack and json as plain data."
        )
        raise error

    def dumps(self, obj: Any) -> bytes:
        """Return the bytes of a value, as `Packer.pack` does."""
        return self._packer.pack(obj)

    def loads(self, data: bytes) -> Any:
        """Return the value of bytes that `dumps` made."""
        return self._packer.unpack(data)


def _plain_json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise CorruptDataError.reading("JSON", error) from error


def _class_of(entry: type[Any] | tuple[str, ...]) -> type[Any]:
    """Return a class of an allow-list, which may be a (module, name)."""
    if isinstance(entry, type):
        return entry
    *parts, name = entry
    found: Any = importlib.import_module(".".join(parts))
    for step in name.split("."):
        found = getattr(found, step)
    return found  # type: ignore[no-any-return]

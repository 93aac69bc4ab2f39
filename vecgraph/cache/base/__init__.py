"""What every cache does: LangGraph's interface."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from vecgraph.checkpoint.serde import Record, StoredError
from vecgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from vecgraph.errors import CorruptDataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vecgraph.checkpoint.serde.base import SerializerProtocol

__all__ = ["BaseCache", "FullKey", "Namespace"]

_log = logging.getLogger(__name__)

ValueT = TypeVar("ValueT")

Namespace: TypeAlias = tuple[str, ...]
"""The part of a cache that a node has for itself."""

FullKey: TypeAlias = tuple[Namespace, str]
"""A namespace and a key in it."""

_MISS: Any = object()


class BaseCache(ABC, Generic[ValueT]):
    """Keeps values by namespace and key, for some time.

    Nothing that is read runs code. A value of a class that the serialiser does not know would
    come back as something else: then there is no entry, and the node runs.

    Parameters
    ----------
    serde : object, optional
        Has `dumps_typed` and `loads_typed`. A program whose nodes write dataclasses, models or
        enums names them: ``JsonPlusSerializer(allowed_msgpack_modules=[Point])``.
    """

    serde: SerializerProtocol = JsonPlusSerializer()

    def __init__(self, *, serde: SerializerProtocol | None = None) -> None:
        self.serde = serde or self.serde

    @abstractmethod
    def get(self, keys: Sequence[FullKey]) -> dict[FullKey, ValueT]:
        """Return the values that there are of some keys."""

    @abstractmethod
    def set(self, pairs: Mapping[FullKey, tuple[ValueT, int | None]]) -> None:
        """Keep values, each for some seconds; None: for ever.

        Raises
        ------
        UnserialisableError
            A value would not come back exactly.
        """

    @abstractmethod
    def clear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Forget what some namespaces hold; None: everything."""

    async def aget(self, keys: Sequence[FullKey]) -> dict[FullKey, ValueT]:
        """Do `get` in a thread."""
        return await asyncio.to_thread(self.get, keys)

    async def aset(self, pairs: Mapping[FullKey, tuple[ValueT, int | None]]) -> None:
        """Do `set` in a thread."""
        await asyncio.to_thread(self.set, pairs)

    async def aclear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Do `clear` in a thread."""
        await asyncio.to_thread(self.clear, namespaces)

    def _loaded(self, found: Mapping[FullKey, tuple[str, bytes]]) -> dict[FullKey, ValueT]:
        """Return the values of those entries that are what was kept."""
        values = {key: self._value(key, stored) for key, stored in found.items()}
        return {key: value for key, value in values.items() if value is not _MISS}

    def _value(self, key: FullKey, stored: tuple[str, bytes]) -> Any:
        try:
            value = self.serde.loads_typed(stored)
        except CorruptDataError as error:
            _log.warning("the cache's entry %s is left out: %s", key, error)
            return _MISS
        return _MISS if _is_stand_in(value) else value


def _is_stand_in(value: Any) -> bool:
    """Return whether a value, or something in it, stands for an instance of an unknown class."""
    if isinstance(value, Record | StoredError):
        return True
    if isinstance(value, dict):
        return any(map(_is_stand_in, value)) or any(map(_is_stand_in, value.values()))
    return isinstance(value, list | tuple | set | frozenset) and any(map(_is_stand_in, value))

"""What a checkpoint changed since its parent, said by those who know it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Append", "Change", "Clear", "Put", "Told"]


@dataclass(frozen=True, slots=True)
class Put:
    """The channel has this value."""

    value: Any


@dataclass(frozen=True, slots=True)
class Append:
    """The channel's value is a list that was `base` items long, and these came to its end."""

    base: int
    items: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Clear:
    """The channel is empty again."""


Change: TypeAlias = Put | Append | Clear


@dataclass(frozen=True, slots=True)
class Told:
    """A checkpoint as its maker knows it: changes since the parent, not whole values.

    Attributes
    ----------
    changes : mapping of str to Change
    versions : mapping of str to version
        Of the channels that changed.
    seen : mapping of str to mapping
        By node: what it has seen since.
    metadata : mapping
        With source and step; what belongs to it of the config is added.
    id : str or None
        None: it is made from time, step and place.
    ts : int, str or None
        Microseconds since 1970, or ISO 8601 in UTC; None: now.
    updated : list of str or None
        ``updated_channels``.
    """

    changes: Mapping[str, Change]
    versions: Mapping[str, Any]
    seen: Mapping[str, dict[str, Any]]
    metadata: Mapping[str, Any]
    id: str | None = None
    ts: int | str | None = None
    updated: list[str] | None = None

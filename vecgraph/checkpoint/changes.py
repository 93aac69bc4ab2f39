"""What a checkpoint did to a channel since its parent, said by those who know it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Append", "Change", "Clear", "Put"]


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

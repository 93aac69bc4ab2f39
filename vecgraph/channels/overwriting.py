"""What an `Overwrite` among a superstep's writes means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vecgraph.errors import InvalidUpdateError
from vecgraph.types import Overwrite, get_overwrite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vecgraph.columns import Column

__all__ = ["has_overwrite", "split_overwrite"]


def has_overwrite(values: Column) -> bool:
    """Return whether any value is an `Overwrite`, in any form; arrays of numbers hold none."""
    if values.kind != "object":
        return False
    listed = values.tolist()
    if not any(issubclass(kind, Overwrite | dict) for kind in set(map(type, listed))):
        return False
    return any(get_overwrite(value)[0] for value in listed)


def split_overwrite(writes: Sequence[Any], channel: str) -> tuple[bool, Any]:
    """Return whether one of `writes` is an `Overwrite`, and what it holds.

    Raises
    ------
    InvalidUpdateError
        Several are.
    """
    found = [new for is_overwrite, new in map(get_overwrite, writes) if is_overwrite]
    if len(found) > 1:
        raise InvalidUpdateError.two_overwrites(channel)
    return (True, found[0]) if found else (False, None)

"""Tell whether two results are the same to the bit and to the type."""

from __future__ import annotations

import math
from typing import Any

from vecgraph.types import Command, Send

__all__ = ["is_same"]

_SCALARS = (bool, int, str, type(None))


def is_same(found: Any, expected: Any) -> bool:
    """Return whether two results are the same; objects of unknown classes are not looked into."""
    kind = type(found)
    if kind is not type(expected):
        return False
    if kind is float:
        return _is_same_float(found, expected)
    if kind in _SCALARS:
        return bool(found == expected)
    if kind in {list, tuple}:
        return len(found) == len(expected) and all(map(is_same, found, expected))
    if kind is dict:
        return list(found) == list(expected) and all(
            map(is_same, found.values(), expected.values())
        )
    if kind is Send:
        return is_same((found.node, found.arg), (expected.node, expected.arg))
    if kind is Command:
        return is_same((found.update, found.goto), (expected.update, expected.goto))
    return True


def _is_same_float(found: float, expected: float) -> bool:
    if math.isnan(found):
        return math.isnan(expected)
    return found == expected and math.copysign(1.0, found) == math.copysign(1.0, expected)

"""Values of items as JSON: what comes back is what went in, or it is refused."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from datetime import date, time
from enum import Enum
from typing import Any
from uuid import UUID

from vecgraph.errors import UnserialisableError

__all__ = ["dumped", "loaded"]

_HINT = "Hand the store text, numbers, flags, None, lists and dicts of those."


def dumped(value: Mapping[str, Any]) -> str:
    """Return a value as JSON.

    Times, UUIDs and enums become text, dataclasses dicts and tuples lists, as in LangGraph's
    stores.

    Raises
    ------
    UnserialisableError
        Something in it has no place in JSON; says where it is.
    """
    return json.dumps(_plain(value, ()), allow_nan=False, separators=(",", ":"))


def loaded(text: str) -> dict[str, Any]:
    """Return the value of what `dumped` returned."""
    found: dict[str, Any] = json.loads(text)
    return found


def _plain(value: Any, steps: tuple[str, ...]) -> Any:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        if isinstance(value, float) and not math.isfinite(value):
            raise UnserialisableError.at(steps, f"{value} is no JSON number", _HINT)
        return value
    if isinstance(value, Mapping):
        return {_key(k, steps): _plain(v, (*steps, f".{k}")) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, (*steps, f"[{i}]")) for i, item in enumerate(value)]
    return _converted(value, steps)


def _key(key: Any, steps: tuple[str, ...]) -> str:
    if not isinstance(key, str):
        raise UnserialisableError.at(steps, f"the key {key!r} is no text", _HINT)
    return key


def _converted(value: Any, steps: tuple[str, ...]) -> Any:
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Enum):
        return _plain(value.value, steps)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain(dataclasses.asdict(value), steps)
    raise UnserialisableError.at(steps, f"{type(value).__name__} has no place in JSON", _HINT)

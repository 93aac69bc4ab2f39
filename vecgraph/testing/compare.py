"""Exact comparison: same value *and* same type, NaN equal to NaN, -0.0 apart from 0.0."""

from __future__ import annotations

import dataclasses
import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["difference", "same"]


def same(a: Any, b: Any) -> bool:
    """Return whether two results are the same value of the same type, at every depth.

    Parameters
    ----------
    a, b : object
        Lists, tuples, dicts, sets and dataclass instances are compared item by item;
        the order of a dict's keys is not compared.

    Returns
    -------
    bool
        True, 1 and 1.0 all differ; so do -0.0 and 0.0; NaN is the same as NaN.

    Examples
    --------
    >>> same({"x": [float("nan")]}, {"x": [float("nan")]}), same(1, True), same(0.0, -0.0)
    (True, False, False)
    """
    return difference(a, b) is None


def difference(a: Any, b: Any, path: str = "value") -> str | None:
    """Return where two results differ first, in words; None when they are the same.

    Examples
    --------
    >>> difference({"x": [1, 2]}, {"x": [1, 2.0]})
    "value['x'][1]: int 2 is not float 2.0"
    """
    if not _same_type(a, b):
        return f"{path}: {_name(a)} {a!r} is not {_name(b)} {b!r}"
    if isinstance(a, Mapping):
        return _mappings(a, b, path)
    if isinstance(a, list | tuple):
        return _sequences(a, b, path)
    if dataclasses.is_dataclass(a) and not isinstance(a, type):
        return _mappings(_fields(a), _fields(b), path)
    if isinstance(a, BaseException):
        return _sequences(a.args, b.args, f"{path}.args")
    return None if _same_leaf(a, b) else f"{path}: {a!r} is not {b!r}"


def _same_type(a: Any, b: Any) -> bool:
    # The two sides' own classes (Send, Overwrite, errors) share a name, not an object.
    if type(a) is type(b):
        return True
    shared = (dataclasses.is_dataclass(a) and dataclasses.is_dataclass(b)) or (
        isinstance(a, BaseException) and isinstance(b, BaseException)
    )
    return bool(shared) or (_is_send(a) and _is_send(b))


def _is_send(value: Any) -> bool:
    return type(value).__name__ == "Send" and hasattr(value, "node")


def _same_leaf(a: Any, b: Any) -> bool:
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or struct.pack("<d", a) == struct.pack("<d", b)
    if _is_send(a):
        return bool(a.node == b.node) and same(a.arg, b.arg)
    return bool(a == b)


def _mappings(a: Mapping[Any, Any], b: Mapping[Any, Any], path: str) -> str | None:
    if a.keys() != b.keys():
        return f"{path}: keys {sorted(map(str, a))} are not {sorted(map(str, b))}"
    return next((d for k in a if (d := difference(a[k], b[k], f"{path}[{k!r}]"))), None)


def _sequences(a: Sequence[Any], b: Sequence[Any], path: str) -> str | None:
    if len(a) != len(b):
        return f"{path}: {len(a)} items are not {len(b)}: {a!r} and {b!r}"
    pairs = enumerate(zip(a, b, strict=True))
    return next((d for i, (x, y) in pairs if (d := difference(x, y, f"{path}[{i}]"))), None)


def _fields(value: Any) -> dict[str, Any]:
    return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}


def _name(value: Any) -> str:
    return type(value).__name__

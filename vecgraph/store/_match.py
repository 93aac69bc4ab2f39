"""Which values a filter means, and which namespaces a condition."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from vecgraph.store.base import ListNamespacesOp, MatchCondition

__all__ = ["is_wanted", "listed"]

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}


def is_wanted(
    value: Mapping[str, Any], wanted: Mapping[str, Any] | None, *, as_sql: bool = False
) -> bool:
    """Return whether a filter means an item.

    Parameters
    ----------
    value : mapping
        Of the item.
    wanted : mapping or None
        The filter.
    as_sql : bool
        Compare text with text, and let nothing be greater or smaller than what is not there,
        as databases do; else both must be numbers.

    Raises
    ------
    ValueError, TypeError
        There is no such operator, or what is compared is no number.
    """
    items = (wanted or {}).items()
    return all(_is_equal(value.get(key), expected, as_sql) for key, expected in items)


def _is_equal(value: Any, wanted: Any, as_sql: bool) -> bool:
    if isinstance(wanted, dict):
        if any(key.startswith("$") for key in wanted):
            return all(_holds(value, name, limit, as_sql) for name, limit in wanted.items())
        if not isinstance(value, dict):
            return False
        return all(_is_equal(value.get(key), inner, as_sql) for key, inner in wanted.items())
    if isinstance(wanted, list | tuple):
        return (
            isinstance(value, list | tuple)
            and len(value) == len(wanted)
            and all(_is_equal(v, w, as_sql) for v, w in zip(value, wanted, strict=True))
        )
    return bool(value == wanted)


def _holds(value: Any, name: str, limit: Any, as_sql: bool) -> bool:
    if name == "$eq":
        return bool(value == limit)
    if name == "$ne":
        return bool(value != limit)
    order = _ORDERS.get(name)
    if order is None:
        raise ValueError(f"Unsupported operator: {name}")
    if as_sql and (value is None or isinstance(value, str) != isinstance(limit, str)):
        return False
    if as_sql and isinstance(value, str):
        return order(value, limit)
    return order(float(value), float(limit))


def listed(namespaces: Iterable[tuple[str, ...]], op: ListNamespacesOp) -> list[tuple[str, ...]]:
    """Return the namespaces that an operation asks for."""
    conditions = op.match_conditions or ()
    found = {ns for ns in namespaces if all(_matches(condition, ns) for condition in conditions)}
    if op.max_depth is not None:
        found = {ns[: op.max_depth] for ns in found}
    return sorted(found)[op.offset : op.offset + op.limit]


def _matches(condition: MatchCondition, namespace: tuple[str, ...]) -> bool:
    path = condition.path
    if condition.match_type not in {"prefix", "suffix"}:
        raise ValueError(f"Unsupported match type: {condition.match_type}")
    if len(namespace) < len(path):
        return False
    part = namespace[: len(path)]
    if condition.match_type == "suffix":
        part = namespace[len(namespace) - len(path) :]
    return all(expected in {"*", label} for label, expected in zip(part, path, strict=True))

"""What the annotations of a user's function say about the graph around it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from vecgraph.errors import first_few
from vecgraph.nodes.coerce import is_runnable
from vecgraph.nodes.expr import When
from vecgraph.schema import is_typed_dict
from vecgraph.types import Command

__all__ = ["branch_ends", "branch_name", "branch_schema", "node_ends", "node_name", "node_schema"]


def node_name(node: Any) -> str:
    """Return the name of a node that was given without one."""
    if is_runnable(node):
        return str(node.get_name())
    return str(getattr(node, "__name__", type(node).__name__))


def node_schema(action: Any, *, batched: bool) -> Any:
    """Return the class that annotates a node's first parameter, or None.

    A vector function's first parameter is a `Batch`, whose annotation says nothing about
    the state; a TypedDict there lists the columns that it wants.
    """
    hints = _node_hints(action)
    hint = _first_hint(action, hints)
    return hint if not batched or is_typed_dict(hint) else None


def node_ends(action: Any) -> tuple[str, ...]:
    """Return the nodes that a return annotation ``Command[Literal["a", "b"]]`` names."""
    hint = _node_hints(action).get("return")
    if get_origin(hint) is Union:
        hint = next((arg for arg in get_args(hint) if get_origin(arg) is Command), hint)
    if get_origin(hint) is not Command:
        return ()
    target = get_args(hint)[0]
    return get_args(target) if get_origin(target) is Literal else ()


def _node_hints(action: Any) -> dict[str, Any]:
    call = getattr(action, "__call__", None)  # noqa: B004 - the method itself
    if not (inspect.isfunction(action) or inspect.ismethod(action) or inspect.ismethod(call)):
        return {}
    try:
        return get_type_hints(call) or get_type_hints(action)
    except (NameError, TypeError):
        # An annotation that cannot be evaluated, or none: nothing is inferred.
        return {}


def _first_hint(function: Callable[..., Any], hints: Mapping[str, Any]) -> Any:
    first = next(iter(inspect.signature(function).parameters), None) if hints else None
    hint = hints.get(first) if first is not None else None
    try:
        return hint if isinstance(hint, type) and get_type_hints(hint) else None
    except (NameError, TypeError):
        return None


def branch_name(path: Any) -> str | None:
    """Return the name of a router, or None if it has none (a lambda, an object)."""
    name = getattr(path, "name", None) if is_runnable(path) else getattr(path, "__name__", None)
    return name if isinstance(name, str) and name != "<lambda>" else None


def branch_schema(path: Any, *, batched: bool) -> Any:
    """Return the class that annotates a router's first parameter, or None."""
    path = _function_of(path)
    if batched or is_runnable(path):
        return None
    function = path
    if not (inspect.isfunction(path) or inspect.ismethod(path)):
        function = getattr(path, "__call__", None)  # noqa: B004 - the method itself
        if not inspect.ismethod(function):
            return None
    try:
        return _first_hint(function, get_type_hints(function))
    except TypeError:
        return None


def _function_of(path: Any) -> Any:
    """Return the function inside a Runnable that wraps one, and anything else as it is."""
    if not is_runnable(path):
        return path
    return getattr(path, "func", None) or getattr(path, "afunc", None) or path


def branch_ends(
    path: Any, path_map: Mapping[Hashable, str] | Sequence[str] | None, *, batched: bool
) -> dict[Hashable, str] | None:
    """Return what a router's values stand for, or None if it returns names of nodes.

    Parameters
    ----------
    path : callable
        Its return annotation ``Literal["a", "b"]`` stands in for a path map.
    path_map : mapping, list, or None
        As the user gave it; a list names nodes.
    batched : bool
        The router is a vector function: any sequence is a list.
    """
    if isinstance(path, When):
        return _when_ends(path, path_map)
    if isinstance(path_map, dict):
        return path_map.copy()
    if isinstance(path_map, list) or (batched and path_map is not None):
        return {name: str(name) for name in path_map}
    path = _function_of(path)
    if is_runnable(path):
        return None
    try:
        hint = get_type_hints(path).get("return")
    except (NameError, TypeError):
        return None
    return {name: name for name in get_args(hint)} if get_origin(hint) is Literal else None


def _when_ends(
    path: When, path_map: Mapping[Hashable, str] | Sequence[str] | None
) -> dict[Hashable, str]:
    labels = path.labels
    if isinstance(path_map, Mapping):
        ends = dict(path_map)
    else:
        ends = {name: name for name in (labels if path_map is None else path_map)}
    for label in labels:
        if label not in ends:
            raise ValueError(
                f"The router gives the label '{label}', which its path map lacks; "
                f"it has {first_few(list(ends))}.\n"
                "Hint: add the label to the path map."
            )
    return ends

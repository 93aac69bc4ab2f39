"""Graphs that a node runs: its own, or one that its function calls."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vecgraph.nodes.action import Action

__all__ = ["acts_while_it_runs", "graph_inside"]


def graph_inside(action: Action) -> Any:
    """Return the first graph that an action runs whose checkpoints can be asked for, else None.

    A function's graphs are those that its closure and the globals it names hold. One that is
    compiled with ``checkpointer=False`` keeps no checkpoints.
    """
    if action.tier == "subgraph":
        found: Any = action.fn
        return found if _keeps(found) else None
    fn: Any = action.fn or action.afn
    return next((value for value in _held(fn) if _is_app(value) and _keeps(value)), None)


def acts_while_it_runs(action: Action) -> str | None:
    """Return what a function may do before it returns that each run must note for itself.

    It holds a task of the functional API (ours, or LangGraph's), or `push_message`. None:
    nothing of that is seen.
    """
    fn: Any = action.fn or action.afn
    tasks = ("TaskFunction", "_TaskFunction")
    if any(_is_a(name, value) for value in _held(fn) for name in tasks):
        return "calls tasks of the functional API"
    code = getattr(_bare(fn), "__code__", None)
    return "pushes messages" if code is not None and "push_message" in code.co_names else None


def _bare(fn: Any) -> Any:
    while isinstance(fn, functools.partial):
        fn = fn.func
    return getattr(fn, "__func__", fn)


def _is_app(value: Any) -> bool:
    return _is_a("Compiled", value)


def _is_a(name: str, value: Any) -> bool:
    # By its class: asking any object that a closure holds for attributes may do anything.
    return any(kind.__name__ == name for kind in type(value).__mro__)


def _keeps(app: Any) -> bool:
    return getattr(app, "checkpointer", None) is not False


def _held(fn: Any) -> Iterator[Any]:
    """Yield the values of the names that a function takes from outside."""
    while isinstance(fn, functools.partial):
        yield from fn.args
        yield from fn.keywords.values()
        fn = fn.func
    fn = getattr(fn, "__func__", fn)
    code = getattr(fn, "__code__", None)
    if code is None:
        return
    for cell in fn.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not bound yet
            continue
    for name in code.co_names:
        if name in fn.__globals__:
            yield fn.__globals__[name]

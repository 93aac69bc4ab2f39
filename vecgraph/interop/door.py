"""Door two: a LangGraph graph is handed over as it is, and run by our engine."""

from __future__ import annotations

import warnings
from typing import Any, Literal

from langgraph.graph import StateGraph
from langgraph.pregel import Pregel

from vecgraph.errors import UnsupportedError
from vecgraph.interop.app import LangGraphApp, app_of

__all__ = ["from_langgraph"]


def from_langgraph(
    obj: Any, *, fallback: Literal["error", "langgraph"] = "error", **compile_kwargs: Any
) -> Any:
    """Return an app of ours that runs a graph of LangGraph's.

    Parameters
    ----------
    obj : StateGraph, CompiledStateGraph, Pregel, or what ``@entrypoint`` makes
        It is not changed; what is added to it afterwards does not reach the app.
    fallback : {'error', 'langgraph'}
        What happens to a graph that our engine cannot run: it is refused, or given back as it
        is, with a warning, for LangGraph to run.
    **compile_kwargs
        As of LangGraph's ``compile``: ``checkpointer``, ``cache``, ``store``,
        ``interrupt_before``, ``interrupt_after``, ``debug``, ``name``. Savers may be of either
        library.

    Returns
    -------
    LangGraphApp
        Also a `langgraph.pregel.Pregel`: it may be a node of a LangGraph graph.

    Raises
    ------
    UnsupportedError
        Names each thing that cannot be run, unless `fallback` says otherwise.
    TypeError
        `obj` is no graph, or LangGraph's ``compile`` has no such parameter.

    Examples
    --------
    >>> from langgraph.graph import START, StateGraph
    >>> builder = StateGraph(int).add_node("up", lambda n: n + 1).add_edge(START, "up")
    >>> app = from_langgraph(builder)
    >>> app.invoke(1), app.batch([1, 2, 3])
    (2, [2, 3, 4])
    """
    if fallback not in {"error", "langgraph"}:
        raise ValueError(f"fallback must be 'error' or 'langgraph', not {fallback!r}")
    graph = _compiled(obj, compile_kwargs)
    try:
        app: LangGraphApp = app_of(graph)
    except UnsupportedError as refused:
        if fallback == "error":
            raise
        warnings.warn(f"LangGraph runs this graph: {refused}", stacklevel=2)
        return graph
    if app is graph and compile_kwargs:
        app = app.copy()
    return _with(app, compile_kwargs)


_ATTRIBUTES = {
    "checkpointer": "checkpointer",
    "cache": "cache",
    "store": "store",
    "interrupt_before": "interrupt_before_nodes",
    "interrupt_after": "interrupt_after_nodes",
    "debug": "debug",
    "name": "name",
}


def _compiled(obj: Any, options: dict[str, Any]) -> Any:
    for name in options:
        if name not in _ATTRIBUTES:
            raise TypeError(f"from_langgraph() got an unexpected keyword argument '{name}'")
    if isinstance(obj, StateGraph):
        # The saver is set later: LangGraph takes only its own.
        return obj.compile(**{k: v for k, v in options.items() if k != "checkpointer"})
    if isinstance(obj, Pregel):
        return obj
    raise TypeError(
        f"Expected a StateGraph, a compiled graph, a Pregel or an entrypoint, got {type(obj)}.\n"
        "Hint: of a function, pass what @entrypoint makes of it."
    )


def _with(app: LangGraphApp, options: dict[str, Any]) -> LangGraphApp:
    for name, value in options.items():
        setattr(app, _ATTRIBUTES[name], value)
    return app

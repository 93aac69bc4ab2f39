"""From a compiled app to the graph that shows it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from vecgraph.constants import END, START
from vecgraph.drawing.graph import Graph
from vecgraph.drawing.simulate import Found, ways_of

__all__ = ["graph_of", "subgraphs_of", "waits_of"]


def graph_of(app: Any, xray: int | bool = False) -> Graph:
    """Return the graph of an app.

    Parameters
    ----------
    app : App
    xray : int or bool
        How many levels of subgraphs are shown in the place of their nodes; True: all.
    """
    inner = {}
    if xray:
        deeper = xray if isinstance(xray, bool) or xray <= 0 else xray - 1
        inner = {name: graph_of(child, deeper) for name, child in subgraphs_of(app)}
    found = ways_of(app.program, _ends(app))
    graph = Graph()
    for name, spec in app.program.nodes.items():
        graph.add_node(_data(app, name, spec), name, metadata=_metadata(app, spec, found))
    if START not in app.program.nodes:
        graph.add_node(None, START)
        for name in found.first:
            _connect(graph, START, name)
    _add_ways(graph, found)
    for name, child in inner.items():
        _replace(graph, name, child)
    return graph


def subgraphs_of(app: Any) -> Iterator[tuple[str, Any]]:
    """Yield the nodes that are compiled graphs or call one, with that."""
    for name, spec in app.program.nodes.items():
        action = spec.action
        if action is None:
            continue
        fn = action.fn or action.afn
        child = fn if _is_app(fn) else _called(fn)
        if child is not None:
            yield name, child


def waits_of(app: Any) -> set[tuple[str, str]]:
    """Return the pairs of nodes of which the second waits for more than the first."""
    nodes = app.program.nodes.values()
    barriers = {(a.name, b.name) for a in nodes for b in nodes if {*a.joins} & {*b.triggers}}
    late = {node.name for node in nodes if node.defer}
    return barriers | {(node.name, name) for node in nodes for name in late}


def _is_app(value: Any) -> bool:
    return hasattr(value, "program") and hasattr(value, "get_graph")


def _called(fn: Any) -> Any:
    """Return a compiled graph that a function refers to, None if it refers to none."""
    function = inspect.unwrap(fn) if callable(fn) else None
    if not inspect.isfunction(function):
        return None
    known = inspect.getclosurevars(function)
    values = [*known.nonlocals.values(), *known.globals.values()]
    owners = [getattr(value, "__self__", value) for value in values]
    return next((value for value in owners if _is_app(value)), None)


def _ends(app: Any) -> dict[str, Any]:
    nodes = getattr(app.builder, "nodes", {})
    return {name: spec.ends for name, spec in nodes.items() if getattr(spec, "ends", None)}


def _data(app: Any, name: str, spec: Any) -> Any:
    built = getattr(app.builder, "nodes", {}).get(name)
    if built is not None:
        return built.runnable
    action = spec.action
    return None if action is None else action.fn or action.afn


def _metadata(app: Any, spec: Any, found: Found) -> dict[str, Any] | None:
    metadata = dict(spec.metadata or {})
    if spec.name in found.deferred:
        metadata["defer"] = True
    stops = [
        word
        for word, names in (
            ("before", getattr(app, "interrupt_before_nodes", ())),
            ("after", getattr(app, "interrupt_after_nodes", ())),
        )
        if spec.name in names
    ]
    if stops:
        metadata["__interrupt"] = ",".join(stops)
    tools = getattr(_data(app, spec.name, spec), "tools_by_name", None)
    if isinstance(tools, Mapping) and tools:
        metadata["__tools"] = list(tools)
    return metadata or None


def _add_ways(graph: Graph, found: Found) -> None:
    for source, target, conditional, label in found.ways:
        data = label if label != target else None
        _connect(graph, source, target, data, conditional=conditional)
    targets = {way.target for way in found.ways} - {END}
    ends = sorted(targets - {way.source for way in found.ways})
    for name in ends:
        _connect(graph, name, END)
    if not ends and len(found.last) == 1 and all(way.target != END for way in found.ways):
        _connect(graph, found.last[0], END, conditional=True)


def _connect(
    graph: Graph, source: str, target: str, data: Any = None, *, conditional: bool = False
) -> None:
    """Add an edge, unless there is one between the two."""
    if any(edge.source == source and edge.target == target for edge in graph.edges):
        return
    if target == END and END not in graph.nodes:
        graph.add_node(None, END)
    graph.add_edge(graph.nodes[source], graph.nodes[target], data, conditional)


def _replace(graph: Graph, name: str, child: Graph) -> None:
    """Show a subgraph in the place of its node, if it has a beginning and an end."""
    if len(child.nodes) < 2 or name not in graph.nodes:
        return
    if child.first_node() is None or child.last_node() is None:
        return
    child.trim_first_node()
    child.trim_last_node()
    del graph.nodes[name]
    first, last = graph.extend(child, prefix=name)
    assert first is not None
    assert last is not None
    graph.edges = [
        edge.copy(
            source=last.id if edge.source == name else None,
            target=first.id if edge.target == name else None,
        )
        for edge in graph.edges
    ]

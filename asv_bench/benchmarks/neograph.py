"""The graphs in NeoGraph, a C++ engine with Python nodes: one run at a time, state as JSON."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from benchmarks.graphs import Case, Row
from benchmarks.more_graphs import ALL
from vecgraph.graph import END

Engine = Any

REDUCERS: dict[str, dict[str, Any]] = {
    "total": {"reducer": "sum", "initial": 0},
    "messages": {"reducer": "append"},
}
"""Channels that are not simply overwritten."""


def neograph_engine(name: str) -> Callable[[list[Row]], list[Row]]:
    """Compile the graph, and give a function that runs it once per row.

    Nodes and routers are the same functions. They get a view that reads a channel when they ask
    for it, which is the cheapest way that NeoGraph has, since each read converts JSON. Runs have
    no checkpoint store and nothing listens to their events.

    Raises
    ------
    NotImplementedError
        NeoGraph is not installed, or the graph's nodes are coroutines.
    """
    try:
        import neograph_engine as neo
    except ImportError as error:
        raise NotImplementedError("neograph-engine is not installed") from error
    case = ALL[name]
    if name == "async":
        raise NotImplementedError("NeoGraph has no coroutines as nodes")
    engine = neo.GraphEngine.compile(
        _definition(neo, case), neo.NodeContext(), None, _registry(neo, case), stderr_notices=False
    )
    return lambda rows: [_run(neo, engine, case, row) for row in rows]


def _run(neo: Any, engine: Engine, case: Case, row: Row) -> Row:
    config = neo.RunConfig(input=row, max_steps=case.recursion_limit)
    channels = engine.run(config).output["channels"]
    return {name: channels[name]["value"] for name in case.schema.__annotations__}


def _definition(neo: Any, case: Case) -> dict[str, Any]:
    ends = {END: neo.END_NODE}
    edges: list[dict[str, Any]] = [{"from": neo.START_NODE, "to": case.first}]
    edges += [{"from": source, "to": ends.get(target, target)} for source, target in case.edges]
    edges += [
        {
            "from": source,
            "condition": source,
            "routes": {path: ends.get(path, path) for path in case.paths[source]},
        }
        for source in case.routers
    ]
    return {
        "schema_version": neo.TOPOLOGY_SCHEMA_VERSION,
        "name": case.schema.__name__,
        "channels": {
            name: REDUCERS.get(name, {"reducer": "overwrite"})
            for name in case.schema.__annotations__
        },
        "nodes": {name: {"type": name} for name in case.nodes},
        "edges": edges,
    }


class _Reads:
    """Reads channels from a state of NeoGraph, under the writes of the node that has just run."""

    __slots__ = ("get", "written")

    def __init__(self, state: Any, written: Mapping[str, Any] = MappingProxyType({})) -> None:
        self.get, self.written = state.get, written

    def __getitem__(self, name: str) -> Any:
        return self.written[name] if name in self.written else self.get(name)


def _registry(neo: Any, case: Case) -> Any:
    """Node functions, routers and the reducer that adds, known to this engine alone."""

    class Node(neo.GraphNode):  # type: ignore[misc]
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name, self.call = name, case.nodes[name]
            make = case.sending.get(name)
            self.route = make and make(neo.Send)

        def get_name(self) -> str:
            return self.name

        def run(self, call: Any) -> Any:
            update = self.call(_Reads(call.state))
            writes = [neo.ChannelWrite(name, value) for name, value in update.items()]
            if self.route is None:
                return writes
            return neo.NodeResult(writes, sends=self.route(_Reads(call.state, update)))

    registry = neo.GraphRegistry()
    for name in case.nodes:
        registry.register_type(name, lambda name, config, context: Node(name))
    for name, router in case.routers.items():
        registry.register_condition(name, lambda state, router=router: router(_Reads(state)))
    registry.register_reducer("sum", operator.add)
    return registry

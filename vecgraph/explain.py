"""How a graph will run, in words: each node's tier and why, each channel's column kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vecgraph.constants import MISSING
from vecgraph.engine.batch import SMALL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vecgraph.columns import Column
    from vecgraph.engine.batch import Engine
    from vecgraph.engine.traced import Tracing

__all__ = ["Explanation", "explain"]


@dataclass(frozen=True)
class Explanation:
    """What `App.explain` returns; printing it shows the plan.

    Attributes
    ----------
    path : str
        Whether large batches go through lanes, and why not if they do not.
    nodes : list of dict
        ``name``, ``tier``, ``why``, ``ways``, ``reads`` and ``routers`` of each node; a router
        has the first four. ``ways`` says of each expression how its rows are computed, and of
        a traced function what it returns.
    channels : list of dict
        ``name``, ``rule`` and ``column``: the kind that a fresh run's column has.
    """

    path: str
    nodes: list[dict[str, Any]]
    channels: list[dict[str, Any]]

    def __str__(self) -> str:
        lines = [self.path, "", "nodes"]
        for node in self.nodes:
            lines.append(f"  {node['name']}: {node['tier']} ({node['why']})")
            lines += _lines(node["ways"], 4)
            for router in node["routers"]:
                lines.append(f"    router {router['name']}: {router['tier']} ({router['why']})")
                lines += _lines(router["ways"], 6)
        lines += ["", "channels"]
        lines += [f"  {c['name']}: {c['rule']}, column {c['column']}" for c in self.channels]
        return "\n".join(lines)


def explain(engine: Engine) -> Explanation:
    """Return how `engine` runs its program."""
    small = SMALL if engine.small is None else engine.small
    path = f"lanes of {engine.lane} rows from {small} runs on, one by one below"
    if engine.rides():
        path = "one run at a time: each is a chain of calls of ordinary functions"
    if engine.jitted is not None:
        why = engine.jitted.why_not()
        loop = "one compiled loop per run where all inputs are numbers" if why is None else why
        path = f"jit: {loop}; else {path}" if why is None else f"{path} (jit: {why})"
    if engine.refused:
        path = f"one run at a time: {engine.refused}"
    types = {name: _type(channel) for name, channel in engine.tables.channels.items()}
    nodes = [
        _node(node, types, engine.tracing)
        for node in engine.tables.nodes.values()
        if node.action is not None
    ]
    channels = [
        {"name": name, "rule": repr(channel), "column": _kind(channel)}
        for name, channel in engine.tables.channels.items()
        if not name.startswith(("__", "branch:to:", "join:")) or name == "__root__"
    ]
    return Explanation(path, nodes, channels)


def _lines(ways: Mapping[str, str], indent: int) -> list[str]:
    return [f"{' ' * indent}{name}: {way}" for name, way in ways.items()]


def _node(node: Any, types: Mapping[str, Any], tracing: Tracing) -> dict[str, Any]:
    routers = [_action(branch.name, branch, types, tracing) for branch in node.branches]
    return {**_action(node.name, node, types, tracing), "reads": node.reads, "routers": routers}


def _action(name: str, place: Any, types: Mapping[str, Any], tracing: Tracing) -> dict[str, Any]:
    action = place.action
    if action.tier == "rowwise":
        return {"name": name, **_scalar(place, tracing)}
    ways = action.fn.ways(types) if action.tier == "expr" else {}
    return {"name": name, "tier": action.tier, "why": action.why, "ways": ways}


def _scalar(place: Any, tracing: Tracing) -> dict[str, Any]:
    """Return how batches run a scalar function."""
    shown = tracing.shown(place.action, place)
    if shown is not None:
        return {"tier": "traced", "why": "an unchanged function, in columns", "ways": shown}
    why = f"{place.action.why}; {tracing.why_not(place.action, place)}"
    return {"tier": "rowwise", "why": why, "ways": {}}


def _type(channel: Any) -> Any:
    """Return the Arrow type that a channel declares, else the annotation of what nodes read."""
    return getattr(channel, "arrow_type", None) or channel.ValueType


def _kind(channel: Any) -> str:
    declared = getattr(channel, "arrow_type", None)
    if declared is not None:
        return f"arrow {declared}"
    cell = channel.initial()
    if cell is MISSING:
        return "follows the first write"
    column: Column = channel.empty(1)
    return column.kind

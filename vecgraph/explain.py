"""How a graph will run, in words: each node's tier and why, each channel's column kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vecgraph.constants import MISSING

if TYPE_CHECKING:
    from vecgraph.columns import Column
    from vecgraph.engine.batch import Engine

__all__ = ["Explanation", "explain"]


@dataclass(frozen=True)
class Explanation:
    """What `App.explain` returns; printing it shows the plan.

    Attributes
    ----------
    path : str
        Whether large batches go through lanes, and why not if they do not.
    nodes : list of dict
        ``name``, ``tier``, ``why``, ``reads`` and ``routers`` of each node.
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
            lines += [f"    router {r['name']}: {r['tier']} ({r['why']})" for r in node["routers"]]
        lines += ["", "channels"]
        lines += [f"  {c['name']}: {c['rule']}, column {c['column']}" for c in self.channels]
        return "\n".join(lines)


def explain(engine: Engine) -> Explanation:
    """Return how `engine` runs its program."""
    path = f"lanes of {engine.lane} rows from {engine.small} runs on, one by one below"
    if engine.refused:
        path = f"one run at a time: {engine.refused}"
    nodes = [_node(node) for node in engine.tables.nodes.values() if node.action is not None]
    channels = [
        {"name": name, "rule": repr(channel), "column": _kind(channel)}
        for name, channel in engine.tables.channels.items()
        if not name.startswith(("__", "branch:to:", "join:")) or name == "__root__"
    ]
    return Explanation(path, nodes, channels)


def _node(node: Any) -> dict[str, Any]:
    routers = [{"name": b.name, "tier": b.action.tier, "why": b.action.why} for b in node.branches]
    return {
        "name": node.name,
        "tier": node.action.tier,
        "why": node.action.why,
        "reads": node.reads,
        "routers": routers,
    }


def _kind(channel: Any) -> str:
    declared = getattr(channel, "arrow_type", None)
    if declared is not None:
        return f"arrow {declared}"
    cell = channel.initial()
    if cell is MISSING:
        return "follows the first write"
    column: Column = channel.empty(1)
    return column.kind

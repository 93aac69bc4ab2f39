"""Refuses a graph that cannot run, with LangGraph's errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from vecgraph.constants import END, START, TASKS
from vecgraph.schema import RESERVED

if TYPE_CHECKING:
    from vecgraph.graph.specs import BranchSpec, StateNodeSpec

__all__ = ["check_edges", "check_names", "check_node_name", "check_timeouts"]

Edges = Iterable[tuple[str, str]]
Branches = Mapping[str, Mapping[str, "BranchSpec"]]
Nodes = Mapping[str, "StateNodeSpec"]


def check_node_name(name: str, taken: Iterable[str]) -> None:
    """Refuse a name that a node may not have.

    Raises
    ------
    ValueError
        It is taken or reserved, or has a character that separates namespaces.
    """
    if name in taken:
        raise ValueError(f"Node `{name}` already present.")
    if name in {START, END}:
        raise ValueError(f"Node `{name}` is reserved.")
    for character in "|:":
        if character in name:
            raise ValueError(
                f"'{character}' is a reserved character and is not allowed in the node names."
            )


def check_edges(nodes: Nodes, edges: Edges, branches: Branches, interrupt: Sequence[str]) -> None:
    """Refuse edges from and to nodes that do not exist, and a graph without a beginning.

    Raises
    ------
    ValueError
        Names the edge, branch or breakpoint.
    """
    pairs = list(edges)
    declared = [name for name, spec in nodes.items() if spec.ends]
    sources = dict.fromkeys([*(start for start, _ in pairs), *branches, *declared])
    for source in sources:
        if source not in nodes and source != START:
            raise ValueError(f"Found edge starting at unknown node '{source}'")
    if START not in sources:
        raise ValueError(
            "Graph must have an entrypoint: add at least one edge from START to another node"
        )
    _check_branches(nodes, branches)
    declared_ends = (end for name in declared for end in nodes[name].ends)
    for target in (*(end for _, end in pairs), *declared_ends):
        if target not in nodes and target != END:
            raise ValueError(f"Found edge ending at unknown node `{target}`")
    for name in interrupt:
        if name not in nodes:
            raise ValueError(f"Interrupt node `{name}` not found")


def _check_branches(nodes: Nodes, branches: Branches) -> None:
    for start, name, end in _branch_ends(branches):
        if end not in nodes and end != END:
            raise ValueError(f"At '{start}' node, '{name}' branch found unknown target '{end}'")


def _branch_ends(branches: Branches) -> Iterator[tuple[str, str, str]]:
    for start, named in branches.items():
        for name, branch in named.items():
            for end in (branch.ends or {}).values():
                yield start, name, end


def check_names(channels: Iterable[str], managed: Iterable[str], nodes: Iterable[str]) -> None:
    """Refuse names that the engine, or a checkpoint, needs for itself.

    Raises
    ------
    ValueError
        Names the channel, managed value or node.
    """
    channels, managed = list(channels), list(managed)
    if TASKS in channels:
        raise ValueError(f"Channel '{TASKS}' is reserved and cannot be used in the graph.")
    both = sorted({*channels} & {*managed})
    if both:
        raise ValueError(f"Key '{both[0]}' is a channel in one schema, a managed value in another.")
    for kind, names in (("Channel", channels), ("Managed", managed), ("Node", nodes)):
        for name in names:
            if name in RESERVED:
                raise ValueError(f"{kind} name '{name}' is reserved")


def check_timeouts(nodes: Nodes) -> None:
    """Refuse a timeout on a node that cannot be stopped.

    Raises
    ------
    ValueError
        The node is an ordinary function: only coroutines can be cancelled.
    """
    for name, spec in nodes.items():
        if spec.timeout is not None and spec.action.afn is None and spec.action.tier != "subgraph":
            raise ValueError(
                "Node timeouts are only supported for async nodes because sync Python "
                "execution cannot be safely cancelled in-process. "
                f"Node {name!r} is sync."
            )

"""Counting, while a batch runs, how many runs went from each node to each."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vecgraph.constants import END, START
from vecgraph.drawing.graph import Edge, Graph, Node

if TYPE_CHECKING:
    from collections.abc import Container

    from vecgraph.engine.records import Superstep, TaskRecord
    from vecgraph.typing import Rows

__all__ = ["Traffic", "annotated"]

_NEVER = -1


class Traffic:
    """An observer of `batch` that counts tasks, time and transitions.

    Pass it as ``app.batch(..., observer=traffic)``, then draw
    ``app.get_graph(traffic=traffic, result=result)``. One object may watch several batches
    with run numbers of their own.

    Attributes
    ----------
    runs : dict of str to int
        Tasks of each node; a run that visits a node twice counts twice.
    seconds : dict of str to float
        Wall time of each node. What several nodes of one superstep took is shared among them
        by their tasks, since nobody times them one by one.

    Notes
    -----
    A run goes from `a` to `b` when it runs `b` in the superstep after `a`. Where `b` waits (for a
    barrier, as a deferred node), it comes from all those that ran since it did last. The records hold what is needed: per superstep, each task's rows and
    their steps. Cost: one array of an int32 a run for each node, a few passes over the rows of
    a task for each edge that leads to it.
    """

    def __init__(self) -> None:
        self.runs: Counter[str] = Counter()
        self.seconds: dict[str, float] = {}
        self._last: dict[str, npt.NDArray[np.int32]] = {}
        self._pairs: Counter[tuple[str, str]] = Counter()
        self._late: Counter[tuple[str, str]] = Counter()
        self._places = _Places()

    def __call__(self, superstep: Superstep) -> None:
        """Count one superstep."""
        tasks = [(task, *self._once(task)) for task in superstep.tasks]
        for task, places, steps in tasks:
            self.runs[task.node] += len(task.rows)
            self._count(task.node, places, steps)
        total = sum(len(task.rows) for task in superstep.tasks) or 1
        for task, places, steps in tasks:
            self._seen(task.node)[places] = steps
            share = len(task.rows) / total * superstep.seconds
            took = getattr(task, "seconds", share)
            self.seconds[task.node] = self.seconds.get(task.node, 0.0) + took

    def _once(self, task: TaskRecord) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int64]]:
        """Return each run of a task once, as places in our arrays, with its step."""
        rows, first = np.unique(task.rows, return_index=True)
        return self._places.of(rows), np.asarray(task.step)[first]

    def _seen(self, node: str) -> npt.NDArray[np.int32]:
        """Return the step at which each run was last at a node."""
        known = self._last.get(node)
        size = self._places.size
        if known is None or len(known) < size:
            grown = np.full(max(size, 2 * (0 if known is None else len(known))), _NEVER, np.int32)
            if known is not None:
                grown[: len(known)] = known
            self._last[node] = known = grown
        return known

    def _count(self, node: str, places: npt.NDArray[np.intp], steps: npt.NDArray[np.int64]) -> None:
        own = self._seen(node)[places]
        self._pairs[START, node] += int(np.count_nonzero(steps == 1))
        for source in list(self._last):
            last = self._seen(source)[places]
            self._pairs[source, node] += int(np.count_nonzero(last == steps - 1))
            waited = (last != _NEVER) & (last >= own) & (last < steps - 1)
            self._late[source, node] += int(np.count_nonzero(waited))

    def ended(self, node: str) -> int:
        """Return how many runs have run nothing after a node."""
        if node not in self._last:
            return 0
        latest = np.full(self._places.size, _NEVER, np.int32)
        for each in self._last:
            np.maximum(latest, self._seen(each)[: len(latest)], out=latest)
        last = self._seen(node)[: len(latest)]
        return int(np.count_nonzero((last == latest) & (last != _NEVER)))

    def taken(self, source: str, target: str, *, waits: bool = False) -> int:
        """Return how many times a run went from one node to another.

        Parameters
        ----------
        source, target : str
            Names of nodes, START or END.
        waits : bool
            The target waits for the source: what ran since the target's last time counts too.
        """
        if target == END:
            return self.ended(source)
        late = self._late[source, target] if waits else 0
        return self._pairs[source, target] + late


class _Places:
    """Places in arrays for run numbers, which may be any int64."""

    def __init__(self) -> None:
        self._known: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self._place: npt.NDArray[np.intp] = np.empty(0, np.intp)
        self.size = 0

    def of(self, rows: Rows) -> npt.NDArray[np.intp]:
        """Return the places of sorted, unique run numbers; new ones get the next places."""
        at = np.searchsorted(self._known, rows)
        found = at < len(self._known)
        found[found] = self._known[at[found]] == rows[found]
        if not found.all():
            fresh = rows[~found]
            places = np.arange(self.size, self.size + len(fresh))
            self.size += len(fresh)
            known = np.concatenate([self._known, fresh])
            order = np.argsort(known, kind="stable")
            self._known = known[order]
            self._place = np.concatenate([self._place, places])[order]
            at = np.searchsorted(self._known, rows)
        return self._place[at]


def annotated(
    graph: Graph,
    traffic: Traffic | None,
    result: Any,
    waits: Container[tuple[str, str]] = frozenset(),
) -> Graph:
    """Return a graph with what a batch has shown written on it.

    Nodes get ``runs``, ``seconds`` and ``errors`` in their metadata, edges the number of runs
    that took them, beside their label. An edge that none took says 0. What is inside of a
    subgraph was not observed and stays as it is.

    Parameters
    ----------
    graph : Graph
    traffic : Traffic or None
    result : BatchResult or None
    waits : container of (str, str)
        Edges whose target waits for others (barriers, deferred nodes).
    """
    failed = Counter(error.node for error in getattr(result, "errors", ()) if error.node)
    nodes = {key: _noted(node, traffic, failed) for key, node in graph.nodes.items()}
    if traffic is None:
        return Graph(nodes, list(graph.edges))
    edges = [
        edge if ":" in edge.source + edge.target else _counted(edge, traffic, waits)
        for edge in graph.edges
    ]
    return Graph(nodes, edges)


def _noted(node: Node, traffic: Traffic | None, failed: Counter[str]) -> Node:
    notes: dict[str, Any] = {}
    if traffic is not None and node.id in traffic.runs:
        notes["runs"] = traffic.runs[node.id]
        notes["seconds"] = float(f"{traffic.seconds[node.id]:.3g}")
    if failed[node.id]:
        notes["errors"] = failed[node.id]
    return node._replace(metadata={**(node.metadata or {}), **notes}) if notes else node


def _counted(edge: Edge, traffic: Traffic, waits: Container[tuple[str, str]]) -> Edge:
    waiting = (edge.source, edge.target) in waits
    count = traffic.taken(edge.source, edge.target, waits=waiting)
    label = str(count) if edge.data is None else f"{edge.data} ({count})"
    return edge._replace(data=label)

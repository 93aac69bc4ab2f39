"""The oracle for a compiled app: the same program, run one row at a time by plain Python.

Vector nodes and routers are called with batches of one row, expressions by their scalar meaning,
so that the oracle also says what a node's column form must give.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.runtime import Runtime
from vecgraph.testing import cells, oracle
from vecgraph.testing.batches import OneRow, scalars
from vecgraph.testing.reference import routed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vecgraph.channels.base import Channel
    from vecgraph.nodes.action import Action
    from vecgraph.program import Branch, NodeSpec, Program
    from vecgraph.testing.records import RunRecord, StepRecord

__all__ = ["Reference", "reference"]


def reference(app: Any) -> Reference:
    """Return the scalar reference executor of a compiled app.

    Parameters
    ----------
    app : App
        Anything with a `program`.

    Examples
    --------
    >>> from typing import TypedDict
    >>> from vecgraph.graph import StateGraph
    >>> State = TypedDict("State", {"x": int})
    >>> graph = StateGraph(State)
    >>> _ = graph.add_node("double", lambda state: {"x": state["x"] * 2})
    >>> _ = graph.set_entry_point("double")
    >>> reference(graph.compile()).invoke({"x": 4})
    {'x': 8}
    """
    return Reference(app.program)


class Reference:
    """Runs a program once, the slow and obvious way.

    Parameters
    ----------
    program : Program
        Managed values, retries, caches and error handlers are not part of the oracle.
    """

    def __init__(self, program: Program) -> None:
        rules = {name: rule_of(channel) for name, channel in program.channels.items()}
        for name, rule in rules.items():
            rule.key = name
        nodes = {name: node_of(spec) for name, spec in program.nodes.items()}
        self.graph = oracle.Graph(rules, nodes, program.inputs, program.outputs, program.streams)

    def record(self, value: Any, config: Mapping[str, Any] | None = None) -> RunRecord:
        """Run once and return everything that happened; never raises what the run raises."""
        limit = (config or {}).get("recursion_limit", 10007)
        return oracle.run(self.graph, value, limit)

    def invoke(self, value: Any, config: Mapping[str, Any] | None = None) -> Any:
        """Run once.

        Raises
        ------
        Exception
            What the run ends with; of several, the first task's.
        """
        record = self.record(value, config)
        if record.exception is not None:
            raise record.exception
        return record.value

    def steps(self, value: Any, config: Mapping[str, Any] | None = None) -> tuple[StepRecord, ...]:
        """Run once and return a record of each superstep."""
        return self.record(value, config).steps


def rule_of(channel: Channel) -> cells.Rule:
    """Return the oracle's own rule for a channel, by the name of its class."""
    made: dict[str, Callable[[Any], cells.Rule]] = {
        "LastValue": lambda c: cells.Last(),
        "LastValueAfterFinish": lambda c: cells.LastAtEnd(),
        "AnyValue": lambda c: cells.Any1(),
        "EphemeralValue": lambda c: cells.Ephemeral(guard=c.guard),
        "UntrackedValue": lambda c: cells.Untracked(guard=c.guard),
        "Topic": lambda c: cells.Topic(accumulate=c.accumulate),
        "BinaryOperatorAggregate": lambda c: cells.Folded(c.operator, lambda: _first(c)),
        "NamedBarrierValue": lambda c: cells.Barrier(frozenset(c.names)),
        "NamedBarrierValueAfterFinish": lambda c: cells.Barrier(frozenset(c.names), at_end=True),
    }
    return made.get(type(channel).__name__, Borrowed)(channel)


def _first(channel: Any) -> Any:
    typ = channel.typ
    while hasattr(typ, "__origin__"):
        typ = typ.__origin__
    return typ()


class Borrowed(cells.Rule):
    """A channel that the oracle has no rule of its own for: its scalar methods are the rule."""

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self.channel = channel
        self.start = channel.initial  # type: ignore[method-assign]
        self.write = channel.fold  # type: ignore[method-assign]
        self.idle = channel.tick  # type: ignore[method-assign]
        self.ready = channel.available  # type: ignore[method-assign]
        self.read = channel.read  # type: ignore[method-assign]
        self.consume = channel.consume  # type: ignore[method-assign]
        self.finish = channel.finish  # type: ignore[method-assign]


def node_of(spec: NodeSpec) -> oracle.Node:
    """Return the oracle's node for a node of a program."""

    def act(value: Any, fresh: oracle.Fresh) -> oracle.Pairs:
        given = spec.mapper(value) if spec.mapper is not None else value
        result = given if spec.action is None else call(spec.action, given)
        writes = list(spec.writer(result))
        writes += [(target, None) for target in spec.targets]
        writes += [(join, spec.name) for join in spec.joins]
        for branch in spec.branches:
            state = fresh(writes, branch.reads)
            if branch.passthrough and isinstance(state, dict) and isinstance(result, dict):
                state = {**result, **state}
            writes = writes + routed(choose(branch, state), branch.ends)
        return writes

    return oracle.Node(spec.triggers, spec.reads, act, spec.hidden)


def call(action: Action, value: Any) -> Any:
    """Run one action on one run's input and return what its scalar form would return."""
    fn: Any = action.fn
    if action.tier == "expr":
        return fn.scalar(value)
    if action.tier == "subgraph":
        return reference(fn).invoke(value)
    given = {name: _injected(kind) for name, kind in action.inject.items()}
    batch = OneRow(value) if action.tier == "vector" else value
    returned = asyncio.run(action.afn(batch, **given)) if fn is None else fn(batch, **given)  # type: ignore[misc]
    return scalars(returned) if action.tier == "vector" else returned


def choose(branch: Branch, state: Any) -> Any:
    """Return what a router says for one run's state."""
    given = branch.mapper(state) if branch.mapper is not None else state
    if branch.action.tier != "vector":
        return call(branch.action, given)
    chosen = np.atleast_1d(np.asarray(branch.action.fn(OneRow(given)))).tolist()[0]  # type: ignore[misc]
    coded = isinstance(chosen, int) and not isinstance(chosen, bool) and branch.ends
    return list(branch.ends)[chosen] if coded and branch.ends else chosen


def _injected(kind: str) -> Any:
    return {"config": {}, "runtime": Runtime(), "writer": lambda value: None}.get(kind)

"""From a spec, or from a compiled app, to a graph that the oracle can run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from vecgraph.constants import END, START, TASKS
from vecgraph.errors import InvalidUpdateError
from vecgraph.testing import cells
from vecgraph.testing.building import (
    REDUCERS,
    Library,
    bare_node,
    item_of,
    path_map,
    scalar_node,
    scalar_route,
)
from vecgraph.testing.oracle import Fresh, Graph, Node, Pairs
from vecgraph.types import Command, Overwrite, Send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from vecgraph.testing.specs import ChannelSpec, GraphSpec, PregelSpec, Subscriber

__all__ = ["graph_of", "pregel_of", "rule_of"]

PLAIN = Library(
    state_graph=None,
    send=Send,
    command=Command,
    overwrite=Overwrite,
    node_builder=None,
    pregel=None,
    write_entry=None,
    channels=SimpleNamespace(),
)
BAD_RETURN = f"{cells.DOCS}INVALID_GRAPH_NODE_RETURN_VALUE"


def rule_of(channel: ChannelSpec) -> cells.Rule:
    """Return the oracle's rule for a channel of a spec."""
    if channel.kind in REDUCERS:
        first = _nothing if channel.kind == "join" else channel.typ
        return cells.Folded(REDUCERS[channel.kind], first, key=channel.name)
    made: dict[str, Callable[[], cells.Rule]] = {
        "last": cells.Last,
        "any": cells.Any1,
        "ephemeral": cells.Ephemeral,
        "untracked": cells.Untracked,
        "topic": cells.Topic,
        "topic_all": lambda: cells.Topic(accumulate=True),
        "at_end": cells.LastAtEnd,
    }
    made_rule = made[channel.kind]()
    made_rule.key = channel.name
    return made_rule


def _nothing() -> Any:
    raise TypeError("this type has no default")


def graph_of(spec: GraphSpec) -> Graph:
    """Return the oracle's graph of a StateGraph spec."""
    names = [c.name for c in spec.channels]
    rules: dict[str, cells.Rule] = {c.name: rule_of(c) for c in spec.channels}
    rules[START] = cells.Ephemeral()
    rules[TASKS] = cells.Topic()
    joins = {join_channel(b.sources, b.target): b for b in spec.barriers if b.target != END}
    deferred = {plan.name for plan in spec.nodes if plan.defer}
    for plan in spec.nodes:
        late = plan.name in deferred
        rules[f"branch:to:{plan.name}"] = (
            cells.LastAtEnd() if late else cells.Ephemeral(guard=False)
        )
    for key, barrier in joins.items():
        late = barrier.target in deferred
        rules[key] = cells.Barrier(frozenset(barrier.sources), at_end=late, key=key)
    nodes = {START: Node((START,), START, state_act(spec, START, spec.inputs, None), hidden=True)}
    for plan in spec.nodes:
        late_joins = tuple(key for key, b in joins.items() if b.target == plan.name)
        act = state_act(spec, plan.name, names, scalar_node(plan, PLAIN))
        nodes[plan.name] = Node((f"branch:to:{plan.name}", *late_joins), names, act)
    return Graph(rules, nodes, START, names, names)


def join_channel(sources: Iterable[str], target: str) -> str:
    """Return the name of a barrier channel."""
    return f"join:{'+'.join(sources)}:{target}"


def state_act(
    spec: GraphSpec, name: str, keys: Iterable[str], fn: Callable[[Any], Any] | None
) -> Callable[[Any, Fresh], Pairs]:
    """Return what a StateGraph's node does: run, write state, jump, follow edges, route."""
    known = set(keys)
    targets = [target for source, target in spec.edges if source == name and target != END]
    joins = [b for b in spec.barriers if name in b.sources and b.target != END]
    routes = [(r, path_map(r), scalar_route(r, PLAIN)) for r in spec.routes if r.source == name]
    every = [c.name for c in spec.channels]

    def act(value: Any, fresh: Fresh) -> Pairs:
        result = value if fn is None else fn(value)
        writes = [pair for pair in updates(result) if pair[0] in known] + jumps(result)
        writes += [(f"branch:to:{target}", None) for target in targets]
        writes += [(join_channel(b.sources, b.target), name) for b in joins]
        for _route, table, choose in routes:
            state = fresh(writes, every)
            if isinstance(result, dict):
                state = {**result, **state}
            writes = writes + routed(choose(state), table)
        return writes

    return act


def updates(result: Any) -> Pairs:
    """Return the state writes of what a node returned."""
    if result is None:
        return []
    if isinstance(result, Command):
        return updates(result.update)
    if isinstance(result, dict):
        return list(result.items())
    if isinstance(result, list) and any(isinstance(item, Command) for item in result):
        return [pair for item in result for pair in updates(item)]
    raise InvalidUpdateError(f"Expected dict, got {result}{BAD_RETURN}")


def jumps(result: Any) -> Pairs:
    """Return the control writes of what a node returned."""
    pairs: Pairs = []
    for item in result if isinstance(result, list) else [result]:
        if isinstance(item, Command):
            goto = [item.goto] if isinstance(item.goto, str | Send) else item.goto
            pairs += [to(place) for place in goto if place != END]
    return pairs


def to(place: Any) -> tuple[str, Any]:
    """Return the write that leads to a node, or that holds a Send."""
    return (TASKS, place) if isinstance(place, Send) else (f"branch:to:{place}", None)


def routed(chosen: Any, table: Mapping[Any, str] | None) -> Pairs:
    """Return the writes of what a router returned."""
    places = chosen if isinstance(chosen, list | tuple) else [chosen]
    if table:
        places = [p if isinstance(p, Send) else table[p] for p in places]
    if any(p is None or p == START for p in places):
        raise ValueError("Branch did not return a valid destination")
    return [to(place) for place in places if place != END]


def pregel_of(spec: PregelSpec) -> Graph:
    """Return the oracle's graph of a Pregel spec."""
    rules: dict[str, cells.Rule] = {c.name: rule_of(c) for c in spec.channels}
    rules[TASKS] = cells.Topic()
    nodes = {node.plan.name: _subscriber(node) for node in spec.nodes}
    return Graph(rules, nodes, spec.inputs, spec.outputs, tuple(c.name for c in spec.channels))


def _subscriber(node: Subscriber) -> Node:
    make = bare_node if node.only else scalar_node
    fn = make(node.plan, PLAIN)
    keys = list(dict.fromkeys(write.channel for write in node.plan.writes))

    def act(value: Any, fresh: Fresh) -> Pairs:
        out = fn(value)
        pairs = [(key, item_of(key)(out)) for key in keys]
        return [pair for pair in pairs if pair[1] is not None]

    reads = node.subscribes[0] if node.only else (*node.subscribes, *node.reads)
    return Node((*node.subscribes, *node.watches), reads, act)

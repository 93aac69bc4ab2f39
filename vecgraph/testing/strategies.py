"""Hypothesis strategies: random graphs and rows of input that take different ways through them.

Two profiles. *Objects*: any value Python has, absent keys, type errors; for nodes that run one
row at a time. *Numbers*: int, float and bool channels whose inputs are always given, so that each
node also has a vector form and often an expression.

Runs stay short: a node sends only to nodes after it, so that Sends cannot multiply for ever, and
loops end at the recursion limit.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from vecgraph.constants import END, START
from vecgraph.testing.programs import (
    DECIDE,
    floats,
    integers,
    number_writes,
    object_writes,
    packets,
    pregel_writes,
    scalars,
    values,
)
from vecgraph.testing.specs import (
    BarrierSpec,
    ChannelSpec,
    Fail,
    GraphSpec,
    Jump,
    NodePlan,
    Packet,
    PregelSpec,
    Route,
    Subscriber,
    Write,
)

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["graphs", "numeric_graphs", "pregel_graphs", "rows"]

# Names whose order as text is not the order of their numbers or of their case.
NAMES = ("n1", "n10", "n9", "B", "a", "c", "zz")

OBJECT_CHANNELS = (
    ChannelSpec("x", "last", is_input=True),
    ChannelSpec("y", "last", is_input=True),
    ChannelSpec("i", "add", int, is_input=True),
    ChannelSpec("f", "add", float, is_input=True),
    ChannelSpec("log", "add", list),
    ChannelSpec("text", "add", str),
    ChannelSpec("m", "mix", int),
    ChannelSpec("top", "max", int),
    ChannelSpec("late", "join"),
    ChannelSpec("any", "any"),
    ChannelSpec("eph", "ephemeral"),
    ChannelSpec("unt", "untracked"),
    ChannelSpec("topic", "topic"),
    ChannelSpec("topics", "topic_all"),
    ChannelSpec("k", "last", int, is_input=True),
)

ERRORS = (ValueError, KeyError, ZeroDivisionError, RuntimeError)

NUMBER_CHANNELS = (
    ChannelSpec("x", "last", int, is_input=True),
    ChannelSpec("y", "last", float, is_input=True),
    ChannelSpec("k", "add", int, is_input=True),
    ChannelSpec("f", "add", float, is_input=True),
    ChannelSpec("p", "mul", float),
    ChannelSpec("m", "mix", int),
    ChannelSpec("top", "max", int),
    ChannelSpec("i", "add", int),
    ChannelSpec("z", "last", int),
    ChannelSpec("eph", "ephemeral", int),
    ChannelSpec("any", "any", int),
    ChannelSpec("flag", "last", bool),
)


def rows(
    spec: GraphSpec | PregelSpec, count: int, numbers: bool
) -> SearchStrategy[list[dict[str, Any]]]:
    """Draw `count` rows of input.

    Parameters
    ----------
    spec : GraphSpec or PregelSpec
    count : int
    numbers : bool
        Give every input channel a number of its type; otherwise any value, or none.
    """
    of_type: dict[type, SearchStrategy[Any]] = {int: integers, float: floats, object: values}
    items = {c.name: of_type[c.typ] for c in spec.channels if c.is_input}
    row: SearchStrategy[Any]
    if numbers:
        row = st.fixed_dictionaries(items)
    else:
        some: SearchStrategy[Any] = st.fixed_dictionaries(
            {}, optional={**items, "unknown": scalars}
        )
        # Now and then a run gets no input at all.
        row = st.integers(0, 30).flatmap(lambda n: st.none() if n == 17 else some)
    return st.lists(row, min_size=count, max_size=count)


@st.composite
def graphs(draw: DrawFn) -> GraphSpec:
    """Draw a graph of the objects profile: every kind of channel, edge, return and error."""
    return draw(_graphs(OBJECT_CHANNELS, object_writes(), labels=False))


@st.composite
def numeric_graphs(draw: DrawFn) -> GraphSpec:
    """Draw a graph of the numbers profile: each node can run in any tier that it has."""
    return draw(_graphs(NUMBER_CHANNELS, number_writes(), labels=True))


@st.composite
def _graphs(
    draw: DrawFn, channels: tuple[ChannelSpec, ...], writes: SearchStrategy[Write], labels: bool
) -> GraphSpec:
    names = list(draw(st.permutations(NAMES))[: draw(st.integers(2, 6))])
    ghosts = () if labels else ("ghost",)
    nodes = [draw(_node(name, tuple(names), writes, ghosts)) for name in names]
    if draw(_CHANCE) < 8:
        nodes = _owned(nodes, channels)
    return draw(_wired(channels, _one_failing(nodes), names, labels))


def _owned(nodes: list[NodePlan], channels: tuple[ChannelSpec, ...]) -> list[NodePlan]:
    """Leave each plain channel one writer that runs once a superstep, so that few runs fail."""
    plain = {c.name for c in channels if c.kind in {"last", "ephemeral", "untracked"}}
    repeated = {packet.node for node in nodes for packet in node.packets}
    owners: dict[str, str] = {}
    out = []
    for node in nodes:
        kept = []
        for write in node.writes:
            name = write.channel
            mine = node.name not in repeated and owners.setdefault(name, node.name) == node.name
            if name not in plain or mine:
                kept.append(write)
        out.append(replace(node, writes=tuple(kept)))
    return out


def _one_failing(nodes: list[NodePlan]) -> tuple[NodePlan, ...]:
    # Which of several errors of one superstep surfaces is a race in LangGraph.
    failing = [node.name for node in nodes if node.fail][:1]
    return tuple(n if n.name in failing else replace(n, fail=None) for n in nodes)


_CHANCE = st.integers(0, 9)


@st.composite
def _node(
    draw: DrawFn,
    name: str,
    names: tuple[str, ...],
    writes: SearchStrategy[Write],
    ghosts: tuple[str, ...],
) -> NodePlan:
    later = names[names.index(name) + 1 :]
    plan = draw(st.lists(writes, min_size=1, max_size=4))
    sends: list[Packet] = []
    if later and draw(_CHANCE) < 3:
        sends = draw(st.lists(packets((*later, *ghosts)), min_size=1, max_size=3))
    jump = None
    if draw(_CHANCE) < 2:
        places = names if draw(_CHANCE) < 3 else later
        targets = draw(st.lists(st.sampled_from([*places, *ghosts, END]), min_size=1, max_size=2))
        jump = Jump(tuple(targets), draw(DECIDE))
    fail = None
    if draw(_CHANCE) < 1:
        fail = Fail(draw(DECIDE), draw(st.sampled_from(ERRORS)))
    return NodePlan(
        name,
        _distinct(plan),
        fail,
        jump,
        tuple(sends),
        pieces=draw(_CHANCE) < 1,
        defer=draw(_CHANCE) < 2,
        waits=draw(st.integers(0, 3)),
    )


def _distinct(writes: list[Write]) -> tuple[Write, ...]:
    """Keep several writes to a reducer; to a plain channel several always fail, so rarely."""
    kept: dict[str, int] = {}
    out = []
    for write in writes:
        kept[write.channel] = kept.get(write.channel, 0) + 1
        if kept[write.channel] == 1 or write.channel in {"i", "f", "log", "m", "topic"}:
            out.append(write)
    return tuple(out)


@st.composite
def _wired(
    draw: DrawFn,
    channels: tuple[ChannelSpec, ...],
    nodes: tuple[NodePlan, ...],
    names: list[str],
    labels: bool,
) -> GraphSpec:
    order = st.sampled_from(names)
    edges = {(START, name) for name in draw(st.lists(order, min_size=1, max_size=3))}
    for position, name in enumerate(names):
        # Mostly forwards: a graph of mere loops only ever meets its recursion limit.
        ahead = names[position + 1 :] + ([draw(order)] if draw(_CHANCE) == 0 else [])
        if ahead:
            edges |= {(name, t) for t in draw(st.lists(st.sampled_from(ahead), max_size=2))}
    barriers = []
    if len(names) > 2 and draw(_CHANCE) < 5:
        barriers = draw(st.lists(_barriers(tuple(names)), min_size=1, max_size=2, unique=True))
    routes = {}
    for source in draw(st.lists(st.sampled_from([*names, START]), max_size=3)):
        later = names[names.index(source) + 1 :] if source in names else names
        route = draw(_route(source, names, later, labels))
        routes[route.source, route.by] = route
    limit = draw(st.integers(1, 5)) if draw(_CHANCE) == 9 else 12
    return GraphSpec(
        channels, nodes, tuple(sorted(edges)), tuple(routes.values()), tuple(barriers), limit
    )


@cache
def _barriers(names: tuple[str, ...]) -> SearchStrategy[BarrierSpec]:
    sources = st.lists(st.sampled_from(names), min_size=2, max_size=3, unique=True)
    return st.builds(BarrierSpec, sources.map(tuple), st.sampled_from(names))


@st.composite
def _route(draw: DrawFn, source: str, names: list[str], later: list[str], labels: bool) -> Route:
    # Mostly forwards, so that loops end; some backwards, so that there are loops.
    places = st.sampled_from([*(names if draw(_CHANCE) < 4 else later), END])
    ways = draw(st.sampled_from([2, 3]))
    labelled = labels or draw(st.booleans())
    one = st.tuples(places)
    many = st.lists(places, max_size=2).map(tuple)
    # At most one way in twenty is invalid.
    broken = st.integers(0, 19).map(lambda n: (None,) if n == 0 else (END,))
    way = one if labelled else st.one_of(one, many, broken)
    targets = tuple(draw(way) for _ in range(ways))
    sends: list[Packet] = []
    if later and not labels and draw(st.integers(0, 2)) == 0:
        sends = draw(st.lists(packets(tuple(later)), min_size=1, max_size=2))
    by = draw(st.sampled_from(["k", "i", "x"]))
    return Route(source, by, targets, tuple(sends), labelled)


PREGEL_CHANNELS = (
    ChannelSpec("a", "last", int, is_input=True),
    ChannelSpec("b", "add", int, is_input=True),
    ChannelSpec("k", "last", int, is_input=True),
    ChannelSpec("c", "add", list),
    ChannelSpec("d", "any", int),
    ChannelSpec("e", "ephemeral", int),
    ChannelSpec("t", "topic", int),
    ChannelSpec("u", "untracked", int),
    ChannelSpec("w", "at_end", int),
    ChannelSpec("m", "mix", int),
)


@st.composite
def pregel_graphs(draw: DrawFn) -> PregelSpec:
    """Draw a Pregel graph whose nodes subscribe to channels that keep their values.

    A StateGraph triggers its nodes through ephemeral channels only; here a node runs again
    exactly when a channel's version is newer than when the node last ran.
    """
    names = draw(st.permutations(NAMES))[: draw(st.integers(2, 4))]
    nodes = tuple(draw(_subscriber(name)) for name in names)
    first = replace(nodes[0], subscribes=("a",), only=False)
    # LangGraph caches a superstep's inputs by channels and takes "a" and ["a"] for the same.
    reads = {(*n.subscribes, *n.reads) for n in (first, *nodes[1:]) if not n.only}
    nodes = tuple(n for n in nodes if not (n.only and n.subscribes in reads))
    outputs = tuple(draw(st.lists(st.sampled_from("abcdetwm"), min_size=1, unique=True)))
    limit = draw(st.sampled_from([1, 2, 3, 8, 8, 8]))
    rest = (n for n in nodes if n.plan.name != names[0])
    return PregelSpec(PREGEL_CHANNELS, (first, *rest), outputs, limit)


@st.composite
def _subscriber(draw: DrawFn, name: str) -> Subscriber:
    names = st.sampled_from("aabbkcdetuwm")
    only = draw(_CHANCE) < 2
    subscribes = draw(st.lists(names, min_size=1, max_size=1 if only else 2, unique=True))
    rest = st.lists(names.filter(lambda n: n not in subscribes), max_size=1)
    watches = [] if only else draw(rest)
    reads = [] if only else [n for n in draw(rest) if n not in watches]
    sources = ["only"] if only else [*subscribes, *reads]
    writes = draw(st.lists(pregel_writes(tuple(sources)), min_size=1, max_size=3))
    plan = NodePlan(name, _once(writes), waits=draw(st.integers(0, 3)))
    return Subscriber(plan, tuple(subscribes), tuple(watches), tuple(reads), only)


def _once(writes: list[Write]) -> tuple[Write, ...]:
    return tuple({write.channel: write for write in writes}.values())

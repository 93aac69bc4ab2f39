"""From a spec to a graph: of LangGraph, of vecgraph, or of any library with the same names."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import vecgraph
from vecgraph import channels
from vecgraph.graph import StateGraph
from vecgraph.nodes.writer import WriteEntry
from vecgraph.pregel import NodeBuilder, Pregel
from vecgraph.testing.forms import expression, vector_node, vector_route, when_route
from vecgraph.testing.specs import ChannelSpec, GraphSpec, NodePlan, PregelSpec, Route, pick
from vecgraph.types import Command, Overwrite, Send

__all__ = ["Library", "build", "build_pregel", "scalar_node", "scalar_route", "vecgraph_library"]

State = Mapping[str, Any]


@dataclass(frozen=True)
class Library:
    """Where a graph's names come from.

    Attributes
    ----------
    state_graph, send, command, overwrite, node_builder, pregel, write_entry : type
        The library's classes of those names; the last is its ChannelWriteEntry.
    channels : module
        Holds LastValue, Topic, and the rest.
    vectors : module or None
        Holds Updates, Goto, Sends, expr and when; None if the library has no vector nodes.
    """

    state_graph: Any
    send: Any
    command: Any
    overwrite: Any
    node_builder: Any
    pregel: Any
    write_entry: Any
    channels: Any
    vectors: Any = None


def vecgraph_library() -> Library:
    """Return vecgraph's own names."""
    return Library(
        state_graph=StateGraph,
        send=Send,
        command=Command,
        overwrite=Overwrite,
        node_builder=NodeBuilder,
        pregel=Pregel,
        write_entry=WriteEntry,
        channels=channels,
        vectors=vecgraph,
    )


def mix(a: Any, b: Any) -> Any:
    """Reduce in a way that no order but the right one gives again."""
    return (a * 31 + b) % (2**89 - 1)


def join(a: Any, b: Any) -> Any:
    """Concatenate or add, whatever the values allow."""
    return a + b


def larger(a: Any, b: Any) -> Any:
    """Return the larger one: `max` has no signature to inspect."""
    return max(a, b)


REDUCERS: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "mul": operator.mul,
    "max": larger,
    "mix": mix,
    "join": join,
}


def annotation(channel: ChannelSpec, lib: Library) -> Any:
    """Return what a schema says of the channel."""
    # The type of a "join" cannot be called, so that the channel starts absent.
    typ = (int | str) if channel.kind == "join" else channel.typ
    if channel.kind in REDUCERS:
        return Annotated[typ, REDUCERS[channel.kind]]
    if channel.kind == "last":
        return channel.typ
    return Annotated[typ, rule(channel, lib)]


def rule(channel: ChannelSpec, lib: Library) -> Any:
    """Return the library's channel for a spec."""
    made: dict[str, Callable[[], Any]] = {
        "last": lambda: lib.channels.LastValue(channel.typ),
        "any": lambda: lib.channels.AnyValue(channel.typ),
        "ephemeral": lambda: lib.channels.EphemeralValue(channel.typ),
        "untracked": lambda: lib.channels.UntrackedValue(channel.typ),
        "topic": lambda: lib.channels.Topic(channel.typ),
        "topic_all": lambda: lib.channels.Topic(channel.typ, accumulate=True),
        "at_end": lambda: lib.channels.LastValueAfterFinish(channel.typ),
    }
    if channel.kind in made:
        return made[channel.kind]()
    return lib.channels.BinaryOperatorAggregate(channel.typ, REDUCERS[channel.kind])


def build(spec: GraphSpec, lib: Library, tiers: Mapping[str, str] | None = None) -> Any:
    """Build and compile the spec's StateGraph.

    Parameters
    ----------
    spec : GraphSpec
    lib : Library
    tiers : mapping of str to str, optional
        ``rowwise`` (default), ``async``, ``vector`` or ``expr`` for each node; a node's
        router takes the vector form for ``vector``, and `when` for ``expr``.

    Returns
    -------
    object
        The compiled graph.
    """
    tiers = tiers or {}
    state = TypedDict("State", {c.name: annotation(c, lib) for c in spec.channels})  # type: ignore[misc]
    gives = TypedDict(  # type: ignore[misc]
        "Given", {c.name: annotation(c, lib) for c in spec.channels if c.is_input}
    )
    graph = lib.state_graph(state, input_schema=gives)
    for plan in spec.nodes:
        add_node(graph, plan, lib, tiers.get(plan.name, "rowwise"))
    for source, target in spec.edges:
        graph.add_edge(source, target)
    for barrier in spec.barriers:
        graph.add_edge(list(barrier.sources), barrier.target)
    for route in spec.routes:
        add_route(graph, route, lib, tiers.get(route.source, "rowwise"))
    return graph.compile()


def add_node(graph: Any, plan: NodePlan, lib: Library, tier: str) -> None:
    """Add one node in the form that its tier asks for."""
    more: dict[str, Any] = {"defer": True} if plan.defer else {}
    if tier == "vector":
        # Only the guilty rows of a call may fail, as if each had been alone.
        more["on_error"] = "split"
        graph.add_node(plan.name, vector_node(plan, lib.vectors), batched=True, **more)
    elif tier == "expr":
        graph.add_node(plan.name, expression(plan, lib.vectors), **more)
    elif tier == "async":
        graph.add_node(plan.name, async_node(plan, lib), **more)
    else:
        graph.add_node(plan.name, scalar_node(plan, lib), **more)


def add_route(graph: Any, route: Route, lib: Library, tier: str) -> None:
    """Add one conditional edge, with a path map if it returns labels."""
    table = path_map(route)
    if tier == "vector" and table is not None:
        graph.add_conditional_edges(route.source, vector_route(route), table, batched=True)
    elif tier == "expr" and table is not None and len(route.targets) == 2:
        graph.add_conditional_edges(route.source, when_route(route, lib.vectors), table)
    else:
        args = () if table is None else (table,)
        graph.add_conditional_edges(route.source, scalar_route(route, lib), *args)


def path_map(route: Route) -> dict[str, str] | None:
    """Return the path map of a route whose outcomes are single nodes."""
    if not route.labels:
        return None
    return {f"L{i}": str(names[0]) for i, names in enumerate(route.targets)}


def scalar_node(plan: NodePlan, lib: Library) -> Callable[[Any], Any]:
    """Return the node's program as a function of one run's state."""

    def node(state: Any) -> Any:
        return returned(plan, state, lib)

    node.__name__ = plan.name
    return node


def async_node(plan: NodePlan, lib: Library) -> Callable[[Any], Any]:
    """Return the node's program as a coroutine function that gives way a few times."""

    async def node(state: Any) -> Any:
        for _ in range(plan.waits):
            await asyncio.sleep(0)
        return returned(plan, state, lib)

    node.__name__ = plan.name
    return node


def returned(plan: NodePlan, state: State, lib: Library) -> Any:
    """Return what the node's function returns for one run."""
    if plan.fail is not None:
        plan.fail.check(plan.name, state)
    pieces = []
    for write in plan.writes:
        if write.test is None or write.test.holds(state):
            value = write.value.of(state)
            wrapped = lib.overwrite(value) if write.value.overwrite else value
            pieces.append({write.channel: wrapped})
    goto = destinations(plan, state, lib)
    twice = len({key for piece in pieces for key in piece}) < len(pieces)
    if (plan.pieces or twice) and pieces:
        return [lib.command(update=pieces[0], goto=goto), *pieces[1:]]
    update = {key: value for piece in pieces for key, value in piece.items()}
    if plan.jump or plan.packets:
        return lib.command(update=update or None, goto=goto)
    return update or None


def destinations(plan: NodePlan, state: State, lib: Library) -> list[Any]:
    """Return names and Sends that the node's Command goes to."""
    goto: list[Any] = []
    if plan.jump and plan.jump.test.holds(state):
        goto += plan.jump.targets
    return goto + sends(plan.packets, state, lib)


def sends(packets: Any, state: State, lib: Library) -> list[Any]:
    """Return the Sends of the packets whose tests hold."""
    return [
        lib.send(packet.node, {key: value.of(state) for key, value in packet.payload})
        for packet in packets
        if packet.test is None or packet.test.holds(state)
    ]


def scalar_route(route: Route, lib: Library) -> Callable[[Any], Any]:
    """Return the router as a function of one run's state."""

    def choose(state: Any) -> Any:
        index = pick(state.get(route.by), len(route.targets))
        names: list[Any] = [f"L{index}"] if route.labels else list(route.targets[index])
        chosen = names + sends(route.packets, state, lib)
        return chosen[0] if len(chosen) == 1 else chosen

    choose.__name__ = f"from_{route.source}_by_{route.by}"
    return choose


def build_pregel(spec: PregelSpec, lib: Library, tiers: Mapping[str, str] | None = None) -> Any:
    """Build the spec's Pregel graph; nodes are rowwise, or ``async`` where `tiers` says so."""
    nodes = {}
    for node in spec.nodes:
        builder = lib.node_builder()
        if node.only:
            builder.subscribe_only(node.subscribes[0])
        else:
            builder.subscribe_to(*node.subscribes)
            if node.watches:
                builder.subscribe_to(*node.watches, read=False)
            if node.reads:
                builder.read_from(*node.reads)
        form = async_node if (tiers or {}).get(node.plan.name) == "async" else scalar_node
        builder.do(form(node.plan, lib) if not node.only else bare_node(node.plan, lib))
        for channel in dict.fromkeys(write.channel for write in node.plan.writes):
            mapper = item_of(channel)
            builder.write_to(lib.write_entry(channel, skip_none=True, mapper=mapper))
        nodes[node.plan.name] = builder
    return lib.pregel(
        nodes=nodes,
        channels={c.name: keyed(c, lib) for c in spec.channels},
        input_channels=list(spec.inputs),
        output_channels=list(spec.outputs),
    )


def keyed(channel: ChannelSpec, lib: Library) -> Any:
    """Return the channel with its name set: LangGraph's Pregel leaves that to its callers."""
    made = rule(channel, lib)
    made.key = channel.name
    return made


def bare_node(plan: NodePlan, lib: Library) -> Callable[[Any], Any]:
    """Return the program of a node that gets one bare value, as the channel ``only``."""

    def node(value: Any) -> Any:
        return returned(plan, {"only": value}, lib)

    node.__name__ = plan.name
    return node


def item_of(channel: str) -> Callable[[Any], Any]:
    """Return the mapper that takes a channel's value out of what a Pregel node returned."""

    def item(out: Any) -> Any:
        return (out or {}).get(channel)

    return item

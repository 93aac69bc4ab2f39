"""From a compiled graph of LangGraph's to our `Program`: its nodes say all that there is to know."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from langgraph.channels.base import BaseChannel
from langgraph.constants import TAG_HIDDEN
from langgraph.graph._branch import BranchSpec
from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel import Pregel
from langgraph.pregel._read import DEFAULT_BOUND
from langgraph.pregel._write import ChannelWrite, ChannelWriteEntry, ChannelWriteTupleEntry

from vecgraph.constants import START, TASKS
from vecgraph.errors import UnsupportedError
from vecgraph.interop.actions import action_of, called_by_langgraph
from vecgraph.interop.rules import managed_of, rule_of
from vecgraph.interop.translate import our_error, our_goals, our_timeout
from vecgraph.interop.writers import Nothing, TheirWriter, entries_of
from vecgraph.nodes.action import Action
from vecgraph.program import Branch, NodeSpec, Program, Reads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vecgraph.channels.base import Channel
    from vecgraph.nodes.writer import Writer

__all__ = ["child_of", "lower", "refusals"]

_PASSING_ON = Action("", "rowwise", lambda value: value, why="it passes its input on")
_CONTROL = (START, TASKS)


def refusals(graph: Any) -> list[str]:
    """Return what of a compiled graph our engine cannot run."""
    return [
        f"channel '{name}' ({type(channel).__name__})"
        for name, channel in graph.channels.items()
        if isinstance(channel, BaseChannel) and rule_of(channel, name) is None
    ]


def child_of(node: Any) -> Any:
    """Return the graph that a node is, None if it is none or runs by rules of its own."""
    bound = node.bound
    plain = isinstance(bound, Pregel) and type(bound) in {Pregel, CompiledStateGraph}
    return bound if plain or hasattr(bound, "program") else None


def lower(graph: Any, children: Mapping[str, Any], *, heard: bool = False) -> Program:
    """Return the program of a compiled graph.

    Parameters
    ----------
    graph : Pregel
    children : mapping of str to app
        The graphs in it, as apps of ours, by node.
    heard : bool
        Callbacks hear of each node and router, as LangGraph reports them.
    """
    specs = graph.channels
    channels = {n: rule_of(c, n) for n, c in specs.items() if isinstance(c, BaseChannel)}
    known: dict[str, Channel] = {n: rule for n, rule in channels.items() if rule is not None}
    managed = {n: managed_of(c) for n, c in specs.items() if not isinstance(c, BaseChannel)}
    lowered = _Lowering(graph, known, managed, children, heard=heard)
    return Program(
        channels=known,
        nodes={name: lowered.node(name, node) for name, node in graph.nodes.items()},
        inputs=_reads(graph.input_channels),
        outputs=_reads(graph.output_channels),
        streams=_reads(graph.stream_channels_asis),
        managed=managed,
        name=graph.name,
        retry_policy=tuple(graph.retry_policy or ()),
        cache_policy=graph.cache_policy,
        translate_error=our_error,
    )


def _reads(names: Any) -> Reads:
    return names if isinstance(names, str) else tuple(names)


class _Lowering:
    """The nodes of one graph, one after the other."""

    def __init__(
        self,
        graph: Any,
        channels: Mapping[str, Channel],
        managed: Mapping[str, Any],
        children: Mapping[str, Any],
        *,
        heard: bool,
    ) -> None:
        self._graph, self._children, self._heard = graph, children, heard
        self._is_state_graph = isinstance(graph, CompiledStateGraph)
        self._handlers = getattr(graph, "node_error_handler_map", None) or {}
        apart = ("branch:to:", "join:")
        self._state = tuple(
            name for name in channels if name not in _CONTROL and not name.startswith(apart)
        )
        self._managed = tuple(managed)

    def node(self, name: str, node: Any) -> NodeSpec:
        """Return one node."""
        own = self._written(name, node)
        action = self._action(name, node)
        targets: tuple[str, ...] = ()
        joins: tuple[str, ...] = ()
        branches: tuple[Branch, ...] = ()
        writer: Writer
        if self._heard or own is None:
            action, writer = self._whole(name, node), Nothing()
        else:
            writer, targets, joins, branches = own
        graph = self._graph
        return NodeSpec(
            name=name,
            action=action,
            triggers=tuple(dict.fromkeys(node.triggers)),
            reads=_reads(node.channels),
            writer=writer,
            mapper=node.mapper,
            targets=targets,
            joins=joins,
            branches=branches,
            hidden=TAG_HIDDEN in (node.tags or ()),
            metadata=dict(node.metadata or {}),
            tags=tuple(node.tags or ()),
            retry_policy=tuple(node.retry_policy or graph.retry_policy or ()),
            cache_policy=node.cache_policy or graph.cache_policy,
            timeout=our_timeout(getattr(node, "timeout", None)),
            error_handler=self._handlers.get(name),
        )

    def _action(self, name: str, node: Any) -> Action | None:
        if name in self._children:
            return Action(name, "subgraph", self._children[name], why="a compiled graph")
        if node.bound is DEFAULT_BOUND:
            return None if name == START and self._is_state_graph else _PASSING_ON
        return action_of(node.bound, name)

    def _whole(self, name: str, node: Any) -> Action | None:
        """Return what runs a node with all that belongs to it by LangGraph's own Runnable."""
        if name in self._children:
            node = node.copy({"bound": self._children[name]})
        return called_by_langgraph(node.node, name)

    def _written(self, name: str, node: Any) -> Any:
        """Return the writer, edges, barriers and routers of a node; None: it has others."""
        if not self._is_state_graph:
            entries = entries_of(node.writers)
            return None if entries is None else (entries, (), (), ())
        found = _Written()
        if not all(found.take(writer, name) for writer in node.writers):
            return None
        keys = self._inputs() if name == START else (*self._state, *self._managed)
        branches = [_branch(spec, reader) for spec, reader in found.routers]
        return TheirWriter(keys), tuple(found.targets), tuple(found.joins), tuple(branches)

    def _inputs(self) -> tuple[str, ...]:
        builder = self._graph.builder
        return tuple(k for k in builder.schemas[builder.input_schema] if k in self._state)


class _Written:
    """What the writers of a StateGraph's node say, sorted."""

    def __init__(self) -> None:
        self.targets: list[str] = []
        self.joins: list[str] = []
        self.routers: list[tuple[Any, Any]] = []

    def take(self, writer: Any, name: str) -> bool:
        """Take one writer; return whether it is known."""
        if type(writer) is ChannelWrite:
            return all(self._entry(entry, name) for entry in writer.writes)
        spec = getattr(getattr(writer, "func", None), "__self__", None)
        reader = getattr(writer, "kwargs", {}).get("reader")
        if not isinstance(spec, BranchSpec) or not isinstance(reader, partial):
            return False
        self.routers.append((spec, reader))
        return True

    def _entry(self, entry: Any, name: str) -> bool:
        if isinstance(entry, ChannelWriteTupleEntry):
            return True  # what the node returned, by the rules of `TheirWriter`
        if not isinstance(entry, ChannelWriteEntry) or entry.mapper is not None:
            return False
        if entry.value is None:
            self.targets.append(entry.channel)
        elif entry.value == name:
            self.joins.append(entry.channel)
        else:
            return False
        return True


def _branch(spec: Any, reader: Callable[..., Any]) -> Branch:
    options: dict[str, Any] = reader.keywords  # type: ignore[attr-defined]
    mapper = options["mapper"]
    return Branch(
        name=str(spec.path.get_name()),
        action=action_of(spec.path, str(spec.path.get_name())),
        ends=spec.ends or None,
        reads=_reads(options["select"]),
        mapper=mapper,
        passthrough=spec.input_schema is None and mapper is None,
        translate=our_goals,
    )


def check(graph: Any) -> None:
    """Refuse a graph that our engine cannot run.

    Raises
    ------
    UnsupportedError
        Names each thing.
    """
    found = refusals(graph)
    if found:
        raise UnsupportedError(
            f"vecgraph cannot run {', '.join(found)} of the graph '{graph.name}'.\n"
            "Hint: pass fallback='langgraph' to have LangGraph run it."
        )

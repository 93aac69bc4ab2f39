"""The compiled graph: immutable tables of channels, nodes, and which channel triggers which node."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from vecgraph.constants import START

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from vecgraph.channels.base import Channel
    from vecgraph.nodes.action import Action
    from vecgraph.nodes.writer import Writer

__all__ = ["Branch", "NodeSpec", "Program"]

Reads = tuple[str, ...] | str
"""Channels that a node reads: several make a dict, one name makes the bare value."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A conditional edge: where a run goes after a node.

    Attributes
    ----------
    name : str
        Name of the callable; unique for its source.
    action : Action
        What computes the destination(s); reads the state with its node's own writes applied.
    ends : mapping or None
        From what the action returns to node names; None: it returns node names.
    reads : tuple of str, or str
        Channels and managed values that the action gets.
    mapper : callable or None
        Builds the state's class (dataclass, pydantic) from the dict of values.
    passthrough : bool
        The node's raw returned dict lies under the values read (LangGraph: no schema was inferred).
    translate : callable or None
        From what the action returns to what the engine knows, for an action that speaks of
        another library's packets.
    """

    name: str
    action: Action
    ends: Mapping[Hashable, str] | None
    reads: Reads
    mapper: Callable[[dict[str, Any]], Any] | None = None
    passthrough: bool = True
    translate: Callable[[Any], Any] | None = None


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """One node of a program.

    Attributes
    ----------
    name : str
    action : Action or None
        How it runs; None for the virtual start node, which passes its input on.
    triggers : tuple of str
        Channels whose change makes the node run.
    reads : tuple of str, or str
        Channels and managed values that make its input.
    mapper : callable or None
        Builds the input's class from the dict of values; may raise (pydantic).
    writer : Writer
        Turns what the action returns into writes (channel, value).
    targets : tuple of str
        Trigger channels that static edges write None to.
    joins : tuple of str
        Barrier channels that the node's name is written to.
    branches : tuple of Branch
        Conditional edges, in the order in which they were added.
    hidden : bool
        Left out of streams (the start node).
    defer : bool
        It runs only when no other node would.
    metadata, tags : mapping, tuple of str
        Go into the config that the node sees.
    retry_policy : tuple of RetryPolicy
    cache_policy : CachePolicy or None
    timeout : TimeoutPolicy or None
    error_handler : str or None
        Node that runs in its place when it has failed.
    """

    name: str
    action: Action | None
    triggers: tuple[str, ...]
    reads: Reads
    writer: Writer
    mapper: Callable[[dict[str, Any]], Any] | None = None
    targets: tuple[str, ...] = ()
    joins: tuple[str, ...] = ()
    branches: tuple[Branch, ...] = ()
    hidden: bool = False
    defer: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    retry_policy: tuple[Any, ...] = ()
    cache_policy: Any = None
    timeout: Any = None
    error_handler: str | None = None


@dataclass(frozen=True)
class Program:
    """A validated graph, ready to run.

    Attributes
    ----------
    channels : mapping of str to Channel
        In schema order, then the control channels (``branch:to:*``, ``join:*``, START, TASKS).
    nodes : mapping of str to NodeSpec
        In the order in which they were added; includes START for a StateGraph.
    managed : mapping of str to object
        Values computed from the run's step (`IsLastStep`, `RemainingSteps`).
    inputs : tuple of str, or str
        Where the input is written: START for a StateGraph.
    outputs, streams : tuple of str, or str
        Channels of the result, and of ``values`` chunks when streaming.
    name : str
        Name of the app, used when it is a node of another graph.
    retry_policy, cache_policy : tuple of RetryPolicy, CachePolicy or None
        Of the tasks that functions call, where those have none of their own.
    translate_error : callable or None
        From what a node raises to what the engine knows, for nodes that raise another
        library's questions and commands. Anything else it returns as it is.
    """

    channels: Mapping[str, Channel]
    nodes: Mapping[str, NodeSpec]
    inputs: Reads
    outputs: Reads
    streams: Reads
    managed: Mapping[str, Any] = field(default_factory=dict)
    name: str = "LangGraph"
    retry_policy: tuple[Any, ...] = ()
    cache_policy: Any = None
    translate_error: Callable[[BaseException], BaseException] | None = None

    @cached_property
    def triggered(self) -> dict[str, tuple[str, ...]]:
        """Nodes that each trigger channel triggers."""
        table: dict[str, list[str]] = {}
        for node in self.nodes.values():
            for channel in node.triggers:
                table.setdefault(channel, []).append(node.name)
        return {channel: tuple(names) for channel, names in table.items()}

    @property
    def is_state_graph(self) -> bool:
        """Whether the input enters through the virtual start node."""
        return self.inputs == START and START in self.nodes

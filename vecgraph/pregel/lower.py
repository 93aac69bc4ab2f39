"""From a Pregel's nodes and channels to a `Program`, with LangGraph's errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from vecgraph.channels import Topic
from vecgraph.channels.base import Channel
from vecgraph.channels.custom import rule_for
from vecgraph.constants import TAG_HIDDEN, TASKS
from vecgraph.managed import is_managed_value
from vecgraph.nodes.action import Action
from vecgraph.nodes.writer import EntryWriter
from vecgraph.pregel.builder import NodeBuilder, PregelNode
from vecgraph.program import NodeSpec, Program, Reads
from vecgraph.schema import RESERVED, Field
from vecgraph.types import CachePolicy, RetryPolicy, Send

__all__ = ["check", "lower"]

Names = str | Sequence[str]


def lower(
    nodes: Mapping[str, PregelNode | NodeBuilder],
    channels: Mapping[str, Field] | None,
    inputs: Names,
    outputs: Names,
    streams: Names | None,
    *,
    name: str = "LangGraph",
    retry_policy: Sequence[RetryPolicy] = (),
    cache_policy: CachePolicy | None = None,
    handlers: Mapping[str, str] | None = None,
) -> Program:
    """Return the program; nothing is checked but the channel of Sends.

    Parameters
    ----------
    nodes, channels, inputs, outputs, streams, name
        As given to `Pregel`.
    retry_policy, cache_policy
        For the nodes that have none of their own.
    handlers
        Error handler of each node that has one.

    Raises
    ------
    ValueError
        A channel has the name of the one of Sends.
    """
    given = {name: rule_for(rule) for name, rule in (channels or {}).items()}
    if not isinstance(given.setdefault(TASKS, Topic(Send, accumulate=False)), Topic):
        raise ValueError(  # noqa: TRY004 - LangGraph's type
            f"Channel '{TASKS}' is reserved and cannot be used in the graph."
        )
    rules = {key: rule for key, rule in given.items() if isinstance(rule, Channel)}
    return Program(
        channels=rules,
        nodes={
            key: replace(
                _node(key, node, tuple(retry_policy), cache_policy),
                error_handler=(handlers or {}).get(key),
            )
            for key, node in nodes.items()
        },
        inputs=_reads(inputs),
        outputs=_reads(outputs),
        streams=tuple(rules) if streams is None else _reads(streams),
        managed={key: rule for key, rule in given.items() if is_managed_value(rule)},
        name=name,
        retry_policy=tuple(retry_policy),
        cache_policy=cache_policy,
    )


def _reads(names: Names) -> Reads:
    return names if isinstance(names, str) else tuple(names)


def _identity(value: Any) -> Any:
    return value


def _node(
    key: str,
    node: PregelNode | NodeBuilder,
    retry_policy: tuple[RetryPolicy, ...],
    cache_policy: CachePolicy | None,
) -> NodeSpec:
    built = node.build() if isinstance(node, NodeBuilder) else node
    if not isinstance(built, PregelNode):
        raise TypeError(f"Invalid node type {type(built)}, expected PregelNode or NodeBuilder")
    passing_on = Action(key, "rowwise", _identity, why="it passes its input on")
    return NodeSpec(
        name=key,
        action=passing_on if built.bound is None else built.bound,
        triggers=tuple(dict.fromkeys(built.triggers)),
        reads=_reads(built.channels),
        writer=EntryWriter(tuple(built.writes)),
        hidden=TAG_HIDDEN in built.tags,
        tags=tuple(built.tags),
        metadata=built.metadata,
        retry_policy=tuple(built.retry_policy) or retry_policy,
        cache_policy=built.cache_policy or cache_policy,
        timeout=built.timeout,
    )


def check(program: Program, interrupts: Iterable[str] = ()) -> None:
    """Refuse a program that cannot run.

    Raises
    ------
    ValueError
        A name is reserved or unknown, or no node follows the input.
    """
    _check_reserved(program)
    known = f"known channels: '{repr(sorted(program.channels))[:100]}'"
    _check_reads(program, known)
    _check_inputs(program, known)
    for channel in (*_each(program.outputs), *_each(program.streams)):
        if channel not in program.channels:
            raise ValueError(f"Output channel '{channel}' not in {known}")
    for name in interrupts:
        if name not in program.nodes:
            raise ValueError(f"Node {name} not in nodes")


def _check_reserved(program: Program) -> None:
    named = {"Channel": program.channels, "Managed": program.managed, "Node": program.nodes}
    for kind, names in named.items():
        for name in names:
            if name in RESERVED:
                raise ValueError(f"{kind} name '{name}' is reserved")


def _check_reads(program: Program, known: str) -> None:
    for node in program.nodes.values():
        readable = program.channels if isinstance(node.reads, str) else _readable(program)
        for channel in _each(node.reads):
            if channel not in readable:
                raise ValueError(f"Node {node.name} reads channel '{channel}' not in {known}")
    for channel in program.triggered:
        if channel not in program.channels:
            raise ValueError(f"Subscribed channel '{channel}' not in {known}")


def _readable(program: Program) -> frozenset[str]:
    return frozenset(program.channels) | frozenset(program.managed)


def _each(names: Reads) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else names


def _check_inputs(program: Program, known: str) -> None:
    inputs, followed = program.inputs, program.triggered
    if isinstance(inputs, str):
        if inputs not in program.channels:
            raise ValueError(f"Input channel '{inputs}' not in {known}")
        if inputs not in followed:
            raise ValueError(f"Input channel {inputs} is not subscribed to by any node")
        return
    for channel in inputs:
        if channel not in program.channels:
            shown = repr(sorted(program.channels))[:100]
            raise ValueError(f"Input channel '{channel}' not in '{shown}'")
    if not any(channel in followed for channel in inputs):
        raise ValueError(f"None of the input channels {list(inputs)} are subscribed to by any node")

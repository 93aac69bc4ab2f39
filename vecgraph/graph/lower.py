"""From a builder's tables to a `Program`: which channels exist, who writes and who reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vecgraph.channels import (
    EphemeralValue,
    LastValueAfterFinish,
    NamedBarrierValue,
    NamedBarrierValueAfterFinish,
    Topic,
)
from vecgraph.constants import END, ROOT, START, TASKS
from vecgraph.errors import VectorNodeError
from vecgraph.graph.specs import BranchSpec, StateNodeSpec, retry_policies
from vecgraph.nodes.coerce import is_expression
from vecgraph.nodes.expr import Expr
from vecgraph.nodes.writer import StateWriter, branch_channel
from vecgraph.program import Branch, NodeSpec, Program, Reads
from vecgraph.schema import mapper_of, reads_of
from vecgraph.types import Send

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vecgraph.channels.base import Channel
    from vecgraph.graph.state import StateGraph
    from vecgraph.nodes.action import Action

__all__ = ["join_channel", "lower"]


def join_channel(starts: Iterable[str], end: str) -> str:
    """Return the name of the channel that makes `end` wait for all of `starts`."""
    return f"join:{'+'.join(starts)}:{end}"


def lower(builder: StateGraph, name: str) -> Program:
    """Return the program of a validated builder.

    Channels come in LangGraph's order: the schemas', START, TASKS, one a node that
    triggers it, one a barrier.
    """
    channels: dict[str, Channel] = dict(builder.channels)
    channels[START] = EphemeralValue(builder.input_schema)
    channels[TASKS] = Topic(Send, accumulate=False)
    nodes = [_start(builder)]
    for key, spec in builder.nodes.items():
        channels[branch_channel(key)] = (
            LastValueAfterFinish(Any) if spec.defer else EphemeralValue(Any, guard=False)
        )
        nodes.append(_node(builder, key, spec))
    for starts, end in _barriers(builder):
        kind = NamedBarrierValueAfterFinish if builder.nodes[end].defer else NamedBarrierValue
        channels[join_channel(starts, end)] = kind(str, set(starts))
    for key, channel in channels.items():
        channel.key = key
    return Program(
        channels=channels,
        nodes={node.name: node for node in nodes},
        inputs=START,
        outputs=_keys(k for k in builder.schemas[builder.output_schema] if k in builder.channels),
        streams=_keys(builder.channels),
        managed=dict(builder.managed),
        name=name,
    )


def _keys(names: Iterable[str]) -> Reads:
    keys = tuple(names)
    return ROOT if keys == (ROOT,) else keys


def _barriers(builder: StateGraph) -> list[tuple[tuple[str, ...], str]]:
    return sorted(edge for edge in builder.waiting_edges if edge[1] != END)


def _start(builder: StateGraph) -> NodeSpec:
    fields = builder.schemas[builder.input_schema]
    return NodeSpec(
        name=START,
        action=None,
        triggers=(START,),
        reads=START,
        writer=StateWriter(tuple(k for k in fields if k in builder.channels)),
        targets=_targets(builder, START),
        branches=_branches(builder, START),
        hidden=True,
    )


def _node(builder: StateGraph, key: str, spec: StateNodeSpec) -> NodeSpec:
    joins = [(join_channel(starts, end), starts, end) for starts, end in _barriers(builder)]
    reads, mapper = _reading(builder, spec.input_schema, spec.action)
    _check_expression(spec.action, reads, f"node '{key}'", tuple(builder.channels))
    return NodeSpec(
        name=key,
        action=spec.action,
        triggers=(branch_channel(key), *(name for name, _, end in joins if end == key)),
        reads=reads,
        writer=StateWriter(tuple(builder.channels)),
        mapper=mapper,
        targets=_targets(builder, key),
        joins=tuple(name for name, starts, _ in joins if key in starts),
        branches=_branches(builder, key),
        defer=spec.defer,
        metadata=spec.metadata or {},
        retry_policy=retry_policies(spec.retry_policy),
        cache_policy=spec.cache_policy,
        timeout=spec.timeout,
        error_handler=spec.error_handler_node,
    )


def _targets(builder: StateGraph, key: str) -> tuple[str, ...]:
    ends = sorted(end for start, end in builder.edges if start == key and end != END)
    return tuple(branch_channel(end) for end in ends)


def _branches(builder: StateGraph, key: str) -> tuple[Branch, ...]:
    return tuple(
        _branch(builder, key, name, spec) for name, spec in builder.branches.get(key, {}).items()
    )


def _branch(builder: StateGraph, key: str, name: str, spec: BranchSpec) -> Branch:
    source = builder.nodes.get(key)
    schema = spec.input_schema or (source.input_schema if source else builder.state_schema)
    reads, mapper = _reading(builder, schema, spec.action)
    _check_expression(spec.action, reads, f"router of '{key}'")
    return Branch(
        name=name,
        action=spec.action,
        ends=spec.ends or None,
        reads=reads,
        mapper=mapper,
        # Only dicts lie under dicts: an instance of a class has no room for other keys.
        passthrough=spec.input_schema is None and mapper is None,
    )


def _reading(builder: StateGraph, schema: Any, action: Action) -> tuple[Reads, Any]:
    fields = builder.schemas[schema]
    # A function of columns gets columns, whatever class one run's state has.
    columnar = action.tier in {"expr", "vector"}
    return reads_of(fields), None if columnar else mapper_of(schema, fields)


def _check_expression(
    action: Action, reads: Reads, where: str, channels: tuple[str, ...] = ()
) -> None:
    """Refuse unknown names now: a run that meets them has already cost something."""
    fn: Any = action.fn
    if not is_expression(fn):
        return
    fn.check((reads,) if isinstance(reads, str) else reads, where)
    if isinstance(fn, Expr):
        for name in fn.outputs:
            if name not in channels:
                raise VectorNodeError.unknown_channel(action.name, name, channels)

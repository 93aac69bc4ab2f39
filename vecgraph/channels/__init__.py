"""The rules by which a superstep's writes change a channel, under LangGraph's names."""

from __future__ import annotations

from vecgraph.channels.any_value import AnyValue as AnyValue
from vecgraph.channels.barrier import NamedBarrierValue as NamedBarrierValue
from vecgraph.channels.barrier import NamedBarrierValueAfterFinish as NamedBarrierValueAfterFinish
from vecgraph.channels.base import Channel as Channel
from vecgraph.channels.ephemeral import EphemeralValue as EphemeralValue
from vecgraph.channels.last_value import LastValue as LastValue
from vecgraph.channels.last_value import LastValueAfterFinish as LastValueAfterFinish
from vecgraph.channels.reduce import BinaryOperatorAggregate as BinaryOperatorAggregate
from vecgraph.channels.topic import Topic as Topic
from vecgraph.channels.untracked import UntrackedValue as UntrackedValue

__all__ = [
    "AnyValue",
    "BinaryOperatorAggregate",
    "Channel",
    "EphemeralValue",
    "LastValue",
    "LastValueAfterFinish",
    "NamedBarrierValue",
    "NamedBarrierValueAfterFinish",
    "Topic",
    "UntrackedValue",
]

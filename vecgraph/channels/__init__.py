"""The rules by which a superstep's writes change a channel.

LangGraph's, under its names, and statistics of what was written.
"""

from __future__ import annotations

from vecgraph.channels.any_value import AnyValue as AnyValue
from vecgraph.channels.barrier import NamedBarrierValue as NamedBarrierValue
from vecgraph.channels.barrier import NamedBarrierValueAfterFinish as NamedBarrierValueAfterFinish
from vecgraph.channels.base import BaseChannel as BaseChannel
from vecgraph.channels.base import Channel as Channel
from vecgraph.channels.count import Count as Count
from vecgraph.channels.delta import DeltaChannel as DeltaChannel
from vecgraph.channels.ephemeral import EphemeralValue as EphemeralValue
from vecgraph.channels.ewma import EWMA as EWMA
from vecgraph.channels.histogram import Histogram as Histogram
from vecgraph.channels.last_value import LastValue as LastValue
from vecgraph.channels.last_value import LastValueAfterFinish as LastValueAfterFinish
from vecgraph.channels.mean import Mean as Mean
from vecgraph.channels.messages import Messages as Messages
from vecgraph.channels.min_max import MinMax as MinMax
from vecgraph.channels.reduce import BinaryOperatorAggregate as BinaryOperatorAggregate
from vecgraph.channels.ring_buffer import RingBuffer as RingBuffer
from vecgraph.channels.set_union import SetUnion as SetUnion
from vecgraph.channels.top_k import TopK as TopK
from vecgraph.channels.topic import Topic as Topic
from vecgraph.channels.untracked import UntrackedValue as UntrackedValue
from vecgraph.channels.variance import Variance as Variance

__all__ = [
    "EWMA",
    "AnyValue",
    "BaseChannel",
    "BinaryOperatorAggregate",
    "Channel",
    "Count",
    "DeltaChannel",
    "EphemeralValue",
    "Histogram",
    "LastValue",
    "LastValueAfterFinish",
    "Mean",
    "Messages",
    "MinMax",
    "NamedBarrierValue",
    "NamedBarrierValueAfterFinish",
    "RingBuffer",
    "SetUnion",
    "TopK",
    "Topic",
    "UntrackedValue",
    "Variance",
]

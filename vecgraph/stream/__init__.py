"""Streams of a run's events, projected by transformers: one stream for each kind of event.

`app.stream_events(input, version="v3")` returns a run whose projections (``run.values``,
``run.messages``, ``run.subgraphs``, ...) are read one by one or side by side; whoever reads moves
the run on. `compile(transformers=[...])` adds projections. Experimental in LangGraph, whose names
and rules these are.
"""

from __future__ import annotations

from vecgraph.stream.events import ProtocolEvent as ProtocolEvent
from vecgraph.stream.events import StreamTransformer as StreamTransformer
from vecgraph.stream.lifecycle import LifecyclePayload as LifecyclePayload
from vecgraph.stream.lifecycle import LifecycleTransformer as LifecycleTransformer
from vecgraph.stream.lifecycle import SubgraphStatus as SubgraphStatus
from vecgraph.stream.run_stream import AsyncGraphRunStream as AsyncGraphRunStream
from vecgraph.stream.run_stream import AsyncSubgraphRunStream as AsyncSubgraphRunStream
from vecgraph.stream.run_stream import GraphRunStream as GraphRunStream
from vecgraph.stream.run_stream import SubgraphRunStream as SubgraphRunStream
from vecgraph.stream.stream_channel import StreamChannel as StreamChannel
from vecgraph.stream.subgraphs import SubgraphTransformer as SubgraphTransformer
from vecgraph.stream.transformers import CheckpointsTransformer as CheckpointsTransformer
from vecgraph.stream.transformers import CustomTransformer as CustomTransformer
from vecgraph.stream.transformers import DebugTransformer as DebugTransformer
from vecgraph.stream.transformers import TasksTransformer as TasksTransformer
from vecgraph.stream.transformers import UpdatesTransformer as UpdatesTransformer

__all__ = [
    "AsyncGraphRunStream",
    "AsyncSubgraphRunStream",
    "CheckpointsTransformer",
    "CustomTransformer",
    "DebugTransformer",
    "GraphRunStream",
    "LifecyclePayload",
    "LifecycleTransformer",
    "ProtocolEvent",
    "StreamChannel",
    "StreamTransformer",
    "SubgraphRunStream",
    "SubgraphStatus",
    "SubgraphTransformer",
    "TasksTransformer",
    "UpdatesTransformer",
]

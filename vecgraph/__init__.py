"""vecgraph: run a LangGraph graph for a hundred thousand runs at a time."""

from __future__ import annotations

from vecgraph.app import App
from vecgraph.constants import END, START
from vecgraph.engine.records import RowError, Superstep
from vecgraph.graph import MessagesState, StateGraph, add_messages
from vecgraph.nodes.blend import select, where
from vecgraph.nodes.expr import expr, when
from vecgraph.nodes.vector import Goto, Sends, Updates
from vecgraph.result import BatchResult
from vecgraph.runtime import Runtime
from vecgraph.schema import Tensor
from vecgraph.state import Batch
from vecgraph.types import Command, Overwrite, Send
from vecgraph.version import __version__

__all__ = [
    "END",
    "START",
    "App",
    "Batch",
    "BatchResult",
    "Command",
    "Goto",
    "MessagesState",
    "Overwrite",
    "RowError",
    "Runtime",
    "Send",
    "Sends",
    "StateGraph",
    "Superstep",
    "Tensor",
    "Updates",
    "__version__",
    "add_messages",
    "expr",
    "select",
    "when",
    "where",
]

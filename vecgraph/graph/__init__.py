"""Graphs that share a state: `StateGraph` and the reducer of messages."""

from __future__ import annotations

from vecgraph.constants import END, START
from vecgraph.graph.message import MessagesState, add_messages
from vecgraph.graph.state import StateGraph

__all__ = ["END", "START", "MessagesState", "StateGraph", "add_messages"]

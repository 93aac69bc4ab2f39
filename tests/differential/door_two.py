"""LangGraph's own builder, whose graphs our engine runs: the second door, for the programs."""

from __future__ import annotations

from langgraph.graph import StateGraph

from vecgraph.interop import from_langgraph


class DoorTwo(StateGraph):
    """LangGraph's StateGraph; what it compiles is handed over."""

    def compile(self, checkpointer=None, **options):
        app = super().compile(**options)
        return from_langgraph(app, checkpointer=checkpointer)

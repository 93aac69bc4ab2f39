"""LangGraph's own builder, whose graphs our engine runs: the second door, for the programs."""

from __future__ import annotations

from langgraph.func import entrypoint
from langgraph.graph import StateGraph

from vecgraph.interop import from_langgraph


class DoorTwo(StateGraph):
    """LangGraph's StateGraph; what it compiles is handed over, graphs in it too."""

    def compile(self, checkpointer=None, **options):
        app = super().compile(**options)
        return from_langgraph(app, checkpointer=checkpointer)


class HandedOver(entrypoint):
    """LangGraph's `entrypoint`; what it makes is handed over."""

    def __call__(self, func):
        return from_langgraph(super().__call__(func))


class GuestsOnly(StateGraph):
    """LangGraph's StateGraph; of the graphs that are nodes of others our engine runs each.

    They are the ones that are compiled without breakpoints.
    """

    def compile(self, checkpointer=None, **options):
        app = super().compile(**options)
        if "interrupt_before" not in options:
            return from_langgraph(app, checkpointer=checkpointer)
        return super().compile(checkpointer, **options)


class HostOnly(StateGraph):
    """LangGraph's StateGraph; the graph around is handed over, and with it those that are its nodes."""

    def compile(self, checkpointer=None, **options):
        if "interrupt_before" not in options:
            return super().compile(checkpointer, **options)
        return from_langgraph(super().compile(**options), checkpointer=checkpointer)

"""LangGraph's objects in vecgraph, and vecgraph's in LangGraph; needs the extra ``langgraph``."""

from __future__ import annotations

from vecgraph.interop.door import from_langgraph as from_langgraph

__all__ = ["from_langgraph"]

"""LangGraph's objects in vecgraph, and vecgraph's in LangGraph; needs the extra ``langgraph``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vecgraph.interop.door import from_langgraph as from_langgraph

__all__ = ["from_langgraph"]


def __getattr__(name: str) -> Any:
    # Late: what is here for LangChain's models needs no LangGraph.
    if name in __all__:
        from vecgraph.interop import door

        return getattr(door, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

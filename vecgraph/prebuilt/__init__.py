"""Agents and their tools, ready made: LangGraph's names, and a decorator for tools.

Nothing here needs LangChain: messages are OpenAI-style dicts, tools are functions, a model is
a function of messages. Where LangChain's messages, tools and models come in they stay what
they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vecgraph.prebuilt import _injection
from vecgraph.prebuilt.chat_agent_executor import create_react_agent as create_react_agent
from vecgraph.prebuilt.tool_node import ToolCallRequest as ToolCallRequest
from vecgraph.prebuilt.tool_node import ToolInvocationError as ToolInvocationError
from vecgraph.prebuilt.tool_node import ToolNode as ToolNode
from vecgraph.prebuilt.tool_node import tools_condition as tools_condition
from vecgraph.prebuilt.tool_validator import ValidationNode as ValidationNode
from vecgraph.prebuilt.tools import Tool as Tool
from vecgraph.prebuilt.tools import tool as tool

if TYPE_CHECKING:
    from vecgraph.prebuilt._injection import InjectedState as InjectedState
    from vecgraph.prebuilt._injection import InjectedStore as InjectedStore
    from vecgraph.prebuilt._injection import ToolRuntime as ToolRuntime

__all__ = [
    "InjectedState",
    "InjectedStore",
    "Tool",
    "ToolCallRequest",
    "ToolInvocationError",
    "ToolNode",
    "ToolRuntime",
    "ValidationNode",
    "create_react_agent",
    "tool",
    "tools_condition",
]


def __getattr__(name: str) -> Any:
    """Return a mark for tools; who imports one is likely to have loaded LangChain before."""
    if name in {"InjectedState", "InjectedStore", "ToolRuntime"}:
        _injection.adopt()
        return getattr(_injection, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Tools and models for both libraries, from one description each."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated, Any

import langgraph.graph
import langgraph.prebuilt
import langgraph.types
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage, message_to_dict
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableLambda

import vecgraph.graph
import vecgraph.prebuilt
import vecgraph.types

THEIRS = SimpleNamespace(
    StateGraph=langgraph.graph.StateGraph,
    add_messages=langgraph.graph.add_messages,
    ToolNode=langgraph.prebuilt.ToolNode,
    InjectedState=langgraph.prebuilt.InjectedState,
    InjectedStore=langgraph.prebuilt.InjectedStore,
    ToolRuntime=langgraph.prebuilt.ToolRuntime,
    Command=langgraph.types.Command,
    Send=langgraph.types.Send,
)
OURS = SimpleNamespace(
    StateGraph=vecgraph.graph.StateGraph,
    add_messages=vecgraph.graph.add_messages,
    ToolNode=vecgraph.prebuilt.ToolNode,
    InjectedState=vecgraph.prebuilt.InjectedState,
    InjectedStore=vecgraph.prebuilt.InjectedStore,
    ToolRuntime=vecgraph.prebuilt.ToolRuntime,
    Command=vecgraph.types.Command,
    Send=vecgraph.types.Send,
)


def their_agent(*args: Any, **kwargs: Any) -> Any:
    """LangGraph's agent, which warns that it has moved."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return langgraph.prebuilt.create_react_agent(*args, **kwargs)


@dataclass
class Form:
    """How one side writes its messages: LangChain's objects, or dicts."""

    objects: bool

    def user(self, text: str) -> Any:
        return HumanMessage(text, id="u") if self.objects else {**_user(text), "id": "u"}

    def said(self, text: str, calls: list[dict[str, Any]], id_: str | None = None) -> Any:
        if self.objects:
            return AIMessage(text, tool_calls=[{**call, "type": "tool_call"} for call in calls],
                             id=id_)  # fmt: skip
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if calls:
            message["tool_calls"] = [
                {"id": call["id"], "type": "function",
                 "function": {"name": call["name"], "arguments": json.dumps(call["args"])}}
                for call in calls
            ]  # fmt: skip
        return {**message, "id": id_} if id_ else message

    def answer(self, text: str, id_: str) -> Any:
        if self.objects:
            return ToolMessage(text, tool_call_id=id_)
        return {"role": "tool", "content": text, "tool_call_id": id_}


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


_TYPES = {"user": "human", "assistant": "ai", "tool": "tool", "system": "system"}


def shown(message: Any) -> Any:
    """What counts in a message, whichever kind it is; its id only where it was given one."""
    if not isinstance(message, dict):
        data = message_to_dict(message)["data"]
        calls = [(c["name"], c["args"], c["id"]) for c in data.get("tool_calls") or []]
        kind = message.type
        status = data.get("status")
    else:
        data, kind = message, _TYPES[message["role"]]
        calls = [(f["name"], json.loads(f["arguments"]), c["id"])
                 for c in data.get("tool_calls") or [] for f in [c["function"]]]  # fmt: skip
        status = data.get("status", "success" if kind == "tool" else None)
    id_ = data.get("id")
    id_ = id_ if id_ and len(id_) < 10 else None
    return (kind, data["content"], data.get("name"), data.get("tool_call_id"), status, calls, id_,
            data.get("artifact"))  # fmt: skip


def typed(**hints: Any) -> Callable[[Any], Any]:
    """Give a function annotations that are objects: those of a library cannot be named."""

    def annotate(fn: Any) -> Any:
        fn.__annotations__ = hints
        return fn

    return annotate


def tools(lib: Any, form: Form) -> list[Any]:  # noqa: C901 - a list of small functions
    """Return functions that do what tools may do."""

    @typed(a=int, b=int)
    def add(a, b=2):
        """Add."""
        return a + b

    @typed(text=str)
    def echo(text):
        """Echo."""
        return text

    @typed(kind=str)
    def fail(kind):
        """Fail."""
        raise {"value": ValueError, "type": TypeError, "key": KeyError}.get(kind, OSError)(kind)

    @typed(n=int, items=list[int])
    def data(n, items):
        """Give data."""
        return {"n": n, "items": list(items)} if n else None

    @typed(runtime=lib.ToolRuntime, goto=str)
    def move(runtime, goto):
        """Go somewhere."""
        update = {
            "messages": [form.answer(f"moved to {goto}", runtime.tool_call_id)],
            "seen": [goto],
        }
        return lib.Command(update=update)

    @typed(runtime=lib.ToolRuntime)
    def unanswered(runtime):
        """Forget the answer."""
        return lib.Command(update={"seen": ["forgotten"]})

    @typed(runtime=lib.ToolRuntime, times=int)
    def several(runtime, times):
        """Answer with a list."""
        answers = [form.answer(f"{i}", runtime.tool_call_id) for i in range(times)]
        return [*answers, lib.Command(update={"seen": ["listed"]})]

    @typed(x=int, seen=Annotated[list, lib.InjectedState("seen")])
    def count(x, seen):
        """Count what was seen."""
        return x + len(seen)

    @typed(state=Annotated[dict, lib.InjectedState])
    def whole(state):
        """Look at all of the state."""
        return f"{sorted(state)}: {len(state['messages'])}"

    @typed(missing=Annotated[str, lib.InjectedState("missing")])
    def optional(missing="default"):
        """Use a default."""
        return missing

    @typed(store=Annotated[Any, lib.InjectedStore()])
    def stored(store):
        """Need a store."""
        return "stored"

    return [add, echo, fail, data, move, unanswered, several, count, whole, optional, stored]


class ScriptedModel(BaseChatModel):
    """LangChain's form of `FakeChatModel`."""

    turns: list[Any]
    structured: Any = None

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self

    def with_structured_output(self, schema: Any, **kwargs: Any) -> Any:
        return RunnableLambda(lambda messages: self.structured)

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any):
        said = sum(isinstance(message, AIMessage) for message in messages)
        text, calls = self.turns[said]
        if text == "echo":
            text = " | ".join(f"{m.type}:{m.content}" for m in messages)
        message = Form(objects=True).said(text, calls, f"a{said}")
        return ChatResult(generations=[ChatGeneration(message=message)])

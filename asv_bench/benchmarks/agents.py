"""An agent that calls one tool and answers: many at once, and LangGraph's one by one."""

from __future__ import annotations

import warnings
from typing import Any

from vecgraph.prebuilt import create_react_agent
from vecgraph.testing import FakeChatModel

CALL = {"id": "1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1, "b": 2}'}}
EXPECTED = ["hi", None, "3", "done"]


def add(a: int, b: int) -> int:
    """Add."""
    return a + b


class Agents:
    """`create_react_agent` on n_runs inputs; seconds per call."""

    params = ([1, 100, 1_000],)
    param_names = ("n_runs",)
    version = "1"

    def setup(self, n_runs: int) -> None:
        """Build the agent, and look at what one says."""
        said = {"role": "assistant", "content": None, "tool_calls": [CALL]}
        self.app = create_react_agent(FakeChatModel([said, "done"]), [add])
        self.inputs = [{"messages": [("user", "hi")]} for _ in range(n_runs)]
        assert _contents(self.app.invoke(self.inputs[0])) == EXPECTED

    def time_batch(self, n_runs: int) -> None:
        results = self.app.batch(self.inputs)
        assert all(_contents(result) == EXPECTED for result in results)


class LangGraphAgents:
    """The same agent in LangGraph, with LangChain's objects; seconds per run."""

    version = "1"

    def setup(self) -> None:
        """Build the agent, and look at what it says."""
        from langchain_core.messages import AIMessage
        from langchain_core.runnables import RunnableLambda
        from langgraph.prebuilt import create_react_agent as theirs

        call = {"name": "add", "args": {"a": 1, "b": 2}, "id": "1"}
        turns = [AIMessage("", tool_calls=[call]), AIMessage("done")]

        def answer(messages: list[Any]) -> Any:
            said = sum(isinstance(message, AIMessage) for message in messages)
            return turns[said].model_copy()

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.app = theirs(lambda state, runtime: RunnableLambda(answer), [add])
        self.time_invoke()

    def time_invoke(self) -> None:
        result = self.app.invoke({"messages": [("user", "hi")]})
        assert [message.content for message in result["messages"]] == ["hi", "", "3", "done"]


def _contents(result: dict[str, Any]) -> list[Any]:
    return [message["content"] for message in result["messages"]]

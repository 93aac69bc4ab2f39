"""A conversation grows by one message a step: what a step costs must not depend on its length."""

from __future__ import annotations

from typing import Any

from vecgraph.channels.messages import Messages
from vecgraph.graph import END, START, MessagesState, StateGraph
from vecgraph.messages import add_messages

STEPS = 100


def history(length: int, *, named: bool) -> list[dict[str, Any]]:
    """Return messages, with ids of their own or to be given some."""
    messages = [{"role": "user", "content": str(i)} for i in range(length)]
    return [{**m, "id": m["content"]} for m in messages] if named else messages


class Append:
    """One message written to a history of `length`; seconds for 100 supersteps of one run.

    ``named`` messages bring their ids along, which have to be looked for; ``ahead`` is merged
    twice, as it is where a router follows the node. ``add_messages`` is the function alone.
    """

    params = ([10, 1_000, 10_000], ["plain", "named", "ahead", "add_messages"])
    param_names = ("length", "way")
    version = "1"

    def setup(self, length: int, way: str) -> None:
        """Build the history, and compare one superstep with the reducer."""
        self.channel = Messages(list)
        named = way == "named"
        self.cell, _ = self.channel.fold(self.channel.initial(), [history(length, named=True)])
        self.list = self.channel.read(self.cell)
        steps = history(STEPS, named=named)
        self.writes = [[{**m, "id": f"new {i}"}] if named else [m] for i, m in enumerate(steps)]
        if named:
            self.channel.fold(self.cell, [[{"role": "user", "content": "", "id": "0"}]])
        after, _ = self.channel.fold(self.cell, [self.writes[0]])
        expected = add_messages(self.list, self.writes[0])
        assert [m["content"] for m in self.channel.read(after)] == [m["content"] for m in expected]
        self.cell, _ = self.channel.fold(self.channel.initial(), [history(length, named=True)])

    def time_append(self, length: int, way: str) -> None:
        if way == "add_messages":
            merged = self.list
            for written in self.writes:
                merged = add_messages(merged, written)
            assert len(merged) == length + STEPS
            return
        cell = self.cell
        for written in self.writes:
            if way == "ahead":
                self.channel.fold(cell, [written])
            cell, _ = self.channel.fold(cell, [written])
        assert len(cell) == length + STEPS


class Conversation:
    """A graph that adds a message a step up to `length`; seconds per call of `n_runs` runs."""

    params = ([100, 1_000], [1, 100])
    param_names = ("length", "n_runs")
    version = "1"

    def setup(self, length: int, n_runs: int) -> None:
        """Compile the graph, and look at one run's result."""
        builder = StateGraph(MessagesState)
        builder.add_node("say", lambda state: {"messages": [("ai", str(len(state["messages"])))]})
        builder.add_edge(START, "say")
        builder.add_conditional_edges(
            "say", lambda state: END if len(state["messages"]) >= length else "say"
        )
        self.app = builder.compile()
        self.inputs = [{"messages": [("user", "0")]} for _ in range(n_runs)]
        (messages,) = self.app.batch(self.inputs[:1])[0].values()
        assert [m["content"] for m in messages] == [str(i) for i in range(length)]

    def time_run(self, length: int, n_runs: int) -> None:
        results = self.app.batch(self.inputs, {"recursion_limit": length + 1})
        assert [len(result["messages"]) for result in results] == [length] * n_runs

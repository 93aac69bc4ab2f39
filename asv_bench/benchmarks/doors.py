"""A LangGraph graph that is handed over: what a superstep of one run costs, and LangGraph's beside it.

The graph counts in a loop; seconds per superstep. Its node is a plain function, returns a
command, asks for the config in its signature, or calls LangGraph's `get_stream_writer`.
"""

from __future__ import annotations

from collections.abc import Callable
from time import process_time
from typing import Any, TypedDict

STEPS = 100
KINDS = ["plain", "command", "config", "writer"]
CONFIG = {"recursion_limit": 10 * STEPS}


class State(TypedDict):
    """A counter."""

    n: int


def _node(kind: str) -> Callable[..., Any]:
    from langchain_core.runnables import RunnableConfig
    from langgraph.config import get_stream_writer
    from langgraph.types import Command

    def plain(state: State) -> Any:
        return {"n": state["n"] + 1}

    def command(state: State) -> Any:
        return Command(update={"n": state["n"] + 1})

    def config(state: State, config: RunnableConfig) -> Any:
        return {"n": state["n"] + (config["recursion_limit"] > 0)}

    def writer(state: State) -> Any:
        get_stream_writer()(state["n"])
        return {"n": state["n"] + 1}

    # LangGraph tells parameters by the class, which a module without it cannot name.
    config.__annotations__["config"] = RunnableConfig
    return {"plain": plain, "command": command, "config": config, "writer": writer}[kind]


def _graph(kind: str) -> Any:
    from langgraph.graph import END, START, StateGraph

    builder = StateGraph(State).add_node("up", _node(kind)).add_edge(START, "up")
    builder.add_conditional_edges("up", lambda state: "up" if state["n"] < STEPS else END)
    return builder.compile()


def _step(app: Any, repeats: int) -> float:
    """CPU seconds of one superstep, of the quickest of `repeats` runs."""
    best = float("inf")
    for _ in range(repeats):
        start = process_time()
        result = app.invoke({"n": 0}, CONFIG)
        best = min(best, process_time() - start)
        assert result == {"n": STEPS}
    return best / STEPS


class Superstep:
    """One superstep of a graph that is handed over."""

    params = (KINDS,)
    param_names = ("node",)
    version = "1"

    def setup(self, node: str) -> None:
        """Build the graph, and hand it over."""
        from vecgraph.interop import from_langgraph

        self.graph = _graph(node)
        self.app = from_langgraph(self.graph)
        assert self.app.invoke({"n": 0}, CONFIG) == {"n": STEPS}

    def track_step(self, node: str) -> float:
        """CPU seconds a superstep, the best of several runs."""
        return _step(self.app, 20)

    track_step.unit = "s"  # type: ignore[attr-defined]

    def track_langgraph_over_ours(self, node: str) -> float:
        """How many times as long LangGraph takes, in the same process."""
        return _step(self.graph, 3) / _step(self.app, 20)

    track_langgraph_over_ours.unit = "ratio"  # type: ignore[attr-defined]


class Batch:
    """Seconds for n_runs runs of a graph of plain functions that is handed over."""

    params = ([1, 1_000],)
    param_names = ("n_runs",)
    version = "1"

    def setup(self, n_runs: int) -> None:
        """Build the graph, and hand it over."""
        from vecgraph.interop import from_langgraph

        self.app = from_langgraph(_graph("plain"))
        self.rows = [{"n": row % STEPS} for row in range(n_runs)]

    def time_batch(self, n_runs: int) -> None:
        results = self.app.batch(self.rows, CONFIG)
        assert results == [{"n": STEPS}] * n_runs

"""Checkpoints of many runs as a data frame, against LangGraph's way: a list of checkpoints."""

from __future__ import annotations

import numpy as np

from benchmarks.axis import sizes
from vecgraph.graph import END, START, StateGraph

STEPS = 10
"""Checkpoints of each run, those of the input and of START included."""


class Histories:
    """A frame of every state that runs with 4 small channels went through; seconds per frame."""

    params = (["vecgraph", "langgraph"], sizes(1_000, 100_000))
    param_names = ("library", "n_runs")
    version = "1"
    timeout = 600
    number = 1

    def setup(self, library: str, n_runs: int) -> None:
        """Run a batch, and for LangGraph's savers a thousandth of it."""
        if library == "langgraph":
            self.n, self.saver = min(n_runs, 1_000), _theirs(min(n_runs, 1_000))
        else:
            self.n, self.saver = n_runs, _ours(n_runs)
        self.scale = n_runs / self.n
        self.frame(library)

    def frame(self, library: str) -> object:
        """Make the frame."""
        import pandas as pd

        if library == "vecgraph":
            from vecgraph.frames import checkpoints_df

            return checkpoints_df(self.saver)
        return pd.DataFrame(
            {
                "thread_id": item.config["configurable"]["thread_id"],
                "step": item.metadata["step"],
                "ts": item.checkpoint["ts"],
                "source": item.metadata["source"],
                **item.checkpoint["channel_values"],
            }
            for item in self.saver.list(None)
        )

    def time_frame(self, library: str, n_runs: int) -> None:
        """Make the frame; LangGraph's of at most a thousand runs, whose time grows with them."""
        assert len(self.frame(library)) == self.n * STEPS

    def track_us_per_checkpoint(self, library: str, n_runs: int) -> float:
        """Microseconds for each checkpoint."""
        from time import perf_counter

        begin = perf_counter()
        made = self.frame(library)
        return (perf_counter() - begin) / len(made) * 1e6

    track_us_per_checkpoint.unit = "us"


def _ours(n_runs: int) -> object:
    from vecgraph.checkpoint.memory import InMemorySaver

    saver = InMemorySaver()
    graph = StateGraph(_state())
    graph.add_node(
        "step",
        lambda batch: {
            "a": batch["a"] + 1,
            "b": batch["b"] * 1.5,
            "c": ~batch["c"],
            "d": batch["d"] ^ 3,
        },
        batched=True,
    )
    graph.add_edge(START, "step")
    graph.add_conditional_edges(
        "step", lambda batch: batch["a"] < STEPS - 2, {True: "step", False: END}, batched=True
    )
    columns = {
        "a": np.zeros(n_runs, np.int64),
        "b": np.ones(n_runs),
        "c": np.zeros(n_runs, np.bool_),
        "d": np.arange(n_runs),
    }
    app = graph.compile(checkpointer=saver)
    app.batch(columns, {"configurable": {"thread_id": "t"}})
    return saver


def _theirs(n_runs: int) -> object:
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.graph import END, START, StateGraph

    saver = InMemorySaver()
    graph = StateGraph(_state())
    graph.add_node(
        "step",
        lambda state: {
            "a": state["a"] + 1,
            "b": state["b"] * 1.5,
            "c": not state["c"],
            "d": state["d"] ^ 3,
        },
    )
    graph.add_edge(START, "step")
    graph.add_conditional_edges("step", lambda state: "step" if state["a"] < STEPS - 2 else END)
    app = graph.compile(checkpointer=saver)
    for run in range(n_runs):
        app.invoke(
            {"a": 0, "b": 1.0, "c": False, "d": run}, {"configurable": {"thread_id": f"t/{run}"}}
        )
    return saver


def _state() -> type:
    from typing import TypedDict

    return TypedDict("State", {"a": int, "b": float, "c": bool, "d": int})

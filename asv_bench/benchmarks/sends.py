"""Very many Sends: of one run, or ten of each of many, into a reducer."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

import numpy as np

import vecgraph as vg
from benchmarks.axis import sizes
from vecgraph.graph import END, START, StateGraph


class SendState(TypedDict):
    """How many are sent, what each gets, and the sum of what comes back."""

    count: int
    x: int
    total: Annotated[int, operator.add]


def _split(batch: Any) -> Any:
    count = batch["count"]
    first = np.cumsum(count) - count
    parents = np.repeat(np.arange(len(batch)), count)
    return vg.Sends(parents, "work", {"x": np.arange(len(parents)) - first[parents]})


def _work(batch: Any) -> Any:
    return {"total": (batch["x"] * 7 + 3) & 0xFFFF}


class Sends:
    """Time and memory of a batch that sends `n_sends` packets, all of one run or ten a run."""

    params = (["one run", "ten a run"], sizes(1_000, 100_000, 1_000_000))
    param_names = ("of", "n_sends")
    version = "1"
    timeout = 300

    def setup(self, of: str, n_sends: int) -> None:
        """Compile the graph, and compute by hand what it must give."""
        builder = StateGraph(SendState)
        builder.add_node("split", _split, batched=True)
        builder.add_node("work", _work, batched=True)
        builder.add_edge(START, "split")
        builder.add_edge("work", END)
        self.app = builder.compile()
        each = n_sends if of == "one run" else 10
        runs = n_sends // each
        self.table = {"count": np.full(runs, each), "x": np.zeros(runs, np.int64)}
        self.expected = int(((np.arange(each) * 7 + 3) & 0xFFFF).sum())

    def _checked_run(self) -> None:
        assert (self.app.batch(self.table).values("total") == self.expected).all()

    def time_batch(self, of: str, n_sends: int) -> None:
        """Run the batch."""
        self._checked_run()

    def peakmem_batch(self, of: str, n_sends: int) -> None:
        """Run the batch."""
        self._checked_run()

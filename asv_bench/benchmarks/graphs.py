"""The graphs that the benchmarks run, each in every form that a user could have written.

A graph comes as scalar node functions (run row by row by vecgraph, by LangGraph and by a plain
Python loop) and as vector node functions; `baselines` has the same arithmetic by hand.
All arithmetic is on integers and on exactly representable steps of floats, so that every form
gives the same bits and the benchmarks can compare them with ``==``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vecgraph.graph import END, START, StateGraph

Array = npt.NDArray[Any]
Columns = dict[str, Array]
Row = dict[str, Any]

COUNTER_STEPS = 20
BRANCHY_ROUNDS = 6
BRANCHES = ("halve", "quarter", "shift")


@dataclass(frozen=True)
class Case:
    """One graph in all its forms.

    Attributes
    ----------
    schema : type
        TypedDict of the channels.
    columns : callable
        ``columns(n)``: the input of n runs, one array per channel; the same at every call.
    nodes, routers : dict
        Scalar functions by node name; a router returns the next node's name or ``END``.
    vector_nodes, vector_routers : dict
        The same on columns; a router returns integer codes into `paths`.
    paths : dict
        By node name, the destinations of its router, in the order of the codes.
    first : str
        Node where a run starts.
    edges : tuple of (str, str)
        Unconditional edges.
    recursion_limit : int
        Above the longest run.
    """

    schema: type
    columns: Callable[[int], Columns]
    nodes: dict[str, Callable[[Row], Row]]
    routers: dict[str, Callable[[Row], str]]
    vector_nodes: dict[str, Callable[[Mapping[str, Array]], Columns]]
    vector_routers: dict[str, Callable[[Mapping[str, Array]], Array]]
    paths: dict[str, list[str]]
    first: str
    edges: tuple[tuple[str, str], ...] = ()
    recursion_limit: int = 25

    def table(self, n: int) -> pa.Table:
        """Input of n runs as an Arrow table."""
        return pa.table(self.columns(n))

    def rows(self, n: int) -> list[Row]:
        """Input of n runs as a list of dicts of Python scalars."""
        return self.table(n).to_pylist()

    def build(self, graph: type = StateGraph, *, vector: bool = False) -> Any:
        """Compile the graph with `graph`, which is vecgraph's StateGraph or LangGraph's.

        Parameters
        ----------
        graph : type
            Builder class.
        vector : bool
            Use the vector nodes and routers; vecgraph only.
        """
        nodes, routers = (
            (self.vector_nodes, self.vector_routers) if vector else (self.nodes, self.routers)
        )
        batched = {"batched": True} if vector else {}
        builder = graph(self.schema)
        for name, node in nodes.items():
            builder.add_node(name, node, **batched)
        builder.add_edge(START, self.first)
        for source, target in self.edges:
            builder.add_edge(source, target)
        for source, router in routers.items():
            builder.add_conditional_edges(source, router, self.paths[source], **batched)
        return builder.compile()


# counter: one node, a loop of COUNTER_STEPS; all runs march together


class CounterState(TypedDict):
    """An int and a float channel."""

    n: int
    x: float


def _counter_step(state: Any) -> Any:
    # The same text runs on scalars and on columns.
    return {"n": state["n"] + 1, "x": state["x"] * 0.5 + 1.0}


def _counter_columns(n: int) -> Columns:
    return {"n": np.zeros(n, np.int64), "x": np.arange(n, dtype=float)}


COUNTER = Case(
    schema=CounterState,
    columns=_counter_columns,
    nodes={"step": _counter_step},
    routers={"step": lambda state: "step" if state["n"] < COUNTER_STEPS else END},
    vector_nodes={"step": _counter_step},
    vector_routers={"step": lambda batch: (batch["n"] >= COUNTER_STEPS).view(np.int8)},
    paths={"step": ["step", END]},
    first="step",
)

# branchy: a hub, a three-way router, three branches that lead back; 12 supersteps


class BranchyState(TypedDict):
    """A round counter, a pseudo-random walk that routes, and a float that the branches change."""

    k: int
    x: int
    y: float


def _hub(state: Any) -> Any:
    return {"k": state["k"] + 1, "x": (state["x"] * 1103 + 12345) & 0xFFFF}


def _halve(state: Any) -> Any:
    return {"y": state["y"] * 0.5 + 1.0}


def _quarter(state: Any) -> Any:
    return {"y": state["y"] * 0.25 + 2.0}


def _shift(state: Any) -> Any:
    return {"y": state["y"] + 0.125}


def _again(state: Row) -> str:
    return "hub" if state["k"] < BRANCHY_ROUNDS else END


def _again_codes(batch: Mapping[str, Array]) -> Array:
    return (batch["k"] >= BRANCHY_ROUNDS).view(np.int8)


def _branchy_columns(n: int) -> Columns:
    rng = np.random.default_rng(0)
    return {
        "k": np.zeros(n, np.int64),
        "x": rng.integers(0, 1 << 16, n),
        "y": rng.standard_normal(n),
    }


_BRANCHY_NODES = {"hub": _hub, "halve": _halve, "quarter": _quarter, "shift": _shift}

BRANCHY = Case(
    schema=BranchyState,
    columns=_branchy_columns,
    nodes=dict(_BRANCHY_NODES),
    routers={
        "hub": lambda state: BRANCHES[state["x"] % 3],
        **dict.fromkeys(BRANCHES, _again),
    },
    vector_nodes=dict(_BRANCHY_NODES),
    vector_routers={
        "hub": lambda batch: (batch["x"] % 3).astype(np.int8),
        **dict.fromkeys(BRANCHES, _again_codes),
    },
    paths={"hub": list(BRANCHES), **{name: ["hub", END] for name in BRANCHES}},
    first="hub",
)

# collatz: one node, a loop whose length differs from run to run


class CollatzState(TypedDict):
    """The number and the steps taken."""

    n: int
    steps: int


def _collatz_step(state: Row) -> Row:
    n = state["n"]
    return {"n": 3 * n + 1 if n & 1 else n >> 1, "steps": state["steps"] + 1}


def _collatz_step_columns(batch: Mapping[str, Array]) -> Columns:
    # Blended without a branch: `np.where` on a mask that nobody can predict costs more.
    n = batch["n"]
    half = n >> 1
    return {"n": half + (n & 1) * (3 * n + 1 - half), "steps": batch["steps"] + 1}


def _collatz_columns(n: int) -> Columns:
    rng = np.random.default_rng(0)
    return {"n": rng.integers(2, 1_000, n), "steps": np.zeros(n, np.int64)}


COLLATZ = Case(
    schema=CollatzState,
    columns=_collatz_columns,
    nodes={"step": _collatz_step},
    routers={"step": lambda state: "step" if state["n"] != 1 else END},
    vector_nodes={"step": _collatz_step_columns},
    vector_routers={"step": lambda batch: (batch["n"] == 1).view(np.int8)},
    paths={"step": ["step", END]},
    first="step",
    # No start below 1,000 needs more than 178 steps.
    recursion_limit=200,
)

CASES = {"counter": COUNTER, "branchy": BRANCHY, "collatz": COLLATZ}

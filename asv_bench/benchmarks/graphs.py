"""The graphs that the benchmarks run, each in every form that a user could have written.

A graph comes as scalar node functions (run row by row by vecgraph, by LangGraph and by a plain
Python loop) and as vector node functions; `baselines` has the same arithmetic by hand.
All arithmetic is on integers and on exactly representable steps of floats, so that every form
gives the same bits and the benchmarks can compare them with ``==``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
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
        ``columns(n, seed=0)``: the input of n runs, one array per channel; the same at every call
        with the same seed. A graph whose runs can be made longer takes ``n_steps=`` too.
    nodes, routers : dict
        Scalar functions by node name; a router returns the next node's name or ``END``.
    vector_nodes, vector_routers : dict
        The same on columns; a router returns integer codes into `paths`.
    paths : dict
        By node name, the destinations of its router, in the order of the codes.
    first : str
        Node where a run starts.
    supersteps : callable
        ``supersteps(columns)``: supersteps that these runs take together.
    edges : tuple of (str, str)
        Unconditional edges.
    recursion_limit : int
        Above the longest run.
    sending : dict
        By node name, a function of the library's ``Send`` class that gives a router.
    make_rows : callable or None
        ``make_rows(n, seed=0)`` where the input is not a table of numbers.
    """

    schema: type
    columns: Callable[..., Columns]
    nodes: dict[str, Callable[[Row], Row]]
    routers: dict[str, Callable[[Row], str]]
    vector_nodes: dict[str, Callable[[Mapping[str, Array]], Columns]]
    vector_routers: dict[str, Callable[[Mapping[str, Array]], Array]]
    paths: dict[str, list[str]]
    first: str
    supersteps: Callable[[Columns], int]
    edges: tuple[tuple[str, str], ...] = ()
    recursion_limit: int = 25
    sending: dict[str, Callable[[Any], Callable[[Any], list[Any]]]] = field(default_factory=dict)
    make_rows: Callable[..., list[Row]] | None = None

    def table(self, n: int, seed: int = 0, **size: int) -> pa.Table:
        """Input of n runs as an Arrow table."""
        return pa.table(self.columns(n, seed, **size))

    def rows(self, n: int, seed: int = 0, **size: int) -> list[Row]:
        """Input of n runs as a list of dicts of Python scalars."""
        if self.make_rows is not None:
            return self.make_rows(n, seed, **size)
        return self.table(n, seed, **size).to_pylist()

    def build(self, graph: type = StateGraph, *, vector: bool = False, **options: Any) -> Any:
        """Compile the graph with `graph`, which is vecgraph's StateGraph or LangGraph's.

        Parameters
        ----------
        graph : type
            Builder class.
        vector : bool
            Use the vector nodes and routers; vecgraph only.
        **options
            Passed to ``compile``.
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
        if not vector:
            library = import_module(graph.__module__.partition(".")[0] + ".types")
            for source, make in self.sending.items():
                builder.add_conditional_edges(source, make(library.Send), self.paths[source])
        return builder.compile(**options)


# counter: one node, a loop of COUNTER_STEPS; all runs march together


class CounterState(TypedDict):
    """An int and a float channel."""

    n: int
    x: float


def _counter_step(state: Any) -> Any:
    # The same text runs on scalars and on columns.
    return {"n": state["n"] + 1, "x": state["x"] * 0.5 + 1.0}


def _counter_columns(n: int, seed: int = 0, n_steps: int = COUNTER_STEPS) -> Columns:
    # The end is the same for all: more steps are a start further away.
    start = np.full(n, COUNTER_STEPS - n_steps, np.int64)
    return {"n": start, "x": np.arange(seed, seed + n, dtype=float)}


COUNTER = Case(
    schema=CounterState,
    columns=_counter_columns,
    nodes={"step": _counter_step},
    routers={"step": lambda state: "step" if state["n"] < COUNTER_STEPS else END},
    vector_nodes={"step": _counter_step},
    vector_routers={"step": lambda batch: (batch["n"] >= COUNTER_STEPS).view(np.int8)},
    paths={"step": ["step", END]},
    first="step",
    supersteps=lambda columns: int((COUNTER_STEPS - columns["n"]).sum()),
    recursion_limit=1_100,
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


def _third_codes(batch: Mapping[str, Array]) -> Array:
    # NumPy divides by a scalar with SIMD, but has no such form of the remainder.
    x = batch["x"]
    return (x - x // 3 * 3).astype(np.int8)


def _branchy_columns(n: int, seed: int = 0) -> Columns:
    rng = np.random.default_rng(seed)
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
        "hub": _third_codes,
        **dict.fromkeys(BRANCHES, _again_codes),
    },
    paths={"hub": list(BRANCHES), **{name: ["hub", END] for name in BRANCHES}},
    first="hub",
    supersteps=lambda columns: 2 * BRANCHY_ROUNDS * columns["k"].size,
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


def _collatz_columns(n: int, seed: int = 0) -> Columns:
    rng = np.random.default_rng(seed)
    return {"n": rng.integers(2, 1_000, n), "steps": np.zeros(n, np.int64)}


def _collatz_supersteps(columns: Columns) -> int:
    n, total = columns["n"], 0
    while n.size:
        total += n.size
        n = _collatz_step_columns({"n": n, "steps": n})["n"]
        n = n[n != 1]
    return total


COLLATZ = Case(
    schema=CollatzState,
    columns=_collatz_columns,
    nodes={"step": _collatz_step},
    routers={"step": lambda state: "step" if state["n"] != 1 else END},
    vector_nodes={"step": _collatz_step_columns},
    vector_routers={"step": lambda batch: (batch["n"] == 1).view(np.int8)},
    paths={"step": ["step", END]},
    first="step",
    supersteps=_collatz_supersteps,
    # No start below 1,000 needs more than 178 steps.
    recursion_limit=200,
)

CASES = {"counter": COUNTER, "branchy": BRANCHY, "collatz": COLLATZ}

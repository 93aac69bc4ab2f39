"""Every form in which a graph can be run, behind one interface, with inputs that are fresh.

A branch predictor learns a pattern that it sees a few times, and then NumPy looks faster on small
batches than it is on new data. So each timed call gets another input of the same size.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.baselines import NUMPY, assert_equal, langgraph_app, plain_counter, python_loop
from benchmarks.compiled import kernel, numba_run
from benchmarks.graphs import Columns
from benchmarks.more_graphs import ALL
from benchmarks.neograph import neograph_engine
from vecgraph.graph import StateGraph

Run = Callable[[Any], Any]

NUMERIC = ("counter", "branchy", "collatz")
POOL_ROWS = {"table": 65_536, "columns": 65_536, "rows": 4_096}
POOL_INPUTS = 32


def columns_of(result: Any) -> Columns:
    """Output columns of a BatchResult, zero-copy where Arrow allows."""
    table = result.table
    return {name: table.column(name).to_numpy() for name in table.column_names}


def _config(graph: str) -> Any:
    return {"recursion_limit": ALL[graph].recursion_limit}


def _vector(graph: str) -> Run:
    app, config = ALL[graph].build(vector=True), _config(graph)
    return lambda table: columns_of(app.batch(table, config=config))


def _unchanged(graph: str) -> Run:
    if "tracing" not in inspect.signature(StateGraph.compile).parameters:
        raise NotImplementedError("scalar nodes have one tier here: see rowwise")
    return _batch(graph, ALL[graph].build())


def _traced(graph: str) -> Run:
    if graph not in NUMERIC:
        raise NotImplementedError("not all of its functions are traced")
    app, config = ALL[graph].build(tracing="require"), _config(graph)
    return lambda table: columns_of(app.batch(table, config=config))


def _jit(graph: str) -> Run:
    if "jit" not in inspect.signature(StateGraph.compile).parameters or graph not in NUMERIC:
        raise NotImplementedError("no graph of numbers, one node after the other")
    try:
        app, config = ALL[graph].build(jit=True), _config(graph)
    except ImportError as error:
        raise NotImplementedError("Numba is not installed") from error
    app.batch(ALL[graph].table(100), config=config)
    assert app.engine.jitted.why_not() is None
    return lambda table: columns_of(app.batch(table, config=config))


def _rowwise(graph: str) -> Run:
    has_tiers = "tracing" in inspect.signature(StateGraph.compile).parameters
    return _batch(graph, ALL[graph].build(**({"tracing": "off"} if has_tiers else {})))


def _batch(graph: str, app: Any) -> Run:
    config = _config(graph)
    if graph == "async":
        return lambda rows: asyncio.run(app.abatch(rows, config))
    return lambda rows: app.batch(rows, config)


def _numpy(graph: str) -> Run:
    return NUMPY[graph]


def _plain_numpy(graph: str) -> Run:
    if graph != "counter":
        raise NotImplementedError("written for the graph whose runs march together")
    return plain_counter


def _numba(graph: str) -> Run:
    kernel(graph)
    numba_run(graph, ALL[graph].columns(1))
    return lambda columns: numba_run(graph, columns)


def _python(graph: str) -> Run:
    return lambda rows: python_loop(graph, rows)


def _langgraph(graph: str) -> Run:
    app, config = langgraph_app(graph), _config(graph)
    if graph == "async":

        async def one_by_one(rows: list[Any]) -> list[Any]:
            return [await app.ainvoke(row, config) for row in rows]

        return lambda rows: asyncio.run(one_by_one(rows))
    return lambda rows: [app.invoke(row, config) for row in rows]


def _langgraph_batch(graph: str) -> Run:
    if graph == "async":
        raise NotImplementedError("LangGraph runs coroutines with abatch only")
    app, config = langgraph_app(graph), _config(graph)
    return lambda rows: app.batch(rows, config)


def _langgraph_abatch(graph: str) -> Run:
    app, config = langgraph_app(graph), _config(graph)
    return lambda rows: asyncio.run(app.abatch(rows, config))


@dataclass(frozen=True)
class Form:
    """One way to run a graph.

    Attributes
    ----------
    prepare : callable
        ``prepare(graph)`` compiles the graph and gives a function from an input to its output.
    kind : str
        What the input is: ``"table"`` (Arrow), ``"columns"`` (dict of arrays) or ``"rows"``.
        The output is columns for the first two and rows for the last.
    most : int
        Batches are not larger: the time per run is known by then, and so is the waiting.
    most_of : dict
        The same for single graphs.
    """

    prepare: Callable[[str], Run]
    kind: str
    most: int
    most_of: dict[str, int] = field(default_factory=dict)

    def limit(self, graph: str) -> int:
        """Give the largest batch that is measured."""
        return self.most_of.get(graph, self.most)


FORMS = {
    "vector": Form(_vector, "table", 1_000_000),
    "traced": Form(_traced, "table", 1_000_000),
    "jit": Form(_jit, "table", 1_000_000),
    "unchanged": Form(_unchanged, "rows", 10_000, dict.fromkeys(NUMERIC, 1_000_000)),
    "rowwise": Form(_rowwise, "rows", 10_000, dict.fromkeys(NUMERIC, 100_000)),
    "numpy": Form(_numpy, "columns", 1_000_000),
    "plain numpy": Form(_plain_numpy, "columns", 1_000_000),
    "numba": Form(_numba, "columns", 1_000_000),
    "python": Form(_python, "rows", 10_000, dict.fromkeys(NUMERIC, 100_000)),
    "neograph": Form(neograph_engine, "rows", 1_000),
    "langgraph": Form(_langgraph, "rows", 100),
    "langgraph_batch": Form(_langgraph_batch, "rows", 100),
    "langgraph_abatch": Form(_langgraph_abatch, "rows", 100),
}
"""By name: vecgraph's own forms, what can be written by hand, and other engines."""


class Job:
    """One graph in one form, with inputs and the outputs that they must give.

    Parameters
    ----------
    graph, form : str
        Keys of `ALL` and of `FORMS`.
    n_runs : int
        Runs in each input.
    most_inputs : int
        Inputs to make at most; small ones are many, so that nothing learns them.
    **size : int
        ``n_steps`` for graphs whose runs can be made longer.

    Raises
    ------
    NotImplementedError
        The graph has no such form, a library is missing, or the batch is larger than is useful;
        asv shows the benchmark as not applicable.
    """

    def __init__(
        self, graph: str, form: str, n_runs: int, most_inputs: int = POOL_INPUTS, **size: int
    ) -> None:
        case, chosen = ALL[graph], FORMS[form]
        if n_runs > chosen.limit(graph):
            raise NotImplementedError(f"not measured beyond {chosen.limit(graph)} runs")
        if chosen.kind != "rows" and not case.vector_nodes:
            raise NotImplementedError(f"{graph} has no form for columns")
        self.run = chosen.prepare(graph)
        self.columns = chosen.kind != "rows"
        make = {"table": case.table, "columns": case.columns, "rows": case.rows}[chosen.kind]
        count = max(1, min(most_inputs, POOL_ROWS[chosen.kind] // n_runs))
        self.inputs = [make(n_runs, seed, **size) for seed in range(count)]
        if self.columns:
            expect = (NUMPY[graph](case.columns(n_runs, seed, **size)) for seed in range(count))
            self.expected: list[Any] = list(expect)
        else:
            self.expected = [python_loop(graph, rows) for rows in self.inputs]
        self.calls = 0

    def check(self, output: Any, number: int) -> None:
        """Compare an output with what input `number` must give.

        Raises
        ------
        AssertionError
            A value differs.
        """
        if self.columns:
            assert_equal(output, self.expected[number])
        else:
            assert output == self.expected[number]

    def next(self) -> int:
        """Give the number of the input that has rested longest."""
        self.calls += 1
        return self.calls % len(self.inputs)

    def checked_run(self) -> None:
        """Run the next input and compare the output."""
        number = self.next()
        self.check(self.run(self.inputs[number]), number)

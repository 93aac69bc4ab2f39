"""Runs that wait: what the engine adds to the waiting, in wall time and in CPU.

Each run awaits AWAITS times; at most CONCURRENCY runs wait at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter, process_time
from typing import Any, TypedDict

from benchmarks.axis import sizes
from benchmarks.graphs import Row
from benchmarks.more_graphs import AWAITS
from vecgraph.graph import END, START, StateGraph

CONCURRENCY = 5_000
NAP_PER_RUN = 200e-6
"""Seconds of a nap for each run that naps at once: what a bare event loop has ample time for."""

Call = Callable[[list[Row]], Awaitable[list[Row]]]
Nap = Callable[[Any], Awaitable[Row]]


class NapState(TypedDict):
    """A counter."""

    k: int


def _nap(seconds: float) -> Nap:
    async def nap(state: Any) -> Row:
        await asyncio.sleep(seconds)
        return {"k": state["k"] + 1}

    return nap


def _again(state: Row) -> str:
    return "nap" if state["k"] < AWAITS else END


def _compiled(graph: Any, nap: Nap) -> Call:
    builder = graph(NapState)
    builder.add_node("nap", nap)
    builder.add_edge(START, "nap")
    builder.add_conditional_edges("nap", _again, ["nap", END])
    app = builder.compile()
    return lambda rows: app.abatch(rows, {"max_concurrency": CONCURRENCY})


def _bare(nap: Nap) -> Call:
    """Coroutines by hand, as many at once as a semaphore lets through."""

    async def call(rows: list[Row]) -> list[Row]:
        free = asyncio.Semaphore(CONCURRENCY)

        async def run(row: Row) -> Row:
            async with free:
                while _again(row) != END:
                    row = {**row, **await nap(row)}
            return row

        return await asyncio.gather(*map(run, rows))

    return call


def _langgraph(nap: Nap) -> Call:
    try:
        from langgraph.graph import StateGraph as LangGraphStateGraph
    except ImportError as error:
        raise NotImplementedError("LangGraph is not installed") from error
    return _compiled(LangGraphStateGraph, nap)


FORMS: dict[str, Callable[[Nap], Call]] = {
    "vecgraph": lambda nap: _compiled(StateGraph, nap),
    "asyncio": _bare,
    "langgraph": _langgraph,
}


class Waiting:
    """AWAITS naps a run, on one event loop."""

    params = (list(FORMS), sizes(100, 1_000, 5_000))
    param_names = ("form", "n_runs")
    version = "1"
    timeout = 300

    def setup(self, form: str, n_runs: int) -> None:
        """Compile the graph, and run two rows that do not sleep to warm it up."""
        if form == "langgraph" and n_runs > 100:
            raise NotImplementedError("not measured beyond 100 runs")
        self.nap = NAP_PER_RUN * min(n_runs, CONCURRENCY)
        self.call = FORMS[form](_nap(self.nap))
        self.rows = [{"k": 0} for _ in range(n_runs)]
        asyncio.run(FORMS[form](_nap(0.0))(self.rows[:2]))

    def _run(self, rows: list[Row]) -> tuple[float, float]:
        """Seconds of wall time and of CPU time."""

        async def timed() -> tuple[float, float]:
            start = perf_counter(), process_time()
            ended = await self.call(rows)
            taken = perf_counter() - start[0], process_time() - start[1]
            assert ended == [{"k": AWAITS}] * len(rows)
            return taken

        return asyncio.run(timed())

    def track_wall_over_ideal(self, form: str, n_runs: int) -> float:
        """Track the wall time over that of waiting alone."""
        waves = -(-n_runs // CONCURRENCY)
        return self._run(self.rows)[0] / (waves * AWAITS * self.nap)

    def track_cpu_us_per_step(self, form: str, n_runs: int) -> float:
        """Track the CPU time per run and superstep."""
        return self._run(self.rows)[1] / (n_runs * AWAITS) * 1e6

    track_wall_over_ideal.unit = "ratio"  # type: ignore[attr-defined]
    track_cpu_us_per_step.unit = "us"  # type: ignore[attr-defined]

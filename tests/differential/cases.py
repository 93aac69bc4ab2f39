"""One comparison: a spec, its rows, and everything that must be equal."""

from __future__ import annotations

import random

from hypothesis import HealthCheck, Phase, settings

from tests.differential.langgraph_side import LANGGRAPH, record
from tests.differential.vecgraph_side import (
    SHORT,
    batched,
    compiled,
    failure,
    paths,
    wrong_tasks,
)
from vecgraph.testing.building import build, build_pregel
from vecgraph.testing.oracle import run
from vecgraph.testing.records import disagreement
from vecgraph.testing.reference import graph_of, pregel_of
from vecgraph.testing.specs import PregelSpec

SIZES = (1, 7, 300)

ORACLE_ONLY = False
"""Leave LangGraph out: for runs with seeded faults, which are about vecgraph alone."""


def examples(count, anew=False):
    """Settings of a differential test: the same examples each time, or `anew` others."""
    return settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=not anew,
        # Shrinking a graph costs minutes; a row and its spec say enough.
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )


def langgraph(spec):
    """Return LangGraph's graph of a spec."""
    make = build_pregel if isinstance(spec, PregelSpec) else build
    return make(spec, LANGGRAPH)


def oracle(spec):
    """Return the oracle's graph of a spec."""
    return pregel_of(spec) if isinstance(spec, PregelSpec) else graph_of(spec)


def truth(spec, rows, by_langgraph, invoke=False):
    """Return each row's record, by LangGraph or by the oracle.

    LangGraph's own choice among several errors of a superstep is a race, so the oracle's
    set of them stands beside it; that LangGraph's is one of these is checked on the way.
    """
    graph = oracle(spec)
    records = [run(graph, row, spec.limit) for row in rows]
    if by_langgraph and not ORACLE_ONLY:
        app, invoke = langgraph(spec), invoke or isinstance(spec, PregelSpec)
        for row, expected in zip(rows, records, strict=True):
            found = disagreement(record(app, row, spec.limit, invoke), expected)
            assert found is None, f"the oracle is not LangGraph: {found}"
    return records


def spread(rows, size, seed=0):
    """Return `size` rows, each one of `rows`, in no order, and which one each is."""
    if size <= len(rows):
        return rows[:size], list(range(size))
    rng = random.Random(seed)
    places = [rng.randrange(len(rows)) for _ in range(size)]
    return [rows[place] for place in places], places


def check_batch(spec, rows, size, tier, by_langgraph=True, make=compiled) -> None:
    """Compare a batch of `size` rows with what LangGraph makes of each."""
    records = truth(spec, rows, by_langgraph)
    app = make(spec, tier)
    batch, places = spread(rows, size)
    for path in paths(app, size):
        results, seen = batched(app, batch, spec.limit, observed=path != SHORT)
        assert len(results) == size
        for row, (place, result) in enumerate(zip(places, results, strict=True)):
            found = failure(records[place], result)
            if found is None and path != SHORT:
                found = wrong_tasks(records[place], seen[row])
            assert found is None, f"{path}, row {row} of {size}, input {batch[row]!r}: {found}"


def check_stream(spec, rows, tier, make=compiled) -> None:
    """Compare one run at a time, with inputs, updates and values of every superstep."""
    app = make(spec, tier)
    for row, expected in zip(rows, truth(spec, rows, by_langgraph=True), strict=True):
        found = disagreement(expected, record(app, row, spec.limit))
        assert found is None, f"input {row!r}: {found}"

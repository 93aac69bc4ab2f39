"""Every way to run a batch gives the same: a run's outcome is its own, whatever the engine does.

The general path takes one run at a time in plain Python (`Engine.small` beyond the batch). All
others skip work whose result is known, and must agree with it in value, type, status, steps and
error of each run: columns, lanes that hold few rows and are refilled, lanes with and without the
short superstep, and any order of the rows.
"""

from __future__ import annotations

import operator
import random
from typing import Annotated, TypedDict

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import vecgraph as vg
from tests.differential.vecgraph_side import compiled
from vecgraph.errors import EmptyInputError
from vecgraph.graph import END, START, StateGraph
from vecgraph.testing import difference
from vecgraph.testing.strategies import graphs, numeric_graphs, pregel_graphs, rows

N = 40
ALONE = 10**9
WAYS = [(small, lane, apart) for small in (1,) for lane in (3, 131_072) for apart in (True, False)]


def examples(count):
    """Settings of these tests: shrinking a graph costs minutes, its spec says enough."""
    return settings(
        max_examples=count,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )


def outcomes(app, batch, ids, limit, way):
    """Run a batch one way; return what became of each run, by its id."""
    engine = app.engine
    engine.small, engine.lane, engine.apart = way
    result = app.batch(batch, {"recursion_limit": limit}, ids=ids, columns=True, seed=3)
    failed = {error.row: error for error in result.errors}
    assert len(failed) == len(result.errors), "a run fails once"
    listed = zip(ids, result.to_list(), result.status.tolist(), result.steps.tolist(), strict=True)
    tables = zip(*(result.values(name).tolist() for name in result.columns), strict=True)
    masks = zip(*(result.present(name).tolist() for name in result.columns), strict=True)
    shown = [
        {name: value for name, value, there in zip(result.columns, *pair, strict=True) if there}
        for pair in zip(tables, masks, strict=True)
    ] or [{}] * len(ids)
    return {
        row: (output, values, status, steps, _error(failed.get(row)))
        for (row, output, status, steps), values in zip(listed, shown, strict=True)
    }


def _error(error):
    if error is None:
        return None
    if isinstance(error.exception, EmptyInputError):
        return str(error.exception)  # before any node, so no node and no note to compare
    notes = getattr(error.exception, "__notes__", [])
    return (error.node, error.step, type(error.exception), str(error.exception), len(notes))


def check(app, batch, limit, ways=WAYS):
    """Compare every way with the general path, in order and out of order."""
    ids = list(range(len(batch)))
    expected = outcomes(app, batch, ids, limit, (ALONE, 131_072, True))
    random.Random(len(batch)).shuffle(ids)
    shuffled = [batch[i] for i in ids]
    for way in [(ALONE, 131_072, True), *ways]:
        for order, part in ((sorted(ids), batch), (ids, shuffled)):
            found = outcomes(app, part, order, limit, way)
            for row, outcome in found.items():
                wrong = difference(list(expected[row]), list(outcome))
                assert wrong is None, f"{way}, row {row}, input {batch[row]!r}: {wrong}"


@pytest.mark.parametrize("tier", ["rowwise", "vector", "expr"])
@examples(5)
@given(data=st.data())
def test_numeric_graphs(tier, data) -> None:
    spec = data.draw(numeric_graphs())
    distinct = data.draw(rows(spec, 10, numbers=True))
    check(compiled(spec, tier), (distinct * N)[:N], spec.limit)


@examples(10)
@given(data=st.data())
def test_object_graphs(data) -> None:
    spec = data.draw(graphs())
    distinct = data.draw(rows(spec, 10, numbers=False))
    check(compiled(spec), (distinct * N)[:N], spec.limit)


@examples(10)
@given(data=st.data())
def test_pregel_graphs(data) -> None:
    spec = data.draw(pregel_graphs())
    distinct = data.draw(rows(spec, 10, numbers=True))
    check(compiled(spec), (distinct * N)[:N], spec.limit)


class State(TypedDict, total=False):
    x: float
    n: int
    total: Annotated[int, operator.add]
    log: Annotated[list, operator.add]


ACTS = (
    "array",
    "scalar",
    "updates",
    "list",
    "goto",
    "sends",
    "random",
    "raises",
    "rows",
    "nothing",
)
NODES = ("a", "b", "c")


def vector_node(act, at):
    """Return a vector node whose effect on a run depends on that run alone."""

    def node(batch, runtime):
        n = batch["n"]
        odd = (n + at) % 2 == 1
        found = {
            "array": lambda: {"x": n * 0.5 + at, "total": n},
            "scalar": lambda: {"x": 1.5, "total": 1},
            "updates": lambda: vg.Updates(odd, {"x": n[odd] * 2.0, "n": n[odd] + 1}),
            "list": lambda: [{"total": n}, vg.Updates(np.flatnonzero(odd), {"total": 10})],
            "goto": lambda: [vg.Goto(odd, "sink"), {"total": 1}],
            "sends": lambda: vg.Sends(
                np.repeat(np.arange(len(batch)), n % 3), "sink", {"n": np.repeat(n, n % 3)}
            ),
            "random": lambda: {"x": runtime.rng.random()},
            "rows": lambda: {"total": batch.rows},
            "nothing": dict,
        }
        if act == "raises":
            if (n % 5 == at).any():
                raise ValueError(f"at {at}")
            return {"n": n + 1}
        return found[act]()

    return node


ROUTES = ("codes", "bools", "labels", "edge", "goto")


def route(builder, kind, source, targets):
    """Add a router of a kind; it sends a run on by its ``n`` and ``total``."""
    first, second = targets
    if kind == "edge":
        builder.add_edge(source, first)
        return

    def chosen(batch):
        more = batch["n"] % 2 == 0
        return more & (batch["total"] % 3 != 1) if "total" in batch else more

    ways = {
        "codes": (lambda b: chosen(b).astype(np.int8), [second, first]),
        "bools": (chosen, {True: first, False: second}),
        "labels": (lambda b: np.where(chosen(b), first, second), None),
        "goto": (lambda b: vg.Goto(None, np.where(chosen(b), first, second).tolist()), None),
    }
    fn, path_map = ways[kind]
    if path_map is not None and len(set(targets)) == 1 and kind == "codes":
        path_map = {0: second, 1: first}
    builder.add_conditional_edges(source, fn, path_map, batched=True)


@st.composite
def vector_apps(draw):
    """Draw a graph of vector nodes that use all of their contract."""
    builder = StateGraph(State)
    for at, name in enumerate(NODES):
        options = {"on_error": "split"}
        options |= draw(st.sampled_from([{}, {}, {"max_batch": 4}]))
        act = draw(st.sampled_from(ACTS))
        if act != "raises":
            options.pop("on_error")
        builder.add_node(name, vector_node(act, at), batched=True, **options)
    builder.add_node(
        "sink", lambda batch: {"log": [[n] for n in batch["n"].tolist()]}, batched=True
    )
    builder.add_edge(START, "a")
    if draw(st.integers(0, 3)) == 0:
        builder.add_edge(START, "b")
    for at, name in enumerate(NODES):
        ahead = [*NODES[at:], END] if draw(st.booleans()) else [*NODES[at + 1 :], END]
        targets = draw(st.tuples(st.sampled_from(ahead), st.sampled_from(ahead)))
        route(builder, draw(st.sampled_from(ROUTES)), name, targets)
    return builder.compile()


@examples(25)
@given(
    app=vector_apps(),
    numbers=st.lists(st.integers(0, 9), min_size=N, max_size=N),
    limit=st.integers(1, 8),
)
def test_vector_nodes_that_use_all_of_their_contract(app, numbers, limit) -> None:
    check(app, [{"n": n} for n in numbers], limit)


@examples(25)
@given(app=vector_apps(), numbers=st.lists(st.integers(0, 9), min_size=1, max_size=N))
def test_a_run_never_notices_its_neighbours(app, numbers) -> None:
    """A run in a batch is that run alone."""
    way = (1, 131_072, True)
    whole = outcomes(app, [{"n": n} for n in numbers], list(range(len(numbers))), 6, way)
    for row in range(0, len(numbers), 7):
        alone = outcomes(app, [{"n": numbers[row]}], [row], 6, way)
        assert difference(list(alone[row]), list(whole[row])) is None

"""Batches in portions, and what is in memory meanwhile."""

from __future__ import annotations

import gc
import operator
import weakref
from typing import Annotated, TypedDict

import numpy as np
import pyarrow as pa
import pytest

from vecgraph.errors import BatchInputError
from vecgraph.footprint import bytes_of, size_of
from vecgraph.graph import END, START, StateGraph


class State(TypedDict, total=False):
    n: int
    x: float
    log: Annotated[list, operator.add]


def app_of(*, batched=True):
    def step(state, runtime):
        return {"n": state["n"] - 1, "x": state["x"] + runtime.rng.random()}

    graph = StateGraph(State)
    graph.add_node("step", step, batched=batched)
    graph.add_edge(START, "step")
    if batched:
        graph.add_conditional_edges(
            "step", lambda batch: batch["n"] > 0, {True: "step", False: END}, batched=True
        )
    else:
        graph.add_conditional_edges("step", lambda state: "step" if state["n"] > 0 else END)
    return graph.compile()


def table(m):
    return pa.table({"n": np.arange(m) % 5, "x": np.arange(m) * 0.25})


def parts(whole, *lengths):
    begin = 0
    for length in lengths:
        yield whole.slice(begin, length)
        begin += length


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("size", [1, 7, 50, 1000])
@pytest.mark.parametrize("lengths", [(100,), (1,) * 100, (33, 0, 60, 7)])
def test_portions_are_together_what_one_batch_is(batched, size, lengths) -> None:
    app, whole = app_of(batched=batched), table(100)
    results = list(app.stream_batches(parts(whole, *lengths), size=size, seed=3))
    assert [len(r) for r in results] == [min(size, 100 - i) for i in range(0, 100, size)]
    expected = app.batch(whole, seed=3)
    assert pa.concat_tables([r.table for r in results]).equals(expected.table)
    assert np.concatenate([r.steps for r in results]).tolist() == expected.steps.tolist()


@pytest.mark.parametrize(
    "make",
    [
        lambda t: t,
        lambda t: t.to_reader(max_chunksize=9),
        lambda t: t.to_pandas(),
        lambda t: {name: t[name].to_numpy() for name in t.column_names},
        lambda t: iter(t.to_batches(max_chunksize=13)),
    ],
)
def test_any_kind_of_table_is_divided(make) -> None:
    app, whole = app_of(), table(40)
    results = list(app.stream_batches(make(whole), size=11))
    assert pa.concat_tables([r.table for r in results]).equals(app.batch(whole).table)


def test_runs_have_the_numbers_of_a_column() -> None:
    app = app_of()
    whole = table(20).append_column("id", pa.array(np.arange(20)[::-1].copy()))
    results = list(app.stream_batches(whole, size=6, ids="id", seed=1))
    expected = app.batch(whole, ids="id", seed=1).table
    assert pa.concat_tables([r.table for r in results]).equals(expected)


def test_rows_are_read_when_their_turn_comes_and_forgotten_after_it() -> None:
    app, whole, pulled, dead = app_of(), table(60), [], []

    def reader():
        for part in parts(whole, *[10] * 6):
            pulled.append(len(pulled))
            yield part

    for number, result in enumerate(app.stream_batches(reader(), size=10)):
        assert len(pulled) <= number + 2
        gc.collect()
        assert all(ref() is None for ref in dead[:-1])
        dead.append(weakref.ref(result))
    assert len(dead) == 6


async def test_portions_on_the_event_loop_are_the_same() -> None:
    app, whole = app_of(), table(30)
    results = [r async for r in app.astream_batches(whole, size=8)]
    assert pa.concat_tables([r.table for r in results]).equals(app.batch(whole).table)


def test_what_cannot_be_a_portion_is_refused() -> None:
    app = app_of()
    with pytest.raises(ValueError, match="size"):
        list(app.stream_batches(table(3), size=0))
    with pytest.raises(TypeError, match="ids"):
        list(app.stream_batches(table(3), ids=[1, 2, 3]))
    two = iter([table(3), table(3).drop_columns("x")])
    with pytest.raises(BatchInputError, match="x"):
        list(app.stream_batches(two, size=3))


def test_a_result_says_what_its_columns_keep() -> None:
    result = app_of().batch(table(1000))
    assert result.memory() == {"n": 8_000, "x": 8_000, "log": result.memory()["log"]}
    lists = [{"n": 1, "x": 0.0, "log": [f"{i:02}" * 500]} for i in range(50)]
    kept = app_of(batched=False).batch(lists, columns=True).memory()["log"]
    assert 50 * 1000 < kept < 50 * 1400


def test_objects_count_once_and_repeated_cells_as_one() -> None:
    text = "t" * 5000
    assert size_of([text] * 100) < 2 * size_of([text])
    assert size_of([{"a": [text]}]) > 5000
    circle: list = []
    circle.append(circle)
    assert size_of(circle) > 0
    assert bytes_of(np.broadcast_to(np.int64(3), 10**6)) == 8
    assert bytes_of(np.zeros((10, 3))) == 240
    assert bytes_of(pa.array([1, 2, 3])) == 24


def test_an_app_says_what_is_in_flight() -> None:
    app, seen = app_of(), []
    app.engine.lane = 100
    app.batch(table(1000), progress=lambda *_: seen.append(app.memory()))
    assert any(memory.channels["n"] >= 400 for memory in seen)
    assert max(memory.results for memory in seen) >= 10_000
    assert seen[-1].total > 0
    assert app.memory().total == 0
    assert app_of().memory().checkpoints is None

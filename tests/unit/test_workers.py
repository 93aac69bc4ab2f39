"""A batch on several cores gives what it gives on one, and ends well when a worker does not."""

from __future__ import annotations

import os
import pickle
import random
import threading
from contextvars import ContextVar
from typing import TypedDict

import numpy as np
import pytest

from vecgraph.app import sharing
from vecgraph.columns import Column
from vecgraph.errors import WorkerError
from vecgraph.graph import END, START, StateGraph
from vecgraph.state import Inputs
from vecgraph.tracing.traced import Traced
from vecgraph.types import interrupt
from vecgraph.workers import cores as counting
from vecgraph.workers import ran_in_threads
from vecgraph.workers.parcel import dumps, pack, unpack

LIMIT = {"recursion_limit": 25}


class State(TypedDict, total=False):
    n: int
    x: float
    word: str


class Odd(ValueError):
    """An exception with an argument of its own."""


def column_app():
    def step(batch, runtime):
        return {"n": batch["n"] - 1, "x": batch["x"] + runtime.rng.random()}

    graph = StateGraph(State)
    graph.add_node("step", step, batched=True)
    graph.add_edge(START, "step")
    graph.add_conditional_edges(
        "step", lambda batch: batch["n"] > 0, {True: "step", False: END}, batched=True
    )
    app = graph.compile()
    app.engine.lane = 12
    return app


def row_app():
    def step(state, runtime):
        if state["n"] == 11:
            raise Odd("eleven")
        if state["n"] == 5:
            interrupt({"at": state["n"]})
        word = state["word"] + "é" * (state["n"] % 2)
        return {"n": state["n"] - 1, "x": state["x"] + runtime.rng.random(), "word": word}

    graph = StateGraph(State)
    graph.add_node("step", step)
    graph.add_edge(START, "step")
    graph.add_conditional_edges("step", lambda state: "step" if state["n"] > 0 else END)
    return graph.compile()


def inputs(m):
    n = np.arange(m) % 4 + 6 * (np.arange(m) % 17 == 0) + 1
    n[n == 5] = 4
    n[7::50], n[9::50], n[11::50] = 11, 5, 99
    return {"n": n, "x": np.arange(m) * 0.5, "word": [f"w{i}" for i in range(m)]}


def outcome(result):
    """Everything that a result says, with the exceptions by what they are."""
    errors = [(e.row, e.node, e.step, type(e.exception), str(e.exception)) for e in result.errors]
    notes = [getattr(e.exception, "__notes__", []) for e in result.errors]
    columns = {name: result.values(name).tolist() for name in result.columns}
    present = {name: result.present(name).tolist() for name in result.columns}
    questions = {
        row: [i.value for i in output.get("__interrupt__", ())]
        for row, output in enumerate(result.to_list())
        if isinstance(output, dict)
    }
    steps = (result.status.tolist(), result.steps.tolist())
    return errors, notes, columns, present, questions, steps


@pytest.mark.parametrize("make", [column_app, row_app], ids=["threads", "processes"])
@pytest.mark.parametrize("workers", [2, 3])
def test_a_batch_does_not_depend_on_its_workers(make, workers) -> None:
    app, batch = make(), inputs(150)
    alone = app.batch(batch, LIMIT, seed=5)
    shared = app.batch(batch, LIMIT, seed=5, workers=workers)
    assert outcome(shared) == outcome(alone)
    assert shared.table.equals(alone.table)
    assert (alone.stats["workers"], shared.stats["workers"]) == (1, workers)
    assert shared.stats["run_steps"] == alone.stats["run_steps"]
    names = {"done", "recursion"} | ({"error", "interrupted"} if make is row_app else set())
    assert set(alone.status) == names


def traced_app():
    """Ordinary functions, all of which have a column form."""
    graph = StateGraph(State)
    graph.add_node("step", lambda state: {"n": state["n"] - 1, "x": state["x"] * 0.5 + state["n"]})
    graph.add_edge(START, "step")
    graph.add_conditional_edges("step", lambda state: "step" if state["n"] > 0 else END)
    app = graph.compile()
    app.engine.lane = 40
    return app


def test_traced_functions_run_in_threads(monkeypatch) -> None:
    """They leave the interpreter to others, as functions of columns do: no process is needed."""
    app, batch = traced_app(), inputs(400)
    alone = app.batch(batch, LIMIT)
    monkeypatch.setattr(sharing, "ran_in_processes", lambda *_: pytest.fail("a process"))
    shared = app.batch(batch, LIMIT, workers=3)
    assert outcome(shared) == outcome(alone)
    assert shared.stats["workers"] == 3


def test_functions_that_are_not_traced_run_in_processes(monkeypatch) -> None:
    monkeypatch.setattr(sharing, "ran_in_threads", lambda *_: pytest.fail("threads"))
    app = row_app()
    assert app.batch(inputs(100), LIMIT, seed=5, workers=2).stats["workers"] == 2


def test_threads_each_compare_a_column_form_that_nobody_has_found_sound() -> None:
    """While one thread compares, another must not take the form as compared."""
    traced = Traced(lambda state: {"x": state["x"] * 2.0})
    x = Column(np.arange(100.0))
    inputs_of = Inputs(100, ("x",), lambda name: x)
    checked, fn = [], traced.fn

    def slow(state):
        if not checked:
            checked.append(state)
            other = threading.Thread(target=traced.answer, args=(inputs_of,))
            other.start()
            other.join()
        else:
            checked.append(state)
        return fn(state)

    traced.fn = slow
    traced.answer(inputs_of)
    # Both have compared every fifth row.
    assert len(checked) == 2 * len(range(1, 100, 5))


@pytest.mark.parametrize("make", [column_app, row_app])
def test_a_list_is_divided_as_a_table_is(make) -> None:
    app = make()
    rows = [{"n": i % 4 + 1, "x": 0.0, "word": "w"} for i in range(100)]
    assert app.batch(rows, workers=2) == app.batch(rows)


@pytest.mark.parametrize("make", [column_app, row_app])
def test_whoever_watches_hears_of_every_run_step(make) -> None:
    app, batch, records, told = make(), inputs(120), [], []
    result = app.batch(
        batch, workers=2, observer=records.append, progress=lambda *n: told.append(n)
    )
    steps = sum(len(record.rows) for record in records)
    assert steps == sum(len(r.rows) for r in watched(app, batch))
    failed = len(result.errors)
    assert told[-1] == (120 - failed, 0, failed, result.stats["run_steps"])


def watched(app, batch):
    records = []
    app.batch(batch, observer=records.append)
    return records


@pytest.mark.parametrize("make", [column_app, row_app])
@pytest.mark.parametrize("pay", [0.0, 1e9])
def test_auto_measures_a_first_part_before_it_divides(make, pay, monkeypatch) -> None:
    monkeypatch.setattr(sharing, "cores", lambda: 2)
    monkeypatch.setattr(sharing, "_GAIN", 1e9)
    monkeypatch.setattr(sharing, "_THREADS_PAY", pay)
    monkeypatch.setattr(sharing, "_PROCESSES_PAY", pay)
    app, batch = make(), inputs(150)
    shared = app.batch(batch, LIMIT, seed=5, workers="auto")
    assert shared.stats["workers"] == (1 if pay else 2)
    assert outcome(shared) == outcome(app.batch(batch, LIMIT, seed=5))


def test_auto_leaves_threads_that_gain_nothing(monkeypatch) -> None:
    monkeypatch.setattr(sharing, "cores", lambda: 2)
    monkeypatch.setattr(sharing, "_THREADS_PAY", 0.0)
    monkeypatch.setattr(sharing, "_GAIN", 0.0)
    spans = []
    run = sharing.Division._on
    monkeypatch.setattr(sharing.Division, "_on", lambda *args: spans.append(args[1:]) or run(*args))
    app = column_app()
    app.batch(inputs(60), workers="auto")
    assert spans == [("threads", (12, 36), 2), ("one", (36, 60), 2)]


def test_a_small_batch_stays_in_this_thread(monkeypatch) -> None:
    monkeypatch.setattr(sharing, "cores", lambda: 8)
    assert row_app().batch(inputs(40), workers="auto").stats["workers"] == 1


def test_a_batch_inside_a_node_stays_in_its_thread() -> None:
    inner = column_app()

    def node(state):
        result = inner.batch(inputs(8), workers=2)
        return {"n": result.stats["workers"]}

    graph = StateGraph(State)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    app = graph.compile()
    assert app.batch({"n": np.arange(40)}).values("n").tolist() == [1] * 40
    assert app.batch({"n": np.arange(40)}, workers=2).values("n").tolist() == [1] * 40


def test_a_worker_that_dies_fails_the_batch_and_no_other() -> None:
    def node(state):
        if state["n"] == 150:
            os._exit(3)
        return {"n": state["n"] + 1}

    graph = StateGraph(State)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    app = graph.compile()
    with pytest.raises(WorkerError, match="exit code 3"):
        app.batch({"n": np.arange(200)}, workers=2)
    assert app.batch({"n": np.arange(100)}, workers=2).values("n").tolist() == list(range(1, 101))


def test_a_graph_that_cannot_be_sent_says_so_or_stays() -> None:
    lock = threading.Lock()

    def node(state):
        with lock:
            return {"n": state["n"] + 1}

    graph = StateGraph(State)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    app = graph.compile()
    with pytest.raises(WorkerError, match="lock"):
        app.batch({"n": np.arange(200)}, workers=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sharing, "_PROCESSES_PAY", 0.0)
        patch.setattr(sharing, "cores", lambda: 2)
        assert app.batch({"n": np.arange(200)}, workers="auto").stats["workers"] == 1


def test_each_process_finds_the_column_forms_of_functions_by_itself(monkeypatch) -> None:
    """They are known by addresses, under which another process has other functions."""
    monkeypatch.delenv("VECGRAPH_TRACING", raising=False)
    graph = StateGraph(State)
    graph.add_node("half", lambda state: {"x": state["x"] / 2})
    graph.add_edge(START, "half")
    app, batch = graph.compile(), {"x": np.arange(200) * 0.5}
    alone = app.batch(batch)
    assert app.engine.tracing._found
    sent = pickle.loads(dumps(app.engine.tracing))
    assert not sent._found
    assert sent._tables is None
    assert app.batch(batch, workers=2).table.equals(alone.table)


def test_an_exception_of_another_process_shows_where_it_was_raised() -> None:
    result = row_app().batch(inputs(200), workers=2)
    cause = result.errors[0].exception.__cause__
    assert "in step" in str(cause)
    assert "Odd: eleven" in str(cause)


@pytest.mark.parametrize("workers", [0, -1, 1.5, True, "many"])
def test_workers_are_a_positive_int_or_auto(workers) -> None:
    with pytest.raises(ValueError, match="workers"):
        row_app().batch(inputs(3), workers=workers)


def test_max_concurrency_bounds_the_workers() -> None:
    result = column_app().batch(inputs(40), {"max_concurrency": 2}, workers=4)
    assert result.stats["workers"] == 2


def test_threads_see_the_callers_context_and_stop_at_the_first_failure() -> None:
    here: ContextVar[int] = ContextVar("here", default=0)
    here.set(7)
    assert ran_in_threads(lambda part: part + here.get(), [1, 2, 3], 2) == [8, 9, 10]
    begun = []

    def fail(part):
        begun.append(part)
        raise Odd(part)

    with pytest.raises(Odd):
        ran_in_threads(fail, range(50), 1)
    assert len(begun) < 50


def test_a_parcel_holds_any_arrays_and_leaves_no_file(tmp_path) -> None:
    value = {
        "a": np.arange(5),
        "none": np.zeros(0),
        "objects": np.array(["x", None, [1]], object),
        "text": "é",
        "bytes": b"b" * random.Random(0).randrange(100),
    }
    back = unpack(pack(value, str(tmp_path)))
    assert not list(tmp_path.iterdir())
    assert {k: v.tolist() if hasattr(v, "tolist") else v for k, v in back.items()} == {
        k: v.tolist() if hasattr(v, "tolist") else v for k, v in value.items()
    }
    back["a"][0] = 9
    assert value["a"][0] == 0


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu.max": "150000 100000"}, 1.5),
        ({"cpu.max": "400000 100000", "a/cpu.max": "200000 100000"}, 2.0),
        ({"v1/cpu.cfs_quota_us": "-1", "v1/cpu.cfs_period_us": "100000"}, None),
        ({"v1/cpu.cfs_quota_us": "300000", "v1/cpu.cfs_period_us": "100000"}, 3.0),
    ],
)
def test_a_quota_is_the_least_of_those_above(files, expected, tmp_path) -> None:
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
    of = tmp_path / "of"
    of.write_text("0::/a\n")
    assert counting_quota(tmp_path, of) == expected


def counting_quota(folder, of):
    from vecgraph.workers.cores import _quota

    return _quota(str(folder), str(folder / "v1"), str(of))


def test_there_is_a_core() -> None:
    assert counting() >= 1

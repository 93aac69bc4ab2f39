"""Many runs at once: what goes in, what comes out, and that no run notices another."""

from __future__ import annotations

import operator
import traceback
from datetime import datetime
from itertools import pairwise
from typing import Annotated, TypedDict

import numpy as np
import pyarrow as pa
import pytest

import vecgraph as vg
from vecgraph.graph import END, START, StateGraph
from vecgraph.testing import difference, same


class State(TypedDict, total=False):
    x: float
    n: int
    ok: bool
    name: str
    items: list
    info: dict
    when: datetime
    total: Annotated[int, operator.add]
    path: Annotated[list, operator.add]


TIERS = ("rowwise", "vector")


def halver(tier="vector", budget=3):
    """Return an app that doubles ``x`` until it is 8 or more; a negative ``n`` fails."""

    def scalar(state):
        if state["n"] < 0:
            raise ValueError(f"n is {state['n']}")
        return {"x": state["x"] * 2, "total": 1}

    def vector(batch):
        if (batch["n"] < 0).any():
            raise ValueError(f"n is {batch['n'][batch['n'] < 0][0]}")
        return {"x": batch["x"] * 2, "total": 1}

    builder = StateGraph(State)
    if tier == "vector":
        builder.add_node("double", vector, batched=True, on_error="split")
    else:
        builder.add_node("double", scalar)
    builder.add_edge(START, "double")
    builder.add_conditional_edges(
        "double", lambda b: b["x"] >= 8, {True: END, False: "double"}, batched=True
    )
    return builder.compile()


def echo(tier="rowwise"):
    """Return an app that changes nothing of its input but ``total``."""
    builder = StateGraph(State)
    if tier == "vector":
        builder.add_node("echo", lambda batch: {"total": 1}, batched=True)
    else:
        builder.add_node("echo", lambda state: {"total": 1})
    builder.add_edge(START, "echo")
    return builder.compile()


ROWS = [
    {"x": 1.5, "n": 1, "ok": True, "name": "a", "items": [1, 2], "info": {"k": 1}},
    {"x": -0.0, "n": 2, "ok": False, "name": "b", "items": [], "info": {"k": 2}},
    {"x": float("nan"), "n": -3, "ok": True, "name": "c", "items": [3], "info": {"k": 3}},
]
NULLS = [{**ROWS[0], "name": None, "n": None}, ROWS[1], {**ROWS[2], "ok": None, "info": None}]
NAMES = list(ROWS[0])


def table_of(rows):
    return pa.table({name: [row[name] for row in rows] for name in NAMES})


def frame(kind, rows):
    module = pytest.importorskip(kind)
    if kind == "polars":
        return module.DataFrame(rows)
    frame = module.DataFrame({name: module.Series([r[name] for r in rows]) for name in NAMES})
    if any(row["n"] is None for row in rows):  # NumPy has no int and no bool that may be absent
        frame = frame.assign(
            n=module.array([r["n"] for r in rows], "Int64"),
            ok=module.array([r["ok"] for r in rows], "boolean"),
        )
    return frame


def arrays(rows):
    found = {}
    for name in NAMES:
        values = [row[name] for row in rows]
        if name in {"x", "n", "ok"} and None not in values:
            found[name] = np.array(values)
        else:
            found[name] = np.fromiter(values, object, len(values))
    return found


KINDS = {
    "arrow table": table_of,
    "record batch": lambda rows: table_of(rows).combine_chunks().to_batches()[0],
    "reader": lambda rows: table_of(rows).to_reader(),
    "chunked table": lambda rows: pa.concat_tables([table_of(rows)[:1], table_of(rows)[1:]]),
    "iterator of record batches": lambda rows: iter(table_of(rows).to_batches(max_chunksize=2)),
    "generator of tables": lambda rows: (table_of([row]) for row in rows),
    "iterator of dicts of arrays": lambda rows: iter([arrays(rows[:2]), arrays(rows[2:])]),
    "pandas": lambda rows: frame("pandas", rows),
    "polars": lambda rows: frame("polars", rows),
    "dict of arrays": arrays,
    "dict of lists": lambda rows: {name: [row[name] for row in rows] for name in NAMES},
    "dict of arrow arrays": lambda rows: {n: pa.array([r[n] for r in rows]) for n in NAMES},
    "dict of pandas series": lambda rows: dict(frame("pandas", rows)),
    "dict of polars series": lambda rows: frame("polars", rows).to_dict(),
    "dicts": lambda rows: rows,
}


@pytest.mark.parametrize("times", [1, 30])
@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("rows", [ROWS, NULLS], ids=["values", "nulls"])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_kind_of_input_gives_equal_results(kind, rows, tier, times) -> None:
    """Value and type of each output of each run are those of `invoke`; nulls are None."""
    rows = rows * times
    app = echo(tier)
    result = app.batch(kind(rows), columns=True).raise_first()
    assert isinstance(result, vg.BatchResult)
    expected = [{**row, "total": 1, "path": []} for row in rows]
    assert difference(result.to_list(), expected) is None


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("n", [1, 2])
def test_every_kind_takes_one_run_and_two(kind, n) -> None:
    result = echo("vector").batch(kind(ROWS[:n]), columns=True)
    assert len(result) == n
    assert result.status.tolist() == ["done"] * n


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_columns_that_the_schema_lacks_are_dropped(kind) -> None:
    table = pa.table({"n": [1, 2], "other": ["a", "b"]})
    kinds = {
        KINDS["pandas"]: table.to_pandas,
        KINDS["polars"]: lambda: pytest.importorskip("polars").from_arrow(table),
        KINDS["dicts"]: table.to_pylist,
        KINDS["reader"]: table.to_reader,
        KINDS["iterator of record batches"]: lambda: iter(table.to_batches()),
        KINDS["dict of arrays"]: lambda: {"n": np.array([1, 2]), "other": np.array(["a", "b"])},
    }
    result = echo().batch(kinds.get(kind, lambda: table)(), columns=True)
    assert "other" not in result.columns
    assert result.values("n").tolist() == [1, 2]


def test_times_are_python_datetimes_and_absent_ones_none() -> None:
    pandas = pytest.importorskip("pandas")
    when = datetime(2026, 1, 2, 3, 4, 5)
    for inputs in (
        pandas.DataFrame({"when": [when, None]}),
        pa.table({"when": [when, None]}),
        {"when": [when, None]},
    ):
        assert [run["when"] for run in echo().batch(inputs).to_list()] == [when, None]


def test_missing_text_of_pandas_is_none() -> None:
    pandas = pytest.importorskip("pandas")
    for dtype in (object, "str", "string"):
        series = pandas.Series(["a", None, float("nan")], dtype=dtype)
        result = echo().batch(pandas.DataFrame({"name": series}))
        assert result.values("name").tolist() == ["a", None, None]


def test_categories_are_their_values() -> None:
    pandas = pytest.importorskip("pandas")
    result = echo().batch(pandas.DataFrame({"name": pandas.Categorical(["a", "b", "a", None])}))
    assert result.values("name").tolist() == ["a", "b", "a", None]


def test_nan_is_a_float_not_a_null() -> None:
    pandas = pytest.importorskip("pandas")
    for inputs in (pandas.DataFrame({"x": [np.nan]}), pa.table({"x": [np.nan]}), {"x": [np.nan]}):
        (run,) = echo().batch(inputs).to_list()
        assert same(run["x"], float("nan"))


@pytest.mark.parametrize("dtype", ["int8", "uint16", "uint64", "float32", "float16"])
def test_narrow_numbers_become_python_numbers(dtype) -> None:
    array = np.array([1, 2], dtype)
    for inputs in ({"x": array}, pa.table({"x": array})):
        values = [run["x"] for run in echo().batch(inputs).to_list()]
        assert values == [1, 2]
        assert {type(v) for v in values} == {float if "float" in dtype else int}


def test_ints_beyond_64_bits_never_wrap() -> None:
    big = np.array([2**64 - 1, 1], np.uint64)
    for inputs in ({"n": big}, pa.table({"n": big}), {"n": [2**64 - 1, 1]}):
        assert echo().batch(inputs).values("n").tolist() == [2**64 - 1, 1]


def test_list_in_list_out() -> None:
    app = halver()
    outputs = app.batch([{"x": 1.0, "n": 1}, {"x": 5.0, "n": 1}])
    assert outputs == [app.invoke({"x": 1.0, "n": 1}), app.invoke({"x": 5.0, "n": 1})]


def test_list_raises_the_first_or_returns_exceptions() -> None:
    rows = [{"x": 1.0, "n": 1}, {"x": 1.0, "n": -1}, {"x": 1.0, "n": -2}]
    with pytest.raises(ValueError, match="n is -1"):
        halver().batch(rows)
    outputs = halver().batch(rows, return_exceptions=True)
    assert outputs[0]["x"] == 8.0
    assert [str(output) for output in outputs[1:]] == ["n is -1", "n is -2"]


def test_empty_batches_give_empty_results() -> None:
    app = halver()
    assert app.batch([]) == []
    empty = pa.table({"x": pa.array([], pa.float64()), "n": pa.array([], pa.int64())})
    frame = pytest.importorskip("pandas").DataFrame({"x": [], "n": []})
    for inputs in (empty, empty.to_reader(), iter([]), {}, {"x": [], "n": []}, frame):
        result = app.batch(inputs)
        assert len(result) == 0
        assert result.table.num_rows == 0
        assert result.table.column_names == list(State.__annotations__)
        assert result.status.tolist() == []
        assert result.steps.tolist() == []
        assert result.errors == []
        assert result.to_list() == []
        assert len(result.to_pandas()) == 0
        assert result.raise_first() is result
        assert result.stats["runs"] == 0
    assert len(app.batch([], columns=True)) == 0


def test_empty_batch_lacking_a_required_column_is_still_empty() -> None:
    class Question(TypedDict):
        n: int

    builder = StateGraph(State, input_schema=Question)
    builder.add_node("a", lambda state: {"x": 1.0})
    builder.add_edge(START, "a")
    app = builder.compile()
    assert len(app.batch([], columns=True)) == 0
    assert len(app.batch({})) == 0


FAILING = [{"x": 1.0, "n": -i if i % 5 == 2 else i} for i in range(12)]


@pytest.mark.parametrize("times", [1, 10])
@pytest.mark.parametrize("tier", TIERS)
def test_a_failing_run_never_loses_another(tier, times) -> None:
    rows = FAILING * times
    result = halver(tier).batch(rows, columns=True)
    bad = [i for i, row in enumerate(rows) if row["n"] < 0]
    expected = ["error" if i in bad else "done" for i in range(len(rows))]
    assert result.status.tolist() == expected
    assert [error.row for error in result.errors] == bad
    for error in result.errors:
        assert isinstance(error, vg.RowError)
        assert (error.node, error.step) == ("double", 1)
        assert type(error.exception) is ValueError
        assert str(error.exception) == f"n is {rows[error.row]['n']}"
        last = traceback.extract_tb(error.exception.__traceback__)[-1]
        assert last.name in {"scalar", "vector"}
        assert last.line.startswith("raise ValueError")
    for i, row in enumerate(result.table.to_pylist()):
        assert row["x"] == (1.0 if i in bad else 8.0)
        assert row["total"] == (0 if i in bad else 3)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("n", [5, 60])
def test_rows_that_are_no_input_fail_alone(tier, n) -> None:
    rows = [{"x": 1.0, "n": 1} for _ in range(n)]
    rows[1], rows[3] = None, 7
    for columns in (None, True):
        result = halver(tier).batch(rows, columns=columns, return_exceptions=True)
        outputs = result.to_list() if columns else result
        assert type(outputs[1]).__name__ == "EmptyInputError"
        assert type(outputs[3]).__name__ == "InvalidUpdateError"
        assert all(run["x"] == 8.0 for i, run in enumerate(outputs) if i not in {1, 3})


def test_a_list_of_empty_dicts_is_a_row_each() -> None:
    builder = StateGraph(State)
    builder.add_node("one", lambda state: {"n": 1})
    builder.add_edge(START, "one")
    result = builder.compile().batch([{}, {}, {}], columns=True)
    assert result.values("n").tolist() == [1, 1, 1]


@pytest.mark.parametrize("n", [3, 60])
def test_recursion_is_a_status_of_its_own(n) -> None:
    rows = [{"x": 1.0 if i % 2 else 4.0, "n": 1} for i in range(n)]
    result = halver().batch(rows, {"recursion_limit": 2}, columns=True)
    assert result.status.tolist() == ["recursion" if i % 2 else "done" for i in range(n)]
    assert result.steps.tolist() == [2 if i % 2 else 1 for i in range(n)]
    assert result.values("x").tolist() == [4.0 if i % 2 else 8.0 for i in range(n)]
    for error in result.errors:
        assert error.node is None
        assert error.step == 2
        assert type(error.exception).__name__ == "GraphRecursionError"
        assert "Recursion limit of 2 reached" in str(error.exception)


def test_raise_first_raises_the_original() -> None:
    result = halver().batch(FAILING, columns=True)
    with pytest.raises(ValueError, match="n is -2") as caught:
        result.raise_first()
    assert caught.value is result.errors[0].exception
    good = halver().batch(FAILING[:2], columns=True)
    assert good.raise_first() is good


def test_table_holds_the_outputs_and_null_for_what_is_absent() -> None:
    result = echo().batch([{"n": 1, "name": None}, {"x": 0.5}], columns=True)
    assert isinstance(result.table, pa.Table)
    rows = result.table.to_pylist()
    assert rows[0]["n"] == 1
    assert rows[0]["name"] is None
    assert rows[1]["n"] is None
    assert result.present("name").tolist() == [True, False]
    assert result.present("n").tolist() == [True, False]
    assert result.table is result.table


def test_table_says_which_column_is_text() -> None:
    result = echo().batch([{"name": {1, 2}}, {"name": 3}], columns=True)
    field = result.table.schema.field("name")
    assert result.table["name"].to_pylist() == ["{1, 2}", "3"]
    assert field.metadata == {b"vecgraph.codec": b"repr"}
    assert result.to_list()[0]["name"] == {1, 2}


def test_to_pandas_keeps_numbers_and_objects() -> None:
    pytest.importorskip("pandas")
    frame = echo().batch(ROWS, columns=True).to_pandas()
    assert frame["x"].dtype == np.float64
    assert frame["n"].dtype == np.int64
    assert frame["ok"].dtype == np.bool_
    assert frame["items"].tolist() == [[1, 2], [], [3]]
    assert frame["info"].tolist() == [{"k": 1}, {"k": 2}, {"k": 3}]


def test_to_pandas_and_the_table_are_the_callers() -> None:
    pytest.importorskip("pandas")
    result = echo("vector").batch({"x": np.arange(3.0), "n": np.arange(3)})
    frame = result.to_pandas()
    frame.loc[0, "x"] = 99.0
    assert result.to_list()[0]["x"] == 0.0


def test_to_list_is_what_invoke_returns_and_exceptions() -> None:
    result = halver().batch(FAILING, columns=True)
    outputs = result.to_list()
    for row, output in zip(FAILING, outputs, strict=True):
        if row["n"] < 0:
            assert isinstance(output, ValueError)
        else:
            assert same(output, halver().invoke(row))


def test_stats_count() -> None:
    app = halver()
    app.engine.lane = 80
    result = app.batch({"x": np.array([1.0, 4.0] * 40), "n": np.ones(80, int)})
    assert result.stats["runs"] == 80
    assert result.stats["supersteps"] == 3
    assert result.stats["run_steps"] == 40 * 3 + 40 * 1
    assert result.stats["seconds"] > 0
    assert result.steps.tolist() == [3, 1] * 40


def test_repr_counts_the_runs_by_status() -> None:
    assert repr(halver().batch(FAILING, columns=True)) == "BatchResult(12 runs: 10 done, 2 error)"


def test_unknown_output_names_the_known() -> None:
    with pytest.raises(KeyError, match="no output 'y'; the outputs are x, n"):
        echo().batch({"n": [1]}).values("y")


@pytest.mark.parametrize("times", [1, 20])
def test_ids_number_the_runs(times) -> None:
    rows = FAILING * times
    ids = np.arange(len(rows))[::-1] * 10
    for given in (ids, ids.tolist(), pa.array(ids), ids.astype(np.uint16)):
        result = halver().batch(rows, ids=given, columns=True)
        bad = sorted(int(i) for i, row in zip(ids, rows, strict=True) if row["n"] < 0)
        assert [error.row for error in result.errors] == bad
        assert [isinstance(o, Exception) for o in result.to_list()] == [r["n"] < 0 for r in rows]


@pytest.mark.parametrize(
    "kind", ["arrow table", "reader", "iterator of record batches", "pandas", "polars", "dicts"]
)
def test_ids_may_be_a_column(kind) -> None:
    table = pa.table({"x": [1.0, 1.0], "n": [1, -1], "id": [50, 7]})
    kinds = {
        "arrow table": lambda: table,
        "reader": table.to_reader,
        "iterator of record batches": lambda: iter(table.to_batches(max_chunksize=1)),
        "pandas": table.to_pandas,
        "polars": lambda: pytest.importorskip("polars").from_arrow(table),
        "dicts": table.to_pylist,
    }
    result = halver().batch(kinds[kind](), ids="id", columns=True)
    assert [error.row for error in result.errors] == [7]
    assert result.status.tolist() == ["done", "error"]


@pytest.mark.parametrize("n", [4, 80])
@pytest.mark.parametrize("tier", TIERS)
def test_results_do_not_share_the_callers_arrays(tier, n) -> None:
    """What the caller does to the input afterwards changes no result, and the other way round."""
    x, n_, ids = np.arange(float(n)), np.arange(n), np.arange(n)
    name = np.array(["a"] * n, object)
    result = echo(tier).batch({"x": x, "n": n_, "name": name}, ids=ids)
    x[:], n_[:], name[:], ids[:] = -1, -1, "z", -1
    expected = {"x": list(range(n)), "n": list(range(n)), "name": ["a"] * n}
    assert {key: result.values(key).tolist() for key in expected} == expected
    result.values("n")[:] = 5
    assert n_.tolist() == [-1] * n


@pytest.mark.parametrize("n", [4, 80])
def test_results_do_not_share_a_frames_memory(n) -> None:
    frame = pytest.importorskip("pandas").DataFrame({"x": np.arange(float(n))})
    result = echo("vector").batch(frame)
    frame.loc[:, "x"] = -1.0
    assert result.values("x").tolist() == list(range(n))


def test_nodes_cannot_change_the_callers_arrays() -> None:
    x = np.arange(3.0)

    def node(batch):
        with pytest.raises(ValueError, match="read-only"):
            batch["x"][0] = 9
        return {"total": 1}

    builder = StateGraph(State)
    builder.add_node("a", node, batched=True)
    builder.add_edge(START, "a")
    builder.compile().batch({"x": x}).raise_first()
    assert x.tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("lane", [3, 131_072])
@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("n", [1, 12, 120])
def test_progress_adds_up(tier, n, lane) -> None:
    rows = (FAILING * 10)[:n]
    calls = []
    app = halver(tier)
    app.engine.lane = lane
    result = app.batch(rows, columns=True, progress=lambda *counts: calls.append(counts))
    done, running, failed, steps = calls[-1]
    assert (done, running, failed) == (n - len(result.errors), 0, len(result.errors))
    assert steps == result.stats["run_steps"] == int(result.steps.sum())
    for before, after in pairwise(calls):
        assert all(a <= b for a, b in zip(before[::2], after[::2], strict=True)), "never fewer"
        assert before[3] <= after[3]
    assert all(min(call) >= 0 and sum(call[:3]) <= n for call in calls)


@pytest.mark.parametrize("lane", [3, 131_072])
@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("n", [1, 12, 120])
def test_observer_sees_every_step_of_every_run_once(tier, n, lane) -> None:
    rows = (FAILING * 10)[:n]
    seen, tasks = [], []

    def observe(superstep):
        assert isinstance(superstep, vg.Superstep)
        assert superstep.seconds >= 0
        assert superstep.rows.dtype == superstep.step.dtype == np.int64
        seen.extend(zip(superstep.rows.tolist(), superstep.step.tolist(), strict=True))
        for task in superstep.tasks:
            assert task.node == "double"
            tasks.extend(zip(task.rows.tolist(), task.step.tolist(), strict=True))

    app = halver(tier)
    app.engine.lane = lane
    ids = [i + 1000 for i in range(n)]
    result = app.batch(rows, columns=True, observer=observe, ids=ids)
    good = {
        (ids[i], step)
        for i, row in enumerate(rows)
        if row["n"] >= 0
        for step in range(1, int(result.steps[i]) + 1)
    }
    failed = {(error.row, error.step) for error in result.errors}
    # The superstep in which a run fails may leave no record of it.
    assert good <= set(seen) <= good | failed
    assert sorted(seen) == sorted(tasks)
    assert len(seen) == len(set(seen))


def test_context_and_config_reach_every_run() -> None:
    builder = StateGraph(State)
    builder.add_node(
        "a",
        lambda state, config, runtime: {
            "name": f"{runtime.context}-{config['configurable']['k']}-{config['metadata']['m']}"
        },
    )
    builder.add_edge(START, "a")
    config = {"configurable": {"k": 1}, "metadata": {"m": 2}}
    for n in (1, 50):
        result = builder.compile().batch({"n": np.zeros(n, int)}, config, context="c")
        assert result.raise_first().values("name").tolist() == ["c-1-2"] * n


def test_batch_as_completed_gives_positions() -> None:
    rows = FAILING
    pairs = dict(halver().batch_as_completed(rows, return_exceptions=True))
    assert sorted(pairs) == list(range(12))
    assert [isinstance(pairs[i], ValueError) for i in range(12)] == [r["n"] < 0 for r in rows]


def test_a_config_for_each_input() -> None:
    rows = [{"x": 1.0, "n": 1}] * 2
    configs = [{"recursion_limit": 2}, {"recursion_limit": 10}]
    outputs = halver().batch(rows, configs, return_exceptions=True)
    assert type(outputs[0]).__name__ == "GraphRecursionError"
    assert outputs[1]["x"] == 8.0

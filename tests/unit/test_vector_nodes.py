"""The contract of vector nodes and routers, a test for each of its sentences."""

from __future__ import annotations

import operator
import traceback
from typing import Annotated, TypedDict

import numpy as np
import pyarrow as pa
import pytest

import vecgraph as vg
from vecgraph.errors import InvalidUpdateError, VectorNodeError
from vecgraph.graph import END, START, StateGraph
from vecgraph.nodes.vector import labels_of


class State(TypedDict, total=False):
    x: float
    n: int
    name: str
    tags: Annotated[list, operator.add]
    total: Annotated[int, operator.add]
    tall: Annotated[int, pa.int32()]
    path: Annotated[list, operator.add]


def app_of(fn, state=State, **options):
    """Return an app whose only node is the vector function `fn`."""
    builder = StateGraph(state)
    builder.add_node("node", fn, batched=True, **options)
    builder.add_edge(START, "node")
    builder.add_edge("node", END)
    return builder.compile()


def walks(fn, path_map=None, names=("a", "b", "c")):
    """Return an app that routes each run once and notes where it went in ``path``."""
    builder = StateGraph(State)
    builder.add_node("source", lambda batch: {"n": batch["n"]}, batched=True)
    for name in names:
        builder.add_node(name, lambda state, name=name: {"path": [name]})
    builder.add_edge(START, "source")
    builder.add_conditional_edges("source", fn, path_map, batched=True)
    return builder.compile()


def paths(app, n):
    return [run["path"] for run in app.batch([{"n": i} for i in range(n)])]


def seen_by(rows, look, state=State, **kwargs):
    """Return what `look` finds in the batch that a vector node gets for `rows`."""
    found = []

    def node(batch):
        found.append(look(batch))
        return {}

    app_of(node, state).batch(rows, columns=True, **kwargs).raise_first()
    (only,) = found
    return only


def test_batch_is_a_mapping_of_the_input_channels_to_arrays() -> None:
    rows = [{"x": 0.5, "n": 1, "name": "a"}, {"x": 1.5, "n": 2, "name": "b"}]

    def look(batch):
        assert isinstance(batch, vg.Batch)
        return {name: (batch[name].tolist(), batch[name].dtype.kind) for name in batch}

    found = seen_by(rows, look)
    assert found["x"] == ([0.5, 1.5], "f")
    assert found["n"] == ([1, 2], "i")
    assert found["name"] == (["a", "b"], "O")


def test_batch_has_what_mappings_have() -> None:
    def look(batch):
        assert "x" in batch
        assert "n" not in batch
        assert "nothing" not in batch
        assert batch.get("n") is None
        assert set(batch.keys()) >= {"x", "tags", "total", "path"}
        assert list(dict(batch)) == list(batch)
        with pytest.raises(KeyError, match="nothing"):
            batch["nothing"]
        return True

    assert seen_by([{"x": 1.0}], look)


def test_len_is_the_number_of_rows_also_of_one_without_columns() -> None:
    assert seen_by([{"x": 1.0}, {"x": 2.0}, {"x": 3.0}], len) == 3
    assert seen_by([{"x": 1.0}], len) == 1


@pytest.mark.parametrize("n", [1, 2, 40])
def test_rows_are_the_numbers_of_the_runs(n) -> None:
    assert seen_by([{"x": 1.0}] * n, lambda batch: batch.rows.tolist()) == list(range(n))


@pytest.mark.parametrize("n", [1, 40])
def test_rows_are_the_ids_that_the_caller_gave(n) -> None:
    ids = list(range(100, 100 + n))
    assert seen_by([{"x": 1.0}] * n, lambda batch: batch.rows.tolist(), ids=ids) == ids


@pytest.mark.parametrize("n", [1, 40])
def test_rows_are_read_only(n) -> None:
    assert not seen_by([{"x": 1.0}] * n, lambda batch: batch.rows.flags.writeable)


def test_rows_repeat_after_a_send() -> None:
    seen = []
    builder = StateGraph(State)
    builder.add_node(
        "split", lambda batch: vg.Sends([0, 0, 1], "part", {"n": [1, 2, 3]}), batched=True
    )

    def part(batch):
        seen.append((batch.rows.tolist(), batch["n"].tolist()))
        return {"total": batch["n"]}

    builder.add_node("part", part, batched=True)
    builder.add_edge(START, "split")
    result = builder.compile().batch([{"x": 1.0}, {"x": 2.0}], columns=True)
    assert seen == [([0, 0, 1], [1, 2, 3])]
    assert result.values("total").tolist() == [3, 3]


def test_present_tells_what_was_written_from_what_was_not() -> None:
    rows = [{"x": 1.0, "name": None}, {"x": None}, {"name": "b"}]

    def look(batch):
        return [batch.present(name).tolist() for name in ("x", "name", "n", "nothing")]

    assert seen_by(rows, look) == [
        [True, True, False],
        [True, False, True],
        [False] * 3,
        [False] * 3,
    ]


def test_present_is_a_copy() -> None:
    def look(batch):
        batch.present("x")[:] = False
        return batch.present("x").tolist()

    assert seen_by([{"x": 1.0}, {"n": 1}], look) == [True, False]


@pytest.mark.parametrize("n", [1, 40])
@pytest.mark.parametrize("name", ["x", "n", "name", "tags"])
def test_arrays_are_read_only(name, n) -> None:
    rows = [{"x": 1.0, "n": 1, "name": "a", "tags": [1]}] * n

    def look(batch):
        with pytest.raises(ValueError, match="read-only"):
            batch[name][0] = batch[name][0]
        return True

    assert seen_by(rows, look)


def test_declared_arrow_columns_are_arrow_arrays() -> None:
    found = seen_by([{"tall": 1}, {"tall": None}, {"tall": 3}], lambda batch: batch["tall"])
    assert isinstance(found, pa.Array)
    assert found.type == pa.int32()
    assert found.to_pylist() == [1, None, 3]


def test_tensors_are_one_array() -> None:
    class Images(TypedDict):
        image: np.ndarray

    images = np.arange(12.0).reshape(3, 2, 2)
    seen = []

    def flip(batch):
        seen.append(batch["image"].shape)
        return {"image": batch["image"][:, ::-1]}

    result = app_of(flip, Images).batch({"image": images})
    assert seen == [(3, 2, 2)]
    np.testing.assert_array_equal(result.values("image"), images[:, ::-1])


def test_ints_beyond_64_bits_are_objects() -> None:
    big = 2**70
    found = seen_by([{"n": big}, {"n": 1}], lambda batch: batch["n"])
    assert found.dtype == object
    assert found.tolist() == [big, 1]


def test_batch_ends_with_the_call() -> None:
    kept = []
    app = app_of(kept.append)
    app.batch([{"x": 1.0, "n": 1}] * 2)
    with pytest.raises(RuntimeError, match="the batch has ended: read 'x'"):
        kept[0]["x"]


RETURNS = {
    "array": np.array([1.0, 2.0, 3.0]),
    "list": [1.0, 2.0, 3.0],
    "arrow": pa.array([1.0, 2.0, 3.0]),
    "chunked": pa.chunked_array([[1.0], [2.0, 3.0]]),
    "narrow": np.array([1, 2, 3], np.float32),
    "objects": np.array([1.0, 2.0, 3.0], object),
}


@pytest.mark.parametrize("value", RETURNS.values(), ids=RETURNS)
def test_a_dict_of_arrays_writes_a_value_a_row(value) -> None:
    results = app_of(lambda batch: {"x": value}).batch([{"x": 0.0}] * 3)
    assert [run["x"] for run in results] == [1.0, 2.0, 3.0]
    assert {type(run["x"]) for run in results} == {float}


def test_series_of_pandas_and_polars_are_arrays_too() -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    for series in (pandas.Series([1.0, 2.0]), polars.Series([1.0, 2.0])):
        results = app_of(lambda batch, s=series: {"x": s}).batch([{"x": 0.0}] * 2)
        assert [run["x"] for run in results] == [1.0, 2.0]


SCALARS = {
    "float": (2.5, 2.5),
    "numpy": (np.float64(2.5), 2.5),
    "zero-dimensional": (np.array(2.5), 2.5),
    "arrow": (pa.scalar(2.5), 2.5),
    "text": ("abc", "abc"),
    "none": (None, None),
    "dict": ({"a": 1}, {"a": 1}),
}


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize(("value", "expected"), SCALARS.values(), ids=SCALARS)
def test_scalars_broadcast(value, expected, n) -> None:
    results = app_of(lambda batch: {"x": value}).batch([{"x": 0.0}] * n)
    assert [run["x"] for run in results] == [expected] * n
    assert {type(run["x"]) for run in results} == {type(expected)}


@pytest.mark.parametrize("nothing", [None, {}, []], ids=["None", "dict", "list"])
def test_nothing_writes_nothing(nothing) -> None:
    results = app_of(lambda batch: nothing).batch([{"x": 1.0}, {"x": 2.0}])
    assert [run["x"] for run in results] == [1.0, 2.0]


def test_a_channel_left_out_keeps_its_value() -> None:
    results = app_of(lambda batch: {"x": batch["x"] + 1}).batch([{"x": 1.0, "n": 7}] * 2)
    assert [(run["x"], run["n"]) for run in results] == [(2.0, 7)] * 2


WHERES = {
    "positions": [0, 2],
    "array": np.array([0, 2]),
    "narrow": np.array([0, 2], np.uint8),
    "mask": np.array([True, False, True]),
    "list of bools": [True, False, True],
}


@pytest.mark.parametrize("where", WHERES.values(), ids=WHERES)
def test_updates_write_for_some_rows(where) -> None:
    app = app_of(lambda batch: vg.Updates(where, {"n": [10, 30], "name": "hit"}))
    results = app.batch([{"n": 1}, {"n": 2}, {"n": 3}])
    assert [run["n"] for run in results] == [10, 2, 30]
    assert [run.get("name") for run in results] == ["hit", None, "hit"]


def test_updates_take_positions_in_any_order() -> None:
    app = app_of(lambda batch: vg.Updates([2, 0], {"n": [30, 10]}))
    assert [run["n"] for run in app.batch([{"n": 1}, {"n": 2}, {"n": 3}])] == [10, 2, 30]


def test_updates_of_none_and_of_nobody() -> None:
    app = app_of(lambda batch: [vg.Updates(None, {"n": [5, 6]}), vg.Updates([], {"x": []})])
    results = app.batch([{"n": 1}, {"n": 2}])
    assert [(run["n"], run.get("x")) for run in results] == [(5, None), (6, None)]
    app = app_of(lambda batch: vg.Updates(np.zeros(2, bool), {"n": 9}))
    assert [run["n"] for run in app.batch([{"n": 1}, {"n": 2}])] == [1, 2]


def test_positions_count_in_the_batch_not_in_the_table() -> None:
    builder = StateGraph(State)
    builder.add_node("a", lambda batch: {}, batched=True)
    builder.add_node("b", lambda batch: vg.Updates([0], {"name": "first"}), batched=True)
    builder.add_edge(START, "a")
    builder.add_conditional_edges(
        "a", lambda batch: batch["n"] >= 2, {True: "b", False: END}, batched=True
    )
    results = builder.compile().batch([{"n": i} for i in range(4)])
    assert [run.get("name") for run in results] == [None, None, "first", None]


def test_a_position_named_twice_folds_twice_and_breaks_a_plain_channel() -> None:
    total = app_of(lambda batch: vg.Updates([0, 0, 1], {"total": [1, 2, 4]}))
    assert [run["total"] for run in total.batch([{"n": 1}] * 2)] == [3, 4]
    plain = app_of(lambda batch: vg.Updates([0, 0, 1], {"n": [1, 2, 4]}))
    result = plain.batch([{"n": 1}] * 2, columns=True)
    assert result.status.tolist() == ["error", "done"]
    assert isinstance(result.errors[0].exception, InvalidUpdateError)


def test_a_list_applies_its_items_from_first_to_last() -> None:
    def node(batch):
        return [
            {"tags": [["all"]] * len(batch)},
            vg.Updates([1], {"tags": [["one"]]}),
            vg.Updates([0, 1], {"tags": [["x"], ["y"]]}),
        ]

    results = app_of(node).batch([{"n": 1}] * 2)
    assert [run["tags"] for run in results] == [["all", "x"], ["all", "one", "y"]]


def test_two_writes_of_a_plain_channel_fail_only_the_runs_written_twice() -> None:
    app = app_of(lambda batch: [{"n": batch["n"]}, vg.Updates([1], {"n": [9]})])
    result = app.batch([{"n": i} for i in range(3)], columns=True)
    assert result.status.tolist() == ["done", "error", "done"]
    (error,) = result.errors
    assert "Can receive only one value per step" in str(error.exception)


GOTOS = {
    "one label": (lambda batch: vg.Goto(None, "a"), [["a"], ["a"], ["a"]]),
    "labels": (lambda batch: vg.Goto(None, ["a", "b", END]), [["a"], ["b"], []]),
    "mask": (lambda batch: vg.Goto(batch["n"] > 0, np.array(["b", "a"])), [[], ["b"], ["a"]]),
    "positions": (lambda batch: vg.Goto([2], "b"), [[], [], ["b"]]),
    "a list": (lambda batch: [vg.Goto([0, 1], "a"), vg.Goto([1], "b")], [["a"], ["a", "b"], []]),
}


@pytest.mark.parametrize(("fn", "expected"), GOTOS.values(), ids=GOTOS)
def test_goto_sends_rows_on(fn, expected) -> None:
    builder = StateGraph(State)
    builder.add_node("source", fn, batched=True, destinations=("a", "b"))
    for name in ("a", "b"):
        builder.add_node(name, lambda state, name=name: {"path": [name]})
    builder.add_edge(START, "source")
    assert paths(builder.compile(), 3) == expected


def test_goto_is_beside_the_edges() -> None:
    builder = StateGraph(State)
    builder.add_node("source", lambda batch: vg.Goto([0], "a"), batched=True)
    for name in ("a", "b"):
        builder.add_node(name, lambda state, name=name: {"path": [name]})
    builder.add_edge(START, "source")
    builder.add_edge("source", "b")
    assert paths(builder.compile(), 2) == [["a", "b"], ["b"]]


SENDS = {
    "positions": (lambda b: vg.Sends([2, 0, 0], "part", {"n": [7, 8, 9]}), [[8, 9], [], [7]]),
    "mask": (lambda b: vg.Sends(b["n"] > 0, "part", {"n": [5, 6]}), [[], [5], [6]]),
    "everybody": (lambda b: vg.Sends(None, "part", {"n": b["n"] * 10}), [[0], [10], [20]]),
    "scalar": (lambda b: vg.Sends([1, 1], "part", {"n": 4}), [[], [4, 4], []]),
    "nobody": (lambda b: vg.Sends([], "part", {"n": []}), [[], [], []]),
}


@pytest.mark.parametrize("target", ["rowwise", "vector"])
@pytest.mark.parametrize(("fn", "expected"), SENDS.values(), ids=SENDS)
def test_sends_keep_the_order_of_each_run(fn, expected, target) -> None:
    builder = StateGraph(State)
    builder.add_node("source", fn, batched=True)
    if target == "vector":
        builder.add_node(
            "part", lambda batch: {"path": [[n] for n in batch["n"].tolist()]}, batched=True
        )
    else:
        builder.add_node("part", lambda state: {"path": [state["n"]]})
    builder.add_edge(START, "source")
    assert paths(builder.compile(), 3) == expected


def test_a_packet_is_the_whole_input_of_its_task() -> None:
    seen = []
    builder = StateGraph(State)
    builder.add_node("source", lambda batch: vg.Sends([0], "part", {"other": [1]}), batched=True)
    builder.add_node("part", seen.append)
    builder.add_edge(START, "source")
    builder.compile().batch([{"n": 5}] * 2)
    assert seen == [{"other": 1}]


def test_updates_and_sends_in_one_list() -> None:
    def node(batch):
        return [vg.Updates([1], {"n": [-1]}), vg.Sends([0], "part", {"n": [3]})]

    builder = StateGraph(State)
    builder.add_node("source", node, batched=True)
    builder.add_node("part", lambda state: {"path": [state["n"]]})
    builder.add_edge(START, "source")
    results = builder.compile().batch([{"n": 1}, {"n": 2}])
    assert [(run["n"], run["path"]) for run in results] == [(1, [3]), (-1, [])]


ROUTERS = {
    "labels": (lambda b: ["a", "b", "c"], None),
    "labels of an array": (lambda b: np.array(["a", "b", "c"]), None),
    "arrow labels": (lambda b: pa.array(["a", "b", "c"]), None),
    "keys": (lambda b: ["first", "second", "third"], {"first": "a", "second": "b", "third": "c"}),
    "codes": (lambda b: b["n"], {"x": "a", "y": "b", "z": "c"}),
    "codes of a list": (lambda b: b["n"], ["a", "b", "c"]),
    "int8": (lambda b: b["n"].astype(np.int8), ["a", "b", "c"]),
    "uint8": (lambda b: b["n"].astype(np.uint8), ["a", "b", "c"]),
    "codes with keys of int": (lambda b: b["n"], {5: "a", 4: "b", 3: "c"}),
}


@pytest.mark.parametrize(("fn", "path_map"), ROUTERS.values(), ids=ROUTERS)
def test_routers_return_labels_or_codes(fn, path_map) -> None:
    assert paths(walks(fn, path_map), 3) == [["a"], ["b"], ["c"]]


BOOLS = {
    "some": (lambda b: b["n"] > 0, [["b"], ["a"], ["a"]]),
    "all": (lambda b: b["n"] >= 0, [["a"]] * 3),
    "none": (lambda b: b["n"] < 0, [["b"]] * 3),
    "a list": (lambda b: [True, False, True], [["a"], ["b"], ["a"]]),
    "one for all": (lambda b: True, [["a"]] * 3),
}


@pytest.mark.parametrize(("fn", "expected"), BOOLS.values(), ids=BOOLS)
def test_routers_return_bools(fn, expected) -> None:
    assert paths(walks(fn, {True: "a", False: "b"}), 3) == expected


def test_routers_return_end() -> None:
    assert paths(walks(lambda b: ["a", END, "c"]), 3) == [["a"], [], ["c"]]
    assert paths(walks(lambda b: b["n"], ["a", END, "c"]), 3) == [["a"], [], ["c"]]
    assert paths(walks(lambda b: "b"), 3) == [["b"]] * 3


def test_routers_see_what_their_node_wrote() -> None:
    builder = StateGraph(State)
    builder.add_node("source", lambda batch: {"n": batch["n"] + 10, "total": 1}, batched=True)
    builder.add_node("big", lambda state: {"path": ["big"]})
    builder.add_edge(START, "source")
    builder.add_conditional_edges(
        "source",
        lambda batch: (batch["n"] > 10) & (batch["total"] == 1),
        {True: "big", False: END},
        batched=True,
    )
    assert paths(builder.compile(), 3) == [[], ["big"], ["big"]]


def test_routers_may_send() -> None:
    app = walks(lambda batch: vg.Sends([1, 1], "a", {"n": [1, 2]}))
    assert paths(app, 2) == [[], ["a", "a"]]


def two_words(batch, rt):
    return {"x": rt.rng.random(), "name": rt.context}


def by_name(batch, *, runtime):
    return two_words(batch, runtime)


def annotated(batch, anything: vg.Runtime):
    return two_words(batch, anything)


class Callable:
    def __call__(self, batch, runtime):
        return two_words(batch, runtime)


@pytest.mark.parametrize("fn", [two_words, by_name, annotated, Callable()])
def test_the_second_parameter_is_the_runtime(fn) -> None:
    result = app_of(fn).batch({"x": np.zeros(3)}, context="ctx")
    assert result.raise_first().values("name").tolist() == ["ctx"] * 3
    assert len(set(result.values("x").tolist())) == 3


def test_a_default_is_no_runtime() -> None:
    results = app_of(lambda batch, factor=3: {"n": batch["n"] * factor}).batch([{"n": 1}] * 2)
    assert [run["n"] for run in results] == [3, 3]


def test_routers_get_the_runtime_too() -> None:
    app = walks(lambda batch, runtime: [runtime.context] * len(batch))
    assert app.invoke({"n": 0}, context="b")["path"] == ["b"]


def draws(batch, runtime):
    return {"x": runtime.rng.normal(), "total": 1}


def looped(fn, times=3):
    builder = StateGraph(State)
    builder.add_node("draw", fn, batched=True)
    builder.add_edge(START, "draw")
    builder.add_conditional_edges(
        "draw", lambda b: b["total"] < times, {True: "draw", False: END}, batched=True
    )
    return builder.compile()


def test_random_numbers_depend_on_the_run_only() -> None:
    """Any size and order of the batch, any lane: equal numbers for equal ids."""
    app = looped(draws)
    n = 40
    ids = np.arange(n)
    whole = app.batch({"x": np.zeros(n)}, seed=5).values("x")
    assert len(set(whole.tolist())) == n
    order = np.random.default_rng(0).permutation(n)
    shuffled = app.batch({"x": np.zeros(n)}, seed=5, ids=ids[order]).values("x")
    np.testing.assert_array_equal(shuffled, whole[order])
    few = app.batch({"x": np.zeros(3)}, seed=5, ids=[7, 1, 30]).values("x")
    np.testing.assert_array_equal(few, whole[[7, 1, 30]])
    alone = app.batch([{"x": 0.0}], seed=5, ids=[30])[0]["x"]
    assert alone == whole[30]
    app.engine.lane = 4
    np.testing.assert_array_equal(app.batch({"x": np.zeros(n)}, seed=5).values("x"), whole)
    assert app.invoke({"x": 0.0}, seed=5)["x"] == whole[0]
    assert (app.batch({"x": np.zeros(n)}, seed=6).values("x") != whole).all()


def test_random_numbers_differ_by_step_and_node() -> None:
    def keep(batch, runtime):
        return {"tags": [[value] for value in runtime.rng.random().tolist()], "total": 1}

    results = looped(keep).batch([{"x": 0.0}] * 2)
    assert len({value for run in results for value in run["tags"]}) == 6


def test_scalar_and_vector_nodes_draw_the_same() -> None:
    builder = StateGraph(State)
    builder.add_node("draw", lambda state, runtime: {"x": runtime.rng.normal(), "total": 1})
    builder.add_edge(START, "draw")
    builder.add_conditional_edges(
        "draw", lambda b: b["total"] < 3, {True: "draw", False: END}, batched=True
    )
    expected = looped(draws).batch({"x": np.zeros(40)}, seed=1).values("x")
    found = builder.compile().batch({"x": np.zeros(40)}, seed=1).values("x")
    np.testing.assert_array_equal(found, expected)


def test_an_exception_fails_the_rows_of_the_call_and_no_other() -> None:
    builder = StateGraph(State)
    builder.add_node("source", lambda batch: {"total": 1}, batched=True)

    def breaks(batch):
        raise KeyError("broken")

    builder.add_node("breaks", breaks, batched=True)
    builder.add_node("works", lambda batch: {"name": "fine"}, batched=True)
    builder.add_edge(START, "source")
    builder.add_conditional_edges(
        "source", lambda b: b["n"] % 2 == 0, {True: "breaks", False: "works"}, batched=True
    )
    result = builder.compile().batch([{"n": i} for i in range(5)], columns=True)
    assert result.status.tolist() == ["error", "done", "error", "done", "error"]
    assert [(e.row, e.node, e.step) for e in result.errors] == [
        (0, "breaks", 2),
        (2, "breaks", 2),
        (4, "breaks", 2),
    ]
    for error in result.errors:
        frames = traceback.extract_tb(error.exception.__traceback__)
        assert frames[-1].name == "breaks"
    assert result.table["name"].to_pylist() == [None, "fine", None, "fine", None]
    assert result.table["total"].to_pylist() == [1] * 5


@pytest.mark.parametrize("bad", [[], [0], [3, 17], [39], list(range(40))])
def test_split_fails_only_the_guilty(bad) -> None:
    calls = []

    def node(batch):
        calls.append(len(batch))
        if set(batch["n"].tolist()) & set(bad):
            raise ZeroDivisionError("guilty")
        return {"x": batch["n"] / 2}

    app = app_of(node, on_error="split")
    result = app.batch([{"n": i} for i in range(40)], columns=True)
    assert [e.row for e in result.errors] == bad
    assert np.flatnonzero(result.status == "error").tolist() == bad
    expected = [None if i in bad else i / 2 for i in range(40)]
    assert result.table.column("x").to_pylist() == expected if len(bad) < 40 else True
    assert calls[0] == 40


def test_split_isolates_a_bad_return_too() -> None:
    def node(batch):
        return {"x": np.zeros(3)} if 5 in batch["n"] else {"x": np.zeros(len(batch))}

    result = app_of(node, on_error="split").batch([{"n": i} for i in range(8)], columns=True)
    assert [e.row for e in result.errors] == [5]
    assert isinstance(result.errors[0].exception, VectorNodeError)


def test_raise_is_the_default() -> None:
    def node(batch):
        raise ValueError("all")

    for options in ({}, {"on_error": "raise"}):
        result = app_of(node, **options).batch([{"n": 1}] * 4, columns=True)
        assert result.status.tolist() == ["error"] * 4


def test_max_batch_bounds_a_call() -> None:
    sizes = []

    def node(batch):
        sizes.append(len(batch))
        return {"n": batch["n"] + 1}

    results = app_of(node, max_batch=4).batch([{"n": i} for i in range(10)])
    assert [run["n"] for run in results] == list(range(1, 11))
    assert sizes == [4, 4, 2]


def test_max_batch_bounds_what_an_exception_fails() -> None:
    def node(batch):
        if 5 in batch["n"]:
            raise ValueError("five")
        return {"x": 1.0}

    result = app_of(node, max_batch=4).batch([{"n": i} for i in range(10)], columns=True)
    assert [e.row for e in result.errors] == [4, 5, 6, 7]


def test_rows_of_parts_are_their_own() -> None:
    app = app_of(lambda batch, runtime: {"n": batch.rows, "x": runtime.rng.random()}, max_batch=3)
    whole = app_of(lambda batch, runtime: {"n": batch.rows, "x": runtime.rng.random()})
    table = {"n": np.zeros(10, int)}
    assert app.batch(table).to_list() == whole.batch(table).to_list()


def test_one_array_returned_for_two_channels_stays_two_values() -> None:
    def node(batch):
        array = np.ones(len(batch), np.int64)
        return {"n": array, "total": array}

    builder = StateGraph(State)
    builder.add_node("a", node, batched=True)
    builder.add_node("b", lambda batch: vg.Updates([0], {"n": [5], "total": [7]}), batched=True)
    builder.add_edge(START, "a")
    builder.add_edge("a", "b")
    results = builder.compile().batch([{"n": 0}] * 3)
    assert [(run["n"], run["total"]) for run in results] == [(5, 8), (1, 1), (1, 1)]


def test_what_a_node_got_may_be_returned_for_another_channel() -> None:
    class Two(TypedDict):
        n: int
        m: int

    builder = StateGraph(Two)
    builder.add_node("a", lambda batch: {"m": batch["n"]}, batched=True)
    builder.add_node("b", lambda batch: vg.Updates([0], {"n": [5]}), batched=True)
    builder.add_node("c", lambda batch: vg.Updates([1], {"m": [6]}), batched=True)
    builder.add_edge(START, "a")
    builder.add_edge("a", "b")
    builder.add_edge("b", "c")
    results = builder.compile().batch([{"n": i} for i in range(3)])
    assert results == [{"n": 5, "m": 0}, {"n": 1, "m": 6}, {"n": 2, "m": 2}]


def test_invoke_is_a_batch_of_one() -> None:
    sizes = []

    def node(batch):
        sizes.append((len(batch), batch.rows.tolist()))
        return {"x": batch["x"] * 2}

    assert app_of(node).invoke({"x": 4.0})["x"] == 8.0
    assert sizes == [(1, [0])]


def test_one_run_that_sends_very_much_calls_a_vector_node_once() -> None:
    """One call for all packets of a run, also where the batch is that run alone."""
    many, calls = 30_000, []

    def split(batch):
        return vg.Sends(np.zeros(many, np.intp), "work", {"n": np.arange(many)})

    def work(batch):
        calls.append(len(batch))
        return {"total": batch["n"]}

    graph = StateGraph(State)
    graph.add_node("split", split, batched=True)
    graph.add_node("work", work, batched=True)
    graph.add_edge(START, "split")
    result = graph.compile().batch({"n": np.array([1])})
    assert calls == [many]
    assert result.values("total").tolist() == [many * (many - 1) // 2]


@pytest.mark.parametrize("form", [list, np.array, lambda labels: np.array(labels, object)])
@pytest.mark.parametrize(
    "path_map", [None, ["a", "b", "c"], {"x": "a", "y": "b", "a": "c", "b": "b"}]
)
def test_labels_go_where_they_say_in_every_form(form, path_map) -> None:
    known = list(path_map) if path_map else ["a", "b", "c"]
    ends = dict(path_map) if isinstance(path_map, dict) else {name: name for name in known}

    def router(batch):
        return form([known[n % len(known)] for n in batch["n"].tolist()])

    for n in (1, 2, 9):
        assert paths(walks(router, path_map), n) == [
            [ends[known[i % len(known)]]] for i in range(n)
        ]


@pytest.mark.parametrize("form", [list, np.array, lambda labels: np.array(labels, object)])
def test_an_unknown_label_is_named_in_every_form(form) -> None:
    app = walks(lambda batch: form(["a", "nowhere", "b"]))
    failures = app.batch([{"n": i} for i in range(3)], return_exceptions=True)
    assert {type(error) for error in failures} == {VectorNodeError}
    assert all("nowhere" in str(error) for error in failures)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int64, np.uint16])
@pytest.mark.parametrize("codes", [[0, 0], [1, 1], [0, 1], [-1, 0], [2, 0], [-1, -1]])
def test_codes_lead_where_they_say_whatever_their_type(codes, kind) -> None:
    if min(codes) < 0 and np.dtype(kind).kind == "u":
        return
    chosen = np.array(codes, kind)
    if set(codes) - {0, 1}:
        with pytest.raises(VectorNodeError):
            labels_of("n", chosen, 2, {"a": "a", "b": "b"}, ())
        return
    found = labels_of("n", chosen, 2, {"a": "a", "b": "b"}, ())
    places = {end: [0, 1] if at is None else at.tolist() for end, at in found}
    assert places == {
        "ab"[code]: [at for at in (0, 1) if codes[at] == code] for code in dict.fromkeys(codes)
    }

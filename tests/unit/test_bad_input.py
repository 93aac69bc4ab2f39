"""Bad input gets an error that names the thing, the place and the fix.

Of expressions, `test_expr` says more; of run directories, `test_evals_rundir`.
"""

from __future__ import annotations

import logging
import operator
from typing import Annotated, Any, TypedDict

import numpy as np
import pyarrow as pa
import pytest

import vecgraph as vg
from vecgraph.errors import BatchError, BatchInputError, InvalidUpdateError, VectorNodeError
from vecgraph.graph import END, START, StateGraph


class State(TypedDict, total=False):
    x: float
    n: int
    name: str
    small: Annotated[int, pa.int32()]
    total: Annotated[int, operator.add]


def started() -> StateGraph:
    """Return a graph of one node that does nothing."""
    builder = StateGraph(State)
    builder.add_node("a", lambda state: {})
    builder.add_edge(START, "a")
    return builder


def vector(fn, **options):
    builder = StateGraph(State)
    builder.add_node("node", fn, batched=True, **options)
    builder.add_node("other", lambda state: {})
    builder.add_edge(START, "node")
    return builder.compile()


def routed(fn, path_map=None):
    def router(batch):
        return fn(batch)

    builder = StateGraph(State)
    builder.add_node("node", lambda batch: {}, batched=True)
    builder.add_node("other", lambda state: {})
    builder.add_edge(START, "node")
    builder.add_conditional_edges("node", router, path_map, batched=True)
    return builder.compile()


GRAPHS = {
    "no entry point": (
        lambda: StateGraph(State).add_node("a", lambda s: {}).compile(),
        ValueError,
        "Graph must have an entrypoint: add at least one edge from START",
    ),
    "edge to an unknown node": (
        lambda: started().add_edge("a", "nope").compile(),
        ValueError,
        "edge ending at unknown node `nope`",
    ),
    "edge from an unknown node": (
        lambda: started().add_edge("nope", "a").compile(),
        ValueError,
        "edge starting at unknown node 'nope'",
    ),
    "barrier of an unknown node": (
        lambda: started().add_edge(["a", "nope"], "a").compile(),
        ValueError,
        "nope",
    ),
    "router of an unknown node": (
        lambda: started().add_conditional_edges("nope", lambda s: "a").compile(),
        ValueError,
        "unknown node 'nope'",
    ),
    "path to an unknown node": (
        lambda: started().add_conditional_edges("a", lambda s: 1, {1: "nope"}).compile(),
        ValueError,
        "At 'a' node, '.*' branch found unknown target 'nope'",
    ),
    "label of `when` that is no node": (
        lambda: (
            started().add_conditional_edges("a", vg.when("n > 1", "nope").otherwise(END)).compile()
        ),
        ValueError,
        "At 'a' node, '.*' branch found unknown target 'nope'",
    ),
    "node named twice": (
        lambda: started().add_node("a", lambda s: {}),
        ValueError,
        "Node `a` already present",
    ),
    "expression with a syntax error": (
        lambda: started().add_node("e", vg.expr(x="n + * 2")),
        ValueError,
        r"(?s)in expression 'x':\n +n \+ \* 2\n +\^",
    ),
    "expression of an unknown name": (
        lambda: started().add_node("e", vg.expr(x="nope + 1")).add_edge("a", "e").compile(),
        ValueError,
        "(?s)unknown name 'nope' in node 'e', expression 'x'.*Hint: available: .*total",
    ),
    "router of an unknown name": (
        lambda: (
            started().add_conditional_edges("a", vg.when("nope > 1", "a").otherwise(END)).compile()
        ),
        ValueError,
        "(?s)unknown name 'nope' in router of 'a'.*Hint: available: .*total",
    ),
    "expression for an unknown channel": (
        lambda: started().add_node("e", vg.expr(nope="n + 1")).add_edge("a", "e").compile(),
        Exception,
        "(?s)node 'e' returned the unknown channel 'nope'.*Hint",
    ),
    "router that was not finished": (
        lambda: started().add_conditional_edges("a", vg.when("n > 1", "a")),
        TypeError,
        "unfinished: end it with .otherwise",
    ),
    "max_batch": (
        lambda: vector(lambda b: {}, max_batch=0),
        ValueError,
        "max_batch of node 'node' must be at least 1",
    ),
    "max_wait": (
        lambda: vector(lambda b: {}, max_wait=-1),
        ValueError,
        "max_wait of node 'node' must not be negative",
    ),
    "on_error": (
        lambda: vector(lambda b: {}, on_error="retry"),
        ValueError,
        "on_error of node 'node' must be 'raise' or 'split'",
    ),
    "option of vector nodes": (
        lambda: started().add_node("e", lambda s: {}, on_error="split"),
        ValueError,
        "(?s)Node 'e' is given on_error, which only vector nodes have.*Hint: add batched=True",
    ),
    "node that cannot run": (
        lambda: started().add_node("e", 3),
        TypeError,
        "unsupported type: <class 'int'>",
    ),
    "recursion limit": (
        lambda: started().compile().batch({"n": [1]}, {"recursion_limit": 0}),
        ValueError,
        "recursion_limit must be at least 1",
    ),
}


@pytest.mark.parametrize(("make", "kind", "text"), GRAPHS.values(), ids=GRAPHS)
def test_graphs_that_cannot_run_are_refused(make, kind, text) -> None:
    with pytest.raises(kind, match=text):
        make()


@pytest.mark.parametrize("reducer", [lambda: 1, lambda a: a, lambda a, b, c: a])
def test_reducers_take_two_values(reducer) -> None:
    schema = type("Schema", (dict,), {"__annotations__": {"x": Annotated[int, reducer]}})
    with pytest.raises(ValueError, match=r"Invalid reducer signature. Expected \(a, b\) -> c"):
        StateGraph(schema)


def test_expressions_are_never_python() -> None:
    for text in ("__import__('os').getcwd()", "n.__class__", "(lambda: 1)()", "[n for n in x]"):
        with pytest.raises(ValueError, match="in expression 'x'"):
            started().add_node("e", vg.expr(x=text)).add_edge("a", "e").compile()


class Question(TypedDict):
    n: int
    x: float


def asking():
    builder = StateGraph(State, input_schema=Question)
    builder.add_node("a", lambda state: {})
    builder.add_edge(START, "a")
    return builder.compile()


TABLES = {
    "length": (
        {"x": [1.0, 2.0], "n": [1]},
        "n",
        "Column 'n' has 1 rows, but the batch has 2.\nHint: give every column the same length",
    ),
    "length of a column that is dropped": (
        {"x": [1.0, 2.0], "other": [1]},
        "other",
        "Column 'other' has 1 rows, but the batch has 2",
    ),
    "one value": (
        {"x": [1.0, 2.0], "n": 3},
        "n",
        "Column 'n' is a int, not an array or a list.\nHint: .*np.full",
    ),
    "text": ({"name": "abc"}, "name", "Column 'name' is a str, not an array or a list"),
    "array without a dimension": ({"n": np.array(3)}, "n", "Column 'n' is a ndarray, not"),
    "words for a number": (
        {"small": ["a", "b"]},
        "small",
        "Column 'small' has type object, but its channel holds int32.\nHint: cast the column",
    ),
    "too large a number": ({"small": [2**40]}, "small", "type int, but its channel holds int32"),
    "far too large a number": ({"small": [2**70]}, "small", "but its channel holds int32"),
    "a float for an int": ({"small": [1.5]}, "small", "type float, but its channel holds int32"),
    "Arrow words for a number": (
        pa.table({"small": ["a"]}),
        "small",
        "Column 'small' has type string, but its channel holds int32",
    ),
    "Arrow floats for ints": (
        pa.table({"small": [1.5]}),
        "small",
        "Column 'small' has type double, but its channel holds int32",
    ),
    "no column of the schema": (
        {"other": [1]},
        "x",
        r"lacks the column\(s\) 'x', 'n', .*; it has 1 \(other\).\nHint: add the column",
    ),
    "record batches that differ": (
        iter([pa.record_batch({"n": [1]}), pa.record_batch({"n": [1], "x": [1.0]})]),
        "x",
        r"lacks the column\(s\) 'x'",
    ),
}


@pytest.mark.parametrize(("table", "channel", "text"), TABLES.values(), ids=TABLES)
def test_tables_that_do_not_fit_are_refused(table, channel, text) -> None:
    with pytest.raises(BatchInputError, match=f"(?s){text}") as caught:
        started().compile().batch(table)
    assert caught.value.channel == channel
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, BatchError)


@pytest.mark.parametrize("inputs", [5, iter([1, 2]), object()], ids=["int", "ints", "object"])
def test_what_is_no_table_is_refused(inputs) -> None:
    with pytest.raises(BatchInputError, match=r"(?s)Cannot read rows from .*Hint: pass"):
        started().compile().batch(inputs)


def test_rows_from_an_iterator_are_refused_by_name() -> None:
    with pytest.raises(BatchInputError, match="Column 'n' is a int, not an array or a list"):
        started().compile().batch(iter([{"n": 1}, {"n": 2}]))


@pytest.mark.parametrize("make", [pa.table, dict, lambda t: pa.table(t).to_reader()])
def test_a_needed_column_that_is_not_there(make) -> None:
    with pytest.raises(BatchInputError, match=r"lacks the column\(s\) 'x'; it has 1 \(n\)") as e:
        asking().batch(make({"n": [1]}))
    assert e.value.channel == "x"


def test_unknown_columns_are_dropped_whatever_they_hold() -> None:
    result = started().compile().batch({"n": [1, 2], "other": [object(), {1}], 3: ["a", "b"]})
    assert result.columns == tuple(State.__annotations__)


IDS = {
    "duplicates": ([4, 4, 5], "(?s)'ids' must be unique, but rows 1 .4. repeat .*Hint: drop"),
    "too few": ([1, 2], "Column 'ids' has 2 rows, but the batch has 3"),
    "floats": ([0.5, 1.0, 2.0], "(?s)'ids' must be integers from 0 on.*type float64.*Hint"),
    "negative": ([-1, 0, 1], "(?s)integers from 0 on.*negative numbers.*Hint: number the runs"),
    "missing": ([None, 1, 2], "(?s)integers from 0 on.*type object"),
    "two dimensions": ([[1, 2]] * 3, r"(?s)integers from 0 on.*shape \(3, 2\)"),
    "a column that is not there": ("id", r"lacks the column 'id' of row ids; it has 1 \(n\)"),
}


@pytest.mark.parametrize("make", [dict, pa.table])
@pytest.mark.parametrize(("ids", "text"), IDS.values(), ids=IDS)
def test_ids_that_are_none_are_refused(ids, text, make) -> None:
    with pytest.raises(BatchInputError, match=text):
        started().compile().batch(make({"n": [1, 2, 3]}), ids=ids)


def test_duplicate_ids_of_a_list_are_refused() -> None:
    with pytest.raises(BatchInputError, match="must be unique") as caught:
        started().compile().batch([{"n": 1}] * 3, ids=[7, 8, 7])
    assert caught.value.rows == (7,)


def one_error(app, n):
    """Return the error of a batch in which every run fails with the same one."""
    result = app.batch({"n": np.arange(n)})
    assert result.status.tolist() == ["error"] * n
    assert {error.node for error in result.errors} == {"node"}
    assert {error.step for error in result.errors} == {1}
    (only,) = {id(error.exception): error.exception for error in result.errors}.values()
    return only


RETURNS: dict[str, tuple[Any, str | None, str]] = {
    "too many rows": (
        lambda b: {"x": np.zeros(len(b) + 1)},
        "x",
        r"Vector node 'node' returned \d+ values for 'x', but ran on \d+ rows.*Hint",
    ),
    "a list too short": (lambda b: {"x": [1.0]}, "x", "returned 1 values for 'x', but ran on"),
    "unknown channel": (
        lambda b: {"nope": 1},
        "nope",
        r"Vector node 'node' returned the unknown channel 'nope'; the graph has 5 \(x, n, .*Hint",
    ),
    "unknown channel of some": (
        lambda b: vg.Updates([0], {"nope": [1]}),
        "nope",
        "unknown channel",
    ),
    "too few values for where": (
        lambda b: vg.Updates([0, 1], {"x": [1.0]}),
        "x",
        "returned 1 values for 'x', but ran on 2 rows",
    ),
    "position too large": (
        lambda b: vg.Updates([0, len(b)], {"x": 1.0}),
        None,
        r"Vector node 'node' returned positions \(0 to \d+\) that are not integers from 0 to",
    ),
    "negative position": (lambda b: vg.Updates([-1], {"x": 1.0}), None, r"\(-1 to -1\)"),
    "float position": (lambda b: vg.Sends([0.0], "other", {}), None, r"positions \(float64\)"),
    "mask too short": (lambda b: vg.Goto([True], "other"), "where", "1 values for 'where'"),
    "mask of one bool": (lambda b: vg.Goto(True, "other"), "where", "1 values for 'where'"),
    "labels too few": (lambda b: vg.Goto(None, ["other"]), "goto", "1 values for 'goto'"),
    "unknown goal": (
        lambda b: vg.Goto(None, "nope"),
        None,
        r"Vector node 'node' goes to the unknown node 'nope'; the graph has 2 \(.*Hint: add the",
    ),
    "unknown target": (lambda b: vg.Sends([0], "nope", {}), None, "unknown node 'nope'"),
    "packet to END": (lambda b: vg.Sends([0], END, {}), None, "unknown node '__end__'"),
    "packet too short": (
        lambda b: vg.Sends([0, 1], "other", {"n": [1]}),
        "n",
        "returned 1 values for 'n', but ran on 2 rows",
    ),
    "a number": (lambda b: 3, None, "(?s)Vector node 'node' returned int.*Hint: return a dict"),
    "an array": (lambda b: np.zeros(len(b)), None, "Vector node 'node' returned ndarray"),
    "a command": (lambda b: vg.Command(goto="other"), None, "Vector node 'node' returned Command"),
    "a list with a string": (lambda b: [{}, "other"], None, "Vector node 'node' returned str"),
}


@pytest.mark.parametrize("n", [2, 50])
@pytest.mark.parametrize(("fn", "channel", "text"), RETURNS.values(), ids=RETURNS)
def test_returns_of_vector_nodes_that_do_not_fit(fn, channel, text, n) -> None:
    error = one_error(vector(fn), n)
    assert type(error) is VectorNodeError
    assert isinstance(error, InvalidUpdateError)
    assert (error.node, error.channel) == ("node", channel)
    with pytest.raises(VectorNodeError, match=f"(?s){text}"):
        raise error


ROUTES = {
    "unknown label": (
        lambda b: ["nope"] * len(b),
        {"yes": "other"},
        r"Router 'router' returned 'nope', which its path map lacks; it has 1 \(yes\).*Hint: add",
    ),
    "unknown node": (lambda b: ["nope"] * len(b), None, "Router 'router' returned 'nope'"),
    "one unknown label for all": (lambda b: "nope", {"yes": "other"}, "returned 'nope'"),
    "code too large": (lambda b: b["n"] + 1, ["other"], r"Router 'router' returned \d+, which"),
    "negative code": (lambda b: b["n"] - 1, ["other", END], "Router 'router' returned -1"),
    "codes without a path map": (lambda b: b["n"], None, r"returned \d+, which its path map lacks"),
    "bools for words": (lambda b: b["n"] < 99, {"yes": "other"}, "returned True"),
    "too few": (lambda b: ["yes"], {"yes": "other"}, "'router' returned 1 values for 'labels'"),
    "None": (lambda b: None, {"yes": "other"}, "Router 'router' returned None"),
    "floats": (lambda b: b["n"] * 1.0, ["other", END], r"Router 'router' returned 0\.0"),
    "lists": (
        lambda b: [["yes"]] * len(b),
        {"yes": "other"},
        r"Router 'router' returned \['yes'\]",
    ),
}


@pytest.mark.parametrize("n", [2, 50])
@pytest.mark.parametrize(("fn", "path_map", "text"), ROUTES.values(), ids=ROUTES)
def test_returns_of_vector_routers_that_do_not_fit(fn, path_map, text, n) -> None:
    error = one_error(routed(fn, path_map), n)
    assert type(error) is VectorNodeError
    with pytest.raises(VectorNodeError, match=f"(?s){text}"):
        raise error


@pytest.mark.parametrize("n", [2, 50])
def test_an_unknown_label_of_a_scalar_router_fails_its_run(n) -> None:
    builder = started()
    builder.add_conditional_edges("a", lambda s: "q" if s["n"] else "end", {"end": END})
    result = builder.compile().batch({"n": np.arange(n) % 2})
    assert result.status.tolist() == ["done", "error"] * (n // 2)
    for error in result.errors:
        assert isinstance(error.exception, KeyError)
        assert error.exception.args == ("q",)
        assert error.node == "a"


@pytest.mark.parametrize("n", [2, 50])
def test_unknown_keys_of_a_scalar_node_are_dropped(n) -> None:
    builder = StateGraph(State)
    builder.add_node("a", lambda state: {"x": 1.0, "nope": 2})
    builder.add_edge(START, "a")
    result = builder.compile().batch({"n": np.zeros(n, int)})
    assert result.raise_first().values("x").tolist() == [1.0] * n


def test_a_goto_to_an_unknown_node_is_logged_and_ignored(caplog) -> None:
    builder = StateGraph(State)
    builder.add_node("a", lambda state: vg.Command(goto="nope"))
    builder.add_edge(START, "a")
    with caplog.at_level(logging.WARNING, "vecgraph"):
        result = builder.compile().batch({"n": [0, 0]})
    assert result.status.tolist() == ["done"] * 2
    assert "nope" in caplog.text


@pytest.mark.parametrize("n", [2, 50])
def test_two_writers_of_a_plain_channel(n) -> None:
    builder = StateGraph(State)
    builder.add_node("a", lambda state: {"x": 1.0})
    builder.add_node("b", lambda batch: vg.Updates(batch["n"] == 1, {"x": 2.0}), batched=True)
    builder.add_edge(START, "a")
    builder.add_edge(START, "b")
    result = builder.compile().batch({"n": np.arange(n)})
    (error,) = result.errors
    assert (error.row, error.node) == (1, None)
    assert "At key 'x': Can receive only one value per step" in str(error.exception)
    assert (result.status == "done").sum() == n - 1


def test_a_config_a_run_is_for_lists_only() -> None:
    with pytest.raises(BatchInputError, match=r"(?s)takes one config.*list of 2.*Hint: pass one"):
        started().compile().batch({"n": [1, 2]}, [{}, {}])


def test_options_that_do_not_exist_are_refused_with_a_table_too() -> None:
    with pytest.raises(TypeError, match=r"no option sead=\. Did you mean seed=\?"):
        started().compile().batch({"n": [1, 2]}, sead=3)

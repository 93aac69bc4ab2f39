"""What a scalar function looks up in its state is read from its code, and nothing else is built."""

from __future__ import annotations

import functools
import operator
import sys
from typing import Annotated, TypedDict

import pytest

from vecgraph.channels import reduce
from vecgraph.graph import END, START, StateGraph
from vecgraph.nodes.reading import keys_read, narrowed
from vecgraph.state import dicts


def plain(state):
    n = state["n"]
    return {"x": n + state["x"] * 2}


def indexed(state):
    return state["log"][-1]["id"]


def formatted(state, runtime=None):
    return f"{state['a']} {runtime}"


def branching(state):
    return state["a"] if state["b"] else state["c"]


def nothing(state):
    return {"x": 1}


READ = [
    (plain, {"n", "x"}),
    (indexed, {"log"}),
    (formatted, {"a"}),
    (branching, {"a", "b", "c"}),
    (nothing, set()),
    (lambda state: state["n"] < 3, {"n"}),
]


def written(state):
    state["n"] = 1
    return state["n"]


def deleted(state):
    del state["n"]


def rebound(state):
    state = {}
    return state["n"]


def enclosed(state):
    def inner():
        return state["n"]

    return inner


def chosen(state):
    return state["a" if state["c"] else "b"]


def passed_by_name(other):
    return plain(state=other)


def looked_at(state):
    return locals()["state"]["n"]


def framed(state):
    return sys._getframe().f_locals


UNKNOWN = [
    written,
    deleted,
    rebound,
    enclosed,
    chosen,
    passed_by_name,
    looked_at,
    framed,
    lambda state: state.get("n"),
    lambda state: len(state) + 1,
    lambda state: "n" in state,
    lambda state: {**state},
    lambda *states: states[0]["n"],
    lambda: 1,
    functools.partial(plain),
    functools.wraps(plain)(lambda *args: plain(args[0])),
    print,
    object(),
]


@pytest.mark.parametrize(("function", "keys"), READ)
def test_keys_that_a_function_looks_up_are_known(function, keys) -> None:
    assert keys_read(function) == keys
    assert narrowed(function, ("z", *sorted(keys))) == tuple(sorted(keys))


@pytest.mark.parametrize("function", UNKNOWN)
def test_nothing_is_said_of_a_function_that_does_anything_else(function) -> None:
    assert keys_read(function) is None
    assert narrowed(function, ("a", "b")) == ("a", "b")


class State(TypedDict, total=False):
    n: int
    log: Annotated[list, operator.add]


@pytest.mark.parametrize("many", [1, 50])
def test_a_list_that_nobody_looks_at_is_not_copied(many, monkeypatch) -> None:
    copied = []
    monkeypatch.setattr(reduce, "lists_of", lambda cells: copied.append(len(cells)) or cells)
    monkeypatch.setattr(
        reduce.BinaryOperatorAggregate, "read", lambda self, cell: copied.append(1) or cell
    )
    graph = StateGraph(State)
    graph.add_node("step", lambda state: {"n": state["n"] + 1, "log": [state["n"]]})
    graph.add_edge(START, "step")
    graph.add_conditional_edges("step", lambda state: "step" if state["n"] < 9 else END)
    app = graph.compile(tracing="off")
    app.batch({"n": [0] * many})
    assert sum(copied) <= 2 * many  # the result, and no superstep


def test_a_missing_key_is_missing_for_those_who_look_it_up() -> None:
    graph = StateGraph(State)
    graph.add_node("step", lambda state: {"n": len(state["log"]) + state["n"]})
    graph.add_edge(START, "step")
    app = graph.compile()
    for inputs in ([{"log": [1]}], [{"log": [1]}] * 50):
        outputs = app.batch(inputs, return_exceptions=True)
        assert {(type(e), str(e)) for e in outputs} == {(KeyError, "'n'")}


@pytest.mark.parametrize("width", [1, 2, 7, 300])
def test_rows_are_dicts_of_their_values(width) -> None:
    names = tuple(f'it\'s "{i}" {{0}} \\ é\n' for i in range(width))
    values = [[i * 10 + row for row in range(3)] for i in range(width)]
    assert dicts(names, values) == [
        {name: column[row] for name, column in zip(names, values, strict=True)} for row in range(3)
    ]

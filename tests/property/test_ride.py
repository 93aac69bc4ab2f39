"""Runs that stay in the loop of the short way come to what they come to on the other ways.

The loop skips what is known to do nothing between two calls of the user's functions. Here it
meets all that a node or a router may do, most of it odd, and must agree with the same engine
without the loop, run by run and with all runs in lanes, in value, order of keys, error and step.
"""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from vecgraph.config import get_config
from vecgraph.func import task
from vecgraph.graph import END, START, StateGraph, add_messages
from vecgraph.graph.message import push_message
from vecgraph.testing import difference
from vecgraph.types import Command, Overwrite, Send, interrupt

N = 12
NODES = ("a", "b", "c")


class State(TypedDict, total=False):
    n: int
    text: str
    total: Annotated[int, operator.add]
    log: Annotated[list, operator.add]
    most: Annotated[int, max]
    messages: Annotated[list, add_messages]


@task
def doubled(n):
    return 2 * n


def bare(state):
    return {"n": state["n"] + 1, "total": state["n"]}


def whole(state):
    return {"text": ",".join(state), "log": [len(state)]}


def mutates(state):
    state["n"] = 99
    return {"log": [state["n"]]}


def keeps_nothing(_state):
    return None


def unknown(state):
    return {"n": state["n"] + 1, "elsewhere": 1}


def configured(state, config):
    return {"text": str(config["metadata"]["langgraph_step"]), "n": state["n"]}


def ambient(state):
    place = get_config()["metadata"]
    return {"log": [place["langgraph_node"], place["langgraph_step"], state["n"]]}


def draws(state, runtime):
    return {"total": int(runtime.rng.integers(1000)), "n": state["n"] + 1}


def overwrites(state):
    return {"log": Overwrite(["new"]), "total": Overwrite(state["n"])}


def reads_log(state):
    state["log"].append("never seen")
    return {"n": len(state["log"])}


def raises(state):
    if state["n"] % 3 == 0:
        raise ValueError(f"n is {state['n']}")
    return {"n": state["n"] + 1}


def asks(state):
    if state["n"] % 3 == 1:
        interrupt({"n": state["n"]})
    return {"n": state["n"] + 1}


def commands(state):
    if state["n"] % 2:
        return Command(update={"n": state["n"] + 1}, goto="c")
    return [Command(update={"total": 1}), {"n": state["n"] + 2}]


def nonsense(state):
    return {"n": state["n"]} if state["n"] % 2 else 7


def wrong_type(state):
    return {"total": "text" if state["n"] % 2 else 1, "most": state["n"]}


def calls(state):
    return {"n": doubled(state["n"]).result() % 7, "total": 1}


def pushes(state):
    push_message({"role": "user", "content": str(state["n"]), "id": str(state["n"])})
    return {"n": state["n"] + 1}


def says(state):
    return {"messages": [{"role": "user", "content": "said", "id": "said"}], "n": state["n"] + 1}


ACTS = (
    says,
    bare,
    whole,
    mutates,
    keeps_nothing,
    unknown,
    configured,
    ambient,
    draws,
    overwrites,
    reads_log,
    raises,
    asks,
    commands,
    nonsense,
    wrong_type,
    calls,
    pushes,
)


def by_number(targets):
    return lambda state: targets[state["n"] % len(targets)]


def by_all(targets):
    return lambda state: targets[len(state) % len(targets)]


def by_raw(targets):
    return lambda state: targets[0] if "elsewhere" in state else targets[-1]


def by_order(targets):
    return lambda state: targets[len(next(iter(state))) % len(targets)]


def as_list(targets):
    return lambda state: list(targets) if state["n"] % 2 else [targets[0]]


def sends(targets):
    def route(state):
        if state["n"] % 3:
            return targets[0]
        return [Send("b", {"n": state["n"] + i, "log": []}) for i in range(2)]

    return route


def fails(targets):
    def route(state):
        if state["n"] % 4 == 1:
            raise KeyError(state["n"])
        return targets[state["n"] % len(targets)]

    return route


def strays(targets):
    return lambda state: "nowhere" if state["n"] % 4 == 2 else targets[0]


def reports(targets):
    def route(state, config):
        return targets[config["metadata"]["langgraph_step"] % len(targets)]

    return route


def by_messages(targets):
    return lambda state: targets[len(state["messages"]) % len(targets)]


def pushes_late(targets):
    def route(state):
        push_message({"role": "user", "content": "late", "id": "late"})
        return targets[0]

    return route


ROUTES = (
    by_messages,
    pushes_late,
    by_number,
    by_all,
    by_raw,
    by_order,
    as_list,
    sends,
    fails,
    strays,
    reports,
)


@st.composite
def chains(draw):
    """Draw a graph of scalar functions, most of them with one way on."""
    builder: Any = StateGraph(State)
    names = NODES[: draw(st.integers(1, 3))]
    for name in NODES:
        builder.add_node(name, draw(st.sampled_from(ACTS)))
    builder.add_edge(START, "a")
    for at, name in enumerate(NODES):
        ahead = (*names, END)
        targets = draw(st.lists(st.sampled_from(ahead), min_size=1, max_size=3, unique=True))
        kind = draw(st.sampled_from(["route", "route", "map", "edge", "end"]))
        if kind == "edge" and at + 1 < len(NODES):
            builder.add_edge(name, NODES[at + 1])
            if draw(st.integers(0, 9)) == 0:
                builder.add_edge(name, NODES[-1] if at == 0 else NODES[0])
        elif kind in {"route", "map"}:
            route = draw(st.sampled_from(ROUTES))(tuple(targets))
            ends = {t: t for t in (*NODES, END)} if kind == "map" else None
            builder.add_conditional_edges(name, route, ends)
        else:
            builder.add_edge(name, END)
    return builder.compile(tracing="off")


numbers = st.integers(0, 6)
states = st.fixed_dictionaries(
    {"n": numbers},
    optional={
        "text": st.sampled_from(["", "t"]),
        "total": numbers,
        "log": st.lists(numbers, max_size=2),
        "most": numbers,
        "elsewhere": numbers,
    },
)
inputs = st.one_of(states, states, states, st.sampled_from([{}, None, {"text": "t"}, {"log": [1]}]))


def outcomes(app, rows, limit, *, small, rides):
    """Run a batch one way; return what became of each run, keys in their order."""
    app.engine.small, app.engine.tables.quick.rides = small, rides
    result = app.batch(rows, {"recursion_limit": limit}, columns=True, seed=3)
    failed = {error.row: error for error in result.errors}
    found = []
    for row, output in enumerate(result.to_list()):
        error = failed.get(row)
        told = error and (
            error.node,
            error.step,
            type(error.exception).__name__,
            str(error.exception),
            len(getattr(error.exception, "__notes__", [])),
        )
        keys = list(output) if isinstance(output, dict) else None
        found.append((output, keys, result.status[row], int(result.steps[row]), told))
    return found


WAYS = {"alone": (10**9, True), "by itself": (None, True), "lanes": (1, True)}


@settings(
    max_examples=150,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(app=chains(), rows=st.lists(inputs, min_size=1, max_size=N), limit=st.integers(1, 9))
def test_the_loop_agrees_with_the_other_ways(app, rows, limit) -> None:
    rows = (rows * 40)[:40]
    expected = outcomes(app, rows, limit, small=10**9, rides=False)
    for name, (small, rides) in WAYS.items():
        found = outcomes(app, rows, limit, small=small, rides=rides)
        for row, (one, other) in enumerate(zip(expected, found, strict=True)):
            wrong = difference(list(one), list(other))
            assert wrong is None, f"{name}, row {row}, input {rows[row]!r}: {wrong}"


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(app=chains(), row=inputs, limit=st.integers(1, 9))
def test_a_single_run_in_the_loop_is_one_without_it(app, row, limit) -> None:
    def outcome(rides):
        app.engine.tables.quick.rides = rides
        try:
            return "returned", app.invoke(row, {"recursion_limit": limit}), None
        except Exception as error:  # noqa: BLE001 - what it is is what is compared
            notes = [note.split(" and id")[0] for note in getattr(error, "__notes__", [])]
            return "raised", [type(error).__name__, str(error)], notes

    assert difference(list(outcome(False)), list(outcome(True))) is None


@pytest.mark.parametrize(
    "way_on", [None, *ROUTES], ids=lambda way: getattr(way, "__name__", "edge")
)
@pytest.mark.parametrize("first", ACTS)
def test_each_act_before_each_other(first, way_on) -> None:
    rows = [{"n": 1, "log": [1]}, {"n": 2, "text": "t"}, {"n": 3}, {}, {"text": "t"}]
    for at, second in enumerate(ACTS if way_on is None else (whole, ambient)):
        builder: Any = StateGraph(State)
        builder.add_node("a", first).add_node("b", second)
        builder.add_edge(START, "a").add_edge("b", END)
        if way_on is None:
            builder.add_edge("a", "b")
        else:
            builder.add_conditional_edges("a", way_on(("b", END) if at else (END, "b")))
        app = builder.compile(tracing="off")
        expected = outcomes(app, rows, 5, small=10**9, rides=False)
        found = outcomes(app, rows, 5, small=10**9, rides=True)
        assert difference(expected, found) is None, second.__name__


class Plain(TypedDict, total=False):
    n: int
    text: str
    elsewhere: int


class Fewer(TypedDict, total=False):
    n: int
    text: str


@pytest.mark.parametrize("schema", [Plain, Fewer])
def test_keys_stand_in_the_order_of_the_schema_and_no_others(schema) -> None:
    builder: Any = StateGraph(schema)
    builder.add_node("a", lambda state: {"elsewhere": 1, "n": 2}).add_node("b", whole)
    builder.add_edge(START, "a").add_edge("a", "b").add_edge("b", END)
    app = builder.compile(tracing="off")
    rows = [{"text": "t"}, {"n": 1}, {"n": 1, "text": "t", "elsewhere": 3}]
    expected = outcomes(app, rows, 5, small=10**9, rides=False)
    assert outcomes(app, rows, 5, small=10**9, rides=True) == expected
    assert expected[0][0]["text"].startswith("n,text")


@pytest.mark.parametrize("act", [bare, whole, mutates, reads_log, ambient, draws])
def test_what_a_function_is_given_is_its_own(act) -> None:
    """A function that does more than look up keys gets a dict that nobody else sees."""
    builder: Any = StateGraph(State)
    builder.add_node("a", act).add_node("b", whole)
    builder.add_edge(START, "a").add_edge("a", "b").add_edge("b", END)
    app = builder.compile(tracing="off")
    rows = [{"n": n, "log": [n]} for n in range(40)]
    assert app.engine.rides()
    found = outcomes(app, rows, 25, small=None, rides=True)
    assert found == outcomes(app, rows, 25, small=10**9, rides=False)
    assert [row["log"] for row in rows] == [[n] for n in range(40)]

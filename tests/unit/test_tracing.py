"""The traced tier: what it refuses before anything runs, what it does with odd rows, how it is seen."""

from __future__ import annotations

import asyncio
import functools
import math
import operator
import os
import random
import subprocess
import sys
import time
import traceback
from typing import Annotated, Any, TypedDict

import numpy as np
import pytest

from vecgraph.constants import END as IMPORTED
from vecgraph.errors import TracingError
from vecgraph.graph import END, START, StateGraph
from vecgraph.tracing.compare import is_same
from vecgraph.tracing.source import Refused
from vecgraph.tracing.traced import Traced
from vecgraph.types import Command, Send

CALLS: list[Any] = []
SETTINGS = {"by": 2}
FACTOR = 3
PAIR = (1, 2)


@pytest.fixture(autouse=True)
def tracing_is_on(monkeypatch):
    """Also where the whole suite runs without."""
    monkeypatch.delenv("VECGRAPH_TRACING", raising=False)


class State(TypedDict, total=False):
    n: int
    x: float
    s: str
    items: list


class SumState(State):
    total: Annotated[int, operator.add]


def noted(value):
    CALLS.append(value)
    return value


def app_of(fn, router=None, state=State, **options):
    """Return an app of one node; runs end after it, or go where the router says."""
    builder = StateGraph(state)
    builder.add_node("node", fn)
    builder.add_edge(START, "node")
    if router is None:
        builder.add_edge("node", END)
    else:
        builder.add_conditional_edges("node", router)
    return builder.compile(**options)


def tier_of(app, router=False):
    (node,) = app.explain().nodes
    return node["routers"][0]["tier"] if router else node["tier"]


def in_columns(app, rows):
    """Run a batch and be sure that no row of it ended the use of the column form."""
    found = app.batch(rows)
    assert tier_of(app) == "traced", str(app.explain())
    return found


def uses_random(state):
    value = random.randint(0, 1)
    return {"n": noted(value)}


def uses_numpy_random(state):
    value = np.random.default_rng(0).random()
    return {"x": noted(value)}


def uses_time(state):
    value = time.time()
    return {"x": noted(value)}


def opens_a_file(state):
    with open(os.devnull) as file:
        return {"s": noted(file.read())}


def prints(state):
    print(noted(state["n"]))  # noqa: T201
    return {"n": 1}


def reads_a_mutable_global(state):
    value = state["n"] * SETTINGS["by"]
    return {"n": noted(value)}


def calls_a_function_that_is_not_known(state):
    return {"n": noted(state["n"])}


def compares_identities(state):
    value = state["n"] is state["x"]
    return {"n": noted(value)}


def asks_for_the_class(state):
    value = isinstance(state["n"], int)
    return {"n": noted(value)}


def tries(state):
    try:
        return {"x": noted(1) / state["n"]}
    except ZeroDivisionError:
        return {"x": 0.0}


def yields(state):
    yield {"n": noted(1)}


def uses_a_generator(state):
    value = sum(i for i in range(state["n"]))
    return {"n": noted(value)}


def uses_a_comprehension(state):
    value = [i + 1 for i in range(3)]
    return {"items": noted(value)}


def changes_a_list_in_place(state):
    state["items"].append(noted(1))
    return {"n": 1}


def changes_the_state(state):
    state["n"] = noted(1)
    return {"n": 2}


def changes_an_item(state):
    items = (1, 2)
    items[0] = noted(1)
    return {"items": items}


def adds_to_an_item(state):
    state["n"] += noted(1)
    return {"n": 1}


def sets_a_global(state):
    global FACTOR
    FACTOR = 3
    return {"n": noted(1)}


def deletes(state):
    del state["n"]
    return {"n": noted(1)}


def iterates_over_the_state(state):
    for key in state:
        noted(key)
    return {"n": 1}


def spreads_something(state):
    return {"n": noted(1), **state}


def hands_on_the_state(state):
    return noted(state)


def imports(state):
    import json

    return {"s": noted(json.dumps(state["n"]))}


def defines_a_function(state):
    def inner():
        return noted(1)

    return {"n": inner()}


def computes_a_key(state):
    value = state["n" + state["s"]]
    return {"n": noted(value)}


def calls_what_it_is_given(state, call=noted):
    return {"n": call(1)}


def rebinds_the_state(state):
    state = {"n": 1}
    return {"n": noted(state["n"])}


REFUSED = {
    uses_random: "random.randint is not traced",
    uses_numpy_random: "np.random.default_rng",
    uses_time: "time.time is not traced",
    opens_a_file: "with is not traced",
    prints: "an expression whose value is dropped",
    reads_a_mutable_global: "'SETTINGS' is a dict from outside",
    calls_a_function_that_is_not_known: "noted is not traced (an expression whose value is dropped",
    compares_identities: "`is` compares identities",
    asks_for_the_class: "a call of isinstance",
    tries: "try is not traced",
    yields: "it does not take one state",
    uses_a_generator: "a call of sum",
    uses_a_comprehension: "a comprehension",
    changes_a_list_in_place: "an expression whose value is dropped",
    changes_the_state: "state['n'] is changed in place",
    changes_an_item: "items[0] is changed in place",
    adds_to_an_item: "state['n'] is changed in place",
    sets_a_global: "global is not traced",
    deletes: "del is not traced",
    iterates_over_the_state: "a loop over something else",
    spreads_something: "a dict with ** is traced for the state alone",
    hands_on_the_state: "noted is not traced",
    imports: "import is not traced",
    defines_a_function: "a function in the function",
    computes_a_key: "something else than a constant name",
    calls_what_it_is_given: "the default of 'call' is not a constant",
    rebinds_the_state: "state is changed in place",
}


@pytest.mark.parametrize("fn", REFUSED, ids=lambda fn: fn.__name__)
def test_a_function_that_is_not_known_to_be_pure_is_refused_before_anything_of_it_runs(fn) -> None:
    reason = REFUSED[fn]
    CALLS.clear()
    app = app_of(fn)
    text = str(app.explain())
    assert not CALLS
    assert "node: rowwise" in text
    assert reason in text
    with pytest.raises(TracingError, match="The function of node 'node' is not traced"):
        app_of(fn, tracing="require")
    assert not CALLS


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("state['n'] is state['x']", "identities"),
        ("isinstance(state['n'], int)", "isinstance"),
        ("min(i for i in (1, 2))", "a generator"),
        ("[i for i in (1, 2)]", "a comprehension"),
        ("state['items'].append(1)", ".append"),
        ("{**state['items']}", "**"),
        ("len(state)", "as a whole"),
        ("state['n' + state['s']]", "constant name"),
        ("(lambda: 1)()", "not traced"),
        ("(y := state['n'])", "an assignment in an expression"),
        ("state.items()", "state.items"),
        ("{state['n']: 1}", "computed keys"),
        ("{*PAIR}", "a set"),
        ("max(*PAIR)", "*"),
        ("round(state['x'], ndigits=1)", "keywords"),
        ("state['s'].format(state['n'])", ".format"),
        ('f\'{state["x"]:{state["n"]}}\'', "computed format"),
        ("undefined + state['n']", "not defined"),
        ("print(1)", "print"),
        ("id(state['n'])", "id"),
        ("hash(state['s'])", "hash"),
        ("eval('1')", "eval"),
        ("3j", "complex"),
        ("state['s'].n", "not traced"),
        ("os.environ", "not traced"),
        ("{1, 2}", "a set"),
        ("state['n'] @ state['x']", "MatMult"),
    ],
)
def test_an_expression_that_is_not_known_is_refused(text, reason) -> None:
    fn = _of_text(f"lambda state: {{'n': {text}}}")
    refused = Traced(fn).refused
    assert refused is not None
    assert reason in str(refused)
    assert text in str(refused)  # the line that stopped it


def _of_text(text):
    import linecache

    filename = f"<text {text}>"
    linecache.cache[filename] = (len(text), None, [text], filename)
    return eval(compile(text, filename, "eval", dont_inherit=True), globals())


def test_what_is_no_plain_function_with_a_source_is_refused() -> None:
    cases = {
        "plain function": functools.partial(lambda state: {"n": 1}),
        "its source cannot be read": eval("lambda state: {'n': 1}"),
        "beside the state": lambda state, *, other: {"n": 1},
        "does not take one state": lambda *states: {"n": 1},
    }
    for reason, fn in cases.items():
        assert reason in str(Traced(fn).refused)
    assert "generator" in str(Traced(yields).refused)


def test_a_function_whose_file_has_changed_is_refused(tmp_path) -> None:
    path = tmp_path / "nodes_of_mine.py"
    path.write_text("def f(state):\n    return {'n': 1}\n", encoding="utf-8")
    space: dict[str, Any] = {}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec", dont_inherit=True), space)
    path.write_text("def f(state):\n    return {'n': 2}\n", encoding="utf-8")
    assert "has changed" in str(Traced(space["f"]).refused)


def test_several_lambdas_of_one_line_are_told_apart() -> None:
    first, second = (lambda state: {"n": state["n"] + 1}), (lambda state: {"n": state["n"] + 2})
    for fn, expected in ((first, 2), (second, 3)):
        app = app_of(fn, tracing="require")
        assert app.batch([{"n": 1}] * 40) == [{"n": expected}] * 40


def test_explain_shows_the_expressions_or_the_line_that_stopped_it() -> None:
    def node(state):
        twice = state["n"] * 2
        return {"n": twice + 1, "x": state["x"] / 2}

    text = str(app_of(node, lambda state: END).explain())
    assert "node: traced (an unchanged function, in columns)" in text
    assert "n: twice + 1" in text
    assert "x: state['x'] / 2" in text
    text = str(app_of(uses_time).explain())
    assert "time.time is not traced, line" in text
    assert ": value = time.time())" in text


def test_tracing_is_off_where_compile_or_the_environment_says_so() -> None:
    app = app_of(lambda state: {"n": state["n"] + 1}, tracing="off")
    assert tier_of(app) == "rowwise"
    assert "tracing is off" in str(app.explain())
    program = (
        "from tests.unit.test_tracing import app_of, tier_of, plus_one\n"
        "app = app_of(plus_one)\n"
        "assert app.batch([{'n': 1}] * 50) == [{'n': 2}] * 50\n"
        "print(tier_of(app))"
    )
    for value, tier in (("off", "rowwise"), ("", "traced")):
        env = {**os.environ, "VECGRAPH_TRACING": value}
        done = subprocess.run(
            [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False
        )
        assert (done.stdout.strip(), done.stderr) == (tier, "")


def plus_one(state):
    return {"n": state["n"] + 1}


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="tracing is 'auto', 'off' or 'require', not 'on'"):
        app_of(plus_one, tracing="on")


def test_require_names_the_router_that_is_not_traced() -> None:
    def route(state):
        return random.choice([END])

    with pytest.raises(TracingError, match="router 'route' of node 'node'") as caught:
        app_of(plus_one, route, tracing="require")
    assert caught.value.reason.startswith("random.choice is not traced")


def test_each_failing_row_has_the_exception_of_its_function() -> None:
    def node(state):
        if state["n"] == 7:
            raise ValueError("seven", 7)
        return {"x": 1 / state["n"]}

    app = app_of(node, tracing="require")
    result = app.batch([{"n": n} for n in range(40)], columns=True)
    errors = {error.row: error.exception for error in result.errors}
    assert sorted(errors) == [0, 7]
    assert str(errors[0]) == "division by zero"
    assert errors[7].args == ("seven", 7)
    assert "node" in traceback.format_tb(errors[7].__traceback__)[-1]
    assert result.table.column("x").to_pylist()[8] == 1 / 8


def test_rows_that_columns_cannot_vouch_for_run_the_function_once_each() -> None:
    seen = []

    class Count(int):
        def __add__(self, other):
            seen.append(int(self))
            return int(self) + other

    app = app_of(lambda state: {"n": state["n"] + 1}, tracing="require")
    values = [Count(n) if n % 10 == 0 else n for n in range(60)]
    assert [run["n"] for run in app.batch([{"n": n} for n in values])] == list(range(1, 61))
    assert seen == list(range(0, 60, 10))


def test_ints_leave_64_bits_without_a_word() -> None:
    app = app_of(lambda state: {"n": state["n"] * state["n"] + 1}, tracing="require")
    values = [2**31, 2**32, 2**63, -(2**63), 3] * 10
    assert [r["n"] for r in app.batch([{"n": n} for n in values])] == [n * n + 1 for n in values]


def test_a_global_is_read_again_at_each_batch() -> None:
    space = {"BY": 2}
    text = "def f(state):\n    return {'n': state['n'] * BY}\n"
    import linecache

    linecache.cache["<by>"] = (len(text), None, text.splitlines(keepends=True), "<by>")
    exec(compile(text, "<by>", "exec", dont_inherit=True), space)
    app = app_of(space["f"], tracing="require")
    assert app.batch([{"n": 5}] * 40) == [{"n": 10}] * 40
    space["BY"] = 3
    assert app.batch([{"n": 5}] * 40) == [{"n": 15}] * 40
    space["BY"] = [3]
    assert app.batch([{"n": 2}] * 40) == [{"n": [3, 3]}] * 40
    assert "list from outside" in str(app.explain())
    space["BY"] = 4
    assert app.batch([{"n": 5}] * 40) == [{"n": 20}] * 40


def test_constants_of_closures_and_defaults_are_taken() -> None:
    by = 4

    def node(state, plus=FACTOR):
        return {"n": state["n"] * by + plus + PAIR[1], "x": math.pi}

    app = app_of(node, tracing="require")
    assert app.batch([{"n": 1}] * 40) == [{"n": 9, "x": math.pi}] * 40


def test_a_closure_that_changes_is_read_again() -> None:
    count = 1

    def node(state):
        return {"n": state["n"] + count}

    app = app_of(node)
    assert app.batch([{"n": 1}] * 40) == [{"n": 2}] * 40
    count = 10
    assert app.batch([{"n": 1}] * 40) == [{"n": 11}] * 40


def test_a_difference_ends_the_use_of_the_column_form_and_is_shown(monkeypatch) -> None:
    from vecgraph.tracing import kernels

    wrong = (operator.add, lambda vectors, frame: kernels.binary("-", *vectors, frame))
    monkeypatch.setitem(kernels.BINARY, "Add", wrong)
    app = app_of(lambda state: {"n": state["n"] + 1})
    assert tier_of(app) == "traced"
    assert app.batch([{"n": n} for n in range(50)]) == [{"n": n + 1} for n in range(50)]
    assert tier_of(app) == "rowwise"
    assert "a row gave" in str(app.explain())
    assert app.batch([{"n": 1}] * 50) == [{"n": 2}] * 50


def test_a_fault_of_the_column_form_leaves_every_row_to_the_function(monkeypatch) -> None:
    from vecgraph.tracing import kernels

    def fails(vectors, frame):
        raise IndexError("a bug")

    monkeypatch.setitem(kernels.BINARY, "Add", (operator.add, fails))
    app = app_of(lambda state: {"n": state["n"] + 1})
    assert app.batch([{"n": 1}] * 50) == [{"n": 2}] * 50
    assert "its column form failed: IndexError: a bug" in str(app.explain())


def test_routers_send_each_row_where_it_would_go_alone() -> None:
    def route(state):
        if state["n"] % 3 == 0:
            return IMPORTED
        return "a" if state["n"] % 3 == 1 else ["a", "b"]

    builder = StateGraph(SumState)
    builder.add_node("node", lambda state: {"n": state["n"] + 1})
    builder.add_node("a", lambda state: {"total": 1})
    builder.add_node("b", lambda state: {"total": 10})
    builder.add_edge(START, "node")
    builder.add_conditional_edges("node", route, ["a", "b", END])
    app = builder.compile(tracing="require")
    inputs = [{"n": n} for n in range(60)]
    assert app.batch(inputs) == [app.invoke(one) for one in inputs]


@pytest.mark.parametrize("make", [True, False])
def test_a_path_map_of_bools_and_of_text_is_followed(make) -> None:
    builder = StateGraph(State)
    builder.add_node("node", lambda state: {"n": state["n"] + 1})
    builder.add_edge(START, "node")
    ends = {True: "node", False: END} if make else {"on": "node", "off": END}
    path = (
        (lambda state: state["n"] < 5)
        if make
        else (lambda state: "on" if state["n"] < 5 else "off")
    )
    builder.add_conditional_edges("node", path, ends)
    app = builder.compile(tracing="require")
    inputs = [{"n": n} for n in range(-3, 57)]
    assert app.batch(inputs) == [app.invoke(one) for one in inputs]
    assert [run["n"] for run in app.batch(inputs)][:9] == [5] * 8 + [6]


def test_routers_that_return_what_is_no_node_fail_or_warn_as_alone(caplog) -> None:
    builder = StateGraph(State)
    builder.add_node("node", lambda state: {"n": state["n"] + 1})
    builder.add_edge(START, "node")
    path = lambda state: END if state["n"] % 2 else "nowhere"
    builder.add_conditional_edges("node", path, {END: END, "other": "node"})
    app = builder.compile()
    result = app.batch([{"n": n} for n in range(40)], columns=True)
    assert len(result.errors) == 20
    assert {type(error.exception) for error in result.errors} == {KeyError}


def test_an_async_batch_is_traced_too() -> None:
    app = app_of(plus_one, tracing="require")
    assert asyncio.run(app.abatch([{"n": 1}] * 40)) == [{"n": 2}] * 40


def test_refused_says_its_line() -> None:
    assert str(Refused("why")) == "why"
    assert str(Refused("why", 3, "x = 1")) == "why, line 3: x = 1"


def clamped(value, low=0, high=9):
    if value < low:
        return low
    while value > high:
        value -= 1
    return value


def counted_down(value):
    return counted_down(value - 1) if value > 0 else 0


def test_a_helper_written_in_python_is_read_too() -> None:
    app = app_of(lambda state: {"n": clamped(state["n"] * 2, 4)}, tracing="require")
    rows = [{"n": n} for n in range(-5, 45)]
    assert app.batch(rows) == [{"n": clamped(row["n"] * 2, 4)} for row in rows]


def test_a_helper_that_is_replaced_is_read_again(monkeypatch) -> None:
    app = app_of(lambda state: {"n": clamped(state["n"])})
    assert app.batch([{"n": 20}] * 40) == [{"n": 9}] * 40
    monkeypatch.setitem(globals(), "clamped", lambda value: value + 1)
    assert app.batch([{"n": 20}] * 40) == [{"n": 21}] * 40


def test_a_helper_that_calls_itself_is_refused() -> None:
    assert "it calls itself" in str(Traced(lambda state: {"n": counted_down(state["n"])}).refused)


def test_the_state_may_be_returned_with_other_values_over_it() -> None:
    for node in (lambda state: {**state, "n": state["n"] + 1}, lambda state: state):
        app = app_of(node, tracing="require")
        rows = [{"n": n, "s": "x"} if n % 3 else {"n": n} for n in range(50)]
        assert app.batch(rows) == [app.invoke(row) for row in rows]


def test_lists_and_dicts_are_read_row_by_row() -> None:
    def node(state):
        items = state["items"]
        if not items or "stop" in items:
            return {"n": 0, "items": []}
        last = items[-1]
        return {"n": len(items), "items": [*items[1:], last, state.get("x", 0.5)]}

    app = app_of(node, tracing="require")
    lists = [[], [1, "a"], ["stop"], [{"k": 1}], [[2]], [None]]
    rows = [{"items": lists[n % 6], "n": n} for n in range(60)]
    assert app.batch(rows) == [app.invoke(row) for row in rows]
    assert tier_of(app) == "traced"


def test_objects_that_may_do_anything_are_asked_by_the_function_alone() -> None:
    asked = []

    class Loud(list):
        def __len__(self):
            asked.append(1)
            return 7

    app = app_of(lambda state: {"n": len(state["items"])}, tracing="require")
    rows = [{"items": Loud() if n % 10 == 0 else [n]} for n in range(50)]
    assert [run["n"] for run in app.batch(rows)] == [7 if n % 10 == 0 else 1 for n in range(50)]
    assert len(asked) == 5


def test_commands_write_and_send_each_row_where_it_would_go_alone() -> None:
    def node(state):
        n = state["n"]
        if n % 5 == 4:
            return {"n": n + 2}
        if n > 60:
            return None
        goto = "b" if n % 2 else ("c" if n % 3 else END)
        return Command(update={"n": n + 1, "total": 1, "unknown": 3}, goto=goto)

    builder = StateGraph(SumState)
    builder.add_node("node", node)
    builder.add_node("b", lambda state: Command(goto="node", update={"n": state["n"] * 3}))
    builder.add_node("c", lambda state: {"total": 10})
    builder.add_edge(START, "node")
    path = lambda s: [Send("c", {"n": 1}), "b"] if s["n"] % 7 == 0 else END
    builder.add_conditional_edges("c", path, ["b", "c", END])
    inputs = [{"n": n} for n in range(100)]
    config = {"recursion_limit": 12}
    found, expected = (
        builder.compile(tracing=mode).batch(inputs, config, return_exceptions=True)
        for mode in ("require", "off")
    )
    assert list(map(repr, found)) == list(map(repr, expected))


def test_a_sum_of_items_that_are_written_out_is_pythons() -> None:
    def node(state):
        return {"n": sum([state["n"], 1, True]), "x": sum((state["x"], 0.1, 1e100, -1e100))}

    app = app_of(node, tracing="require")
    rows = [{"n": n, "x": n / 3} for n in range(50)]
    assert app.batch(rows) == [node(row) for row in rows]
    assert tier_of(app) == "traced"


def test_a_label_chosen_by_nested_conditions_is_followed() -> None:
    def route(state):
        n = state["n"]
        return "a" if n < 10 else "b" if n < 20 else END if n % 2 else ("a" if n < 40 else "b")

    builder = StateGraph(SumState)
    builder.add_node("node", lambda state: {"n": state["n"]})
    builder.add_node("a", lambda state: {"s": "a"})
    builder.add_node("b", lambda state: {"s": "b"})
    builder.add_edge(START, "node")
    builder.add_conditional_edges("node", route)
    app = builder.compile(tracing="require")
    rows = [{"n": n} for n in range(60)]
    assert app.batch(rows) == [app.invoke(row) for row in rows]


@pytest.mark.parametrize(
    ("found", "expected", "same"),
    [
        (1, 1, True),
        (1, True, False),
        (1, 1.0, False),
        (0.0, -0.0, False),
        (math.nan, -math.nan, True),
        (math.nan, 1.0, False),
        ("a", "b", False),
        (None, None, True),
        ([1, 2], (1, 2), False),
        ([1, [0.0]], [1, [-0.0]], False),
        ([1], [1, 2], False),
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, False),
        ({"a": 1}, {"a": True}, False),
        (Send("a", 1), Send("a", 1), True),
        (Send("a", 1), Send("b", 1), False),
        (Send("a", 1), Send("a", 1.0), False),
        (Command(goto="a"), Command(goto="b"), False),
        (Command(update={"n": 1}), Command(update={"n": 1}), True),
        (Command(update={"n": 1}), Command(update={"n": 2}), False),
    ],
)
def test_results_are_the_same_to_the_bit_and_to_the_type(found, expected, same) -> None:
    assert is_same(found, expected) is same


def test_what_would_be_changed_in_place_is_left_to_the_function() -> None:
    def node(state):
        items = state["items"]
        items += [state["n"]]
        return {"n": len(items)}

    app = app_of(node, tracing="require")
    lists = [[] for _ in range(40)]
    rows = [{"n": n, "items": items} for n, items in enumerate(lists)]
    assert [run["n"] for run in app.batch(rows)] == [1] * 40
    assert lists == [[n] for n in range(40)]
    values = [{"n": n, "items": n} for n in range(40)]
    assert [type(e) for e in app.batch(values, return_exceptions=True)] == [TypeError] * 40


def test_a_send_gives_its_node_what_it_carries() -> None:
    builder = StateGraph(SumState)
    builder.add_node("node", lambda state: {"n": state["n"]})
    builder.add_node("each", lambda state: {"total": state["k"] * 2 if "k" in state else 1})
    builder.add_edge(START, "node")
    path = lambda s: [Send("each", {"k": s["n"]}), Send("each", {"k": 0.5}), Send("each", {})]
    builder.add_conditional_edges("node", path, ["each"])
    app = builder.compile(tracing="require")
    rows = [{"n": n} for n in range(40)]
    assert app.batch(rows) == [app.invoke(row) for row in rows]


def test_a_name_that_is_read_twice_keeps_its_value() -> None:
    def node(state):
        twice = state["x"] * 2.0
        more = twice + 1.0
        n = state["n"] + 1
        return {"x": twice * more, "n": n - 1 + n * 2, "s": f"{twice} {more} {n}"}

    app = app_of(node, tracing="require")
    rows = [{"x": n / 7, "n": n} for n in range(50)]
    assert in_columns(app, rows) == [node(row) for row in rows]


def test_the_right_side_of_a_condition_counts_where_the_left_leaves_it_open() -> None:
    def node(state):
        n, low, high = state["n"], "no", "no"
        if n > 5 and math.sqrt(n - 5) < 3:
            low = "yes"
        if n <= 5 or not (math.sqrt(n - 5) < 3 or len(state["s"]) > 2):
            high = "yes"
        return {"s": low + high}

    app = app_of(node, tracing="require")
    rows = [{"n": n, "s": "x" * (n % 5)} for n in range(50)]
    assert in_columns(app, rows) == [{"n": row["n"], **node(row)} for row in rows]


def test_a_loop_of_many_rounds_is_left_to_the_function() -> None:
    def node(state):
        n = rounds = 0
        while n < state["n"]:
            n += 1
            rounds += 1
        return {"n": rounds}

    app = app_of(node, tracing="require")
    rows = [{"n": n * 50} for n in range(60)]
    assert in_columns(app, rows) == rows


def test_loops_leave_and_skip_as_they_do_alone() -> None:
    def node(state):
        total = 0
        for i in range(10):
            if i == state["n"] % 12:
                break
            if i % 3 == state["n"] % 3:
                continue
            total += i
        else_like = total if state["n"] > 20 else -total
        return {"n": else_like, "x": i / 2}

    app = app_of(node, tracing="require")
    rows = [{"n": n} for n in range(50)]
    assert in_columns(app, rows) == [node(row) for row in rows]

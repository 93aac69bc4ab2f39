"""Compiled loops: each operator on awkward numbers, what is refused, and what is kept on disk."""

from __future__ import annotations

import itertools
import operator
import os
import pickle
import stat
from typing import Annotated, TypedDict

import numpy as np
import pytest

from tests.property.traced_functions import defined
from vecgraph.errors import GraphRecursionError
from vecgraph.graph import END, START, StateGraph
from vecgraph.jit import build
from vecgraph.tracing.compare import is_same
from vecgraph.workers.parcel import dumps

pytest.importorskip("numba", reason="the jit extra is not installed")

MOST, LEAST = 2**63 - 1, -(2**63)
INTS = [0, 1, -1, 2, -3, 7, 63, 64, 2**31, -(2**31) - 1, 2**53, 2**53 + 1, 2**62, MOST, LEAST]
FLOATS = [0.0, -0.0, 1.5, -2.0, 1e300, 5e-324, float("inf"), float("-inf"), float("nan"), 2.0**63]
PAIRS = [
    (a, b, x)
    for (a, b), x in zip(itertools.product(INTS, INTS), itertools.cycle(FLOATS), strict=False)
]
PAIRS += [(a, 2, x) for a, x in itertools.product(INTS, FLOATS)]


@pytest.fixture(autouse=True, scope="module")
def folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("jit")
        patch.setenv("VECGRAPH_CACHE_DIR", str(folder))
        patch.delenv("VECGRAPH_TRACING", raising=False)
        yield folder


class State(TypedDict, total=False):
    a: int
    b: int
    x: float
    y: float
    r: int


def loops(app):
    """Count the rows of the batches to come that a loop has done, and those that it gave up."""
    counts = []
    done = app.engine.jitted._done

    def counted(*args):
        results, failed = done(*args)
        counts.append((int((~failed).sum()), int(failed.sum())))
        return results, failed

    app.engine.jitted._done = counted
    return counts


def outcome(fn, row):
    try:
        return fn(row)["r"]
    except Exception as error:  # noqa: BLE001 - it is what is compared
        return type(error), str(error)


def fits(value):
    return type(value) in {bool, float} or (type(value) is int and LEAST <= value <= MOST)


EXACT = [
    "a + b", "a - b", "a * b", "a * 3", "a * -1", "-5 * a", "a // 7", "a % 7", "a & b", "a | b",
    "a ^ b", "a >> 1", "a >> 70", "-a", "~a", "abs(a)", "min(a, b)", "max(a, b)", "a and b",
    "a or b", "not a", "a < b", "a == b", "0 < a <= b", "x + y", "x - y", "x * y", "-x", "abs(x)",
    "min(x, y)", "max(x, y)", "x and y", "x or y", "not x", "x != y", "a + x", "x * a", "float(a)",
    "bool(x)", "int(a > b)", "(a > b) + 1", "(a > b) & (x > y)", "x if a else y", "a * 2.5",
    "state.get('r', 4) + a",
]  # fmt: skip
"""What a loop computes wherever its result fits."""

CAREFUL = ["a // b", "a % b", "a >> b", "a / b", "x / y", "x / a", "a < x", "a == x", "x >= b",
           "int(x)", "math.sqrt(x)", "a // -1", "a % -3"]  # fmt: skip
"""What it may also leave to the ordinary way."""


@pytest.mark.parametrize("text", EXACT + CAREFUL)
def test_an_operator_is_pythons(text) -> None:
    body = "".join(f"    {n} = state['{n}']\n" for n in "abxy" if n in text.replace("max", ""))
    fn = defined(f"def traced(state):\n{body}    return {{'r': {text}}}\n")
    graph = StateGraph(State)
    graph.add_node("node", fn)
    graph.add_edge(START, "node")
    app = graph.compile(jit=True)
    counts = loops(app)
    a, b, x = (np.array(values) for values in zip(*PAIRS, strict=True))
    result = app.batch({"a": a, "b": b, "x": x, "y": x[::-1].copy()})
    rows = [
        {"a": i, "b": j, "x": f, "y": g}
        for (i, j, f), g in zip(PAIRS, x[::-1].tolist(), strict=True)
    ]
    expected = [outcome(fn, row) for row in rows]
    errors = {e.row: (type(e.exception), str(e.exception)) for e in result.errors}
    for row, (value, wanted) in enumerate(zip(result.to_list(), expected, strict=True)):
        found = errors.get(row) or value["r"]
        assert is_same(found, wanted), (rows[row], found, wanted)
    assert app.engine.jitted.why_not() is None
    able = sum(map(fits, expected))
    ((done, _),) = counts
    assert done == able if text in EXACT else able / 4 < done <= able


def counter(jit=True):
    class Count(TypedDict):
        n: int
        total: Annotated[int, operator.add]
        name: str

    graph = StateGraph(Count)
    graph.add_node("up", lambda state: {"n": state["n"] + 1, "total": state["n"]})
    graph.add_edge(START, "up")
    graph.add_conditional_edges("up", lambda state: "up" if state["n"] < 5 else END)
    return graph.compile(jit=jit)


INPUT = {"n": np.arange(100) % 9 - 2, "name": [f"row {i}" for i in range(100)]}


def test_what_the_loop_does_not_touch_goes_past_it() -> None:
    app = counter()
    counts = loops(app)
    found, expected = app.batch(INPUT), counter(jit=False).batch(INPUT)
    assert counts == [(100, 0)]
    assert found.table.equals(expected.table)
    assert found.steps.tolist() == expected.steps.tolist()
    assert found.stats["run_steps"] == expected.stats["run_steps"]
    rows = [
        dict(zip(INPUT, row, strict=True)) for row in zip(*map(list, INPUT.values()), strict=True)
    ]
    assert app.batch(rows) == expected.to_list()


def test_at_the_limit_runs_fail_as_ever() -> None:
    app = counter()
    counts = loops(app)
    found = app.batch(INPUT, {"recursion_limit": 4})
    expected = counter(jit=False).batch(INPUT, {"recursion_limit": 4})
    assert found.status.tolist() == expected.status.tolist()
    assert found.table.equals(expected.table)
    assert {type(e.exception) for e in found.errors} == {GraphRecursionError}
    assert app.engine.jitted.why_not() is None
    assert counts[0][1] == len(found.errors)
    assert [str(e.exception) for e in found.errors] == [str(e.exception) for e in expected.errors]


def test_all_that_a_node_returns_is_computed_before_any_of_it_is_written() -> None:
    graph = StateGraph(State)
    graph.add_node("swap", lambda state: {"a": state["b"], "b": state["a"]})
    graph.add_edge(START, "swap")
    app = graph.compile(jit=True)
    result = app.batch({"a": np.arange(40), "b": np.arange(40) * 2}, columns=True)
    assert result.to_list()[7] == {"a": 14, "b": 7}
    assert app.engine.jitted.why_not() is None


def test_progress_is_told_of_both_ways() -> None:
    told = []
    app = counter()
    result = app.batch(INPUT, {"recursion_limit": 4}, progress=lambda *n: told.append(n))
    failed = len(result.errors)
    assert failed
    assert told[-1] == (100 - failed, 0, failed, result.stats["run_steps"])


def test_workers_give_the_same() -> None:
    assert counter().batch(INPUT, workers=2).table.equals(counter().batch(INPUT).table)


def test_whoever_watches_sees_every_superstep() -> None:
    app, records = counter(), []
    counts = loops(app)
    result = app.batch(INPUT, observer=records.append)
    assert counts == []
    assert sum(len(record.rows) for record in records) == result.stats["run_steps"]


def test_a_constant_from_outside_may_change_between_batches() -> None:
    limit = 3

    def up(state):
        return {"a": state["a"] + limit}

    graph = StateGraph(State)
    graph.add_node("up", up)
    graph.add_edge(START, "up")
    app = graph.compile(jit=True)
    assert app.batch({"a": np.zeros(40, np.int64)}).values("a").tolist() == [3] * 40
    limit = 2**70
    assert app.batch({"a": np.zeros(40, np.int64)}).values("a").tolist() == [2**70] * 40
    limit = 4
    counts = loops(app)
    assert app.batch({"a": np.zeros(40, np.int64)}).values("a").tolist() == [4] * 40
    assert counts == [(40, 0)]


def test_a_loop_that_differs_from_its_functions_is_not_used_again(monkeypatch) -> None:
    app = counter()
    compiled = build.compiled

    def wrong(source):
        return compiled(source.replace("(1)", "(2)"))

    monkeypatch.setattr("vecgraph.engine.jitted.compiled", wrong)
    expected = counter(jit=False).batch(INPUT)
    assert app.batch(INPUT).table.equals(expected.table)
    assert "in the loop" in app.engine.jitted.why_not()
    assert "in the loop" in str(app.explain())
    counts = loops(app)
    assert app.batch(INPUT).table.equals(expected.table)
    assert counts == []


def test_what_numba_does_not_compile_goes_the_ordinary_way(monkeypatch) -> None:
    app = counter()
    source = "def kernel(*arrays):\n    raise TypeError('no such type')\n"
    monkeypatch.setattr("vecgraph.engine.jitted.compiled", lambda _: compiled_text(source))
    assert app.batch(INPUT).table.equals(counter(jit=False).batch(INPUT).table)
    assert "no such type" in str(app.explain())


def compiled_text(source):
    space = {}
    exec(source, space)
    return space["kernel"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return {'a': state['a'] ** 2}", "Pow"),
        ("return {'x': state['x'] % 2.0}", "Mod on floats"),
        ("return {'a': state['x']}", "'a' has values of several types"),
        ("return {'a': len('abc')}", "call of len"),
        ("return {'a': 18446744073709551616}", "no bool, float or int of 64 bits"),
        ("y = 1\n    if state['a']:\n        y = 2.0\n    return {'x': y}", "several types"),
        ("return {'a': 1} if state['a'] else {'b': 1}", "as it is written"),
    ],
)
def test_what_has_no_exact_form_goes_the_ordinary_way(body, reason) -> None:
    fn = defined(f"def traced(state):\n    {body}\n")
    graph = StateGraph(State)
    graph.add_node("node", fn)
    graph.add_edge(START, "node")
    app = graph.compile(jit=True)
    given = {"a": np.arange(40) + 1, "x": np.arange(40) * 0.5}
    rows = [{"a": i + 1, "x": i * 0.5} for i in range(40)]
    assert app.batch(given).to_list() == [row | fn(row) for row in rows]
    assert reason in app.engine.jitted.why_not()


def test_graphs_whose_runs_are_at_several_nodes_are_refused() -> None:
    graph = StateGraph(State)
    for name in ("left", "right"):
        graph.add_node(name, lambda state: {"a": 1})
        graph.add_edge(START, name)
    assert "goes on at several nodes" in str(graph.compile(jit=True).explain())


def test_numbers_that_are_no_numbers_of_64_bits_go_the_ordinary_way() -> None:
    app = counter()
    counts = loops(app)
    rows = [{"n": n, "name": "x"} for n in [2**70, *range(40)]]
    assert app.batch(rows) == counter(jit=False).batch(rows)
    assert counts == []
    rows = [{"name": "x"}, *({"n": n, "name": "x"} for n in range(40))]
    found = app.batch(rows, columns=True)
    assert [str(e.exception) for e in found.errors] == ["'n'"]


def test_without_numba_it_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setattr(build.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"vecgraph\[jit\]"):
        counter()


def test_machine_code_is_kept_for_the_next_program(folder) -> None:
    counter().batch(INPUT)
    before = set((folder / "jit").rglob("*.nbc"))
    assert before
    counter().batch(INPUT)
    assert set((folder / "jit").rglob("*.nbc")) == before


def test_a_folder_that_others_may_write_to_is_not_used(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("VECGRAPH_CACHE_DIR", str(tmp_path))
    (tmp_path / "jit").mkdir()
    (tmp_path / "jit").chmod(stat.S_IRWXU | stat.S_IWOTH)
    assert counter().batch(INPUT).table.equals(counter(jit=False).batch(INPUT).table)
    assert os.listdir(tmp_path / "jit") == []


def test_a_file_that_was_changed_is_not_run(folder) -> None:
    app = counter()
    app.batch(INPUT)
    for path in (folder / "jit").glob("g*.py"):
        path.write_text("raise SystemExit('not mine')")
    assert counter().batch(INPUT).table.equals(counter(jit=False).batch(INPUT).table)


def test_an_app_that_is_sent_elsewhere_compiles_there() -> None:
    app = counter()
    app.batch(INPUT)
    assert app.engine.jitted._loops
    assert not pickle.loads(dumps(app.engine)).jitted._loops

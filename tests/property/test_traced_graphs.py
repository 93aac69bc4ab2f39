"""Graphs of traced functions give each run what it would get alone, in lanes of any size, kept or not."""

from __future__ import annotations

import operator
import random as random_module
import warnings
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.property.traced_functions import KEYS, Writer, builder_of, columns
from vecgraph.checkpoint.memory import InMemorySaver
from vecgraph.constants import MISSING
from vecgraph.graph import END, START, StateGraph
from vecgraph.tracing import traced
from vecgraph.tracing.compare import is_same

N = 40
ALONE = 10**9


def plus(a, b):
    """Add what can be added, and put the rest side by side."""
    try:
        return a + b
    except TypeError:
        return (a, b)


class State(TypedDict, total=False):
    a: Any
    b: Any
    c: Any
    s: Any
    t: Any
    g: Any
    total: Annotated[int, plus]


@pytest.fixture(autouse=True, scope="module")
def traced_even_for_few_rows():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(traced, "FEW", 0)
        patch.delenv("VECGRAPH_TRACING", raising=False)
        yield


class NodeWriter(Writer):
    """Writes nodes and routers of a graph."""

    def returned(self):
        if self.chance(0.1):
            return "return None"
        keys = self.random.sample(["a", "b", "c", "g", "total", "unknown"], 2)
        return "return {" + ", ".join(f"{key!r}: {self.expr(2)}" for key in keys) + "}"

    def router(self, names):
        lines = ["def traced(state):"]
        for name in names[1:]:
            label = self.pick(
                [f"{name!r}", f"[{name!r}]", f"({name!r} if {self.expr(1)} else END)"]
            )
            lines += [f"    if {self.expr(2)}:", f"        return {label}"]
        return "\n".join([*lines, f"    return {self.pick(['END', repr(names[0])])}", ""])


def graph_of(random):
    """Return a function that compiles a random graph of traced functions."""
    names = ["n0", "n1", "n2"][: random.randint(1, 3)]
    nodes = {name: NodeWriter(random).function() for name in names}
    return builder_of(State, nodes, {name: NodeWriter(random).router(names) for name in names})


def inputs_of(random):
    made = columns(random, N)
    cells = {key: made[key].tolist() for key in KEYS if key in made}
    rows = [{key: values[i] for key, values in cells.items()} for i in range(N)]
    return [{k: v for k, v in row.items() if v is not MISSING} | {"t": "t"} for row in rows]


def outcomes(app, rows, way):
    app.engine.small, app.engine.lane, app.engine.apart = way
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ~True
        result = app.batch(rows, {"recursion_limit": 6}, columns=True)
    errors = {e.row: (e.node, e.step, type(e.exception), str(e.exception)) for e in result.errors}
    status, steps = result.status.tolist(), result.steps.tolist()
    return [(row, status[i], steps[i], errors.get(i)) for i, row in enumerate(result.to_list())]


def same(found, expected):
    """Compare what became of a run; the order of keys is the schema's."""
    return is_same(found[0], expected[0]) and found[1:] == expected[1:]


def compared(random):
    build, rows = graph_of(random), inputs_of(random)
    expected = outcomes(build(tracing="off"), rows, (ALONE, 131_072, True))
    app = build(tracing="require")
    for way in ((1, 131_072, True), (1, 131_072, False), (1, 5, True)):
        found = outcomes(app, rows, way)
        for row, one, other in zip(rows, found, expected, strict=True):
            assert same(one, other), (row, one, other)
        assert "traced" in str(app.explain())
        assert "gave" not in str(app.explain())
        assert "failed" not in str(app.explain())


@settings(
    max_examples=40,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(st.randoms(use_true_random=False))
def test_runs_of_a_traced_graph_are_what_they_are_alone(random) -> None:
    compared(random)


def test_checkpoints_of_a_traced_graph_are_those_of_its_functions() -> None:
    for seed in range(8):
        random = random_module.Random(seed)
        build, rows = graph_of(random), inputs_of(random)
        kept = []
        for tracing in ("require", "off"):
            app = build(checkpointer=InMemorySaver(), tracing=tracing)
            app.engine.small = 1
            config = {"configurable": {"thread_id": "x"}, "recursion_limit": 6}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                app.batch(rows, config, columns=True)
                kept.append([histories(app, f"x/{i}") for i in range(N)])
        assert all(map(is_same, *kept))


def histories(app, thread):
    history = app.get_state_history({"configurable": {"thread_id": thread}})
    return [
        (state.values, state.next, state.metadata["step"], [repr(t.error) for t in state.tasks])
        for state in history
    ]


def test_a_reducer_and_a_traced_router_meet() -> None:
    class Sum(TypedDict):
        n: int
        total: Annotated[int, operator.add]

    builder = StateGraph(Sum)
    builder.add_node("step", lambda state: {"n": state["n"] + 1, "total": state["n"]})
    builder.add_edge(START, "step")
    builder.add_conditional_edges("step", lambda s: END if s["total"] > 10 else "step")
    app = builder.compile(tracing="require")
    rows = [{"n": n} for n in range(N)]
    assert app.batch(rows) == [app.invoke(row) for row in rows]

"""Every seeded fault is caught, in each of the engine's paths, by a graph of a few nodes.

The generated graphs of ``tests/differential`` catch them too; which of its tests do is recorded
in ``docs/design/0002-seeded-faults.md``. Here each fault has the smallest graph that shows it, so
that the list stays true while the engine changes.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.differential.cases import truth
from tests.differential.vecgraph_side import (
    SHORT,
    batched,
    compiled,
    failure,
    paths,
    wrong_tasks,
)
from tests.faults.seeds import FAULTS
from vecgraph.constants import START
from vecgraph.testing.specs import (
    BarrierSpec,
    ChannelSpec,
    GraphSpec,
    NodePlan,
    Packet,
    PregelSpec,
    Route,
    Subscriber,
    Test,
    Value,
    Write,
)
from vecgraph.testing.strategies import OBJECT_CHANNELS

NEVER = Test("k", 2, frozenset([5]))


def wrap(channel, source) -> Write:
    return Write(channel, Value("wrap", source, absent=None))


def put(channel, value, overwrite=False) -> Write:
    return Write(channel, Value("const", a=value, overwrite=overwrite))


def node(name, *writes, **more) -> NodePlan:
    return NodePlan(name, tuple(writes), **more)


def graph(nodes, edges, limit=8, **more) -> GraphSpec:
    starts = [tuple(edge.split(">")) for edge in edges.split()]
    pairs = tuple((a or START, b) for a, b in starts)
    return GraphSpec(OBJECT_CHANNELS, tuple(nodes), pairs, limit=limit, **more)


def log(name, value=None) -> NodePlan:
    return node(name, put("log", [value or name]))


LATER = (Packet("w", (("x", Value("const", a=1)),)), Packet("w", (("x", Value("const", a=2)),)))
PREGEL = (
    ChannelSpec("a", "last", int, is_input=True),
    ChannelSpec("k", "last", int, is_input=True),
    ChannelSpec("c", "add", list),
)

SMALLEST = {
    "last-write-wins": graph([log("a"), log("b")], ">a >b"),
    "reversed-task-order": graph([log("a"), log("b")], ">a >b"),
    "completion-order": graph([log("w"), log("b"), node("a", packets=LATER[:1])], ">a a>b"),
    "sticky-ephemerals": graph(
        [node("a", put("eph", 1)), node("b", put("k", 2)), node("c", wrap("log", "eph"))],
        ">a a>b b>c",
    ),
    "barrier-not-reset": graph(
        [log("a"), log("b"), log("c")],
        ">a >b c>a c>b",
        barriers=(BarrierSpec(("a", "b"), "c"),),
    ),
    "defer-ignored": graph(
        [log("a"), log("b"), log("c"), node("d", put("log", ["d"]), defer=True)],
        ">a >b a>d b>c c>d",
    ),
    "limit-off-by-one": graph([log("a"), log("b"), log("c")], ">a a>b b>c", limit=3),
    "step-off-by-one": graph([log("a"), log("b")], ">a a>b", limit=3),
    "stale-branch": graph(
        [node("a", put("k", 3)), log("b"), log("c")],
        ">a",
        routes=(Route("a", "k", (("b",), ("c",))),),
    ),
    "sends-reversed": graph([node("a", packets=LATER), node("w", wrap("log", "x"))], ">a"),
    "concurrent-write": graph([node("a", put("x", 1)), node("b", put("x", 1))], ">a >b"),
    "seen-not-updated": PregelSpec(
        PREGEL,
        (
            Subscriber(node("p", wrap("c", "a")), ("a",)),
            Subscriber(node("q", Write("a", Value("const"), NEVER)), ("c",)),
        ),
        ("a", "c"),
    ),
    "overwrite-order": graph([node("a", put("log", ["new"], overwrite=True)), log("b")], ">a >b"),
    "diamond-merged": graph([log("a"), log("b"), log("c"), log("d")], ">a >b a>d b>c c>d"),
    "ints-wrap": graph([node("a", put("i", 2**63 - 1)), node("b", put("i", 5))], ">a >b"),
    "special-floats-lost": graph([node("a", put("x", -0.0)), node("b", put("y", 1.5))], ">a >b"),
}
ROWS = [
    {"k": 0, "a": 1, "y": float("nan")},
    {"k": 1, "a": 2, "y": -0.0},
    {"k": 2, "a": 3, "y": 0.5},
]


def disagreements(spec) -> dict[str, bool]:
    """Return, for each of the engine's paths, whether it differs from the oracle."""
    rows = [{name: row[name] for name in spec.inputs if name in row} for row in ROWS]
    records = truth(spec, rows, by_langgraph=False)
    app = compiled(spec)
    found = {}
    for path in paths(app, 6):
        results, seen = batched(app, rows, spec.limit, observed=path != SHORT)
        found[path] = any(
            failure(record, result) or (path != SHORT and wrong_tasks(record, seen[row]))
            for row, (record, result) in enumerate(zip(records, results, strict=True))
        )
    return found


@pytest.mark.parametrize("fault", FAULTS)
def test_the_engine_without_a_fault_agrees(fault) -> None:
    assert not any(disagreements(SMALLEST[fault]).values())


@pytest.mark.parametrize("fault", FAULTS)
def test_a_seeded_fault_is_caught_in_every_path(fault, monkeypatch) -> None:
    FAULTS[fault](monkeypatch)
    found = disagreements(SMALLEST[fault])
    assert all(found.values()), found


@pytest.mark.soak
@pytest.mark.parametrize("fault", FAULTS)
def test_the_generated_graphs_catch_it(fault) -> None:
    """The differential suite, run with the fault seeded, fails."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "tests.faults.plugin"]
    ran = subprocess.run(
        [*command, "--fault", fault, "tests/differential"], capture_output=True, check=False
    )
    assert ran.returncode == 1, ran.stdout.decode()[-2000:]

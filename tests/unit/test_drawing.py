"""Drawings without anything from outside, and the counts of a batch on them."""

from __future__ import annotations

import operator
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, TypedDict
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vecgraph.drawing import Edge, Graph, Node, Traffic
from vecgraph.drawing.layout import lay_out
from vecgraph.engine.records import Superstep, TaskRecord
from vecgraph.graph import END, START, StateGraph

NAMES = ["a", "b", "c", "d", "e", "f"]


@st.composite
def drawn(draw) -> Graph:
    names = NAMES[: draw(st.integers(1, 6))]
    inside = st.sampled_from(names)
    pairs = draw(st.lists(st.tuples(inside, inside), max_size=12, unique=True))
    labels = st.sampled_from([None, "yes", "<&>", "漢字", "\x00", 3])
    edges = [Edge(a, b, draw(labels), draw(st.booleans())) for a, b in pairs]
    notes = st.sampled_from([None, {"defer": True}, {"errors": 3, "n": [1, 2]}])
    return Graph({n: Node(n, n * draw(st.integers(1, 9)), None, draw(notes)) for n in names}, edges)


@settings(max_examples=150, deadline=None)
@given(graph=drawn())
def test_boxes_are_apart_and_edges_begin_and_end_at_them(graph) -> None:
    layout = lay_out(graph, lambda node: (10.0 * len(node.name), 20.0), (15.0, 25.0), 5.0)
    boxes = list(layout.boxes.values())
    assert layout.boxes.keys() == graph.nodes.keys()
    for number, a in enumerate(boxes):
        assert a.x - a.width / 2 >= 4.9
        assert a.y - a.height / 2 >= 4.9
        assert a.x + a.width / 2 <= layout.width - 4.9
        assert a.y + a.height / 2 <= layout.height - 4.9
        for b in boxes[number + 1 :]:
            beside = abs(a.x - b.x) >= (a.width + b.width) / 2 - 0.1
            above = abs(a.y - b.y) >= (a.height + b.height) / 2 - 0.1
            assert beside or above
    assert [line.edge for line in layout.lines] == graph.edges
    for line in layout.lines:
        if line.edge.source == line.edge.target:
            continue
        for key, (x, y) in (
            (line.edge.source, line.points[0]),
            (line.edge.target, line.points[-1]),
        ):
            box = layout.boxes[key]
            assert abs(x - box.x) <= box.width / 2 + 0.1
            assert abs(abs(y - box.y) - box.height / 2) <= 0.1 or abs(y - box.y) <= 0.1


@settings(max_examples=60, deadline=None)
@given(graph=drawn())
def test_every_graph_can_be_drawn(graph) -> None:
    root = ElementTree.fromstring(graph.draw_svg())
    rects = [each for each in root.iter() if each.tag.endswith("rect")]
    assert len(rects) == len(graph.nodes)
    ways = [each for each in root.iter() if each.get("class", "").startswith("way")]
    assert len(ways) == len(graph.edges)
    assert sum("if" in way.get("class") for way in ways) == sum(e.conditional for e in graph.edges)
    text = graph.draw_ascii()
    for node in graph.nodes.values():
        assert f" {node.name} " in text


def app_of(path_length: int = 3):
    class State(TypedDict):
        n: int
        seen: Annotated[list, operator.add]

    def odd(state):
        return "odd" if state["n"] % 2 else "even"

    def fail(state):
        if state["n"] == 4:
            raise ValueError("four")
        return {"seen": ["even"]}

    builder = StateGraph(State)
    builder.add_node("first", lambda state: {"seen": ["first"]})
    builder.add_node("odd", lambda state: {"seen": ["odd"]})
    builder.add_node("even", fail)
    builder.add_node("last", lambda state: {"n": state["n"] + 1})
    builder.add_edge(START, "first")
    builder.add_conditional_edges("first", odd, {"odd": "odd", "even": "even"})
    builder.add_edge("odd", "last").add_edge("even", "last")
    builder.add_conditional_edges(
        "last", lambda state: "again" if state["n"] < 6 else "done", {"again": "first", "done": END}
    )
    return builder.compile()


@pytest.mark.parametrize("rows", [8, 400])
def test_a_batch_writes_its_counts_on_the_graph(rows) -> None:
    app, traffic = app_of(), Traffic()
    result = app.batch([{"n": i % 8} for i in range(rows)], columns=True, observer=traffic)
    graph = result.get_graph()
    # What each run goes through, by hand: n counts up to 6, and 4 fails.
    ways: Counter[tuple[str, str]] = Counter()
    for i in range(rows):
        n, at = i % 8, "__start__"
        while True:
            side = "odd" if n % 2 else "even"
            for step in ("first", side):
                ways[at, step] += 1
                at = step
            if n == 4:
                break
            ways[at, "last"] += 1
            n, at = n + 1, "last"
            if n >= 6:
                ways["last", "__end__"] += 1
                break
    shown = {(edge.source, edge.target): str(edge.data) for edge in graph.edges}
    assert shown["__start__", "first"] == str(rows)
    assert shown["odd", "last"] == str(ways["odd", "last"])
    assert shown["first", "odd"] == str(ways["first", "odd"])
    assert shown["last", "first"] == f"again ({ways['last', 'first']})"
    assert shown["last", "__end__"] == f"done ({ways['last', '__end__']})"
    even = graph.nodes["even"].metadata
    assert even["errors"] == len(result.errors) == sum(1 for i in range(rows) if i % 8 <= 4)
    assert graph.nodes["odd"].metadata["runs"] == ways["first", "odd"]
    assert graph.nodes["odd"].metadata["seconds"] >= 0
    assert "errors" in graph.draw_svg()
    plain = app.get_graph(result=result)
    assert plain.nodes["even"].metadata == {"errors": even["errors"]}
    assert [edge.data for edge in plain.edges] == [edge.data for edge in app.get_graph().edges]


def test_a_barrier_counts_all_that_it_waited_for() -> None:
    class State(TypedDict):
        n: int

    builder = StateGraph(State)
    for name in ("a", "b", "b2", "join"):
        builder.add_node(name, lambda state: {})
    builder.add_edge(START, "a").add_edge(START, "b").add_edge("b", "b2")
    builder.add_edge(["a", "b2"], "join")
    traffic = Traffic()
    result = builder.compile().batch([{"n": i} for i in range(50)], columns=True, observer=traffic)
    shown = {(e.source, e.target): e.data for e in result.get_graph().edges}
    assert shown == {
        ("__start__", "a"): "50", ("__start__", "b"): "50", ("a", "join"): "50",
        ("b", "b2"): "50", ("b2", "join"): "50", ("join", "__end__"): "50",
    }  # fmt: skip


STEPS = st.lists(
    st.dictionaries(st.integers(0, 4), st.sets(st.sampled_from("abc"), min_size=1), max_size=5),
    max_size=5,
)


def records(step, clocks, offset, apart):
    """One superstep of some runs, as one record or as one for each run."""
    for group in [[row] for row in step] if apart else [list(step)]:
        tasks = []
        for node in "abc":
            rows = [row for row in group if node in step[row]]
            if rows:
                ids = np.array(rows, np.int64) + offset
                tasks.append(TaskRecord(node, ids, np.array([clocks[r] for r in rows])))
        clock = np.array([clocks[row] for row in group], np.int64)
        yield Superstep(np.array(group, np.int64) + offset, clock, tasks, 0.5)


@settings(max_examples=200, deadline=None)
@given(steps=STEPS, offset=st.sampled_from([0, 10**12]), apart=st.booleans())
def test_traffic_counts_as_a_loop_over_runs_does(steps, offset, apart) -> None:
    traffic = Traffic()
    expected: Counter[tuple[str, str]] = Counter()
    before: dict[int, set[str]] = {}
    clocks: Counter[int] = Counter()
    for step in steps:
        clocks.update(step.keys())
        for row, nodes in step.items():
            came = before.get(row, {"__start__"})
            expected.update((source, node) for node in nodes for source in came)
            before[row] = nodes
        for record in records(step, clocks, offset, apart):
            traffic(record)
    for source in ("__start__", "a", "b", "c"):
        for target in "abc":
            assert traffic.taken(source, target) == expected[source, target]
    for node in "abc":
        assert traffic.ended(node) == sum(node in nodes for nodes in before.values())


def at(step, *tasks):
    """A superstep of runs given by node."""
    made = [TaskRecord(node, np.array(rows), np.full(len(rows), step)) for node, rows in tasks]
    rows = np.unique(np.concatenate([task.rows for task in made]))
    return Superstep(rows, np.full(len(rows), step), made, 1.0)


def test_who_was_waited_for_once_is_not_counted_again() -> None:
    traffic = Traffic()
    for record in (at(1, ("a", [7])), at(2, ("b", [7])), at(3, ("join", [7])), at(4, ("x", [7])),
                   at(5, ("join", [7]))):  # fmt: skip
        traffic(record)
    assert traffic.taken("a", "join", waits=True) == 1
    assert traffic.taken("a", "join") == 0
    assert (traffic.taken("b", "join"), traffic.taken("x", "join")) == (1, 1)


def test_a_run_that_sends_several_packets_goes_there_once() -> None:
    traffic = Traffic()
    traffic(at(1, ("a", [0, 1])))
    traffic(at(2, ("b", [0, 0, 0, 1])))
    traffic(at(3, ("c", [0, 1])))
    assert (traffic.taken("a", "b"), traffic.taken("b", "c")) == (2, 2)
    assert traffic.runs == {"a": 2, "b": 4, "c": 2}
    assert traffic.seconds == {"a": 1.0, "b": 1.0, "c": 1.0}


def test_lines_of_characters_have_no_gaps() -> None:
    graph = Graph({n: Node(n, n, None, None) for n in "abcd"})
    graph.edges = [Edge("a", "b"), Edge("b", "c"), Edge("c", "d"), Edge("a", "d", None, True)]
    rows = graph.draw_ascii().splitlines()
    assert len(rows) == 4 * 3 + 3 * 4
    assert all("." in row for row in rows[3:-3])
    # Both leave from one point; from there on each has its own cells.
    assert all("*" in row for row in rows[4:-3] if "+" not in row and "|" not in row)


def test_a_png_is_an_image(tmp_path) -> None:
    graph = app_of().get_graph()
    image = graph.draw_png()
    assert image.startswith(b"\x89PNG")
    path = tmp_path / "graph.png"
    assert graph.draw_png(str(path)) is None
    assert path.read_bytes() == image
    other = graph.draw_png(labels={"nodes": {"odd": "uneven"}, "edges": {}})
    assert other != image


def test_a_notebook_gets_an_image_and_text(monkeypatch) -> None:
    graph = app_of().get_graph()
    bundle = graph._repr_mimebundle_()
    assert bundle["image/svg+xml"] == graph._repr_svg_() == graph.draw_svg()
    assert bundle["text/vnd.mermaid"].startswith("---\nconfig:")
    assert set(graph._repr_mimebundle_(include=["text/plain"])) == {"text/plain"}
    monkeypatch.setitem(sys.modules, "grandalf.graphs", None)
    assert graph._repr_svg_() is None
    assert "image/svg+xml" not in graph._repr_mimebundle_()
    with pytest.raises(ImportError, match=r"pip install 'vecgraph\[draw\]'"):
        graph.draw_ascii()


def test_a_png_needs_its_parts(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(ImportError, match=r"pip install 'vecgraph\[draw\]'"):
        app_of().get_graph().draw_png()


def test_a_graph_without_nodes_is_drawn_as_nothing() -> None:
    assert Graph().draw_ascii() == ""
    assert not Graph()


def test_print_ascii_prints(capsys) -> None:
    graph = app_of().get_graph()
    graph.print_ascii()
    assert capsys.readouterr().out == graph.draw_ascii() + "\n"


def test_asking_for_a_graph_loads_no_layout() -> None:
    program = (
        "import sys, tests.unit.test_drawing as t; "
        "[sys.modules.pop(n) for n in list(sys.modules) if n.startswith('grandalf')]; "
        "t.app_of().get_graph().draw_mermaid(); print('grandalf' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("False\n", "")

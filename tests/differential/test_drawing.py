"""Graphs to look at against LangGraph's `get_graph`: nodes, edges, labels, and Mermaid's text."""

from __future__ import annotations

import asyncio
import operator
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import langgraph.graph
import langgraph.types
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import vecgraph.graph
import vecgraph.types
from tests.differential.agents import OURS as OUR_TOOLS
from tests.differential.agents import THEIRS as THEIR_TOOLS
from tests.differential.agents import Form, ScriptedModel, their_agent, tools, typed
from tests.differential.langgraph_side import LANGGRAPH
from tests.differential.programs import state_of
from vecgraph.drawing import Graph
from vecgraph.prebuilt import create_react_agent
from vecgraph.testing.building import build, build_pregel, vecgraph_library
from vecgraph.testing.strategies import graphs, numeric_graphs, pregel_graphs

START, END = "__start__", "__end__"
OURS = SimpleNamespace(StateGraph=vecgraph.graph.StateGraph, Command=vecgraph.types.Command)
THEIRS = SimpleNamespace(StateGraph=langgraph.graph.StateGraph, Command=langgraph.types.Command)


def shown(graph: Any) -> Any:
    """What two graphs must have in common; what runs in a node is each library's own."""
    nodes = [(key, node.id, node.name, node.metadata) for key, node in graph.nodes.items()]
    return nodes, [tuple(edge) for edge in graph.edges]


def outcome(call: Any) -> Any:
    try:
        return call()
    except Exception as error:  # noqa: BLE001
        return type(error).__name__, str(error)


def check(mine: Any, theirs: Any, **options: Any) -> None:
    ours, reference = mine.get_graph(**options), theirs.get_graph(**options)
    assert isinstance(ours, Graph)
    assert shown(ours) == shown(reference)
    assert outcome(ours.draw_mermaid) == outcome(reference.draw_mermaid)
    plain = {"with_styles": False, "wrap_label_n_words": 2}
    assert outcome(lambda: ours.draw_mermaid(**plain)) == outcome(
        lambda: reference.draw_mermaid(**plain)
    )
    edges = ours.to_json()["edges"]
    assert edges == reference.to_json()["edges"]


@settings(max_examples=150, deadline=None)
@given(spec=st.one_of(graphs(), numeric_graphs()))
def test_generated_graphs(spec) -> None:
    check(build(spec, vecgraph_library()), build(spec, LANGGRAPH))


@settings(max_examples=60, deadline=None)
@given(spec=pregel_graphs())
def test_generated_pregels(spec) -> None:
    theirs = build_pregel(spec, LANGGRAPH)
    reference = outcome(theirs.get_graph)
    mine = build_pregel(spec, vecgraph_library()).get_graph()
    if isinstance(reference, tuple):
        # LangGraph runs reducers on None, and looks at a name that it has not set.
        assert reference[0] in {"TypeError", "UnboundLocalError", "InvalidUpdateError"}
        return
    assert shown(mine) == shown(reference)


NAMES = ["a", "b", "c", "d", "e"]
ENDS = st.sampled_from([*NAMES, END])
LABELS = st.dictionaries(st.sampled_from(["yes", "no", "a", "b", True, 3]), ENDS, min_size=1,
                         max_size=3)  # fmt: skip


@st.composite
def plans(draw):
    names = NAMES[: draw(st.integers(1, 5))]
    inside = st.sampled_from(names)

    def known(ends):
        return {label: end for label, end in ends.items() if end in {*names, END}}

    return {
        "names": names,
        "edges": draw(st.lists(st.tuples(st.sampled_from([START, *names]),
                                         st.one_of(inside, st.just(END))), max_size=6)),
        "entry": draw(inside),
        "barriers": draw(st.lists(st.tuples(st.lists(inside, min_size=1, max_size=3, unique=True),
                                            inside), max_size=2)),
        "routes": [(source, known(ends)) for source, ends in draw(
            st.lists(st.tuples(st.sampled_from([START, *names]), LABELS), max_size=3))],
        "defer": draw(st.sets(inside, max_size=2)),
        "destinations": draw(st.dictionaries(inside, st.one_of(
            st.lists(inside, min_size=1, max_size=2).map(tuple),
            st.dictionaries(inside, st.sampled_from(["left", "go right on to the end of it all"]),
                            min_size=1, max_size=2)), max_size=2)),
        "metadata": draw(st.dictionaries(inside, st.just({"owner": "me <b>", "n": [1, 2]}),
                                         max_size=1)),
    }  # fmt: skip


def planned(lib, plan):
    builder = lib.StateGraph(state_of(x=int))
    for name in plan["names"]:
        options = {}
        if name in plan["destinations"]:
            options["destinations"] = plan["destinations"][name]
        if name in plan["metadata"]:
            options["metadata"] = plan["metadata"][name]
        builder.add_node(name, lambda state: {}, defer=name in plan["defer"], **options)
    builder.add_edge(START, plan["entry"])
    for source, target in plan["edges"]:
        builder.add_edge(source, target)
    for sources, target in plan["barriers"]:
        builder.add_edge(sources, target)
    for number, (source, ends) in enumerate(plan["routes"]):

        def route(state):
            return None

        route.__name__ = f"route{number}"
        builder.add_conditional_edges(source, route, ends or None)
    return builder.compile()


@settings(max_examples=300, deadline=None)
@given(plan=plans())
def test_all_kinds_of_edges(plan) -> None:
    theirs = planned(THEIRS, plan)
    reference = outcome(theirs.get_graph)
    if isinstance(reference, tuple):
        # It sorts edges of which one has a label and the other has none.
        assert reference[0] == "TypeError"
        assert planned(OURS, plan).get_graph()
        return
    check(planned(OURS, plan), theirs)


def nested(lib, depth, name="inner"):
    builder = lib.StateGraph(state_of(x=int))
    builder.add_node("one", lambda state: {})
    if depth:
        builder.add_node(name, nested(lib, depth - 1, name * 2))
    else:
        builder.add_node(name, lambda state: {})
    builder.add_node("two", lambda state: {})
    builder.add_edge(START, "one").add_edge("one", name)
    builder.add_conditional_edges("one", lambda state: "two", {"on": "two", "off": END})
    builder.add_edge(name, "two")
    return builder.compile()


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("xray", [False, True, 0, 1, 2, 3])
def test_subgraphs_are_shown_as_deep_as_asked(depth, xray) -> None:
    check(nested(OURS, depth), nested(THEIRS, depth), xray=xray)


def calling(lib):
    child = nested(lib, 0)
    builder = lib.StateGraph(state_of(x=int))

    def call(state):
        return child.invoke(state)

    builder.add_node("call", call)
    builder.add_edge(START, "call")
    return builder.compile()


def looping(lib):
    builder = lib.StateGraph(state_of(x=int))
    builder.add_node("loop", lambda state: {})
    builder.add_edge(START, "loop")
    builder.add_conditional_edges("loop", lambda state: END, ["loop", END])
    parent = lib.StateGraph(state_of(x=int))
    parent.add_node("child", builder.compile())
    parent.add_edge(START, "child")
    return parent.compile()


def commanding(lib):
    @typed(**{"return": lib.Command[Literal["b", "__end__"]]})
    def a(state):
        return lib.Command(goto="b")

    builder = lib.StateGraph(state_of(x=int))
    builder.add_node("a", a)
    builder.add_node("b", lambda state: {})
    builder.add_edge(START, "a")
    return builder.compile()


def bare(lib):
    builder = lib.StateGraph(Annotated[list, operator.add])
    builder.add_node("a", lambda state: [])
    builder.add_node("b c", lambda state: [])
    builder.add_edge(START, "a").add_edge("a", "b c")
    return builder.compile()


def starless(lib):
    builder = lib.StateGraph(state_of(x=int))
    builder.add_node("*a*", lambda state: {})
    builder.add_conditional_edges(START, lambda state: "*a*")
    return builder.compile()


def line(lib, inner=None):
    builder = lib.StateGraph(state_of(x=int))
    builder.add_node("one", lambda state: {})
    builder.add_node("two", inner or (lambda state: {}))
    builder.add_edge(START, "one").add_edge("one", "two")
    return builder.compile()


def lines(lib):
    return line(lib, line(lib))


def twins(lib):
    """Subgraphs of one name at two places, which Mermaid cannot tell apart."""
    builder = lib.StateGraph(state_of(x=int))
    for name in ("left", "right"):
        builder.add_node(name, lines(lib))
        builder.add_edge(START, name)
    return builder.compile()


@pytest.mark.parametrize("make", [calling, looping, commanding, bare, starless, lines, twins])
@pytest.mark.parametrize("xray", [False, True])
def test_particular_graphs(make, xray) -> None:
    check(make(OURS), make(THEIRS), xray=xray)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("hooks", [{}, {"pre_model_hook": lambda s: {}},
                                   {"post_model_hook": lambda s: {}}], ids=["no", "pre", "post"])  # fmt: skip
def test_agents(version, hooks) -> None:
    model = ScriptedModel(turns=[])
    pair = []
    for make, lib in ((create_react_agent, OUR_TOOLS), (their_agent, THEIR_TOOLS)):
        pair.append(make(model, tools(lib, Form(objects=True))[:2], version=version, **hooks))
    check(*pair)


def test_on_an_event_loop() -> None:
    mine, theirs = nested(OURS, 1), nested(THEIRS, 1)
    assert shown(asyncio.run(mine.aget_graph(xray=True))) == shown(theirs.get_graph(xray=True))


@settings(max_examples=40, deadline=None)
@given(config=st.dictionaries(st.sampled_from(["theme", "look"]),
                              st.sampled_from(["neutral", "handDrawn", "#e2e2e2", 3, True, "3"])))  # fmt: skip
@example(config={"themeVariables": {"primaryColor": "#e2e2e2"}})
def test_frontmatter(config) -> None:
    mine, theirs = nested(OURS, 0).get_graph(), nested(THEIRS, 0).get_graph()
    options = {"frontmatter_config": {"config": config}}
    assert mine.draw_mermaid(**options) == theirs.draw_mermaid(**options)


def test_methods_of_graphs() -> None:
    for graph in (nested(OURS, 0).get_graph(), nested(THEIRS, 0).get_graph()):
        node = graph.add_node(None, "extra")
        with pytest.raises(ValueError, match="already exists"):
            graph.add_node(None, "extra")
        edge = graph.add_edge(graph.nodes["two"], node, "label", True)
        assert tuple(edge) == ("two", "extra", "label", True)
        with pytest.raises(ValueError, match="Source node gone not in graph"):
            graph.add_edge(node.copy(id="gone"), node)
        graph.remove_node(node)
        assert "extra" not in graph.nodes
        assert all(edge.target != "extra" for edge in graph.edges)
        assert len(graph.next_id()) == 32
        assert bool(graph)

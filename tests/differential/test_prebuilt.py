"""Tools, nodes of tools and agents against LangGraph's, with objects and with dicts."""

from __future__ import annotations

import asyncio
import operator
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from tests.differential.agents import (
    OURS,
    THEIRS,
    Form,
    ScriptedModel,
    shown,
    their_agent,
    tools,
    typed,
)
from tests.differential.programs import state_of
from vecgraph.prebuilt import create_react_agent, tool
from vecgraph.testing import FakeChatModel

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SIDES = [(THEIRS, Form(objects=True)), (OURS, Form(objects=True)), (OURS, Form(objects=False))]


@typed(error=ValueError)
def only_values(error):
    return f"a value: {error}"


@typed(error=TypeError | KeyError)
def types_and_keys(error):
    return f"mistaken: {error}"


def anything(error):
    return f"caught {type(error).__name__}"


FLAGS = [True, False, "sorry", ValueError, (TypeError, OSError), only_values, types_and_keys,
         anything]  # fmt: skip

ARGS = {
    "add": st.fixed_dictionaries({}, optional={
        "a": st.sampled_from([1, "3", "x", 1.5, None]), "b": st.sampled_from([1, "y", True]),
        "unknown": st.just(1)}),
    "echo": st.fixed_dictionaries({"text": st.sampled_from(["hi", "é", 3])}),
    "fail": st.fixed_dictionaries({"kind": st.sampled_from(["value", "type", "key", "os"])}),
    "data": st.fixed_dictionaries({"n": st.integers(0, 2)},
                                  optional={"items": st.sampled_from([[1], ["2"], ["z", "q"], 5])}),
    "move": st.fixed_dictionaries({"goto": st.just("there")}, optional={"runtime": st.just("x")}),
    "unanswered": st.just({}),
    "several": st.fixed_dictionaries({"times": st.integers(0, 2)}),
    "count": st.fixed_dictionaries({"x": st.integers(0, 3)}, optional={"seen": st.just(["fake"])}),
    "whole": st.fixed_dictionaries({}, optional={"state": st.just({})}),
    "optional": st.fixed_dictionaries({}, optional={"missing": st.just("forged")}),
    "stored": st.just({}),
    "nothing": st.just({}),
}  # fmt: skip


@st.composite
def calls(draw, names=tuple(ARGS), most=3):
    chosen = draw(st.lists(st.sampled_from(names), min_size=1, max_size=most))
    return [
        {"name": name, "args": draw(ARGS[name]), "id": f"c{place}"}
        for place, name in enumerate(chosen)
    ]


@dataclass
class Failed:
    kind: str
    text: str


def outcome(call):
    try:
        return call()
    except Exception as error:  # noqa: BLE001
        return Failed(type(error).__name__, _plain(str(error)))


def _plain(text):
    """An error's text up to where it shows messages, of which each side has its own."""
    return text.split("got: [")[0]


def states(result):
    if isinstance(result, Failed):
        return result
    messages = result if isinstance(result, list) else result["messages"]
    rest = {} if isinstance(result, list) else {k: v for k, v in result.items() if k != "messages"}
    return [shown(message) for message in messages], rest


def run_node(lib, form, made, flag, kind, mode):
    """Run a node of tools in a graph, or alone on a list of messages."""
    options = {} if flag is None else {"handle_tool_errors": flag}
    node = lib.ToolNode(tools(lib, form), **options)
    state = state_of(messages=Annotated[list, lib.add_messages], seen=Annotated[list, operator.add])
    if kind == "list":
        state = Annotated[list, lib.add_messages]
    builder = lib.StateGraph(state)
    builder.add_node("tools", node)
    builder.add_edge("__start__", "tools")
    app = builder.compile()
    messages = [form.user("hi"), form.said("", made, "a")]
    given = messages if kind == "list" else {"messages": messages, "seen": ["before"]}
    if mode == "async":
        return asyncio.run(app.ainvoke(given))
    return app.invoke(given)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(made=calls(), flag=st.sampled_from([None, *FLAGS]), kind=st.sampled_from(["dict", "list"]),
       mode=st.sampled_from(["sync", "async"]))  # fmt: skip
@example(
    made=[{"name": "add", "args": {"a": "x"}, "id": "c0"}], flag=None, kind="dict", mode="sync"
)
@example(
    made=[
        {"name": "move", "args": {"goto": "a"}, "id": "c0"},
        {"name": "add", "args": {"a": 1}, "id": "c1"},
    ],
    flag=None,
    kind="dict",
    mode="sync",
)
@example(
    made=[{"name": "count", "args": {"x": 1}, "id": "c0"}], flag=True, kind="list", mode="sync"
)
def test_a_node_of_tools_answers_as_langgraphs(made, flag, kind, mode) -> None:
    if kind == "list":
        # With a list LangGraph fails in pydantic before it gets to a tool that wants the runtime.
        made = [call for call in made if call["name"] not in {"move", "unanswered", "several"}]
        assume(made)
    expected, objects, dicts = (
        states(outcome(lambda: run_node(lib, form, made, flag, kind, mode)))  # noqa: B023
        for lib, form in SIDES
    )
    if mode == "async" and len(made) > 1 and isinstance(expected, Failed):
        # Of several failures LangGraph raises the first in time, we the first in order.
        assert isinstance(objects, Failed)
        assert objects == dicts
        return
    assert objects == expected
    assert dicts == expected


AGENT_TOOLS = ("add", "echo", "fail", "data", "move", "count", "whole", "nothing")
TURNS = st.lists(
    st.tuples(st.sampled_from(["", "thinking", "echo"]), calls(AGENT_TOOLS, most=2)), max_size=3
)


@st.composite
def scripts(draw):
    turns = draw(TURNS)
    for number, (_, made) in enumerate(turns):
        for call in made:
            call["id"] = f"t{number}{call['id']}"
    return [*turns, (draw(st.sampled_from(["done", "echo"])), [])]


class Answer(BaseModel):
    text: str


def hook(state):
    return {"seen": [f"before {len(state['messages'])}"]}


def choosing(state):
    return {"llm_input_messages": state["messages"][-2:], "seen": ["chose"]}


def after(state):
    return {"seen": [f"after {len(state['messages'])}"]}


HOOKS = {
    "none": {},
    "before": {"pre_model_hook": hook},
    "after": {"post_model_hook": after},
    "both": {"pre_model_hook": hook, "post_model_hook": after},
}


def agent_of(lib, form, turns, *, version, prompt, hooks, structured, direct, name, model=None):
    """Build an agent, LangGraph's or ours, with its library's fake model or LangChain's."""
    answer = Answer(text="in the end")
    if model is None and form.objects:
        model = ScriptedModel(turns=turns, structured=answer)
    elif model is None:
        model = FakeChatModel([_turn(form, i, *turn) for i, turn in enumerate(turns)],
                              structured=answer)  # fmt: skip
    make = their_agent if lib is THEIRS else create_react_agent
    state = {
        "messages": Annotated[list, lib.add_messages],
        "seen": Annotated[list, operator.add],
        "remaining_steps": _remaining(lib),
    }
    if structured:
        state["structured_response"] = Any
    listed = [each for each in tools(lib, form) if each.__name__ in AGENT_TOOLS]
    if direct:
        listed = [_direct(lib, each) if each.__name__ == "echo" else each for each in listed]
    return make(
        model,
        listed,
        prompt=prompt,
        version=version,
        name=name,
        state_schema=state_of(**state),
        response_format=Answer if structured else None,
        **HOOKS[hooks],
    )


def _turn(form, number, text, made):
    if text != "echo":
        return form.said(text, made, f"a{number}")

    def echo(messages):
        kinds = {"user": "human", "assistant": "ai"}
        text = " | ".join(f"{kinds.get(m['role'], m['role'])}:{m['content']}" for m in messages)
        return form.said(text, made, f"a{number}")

    return echo


def _remaining(lib):
    if lib is THEIRS:
        from langgraph.managed import RemainingSteps

        return RemainingSteps
    from vecgraph.managed import RemainingSteps

    return RemainingSteps


def _direct(lib, function):
    if lib is THEIRS:
        from langchain_core.tools import tool as their_tool

        return their_tool(function, return_direct=True)
    return tool(function, return_direct=True)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    turns=scripts(),
    version=st.sampled_from(["v1", "v2"]),
    prompt=st.sampled_from([None, "be good"]),
    hooks=st.sampled_from(list(HOOKS)),
    structured=st.booleans(),
    direct=st.booleans(),
    name=st.sampled_from([None, "bob"]),
    limit=st.sampled_from([3, 4, 5, 8, 25]),
    mode=st.sampled_from(["sync", "async"]),
)
@example(
    turns=[
        (
            "",
            [
                {"name": "add", "args": {"a": 1}, "id": "1"},
                {"name": "echo", "args": {"text": "direct"}, "id": "2"},
            ],
        ),
        ("done", []),
    ],
    version="v2",
    prompt=None,
    hooks="none",
    structured=False,
    direct=True,
    name=None,
    limit=25,
    mode="sync",
)
def test_an_agent_says_and_does_what_langgraphs_does(limit, mode, **options) -> None:
    results = []
    for lib, form in SIDES:
        agent = agent_of(lib, form, **options)
        given = {"messages": [form.user("hi")], "seen": []}
        results.append(states(outcome(lambda: _run(agent, given, limit, mode))))  # noqa: B023
    expected, objects, dicts = results
    assert objects == expected
    assert dicts == expected


@pytest.mark.parametrize("left", [0, 1, 2, 3])
@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("turn", ["echo", "add", "none"])
def test_steps_that_the_caller_counts_are_minded_alike(left, direct, turn) -> None:
    args = {"echo": {"text": "x"}, "add": {"a": 1}}
    made = [{"name": turn, "args": args[turn], "id": "1"}] if turn in args else []
    found = []
    for lib, form in SIDES:
        turns = [("", made), ("done", [])]
        model = ScriptedModel(turns=turns)
        if not form.objects:
            model = FakeChatModel([_turn(form, i, *t) for i, t in enumerate(turns)])
        listed = [each for each in tools(lib, form) if each.__name__ in {"echo", "add"}]
        if direct:
            listed = [_direct(lib, each) for each in listed]
        make = their_agent if lib is THEIRS else create_react_agent
        state = state_of(messages=Annotated[list, lib.add_messages], remaining_steps=int)
        agent = make(model, listed, state_schema=state)
        given = {"messages": [form.user("hi")], "remaining_steps": left}
        found.append(states(outcome(lambda: agent.invoke(given))))  # noqa: B023
    assert found[0] == found[1] == found[2]


def _run(agent, given, limit, mode):
    config = {"recursion_limit": limit}
    if mode == "async":
        return asyncio.run(agent.ainvoke(given, config))
    return agent.invoke(given, config)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(turns=scripts(), version=st.sampled_from(["v1", "v2"]), direct=st.booleans())
def test_agents_stream_the_same_updates(turns, version, direct) -> None:
    streams = []
    for lib, form in SIDES:
        agent = agent_of(lib, form, turns, version=version, prompt=None, hooks="none",
                         structured=False, direct=direct, name=None)  # fmt: skip
        given = {"messages": [form.user("hi")], "seen": []}

        def stream(agent=agent, given=given):
            return [
                [(node, _update(update)) for node, update in chunk.items()]
                for chunk in agent.stream(given, {"recursion_limit": 20})
            ]

        streams.append(outcome(stream))
    if isinstance(streams[0], Failed):
        assert streams[1] == streams[2] == streams[0]
        return
    # Of nodes that run side by side either may be first in LangGraph.
    expected, objects, dicts = ([sorted(map(repr, chunk)) for chunk in s] for s in streams)
    assert sorted(objects) == sorted(expected)
    assert sorted(dicts) == sorted(expected)


def _update(update):
    parts = update if isinstance(update, list) else [update]
    return [
        {k: [shown(m) for m in v] if k == "messages" else v for k, v in (part or {}).items()}
        for part in parts
    ]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_hook_chooses_what_the_model_reads(version) -> None:
    turns = [("echo", [{"name": "add", "args": {"a": i}, "id": f"{i}"}]) for i in range(3)]
    found = []
    for lib, form in SIDES:
        make = their_agent if lib is THEIRS else create_react_agent
        # The model counts what it is shown, so that it never comes to an end: count calls instead.
        model = _counting(form, turns)
        state = {"messages": Annotated[list, lib.add_messages],
                 "seen": Annotated[list, operator.add], "remaining_steps": _remaining(lib)}  # fmt: skip
        agent = make(model, tools(lib, form)[:1], pre_model_hook=choosing, version=version,
                     state_schema=state_of(**state))  # fmt: skip
        given = {"messages": [form.user("hi")], "seen": []}
        found.append(states(agent.invoke(given)))
    assert found[0] == found[1] == found[2]


def _counting(form, turns):
    """A model that is shown a window of the history, and ends after some calls."""

    def text(messages):
        kinds = {"user": "human", "assistant": "ai"}
        return " | ".join(
            f"{kinds.get(m['role'], m['role'])}:{m['content']}" if isinstance(m, dict)
            else f"{m.type}:{m.content}"
            for m in messages
        )  # fmt: skip

    asked = []

    def answer(messages):
        asked.append(1)
        made = turns[len(asked) - 1][1] if len(asked) <= len(turns) else []
        return form.said(text(messages), made, f"a{len(asked)}")

    if not form.objects:
        return answer

    class Model(ScriptedModel):
        def _generate(self, messages, stop=None, run_manager=None, **kwargs):
            from langchain_core.outputs import ChatGeneration, ChatResult

            return ChatResult(generations=[ChatGeneration(message=answer(messages))])

    return Model(turns=[])


WRAPPERS = {
    "through": lambda request, execute: execute(request),
    "changed": lambda request, execute: execute(
        request.override(tool_call={**request.tool_call, "args": {"a": 10, "text": "wrapped"}})
    ),
    "twice": lambda request, execute: (execute(request), execute(request))[1],
    "other state": lambda request, execute: execute(request.override(state={"seen": [1, 2, 3]})),
    "failing": lambda request, execute: 1 / 0,
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("flag", [None, True, False], ids=str)
@pytest.mark.parametrize("name", ["add", "echo", "count", "nothing", "fail"])
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_wrapper_stands_before_each_call(wrapper, flag, name, mode) -> None:
    args = {"add": {"a": 1}, "echo": {"text": "x"}, "count": {"x": 1}, "fail": {"kind": "value"}}
    made = [{"name": name, "args": args.get(name, {}), "id": "c0"}]
    results = []
    for lib, form in SIDES:
        options = {} if flag is None else {"handle_tool_errors": flag}
        node = lib.ToolNode(tools(lib, form), wrap_tool_call=WRAPPERS[wrapper], **options)
        builder = lib.StateGraph(
            state_of(messages=Annotated[list, lib.add_messages], seen=Annotated[list, operator.add])
        )
        builder.add_node("tools", node)
        builder.add_edge("__start__", "tools")
        given = {"messages": [form.user("hi"), form.said("", made, "a")], "seen": []}
        app = builder.compile()
        results.append(states(outcome(lambda: _run(app, given, 9, mode))))  # noqa: B023
    assert results[1] == results[0]
    assert results[2] == results[0]


INPUTS = {
    "nothing": {"messages": []},
    "no assistant": {"messages": [("user", "hi")]},
    "empty list": [("user", "hi")],
}


@pytest.mark.parametrize("given", INPUTS.values(), ids=list(INPUTS))
def test_an_input_without_calls_is_refused_alike(given) -> None:
    from langchain_core.messages import convert_to_messages

    found = []
    for lib, form in SIDES:
        node = lib.ToolNode(tools(lib, form))
        builder = lib.StateGraph(Annotated[list, lib.add_messages] if isinstance(given, list)
                                 else state_of(messages=Annotated[list, lib.add_messages]))  # fmt: skip
        builder.add_node("tools", node)
        builder.add_edge("__start__", "tools")
        found.append(outcome(lambda: builder.compile().invoke(given)))  # noqa: B023
    assert convert_to_messages
    assert found[0] == found[1] == found[2]


def test_histories_with_open_calls_are_refused_alike() -> None:
    made = [{"name": "add", "args": {"a": 1}, "id": "c0"}]
    found = []
    for lib, form in SIDES:
        agent = agent_of(lib, form, [("done", [])], version="v2", prompt=None, hooks="none",
                         structured=False, direct=False, name=None)  # fmt: skip
        messages = [form.user("hi"), form.said("", made), form.user("well?")]
        found.append(outcome(lambda: agent.invoke({"messages": messages})))  # noqa: B023
    assert found[0] == found[1] == found[2]
    assert "INVALID_CHAT_HISTORY" in found[0].text


@pytest.mark.parametrize(
    "state", [{"messages": []}, {}, [], {"messages": [("user", "x")]}], ids=str
)
def test_the_condition_on_odd_states(state) -> None:
    from langgraph.prebuilt import tools_condition as theirs

    from vecgraph.prebuilt import tools_condition

    assert outcome(lambda: tools_condition(state)) == outcome(lambda: theirs(state))


def test_the_condition_follows_the_last_message() -> None:
    from langgraph.prebuilt import tools_condition as theirs

    from vecgraph.prebuilt import tools_condition

    for calls_made in ([], [{"name": "add", "args": {}, "id": "1"}]):
        expected = theirs([Form(objects=True).said("", calls_made)])
        for form in (Form(objects=True), Form(objects=False)):
            said = form.said("", calls_made)
            assert tools_condition([said]) == expected
            assert tools_condition({"chat": [said]}, messages_key="chat") == expected


def test_bad_arguments_of_an_agent_are_refused_alike() -> None:
    for options in (
        {"version": "v3"},
        {"state_schema": state_of(messages=list)},
        {"state_schema": state_of(messages=list, remaining_steps=int), "response_format": Answer},
    ):
        model = ScriptedModel(turns=[])
        mine = outcome(lambda: create_react_agent(model, [], **options))  # noqa: B023
        theirs = outcome(lambda: their_agent(model, [], **options))  # noqa: B023
        assert isinstance(mine, Failed)
        assert mine.kind == theirs.kind
        assert sorted(mine.text) == sorted(theirs.text)  # a set's order in it is chance


def test_validation_answers_alike() -> None:
    from langgraph.prebuilt import ValidationNode as Theirs

    from vecgraph.prebuilt import ValidationNode

    @typed(n=int)
    def number(n):
        """Number."""

    made = [
        {"name": "Answer", "args": {"text": "x"}, "id": "1"},
        {"name": "Answer", "args": {}, "id": "2"},
        {"name": "number", "args": {"n": "3"}, "id": "3"},
        {"name": "number", "args": {"n": "z"}, "id": "4"},
    ]
    with pytest.warns(DeprecationWarning, match="ValidationNode"):
        theirs = Theirs([Answer, number])
    expected = theirs.invoke({"messages": [Form(objects=True).said("", made)]})["messages"]
    for form in (Form(objects=True), Form(objects=False)):
        node = ValidationNode([Answer, number])
        given = {"messages": [form.said("", made)]}
        answers = node.invoke(given)["messages"]
        assert [shown(m) for m in answers] == [shown(m) for m in expected]
        flags = [m["additional_kwargs"] if isinstance(m, dict) and "additional_kwargs" in m
                 else getattr(m, "additional_kwargs", {}) for m in answers]  # fmt: skip
        assert flags == [m.additional_kwargs for m in expected]

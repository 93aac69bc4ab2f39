"""Tools and agents without LangChain, and with its tools beside ours."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import InjectedToolCallId
from langchain_core.tools import tool as their_tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, Field

from tests.differential.agents import ScriptedModel, typed
from vecgraph.config import RunnableConfig
from vecgraph.graph import START, MessagesState, StateGraph
from vecgraph.prebuilt import (
    InjectedState,
    InjectedStore,
    ToolInvocationError,
    ToolNode,
    ToolRuntime,
    create_react_agent,
    tool,
)
from vecgraph.prebuilt._check import Parameter, _plainly, check
from vecgraph.prebuilt._schema import docs_of, json_schema
from vecgraph.prebuilt.tools import ToolArgumentError
from vecgraph.testing import FakeChatModel
from vecgraph.types import Command, Send


def call(name: str, id_: str = "1", **args: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps(args)}
    return {"id": id_, "type": "function", "function": function}


def said(*calls: dict[str, Any], content: str | None = None) -> dict[str, Any]:
    return {"role": "assistant", "content": content, "tool_calls": list(calls)}


def add(a: int, b: int = 2) -> int:
    """Add two numbers.

    Parameters
    ----------
    a : int
        The first, or
        the only one.
    b : int
        The other.

    Returns
    -------
    int
    """
    return a + b


# Schemas


def test_a_tool_describes_its_function() -> None:
    assert tool(add).schema() == {
        "type": "function",
        "function": {
            "name": "add",
            "description": "Add two numbers.",
            "parameters": {
                "type": "object",
                "properties": {
                    "a": {"type": "integer", "description": "The first, or the only one."},
                    "b": {"type": "integer", "description": "The other.", "default": 2},
                },
                "required": ["a"],
            },
        },
    }


class Point(TypedDict):
    x: int
    y: float


class Model(BaseModel):
    n: int = Field(ge=0, description="how many")
    size: int = 7


ANNOTATIONS: list[Any] = [
    str, int, float, bool, list, dict, list[str], dict[str, int], set[int], tuple[int, str],
    tuple[int, ...], int | None, int | str, Literal["a", "b"], Literal["a"], Literal[1, "a"],
    Annotated[int, "a count"], Annotated[int, Field(ge=3)], Any,
]  # fmt: skip


@pytest.mark.parametrize("annotation", ANNOTATIONS, ids=str)
def test_a_schema_is_the_one_that_langchain_makes(annotation) -> None:
    @typed(x=annotation)
    def function(x):
        """Do."""

    theirs = convert_to_openai_tool(their_tool(function))["function"]
    assert tool(function).schema()["function"] == theirs


def test_schemas_of_classes() -> None:
    assert json_schema(Point) == {
        "type": "object",
        "properties": {"x": {"type": "integer"}, "y": {"type": "number"}},
        "required": ["x", "y"],
    }
    assert json_schema(Model)["properties"]["n"]["description"] == "how many"
    assert json_schema(object) == {}


@pytest.mark.parametrize(
    ("doc", "expected"),
    [
        ("Only this.", ("Only this.", {})),
        ("A.\n\nMore.\n\nArgs:\n    a: one\n        and on\n    b: two\n\nReturns:\n    c: no",
         ("A.\n\nMore.", {"a": "one and on", "b": "two"})),
        ("A.\n\nParameters\n----------\na, b : int\n    both\nc\n    last", ("A.", {"c": "last"})),
        ("Args: none of a section", ("Args: none of a section", {})),
        ("", ("", {})),
    ],
)  # fmt: skip
def test_docstrings_say_what_parameters_are(doc, expected) -> None:
    assert docs_of(doc) == expected


def test_a_tool_needs_a_description() -> None:
    def bare(x: int) -> int:
        return x

    with pytest.raises(ValueError, match="must have a docstring"):
        tool(bare)
    assert tool(bare, description="Do.").description == "Do."


def test_the_decorator_has_three_forms() -> None:
    @tool("other", return_direct=True)
    def first(x: int) -> int:
        """Do."""
        return x

    @tool(description="Said.")
    def second(x: int) -> int:
        return -x

    assert (first.name, first.return_direct, second.description) == ("other", True, "Said.")
    assert first(3) == 3
    assert second.invoke({"x": "3"}) == -3
    assert first.invoke(call("other", x=3)) == {
        "role": "tool", "content": "3", "name": "other", "tool_call_id": "1"}  # fmt: skip


# Arguments


def test_arguments_are_checked_and_converted() -> None:
    adder = tool(add)
    assert adder.check({"a": "3", "c": 1}) == {"a": 3}
    with pytest.raises(ToolArgumentError) as caught:
        adder.check({"b": "x"})
    assert caught.value.faults[0] == ("a", "Field required")
    assert caught.value.faults[1][0] == "b"


def test_a_model_as_the_schema_of_arguments() -> None:
    @tool(args_schema=Model)
    def take(n: int, size: int) -> tuple[int, int]:
        """Take."""
        return n, size

    assert take.invoke({"n": "3"}) == (3, 7)
    with pytest.raises(ToolArgumentError, match="n: Input should be greater than or equal to 0"):
        take.invoke({"n": -1})


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (int, 3, 3), (int, True, "valid integer"), (int, "3", "valid integer"), (str, "x", "x"),
        (float, 3, 3.0), (float, "x", "valid number"), (bool, 1, "valid boolean"),
        (list[int], ["x"], ["x"]), (list, {}, "valid list"), (dict, [], "valid dictionary"),
        (int | None, None, None), (int | None, "x", "one of its types"),
        (Literal["a", "b"], "a", "a"), (Literal["a", "b"], "c", "'a' or 'b'"),
        (Annotated[int, "n"], "x", "valid integer"), (Any, object, object), (None, None, None),
    ],
    ids=str,
)  # fmt: skip
def test_without_pydantic_types_must_be_right_already(annotation, value, expected) -> None:
    got, faults = _plainly(annotation, value)
    if faults:
        assert expected in faults[0][1]
    else:
        assert (type(got), got) == (type(expected), expected)


def test_without_pydantic_arguments_are_still_checked(monkeypatch) -> None:
    monkeypatch.setattr("vecgraph.prebuilt._check.adapter_of", lambda annotation: None)
    parameters = [Parameter("a", int), Parameter("b", str, "x")]
    assert check(parameters, {"a": 1, "z": 2}) == ({"a": 1}, [])
    assert check(parameters, {"b": 3})[1] == [
        ("a", "Field required"), ("b", "Input should be a valid string")]  # fmt: skip


def test_annotations_that_pydantic_does_not_know_are_let_through() -> None:
    class Odd:
        pass

    @typed(x=Odd)
    def take(x):
        """Take."""
        return str(x)

    assert tool(take).invoke({"x": 3}) == "3"


# Nodes


def test_broken_json_is_answered() -> None:
    broken = {"id": "1", "type": "function", "function": {"name": "add", "arguments": '{"a": '}}
    (answer,) = ToolNode([add]).invoke([said(broken)])
    assert answer["status"] == "error"
    assert "arguments: Input should be a JSON object" in answer["content"]


def test_calls_without_a_message() -> None:
    node = ToolNode([add])
    expected = [{"role": "tool", "content": "3", "name": "add", "tool_call_id": "1"}]
    plain = {"name": "add", "args": {"a": 1}, "id": "1", "type": "tool_call"}
    assert node.invoke([plain]) == {"messages": expected}
    assert node.invoke([call("add", a=1)]) == {"messages": expected}


def test_calls_of_one_message_run_side_by_side_and_answer_in_order() -> None:
    barrier = threading.Barrier(3, timeout=10)

    def meet(n: int) -> int:
        """Wait for the others."""
        barrier.wait()
        return n

    calls = [call("meet", str(n), n=n) for n in range(3)]
    answers = ToolNode([meet]).invoke([said(*calls)])
    assert [answer["content"] for answer in answers] == ["0", "1", "2"]

    running: list[int] = []

    def alone(n: int) -> int:
        """See whether somebody else is here."""
        running.append(n)
        assert running == [n]
        running.remove(n)
        return n

    node = ToolNode([alone])
    calls = [call("alone", str(n), n=n) for n in range(5)]
    answers = node.invoke([said(*calls)], {"max_concurrency": 1})
    assert [answer["content"] for answer in answers] == ["0", "1", "2", "3", "4"]


async def test_coroutine_tools_run_side_by_side() -> None:
    waiting = asyncio.Event()

    async def first() -> str:
        """Wait for the second."""
        await asyncio.wait_for(waiting.wait(), 10)
        return "first"

    async def second() -> str:
        """Let the first go on."""
        waiting.set()
        return "second"

    node = ToolNode([first, second, add])
    calls = [call("first", "1"), call("second", "2"), call("add", "3", a=1)]
    answers = await node.ainvoke([said(*calls)])
    assert [answer["content"] for answer in answers] == ["first", "second", "3"]
    with pytest.raises(NotImplementedError, match="sync"):
        node.invoke([said(calls[0])])


class Context(TypedDict):
    user: str


def test_what_a_runtime_holds() -> None:
    seen: dict[str, Any] = {}

    @typed(x=int, runtime=ToolRuntime, config=RunnableConfig, store=Annotated[Any, InjectedStore()])
    def look(x, runtime, config, store):
        """Look."""
        seen.update(vars(runtime), given=config, kept=store)
        runtime.stream_writer(f"looked at {x}")
        runtime.emit_output_delta("nobody listens")
        return "ok"

    builder = StateGraph(MessagesState, context_schema=Context)
    builder.add_node("tools", ToolNode([look]))
    builder.add_edge(START, "tools")
    app = builder.compile(store="a store")
    given = {"messages": [said(call("look", x=1))]}
    config = {"tags": ["t"]}
    chunks = list(app.stream(given, config, context={"user": "u"}, stream_mode="custom"))
    assert chunks == ["looked at 1"]
    assert seen["context"] == {"user": "u"}
    assert (seen["store"], seen["kept"], seen["tool_call_id"]) == ("a store", "a store", "1")
    assert seen["config"]["tags"] == seen["given"]["tags"] == ["t"]
    assert [each.name for each in seen["tools"]] == ["look"]
    assert seen["state"]["messages"][0]["role"] == "assistant"
    assert tool(look).args.keys() == {"x"}


def test_a_store_is_needed_where_it_is_asked_for() -> None:
    @typed(store=Annotated[Any, InjectedStore()])
    def keep(store):
        """Keep."""

    with pytest.raises(ValueError, match="compile your graph with a store"):
        ToolNode([keep], handle_tool_errors=True).invoke([said(call("keep"))])


def test_two_marks_on_one_parameter_are_refused() -> None:
    @typed(x=Annotated[str, InjectedState("a"), InjectedState("b")])
    def twice(x):
        """Do."""

    with pytest.raises(ValueError, match="more than once"):
        tool(twice)


def test_commands_to_the_graph_above_become_one() -> None:
    def hand_over(to: str) -> Command:
        """Hand over."""
        return Command(graph=Command.PARENT, goto=[Send(to, {})])

    calls = [call("hand_over", "1", to="a"), call("add", "2", a=1), call("hand_over", "3", to="b")]
    outputs = ToolNode([hand_over, add]).invoke({"messages": [said(*calls)]})
    assert outputs[0]["messages"][0]["content"] == "3"
    assert outputs[1] == Command(graph=Command.PARENT, goto=[Send("a", {}), Send("b", {})])


def test_an_artifact_is_kept_beside_the_answer() -> None:
    @tool(response_format="content_and_artifact")
    def draw() -> tuple[str, list[int]]:
        """Draw."""
        return "drawn", [1, 2]

    (answer,) = ToolNode([draw]).invoke([said(call("draw"))])
    assert (answer["content"], answer["artifact"]) == ("drawn", [1, 2])
    asked = AIMessage("", tool_calls=[{"name": "draw", "args": {}, "id": "1"}])
    (answer,) = ToolNode([draw]).invoke([asked])
    assert (type(answer), answer.artifact) == (ToolMessage, [1, 2])


def test_unhandled_errors_of_arguments_say_where_they_come_from() -> None:
    with pytest.raises(ToolInvocationError, match="Error invoking tool 'add'") as caught:
        ToolNode([add], handle_tool_errors=False).invoke([said(call("add", a="x"))])
    assert caught.value.tool_kwargs == {"a": "x"}
    assert caught.value.filtered_errors[0][0] == "a"


# LangChain's tools in our node


@their_tool
def shout(text: str, state: Annotated[dict, InjectedState], seen: Annotated[int, InjectedState("n")]
          ) -> str:  # fmt: skip
    """Shout."""
    return f"{text.upper()}! {len(state['messages'])} {seen}"


@their_tool
def go(where: str, tool_call_id: Annotated[str, InjectedToolCallId]) -> Any:
    """Go."""
    answer = ToolMessage(f"at {where}", tool_call_id=tool_call_id)
    return Command(update={"messages": [answer]}, goto="end")


@their_tool(response_format="content_and_artifact")
def draw_one(n: int) -> Any:
    """Draw."""
    return f"{n} drawn", [n]


def test_langchains_tools_hide_our_marks() -> None:
    assert set(convert_to_openai_tool(shout)["function"]["parameters"]["properties"]) == {"text"}


@pytest.mark.parametrize("objects", [True, False])
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_langchains_tools_run_in_our_node(objects, mode) -> None:
    node = ToolNode([shout, go, draw_one])
    calls = [("shout", {"text": "hi"}), ("go", {"where": "x"}), ("draw_one", {"n": 3}),
             ("draw_one", {"n": "z"})]  # fmt: skip
    asked: Any = said(*(call(name, str(i), **args) for i, (name, args) in enumerate(calls)))
    if objects:
        listed = [{"name": n, "args": a, "id": str(i)} for i, (n, a) in enumerate(calls)]
        asked = AIMessage("", tool_calls=listed)
    state = {"messages": [asked], "n": 5}
    outputs = node.invoke(state) if mode == "sync" else asyncio.run(node.ainvoke(state))
    shouted, gone, drawn, refused = outputs
    assert (gone.goto, gone.update["messages"][0].name) == ("end", "go")
    messages = [output["messages"][0] for output in (shouted, drawn, refused)]
    if not objects:
        assert messages[:2] == [
            {"role": "tool", "content": "HI! 1 5", "name": "shout", "tool_call_id": "0"},
            {"role": "tool", "content": "3 drawn", "name": "draw_one", "tool_call_id": "2",
             "artifact": [3]},
        ]  # fmt: skip
        assert messages[2]["status"] == "error"
        return
    assert [type(message) for message in messages] == [ToolMessage] * 3
    assert [message.content for message in messages[:2]] == ["HI! 1 5", "3 drawn"]
    assert (messages[1].artifact, messages[2].status) == ([3], "error")


def test_a_model_cannot_forge_what_the_graph_fills() -> None:
    def peek(secret: Any = "default") -> str:
        """Peek."""
        return secret

    peek.__annotations__["secret"] = Annotated[str, InjectedState("secret")]
    asked = said(call("peek", secret="forged"))
    for given in (peek, their_tool(peek)):
        (answer,) = ToolNode([given]).invoke({"messages": [asked]})["messages"]
        assert answer["content"] == "default"


def test_a_langchain_tool_that_would_show_our_marks_is_refused() -> None:
    class InjectedState:  # as if a model had seen the tool before our marks became LangChain's
        field = None

    def peek(state: Any) -> str:
        """Peek."""
        return "x"

    peek.__annotations__["state"] = Annotated[dict, InjectedState()]
    with pytest.raises(
        TypeError, match=r"(?s)'peek' shows the model .* state.*import langchain_core"
    ):
        ToolNode([their_tool(peek)])


# Agents


WEATHER = FakeChatModel([said(call("add", a=1)), "done"])


def test_a_function_is_a_model() -> None:
    seen: dict[str, Any] = {}

    def model(messages: Any, *, tools: Any, config: Any) -> Any:
        seen.update(tools=tools, tags=config["tags"])
        return said(call("add", a=1)) if len(messages) == 1 else "done"

    agent = create_react_agent(model, [add])
    result = agent.invoke({"messages": [("user", "hi")]}, {"tags": ["x"]})
    assert [m["role"] for m in result["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert result["messages"][-1]["content"] == "done"
    assert seen == {"tools": [tool(add).schema()], "tags": ["x"]}


async def test_a_coroutine_function_is_a_model() -> None:
    async def model(messages: Any) -> Any:
        await asyncio.sleep(0)
        return "done"

    agent = create_react_agent(model, [add], prompt="be good")
    result = await agent.ainvoke({"messages": [("user", "hi")]})
    assert result["messages"][-1]["content"] == "done"
    with pytest.raises(TypeError, match="No synchronous function provided"):
        agent.invoke({"messages": [("user", "hi")]})


def test_a_function_of_state_and_runtime_chooses_the_model() -> None:
    def choose(state: Any, runtime: Any) -> Any:
        return FakeChatModel([f"{runtime.context} saw {len(state['messages'])}"])

    agent = create_react_agent(choose, [add])
    result = agent.invoke({"messages": [("user", "hi")]}, context="ctx")
    assert result["messages"][-1]["content"] == "ctx saw 1"


async def test_a_coroutine_function_chooses_the_model() -> None:
    async def choose(state: Any, runtime: Any) -> Any:
        return WEATHER

    agent = create_react_agent(choose, [add])
    result = await agent.ainvoke({"messages": [("user", "hi")]})
    assert result["messages"][-1]["content"] == "done"
    with pytest.raises(TypeError, match="No synchronous function provided"):
        agent.invoke({"messages": [("user", "hi")]})


@pytest.mark.parametrize(
    ("prompt", "first"),
    [
        ("be good", {"role": "system", "content": "be good"}),
        ({"role": "system", "content": "so"}, {"role": "system", "content": "so"}),
        (lambda state: [("system", str(len(state["messages"])))], ("system", "1")),
    ],
    ids=["text", "message", "function"],
)
def test_a_prompt_stands_before_the_messages(prompt, first) -> None:
    seen: list[Any] = []

    def model(messages: Any) -> str:
        seen.extend(messages)
        return "done"

    create_react_agent(model, [], prompt=prompt).invoke({"messages": [("user", "hi")]})
    assert seen[0] == first


def test_a_prompt_of_objects_beside_objects() -> None:
    seen: list[Any] = []

    def model(messages: Any) -> Any:
        seen.extend(messages)
        return AIMessage("done")

    create_react_agent(model, [], prompt="p").invoke({"messages": [HumanMessage("hi")]})
    assert [type(m).__name__ for m in seen] == ["SystemMessage", "HumanMessage"]


class Verdict(BaseModel):
    good: bool


@pytest.mark.parametrize(
    "schema", [Verdict, {"title": "Verdict", "type": "object"}], ids=["m", "d"]
)
def test_a_function_gives_a_structured_answer(schema) -> None:
    asked: list[Any] = []

    def model(messages: Any, response_format: Any = None) -> Any:
        asked.append(response_format)
        return "done" if response_format is None else '{"good": true}'

    agent = create_react_agent(model, [], response_format=("judge", schema))
    result = agent.invoke({"messages": [("user", "hi")]})
    expected = Verdict(good=True) if schema is Verdict else {"good": True}
    assert result["structured_response"] == expected
    assert asked[1]["json_schema"]["name"] == "Verdict"


def test_a_langchain_model_gets_our_tools() -> None:
    bound: list[Any] = []

    class Model(ScriptedModel):
        def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
            bound.extend(tools)
            return self

    create_react_agent(Model(turns=[("", [])]), [add, shout, {"type": "web_search"}])
    assert bound[0] == tool(add).schema()
    assert bound[1] is shout
    assert bound[2] == {"type": "web_search"}


def test_a_model_with_other_tools_is_refused() -> None:
    model = ScriptedModel(turns=[]).bind(tools=[tool(add).schema()])
    assert create_react_agent(model, [add])
    with pytest.raises(ValueError, match="Number of tools"):
        create_react_agent(model, [add, shout])
    with pytest.raises(ValueError, match="Missing tools"):
        create_react_agent(model, [shout])


@pytest.mark.parametrize("model", ["openai:gpt", 3], ids=str)
def test_what_is_no_model(model) -> None:
    with pytest.raises(TypeError, match="model"):
        create_react_agent(model, [])


def _agent_for(rows: int) -> tuple[Any, list[dict[str, Any]]]:
    """An agent that needs as many rounds of tools as the task's number says."""

    def answer(messages: Any) -> Any:
        wanted = int(messages[0]["content"])
        done = sum(m["role"] == "tool" for m in messages)
        if done >= wanted:
            return {"role": "assistant", "content": f"sum {messages[-1]['content']}"}
        calls = [call("add", f"c{done}", a=done), call("tell", f"d{done}", text="x" * wanted)]
        return said(*calls[: 1 + wanted % 2])

    def tell(text: str, state: Annotated[dict, InjectedState]) -> str:
        """Tell."""
        return f"{text} of {len(state['messages'])}"

    tell.__annotations__["state"] = Annotated[dict, InjectedState]
    tell.__annotations__["text"] = str
    agent = create_react_agent(FakeChatModel([answer] * 9), [add, tell])
    return agent, [{"messages": [("user", str(i % 5))]} for i in range(rows)]


def _plain(result: Any) -> Any:
    return [{k: v for k, v in m.items() if k != "id"} for m in result["messages"]]


def test_ten_thousand_agents_are_as_each_alone() -> None:
    agent, rows = _agent_for(10_000)
    expected = [_plain(agent.invoke(row)) for row in rows[:5]]
    results = agent.batch(rows)
    assert [_plain(result) for result in results] == expected * 2_000
    ids = [m["id"] for result in results[:50] for m in result["messages"]]
    assert len(set(ids)) == len(ids)


def test_a_failing_agent_loses_no_other() -> None:
    def fragile(a: int) -> int:
        """Fail on 3."""
        if a == 3:
            raise OSError("three")
        return a

    def answer(messages: Any) -> Any:
        if messages[-1]["role"] == "tool":
            return messages[-1]["content"]
        return said(call("fragile", a=int(messages[0]["content"])))

    agent = create_react_agent(FakeChatModel([answer] * 3), [fragile])
    rows = [{"messages": [("user", str(i % 10))]} for i in range(500)]
    results = agent.batch(rows, return_exceptions=True)
    failed = [i for i, result in enumerate(results) if isinstance(result, OSError)]
    assert failed == list(range(3, 500, 10))
    assert results[4]["messages"][-1]["content"] == "4"


# The fake model


def test_the_fake_model_follows_the_history() -> None:
    model = FakeChatModel(["one", lambda messages: f"{len(messages)}"])
    assert model.invoke("hi") == {"role": "assistant", "content": "one"}
    assert model.invoke([("user", "hi"), ("ai", "one")]) == {"role": "assistant", "content": "2"}
    with pytest.raises(IndexError, match="2 responses was asked for one more"):
        model.invoke([("ai", "one"), ("ai", "two")])
    assert model.bind_tools([1]).tools == [1]
    assert model.tools == []


PROGRAM = """
import sys
blocked = ("langchain_core", "langgraph", "langsmith", "pydantic")

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Refuse())
from vecgraph.prebuilt import ToolNode, create_react_agent
from vecgraph.testing import FakeChatModel

def add(a: int, b: int = 2) -> int:
    'Add.'
    return a + b

def call(**args):
    import json
    function = {"name": "add", "arguments": json.dumps(args)}
    return {"role": "assistant", "content": None,
            "tool_calls": [{"id": "1", "type": "function", "function": function}]}

model = FakeChatModel([call(a="3"), call(a=3), "done"])
result = create_react_agent(model, [add]).invoke({"messages": [("user", "hi")]})
print([m["content"] for m in result["messages"]])
print(*(name for name in blocked if name in sys.modules))
"""


def test_an_agent_runs_where_neither_langchain_nor_pydantic_is_installed() -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    contents, loaded = done.stdout.splitlines()
    assert "a: Input should be a valid integer" in contents
    assert contents.endswith("'5', 'done']")
    assert loaded == ""


MARKS = """
import vecgraph.prebuilt.tool_node
from langchain_core.tools import tool
from typing import Annotated
from vecgraph.prebuilt import InjectedState, InjectedStore, ToolNode, ToolRuntime

@tool
def look(x: int, a: Annotated[dict, InjectedState], b: Annotated[dict, InjectedState("k")],
         c: Annotated[dict, InjectedStore], runtime: ToolRuntime) -> str:
    "Look."
    return "x"

print(sorted(look.tool_call_schema.model_fields))
ToolNode([look])
"""


def test_marks_that_were_loaded_before_langchain_are_hidden_all_the_same() -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", MARKS]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("['x']\n", "")

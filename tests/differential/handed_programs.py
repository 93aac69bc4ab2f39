"""Five LangGraph programs of the kinds that people write, on LangGraph's own names alone.

Each has a saver, and is played by a list of inputs to one thread: some answer a question.
"""

from __future__ import annotations

import operator
import warnings
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tools import InjectedToolCallId, tool
from langgraph.config import get_store, get_stream_writer
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import InjectedState, ToolNode, create_react_agent, tools_condition
from langgraph.runtime import Runtime
from langgraph.types import Command, RetryPolicy, Send, interrupt


class Scripted(BaseChatModel):
    """A chat model that says the next line of its script, told by how much has been said."""

    script: list[Any]

    def bind_tools(self, tools, **kwargs):
        return self

    def _generate(
        self, messages, stop=None, run_manager: CallbackManagerForLLMRun | None = None, **kwargs
    ):
        said = sum(isinstance(message, AIMessage) for message in messages)
        text, calls = self.script[min(said, len(self.script) - 1)]
        made = [{**call, "type": "tool_call"} for call in calls]
        message = AIMessage(text, tool_calls=made, id=f"ai-{said}-{len(messages)}")
        return ChatResult(generations=[ChatGeneration(message=message)])

    @property
    def _llm_type(self):
        return "scripted"


def call(name, ident, **args):
    return {"name": name, "args": args, "id": ident}


@dataclass(frozen=True)
class Program:
    """What makes the graph of a saver and a store, the inputs in turn, and the call's options."""

    make: Any
    inputs: list[Any]
    context: Any = None


def agent_with_tools():
    """An agent by hand: tools in parallel, one that updates the state, one that asks."""

    @tool
    def add(a: int, b: int) -> int:
        """Add."""
        get_stream_writer()({"adding": [a, b]})
        return a + b

    @tool
    def remember(
        fact: str,
        tool_call_id: Annotated[str, InjectedToolCallId],
        state: Annotated[dict, InjectedState],
    ) -> Any:
        """Keep a fact."""
        get_store().put(("facts",), fact, {"n": len(state["messages"])})
        kept = ToolMessage("kept", tool_call_id=tool_call_id, id="t-kept")
        return Command(update={"messages": [kept], "facts": [fact]})

    @tool
    def approve(what: str) -> str:
        """Ask a human."""
        return f"{what}: {interrupt({'approve': what})}"

    @tool
    def broken(x: int) -> int:
        """Fail."""
        raise ZeroDivisionError(f"x is {x}")

    model = Scripted(
        script=[
            ("", [call("add", "1", a=1, b=2), call("remember", "2", fact="sky is blue")]),
            ("", [call("approve", "3", what="launch"), call("broken", "4", x=7)]),
            ("", [call("add", "5", a="wrong", b=2)]),
            ("done", []),
        ]
    )

    class State(MessagesState):
        facts: Annotated[list, operator.add]

    def think(state: State, config: RunnableConfig):
        prompt = [SystemMessage("be good"), *state["messages"]]
        return {"messages": [model.invoke(prompt, config)]}

    def make(saver, store):
        tools = [add, remember, approve, broken]
        builder = StateGraph(State).add_node("think", think)
        builder.add_node("tools", ToolNode(tools, handle_tool_errors=lambda e: f"oh: {e!r:.40}"))
        builder.add_edge(START, "think").add_edge("tools", "think")
        builder.add_conditional_edges("think", tools_condition)
        return builder.compile(saver, store=store)

    start = {"messages": [HumanMessage("go", id="h")], "facts": []}
    return Program(make, [start, Command(resume="yes"), None])


def prebuilt_agent():
    """LangGraph's own agent, with Sends to its tools and a hook that counts."""

    @tool
    def twice(text: str) -> str:
        """Say it twice."""
        return text + text

    model = Scripted(script=[("", [call("twice", "1", text="a"), call("twice", "2", text="b")])] * 2
                     + [("bye", [])])  # fmt: skip

    def make(saver, store):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return create_react_agent(
                model,
                [twice],
                prompt="short",
                pre_model_hook=RunnableLambda(
                    lambda state: {"llm_input_messages": state["messages"]}
                ),
                checkpointer=saver,
                store=store,
            )

    again = {"messages": [HumanMessage("more", id="h2")]}
    return Program(make, [{"messages": [HumanMessage("go", id="h")]}, again])


def map_reduce():
    """Subjects fan out to jokes, which are written with retries; the best one is chosen."""

    class State(TypedDict):
        topics: list[str]
        jokes: Annotated[list, operator.add]
        best: str

    class Joke(TypedDict):
        topic: str

    failures = {"b": 1}

    def plan(state: State):
        return {"topics": sorted(state["topics"])}

    def to_jokes(state):
        return [Send("joke", {"topic": topic}) for topic in state["topics"]]

    def joke(state: Joke):
        if failures.get(state["topic"], 0) > 0:
            failures[state["topic"]] -= 1
            raise ConnectionError(state["topic"])
        return {"jokes": [f"{state['topic']}!"]}

    def choose(state: State, runtime: Runtime[dict]):
        return {"best": max(state["jokes"], key=runtime.context["key"])}

    def make(saver, store):
        failures["b"] = 1
        builder = StateGraph(State, context_schema=dict)
        builder.add_node(plan)
        policy = RetryPolicy(initial_interval=0, jitter=False)
        builder.add_node("joke", joke, retry_policy=policy)
        builder.add_node("choose", choose, defer=True)
        builder.add_edge(START, "plan")
        builder.add_conditional_edges("plan", to_jokes, ["joke"])
        builder.add_edge("joke", "choose")
        return builder.compile(saver)

    return Program(
        make, [{"topics": ["ccc", "b", "aa"], "jokes": []}, {"topics": ["zz"]}], {"key": len}
    )


def human_in_the_loop():
    """A draft is reviewed in a loop of questions; routing by what the human says."""

    class State(TypedDict):
        draft: str
        log: Annotated[list, operator.add]

    def write(state: State):
        return {"draft": state.get("draft", "") + "x", "log": ["write"]}

    def review(state: State) -> Command[Literal["write", "publish"]]:
        get_stream_writer()("reviewing")
        answer = interrupt({"draft": state["draft"], "question": "ok?"})
        more = interrupt("why?") if answer == "no" else None
        goto = "publish" if answer == "yes" else "write"
        return Command(update={"log": [(answer, more)]}, goto=goto)

    def publish(state: State):
        return {"log": ["published " + state["draft"]]}

    def make(saver, store):
        builder = StateGraph(State).add_node(write).add_node(review).add_node(publish)
        builder.add_edge(START, "write").add_edge("write", "review").add_edge("publish", END)
        return builder.compile(saver, interrupt_before=["publish"])

    answers = [Command(resume=answer) for answer in ("no", "too short", "yes")]
    return Program(make, [{"log": []}, *answers, None])


class Team(TypedDict):
    task: str
    log: Annotated[list, operator.add]


def team(name, *nodes):
    builder = StateGraph(Team).add_sequence(nodes)
    return builder.add_edge(START, nodes[0].__name__).compile(name=name)


def supervisor():
    """A supervisor hands over to teams, graphs of their own, one of which asks and one leaves."""

    def search(state: Team):
        return {"log": [f"found {state['task']}"]}

    def check(state: Team):
        return {"log": [("checked", interrupt("trust it?"))]}

    def calculate(state: Team):
        update = {"log": ["computed"], "task": "write"}
        return Command(graph=Command.PARENT, update=update, goto="supervisor")

    def supervise(state: Team) -> Command[Literal["research", "maths", "__end__"]]:
        steps = len(state["log"])
        goto = "research" if steps < 2 else "maths" if state["task"] != "write" else END
        return Command(goto=goto, update={"log": [f"to {goto}"]})

    def make(saver, store):
        builder = StateGraph(Team)
        builder.add_node("supervisor", supervise)
        builder.add_node("research", team("research", search, check))
        builder.add_node("maths", team("maths", calculate))
        builder.add_edge(START, "supervisor").add_edge("research", "supervisor")
        return builder.compile(saver)

    return Program(make, [{"task": "count", "log": []}, Command(resume="yes"), None])


def workflow():
    """A functional workflow: tasks side by side, a question, and what the thread has saved."""

    @task
    def square(n: int) -> int:
        return n * n

    @task(retry_policy=RetryPolicy(initial_interval=0, jitter=False))
    def label(n: int, *, mark: str = "#") -> str:
        get_stream_writer()(f"label {n}")
        return f"{mark}{n}"

    def make(saver, store):
        @entrypoint(saver, store=store)
        def flow(numbers: list[int], *, previous: Any = None, config: RunnableConfig) -> Any:
            squares = [future.result() for future in [square(n) for n in numbers]]
            answer = interrupt({"squares": squares})
            labels = [label(n, mark=answer).result() for n in squares]
            total = sum(squares) + (previous or 0)
            return entrypoint.final(value=[labels, total, config["tags"]], save=total)

        return flow

    return Program(make, [[1, 2, 3], Command(resume="!"), [4], Command(resume="?")])


PROGRAMS = {
    make.__name__: make
    for make in (
        agent_with_tools,
        prebuilt_agent,
        map_reduce,
        human_in_the_loop,
        supervisor,
        workflow,
    )
}

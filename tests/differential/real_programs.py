"""Five whole programs, our own, as users write them: the same code against both libraries.

An agent with tools, a map-reduce, a human in the loop, a supervisor of two teams, a workflow of
functions. Each is a function of the library and of nothing else, and says what is done with it.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool

START, END = "__start__", "__end__"


@dataclass(frozen=True)
class Step:
    """One thing that is done with a program: an input, or an answer, on a thread."""

    value: Any = None
    resume: Any = None
    thread: str = "1"


# --- an agent with tools


class Scripted(GenericFakeChatModel):
    """A model that calls the tools that its script says."""

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool
def divide(a: int, b: int) -> float:
    """Divide a number by another."""
    return a / b


def call(name, ident, **args):
    return {"name": name, "args": args, "id": ident, "type": "tool_call"}


def agent(lib):
    """A loop of a model and its tools; one call fails, and the model hears of it."""
    script = [
        AIMessage(
            "", id="a1", tool_calls=[call("add", "t1", a=2, b=3), call("add", "t2", a=1, b=1)]
        ),
        AIMessage("", id="a2", tool_calls=[call("divide", "t3", a=5, b=0)]),
        AIMessage("five, two, and no division", id="a3"),
        AIMessage("you are welcome", id="a4"),
    ]
    model = Scripted(messages=iter(script)).bind_tools([add, divide])

    def think(state):
        return {"messages": [model.invoke(state["messages"])]}

    def act(state):
        answers = []
        for asked in state["messages"][-1].tool_calls:
            chosen = {"add": add, "divide": divide}[asked["name"]]
            try:
                said = str(chosen.invoke(asked["args"]))
            except ZeroDivisionError as error:
                said = f"error: {error}"
            answers.append(ToolMessage(said, tool_call_id=asked["id"], id=f"r-{asked['id']}"))
        return {"messages": answers}

    def after(state) -> Literal["act", "__end__"]:
        return "act" if state["messages"][-1].tool_calls else END

    graph = lib.StateGraph(lib.MessagesState)
    graph.add_node("think", think)
    graph.add_node("act", act)
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", after)
    graph.add_edge("act", "think")
    return graph.compile(checkpointer=lib.saver())


AGENT = (
    Step({"messages": [HumanMessage("2 + 3, 1 + 1, and 5 / 0?", id="h1")]}),
    Step({"messages": [HumanMessage("thanks", id="h2")]}),
)


# --- map-reduce


class Book(TypedDict):
    chapters: list[str]
    limit: int
    summaries: Annotated[list[tuple[int, str]], operator.add]
    words: Annotated[int, operator.add]
    digest: str


class Chapter(TypedDict):
    at: int
    text: str


def map_reduce(lib):
    """Summarise chapters side by side until the digest is short enough."""

    def spread(book):
        return [
            lib.Send("summarise", {"at": at, "text": text})
            for at, text in enumerate(book["chapters"])
        ]

    def summarise(chapter: Chapter):
        words = chapter["text"].split()
        return {"summaries": [(chapter["at"], " ".join(words[:3]))], "words": len(words)}

    def collect(book):
        latest = book["summaries"][-len(book["chapters"]) :]
        return {"digest": " | ".join(text for _, text in sorted(latest))}

    def shorten(book):
        return {"chapters": [part[: len(part) // 2] for part in book["digest"].split(" | ")]}

    def enough(book):
        return END if len(book["digest"]) <= book["limit"] else "shorten"

    graph = lib.StateGraph(Book)
    for node in (summarise, collect, shorten):
        graph.add_node(node)
    graph.add_conditional_edges(START, spread, ["summarise"])
    graph.add_edge("summarise", "collect")
    graph.add_conditional_edges("collect", enough)
    graph.add_conditional_edges("shorten", spread, ["summarise"])
    return graph.compile(checkpointer=lib.saver())


MAP_REDUCE = (
    Step({"chapters": ["it was a dark night", "rain fell all day long", "the end"], "limit": 12}),
    Step({"chapters": ["short"], "limit": 12}, thread="2"),
    Step({"chapters": ["again and again and on"], "limit": 99}),
)


# --- a human in the loop


class Post(TypedDict):
    topic: str
    draft: str
    notes: Annotated[list[str], operator.add]
    published: bool


def human(lib):
    """Draft, ask for a review, and redo or publish; publishing asks once more."""

    def draft(post):
        return {"draft": f"{post['topic']} v{len(post['notes']) + 1}"}

    def review(post) -> Any:
        said = lib.interrupt({"read": post["draft"], "notes": len(post["notes"])})
        if said["verdict"] == "redo":
            return lib.Command(update={"notes": [said["note"]]}, goto="draft")
        return lib.Command(goto="publish")

    def publish(post):
        sure = lib.interrupt("sure?")
        really = lib.interrupt("really?") if sure == "hm" else sure
        return {"published": really == "yes"}

    graph = lib.StateGraph(Post)
    graph.add_node("draft", draft)
    graph.add_node("review", review, destinations=("draft", "publish"))
    graph.add_node("publish", publish)
    graph.add_edge(START, "draft")
    graph.add_edge("draft", "review")
    return graph.compile(checkpointer=lib.saver())


HUMAN = (
    Step({"topic": "rain"}),
    Step(resume={"verdict": "redo", "note": "longer"}),
    Step({"topic": "snow"}, thread="2"),
    Step(resume={"verdict": "fine"}),
    Step(resume="hm"),
    Step(resume="yes"),
    Step(resume={"verdict": "fine"}, thread="2"),
    Step(resume="no", thread="2"),
    Step({"topic": "sun"}),
)


# --- a supervisor of two teams


class Desk(TypedDict):
    task: str
    plan: list[str]
    log: Annotated[list[str], operator.add]
    cost: Annotated[int, operator.add]


def team(lib, name, *, asks=False):
    """Two steps, the second of which may ask somebody, or hand the case back."""

    def begin(desk):
        return {"log": [f"{name} begins {desk['task']}"], "cost": 1}

    def finish(desk) -> Any:
        if asks and "approved" not in desk["task"]:
            said = lib.interrupt(f"{name}: may we?")
            if said == "no":
                update = {"log": [f"{name} gives up"], "plan": []}
                return lib.Command(graph=lib.Command.PARENT, update=update, goto="report")
        return {"log": [f"{name} ends"], "cost": 2}

    graph = lib.StateGraph(Desk)
    graph.add_node("begin", begin)
    graph.add_node("finish", finish)
    graph.add_edge(START, "begin")
    graph.add_edge("begin", "finish")
    return graph.compile()


def supervisor(lib):
    """Hand a case to the teams that its plan names, one after the other, and report."""

    def supervise(desk) -> Any:
        if not desk["plan"]:
            return lib.Command(goto="report")
        chosen, *rest = desk["plan"]
        return lib.Command(update={"plan": rest, "log": [f"to {chosen}"]}, goto=chosen)

    def digits(desk):
        inner = team(lib, "auditors").invoke(
            {"task": desk["task"], "plan": [], "log": [], "cost": 0}
        )
        return {"log": [f"audit: {len(inner['log'])} entries"], "cost": inner["cost"]}

    def report(desk):
        return {"log": [f"cost {desk['cost']}"]}

    def noted(asking):
        # The state of a team comes back whole, its log on top of the desk's.
        return lambda desk: {
            "log": asking.invoke({**desk, "log": [], "cost": 0})["log"],
            "cost": 3,
        }

    graph = lib.StateGraph(Desk)
    graph.add_node("supervise", supervise)
    graph.add_node("research", team(lib, "research"))
    graph.add_node("lawyers", noted(team(lib, "lawyers", asks=True)))
    graph.add_node("direct", team(lib, "direct", asks=True))
    graph.add_node("audit", digits)
    graph.add_node("report", report)
    graph.add_edge(START, "supervise")
    for name in ("research", "lawyers", "direct", "audit"):
        graph.add_edge(name, "supervise")
    return graph.compile(checkpointer=lib.saver())


SUPERVISOR = (
    Step({"task": "case 1", "plan": ["research", "lawyers", "audit"], "log": [], "cost": 0}),
    Step(resume="yes"),
    Step({"task": "case 2", "plan": ["direct", "research"]}, thread="2"),
    Step(resume="no", thread="2"),
    Step({"task": "approved case 3", "plan": ["direct", "lawyers"]}, thread="2"),
)


# --- a workflow of functions


def workflow(lib):
    """Look things up side by side, one of which fails once, ask, and keep a history."""
    tries: list[str] = []
    policy = lib.RetryPolicy(initial_interval=0, jitter=False, retry_on=ConnectionError)

    @lib.task(retry_policy=policy)
    def look_up(word):
        tries.append(word)
        if word == "flaky" and tries.count(word) < 2:
            raise ConnectionError(word)
        return len(word)

    @lib.task
    def judge(found):
        verdict = lib.interrupt({"found": found})
        return found if verdict == "keep" else []

    @lib.entrypoint(checkpointer=lib.saver())
    def flow(words, *, previous=None):
        past = previous or []
        futures = [look_up(word) for word in words]
        found = [future.result() for future in futures]
        kept = judge(found).result()
        value = {"kept": kept, "before": past}
        return lib.entrypoint.final(value=value, save=[*past, *kept])

    return flow


WORKFLOW = (
    Step(["a", "flaky", "word"]),
    Step(resume="keep"),
    Step(["more"], thread="2"),
    Step(["again"]),
    Step(resume="drop"),
    Step(resume="keep", thread="2"),
    Step(["last"]),
    Step(resume="keep"),
)

REAL = {
    "agent": (agent, AGENT),
    "map-reduce": (map_reduce, MAP_REDUCE),
    "human": (human, HUMAN),
    "supervisor": (supervisor, SUPERVISOR),
    "workflow": (workflow, WORKFLOW),
}

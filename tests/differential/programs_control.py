"""Programs about control: barriers, Sends, commands, retries, failures, streams, coroutines."""

from __future__ import annotations

import dataclasses
from typing import Literal

from tests.differential.programs import END, START, Counted, numbers, program


@program(numbers(log=[]))
def deferred_after_a_barrier(lib):
    def step(name):
        return lambda state: {"log": [(name, len(state["log"]))]}

    builder = lib.StateGraph(Counted)
    for name in "abcde":
        builder.add_node(name, step(name), defer=name == "e")
    builder.add_node("d2", step("d2"), defer=True)
    builder.add_edge(START, "a")
    builder.add_edge(START, "b")
    builder.add_edge("b", "c")
    builder.add_conditional_edges("c", lambda state: "b" if len(state["log"]) < state["n"] else END)
    builder.add_edge(["a", "c"], "d")
    builder.add_edge(["a", "b"], "d2")
    builder.add_edge("a", "e")
    builder.add_edge("d", "e")
    return builder.compile()


@program(numbers(log=["start"]))
def map_reduce_to_two_nodes(lib):
    def spread(state):
        left = [lib.Send("left", {"at": i}) for i in range(state["n"] % 4)]
        return [*left, "plain", lib.Send("right", state), lib.Send("left", {"at": "last"})]

    def right(state):
        if state["n"] == 5:
            raise KeyError(state["n"])
        return {"log": [("right", sorted(state))], "n": state["n"] + 1}

    builder = lib.StateGraph(Counted)
    builder.add_node("left", lambda arg: {"log": [("left", arg["at"])]})
    builder.add_node("right", right)
    builder.add_node("plain", lambda state: {"log": ["plain"]})
    builder.add_node("reduce", lambda state: {"log": [len(state["log"])]})
    builder.set_conditional_entry_point(spread, ["left", "right", "plain"])
    builder.add_edge("left", "reduce")
    builder.add_edge("right", "reduce")
    return builder.compile()


def pick(state) -> Literal["low", "high"]:
    return "low" if state["n"] < 5 else "high"


@program(numbers(log=[]))
def conditional_entry(lib):
    builder = lib.StateGraph(Counted)
    builder.add_node("low", lambda state: {"log": ["low"]})
    builder.add_node("high", lambda state: {"log": ["high"], "n": state["n"] - 5})
    builder.set_conditional_entry_point(pick)
    builder.add_conditional_edges("high", pick, {"low": "low", "high": END})
    builder.add_conditional_edges("low", lambda state: [None, END, "nowhere", []][state["n"] % 4])
    return builder.compile()


@program(numbers(log=[]))
def lists_of_commands(lib):
    def go(state):
        n = state["n"]
        return [
            {"log": ["first"]},
            lib.Command(update={"log": ["second"]}, goto="a" if n % 2 else ["a", "b"]),
            lib.Command(update=[("log", ["third"]), ("n", n + 1)], goto=lib.Send("b", {"n": -n})),
            *([lib.Command(update={"n": 0})] if n == 7 else []),
        ]

    builder = lib.StateGraph(Counted)
    builder.add_node("go", go)
    builder.add_node("a", lambda state: {"log": [("a", state["n"])]})
    builder.add_node("b", lambda state: lib.Command(update={"log": [("b", state["n"])]}))
    builder.add_edge(START, "go")
    return builder.compile()


@program(numbers(log=["input"]))
def overwriting(lib):
    def fresh(state):
        return {"log": lib.Overwrite(["fresh"]) if state["n"] % 2 else ["more"]}

    def other(state):
        if state["n"] == 3:
            return {"log": lib.Overwrite(["twice"])}
        return {"log": {"__overwrite__": ["marked"]} if state["n"] == 4 else ["other"]}

    builder = lib.StateGraph(Counted)
    builder.add_node("fresh", fresh)
    builder.add_node("other", other)
    builder.add_node("after", lambda state: {"log": ["after"]})
    builder.add_edge(START, "fresh")
    builder.add_edge(START, "other")
    builder.add_edge("fresh", "after")
    return builder.compile()


@program(numbers(log=[]))
def retries(lib):
    def unsteady(state, runtime):
        attempt = runtime.execution_info.node_attempt
        if attempt <= state["n"] - 5:
            raise ConnectionError(f"attempt {attempt} of row {state['n']}")
        if state["n"] == 4:
            raise ValueError("not retried")
        return {"log": [attempt]}

    policy = lib.RetryPolicy(initial_interval=0, jitter=False, max_attempts=3)
    only = lib.RetryPolicy(
        initial_interval=0, jitter=False, max_attempts=2, retry_on=ConnectionError
    )
    builder = lib.StateGraph(Counted)
    builder.add_node("unsteady", unsteady, retry_policy=policy)
    builder.add_node("again", unsteady, retry_policy=[only, policy])
    builder.add_edge(START, "unsteady")
    builder.add_conditional_edges("unsteady", lambda state: "again" if state["n"] < 7 else END)
    return builder.compile()


@program(numbers(log=[]), limit=7)
def branches_that_fail_and_loops_that_do_not_end(lib):
    def fails(state):
        return {"log": [("inverse", 12 // (state["n"] - 6))]}

    builder = lib.StateGraph(Counted)
    builder.add_node("fails", fails)
    builder.add_node("beside", lambda state: {"log": ["beside"], "n": state["n"] + 1})
    builder.add_node("clash", lambda state: {"n": 0} if state["n"] == 2 else None)
    builder.add_node("loop", lambda state: {"n": state["n"] - 2})
    for name in ("fails", "beside", "clash"):
        builder.add_edge(START, name)
    builder.add_edge("beside", "loop")
    builder.add_conditional_edges("loop", lambda state: END if state["n"] < 0 else "loop")
    return builder.compile()


@program(numbers(log=[]))
def custom_streams(lib):
    def first(state, writer):
        for at in range(state["n"] % 3):
            writer({"at": at, "n": state["n"]})
        return {"log": ["first"]}

    def second(state, runtime):
        runtime.stream_writer(("second", state["n"]))
        lib.get_stream_writer()("got")
        return {"n": state["n"] + 1}

    builder = lib.StateGraph(Counted)
    builder.add_sequence([first, second])
    builder.add_edge(START, "first")
    return builder.compile()


@dataclasses.dataclass
class Context:
    factor: int
    user: str = "nobody"


@program(numbers(log=[]), configurable={"user": "u1", "k": 3}, context={"factor": 7})
def injected_parameters(lib):
    def configured(state, config):
        given = config["configurable"]
        return {"log": [given["user"], given["k"], lib.get_config()["configurable"]["k"]]}

    def contextual(state, *, runtime, config=None):
        return {"n": state["n"] * runtime.context.factor, "log": [runtime.context.user]}

    def route(state, config):
        return "contextual" if state["n"] % config["configurable"]["k"] else END

    class Callable:
        def __call__(self, state, writer, runtime):
            writer(state["n"])
            return {"log": [runtime.context.factor]}

    builder = lib.StateGraph(Counted, context_schema=Context)
    builder.add_node("configured", configured)
    builder.add_node("contextual", contextual)
    builder.add_node("callable", Callable())
    builder.add_edge(START, "configured")
    builder.add_conditional_edges("configured", route)
    builder.add_edge("contextual", "callable")
    return builder.compile()


WRONG = [None, {}, {"unknown": 1}, {"n": 1, "unknown": 2}, 5, "text", [1], [], (), {"n": None}]


@program(numbers(len(WRONG), log=[]))
def odd_returns(lib):
    builder = lib.StateGraph(Counted)
    builder.add_node("odd", lambda state: WRONG[state["n"]])
    builder.add_node("after", lambda state: {"log": [state["n"]]})
    builder.add_edge(START, "odd")
    builder.add_edge("odd", "after")
    return builder.compile()


@program(
    [{"n": 1}, {"n": None}, {}, {"log": [1]}, {"n": 2, "log": ["x"]}, None, 5, [], "text"],
    plain=False,
)
def odd_inputs(lib):
    builder = lib.StateGraph(Counted)
    builder.add_node("a", lambda state: {"log": sorted(state)})
    builder.add_edge(START, "a")
    return builder.compile()


@program(numbers(log=[]))
def coroutines(lib):
    async def think(state, runtime, writer):
        if state["n"] == 6:
            raise RuntimeError("coroutine failed")
        writer(state["n"])
        return {"log": [runtime.context], "n": state["n"] + 1}

    async def route(state):
        return [lib.Send("plain", {"n": i}) for i in range(state["n"])] or "think"

    builder = lib.StateGraph(Counted)
    builder.add_node("think", think)
    builder.add_node("plain", lambda state: {"log": [state["n"]]})
    builder.set_entry_point("think")
    builder.add_conditional_edges("think", route)
    return builder.compile()

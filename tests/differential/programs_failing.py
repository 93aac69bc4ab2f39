"""Programs about failures: retries of writes and routers, error handlers, defaults for all nodes."""

from __future__ import annotations

from tests.differential.programs import END, START, Counted, numbers, program


def once(lib, **options):
    return lib.RetryPolicy(initial_interval=0, jitter=False, max_attempts=2, **options)


def told(lib, handle):
    """A handler that asks for the failure by its class: the text of an annotation names nothing."""
    handle.__annotations__["error"] = lib.NodeError
    return handle


@program(numbers(log=[]))
def routers_that_fail_once(lib):
    def route(state):
        attempt = lib.get_runtime().execution_info.node_attempt
        if attempt <= state["n"] % 3:
            raise OSError(f"attempt {attempt}")
        return "b" if state["n"] % 2 else END

    def step(state):
        attempt = lib.get_runtime().execution_info.node_attempt
        return {"log": [("a", attempt)], "n": state["n"] + 1}

    builder = lib.StateGraph(Counted)
    builder.add_node("a", step, retry_policy=once(lib, retry_on=OSError))
    builder.add_node("b", lambda state: {"log": ["b"]})
    builder.add_edge(START, "a")
    builder.add_conditional_edges("a", route, ["b", END])
    return builder.compile()


@program(numbers(log=[]))
def writes_that_fail_once(lib):
    def step(state):
        attempt = lib.get_runtime().execution_info.node_attempt
        if state["n"] % 3 == 0 and attempt == 1:
            return 7  # no update: its write fails
        return {"log": [attempt]}

    policies = [
        lib.RetryPolicy(initial_interval=0, jitter=False, retry_on=KeyError),
        once(lib, retry_on=[lib.InvalidUpdateError, ValueError]),
    ]
    builder = lib.StateGraph(Counted)
    builder.add_node("a", step, retry_policy=policies)
    builder.add_edge(START, "a")
    return builder.compile()


@program(numbers(log=[]))
def failures_that_are_handled(lib):
    def fail(state):
        if state["n"] % 2:
            raise KeyError(state["n"])
        return {"log": ["well"]}

    def handle(state, error):
        update = {"log": [(error.node, repr(error.error), state["n"])]}
        if state["n"] == 3:
            raise ValueError("the handler fails too")
        return lib.Command(update=update, goto="late") if state["n"] == 5 else update

    builder = lib.StateGraph(Counted)
    builder.add_node("a", fail, error_handler=told(lib, handle))
    builder.add_node("beside", lambda state: {"log": ["beside"]})
    builder.add_node("next", lambda state: {"log": ["next"]})
    builder.add_node("late", lambda state: {"log": ["late"]})
    builder.add_edge(START, "a")
    builder.add_edge(START, "beside")
    builder.add_edge("a", "next")
    return builder.compile()


@program(numbers(log=[]))
def a_router_that_fails_after_its_node_wrote(lib):
    def route(state):
        if state["n"] % 2:
            raise OSError(state["n"])
        return END

    def handle(state, error):
        return {"log": [("handled", state["n"], str(error.error))]}

    builder = lib.StateGraph(Counted)
    builder.add_node(
        "a", lambda state: {"log": ["a"], "n": state["n"] + 1}, error_handler=told(lib, handle)
    )
    builder.add_node("b", lambda state: {"log": ["b"]})
    builder.add_edge(START, "a")
    builder.add_edge("a", "b")
    builder.add_conditional_edges("a", route)
    return builder.compile()


@program(numbers(log=[]))
def retried_then_handled_in_sends(lib):
    def part(state):
        if state["at"] % 2:
            raise OSError(f"{state['at']} in {lib.get_runtime().execution_info.node_attempt}")
        return {"log": [state["at"]]}

    def handle(state, error):
        return {"log": [(state["at"], str(error.error))]}

    builder = lib.StateGraph(Counted)
    builder.add_node(
        "part", part, retry_policy=once(lib, retry_on=OSError), error_handler=told(lib, handle)
    )
    builder.add_node("sum", lambda state: {"n": len(state["log"])})
    builder.add_edge("part", "sum")
    builder.set_conditional_entry_point(
        lambda state: [lib.Send("part", {"at": i}) for i in range(state["n"] % 5)]
    )
    return builder.compile()


@program(numbers(log=[]))
def defaults_of_all_nodes(lib):
    def flaky(state):
        attempt = lib.get_runtime().execution_info.node_attempt
        if attempt < state["n"] % 4:
            raise OSError(attempt)
        return {"log": [attempt]}

    def handle(state, error):
        return {"log": [(error.node, str(error.error))], "n": 0}

    builder = lib.StateGraph(Counted)
    builder.set_node_defaults(
        retry_policy=once(lib, retry_on=OSError), error_handler=told(lib, handle)
    )
    builder.add_node("a", flaky)
    builder.add_node("b", flaky)
    builder.add_edge(START, "a")
    builder.add_edge("a", "b")
    return builder.compile()


@program(numbers(log=[]))
def a_child_whose_failure_is_handled(lib):
    def inner(state):
        if state["n"] % 2:
            raise KeyError(state["n"])
        return {"log": ["inner"]}

    child = lib.StateGraph(Counted).add_node("inner", inner)
    child.add_edge(START, "inner")

    def handle(state, error):
        return {"log": [(error.node, repr(error.error))]}

    builder = lib.StateGraph(Counted)
    builder.add_node("child", child.compile(), error_handler=told(lib, handle))
    builder.add_edge(START, "child")
    return builder.compile()


@program(numbers(log=[]))
def coroutines_that_are_retried_and_handled(lib):
    async def flaky(state):
        attempt = lib.get_runtime().execution_info.node_attempt
        if attempt <= state["n"] % 3:
            raise OSError(attempt)
        return {"log": [attempt]}

    async def handle(state, error):
        return lib.Command(update={"log": [str(error.error)]}, goto="b")

    builder = lib.StateGraph(Counted)
    builder.add_node(
        "a", flaky, retry_policy=once(lib, retry_on=OSError), error_handler=told(lib, handle)
    )
    builder.add_node("b", lambda state: {"log": ["b"]})
    builder.add_edge(START, "a")
    return builder.compile()


@program(numbers(log=[]))
def questions_without_a_saver(lib):
    def ask(name):
        def node(state):
            if state["n"] % 3 == 0:
                lib.interrupt({"from": name, "n": state["n"]})
            return {"log": [name]}

        return node

    builder = lib.StateGraph(Counted)
    builder.add_node("a", ask("a"))
    builder.add_node("b", lambda state: {"log": ["b"]})
    builder.add_node("c", ask("c"))
    builder.add_node("d", lambda state: {"log": ["d"]})
    for name in "abc":
        builder.add_edge(START, name)
    builder.add_edge(["a", "b", "c"], "d")
    return builder.compile()


@program(numbers(log=[]))
def breakpoints_without_a_saver(lib):
    builder = lib.StateGraph(Counted)
    for name in "abc":
        builder.add_node(name, lambda state, name=name: {"log": [name], "n": state["n"] - 1})
    builder.add_edge(START, "a")
    builder.add_conditional_edges("a", lambda state: "b" if state["n"] % 2 else "c")
    builder.add_edge("b", "a")
    return builder.compile(interrupt_before=["c"], interrupt_after=["b"])

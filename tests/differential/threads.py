"""Small graphs that ask, fail, loop, fan out and nest, and what is done with their threads.

A `Plan` says what a graph does, an action what is done with a thread of it. Both libraries get
the same; `history` plays the actions and returns what could be seen, ids made ordinal.
"""

from __future__ import annotations

import asyncio
import itertools
import operator
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

from hypothesis import strategies as st

START, END = "__start__", "__end__"
NAMES = ("a", "b", "c", "d")


class State(TypedDict):
    n: Annotated[int, operator.add]
    log: Annotated[list, operator.add]


@dataclass(frozen=True)
class NodePlan:
    """What a node does, in this order: ask, fail, write, go elsewhere."""

    name: str
    asks: int = 0
    fails: int = 0  # calls that fail, over the whole life of the app
    retries: bool = False
    handled: bool = False
    adds: int = 1
    goto: tuple[str, ...] = ()
    sends: int = 0
    child: str = ""  # "", "child" (a graph) or "called" (a graph called by the function)
    defer: bool = False


@dataclass(frozen=True)
class Plan:
    """A graph: its nodes, edges, a router each from n to targets, joins, breakpoints."""

    nodes: tuple[NodePlan, ...]
    edges: tuple[tuple[str, str], ...]
    routes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    joins: tuple[tuple[tuple[str, ...], str], ...] = ()
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    child_asks: int = 0
    durability: str = "sync"
    child_saver: Any = None
    extra: dict = field(default_factory=dict, hash=False, compare=False)


def build(lib, plan, saver, calls):
    """Compile the plan's graph with one of the libraries."""
    graph = lib.StateGraph(State)
    child = child_of(lib, plan, calls)
    for node in plan.nodes:
        options = {"defer": node.defer}
        if node.retries:
            options["retry_policy"] = lib.RetryPolicy(
                initial_interval=0, jitter=False, retry_on=KeyError, max_attempts=2
            )
        if node.handled:
            options["error_handler"] = handler_of(lib, node)
        action = child if node.child == "child" else function_of(lib, node, child, calls)
        graph.add_node(node.name, action, **options)
    for source, target in plan.edges:
        graph.add_edge(source, target)
    for sources, target in plan.joins:
        graph.add_edge(list(sources), target)
    for source, targets in plan.routes:
        graph.add_conditional_edges(source, route_of(targets))
    return graph.compile(
        checkpointer=saver,
        interrupt_before=list(plan.before) or None,
        interrupt_after=list(plan.after) or None,
    )


def route_of(targets):
    def route(state):
        return targets[state["n"] % len(targets)] if state["n"] < 8 else END

    return route


def handler_of(lib, node):
    def handle(state, error):
        update = {"log": [f"handled {error.node} {error.error!r}"]}
        return lib.Command(update=update, goto=node.goto) if node.goto else update

    handle.__annotations__["error"] = lib.NodeError  # it asks for it by its class, not by a text
    return handle


def function_of(lib, node, child, calls):
    def run(state):
        name, n = node.name, state.get("n", 0)
        calls.append(name)
        answers = [lib.interrupt({"from": name, "at": i, "n": n}) for i in range(node.asks)]
        if calls.count(f"{name} failed") < node.fails:
            calls.append(f"{name} failed")
            raise KeyError(name)
        log = [(name, n, tuple(answers))]
        if node.child == "called":
            log.append(("called", child.invoke({"n": n, "log": []})["log"]))
        update = {"log": log}
        if "sent" not in state:
            update["n"] = node.adds
        if node.sends and "sent" in state:
            return update  # or packets would send ever more packets
        if node.goto or node.sends:
            packets = [lib.Send(node.goto[0], {"n": i, "sent": True}) for i in range(node.sends)]
            return lib.Command(update=update, goto=packets or list(node.goto))
        return update

    run.__name__ = node.name
    return run


def child_of(lib, plan, calls):
    def inner(state):
        calls.append("inner")
        answers = [lib.interrupt(f"inner {i}") for i in range(plan.child_asks)]
        return {"log": [("inner", state["n"], tuple(answers))]}

    def outer(state):
        calls.append("outer")
        return {"log": ["outer"], "n": 1}

    graph = lib.StateGraph(State)
    graph.add_node("inner", inner)
    graph.add_node("outer", outer)
    graph.add_edge(START, "inner")
    graph.add_edge("inner", "outer")
    return graph.compile(checkpointer=plan.child_saver)


# --- actions


@st.composite
def plans(draw):
    """Return graphs of two to four nodes; one node writes `n` in a superstep at most often."""
    names = NAMES[: draw(st.integers(2, 4))]
    nodes = []
    for name in names:
        options = draw(_kinds([n for n in names if n != name]))
        if "fails" in options and any(node.fails for node in nodes):
            options = {}  # two failures side by side: LangGraph raises one or the other
        if any(node.sends > 1 for node in nodes) and "sends" in options:
            options["sends"] = 1  # in a loop, two that fan out would make a million tasks
        nodes.append(NodePlan(name, defer=draw(st.integers(0, 9)) == 0, **options))
    edges, routes, joins = _wiring(draw, names)
    durability = draw(st.sampled_from(["sync", "async", "exit"]))
    savers = [None, None, True, False]
    if durability == "sync":
        savers.remove(False)  # LangGraph looks for a save that there is not, and fails
    if any(node.sends for node in nodes):
        savers.remove(True)  # calls side by side of one graph with its own past: a race
    return Plan(
        tuple(nodes),
        edges,
        routes,
        joins,
        before=_some(draw, names),
        after=_some(draw, names),
        child_asks=draw(st.sampled_from([0, 0, 1, 2])),
        durability=durability,
        child_saver=draw(st.sampled_from(savers)),
    )


def _kinds(others):
    """Return options of one node that may go to `others`."""
    other = st.sampled_from(others).map(lambda name: (name,))
    return st.one_of(
        st.just({}),
        st.just({}),
        st.fixed_dictionaries({"asks": st.integers(1, 2)}),
        st.fixed_dictionaries(
            {"fails": st.integers(1, 2), "retries": st.booleans(), "handled": st.booleans()}
        ),
        st.fixed_dictionaries({"fails": st.just(2), "handled": st.just(True), "goto": other}),
        st.fixed_dictionaries({"goto": other}),
        st.fixed_dictionaries({"goto": other, "sends": st.integers(1, 3)}),
        st.fixed_dictionaries({"child": st.sampled_from(["child", "called"])}),
    )


def _some(draw, names):
    if draw(st.integers(0, 4)):
        return ()
    return tuple(draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True)))


def _wiring(draw, names):
    edges = [(START, names[0])]
    routes, joins = [], []
    if len(names) > 2 and draw(st.booleans()):  # a diamond with a join
        edges.append((START, names[1]))
        joins.append(((names[0], names[1]), names[2]))
        rest = names[2:]
    else:
        rest = names
    for source, target in itertools.pairwise(rest):
        if draw(st.booleans()):
            edges.append((source, target))
        else:
            targets = tuple(draw(st.lists(st.sampled_from([*names, END]), min_size=1, max_size=3)))
            routes.append((source, targets))
    return tuple(edges), tuple(routes), tuple(joins)


ACTIONS = ("start", "go on", "resume", "resume map", "update", "fork", "replay", "look")


@st.composite
def actions(draw):
    """Return one thing to do with a thread; numbers pick from what is there when it is done."""
    kind = draw(st.sampled_from(ACTIONS))
    return (
        kind,
        draw(st.integers(0, 5)),
        draw(st.sampled_from(["x", 0, {"k": 1}, [1], None])),
        draw(st.sampled_from([*NAMES, None, None, START, END, "nobody", "__copy__", "__input__"])),
    )


def play(lib, app, todo, plan, seen, *, use_async=False):
    """Do one thing; return what it gives."""
    kind, at, value, as_node = todo
    config = {"configurable": {"thread_id": "t"}, "recursion_limit": 12}
    run = Runner(app, use_async, plan.durability)
    if kind == "start":
        return run.invoke({"n": at, "log": [f"start {at}"]}, config)
    if kind == "go on":
        return run.invoke(None, config)
    if kind == "resume":
        return run.invoke(lib.Command(resume="x" if value is None else value), config)
    if kind == "resume map":
        asked = [q.id for q in run.state(config).interrupts]
        chosen = dict.fromkeys(asked[: 1 + at], value or "answer")
        return run.invoke(lib.Command(resume=chosen, update={"log": ["mapped"]}), config)
    history = run.history(config)
    seen.append(len(history))
    picked = history[at % len(history)].config if history else config
    picked = {**picked, "recursion_limit": 12}
    if kind == "update":
        return run.update(config, {"n": at, "log": ["update"]}, as_node)
    if kind == "fork":
        values = None if as_node == END else {"n": at, "log": ["fork"]}
        run.update(picked, values, as_node)
        return run.invoke(None, config)
    if kind == "replay":
        return run.invoke(None, picked)
    return run.state(picked)


def is_race(plan, *, use_async):
    """Return whether LangGraph's result is a matter of luck.

    On an event loop a failure cancels the tasks beside it, wherever they are. In threads it ends
    the run while they go on: what they come to, or ask, is kept if they are quick. Two tasks of
    one node share the number of times that it still has to fail.
    """
    if any(node.sends for node in plan.nodes):
        return any(node.fails for node in plan.nodes)
    side_by_side = plan.joins or any(node.goto for node in plan.nodes)
    is_slow = any(node.child or node.asks for node in plan.nodes)
    fails = any(node.fails and not node.handled for node in plan.nodes)
    return bool(side_by_side) and fails and (use_async or is_slow)


class Runner:
    """Calls an app's verbs, on an event loop or not."""

    def __init__(self, app, use_async, durability):
        self.app, self.use_async, self.durability = app, use_async, durability

    def invoke(self, value, config):
        if self.use_async:
            return asyncio.run(self.app.ainvoke(value, config, durability=self.durability))
        return self.app.invoke(value, config, durability=self.durability)

    def state(self, config):
        if self.use_async:
            return asyncio.run(self.app.aget_state(config, subgraphs=True))
        return self.app.get_state(config, subgraphs=True)

    def update(self, config, values, as_node):
        if self.use_async:
            return asyncio.run(self.app.aupdate_state(config, values, as_node))
        return self.app.update_state(config, values, as_node)

    def history(self, config):
        async def collect():
            return [state async for state in self.app.aget_state_history(config)]

        return (
            asyncio.run(collect()) if self.use_async else list(self.app.get_state_history(config))
        )


def history(lib, plan, todos, saver, *, use_async=False):
    """Play all actions; return what each gave, and what the thread looked like after it."""
    calls, seen, ids = [], [], Ids()
    app = build(lib, plan, saver, calls)
    config = {"configurable": {"thread_id": "t"}}
    run = Runner(app, use_async, plan.durability)
    for todo in todos:
        try:
            outcome = shown(play(lib, app, todo, plan, seen, use_async=use_async), ids)
        except Exception as error:  # noqa: BLE001  whatever it raises is its result
            outcome = (type(error).__name__, ids.hide(str(error)))
        try:
            states = [shown(state, ids) for state in run.history(config)]
            latest = shown(run.state(config), ids)
        except Exception as error:  # noqa: BLE001
            states, latest = (type(error).__name__, ids.hide(str(error))), None
        seen.append({"did": todo, "got": outcome, "latest": latest, "states": states})
    return seen, calls


class Ids:
    """Gives ids numbers, in the order in which they are seen."""

    def __init__(self):
        self.known = {}

    def of(self, ident):
        return self.known.setdefault(ident, len(self.known))

    def hide(self, text):
        for ident, number in self.known.items():
            text = text.replace(str(ident), f"<{number}>")
        return text


def shown(value, ids):
    """Return what can be compared of a result."""
    if type(value).__name__ == "StateSnapshot":
        return snapshot(value, ids)
    if isinstance(value, dict):
        return {k: of_key(k, v, ids) for k, v in value.items() if k != "checkpoint_map"}
    if isinstance(value, list | tuple):
        return [shown(v, ids) for v in value]
    if type(value).__name__ == "Interrupt":
        return ("interrupt", value.value, ids.of(value.id))
    if isinstance(value, BaseException):
        return repr(value)
    return value


def of_key(key, value, ids):
    if key == "checkpoint_id":
        return ids.of(value)
    if key == "__interrupt__":  # in the order in which threads come to ask: a race
        return sorted(repr(question.value) for question in value)
    return shown(value, ids)


def snapshot(state, ids):
    metadata = dict(state.metadata or {})
    metadata.pop("parents", None)
    place = (state.config or {}).get("configurable", {})
    parent = (state.parent_config or {}).get("configurable", {})
    tasks = [
        {
            "name": t.name,
            "path": shown(t.path, ids),
            "error": None if t.error is None else str(t.error),
            "interrupts": shown(t.interrupts, ids),
            "result": shown(t.result, ids),
            "state": shown(t.state, ids) if type(t.state).__name__ == "StateSnapshot" else None,
        }
        for t in state.tasks
    ]
    return {
        "values": shown(state.values, ids),
        "next": state.next,
        "metadata": metadata,
        "id": ids.of(place.get("checkpoint_id")),
        "parent": ids.of(parent.get("checkpoint_id")),
        "tasks": tasks,
        "interrupts": shown(state.interrupts, ids),
    }

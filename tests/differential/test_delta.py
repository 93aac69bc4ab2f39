"""`DeltaChannel` in both libraries, both doors, and threads that go from one to the other."""

from __future__ import annotations

import asyncio
import logging
import operator
import warnings
from dataclasses import dataclass
from itertools import chain
from types import SimpleNamespace
from typing import Annotated, Any

import langgraph.channels
import langgraph.graph
import langgraph.types
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage
from langgraph.checkpoint.memory import InMemorySaver

import vecgraph.channels
import vecgraph.graph
import vecgraph.types
from tests.differential.door_two import DoorTwo
from tests.differential.programs import state_of
from tests.differential.threads import Ids, shown
from vecgraph.checkpoint.memory import InMemorySaver as OurSaver
from vecgraph.testing.compare import difference

logging.getLogger("langgraph").setLevel(logging.ERROR)
pytestmark = pytest.mark.usefixtures("quiet")


def library(graph, types, channels):
    return SimpleNamespace(
        StateGraph=graph.StateGraph,
        DeltaChannel=channels.DeltaChannel,
        Overwrite=types.Overwrite,
        Command=types.Command,
        Send=types.Send,
        interrupt=types.interrupt,
        merge=graph.message._messages_delta_reducer,
    )


THEIRS = library(langgraph.graph, langgraph.types, langgraph.channels)
OURS = library(vecgraph.graph, vecgraph.types, vecgraph.channels)
DOORS = {"door one": OURS, "door two": SimpleNamespace(**{**vars(THEIRS), "StateGraph": DoorTwo})}


def flat(value, writes):
    return [*value, *(item for write in writes for item in write)]


def merged(value, writes):
    return dict(chain(value.items(), *(write.items() for write in writes)))


@dataclass(frozen=True)
class Node:
    """What a node writes: numbers, or an `Overwrite` of them in some form; whether it asks."""

    writes: tuple[int, ...] | None
    anew: str = ""
    asks: bool = False


@dataclass(frozen=True)
class Plan:
    """A row of supersteps, each of one or two nodes; a Send to the first at the end."""

    steps: tuple[tuple[Node, ...], ...]
    frequency: int = 100
    durability: str = "sync"
    sends: int = 0


NODES = st.builds(
    Node,
    st.one_of(st.none(), st.lists(st.integers(0, 5), max_size=2).map(tuple)),
    st.sampled_from(["", "", "", "object", "keyed", "erased", "empty"]),
    st.integers(0, 3).map(lambda n: n == 0),
)
PLANS = st.builds(
    Plan,
    st.lists(st.lists(NODES, min_size=1, max_size=2).map(tuple), min_size=1, max_size=4).map(tuple),
    st.sampled_from([1, 2, 3, 100]),
    st.sampled_from(["sync", "async", "exit"]),
    st.sampled_from([0, 0, 0, 2]),
)


def is_refused(plan):
    """Whether two `Overwrite` may meet, of which LangGraph applies and keeps the first."""
    anew = [sum(bool(node.anew) and node.writes is not None for node in step)
            for step in plan.steps]  # fmt: skip
    return max(anew) > 1 or (plan.sends > 0 and any(anew))


KEPT = PLANS.filter(lambda plan: not is_refused(plan))


def written(lib, node):
    numbers = list(node.writes)
    if node.anew == "object":
        return lib.Overwrite(numbers)
    if node.anew == "keyed":
        return {"__overwrite__": numbers}
    if node.anew == "erased":
        return {"value": numbers, "type": "__overwrite__"}
    return lib.Overwrite(None) if node.anew == "empty" else numbers


def build(lib, plan, saver=None):
    state = state_of(
        n=Annotated[int, operator.add],
        items=Annotated[list[int], lib.DeltaChannel(flat, snapshot_frequency=plan.frequency)],
        known=Annotated[dict[str, int], lib.DeltaChannel(merged)],
    )
    graph, before = lib.StateGraph(state), ["__start__"]
    for at, nodes in enumerate(plan.steps):
        names = [f"{at}{letter}" for letter in "ab"[: len(nodes)]]
        for name, node in zip(names, nodes, strict=True):
            graph.add_node(name, function(lib, plan, name, node))
            for source in before:
                graph.add_edge(source, name)
        before = names
    return graph.compile(checkpointer=saver)


def function(lib, plan, name, node):
    def run(state):
        answer = lib.interrupt(name) if node.asks else None
        if "sent" in state:
            return {"items": [state["sent"]]}
        update = {"n": 1, "known": {name: len(state["items"]) if answer is None else answer}}
        if node.writes is not None:
            update["items"] = written(lib, node)
        if plan.sends and name == "0a":
            return lib.Command(update=update, goto=[lib.Send("0a", {"sent": i}) for i in (7, 8)])
        return update

    return run


INPUTS = [{"n": 0}, {"items": [1, 2], "n": 5}, {"items": [], "known": {"in": 1}}]


def outcome(call):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return plain(call())
        except Exception as error:  # noqa: BLE001
            return type(error).__name__, str(error)


def plain(value):
    """A result with what is of a class of either library as text."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if isinstance(value, int | str | None) else repr(shown(value, Ids()))


@pytest.mark.parametrize("door", DOORS)
@settings(max_examples=60, deadline=None)
@given(plan=PLANS)
def test_runs_and_batches(plan, door) -> None:
    lib = DOORS[door]
    mine, theirs = build(lib, plan), build(THEIRS, plan)
    for value in INPUTS:
        wanted = outcome(lambda v=value: theirs.invoke(v))
        assert outcome(lambda v=value: mine.invoke(v)) == wanted
        assert outcome(lambda v=value: asyncio.run(mine.ainvoke(v))) == wanted
        for mode in ("values", "updates"):
            assert outcome(lambda v=value, m=mode: list(mine.stream(v, stream_mode=m))) == outcome(
                lambda v=value, m=mode: list(theirs.stream(v, stream_mode=m))
            )
    wanted = [outcome(lambda v=value: theirs.invoke(v)) for value in INPUTS] * 60
    found = mine.batch(INPUTS * 60, return_exceptions=True)
    found = [(type(f).__name__, str(f)) if isinstance(f, Exception) else plain(f)
             for f in found]  # fmt: skip
    assert found == wanted


def test_columns_go_in_and_come_out() -> None:
    plan = Plan(((Node((1, 2)), Node((3,))), (Node((9,), "object"), Node((4,)))))
    table = pa.table({"items": [[5], [], [6, 7]] * 50, "n": list(range(150))})
    found = build(OURS, plan).batch(table)
    theirs = build(THEIRS, plan)
    rows = [theirs.invoke(row) for row in table.to_pylist()]
    assert found.table.column("items").to_pylist() == [row["items"] for row in rows]
    assert found.table.column("n").to_pylist() == [row["n"] for row in rows]


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["start", "resume", "go on", "update", "anew", "fork", "replay", "copy"]),
        st.integers(0, 4),
    ),
    min_size=1,
    max_size=5,
)


class Player:
    """Does things with a thread of a plan."""

    def __init__(self, lib, plan, saver):
        self.lib, self.plan = lib, plan
        self.app, self.config = build(lib, plan, saver), {"configurable": {"thread_id": "t"}}

    def play(self, kind, at):
        run = {"durability": self.plan.durability}
        if kind == "start":
            return self.app.invoke(INPUTS[at % 3], self.config, **run)
        if kind == "resume":
            return self.app.invoke(self.lib.Command(resume=at), self.config, **run)
        if kind == "go on":
            return self.app.invoke(None, self.config, **run)
        if kind in {"update", "anew"}:
            items = self.lib.Overwrite([at]) if kind == "anew" else [at]
            here = self.app.get_state(self.config)
            return self.app.update_state(
                self.config, {"items": items, "n": at}, self.node(at, here)
            )
        past = [s for s in self.app.get_state_history(self.config) if s.metadata["step"] != -2]
        place = past[at % len(past)].config if past else self.config
        if kind == "replay":
            return self.app.invoke(None, place, **run)
        if kind == "copy":
            return self.app.update_state(place, None, "__copy__")
        here = past[at % len(past)] if past else self.app.get_state(place)
        self.app.update_state(place, {"items": [at]}, self.node(at, here))
        return self.app.invoke(None, self.config, **run)

    def node(self, at, here):
        """The node in whose name a state is updated: its task must not have ended there.

        LangGraph keeps the update under the id of that task, and loses it on the way.
        """
        ended = {task.name for task in here.tasks if task.result is not None}
        names = [name for name in self.app.nodes if name not in {"__start__", *ended}]
        return names[at % len(names)] if names else None

    def seen(self, ids):
        states = [self.app.get_state(self.config), *self.app.get_state_history(self.config)]
        # Under `exit` LangGraph keeps the first writes of a thread beside an empty checkpoint.
        found = [
            shown(state._replace(parent_config=None) if _is_first(state, states) else state, ids)
            for state in states
            if (state.metadata or {}).get("step") != -2
        ]
        for state in found:
            # How long ago LangGraph kept the value; here it is kept each time.
            state["metadata"].pop("counters_since_delta_snapshot", None)
        return found


def _is_first(state, states):
    parent = state.parent_config
    return any(s.config == parent and s.metadata.get("step") == -2 for s in states)


def story(player, todos):
    found, ids = [], Ids()
    for kind, at in todos:
        try:
            got = shown(player.play(kind, at), ids)
        except Exception as error:  # noqa: BLE001
            got = type(error).__name__, ids.hide(str(error))
        found.append({"did": (kind, at), "got": got, "states": player.seen(ids)})
    return found


SAVERS = {"LangGraph's saver": InMemorySaver, "our saver": OurSaver}


@pytest.mark.parametrize("saver", SAVERS)
@pytest.mark.parametrize("door", DOORS)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(plan=KEPT, todos=ACTIONS)
def test_threads(plan, todos, door, saver) -> None:
    todos = [("start", 1), *todos]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = story(Player(THEIRS, plan, InMemorySaver()), todos)
        found = story(Player(DOORS[door], plan, SAVERS[saver]()), todos)
    for theirs, ours in zip(wanted, found, strict=True):
        different = difference(theirs, ours)
        assert different is None, f"{different}\n{plan}\n{todos}"


@pytest.mark.parametrize("door", DOORS)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(plan=KEPT, first=ACTIONS, then=ACTIONS, last=ACTIONS)
def test_threads_go_from_one_library_to_the_other(plan, first, then, last, door) -> None:
    """What one library has kept the other goes on from, and the first from that."""
    first = [("start", 1), *first]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        saver = InMemorySaver()
        theirs, ours = Player(THEIRS, plan, saver), Player(DOORS[door], plan, saver)
        found = [*story(theirs, first), *story(ours, then), *story(theirs, last)]
        alone = Player(THEIRS, plan, InMemorySaver())
        wanted = [*story(alone, first), *story(alone, then), *story(alone, last)]
    for one, other in zip(wanted, found, strict=True):
        different = difference(one, other)
        assert different is None, f"{different}\n{plan}\n{first}\n{then}\n{last}"


WRITES = [
    [HumanMessage("hi", id="1"), AIMessage("ho")],
    HumanMessage("anew", id="1"),
    [RemoveMessage(id="1"), RemoveMessage(id="nobody")],
    [AIMessage("late", id="2")],
    [RemoveMessage(id="__remove_all__"), AIMessage("last", id="3")],
]


@settings(max_examples=100, deadline=None)
@given(steps=st.lists(st.lists(st.sampled_from(range(5)), min_size=1, max_size=3), max_size=4))
def test_messages_are_merged_and_get_ids(steps) -> None:
    def value(lib):
        channel = lib.DeltaChannel(lib.merge)
        rule = channel if lib is OURS else channel.from_checkpoint(None)
        cell = rule.initial() if lib is OURS else None
        for step in steps:
            writes = [copied(WRITES[at]) for at in step]
            if lib is OURS:
                cell, _ = rule.fold(cell, writes)
            else:
                pairs = [("k", write) for write in writes]
                langgraph.pregel._messages.ensure_message_ids({"k": rule}, pairs)
                rule.update([write for _, write in pairs])
        return cell if lib is OURS else rule.get()

    mine, theirs = value(OURS), value(THEIRS)
    assert all(message.id for message in mine)
    assert [(m.content, m.id if len(m.id) < 30 else None) for m in mine] == [
        (m.content, m.id if len(m.id) < 30 else None) for m in theirs
    ]


def copied(write):
    if isinstance(write, list):
        return [message.model_copy() for message in write]
    return write.model_copy()


def test_messages_that_are_dicts_get_ids_in_copies() -> None:
    channel = OURS.DeltaChannel(OURS.merge)
    hello: Any = {"role": "user", "content": "hello"}
    cell, _ = channel.fold([], [[hello, "you"], ("ai", "me"), OURS.merge([], [])])
    assert [m["role"] for m in cell] == ["user", "user", "assistant"]
    assert all(m["id"] for m in cell)
    assert "id" not in hello
    plain = OURS.DeltaChannel(flat)
    cell, _ = plain.fold([], [[hello, {"role": "wizard"}, "you"]])
    assert cell[0]["id"]
    assert cell[1:] == [{"role": "wizard"}, "you"]


@pytest.mark.parametrize("frequency", [0, -1])
def test_a_frequency_that_is_not_positive_is_refused_as_there(frequency) -> None:
    messages = []
    for lib in (OURS, THEIRS):
        with pytest.raises(ValueError, match="must be a positive int") as refused:
            lib.DeltaChannel(flat, snapshot_frequency=frequency)
        messages.append(str(refused.value))
    assert messages[0] == messages[1]

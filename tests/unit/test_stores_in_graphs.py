"""Stores and caches in graphs: nodes get what `compile` was given."""

from __future__ import annotations

from typing import Any

import pytest
from typing_extensions import TypedDict

from vecgraph.config import get_store
from vecgraph.graph import END, START, StateGraph
from vecgraph.runtime import Runtime
from vecgraph.store.base import BaseStore
from vecgraph.store.memory import InMemoryStore


class State(TypedDict):
    user: str
    seen: int


def count(store: Any, user: str) -> int:
    item = store.get(("users", user), "seen")
    n = 1 + (0 if item is None else item.value["n"])
    store.put(("users", user), "seen", {"n": n})
    return n


def by_parameter(state: State, *, store: BaseStore) -> dict[str, int]:
    return {"seen": count(store, state["user"])}


def by_runtime(state: State, runtime: Runtime) -> dict[str, int]:
    return {"seen": count(runtime.store, state["user"])}


def by_function(state: State) -> dict[str, int]:
    return {"seen": count(get_store(), state["user"])}


async def by_coroutine(state: State, *, store: BaseStore) -> dict[str, int]:
    await store.aput(("users", state["user"]), "seen", {"n": 7})
    return {"seen": (await store.aget(("users", state["user"]), "seen")).value["n"]}


def app(node: Any, **compiled: Any) -> Any:
    graph = StateGraph(State)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    graph.add_edge("node", END)
    return graph.compile(**compiled)


@pytest.mark.parametrize("node", [by_parameter, by_runtime, by_function])
def test_a_node_gets_the_store_however_it_asks_for_it(node) -> None:
    store = InMemoryStore()
    graph = app(node, store=store)
    assert graph.invoke({"user": "ann"})["seen"] == 1
    assert graph.invoke({"user": "ann"})["seen"] == 2
    assert store.get(("users", "ann"), "seen").value == {"n": 2}


@pytest.mark.parametrize("node", [by_parameter, by_runtime, by_function])
def test_all_runs_of_a_batch_share_the_store(node) -> None:
    store = InMemoryStore()
    found = app(node, store=store).batch([{"user": "ann"}, {"user": "bob"}, {"user": "ann"}])
    assert sorted(run["seen"] for run in found) == [1, 1, 2]
    assert store.get(("users", "ann"), "seen").value == {"n": 2}


@pytest.mark.parametrize("node", [by_parameter, by_runtime, by_function])
def test_a_subgraph_has_the_store_of_the_graph_around_it(node) -> None:
    store = InMemoryStore()
    assert app(app(node), store=store).invoke({"user": "ann"})["seen"] == 1
    assert store.get(("users", "ann"), "seen").value == {"n": 1}


async def test_coroutines_get_the_store_too() -> None:
    graph = app(by_coroutine, store=InMemoryStore())
    assert (await graph.ainvoke({"user": "ann"}))["seen"] == 7

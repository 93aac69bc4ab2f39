"""Caches: entries and their times, what is never an entry, and what graphs keep in them."""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from langgraph.cache.memory import InMemoryCache as TheirInMemoryCache
from langgraph.cache.redis import RedisCache as TheirRedisCache
from langgraph.cache.sqlite import SqliteCache as TheirSqliteCache
from typing_extensions import TypedDict

from tests import services
from vecgraph.cache import memory, sqlite
from vecgraph.cache.memory import InMemoryCache
from vecgraph.cache.redis import RedisCache
from vecgraph.cache.sqlite import SqliteCache
from vecgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from vecgraph.errors import UnserialisableError
from vecgraph.graph import END, START, StateGraph
from vecgraph.types import CachePolicy, Command, RetryPolicy, Send

A, B = (("a", "x,y"), "k"), (("a", "x", "y"), "k")


@pytest.fixture(params=["memory", "memory as bytes", "sqlite", "redis"])
def opened(request, tmp_path):
    """Function that opens one kind of cache; what is in it is this test's own."""
    made: list[Any] = []
    prefix = f"vecgraph-test[*]:{uuid.uuid4().hex}:"

    def make(**more):
        if request.param == "memory":
            made.append(InMemoryCache(**more))
        elif request.param == "memory as bytes":
            made.append(InMemoryCache(serde=more.get("serde") or JsonPlusSerializer()))
        elif request.param == "sqlite":
            made.append(SqliteCache(path=str(tmp_path / "cache"), **more))
        else:
            import redis

            client = redis.Redis.from_url(services.redis())
            made.append(RedisCache(client, prefix=prefix, **more))
        return made[-1]

    yield make
    for cache in made:
        cache.clear()
        if isinstance(cache, RedisCache):
            cache.redis.close()
        if isinstance(cache, SqliteCache):
            cache.close()


VALUES = [
    [("x", 1), ("y", None), ("z", float("inf"))],
    [("t", Send("node", {"x": (1, 2)}))],
    [("x", b"\0:"), ("s", {1, 2})],
    [],
]


@pytest.mark.parametrize("value", VALUES, ids=str)
def test_what_is_kept_comes_back(opened, value) -> None:
    cache = opened()
    assert cache.get([A, B]) == {}
    cache.set({A: (value, None), B: ([("x", 2)], 100)})
    assert cache.get([A, B]) == {A: value, B: [("x", 2)]}
    assert cache.get([]) == {}
    assert type(cache.get([A])[A]) is list


def test_two_namespaces_are_two_whatever_their_labels_are(opened) -> None:
    cache = opened()
    for i, ns in enumerate([("a,b",), ("a", "b"), ("a:b",), ("a*",), ("a[x]",), ()]):
        cache.set({(ns, "k"): (i, None), (ns, "k:l"): (i, None)})
    cache.clear([("a*",), ("a", "b")])
    left = {("a,b",): 0, ("a:b",): 2, ("a[x]",): 4, (): 5}
    keys = [(ns, key) for ns in [*left, ("a*",), ("a", "b")] for key in ("k", "k:l")]
    assert cache.get(keys) == {(ns, key): i for ns, i in left.items() for key in ("k", "k:l")}
    cache.clear()
    assert cache.get(keys) == {}


def test_an_entry_lives_as_long_as_was_said(opened, monkeypatch) -> None:
    cache = opened()
    cache.set({A: (1, 0), B: (2, 100)})
    assert cache.get([A, B]) == {B: 2}
    if not isinstance(cache, RedisCache):
        for module in (memory, sqlite):
            later = module.time.time() + 101
            monkeypatch.setattr(module.time, "time", lambda later=later: later)
        assert cache.get([B]) == {}
        cache.set({A: (3, None)})
        assert cache.get([A, B]) == {A: 3}
    else:
        assert 0 < cache.redis.pttl(cache._key(*B)) <= 100_000


async def test_the_coroutines_do_the_same(opened) -> None:
    cache = opened()
    await cache.aset({A: ([1], None)})
    assert await cache.aget([A, B]) == {A: [1]}
    await cache.aclear([A[0]])
    assert await cache.aget([A]) == {}


def test_what_was_kept_and_what_is_returned_are_copies(opened) -> None:
    cache, value = opened(), [[1]]
    cache.set({A: (value, None)})
    value[0].append(2)
    cache.get([A])[A][0].append(3)
    assert cache.get([A]) == {A: [[1]]}


@dataclass
class Point:
    x: int


def test_an_instance_of_an_unknown_class_is_kept_whole_or_not_at_all(opened, caplog) -> None:
    cache = opened()
    for value in (Point(1), [("x", {"deep": (Point(1),)})]):
        cache.set({A: (value, None)})
        if getattr(cache, "_copies", False):
            assert cache.get([A]) == {A: value}
        else:
            assert cache.get([A]) == {}
    known = opened(serde=JsonPlusSerializer(allowed_msgpack_modules=[Point]))
    known.set({A: (Point(1), None)})
    assert known.get([A]) == {A: Point(1)}


def test_what_cannot_be_stored_is_refused(opened) -> None:
    cache = opened()
    if not getattr(cache, "_copies", False):
        with pytest.raises(UnserialisableError):
            cache.set({A: (print, None)})
        assert cache.get([A]) == {}


def test_a_damaged_entry_is_none(tmp_path, caplog) -> None:
    cache = SqliteCache(path=str(tmp_path / "cache"))
    cache.set({A: ([1], None)})
    with cache._transaction(writes=True):
        cache._session.rows("UPDATE vecgraph_cache SET value = x'c1'")
    assert cache.get([A]) == {}
    assert "is left out" in caplog.text
    cache.close()


def test_redis_that_does_not_answer_stops_nobody(caplog) -> None:
    import redis

    client = redis.Redis(port=1, socket_connect_timeout=1, retry=None)
    cache = RedisCache(client)
    with caplog.at_level(logging.WARNING):
        cache.set({A: (1, None)})
        assert cache.get([A]) == {}
        cache.clear()
    assert caplog.text.count("Redis does not answer") == 3


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (InMemoryCache, TheirInMemoryCache),
        (SqliteCache, TheirSqliteCache),
        (RedisCache, TheirRedisCache),
    ],
)
def test_the_verbs_and_parameters_are_langgraphs(ours, theirs) -> None:
    import inspect

    assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)
    for verb in ("get", "set", "clear", "aget", "aset", "aclear"):
        assert callable(getattr(ours, verb))


class State(TypedDict):
    x: int
    y: int


class Calls:
    """A graph whose first node counts how often it runs."""

    def __init__(self, cache, *, fails=0, policy=None, **node):
        self.n, self.fails = 0, fails
        graph = StateGraph(State)
        graph.add_node("slow", self.slow, cache_policy=policy or CachePolicy(), **node)
        graph.add_node("end", lambda state: {"y": state["y"] + 1})
        graph.add_edge(START, "slow")
        graph.add_edge("end", END)
        self.app = graph.compile(cache=cache)

    def slow(self, state: State) -> Command:
        self.n += 1
        if self.n <= self.fails:
            raise ConnectionError("not yet")
        return Command(update={"y": state["x"] * 10}, goto="end")


def test_a_node_runs_once_for_equal_inputs_and_its_way_on_is_kept_too(opened) -> None:
    graph = Calls(opened())
    assert [graph.app.invoke({"x": x})["y"] for x in (1, 1, 2, 1)] == [11, 11, 21, 11]
    assert graph.n == 2


def test_equal_inputs_of_a_batch_are_computed_once(opened) -> None:
    graph = Calls(opened())
    found = graph.app.batch([{"x": x} for x in (1, 2, 1, 1)], {"max_concurrency": 1})
    assert [run["y"] for run in found] == [11, 21, 11, 11]
    assert graph.n == 2


async def test_coroutines_take_from_the_cache_too(opened) -> None:
    graph = Calls(opened())
    assert [(await graph.app.ainvoke({"x": 1}))["y"] for _ in range(2)] == [11, 11]
    assert graph.n == 1


def test_a_failure_is_never_kept(opened) -> None:
    graph = Calls(opened(), fails=1)
    with pytest.raises(ConnectionError):
        graph.app.invoke({"x": 1})
    assert [graph.app.invoke({"x": 1})["y"] for _ in range(2)] == [11, 11]
    assert graph.n == 2


def test_what_a_retry_gives_is_kept(opened) -> None:
    retry = RetryPolicy(initial_interval=0, jitter=False)
    graph = Calls(opened(), fails=2, retry_policy=retry)
    assert [graph.app.invoke({"x": 1})["y"] for _ in range(2)] == [11, 11]
    assert graph.n == 3


def test_the_cache_of_a_node_is_cleared_by_its_name(opened) -> None:
    graph = Calls(opened())
    graph.app.invoke({"x": 1})
    graph.app.clear_cache(["end"])
    graph.app.invoke({"x": 1})
    assert graph.n == 1
    graph.app.clear_cache(["slow", "unknown"])
    graph.app.invoke({"x": 1})
    assert graph.n == 2
    graph.app.clear_cache()
    graph.app.invoke({"x": 1})
    assert graph.n == 3


async def test_the_cache_is_cleared_by_a_coroutine(opened) -> None:
    graph = Calls(opened())
    await graph.app.ainvoke({"x": 1})
    await graph.app.aclear_cache()
    await graph.app.ainvoke({"x": 1})
    assert graph.n == 2


def test_a_graph_without_a_cache_says_so() -> None:
    with pytest.raises(ValueError, match="No cache is set for this graph"):
        Calls(None).app.clear_cache()


def test_another_program_takes_what_one_has_kept(opened) -> None:
    if isinstance(first := opened(), InMemoryCache):
        pytest.skip("memory is one program's")
    one, other = Calls(first), Calls(opened())
    one.app.invoke({"x": 1})
    assert other.app.invoke({"x": 1})["y"] == 11
    assert (one.n, other.n) == (1, 0)

"""Stores: what each of ours does alike, and what only those in databases do."""

from __future__ import annotations

import asyncio
import datetime
import sqlite3
import time
import uuid
from dataclasses import dataclass
from enum import Enum
from threading import Thread

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import services
from tests.unit.stores import done, embed, operations
from vecgraph.errors import UnserialisableError
from vecgraph.store import _sql, base
from vecgraph.store.base import GetOp, PutOp
from vecgraph.store.memory import InMemoryStore
from vecgraph.store.postgres import AsyncPostgresStore, PostgresStore
from vecgraph.store.sqlite import AsyncSqliteStore, SqliteStore

INDEX = {"dims": 4, "embed": embed}


def sqlite(folder, **more):
    return SqliteStore(folder / "store.sqlite", **more)


def postgres(folder, **more):
    store = PostgresStore.from_conn_string(services.postgres(), **more)
    if not (folder / "seen").exists():
        (folder / "seen").touch()
        store.setup()
        with store._db.transaction(writes=True):
            for table in ("store", "vectors"):
                store._db.rows(f"DELETE FROM {{p}}_{table}")
    return store


DATABASES = {"sqlite": sqlite, "postgres": postgres}
STORES = {"memory": lambda _, **more: InMemoryStore(**more), **DATABASES}


def opener(stores):
    @pytest.fixture(params=stores)
    def opened(request, tmp_path):
        made = []

        def make(**more):
            made.append(stores[request.param](tmp_path, **more))
            return made[-1]

        yield make
        for store in made:
            if isinstance(store, _sql.SqlStore):
                store.close()

    return opened


opened = opener(STORES)
database = opener(DATABASES)


def test_an_item_is_put_found_changed_and_deleted(opened) -> None:
    store = opened()
    store.put(("a", "b"), "k", {"x": 1, "y": [None, True, 1.5, "é", {"z": "\0"}]})
    before = store.get(("a", "b"), "k")
    assert before.value == {"x": 1, "y": [None, True, 1.5, "é", {"z": "\0"}]}
    assert (before.key, before.namespace) == ("k", ("a", "b"))
    store.put(("a", "b"), "k", {"x": 2})
    after = store.get(("a", "b"), "k")
    assert after.value == {"x": 2}
    assert after.created_at == before.created_at < after.updated_at
    assert after.updated_at.tzinfo is not None
    store.delete(("a", "b"), "k")
    store.delete(("a", "b"), "k")
    assert store.get(("a", "b"), "k") is None
    assert store.list_namespaces() == []


def test_what_was_put_and_what_is_returned_are_copies(opened) -> None:
    store, value = opened(), {"x": [1]}
    store.put(("a",), "k", value)
    value["x"].append(2)
    for item in (store.get(("a",), "k"), *store.search(("a",))):
        item.value["x"].append(3)
    assert store.get(("a",), "k").value == {"x": [1]}


def test_the_reads_of_a_batch_see_the_store_before_its_writes(opened) -> None:
    store = opened()
    ops = [GetOp(("a",), "k"), PutOp(("a",), "k", {"x": 1}), GetOp(("a",), "k")]
    assert store.batch(ops) == [None, None, None]
    assert store.batch(ops[:1])[0].value == {"x": 1}
    store.batch([PutOp(("a",), "k", {"x": 2}), PutOp(("a",), "k", {"x": 3})])
    assert store.get(("a",), "k").value == {"x": 3}


def test_the_nearest_items_come_first_and_the_best_vector_counts(opened) -> None:
    vectors = {"up": [0.0, 1.0], "right": [1.0, 0.0], "both": [1.0, 1.0], "none": [0.0, 0.0]}
    index = {"dims": 2, "embed": lambda texts: [vectors[t] for t in texts], "fields": ["t[*]"]}
    store = opened(index=index)
    store.put(("a",), "1", {"t": ["right"]})
    store.put(("a",), "2", {"t": ["right", "up"]})
    store.put(("a",), "3", {"t": ["both"]})
    store.put(("a",), "4", {"t": ["none"]})
    store.put(("a",), "5", {"t": ["up"]}, index=False)
    store.put(("b",), "6", {"t": ["up"]})
    found = store.search(("a",), query="up")
    assert [item.key for item in found] == ["2", "3", *(["1", "4"]), "5"] or [
        item.key for item in found
    ] == ["2", "3", "4", "1", "5"]
    np.testing.assert_allclose([i.score for i in found[:4]], [1, 0.5**0.5, 0, 0], atol=1e-6)
    assert found[4].score is None
    store.put(("a",), "2", {"t": ["right"]})
    assert store.search(("a",), query="up", limit=1)[0].key == "3"
    assert [item.key for item in store.search(("a",), query="up", filter={"t": ["both"]})] == ["3"]


@pytest.mark.parametrize(
    ("distance", "expected"), [("cosine", 1.0), ("inner_product", 6.0), ("l2", -1.0)]
)
def test_vectors_are_compared_as_the_index_says(opened, distance, expected) -> None:
    index = {"dims": 1, "embed": lambda texts: [[float(t)] for t in texts], "fields": ["t"]}
    store = opened(index={**index, "distance_type": distance})
    store.put(("a",), "k", {"t": "2"})
    (found,) = store.search(("a",), query="3")
    assert found.score == pytest.approx(expected)


def test_a_distance_that_there_is_not_is_refused(opened) -> None:
    with pytest.raises(ValueError, match="distance_type must be cosine, inner_product or l2"):
        opened(index={**INDEX, "distance_type": "hamming"})
    with pytest.raises(ValueError, match="embed must be provided"):
        opened(index={"dims": 1})
    with pytest.raises(ValueError, match="Could not load embeddings from string 'openai:x'"):
        opened(index={"dims": 1, "embed": "openai:x"})


async def test_the_coroutines_do_the_same(opened) -> None:
    async def coroutine(texts):
        return embed(texts)

    store = opened(index={"dims": 4, "embed": coroutine})
    await store.aput(("a",), "k", {"x": 1})
    assert (await store.aget(("a",), "k")).value == {"x": 1}
    (found,) = await store.asearch(("a",), query='{"x": 1}')
    assert found.score == pytest.approx(1)
    assert await store.alist_namespaces() == [("a",)]
    await store.adelete(("a",), "k")
    assert await store.aget(("a",), "k") is None
    with pytest.raises(ValueError, match="initialized with an async function"):
        store.put(("a",), "k", {"x": 1})
    assert await store.aget(("a",), "k") is None


async def test_embeddings_without_coroutines_are_used_in_a_thread(opened) -> None:
    class Plain:
        def embed_documents(self, texts):
            return embed(texts)

        def embed_query(self, text):
            return embed([text])[0]

    store = opened(index={"dims": 4, "embed": Plain()})
    await store.aput(("a",), "k", {"x": 1})
    assert (await store.asearch(("a",), query='{"x": 1}'))[0].score == pytest.approx(1)


def test_embeddings_of_langchain_are_taken_as_they_are(opened) -> None:
    from langchain_core.embeddings import DeterministicFakeEmbedding

    store = opened(index={"dims": 4, "embed": DeterministicFakeEmbedding(size=4)})
    store.put(("a",), "k", {"x": 1})
    assert store.search(("a",), query='{"x": 1}')[0].score == pytest.approx(1)


def test_an_embedding_that_fails_leaves_the_store_as_it_was(opened) -> None:
    store = opened(index={"dims": 4, "embed": lambda texts: []})
    with pytest.raises(ValueError, match="0 vectors were made of 1 texts"):
        store.put(("a",), "k", {"x": 1})
    assert store.get(("a",), "k") is None


@pytest.mark.parametrize("kind", DATABASES)
@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_databases_give_what_memory_gives(kind, data, tmp_path_factory) -> None:
    """Filters compare text too, and order is that of the last change: both are left out here."""
    folder = tmp_path_factory.mktemp("store")
    with DATABASES[kind](folder, index=INDEX) as ours:
        memory = InMemoryStore(index=INDEX)
        for batch in data.draw(st.lists(st.lists(operations(True), max_size=2), max_size=8)):
            batch = [_whole(op) for op in batch]
            expected = done(memory, base, batch)
            if isinstance(expected, tuple) and issubclass(expected[0], ValueError | TypeError):
                continue
            found = done(ours, base, batch)
            for a, b in zip(found, expected, strict=True):
                assert _sorted(a) == _sorted(b), batch


def _whole(op):
    name, arguments = op
    return (name, (*arguments[:2], 100, 0, *arguments[4:])) if name == "SearchOp" else op


def _sorted(result):
    return sorted(result, key=repr) if isinstance(result, list) else result


@pytest.mark.parametrize("label", ["ab", "a_", "a!", "a/", "a~", "aé", "A", "%", "_"])
def test_what_only_begins_alike_is_not_below(opened, label) -> None:
    store = opened()
    for namespace in ((label,), (label, "a"), ("a", "x"), ("a",)):
        store.put(namespace, "k", {"text": "x"})
    found = {item.namespace for item in store.search(("a",))}
    assert found == {("a",), ("a", "x")}
    assert {item.namespace for item in store.search((label,))} == {(label,), (label, "a")}


def test_databases_find_the_last_change_first(database) -> None:
    store = database()
    store.batch([PutOp(("a",), key, {}) for key in "cab"])
    store.put(("a",), "c", {})
    assert [item.key for item in store.search(("a",))] == ["c", "b", "a"]
    assert [item.key for item in store.search(("a",), limit=1, offset=1)] == ["b"]


@pytest.mark.parametrize("key", ["'; DROP TABLE vecgraph_store; --", "%s", "?", "{p}", "\\"])
def test_nothing_of_a_filter_becomes_part_of_a_statement(database, key) -> None:
    store = database()
    store.put(("a", key.replace(".", "")), key, {key: key})
    assert len(store.search(("a",), filter={key: key})) == 1
    assert store.search(("a",), filter={key: {"$eq": "x"}}) == []
    assert store.list_namespaces(prefix=("a", key)) == [("a", key)]


def test_databases_compare_text_with_text_and_nothing_with_what_is_not_there(database) -> None:
    store = database()
    store.put(("a",), "k", {"when": "2024-05", "n": 3})
    assert store.search(("a",), filter={"when": {"$gt": "2024-01", "$lt": "2024-06"}})
    assert not store.search(("a",), filter={"when": {"$gt": 1}})
    assert not store.search(("a",), filter={"missing": {"$gt": 1}})
    assert not store.search(("a",), filter={"missing": {"$lte": 1}})
    assert store.search(("a",), filter={"n": {"$gte": 3}})


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    x: int


def test_databases_keep_times_ids_enums_and_dataclasses_as_json(database) -> None:
    store, name = database(), uuid.UUID(int=5)
    day = datetime.date(2024, 1, 2)
    store.put(("a",), "k", {"d": day, "u": name, "c": Colour.RED, "p": Point(1), "t": (1, 2)})
    assert store.get(("a",), "k").value == {
        "d": "2024-01-02",
        "u": str(name),
        "c": "red",
        "p": {"x": 1},
        "t": [1, 2],
    }


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"a": [object()]}, r"Cannot store a\[0\]: object has no place in JSON"),
        ({"a": {1: 2}}, "Cannot store a: the key 1 is no text"),
        ({"a": float("nan")}, "Cannot store a: nan is no JSON number"),
    ],
)
def test_databases_refuse_what_would_not_come_back(database, value, said) -> None:
    store = database()
    with pytest.raises(UnserialisableError, match=said):
        store.batch([PutOp(("a",), "other", {}), PutOp(("a",), "k", value)])
    assert store.search(()) == []


def test_items_live_as_long_as_was_said(database, monkeypatch) -> None:
    store = database(ttl={"default_ttl": 10, "refresh_on_read": True, "omit_expired": True})
    begin, minute = time.time_ns() // 1000, 60_000_000
    store.put(("a",), "default", {})
    store.put(("a",), "short", {}, ttl=1)
    store.put(("a",), "ever", {}, ttl=None)
    monkeypatch.setattr(_sql, "_now", lambda: begin + 2 * minute)
    assert sorted(item.key for item in store.search(("a",), refresh_ttl=False)) == [
        "default",
        "ever",
    ]
    assert store.get(("a",), "short") is None
    monkeypatch.setattr(_sql, "_now", lambda: begin + 9 * minute)
    assert store.get(("a",), "default") is not None  # its time begins again
    monkeypatch.setattr(_sql, "_now", lambda: begin + 15 * minute)
    assert store.get(("a",), "default", refresh_ttl=False) is not None
    assert store.sweep_ttl() == 1
    monkeypatch.setattr(_sql, "_now", lambda: begin + 20 * minute)
    assert store.sweep_ttl() == 1
    assert [item.key for item in store.search(())] == ["ever"]


def test_what_has_expired_is_found_until_it_is_swept_unless_it_is_to_be_omitted(
    database, monkeypatch
) -> None:
    store = database(ttl={"refresh_on_read": False})
    store.put(("a",), "k", {}, ttl=1)
    late = time.time_ns() // 1000 + 2 * 60_000_000
    monkeypatch.setattr(_sql, "_now", lambda: late)
    assert store.get(("a",), "k") is not None
    assert store.list_namespaces() == [("a",)]
    store.sweep_ttl()
    assert store.list_namespaces() == []


def test_a_sweeper_sweeps_until_it_is_stopped(database) -> None:
    store = database(ttl={})
    store.put(("a",), "k", {}, ttl=0)
    future = store.start_ttl_sweeper(0.0001)
    deadline = time.monotonic() + 30
    while store.list_namespaces() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert store.list_namespaces() == []
    assert store.stop_ttl_sweeper(30)
    assert future.done()
    assert database().start_ttl_sweeper().done()


@pytest.mark.parametrize("kind", DATABASES)
async def test_stores_under_the_names_for_coroutines(kind, tmp_path) -> None:
    if kind == "sqlite":
        make = AsyncSqliteStore.from_conn_string(str(tmp_path / "x"), ttl={})
    else:
        make = AsyncPostgresStore.from_conn_string(
            services.postgres(), ttl={}, table_prefix="other"
        )
    async with make as store:
        await store.setup()
        await store.aput(("a",), "k", {"x": 1}, ttl=0)
        assert (await store.aget(("a",), "k", refresh_ttl=False)).value == {"x": 1}
        assert await store.sweep_ttl() == 1
        sweeper = await store.start_ttl_sweeper()
        assert await store.stop_ttl_sweeper()
        await sweeper


def test_several_threads_and_programs_use_one_store(database) -> None:
    stores = [database() for _ in range(3)]

    def write(store, name):
        for i in range(15):
            store.batch([PutOp(("a",), "shared", {"by": name}), PutOp((name,), str(i), {"i": i})])
            store.search(("a",))

    threads = [Thread(target=write, args=(s, f"t{i}")) for i, s in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(len(stores[0].search((f"t{i}",), limit=100)) == 15 for i in range(3))
    assert len(stores[0].search(("a",))) == 1


def test_two_writers_of_the_same_items_in_another_order_do_not_wait_for_each_other(
    database,
) -> None:
    ops = [PutOp(("a",), str(i), {"i": i}) for i in range(30)]
    failed = []

    def write(store, batch):
        try:
            for _ in range(30):
                store.batch(batch)
        except Exception as error:  # noqa: BLE001 - asserted below
            failed.append(error)

    threads = [Thread(target=write, args=(database(), b)) for b in (ops, ops[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_a_connection_that_was_given_stays_open(tmp_path) -> None:
    conn = sqlite3.connect(tmp_path / "x", check_same_thread=False)
    with SqliteStore(conn) as store:
        store.put(("a",), "k", {})
        assert asyncio.run(store.aget(("a",), "k")).value == {}
    assert conn.execute("SELECT count(*) FROM vecgraph_store").fetchone() == (1,)
    conn.close()

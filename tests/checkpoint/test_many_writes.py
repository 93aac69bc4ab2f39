"""Pending writes of many threads in one call are those of many calls."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vecgraph.checkpoint.base import ERROR, INTERRUPT, RESUME, empty_checkpoint
from vecgraph.checkpoint.memory import InMemorySaver
from vecgraph.errors import CorruptDataError, DamagedCheckpointError
from vecgraph.testing.compare import difference
from vecgraph.testing.savers import values

THREADS = ("t0", "t1", "t2")
WRITES = st.lists(
    st.tuples(
        st.sampled_from(THREADS),
        st.integers(0, 1),
        st.sampled_from(("task-1", "task-2")),
        st.sampled_from(("x", "y", ERROR, INTERRUPT, RESUME)),
        values(),
    ),
    max_size=8,
)
PATHS = {"task-1": "~__pregel_pull, b", "task-2": "~__pregel_pull, a"}


def filled(**options):
    """Return a saver whose threads have two checkpoints each, and the configs of those."""
    saver, configs = InMemorySaver(**options), {}
    for thread in THREADS:
        config = {"configurable": {"thread_id": thread, "checkpoint_ns": ""}}
        for place in range(2):
            config = saver.put(config, empty_checkpoint(), {"source": "loop", "step": place}, {})
            configs[thread, place] = config
    return saver, configs


def many(saver, given_):
    """Store writes in one call; a task's writes to a checkpoint are one list."""
    numbers = dict(zip(THREADS, saver.register_threads(THREADS).tolist(), strict=True))
    if given_:
        threads, seq, tasks, channels, found = zip(*given_, strict=True)
        saver.put_writes_many(
            np.array([numbers[thread] for thread in threads]),
            np.array(seq, np.int32),
            tasks,
            [PATHS[task] for task in tasks],
            channels,
            found,
        )


def one_by_one(saver, configs, given_):
    lists = {}
    for thread, place, task, channel, value in given_:
        lists.setdefault((thread, place, task), []).append((channel, value))
    for (thread, place, task), writes in lists.items():
        saver.put_writes(configs[thread, place], writes, task, PATHS[task])


def pending(saver):
    found = {}
    for thread in THREADS:
        rows = saver.list({"configurable": {"thread_id": thread}})
        found[thread] = [row.pending_writes for row in rows][::-1]
    return found


@settings(max_examples=60, deadline=None)
@given(calls=st.lists(WRITES, max_size=3), blob_at=st.sampled_from((5, 1 << 14)))
def test_one_call_stores_what_many_calls_store(calls, blob_at) -> None:
    ours, _ = filled(blob_at=blob_at)
    plain, plain_configs = filled()
    for given_ in calls:
        many(ours, given_)
        one_by_one(plain, plain_configs, given_)
    expected = pending(plain)
    assert difference(expected, pending(ours)) is None
    numbers = ours.register_threads(THREADS)
    for place in range(2):
        seq = np.full(len(THREADS), place, np.int32)
        for saver in (ours, plain):
            found = saver.pending_of(numbers, seq)
            listed = [[] for _ in THREADS]
            for row, *write in zip(
                found.rows.tolist(), found.task_ids, found.channels, found.values, strict=True
            ):
                listed[row].append(tuple(write))
            wanted = [expected[thread][place] for thread in THREADS]
            assert difference(wanted, listed) is None
            flags = saver.read_columns(numbers, seq).pending.tolist()
            assert flags == [bool(writes) for writes in wanted]
    ours.copy_thread("t0", "copy")
    copied = ours.get_tuple({"configurable": {"thread_id": "copy"}}).pending_writes
    assert difference(copied, expected["t0"][-1]) is None
    ours.prune(["t0"])
    ours.delete_thread("t1")
    left = pending(ours)
    assert difference(left["t0"], expected["t0"][-1:]) is None
    assert left["t1"] == []
    assert difference(left["t2"], expected["t2"]) is None


def test_writes_of_unequal_number_are_refused() -> None:
    saver, _ = filled()
    threads = saver.register_threads(THREADS)
    with pytest.raises(ValueError, match="3 writes have 2 values"):
        saver.put_writes_many(threads, np.zeros(3, np.int32), ["a"] * 3, "", "x", [1, 2])
    assert not saver.read_columns(threads).pending.any()


def test_a_hundred_thousand_writes_are_two_chunks() -> None:
    saver = InMemorySaver(compression="zstd")
    n = 100_000
    threads = saver.register_threads(prefix="t", count=n)
    before = saver.nbytes
    tasks = [f"task-{i}" for i in range(n)]
    saver.put_writes_many(threads, np.zeros(n, np.int32), tasks, "p", INTERRUPT, range(n))
    assert len(saver.storage.find(["writes"])) == 2
    assert saver.nbytes - before < 16 * n
    some = saver.pending_of(threads[::1000], np.zeros(n // 1000, np.int32))
    assert some.values == list(range(0, n, 1000))
    assert some.task_ids == tasks[::1000]


@pytest.mark.parametrize("compression", [None, "zstd"])
def test_a_chunk_of_writes_that_was_changed_is_an_error_or_reads(compression) -> None:
    """Storages find changed bytes by their checksums; here none looks."""
    saver, n, chance = InMemorySaver(compression=compression), 40, random.Random(3)
    threads, seq = saver.register_threads(prefix="t", count=n), np.zeros(n, np.int32)
    paths = [f"p{i % 3}" for i in range(n)]
    channels = [["x", ERROR][i % 2] for i in range(n)]
    tasks = [f"task-{i}" for i in range(n)]
    saver.put_writes_many(threads, seq, tasks, paths, channels, [{"v": i} for i in range(n)])
    (header,) = saver.storage.find(["writes"])
    whole = saver.storage._payloads[header.number]
    refused = 0
    for _ in range(600):
        changed = bytearray(whole)
        for _ in range(chance.choice((1, 1, 4))):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        if chance.random() < 0.1:
            del changed[chance.randrange(len(changed)) :]
        saver.storage._payloads[header.number] = bytes(changed)
        saver._shelf._cache.clear()
        try:
            assert len(saver.pending_of(threads, seq)) <= n
        except (DamagedCheckpointError, CorruptDataError):
            refused += 1
    assert refused > 300

"""Checkpoints that were put together say the same as before, and open without vecgraph."""

from __future__ import annotations

import errno
import operator
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pytest
from typing_extensions import TypedDict

from tests.checkpoint.storages import held
from vecgraph.checkpoint import arrow
from vecgraph.checkpoint.arrow import ArrowSaver
from vecgraph.checkpoint.directory.local import DirectoryStorage
from vecgraph.errors import CheckpointWriteError, DamagedCheckpointError
from vecgraph.graph import END, START, StateGraph
from vecgraph.testing.compare import difference


class State(TypedDict, total=False):
    n: int
    score: float
    word: str
    log: Annotated[list, operator.add]


def grow(state):
    return {"n": state["n"] + 1, "score": state["n"] / 2, "log": [f"step {state['n']}"]}


def name(state):
    return {"word": "ä" * state["n"]}


def app(saver):
    builder = StateGraph(State).add_node("grow", grow).add_node("name", name)
    builder.add_edge(START, "grow")
    builder.add_conditional_edges("grow", lambda s: "name" if s["n"] % 2 else "grow")
    builder.add_conditional_edges("name", lambda s: END if s["n"] > 4 else "grow")
    return builder.compile(checkpointer=saver)


def config(thread):
    return {"configurable": {"thread_id": thread, "checkpoint_ns": ""}}


def batch(saver, n=40):
    """Keep the checkpoints of runs in lanes and, as threads of their own, of single runs."""
    graph = app(saver)
    graph.engine.small, graph.engine.lane = 1, 16
    graph.batch([{"n": i % 4, "log": []} for i in range(n)], {"configurable": {"thread_id": "b"}})
    for thread in ("x", "a/../b", "\ud800"):
        graph.invoke({"n": 1, "log": ["first"]}, config(thread))
        graph.update_state(config(thread), {"word": "updated"})


def everything(saver):
    return [tuple(item) for item in saver.list(None)]


def same(found, expected):
    different = difference(expected, found)
    assert different is None, different


@pytest.fixture
def open_saver(tmp_path):
    return lambda **more: ArrowSaver(tmp_path / "run", **more)


@pytest.mark.parametrize("compression", ["zstd", "lz4", "none"])
def test_checkpoints_are_the_same_once_they_are_put_together(open_saver, compression) -> None:
    saver = open_saver(compression=compression, snapshot_every=3, blob_at=40)
    batch(saver)
    expected = everything(saver)
    reader = open_saver(read_only=True)
    same(everything(reader), expected)

    saver.compact()

    folder = Path(saver.storage.place)
    assert not list(folder.glob("log-*"))
    assert list(folder.glob("checkpoints-*.arrow"))
    same(everything(saver), expected)
    same(everything(reader), expected)
    reader.close()
    saver.close()
    with open_saver(read_only=True) as again:
        same(everything(again), expected)


def test_threads_go_on_after_their_checkpoints_were_put_together(open_saver) -> None:
    with open_saver() as saver:
        batch(saver)
    with open_saver() as saver:
        before = len(everything(saver))
        graph = app(saver)
        graph.invoke({"n": 3}, config("x"))
        graph.invoke({"n": 3}, config("b/7"))
        batch(saver)
        expected = everything(saver)
        assert len(expected) > before
    with open_saver() as saver:
        same(everything(saver), expected)
        saver.compact()
        same(everything(saver), expected)


def test_deleted_threads_give_their_room_back(open_saver) -> None:
    saver = open_saver()
    graph = app(saver)
    graph.invoke({"n": 1, "log": ["secret" * 500]}, config("a"))
    graph.invoke({"n": 1, "log": ["kept"]}, config("b"))
    saver.compact()
    saver.delete_thread("a")
    expected = everything(saver)
    assert {item[0]["configurable"]["thread_id"] for item in expected} == {"b"}

    saver.compact()

    same(everything(saver), expected)
    folder = Path(saver.storage.place)
    assert sum(path.stat().st_size for path in folder.iterdir()) > 0
    for path in folder.glob("*.arrow"):
        with pa.ipc.open_file(path) as file:
            for i in range(file.num_record_batches):
                assert "secret" not in str(file.get_batch(i).to_pydict())
    saver.close()


OPENING = """
import sys
sys.modules["vecgraph"] = None  # importing it fails
import glob
import duckdb, pandas, polars, pyarrow.dataset
(path,) = glob.glob(sys.argv[1] + "/checkpoints-*.arrow")
frame = pandas.read_feather(path)
assert len(frame) == len(polars.read_ipc(path))
data = pyarrow.dataset.dataset(path, format="ipc")
print(duckdb.sql("SELECT max(n), count(DISTINCT thread_id) FROM data").fetchall())
last = frame.sort_values("step").groupby("thread_id").n.max()
print(last["b/0"], sorted(frame.columns.intersection(["n", "score", "word", "step", "ns"])))
print(frame[frame.thread_id == "b/0"].sort_values("seq")["next"].tolist())
(path,) = glob.glob(sys.argv[1] + "/entries-*.arrow")
frame = pandas.read_feather(path).sort_values("seq")
print(frame[frame.thread_id == "x"][["step", "source", "word"]].values.tolist()[-1])
print(frame[frame.thread_id == "a/../b"]["log"].dropna().tolist()[:2])
assert "vecgraph" not in {name.split(".")[0] for name, m in sys.modules.items() if m}
"""


def test_pandas_polars_and_duckdb_open_the_files_without_vecgraph(open_saver, tmp_path) -> None:
    for module in ("pandas", "polars", "duckdb"):
        pytest.importorskip(module)
    with open_saver() as saver:
        batch(saver)

    command = [sys.executable, "-c", textwrap.dedent(OPENING), str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "[(5, 40)]",
        "5.0 ['n', 'ns', 'score', 'step', 'word']",
        "['__start__', 'grow', 'name', 'grow', 'grow', 'name', 'grow', 'grow', 'name', '']",
        "[7, 'update', 'updated']",
        """['["first"]', '["step 1"]']""",
    ]


@pytest.mark.parametrize("call", ["pwrite", "fsync"])
def test_a_failed_compaction_changes_nothing(open_saver, monkeypatch, call) -> None:
    saver = open_saver()
    batch(saver, 20)
    expected = everything(saver)
    real, failed = getattr(os, call), True
    for nth in range(60):
        count = 0

        def failing(*args):
            nonlocal count
            count += 1
            if count == nth + 1:  # noqa: B023
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*args)

        monkeypatch.setattr(os, call, failing)
        try:
            saver.compact()
            failed = False
        except CheckpointWriteError:
            pass
        monkeypatch.undo()
        if nth % 7 == 0 or not failed:
            same(everything(saver), expected)
        if not failed:
            break
    assert not failed
    saver.close()
    with open_saver(read_only=True) as reader:
        same(everything(reader), expected)


def test_a_process_that_dies_in_a_compaction_leaves_everything(open_saver, tmp_path) -> None:
    saver = open_saver(compact_on_close=False)
    batch(saver, 20)
    expected = everything(saver)
    saver.close()
    folder = tmp_path / "run"
    before = {path.name for path in folder.iterdir()}
    for left in ("checkpoints-00099.arrow", "commits-00001", "manifest.json.tmp"):
        (folder / left).write_bytes(b"half")

    with open_saver(compact_on_close=False) as saver:
        same(everything(saver), expected)
        assert {path.name for path in folder.iterdir()} == before
        saver.compact()
        same(everything(saver), expected)


def test_damage_in_a_file_is_named_and_the_rest_is_there(tmp_path, open_saver) -> None:
    with open_saver() as saver:
        batch(saver)
    storage = DirectoryStorage(tmp_path / "run", read_only=True)
    expected = held(storage)
    headers = storage.find(["columns", "entries", "threads"])
    for header in headers:
        record = storage._index.record(header, "")
        path = storage._segments.path(record.segment)
        data = bytearray(path.read_bytes())
        data[record.end - 1 - header.length // 2] ^= 4
        path.write_bytes(data)
        with pytest.raises(DamagedCheckpointError) as caught:
            storage.load([header])
        assert (caught.value.file, caught.value.offset) == (str(path), record.offset)
        assert caught.value.chunk == header.number
        data[record.end - 1 - header.length // 2] ^= 4
        path.write_bytes(data)
    assert held(storage) == expected
    storage.close()


def by_thread(found):
    threads: dict = {}
    for item in found:
        threads.setdefault(item[0]["configurable"]["thread_id"], []).append(item)
    return threads


def without_parent(item):
    settings, checkpoint, metadata, _, writes = item
    return settings, checkpoint, metadata, writes


@pytest.mark.parametrize("retention", ["last", 3, "exit"])
def test_what_is_kept_is_the_same_and_the_rest_goes(open_saver, retention) -> None:
    saver = open_saver(retention=retention, snapshot_every=4, blob_at=60)
    batch(saver, 12)
    expected = by_thread(everything(saver))
    saver.compact()
    if retention == "exit":
        assert len(everything(saver)) == sum(map(len, expected.values()))
    saver.close()

    with open_saver(retention=retention) as saver:
        found = by_thread(everything(saver))
        assert found.keys() == expected.keys()
        for thread, items in found.items():
            newest_first = expected[thread]
            n = len(newest_first)
            wanted = [
                item
                for i, item in enumerate(newest_first)
                if i == 0 or (retention == 3 and (n - 1 - i) % 3 == 0)
            ]
            same([*map(without_parent, items)], [*map(without_parent, wanted)])
        app(saver).invoke({"n": 3}, config("b/7"))
        app(saver).invoke({"n": 3}, config("x"))
        more = by_thread(everything(saver))
        assert more["x"][0][1]["channel_values"]["log"][:1] == ["first"]
    with open_saver(read_only=True) as reader:
        kept = by_thread(everything(reader))
        same(without_parent(kept["x"][0]), without_parent(more["x"][0]))
        assert len(kept["x"]) < len(more["x"])


def test_an_unknown_retention_is_refused(open_saver) -> None:
    for wrong in ("some", 0, -1, None):
        with pytest.raises(ValueError, match="retention is"):
            open_saver(retention=wrong)


def test_many_small_parts_are_put_together_meanwhile(open_saver, monkeypatch) -> None:
    monkeypatch.setattr(arrow, "_MOST_LOOSE", 20)
    saver = open_saver(durability="async")
    batch(saver, 5)
    folder = Path(saver.storage.place)
    assert list(folder.glob("entries-*.arrow"))
    assert saver.storage.loose < 20
    expected = everything(saver)
    with open_saver(read_only=True) as reader:
        same(everything(reader), expected)
    saver.close()
    with open_saver(read_only=True) as reader:
        same(everything(reader), expected)

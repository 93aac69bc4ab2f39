"""Batches keep their checkpoints in databases as they do in memory; what was stored survives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TypedDict

import numpy as np
import pyarrow as pa
import pytest

from tests.checkpoint.sql_savers import SAVERS, empty
from vecgraph.checkpoint.memory import InMemorySaver
from vecgraph.checkpoint.sqlite import SqliteSaver
from vecgraph.graph import START, StateGraph

N = 300


class State(TypedDict):
    n: int
    text: str


def app(saver):
    builder = StateGraph(State)
    builder.add_node("double", lambda state: {"n": 2 * state["n"]})
    builder.add_node("name", lambda state: {"text": f"row {state['n']}"})
    builder.add_edge(START, "double")
    builder.add_edge("double", "name")
    return builder.compile(checkpointer=saver)


def history(graph, thread):
    config = {"configurable": {"thread_id": thread}}
    return [(found.values, found.next, found.metadata) for found in graph.get_state_history(config)]


@pytest.mark.parametrize("kind", SAVERS)
def test_a_batch_leaves_the_history_that_it_leaves_in_memory(kind, request, tmp_path) -> None:
    if kind != "sqlite":
        request.getfixturevalue(kind)
    table = pa.table({"n": np.arange(N), "text": [""] * N})
    config = {"configurable": {"thread_id": "t"}}
    memory = app(InMemorySaver())
    memory.batch(table, config)
    with SAVERS[kind](tmp_path) as saver:
        empty(saver)
        app(saver).batch(table, config)
    with SAVERS[kind](tmp_path) as saver:
        graph = app(saver)
        for row in (0, 1, N - 1):
            assert history(graph, f"t/{row}") == history(memory, f"t/{row}")
            assert len(history(graph, f"t/{row}")) > 1
        # A run goes on alone, and the history of its neighbours is as it was.
        going_on = {"configurable": {"thread_id": "t/1"}}
        assert graph.invoke({"n": 50}, going_on)["text"] == "row 100"
        assert memory.invoke({"n": 50}, going_on)["text"] == "row 100"
        for row in (1, 2):
            assert history(graph, f"t/{row}") == history(memory, f"t/{row}")


@pytest.mark.parametrize("kind", SAVERS)
def test_threads_of_several_batches_are_read_at_once(kind, request, tmp_path) -> None:
    if kind != "sqlite":
        request.getfixturevalue(kind)
    table = pa.table({"n": np.arange(N), "text": [""] * N})
    with SAVERS[kind](tmp_path) as saver:
        empty(saver)
        for name in ("t", "u", "v"):
            app(saver).batch(table, {"configurable": {"thread_id": name}})
    with SAVERS[kind](tmp_path) as saver:
        threads = [saver.register_threads(prefix=f"{name}/", count=N) for name in "uvt"]
        state = saver.read_columns(np.concatenate(threads))
        assert (state.seq >= 0).all()
        expected = np.tile(2 * np.arange(N), 3)
        np.testing.assert_array_equal(np.asarray(state.columns["n"].values), expected)


WRITER = """
    import sys
    from tests.checkpoint.test_sql_savers import put, config
    from vecgraph.checkpoint.sqlite import SqliteSaver

    saver, at = SqliteSaver(sys.argv[1]), config("t")
    for i in range(100_000):
        at = put(saver, "t", at, {"step": i}, x=i, log=list(range(i % 50)))
        print(i, flush=True)
"""


def test_what_was_acknowledged_is_there_after_a_kill(tmp_path) -> None:
    for kill_after in (1, 7, 23):
        path = tmp_path / f"killed-{kill_after}"
        writer = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), str(path)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        acknowledged = -1
        for line in writer.stdout:
            acknowledged = int(line)
            if acknowledged >= kill_after:
                break
        writer.send_signal(signal.SIGKILL)
        rest, _ = writer.communicate()
        acknowledged = max([acknowledged, *map(int, rest.split())])

        with SqliteSaver(path) as saver:
            found = list(saver.list({"configurable": {"thread_id": "t"}}))
            steps = [item.metadata["step"] for item in found]
            assert steps == list(range(len(steps) - 1, -1, -1))
            assert acknowledged <= steps[0] <= acknowledged + 1
            for item in found:
                values = item.checkpoint["channel_values"]
                assert values == {"x": values["x"], "log": list(range(values["x"] % 50))}
                assert values["x"] == item.metadata["step"]
            saver.put(found[0].config, {**found[0].checkpoint, "id": "z"}, {"step": 0}, {})


def test_sqlite_cut_off_at_any_place_is_refused_or_read_right(tmp_path) -> None:
    from tests.checkpoint.test_sql_savers import put, values
    from vecgraph.errors import CheckpointError, DamagedCheckpointError

    with SqliteSaver(tmp_path / "whole") as saver:
        for i in range(20):
            put(saver, x=i, pad="é" * 500)
        saver.storage._db.session.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = (tmp_path / "whole").read_bytes()
    outcomes = set()
    for end in range(0, len(whole), len(whole) // 40):
        cut = tmp_path / "cut"
        for side in ("", "-wal", "-shm"):
            Path(f"{cut}{side}").unlink(missing_ok=True)
        cut.write_bytes(whole[:end])
        with SqliteSaver(cut) as saver:
            try:
                found = values(saver)
            except (DamagedCheckpointError, CheckpointError) as error:
                outcomes.add("refused" if "cut" in str(error) else str(error))
            else:
                assert found is None or (found["x"] in range(20) and found["pad"] == "é" * 500)
                outcomes.add("read")
    assert "refused" in outcomes <= {"refused", "read"}

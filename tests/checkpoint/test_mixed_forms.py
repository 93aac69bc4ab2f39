"""Threads whose checkpoints are partly in row form, read as columns."""

from __future__ import annotations

import numpy as np

from vecgraph.checkpoint.base import empty_checkpoint
from vecgraph.checkpoint.memory import InMemorySaver
from vecgraph.columns import Column
from vecgraph.constants import MISSING
from vecgraph.engine.flush import ColumnChange, Flush, GraphForm

FORM = GraphForm(
    triggers={"a": ("branch:to:a",), "b": ("branch:to:b", "join:x+y:b")},
    signals={"branch:to:a": "a", "branch:to:b": "b"},
    barriers={"join:x+y:b": ("x", "y")},
)


def config(thread):
    return {"configurable": {"thread_id": thread, "checkpoint_ns": ""}}


def put(saver, thread, values, versions, seen=None):
    checkpoint = empty_checkpoint() | {
        "channel_values": values,
        "channel_versions": versions,
        "versions_seen": seen or {},
    }
    return saver.put(config(thread), checkpoint, {"source": "loop", "step": 3}, versions)


def flush(saver, threads, seq, values):
    n = len(threads)
    codes = np.zeros(n, np.int16)
    saver.write_columns(
        Flush(
            threads=threads,
            seq=np.full(n, seq, np.int32),
            step=np.full(n, 4, np.int64),
            clock=np.full(n, 5, np.int64),
            ran=codes,
            due=codes,
            nodes=[()],
            changes={"y": [ColumnChange(None, Column.of(values))]},
            graph=FORM,
        )
    )


def test_a_channel_that_only_row_form_speaks_of_is_found() -> None:
    saver = InMemorySaver()
    put(saver, "t0", {"x": "old"}, {"x": 4})
    threads = saver.register_threads(["t0", "t1"])
    flush(saver, threads[:1], 1, [1])
    flush(saver, threads[1:], 0, [2])
    state = saver.read_columns(threads, graph=FORM)
    assert state.columns["x"].tolist() == ["old", MISSING]
    assert state.columns["y"].tolist() == [1, 2]


def test_columns_come_after_the_rows_that_waited() -> None:
    saver = InMemorySaver()
    put(saver, "t0", {"x": "old", "y": 7}, {"x": 4, "y": 4})
    flush(saver, np.zeros(1, np.int64), 1, [1])
    assert [h.kind for h in saver.storage.find(("entries", "columns"))] == ["entries", "columns"]
    assert saver.read_columns(np.zeros(1, np.int64), graph=FORM).columns["y"].tolist() == [1]


def test_nodes_are_due_for_what_they_have_not_seen() -> None:
    saver = InMemorySaver()
    barrier = {"join:x+y:b": {"x", "y"}}
    put(saver, "seen", {"branch:to:a": None}, {"branch:to:a": 2}, {"a": {"branch:to:a": 2}})
    put(saver, "new", {"branch:to:a": None}, {"branch:to:a": 3}, {"a": {"branch:to:a": 2}})
    put(saver, "open", barrier, {"join:x+y:b": 2})
    put(saver, "half", {"join:x+y:b": {"x"}}, {"join:x+y:b": 2})
    put(saver, "text", {}, {"z": f"{7:032}.{0:016}"})
    state = saver.read_columns(
        saver.register_threads(["seen", "new", "open", "half", "text"]), graph=FORM
    )
    assert [state.nodes[code] for code in state.due] == [(), ("a",), (":b",), (), ()]
    assert state.clock.tolist() == [2, 3, 2, 2, 7]
    assert state.foreign.tolist() == [False] * 4 + [True]
    flags = state.columns["join:x+y:b"].tolist()
    assert [MISSING if f is MISSING else f.tolist() for f in flags[2:]] == [
        [True, True],
        [True, False],
        MISSING,
    ]

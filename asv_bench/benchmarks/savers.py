"""Savers: rows a second that each moves, and one checkpoint at a time beside LangGraph's.

Servers are those of ``VECGRAPH_TEST_POSTGRES`` and ``VECGRAPH_TEST_MYSQL``, or of the usual ports of
this machine; where none answers the benchmark is skipped.
"""

from __future__ import annotations

import operator
import os
import shutil
import tempfile
import time
import uuid
from pathlib import Path
from typing import Annotated, Any, TypedDict

import numpy as np

from vecgraph.checkpoint.base import empty_checkpoint
from vecgraph.checkpoint.memory import InMemorySaver
from vecgraph.checkpoint.sqlite import SqliteSaver
from vecgraph.columns import Column
from vecgraph.engine.flush import ColumnChange, Flush

POSTGRES = os.environ.get("VECGRAPH_TEST_POSTGRES", "postgresql://root@127.0.0.1:5432/test")
MYSQL = os.environ.get("VECGRAPH_TEST_MYSQL", "mysql://root@127.0.0.1:3306/test")
SAVERS = ("memory", "sqlite", "postgres", "mysql")
STEPS = 50
AT: Any = {"configurable": {"thread_id": "one", "checkpoint_ns": ""}}


class _Place:
    """A saver's empty place, and what takes it away again."""

    def __init__(self, kind: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="vecgraph-asv-"))
        self.prefix = f"asv_{uuid.uuid4().hex[:12]}"
        try:
            self.saver: Any = getattr(self, kind)()
            self.saver.get_tuple(AT)
        except (ImportError, OSError) as error:
            shutil.rmtree(self.folder)
            raise NotImplementedError(f"no {kind} here: {error}") from error

    def memory(self) -> Any:
        return InMemorySaver()

    def sqlite(self) -> Any:
        return SqliteSaver(self.folder / "checkpoints.sqlite")

    def postgres(self) -> Any:
        from vecgraph.checkpoint.postgres import PostgresSaver

        return PostgresSaver(POSTGRES, table_prefix=self.prefix)

    def mysql(self) -> Any:
        from vecgraph.checkpoint.mysql import MySQLSaver

        return MySQLSaver(MYSQL, table_prefix=self.prefix)

    def leave(self) -> None:
        """Drop the tables and the folder."""
        storage = self.saver.storage
        if hasattr(storage, "setup"):
            with storage.writing():
                for table in ("chunks", "parts", "schemas", "log"):
                    storage._db.rows(f"DROP TABLE {{p}}_{table}")
                # Nothing is left to note the next numbers in.
                storage._db.rows = lambda *_: []
        self.saver.close()
        shutil.rmtree(self.folder)


class Bulk:
    """A flush of n runs with four channels (int64, float64, int32, flag); rows a second."""

    params = (list(SAVERS), [1_000, 100_000])
    param_names = ("saver", "n")
    version = "1"

    def setup(self, saver: str, n: int) -> None:
        """Open the saver.

        Raises
        ------
        NotImplementedError
            There is no such server.
        """
        self.place = _Place(saver)
        rng = np.random.default_rng(0)
        self.values = {
            "a": rng.integers(0, 1 << 40, n),
            "b": rng.standard_normal(n),
            "c": rng.integers(0, 1 << 20, n).astype(np.int32),
            "d": rng.random(n) < 0.5,
        }

    def teardown(self, saver: str, n: int) -> None:
        """Leave nothing."""
        self.place.leave()

    def track_write(self, saver: str, n: int) -> float:
        """Write flushes in which all four channels changed."""
        place, flushes = self.place.saver, 8
        threads = place.register_threads(prefix="t", count=n)
        begin = time.perf_counter()
        for seq in range(flushes):
            place.write_columns(self._flush(threads, seq))
        place.flush()
        seconds = time.perf_counter() - begin
        self._check(place.read_columns(threads))
        return n * flushes / seconds

    def track_read(self, saver: str, n: int) -> float:
        """Read the latest state of all runs."""
        place = self.place.saver
        threads = place.register_threads(prefix="t", count=n)
        place.write_columns(self._flush(threads, 0))
        begin = time.perf_counter()
        state = place.read_columns(threads)
        seconds = time.perf_counter() - begin
        self._check(state)
        return n / seconds

    track_write.unit = track_read.unit = "rows/s"  # type: ignore[attr-defined]

    def _flush(self, threads: Any, seq: int) -> Flush:
        n = len(threads)
        changes = {
            name: [ColumnChange(None, Column.of_array(v))] for name, v in self.values.items()
        }
        return Flush(
            threads=threads,
            seq=np.full(n, seq, np.int32),
            step=np.full(n, seq, np.int64),
            clock=np.full(n, seq + 1, np.int64),
            ran=np.zeros(n, np.int32),
            due=np.zeros(n, np.int32),
            nodes=[("node",)],
            changes=changes,
        )

    def _check(self, state: Any) -> None:
        for name, values in self.values.items():
            np.testing.assert_array_equal(np.asarray(state.columns[name].values), values)


def _langgraph(kind: str, folder: Path) -> Any:
    """Return LangGraph's saver of a kind; what it needs may be missing."""
    if kind == "langgraph memory":
        from langgraph.checkpoint.memory import InMemorySaver as Theirs

        return Theirs()
    import sqlite3

    from langgraph.checkpoint.sqlite import SqliteSaver as TheirSqlite

    return TheirSqlite(sqlite3.connect(folder / "theirs.sqlite", check_same_thread=False))


class OneByOne:
    """One checkpoint at a time in one thread; microseconds per put and per get."""

    params = ([*SAVERS, "langgraph memory", "langgraph sqlite"], [20, 500])
    param_names = ("saver", "n")
    version = "1"

    def setup(self, saver: str, n: int) -> None:
        """Open the saver.

        Raises
        ------
        NotImplementedError
            There is no such server, or LangGraph's package of it is not installed.
        """
        self.place = None
        self.folder = Path(tempfile.mkdtemp(prefix="vecgraph-asv-"))
        if not saver.startswith("langgraph"):
            self.place = _Place(saver)
            self.saver = self.place.saver
            return
        try:
            self.saver = _langgraph(saver, self.folder)
        except ImportError as error:
            raise NotImplementedError from error

    def teardown(self, saver: str, n: int) -> None:
        """Leave nothing."""
        if self.place is not None:
            self.place.leave()
        shutil.rmtree(self.folder)

    def _put(self, n: int) -> Any:
        at = AT
        for i in range(n):
            checkpoint: Any = {**empty_checkpoint(), "channel_values": {"x": i, "y": "text"}}
            checkpoint["channel_versions"] = {"x": i + 1, "y": 1}
            new = {"x": i + 1} if i else {"x": 1, "y": 1}
            at = self.saver.put(at, checkpoint, {"step": i, "source": "loop"}, new)
        return at

    def track_put(self, saver: str, n: int) -> float:
        """Put a checkpoint in which one of two channels changed."""
        begin = time.perf_counter()
        at = self._put(n)
        seconds = time.perf_counter() - begin
        found = self.saver.get_tuple(at).checkpoint["channel_values"]
        assert found["x"] == n - 1, found
        return 1e6 * seconds / n

    def track_get(self, saver: str, n: int) -> float:
        """Get the latest checkpoint."""
        at = self._put(n)
        begin = time.perf_counter()
        for _ in range(n):
            found = self.saver.get_tuple(at)
        seconds = time.perf_counter() - begin
        assert found.checkpoint["channel_values"]["x"] == n - 1
        return 1e6 * seconds / n

    track_put.unit = track_get.unit = "us"  # type: ignore[attr-defined]


class Counted(TypedDict):
    """A counter, and what it has counted."""

    n: int
    log: Annotated[list[int], operator.add]


class OneRun:
    """A run of 50 supersteps that keeps each of them in memory, beside the same in LangGraph."""

    params = (["vecgraph", "langgraph"],)
    param_names = ("library",)
    version = "1"

    def setup(self, library: str) -> None:
        """Build the graph."""
        if library == "vecgraph":
            from vecgraph.graph import END, START, StateGraph

            saver: Any = InMemorySaver()
        else:
            from langgraph.graph import END, START, StateGraph  # type: ignore[assignment]

            saver = _langgraph("langgraph memory", Path())
        graph = StateGraph(Counted)
        graph.add_node("step", lambda state: {"n": state["n"] + 1, "log": [state["n"]]})
        graph.add_edge(START, "step")
        graph.add_conditional_edges("step", lambda state: "step" if state["n"] % STEPS else END)
        self.app = graph.compile(checkpointer=saver)
        self.threads = 0

    def track_superstep(self, library: str) -> float:
        """CPU time of a superstep, of the quickest of 10 runs."""
        return min(self._timed() for _ in range(10)) / STEPS * 1e6

    def _timed(self) -> float:
        self.threads += 1
        config = {"configurable": {"thread_id": str(self.threads)}, "recursion_limit": 2 * STEPS}
        begin = time.process_time()
        result = self.app.invoke({"n": 0, "log": []}, config)
        seconds = time.process_time() - begin
        assert result == {"n": STEPS, "log": list(range(STEPS))}
        assert len(list(self.app.get_state_history(config))) == STEPS + 2
        return seconds

    track_superstep.unit = "us"  # type: ignore[attr-defined]

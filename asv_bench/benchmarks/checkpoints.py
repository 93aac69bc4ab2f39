"""Checkpoints: time and bytes per run-step, beside LangGraph's savers on the same graph."""

from __future__ import annotations

import operator
import random
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypedDict

import langgraph.graph
import numpy as np
import pyarrow as pa
from langgraph.checkpoint.memory import InMemorySaver as TheirSaver

from benchmarks.axis import sizes
from benchmarks.forms import columns_of
from vecgraph.checkpoint.arrow import ArrowSaver
from vecgraph.checkpoint.memory import InMemorySaver
from vecgraph.graph import END, START, StateGraph

STEPS = 10
RIVAL_RUNS = 50
MESSAGE = 130


class Small(TypedDict):
    """Four small channels."""

    n: int
    x: float
    flag: bool
    k: int


class Chat(TypedDict, total=False):
    """A list that grows by a message a step."""

    n: int
    log: Annotated[list[str], operator.add]


def _step(state: Any) -> dict[str, Any]:
    return {
        "n": state["n"] + 1,
        "x": state["x"] * 0.5 + 1.0,
        "flag": state["x"] > 1.5,
        "k": state["k"] + 2,
    }


def _small(graph: Any, saver: Any, *, batched: bool) -> Any:
    more = {"batched": True} if batched else {}
    builder = graph(Small)
    builder.add_node("step", _step, **more)
    builder.add_edge(START, "step")
    if batched:
        builder.add_conditional_edges(
            "step", lambda s: (s["n"] >= STEPS).view(np.int8), ["step", END], batched=True
        )
    else:
        builder.add_conditional_edges("step", lambda s: END if s["n"] >= STEPS else "step")
    return builder.compile(checkpointer=saver)


def _inputs(n: int) -> list[dict[str, Any]]:
    return [{"n": 0, "x": i / 8, "flag": False, "k": i % 50} for i in range(n)]


def _table(n: int) -> pa.Table:
    at = np.arange(n)
    return pa.table({"n": at * 0, "x": at / 8, "flag": at < 0, "k": at % 50})


@contextmanager
def _folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="vecgraph-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _their_sqlite(folder: Path) -> Any:
    from langgraph.checkpoint.sqlite import SqliteSaver

    return SqliteSaver(sqlite3.connect(folder / "checkpoints.sqlite", check_same_thread=False))


def _cost(run: Callable[[Any], Any], saver: Any) -> float:
    """Return the seconds that a saver adds."""
    begin = time.process_time()
    run(None)
    middle = time.process_time()
    run(saver)
    if hasattr(saver, "close"):
        saver.close()
    return time.process_time() - middle - (middle - begin)


def _ours(n: int) -> Callable[[Any], Any]:
    table = _table(n)
    config: Any = {"configurable": {"thread_id": "t"}}

    def run(saver: Any) -> None:
        result = _small(StateGraph, saver, batched=True).batch(table, config)
        assert (columns_of(result)["n"] == STEPS).all()

    return run


def _theirs(n: int) -> Callable[[Any], Any]:
    def run(saver: Any) -> None:
        app = _small(langgraph.graph.StateGraph, saver, batched=False)
        for i, row in enumerate(_inputs(n)):
            config: Any = {"configurable": {"thread_id": f"t/{i}"}}
            more: Any = {} if saver is None else {"durability": "sync"}
            assert app.invoke(row, config, **more)["n"] == STEPS

    return run


def _kept(n: int) -> int:
    return n * (STEPS + 2)


class RunStep:
    """What keeping the checkpoints of a batch adds, for each run and superstep."""

    params = (sizes(1_000, 100_000), ["zstd", "lz4", "none"])
    param_names = ("n_runs", "compression")
    version = "1"

    def track_microseconds(self, n_runs: int, compression: Any) -> float:
        """CPU time in a folder."""
        with _folder() as folder:
            saver = ArrowSaver(folder, compression=compression, compact_on_close=False)
            return 1e6 * _cost(_ours(n_runs), saver) / _kept(n_runs)

    track_microseconds.unit = "us"  # type: ignore[attr-defined]

    def track_bytes(self, n_runs: int, compression: Any) -> float:
        """Bytes in a folder, versions and metadata included."""
        with _folder() as folder:
            saver = ArrowSaver(folder, compression=compression)
            _ours(n_runs)(saver)
            saver.close()
            return _size(folder) / _kept(n_runs)

    track_bytes.unit = "bytes"  # type: ignore[attr-defined]


class RunStepBytes:
    """Bytes that the checkpoints of a batch take beside those of LangGraph's SQLite saver."""

    params = (sizes(1_000, 100_000),)
    param_names = ("n_runs",)
    version = "1"

    def track_theirs(self, n_runs: int) -> float:
        """Bytes of LangGraph's file for each of few runs and supersteps: it is linear in them."""
        with _folder() as folder:
            return _their_bytes(folder)

    track_theirs.unit = "bytes"  # type: ignore[attr-defined]

    def track_ratio(self, n_runs: int) -> float:
        """Ours for each run and superstep over theirs; less than 1 is smaller."""
        with _folder() as folder, _folder() as other:
            saver = ArrowSaver(folder)
            _ours(n_runs)(saver)
            saver.close()
            return _size(folder) / _kept(n_runs) / _their_bytes(other)

    track_ratio.unit = "ratio"  # type: ignore[attr-defined]


def _their_bytes(folder: Path) -> float:
    try:
        saver = _their_sqlite(folder)
    except ImportError as error:
        raise NotImplementedError("langgraph-checkpoint-sqlite") from error
    _theirs(RIVAL_RUNS)(saver)
    saver.conn.close()  # what it had written ahead goes into the file
    return _size(folder) / _kept(RIVAL_RUNS)


class RunStepRatio:
    """Time for each run and superstep over that of a saver of LangGraph's on its engine."""

    params = (sizes(1_000, 100_000), ["sqlite", "memory"])
    param_names = ("n_runs", "rival")
    version = "1"

    def track_ratio(self, n_runs: int, rival: str) -> float:
        """Less than 1 is faster."""
        with _folder() as folder, _folder() as other:
            saver = ArrowSaver(folder) if rival == "sqlite" else InMemorySaver()
            ours = _cost(_ours(n_runs), saver) / _kept(n_runs)
            if rival == "sqlite":
                try:
                    theirs = _their_sqlite(other)
                except ImportError as error:
                    raise NotImplementedError("langgraph-checkpoint-sqlite") from error
            else:
                theirs = TheirSaver()
            return ours / (_cost(_theirs(RIVAL_RUNS), theirs) / _kept(RIVAL_RUNS))

    track_ratio.unit = "ratio"  # type: ignore[attr-defined]


class Growing:
    """A list that gets a message of 130 bytes in each of 1,000 steps of one run."""

    params = (sizes(100, 1_000),)
    param_names = ("n_steps",)
    version = "1"
    timeout = 300

    def _run(self, graph: Any, saver: Any, n_steps: int) -> list[float]:
        """Return when each step ended."""
        rng, times = random.Random(0), []
        words = ["".join(rng.choices("abcdefgh", k=5)) for _ in range(2000)]

        def add(state: Any) -> dict[str, Any]:
            times.append(time.process_time())
            return {"n": state["n"] + 1, "log": [" ".join(rng.choices(words, k=30))[:MESSAGE]]}

        builder = graph(Chat)
        builder.add_node("add", add)
        builder.add_edge(START, "add")
        builder.add_conditional_edges("add", lambda s: END if s["n"] >= n_steps else "add")
        config: Any = {"configurable": {"thread_id": "t"}, "recursion_limit": n_steps + 5}
        result = builder.compile(checkpointer=saver).invoke(
            {"n": 0, "log": []}, config, durability="sync"
        )
        assert len(result["log"]) == n_steps
        return times

    def track_bytes(self, n_steps: int) -> float:
        """Bytes in a folder once the saver is closed."""
        with _folder() as folder:
            with ArrowSaver(folder) as saver:
                self._run(StateGraph, saver, n_steps)
            return _size(folder)

    track_bytes.unit = "bytes"  # type: ignore[attr-defined]

    def track_growth(self, n_steps: int) -> float:
        """Time of the last tenth of the steps over that of the second; 1 is flat."""
        with _folder() as folder, ArrowSaver(folder) as saver:
            times = self._run(StateGraph, saver, n_steps)
        tenth = n_steps // 10
        return (times[-1] - times[-tenth]) / (times[2 * tenth - 1] - times[tenth])

    track_growth.unit = "ratio"  # type: ignore[attr-defined]


class Resume:
    """Opening a folder and reading the states of all its runs."""

    params = (sizes(1_000, 100_000),)
    param_names = ("n_runs",)
    version = "1"
    timeout = 300

    def setup(self, n_runs: int) -> None:
        """Write the checkpoints, and leave them as a killed process would."""
        self.folder = Path(tempfile.mkdtemp(prefix="vecgraph-bench-"))
        with ArrowSaver(self.folder, compact_on_close=False) as saver:
            _ours(n_runs)(saver)

    def teardown(self, n_runs: int) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder)

    def time_resume(self, n_runs: int) -> None:
        """Seconds from nothing to all states."""
        with ArrowSaver(self.folder, compact_on_close=False) as saver:
            threads = saver.register_threads(prefix="t/", count=n_runs)
            state = saver.read_columns(threads)
        assert (state.columns["n"].values == STEPS).all()


class Compact:
    """Putting the checkpoints of a batch into Arrow files."""

    params = (sizes(1_000, 100_000),)
    param_names = ("n_runs",)
    version = "1"
    number = 1
    timeout = 300

    def setup(self, n_runs: int) -> None:
        """Write the checkpoints."""
        self.folder = Path(tempfile.mkdtemp(prefix="vecgraph-bench-"))
        self.saver = ArrowSaver(self.folder, compact_on_close=False)
        _ours(n_runs)(self.saver)

    def teardown(self, n_runs: int) -> None:
        """Remove the folder."""
        self.saver.close()
        shutil.rmtree(self.folder)

    def time_compact(self, n_runs: int) -> None:
        """Seconds."""
        self.saver.compact()
        assert list(self.folder.glob("checkpoints-*.arrow"))

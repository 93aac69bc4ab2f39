"""Evaluations with checkpoints: killed, gone on with, and refused when something has changed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TypedDict

import pytest
from pyarrow import feather

from vecgraph.evals import (
    Options,
    PlanChangedError,
    RunDirectoryError,
    Sample,
    Task,
    evaluate,
    exact,
    resume,
)
from vecgraph.graph import END, START, StateGraph

MODULE = """
import os
import time
from typing import TypedDict

from vecgraph.evals import Sample, Task, exact
from vecgraph.graph import END, START, StateGraph


class State(TypedDict):
    n: int
    trace: int


def step(state):
    if state["n"] == 3 and state["trace"] == 5:
        raise ValueError("three")
    time.sleep(float(os.environ.get("NAP", "0")))
    return {"n": state["n"], "trace": state["trace"] + 1}


def graph():
    builder = StateGraph(State)
    builder.add_node("step", step)
    builder.add_edge(START, "step")
    builder.add_conditional_edges("step", lambda s: "step" if s["trace"] < 12 else END)
    return builder


task = Task(
    "slow",
    [Sample(str(n), {"n": n, "trace": 0}, target=n) for n in range(40)],
    graph,
    {"exact": exact("n")},
)
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a module of tasks."""
    (tmp_path / "slow_tasks.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def vecgraph(*arguments: str, **options):
    command = [sys.executable, "-c", "from vecgraph.cli import main; main()", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def ended(process) -> str:
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()
    return errors.decode()


def test_a_killed_evaluation_goes_on_and_ends_as_if_nothing_had_happened(work: Path) -> None:
    ended(vecgraph("eval", "slow_tasks:task", "--checkpoints", "--out", "whole"))
    slow = vecgraph(
        "eval",
        "slow_tasks:task",
        "--checkpoints",
        "--out",
        "cut",
        env={**os.environ, "NAP": "0.01"},
    )
    log = work / "cut" / "checkpoints"
    deadline = time.monotonic() + 60
    while sum(f.stat().st_size for f in log.glob("log-*")) < 4000 and slow.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    slow.send_signal(signal.SIGKILL)
    slow.communicate()
    assert not (work / "cut" / "run.json").exists()
    ended(vecgraph("eval", "--resume", "cut"))
    for name in ("runs.arrow", "steps.arrow"):
        whole, cut = (feather.read_table(work / d / name) for d in ("whole", "cut"))
        assert cut.equals(whole), name
    again = vecgraph("eval", "--resume", "cut")
    _, errors = again.communicate(timeout=60)
    assert again.returncode == 2
    assert b"has ended" in errors


class State(TypedDict):
    n: int


def task(double=lambda state: {"n": state["n"] * 2}, count: int = 3, **more: str) -> Task:
    builder = StateGraph(State)
    builder.add_node("double", double)
    builder.add_edge(START, "double")
    builder.add_edge("double", END)
    for name in more:
        builder.add_node(name, double)
    samples = [Sample(str(n), {"n": n}, target=2 * n) for n in range(count)]
    return Task("double", samples, builder, {"exact": exact("n")})


def begun(path: Path, made: Task) -> None:
    """Begin an evaluation that is interrupted before it has ended."""
    evaluate(made, path, checkpoints=True)
    (path / "run.json").unlink()


def test_what_checkpoints_hold_is_not_run_again(tmp_path: Path) -> None:
    calls: list[int] = []

    def double(state: State) -> dict[str, int]:
        calls.append(state["n"])
        return {"n": state["n"] * 2}

    made = task(double)
    begun(tmp_path / "run", made)
    assert len(calls) == 3
    done = resume(tmp_path / "run", made)
    assert len(calls) == 3
    assert done.runs["output_n"].to_pylist() == [0, 2, 4]
    assert done.runs["score_exact"].to_pylist() == [1.0, 1.0, 1.0]


def test_a_changed_graph_or_dataset_is_refused_with_what_changed(tmp_path: Path) -> None:
    begun(tmp_path / "run", task())
    with pytest.raises(PlanChangedError) as refused:
        resume(tmp_path / "run", task(lambda state: {"n": state["n"] * 3}))
    assert [line[0] for line in refused.value.changes] == ["-", "+"]
    assert "node double" in refused.value.changes[0]
    with pytest.raises(PlanChangedError, match=r"\+ sample 3: number 3") as refused:
        resume(tmp_path / "run", task(count=4))
    assert "--accept-changes" in str(refused.value)
    done = resume(tmp_path / "run", task(count=4), accept_changes=True)
    assert done.runs["output_n"].to_pylist() == [0, 2, 4, 6]


def test_only_what_was_begun_and_has_not_ended_can_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match=r"no plan\.json"):
        resume(tmp_path, task())
    evaluate(task(), tmp_path / "run", Options(limit=2), checkpoints=True)
    with pytest.raises(RunDirectoryError, match="has ended"):
        resume(tmp_path / "run", task())


def test_checkpoints_change_nothing_of_what_comes_out(tmp_path: Path) -> None:
    plain = evaluate(task(), tmp_path / "plain")
    kept = evaluate(task(), tmp_path / "kept", checkpoints=True)
    assert kept.runs.equals(plain.runs)
    steps = [feather.read_table(tmp_path / d / "steps.arrow") for d in ("plain", "kept")]
    assert steps[0].to_pylist() == steps[1].to_pylist()

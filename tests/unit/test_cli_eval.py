"""The command line, as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from vecgraph.cli import main

TASKS = """
from typing import TypedDict

from vecgraph.evals import Sample, Task, exact
from vecgraph.graph import END, START, StateGraph


class State(TypedDict):
    x: int
    y: int


def halve(state: State) -> dict[str, int]:
    return {"y": 12 // state["x"]}


def graph():
    builder = StateGraph(State)
    builder.add_node("halve", halve)
    builder.add_edge(START, "halve")
    builder.add_edge("halve", END)
    return builder


task = Task(
    name="halve it",
    dataset=[Sample(str(x), {"x": x}, target=6) for x in range(30)],
    graph=graph,
    scorers={"exact": exact("y")},
)
hopeless = Task("hopeless", [Sample("0", {"x": 0})], graph, {"exact": exact("y")})
broken = Task("broken", [Sample("0", {"x": 0}), Sample("0", {"x": 1})], graph, {"e": exact("y")})
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the user is: a directory with a module of tasks."""
    (tmp_path / "cli_tasks.py").write_text(TASKS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cli_tasks", raising=False)
    return tmp_path


def vecgraph(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), env={"COLUMNS": "100"})


@pytest.mark.parametrize("arguments", [["--help"], ["eval", "--help"], ["demo", "-h"]])
def test_help(arguments: list[str]) -> None:
    result = vecgraph(*arguments)
    assert result.exit_code == 0
    assert "Usage: " in result.output


def test_help_of_eval_names_every_option() -> None:
    text = vecgraph("eval", "--help").output
    for option in ("TASK", "--limit N", "--epochs K", "--seed S", "--max-steps M", "--out DIR"):
        assert option in text
    assert "--json" in text


def test_version() -> None:
    assert vecgraph("--version").output.startswith("vecgraph, version ")


def test_eval_prints_a_report_and_writes_a_directory(work: Path) -> None:
    result = vecgraph("eval", "cli_tasks:task", "--out", "out")
    assert result.exit_code == 0, result.output
    # x = 0 fails, x = 2 is right, the other 28 are wrong.
    for part in ("halve it: 30 runs of 30 samples", "0.034", "29", "error", "Written to out"):
        assert part in result.stdout
    assert {path.name for path in (work / "out").iterdir()} == {
        "run.json",
        "runs.arrow",
        "steps.arrow",
    }


def test_json_is_the_only_output(work: Path) -> None:
    result = vecgraph("eval", "cli_tasks:task", "--json", "--limit", "5", "--epochs", "3")
    summary = json.loads(result.stdout)
    assert (summary["samples"], summary["runs"]) == (5, 15)
    assert summary["status"] == {"done": 12, "error": 3}
    assert result.stderr == ""
    # Without --out the directory is named after the task and the time.
    directory = Path(summary["directory"])
    assert directory.parent == Path("runs")
    assert directory.name.startswith("halve-it-")
    assert (work / directory / "runs.arrow").exists()


def test_an_existing_directory_is_refused_and_left_alone(work: Path) -> None:
    (work / "out").mkdir()
    result = vecgraph("eval", "cli_tasks:task", "--out", "out")
    assert result.exit_code == 2
    assert "'out' exists already" in result.stderr
    assert "--out" in result.stderr
    assert list((work / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["dmeo"], "Did you mean 'demo'"),
        (["nowhere:task"], "no module 'nowhere'"),
        (["cli_tasks:tsk"], "Did you mean 'task'"),
        (["cli_tasks:graph"], "is a StateGraph, not a vecgraph.evals.Task"),
        (["cli_tasks:broken"], "sample id '0' is used twice"),
        (["cli_tasks:task", "--limit", "0"], "--limit"),
        (["cli_tasks:task", "--epochs", "x"], "--epochs"),
        ([], "Missing argument 'TASK'"),
    ],
)
def test_bad_input_is_exit_code_2_with_a_fix(
    work: Path, arguments: list[str], problem: str
) -> None:
    result = vecgraph("eval", *arguments)
    assert result.exit_code == 2, result.output
    assert problem in " ".join(result.stderr.split())
    assert not (work / "runs").exists()


def test_only_a_run_without_any_success_is_exit_code_1(work: Path) -> None:
    result = vecgraph("eval", "cli_tasks:hopeless", "--out", "out")
    assert result.exit_code == 1
    assert (work / "out" / "runs.arrow").exists()


def test_demo_without_reasoning_gym_says_what_to_install(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    result = vecgraph("demo", "--limit", "6")
    assert result.exit_code == 1
    assert "pip install 'vecgraph[demo]'" in " ".join(result.stderr.split())


def test_demo_with_too_few_steps_is_exit_code_2(work: Path) -> None:
    pytest.importorskip("reasoning_gym")
    result = vecgraph("demo", "--limit", "1", "--max-steps", "2")
    assert result.exit_code == 2
    assert "at least 3 steps" in " ".join(result.stderr.split())


def test_demo_shows_the_curve(work: Path) -> None:
    pytest.importorskip("reasoning_gym")
    result = vecgraph("demo", "--limit", "36", "--max-steps", "30", "--out", "out", "--seed", "1")
    assert result.exit_code == 0, result.output
    for part in ("maze", "countdown", "mini_sudoku", "Solved within a budget", "Written to out"):
        assert part in result.stdout
    summary = json.loads((work / "out" / "run.json").read_text())["summary"]
    share = summary["solved_by_steps"]["share"]
    assert share == sorted(share)
    assert share[0] < share[-1] <= 1
    assert summary["status"] == {"done": 36}


def test_demo_solves_the_same_whatever_the_budget_up_to_it(work: Path) -> None:
    """The curve read off one long evaluation is the one that shorter ones give."""
    pytest.importorskip("reasoning_gym")
    summaries = [
        json.loads(
            vecgraph(
                "demo", "--limit", "18", "--max-steps", str(m), "--json", "--out", str(m)
            ).stdout
        )
        for m in (8, 40)
    ]
    short, long = (pd_read(work / str(m)) for m in (8, 40))
    solved = (long["score_judge"] >= 1) & (long["steps"] <= 8)
    assert (short["score_judge"] >= 1).tolist() == solved.tolist()
    assert summaries[0]["solved_by_steps"]["share"][-1] == solved.mean()


def pd_read(directory: Path):
    return pytest.importorskip("pandas").read_feather(directory / "runs.arrow")


def test_the_command_imports_no_engine_for_its_help() -> None:
    code = (
        "import sys, vecgraph.cli; "
        "print([name for name in ('vecgraph.engine', 'rich', 'pandas') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "rich" not in found.stdout
    assert "pandas" not in found.stdout

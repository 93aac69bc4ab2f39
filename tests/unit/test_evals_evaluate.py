"""One batch in, a table of runs, a summary and a directory out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pytest

from vecgraph.evals import (
    Evaluation,
    Options,
    RunDirectoryExistsError,
    Sample,
    SampleError,
    Task,
    TaskError,
    columnwise,
    evaluate,
    exact,
)
from vecgraph.graph import END, START, StateGraph

pd = pytest.importorskip("pandas")


class State(TypedDict):
    x: int
    y: int


def double(state: State) -> dict[str, int]:
    if state["x"] == 7:
        raise ValueError("seven is right out")
    return {"y": 2 * state["x"]}


def turn(state: State) -> str:
    """Runs from 20 on go round for ever."""
    return "double" if state["x"] >= 20 else END


def graph() -> StateGraph:
    builder = StateGraph(State)
    builder.add_node("double", double)
    builder.add_edge(START, "double")
    builder.add_conditional_edges("double", turn, ["double", END])
    return builder


def picky(sample: Sample, output: Mapping[str, Any]) -> float:
    if output["x"] == 3:
        raise RuntimeError("no threes")
    return float(output["x"] % 2)


SAMPLES = [Sample(f"s{x}", {"x": x}, target=2 * x, metadata={"parity": x % 2}) for x in range(25)]
TASK = Task(
    name="double",
    dataset=SAMPLES,
    graph=graph,
    scorers={
        "exact": exact("y"),
        "picky": picky,
        "half": columnwise(lambda samples, outputs: np.full(len(samples), 0.5)),
    },
    max_steps=4,
    group="parity",
    success="exact",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    out = tmp_path_factory.mktemp("evals") / "double"
    return evaluate(TASK, out, Options(epochs=2, seed=3))


def test_runs_table_has_a_row_per_sample_and_epoch(made: Evaluation) -> None:
    runs = pd.read_feather(made.directory / "runs.arrow")
    assert runs["row"].tolist() == list(range(50))
    assert runs["sample"].tolist() == [f"s{x}" for x in range(25)] * 2
    assert runs["epoch"].tolist() == [0] * 25 + [1] * 25
    assert runs["group"].tolist() == [str(x % 2) for x in range(25)] * 2
    done = runs["status"] == "done"
    assert done.tolist() == [x < 20 and x != 7 for x in range(25)] * 2
    assert runs.loc[done, "output_y"].tolist() == (2 * runs.loc[done, "output_x"]).tolist()
    assert runs.loc[done, "steps"].tolist() == [1] * 38


def test_a_failing_run_is_a_row_with_its_error_and_no_scores(made: Evaluation) -> None:
    runs = pd.read_feather(made.directory / "runs.arrow")
    failed = runs[runs["sample"] == "s7"]
    assert failed["status"].tolist() == ["error", "error"]
    assert failed["error"].tolist() == ["ValueError: seven is right out"] * 2
    assert failed["error_node"].tolist() == ["double"] * 2
    assert failed[["score_exact", "score_half"]].isna().all(axis=None)
    endless = runs[runs["sample"] == "s24"]
    assert endless["status"].tolist() == ["recursion"] * 2
    # As in LangGraph, what exceeds the budget is found out after the step that did.
    assert endless["steps"].tolist() == [5] * 2
    assert endless["score_exact"].isna().all()
    assert runs.loc[runs["status"] == "done", "error"].isna().all()


def test_a_scorer_that_raises_costs_one_score_and_is_reported(made: Evaluation) -> None:
    runs = pd.read_feather(made.directory / "runs.arrow")
    three = runs[runs["sample"] == "s3"]
    assert three["score_picky"].isna().all()
    assert three["score_exact"].tolist() == [1, 1]
    assert made.summary["scorer_failures"] == {
        "picky": {"count": 2, "row": 3, "error": "RuntimeError: no threes"}
    }


def test_steps_table_has_a_row_per_run_step_and_node(made: Evaluation) -> None:
    runs = pd.read_feather(made.directory / "runs.arrow")
    steps = pd.read_feather(made.directory / "steps.arrow")
    assert set(steps["node"]) == {"double"}
    assert len(steps) == len(steps.drop_duplicates())
    ran = steps.groupby("row").size()
    finished = runs.loc[runs["status"] != "error", "row"]
    np.testing.assert_array_equal(ran[finished], runs["steps"][finished])


def test_summary_counts_what_the_table_shows(made: Evaluation) -> None:
    summary = made.summary
    assert (summary["samples"], summary["runs"]) == (25, 50)
    assert summary["status"] == {"done": 38, "error": 2, "recursion": 10}
    assert summary["scores"]["exact"]["mean"] == 1.0
    assert summary["scores"]["exact"]["n"] == 38
    assert summary["scores"]["picky"]["n"] == 36
    assert summary["groups"]["0"]["scores"]["exact"]["n"] == 20
    # Of all 50 runs: one that failed has not solved its sample.
    assert summary["solved_by_steps"] == {"max_steps": [2, 3, 4], "share": [0.76] * 3}
    assert summary["max_steps"] == 4


def test_run_json_says_what_was_run(made: Evaluation) -> None:
    about = json.loads((made.directory / "run.json").read_text())
    assert about["arguments"] == {"limit": None, "epochs": 2, "seed": 3, "max_steps": 4}
    assert about["summary"] == {k: v for k, v in made.summary.items() if k != "directory"}
    assert set(about["versions"]) == {"python", "vecgraph", "numpy", "pyarrow"}


def test_limit_takes_the_first_samples(tmp_path: Path) -> None:
    made = evaluate(TASK, tmp_path / "run", Options(limit=3))
    assert made.runs["sample"].to_pylist() == ["s0", "s1", "s2"]


def test_progress_ends_with_all_runs_done(tmp_path: Path) -> None:
    calls: list[tuple[int, ...]] = []
    evaluate(TASK, tmp_path / "run", Options(limit=10), lambda *call: calls.append(call))
    done, running, failed, run_steps = calls[-1]
    assert (done, running, failed, run_steps) == (9, 0, 1, 10)


def test_an_existing_directory_is_refused_before_anything_runs(tmp_path: Path) -> None:
    def dataset() -> list[Sample]:
        pytest.fail("the dataset was made")

    task = Task("t", dataset, graph, {"exact": exact("y")})
    with pytest.raises(RunDirectoryExistsError):
        evaluate(task, tmp_path)


@pytest.mark.parametrize(
    ("change", "error"),
    [({"dataset": []}, SampleError), ({"graph": 3}, TaskError)],
)
def test_a_bad_task_leaves_nothing_behind(
    tmp_path: Path, change: dict[str, Any], error: type[Exception]
) -> None:
    task = Task(
        **{"name": "t", "dataset": SAMPLES, "graph": graph, "scorers": {"e": exact("y")}} | change
    )
    with pytest.raises(error):
        evaluate(task, tmp_path / "run")
    assert list(tmp_path.iterdir()) == []

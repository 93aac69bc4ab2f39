"""Scorers, one run at a time and columnwise, and what becomes of those that raise."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from vecgraph.evals import Sample, columnwise, exact, includes
from vecgraph.evals.scorers import Finished, score

SAMPLES = [Sample("a", {}, target=1), Sample("b", {}, target=2), Sample("c", {}, target=3)]
OUTPUTS = pa.table({"y": [1, 5, 3], "text": ["1", "a 2", ""]})
FINISHED = Finished(np.array([0, 4, 9]), SAMPLES, OUTPUTS.to_pylist(), OUTPUTS)


def test_exact_and_includes() -> None:
    scores, failures = score("exact", exact("y"), FINISHED)
    assert scores.tolist() == [1, 0, 1]
    scores, _ = score("includes", includes("text"), FINISHED)
    assert scores.tolist() == [1, 1, 0]
    assert failures == []


def test_a_scorer_that_raises_costs_its_own_run_only() -> None:
    scores, failures = score("inverse", lambda _, out: 1 / (out["y"] - 5), FINISHED)
    np.testing.assert_array_equal(scores, [-0.25, np.nan, -0.5])
    assert [(failure.scorer, failure.row) for failure in failures] == [("inverse", 4)]
    assert isinstance(failures[0].exception, ZeroDivisionError)


def test_columnwise_is_called_once_with_all_runs() -> None:
    calls = []

    @columnwise
    def near(samples: list[Sample], outputs: pa.Table) -> np.ndarray:
        calls.append(len(samples))
        return np.abs(outputs["y"].to_numpy() - [sample.target for sample in samples])

    scores, failures = score("near", near, FINISHED)
    assert scores.tolist() == [0, 3, 0]
    assert failures == []
    assert calls == [3]


def test_columnwise_of_the_wrong_length_or_raising_scores_nothing() -> None:
    short = columnwise(lambda samples, outputs: [1.0])
    scores, failures = score("short", short, FINISHED)
    assert np.isnan(scores).all()
    assert "returned shape (1,) for 3 runs" in str(failures[0].exception)
    broken = columnwise(lambda samples, outputs: outputs["missing"])
    scores, failures = score("broken", broken, FINISHED)
    assert np.isnan(scores).all()
    assert isinstance(failures[0].exception, KeyError)

"""Means, clustered standard errors and curves against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vecgraph.evals.metrics import budgets, estimate, solved_share


def test_one_value_per_sample_gives_the_usual_standard_error() -> None:
    values = np.array([1.0, 0.0, 1.0, 1.0, 0.5])
    found = estimate(values, clusters=np.arange(5))
    assert found.mean == pytest.approx(0.7)
    assert found.stderr == pytest.approx(values.std(ddof=1) / math.sqrt(5))
    assert found.low == pytest.approx(found.mean - 1.959964 * found.stderr, rel=1e-6)
    assert found.high == pytest.approx(found.mean + 1.959964 * found.stderr, rel=1e-6)
    assert (found.n, found.clusters) == (5, 5)


def test_equal_runs_of_a_sample_do_not_shrink_the_standard_error() -> None:
    values, clusters = np.array([1.0, 0.0, 0.0, 1.0]), np.arange(4)
    once = estimate(values, clusters)
    ten_times = estimate(np.tile(values, 10), np.tile(clusters, 10))
    assert ten_times.stderr == pytest.approx(once.stderr)
    assert (ten_times.n, ten_times.clusters) == (40, 4)


def test_clustered_standard_error_by_hand() -> None:
    # Mean 0.5; sums of deviations per cluster: a 0.5, b -1.0, c 0.5; G = 3, n = 4.
    found = estimate([1.0, 0.0, 0.0, 1.0], clusters=[0, 1, 1, 2])
    assert found.stderr == pytest.approx(math.sqrt(3 / 2 * (0.25 + 1.0 + 0.25)) / 4)


def test_runs_without_a_score_are_left_out() -> None:
    found = estimate([1.0, math.nan, 0.0], clusters=[0, 1, 2])
    assert (found.mean, found.n, found.clusters) == (0.5, 2, 2)


def test_too_few_values_give_no_interval() -> None:
    nothing, one = estimate([], []), estimate([1.0], [0])
    assert math.isnan(nothing.mean)
    assert nothing.n == 0
    assert one.mean == 1.0
    assert math.isnan(one.stderr)


@pytest.mark.parametrize("max_steps", [1, 2, 3, 25, 60, 1000])
def test_budgets_are_distinct_and_end_at_the_largest(max_steps: int) -> None:
    found = budgets(max_steps)
    assert found[-1] == max_steps
    assert (np.diff(found) > 0).all()


def test_solved_share_counts_a_run_from_the_budget_that_it_needed() -> None:
    share = solved_share([True, False, True], steps=[3, 4, 10], at=[2, 3, 9, 10])
    np.testing.assert_allclose(share, [0, 1 / 3, 1 / 3, 2 / 3])

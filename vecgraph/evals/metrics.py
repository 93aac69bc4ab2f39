"""Means of scores and how far to trust them."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Estimate", "budgets", "estimate", "solved_share"]

Z95 = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its uncertainty; NaN where there are too few values to say.

    Parameters
    ----------
    mean, stderr : float
        In the unit of the scores.
    low, high : float
        95 % interval of the mean.
    n, clusters : int
        Values averaged, and the samples that they come from.
    """

    mean: float
    stderr: float
    low: float
    high: float
    n: int
    clusters: int


def estimate(values: npt.ArrayLike, clusters: npt.ArrayLike) -> Estimate:
    """Average scores; runs of one sample count as one cluster.

    Parameters
    ----------
    values : float array of shape (M,)
        Scores; NaN where a run has none: left out.
    clusters : int array of shape (M,)
        The sample of each value. Repeating a sample does not make it a new one: its runs
        resemble each other, and a standard error that ignores it would be too small.

    Returns
    -------
    Estimate
        ``stderr = sqrt(G / (G - 1) * sum_g(sum_i(s_gi - mean))**2) / n`` over G clusters, which
        is the usual ``std / sqrt(n)`` where every cluster is one value. The interval is the
        normal one, ``mean +- 1.96 stderr``: approximate for few samples, and empty where all
        the scores are equal.

    Notes
    -----
    Source: E. Miller, "Adding Error Bars to Evals: A Statistical Approach to Language Model
    Evaluations", arXiv:2411.00640, 2024, section 2.2; the factor ``G / (G - 1)`` is the customary
    correction for few clusters.

    Examples
    --------
    >>> e = estimate([1, 0, 1, 1], clusters=[0, 1, 2, 3])
    >>> e.mean, round(e.stderr, 4)
    (0.75, 0.25)
    """
    scores, groups = np.asarray(values, float), np.asarray(clusters)
    present = ~np.isnan(scores)
    scores, groups = scores[present], groups[present]
    n = scores.size
    if n == 0:
        return Estimate(np.nan, np.nan, np.nan, np.nan, 0, 0)
    mean = float(scores.mean())
    _, codes = np.unique(groups, return_inverse=True)
    sums = np.bincount(codes, weights=scores - mean)
    count = sums.size
    if count < 2:
        return Estimate(mean, np.nan, np.nan, np.nan, n, count)
    stderr = float(np.sqrt(count / (count - 1) * np.square(sums).sum()) / n)
    return Estimate(mean, stderr, mean - Z95 * stderr, mean + Z95 * stderr, n, count)


def budgets(max_steps: int, points: int = 12) -> npt.NDArray[np.int64]:
    """Choose step budgets for a curve: whole numbers, evenly spaced on a log scale.

    Examples
    --------
    >>> budgets(60, points=5).tolist()
    [2, 5, 11, 26, 60]
    """
    low = min(2, max_steps)
    return np.unique(np.rint(np.geomspace(low, max_steps, points)).astype(np.int64))


def solved_share(solved: npt.ArrayLike, steps: npt.ArrayLike, at: npt.ArrayLike) -> Any:
    """Share of the runs that had solved their sample within each budget.

    Parameters
    ----------
    solved : bool array of shape (M,)
    steps : int array of shape (M,)
        Supersteps that the run took.
    at : int array of shape (K,)
        Budgets, in supersteps.

    Returns
    -------
    float array of shape (K,)
        Of all M runs. A run that solved its sample in s steps is counted from budget s on,
        which holds for graphs whose course does not depend on the budget.

    Examples
    --------
    >>> solved_share([True, True, False, True], [2, 5, 9, 5], [1, 2, 5]).tolist()
    [0.0, 0.25, 0.75]
    """
    taken = np.asarray(steps)[np.asarray(solved, np.bool_)]
    return (taken[:, None] <= np.asarray(at)).sum(axis=0) / np.size(steps)

"""Scorers: how good the output of a run is.

A scorer is a function ``(sample, output) -> float``, called once per finished run; `output` is the
run's output state. `columnwise` makes one that gets all the finished runs at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from vecgraph.evals.dataset import Sample

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "Columnwise",
    "Finished",
    "Scorer",
    "ScorerFailure",
    "columnwise",
    "exact",
    "includes",
    "score",
]

ScalarScorer: TypeAlias = Callable[[Sample, Mapping[str, Any]], float]


@dataclass(frozen=True, slots=True)
class Columnwise:
    """A scorer of all the finished runs at once.

    Parameters
    ----------
    function : callable
        ``(samples, outputs) -> scores``: M samples, their outputs as an Arrow table of M rows
        with a column per output channel, and M numbers back, NaN for "no score".
    """

    function: Callable[[Sequence[Sample], pa.Table], npt.ArrayLike]


Scorer: TypeAlias = ScalarScorer | Columnwise


@dataclass(frozen=True, slots=True)
class Finished:
    """The runs that have an output, M of them.

    Parameters
    ----------
    rows : int64 array of shape (M,)
        Their row numbers.
    samples : sequence of Sample
    outputs : sequence
        Each one's output state, exactly as `invoke` would return it.
    table : Table of M rows
        The same as columns.
    """

    rows: npt.NDArray[np.int64]
    samples: Sequence[Sample]
    outputs: Sequence[Any]
    table: pa.Table


@dataclass(frozen=True, slots=True)
class ScorerFailure:
    """A scorer that raised, and for which run; `row` is -1 for a columnwise scorer."""

    scorer: str
    row: int
    exception: Exception


def columnwise(function: Callable[[Sequence[Sample], pa.Table], npt.ArrayLike]) -> Columnwise:
    """Make a scorer that is called once with all the finished runs.

    Examples
    --------
    >>> @columnwise
    ... def length(samples, outputs):
    ...     return [len(text) for text in outputs["answer"].to_pylist()]
    """
    return Columnwise(function)


def exact(channel: str) -> ScalarScorer:
    """Score 1 where an output channel equals the sample's target, else 0.

    Examples
    --------
    >>> exact("y")(Sample("a", {}, target=3), {"y": 3})
    1.0
    """
    return lambda sample, output: float(output[channel] == sample.target)


def includes(channel: str) -> ScalarScorer:
    """Score 1 where the text of an output channel contains the sample's target, else 0.

    Examples
    --------
    >>> includes("text")(Sample("a", {}, target="Paris"), {"text": "It is Paris."})
    1.0
    """
    return lambda sample, output: float(str(sample.target) in str(output[channel]))


def score(
    name: str, scorer: Scorer, finished: Finished
) -> tuple[npt.NDArray[np.float64], list[ScorerFailure]]:
    """Score the finished runs; a run whose scorer raises has no score, the others keep theirs.

    Parameters
    ----------
    name : str
        Of the scorer, for the failures.
    scorer : Scorer
    finished : Finished
        M runs.

    Returns
    -------
    float64 array of shape (M,)
        NaN where there is no score.
    list of ScorerFailure
    """
    if isinstance(scorer, Columnwise):
        return _score_columns(name, scorer, finished)
    scores = np.full(len(finished.samples), np.nan)
    failures: list[ScorerFailure] = []
    for at, (sample, output) in enumerate(zip(finished.samples, finished.outputs, strict=True)):
        try:
            scores[at] = scorer(sample, output)
        except Exception as error:  # noqa: BLE001 - a scorer is the user's and may raise anything
            failures.append(ScorerFailure(name, int(finished.rows[at]), error))
    return scores, failures


def _score_columns(
    name: str, scorer: Columnwise, finished: Finished
) -> tuple[npt.NDArray[np.float64], list[ScorerFailure]]:
    nothing = np.full(len(finished.samples), np.nan)
    try:
        scores = np.asarray(scorer.function(finished.samples, finished.table), float)
    except Exception as error:  # noqa: BLE001 - as above
        return nothing, [ScorerFailure(name, -1, error)]
    if scores.shape != nothing.shape:
        problem = ValueError(
            f"scorer {name!r} returned shape {scores.shape} for {nothing.size} runs. "
            "Hint: return one number per run"
        )
        return nothing, [ScorerFailure(name, -1, problem)]
    return scores, []

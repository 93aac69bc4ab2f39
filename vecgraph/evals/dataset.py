"""Samples: what a task asks its graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Sample", "SampleError", "columns"]


class SampleError(ValueError):
    """The samples of a dataset do not make a batch; names the sample and the fix."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One question.

    Parameters
    ----------
    id : str
        Unique within the dataset; scores are clustered by it.
    input : mapping
        Channel name -> value: what the graph is invoked with. The same keys in every sample.
    target : object
        What scorers compare with; the graph never sees it.
    metadata : mapping
        Anything else, for scorers and reports.
    """

    id: str
    input: Mapping[str, Any]
    target: Any = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


def columns(samples: Sequence[Sample], epochs: int = 1) -> dict[str, npt.NDArray[Any]]:
    """Lay the inputs out as columns, epoch after epoch.

    Parameters
    ----------
    samples : sequence of N Sample
    epochs : int
        Times that every sample is run.

    Returns
    -------
    dict
        Channel name -> array of ``N * epochs`` values: bool, int64 or float64 where all the
        values have that one type, else object. Row r is sample ``r % N`` in epoch ``r // N``, so
        that more epochs leave the first ones as they were.

    Raises
    ------
    SampleError
        No samples, an id used twice, or samples with different input keys.

    Examples
    --------
    >>> columns([Sample("a", {"x": 1}), Sample("b", {"x": 2})], epochs=2)
    {'x': array([1, 2, 1, 2])}
    """
    _check(samples)
    names = samples[0].input
    return {name: np.tile(_column([s.input[name] for s in samples]), epochs) for name in names}


def _column(values: list[Any]) -> npt.NDArray[Any]:
    column = np.empty(len(values), object)
    column[:] = [None] * len(values)
    for at, value in enumerate(values):
        column[at] = value
    kinds = set(map(type, values))
    if len(kinds) == 1 and kinds <= {bool, int, float}:
        plain = np.array(values)
        # Integers beyond 64 bits stay Python's: they must not become floats.
        return plain if plain.dtype.kind in "bif" and plain.dtype.itemsize <= 8 else column
    return column


def _check(samples: Sequence[Sample]) -> None:
    if not samples:
        raise SampleError("the dataset has no samples. Hint: raise --limit or fix the dataset")
    seen: dict[str, int] = {}
    keys = set(samples[0].input)
    for at, sample in enumerate(samples):
        if sample.id in seen:
            raise SampleError(
                f"sample id {sample.id!r} is used twice, at {seen[sample.id]} and {at}. "
                "Hint: give every sample its own id"
            )
        seen[sample.id] = at
        if set(sample.input) != keys:
            raise SampleError(
                f"sample {sample.id!r} has the input keys {sorted(sample.input)}, the first "
                f"sample has {sorted(keys)}. Hint: give every sample the same keys"
            )

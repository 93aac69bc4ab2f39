"""Batches of one row, and the way back from a vector node's columns to one run's return."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from vecgraph.types import Command, Send

__all__ = ["OneRow", "scalars"]


class OneRow(Mapping[str, Any]):
    """One run's input as a batch: the least that a vector node may rely on.

    Attributes
    ----------
    rows : int64 ndarray of shape (1,)
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values_of_row = values
        self.rows = np.zeros(1, np.int64)

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return column(self.values_of_row[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_of_row)

    def __len__(self) -> int:
        return 1

    def present(self, name: str) -> npt.NDArray[np.bool_]:
        """Return whether the run has a value in channel `name`."""
        return np.array([name in self.values_of_row])


def column(value: Any) -> npt.NDArray[Any]:
    """Return one value as an array of shape (1,) that keeps its type."""
    if type(value) in {bool, float} or (type(value) is int and -(2**63) <= value < 2**63):
        return np.array([value])
    out = np.empty(1, dtype=object)
    out[0] = value
    return out


def scalars(returned: Any) -> Any:
    """Return what a scalar node would have returned instead of these columns of one row."""
    items = returned if isinstance(returned, list | tuple) else [returned]
    pieces: list[dict[str, Any]] = []
    goto: list[Any] = []
    for item in items:
        if isinstance(item, Mapping):
            pieces.append({key: first(values) for key, values in item.items()})
        elif item is not None and _chosen(item.where):
            kind = type(item).__name__
            if kind == "Updates":
                pieces.append({key: first(values) for key, values in item.values.items()})
            elif kind == "Goto":
                goto.append(first(item.labels))
            else:
                goto += _sends(item)
    return _returned(pieces, goto)


def _returned(pieces: list[dict[str, Any]], goto: list[Any]) -> Any:
    if len(pieces) > 1:
        return [Command(update=pieces[0], goto=goto), *pieces[1:]]
    update = pieces[0] if pieces else None
    return Command(update=update, goto=goto) if goto else update


def _sends(item: Any) -> list[Send]:
    count = 1 if item.where is None else len(np.flatnonzero(np.asarray(item.where) == 0))
    columns = {key: np.atleast_1d(np.asarray(v)).tolist() for key, v in item.values.items()}
    picked = range(count)
    return [
        Send(item.node, {key: v[min(at, len(v) - 1)] for key, v in columns.items()})
        for at in picked
    ]


def _chosen(where: Any) -> bool:
    if where is None:
        return True
    places = np.asarray(where)
    return bool(places.any()) if places.dtype == np.bool_ else places.size > 0


def first(values: Any) -> Any:
    """Return the only row of a column, or the scalar that stands for it."""
    if isinstance(values, np.ndarray):
        return values.tolist() if values.ndim == 0 else _item(values)
    if isinstance(values, np.generic):
        return values.item()
    if hasattr(values, "to_pylist"):
        return values.to_pylist()[0]
    return values[0] if isinstance(values, list) else values


def _item(values: npt.NDArray[Any]) -> Any:
    return values[0] if values.ndim > 1 else values.tolist()[0]

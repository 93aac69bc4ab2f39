"""Columns of arrays, one of the same shape per run, as one array."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["tensor"]


def tensor(batch: Mapping[str, Any], name: str) -> npt.NDArray[Any]:
    """Return a channel's column with the rows' arrays stacked: shape (M, *shape).

    Arrays that plain functions wrote are objects to the engine, and come as such.

    Examples
    --------
    >>> column = np.empty(2, object)
    >>> column[0], column[1] = np.zeros(3), np.ones(3)
    >>> tensor({"x": column}, "x").shape
    (2, 3)
    """
    column: npt.NDArray[Any] = batch[name]
    return np.stack(column.tolist()) if column.dtype == object else column

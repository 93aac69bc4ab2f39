"""Aliases that carry the shape of an array or the role of a value."""

from __future__ import annotations

from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

__all__ = [
    "ContextT",
    "InputT",
    "Mask",
    "OutputT",
    "Rows",
    "StateT",
    "StateT_co",
    "StateT_contra",
    "Values",
    "Where",
]

StateT = TypeVar("StateT")
StateT_co = TypeVar("StateT_co", covariant=True)
StateT_contra = TypeVar("StateT_contra", contravariant=True)
"""A state's class."""

ContextT = TypeVar("ContextT")
InputT = TypeVar("InputT")
OutputT = TypeVar("OutputT")
"""Classes of a run's context, input and output."""

Rows: TypeAlias = npt.NDArray[np.int64]
"""Row numbers of a batch, int64, shape (M,); sorted and unique unless said otherwise."""

Mask: TypeAlias = npt.NDArray[np.bool_]
"""One bool a row, shape (N,)."""

Where: TypeAlias = npt.NDArray[np.intp] | None
"""Positions in a State of N rows, intp, shape (M,); None stands for all N, in order."""

Values: TypeAlias = npt.NDArray[Any]
"""N values, shape (N, ...): bool, int64, float64, object, structured, or a tensor per row."""

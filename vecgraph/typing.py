"""Aliases that carry the shape of an array or the role of a value."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Mask", "Rows", "Values", "Where"]

Rows: TypeAlias = npt.NDArray[np.int64]
"""Row numbers of a batch, int64, shape (M,); sorted and unique unless said otherwise."""

Mask: TypeAlias = npt.NDArray[np.bool_]
"""One bool a row, shape (N,)."""

Where: TypeAlias = npt.NDArray[np.intp] | None
"""Positions in a State of N rows, intp, shape (M,); None stands for all N, in order."""

Values: TypeAlias = npt.NDArray[Any]
"""N values, shape (N, ...): bool, int64, float64, object, structured, or a tensor per row."""

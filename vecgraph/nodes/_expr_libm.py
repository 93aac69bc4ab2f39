"""The functions of the C mathematical library on columns, equal to `math`'s bit for bit."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["libm"]

Floats = npt.NDArray[np.float64]

# NumPy has its own exp, log, sin, ... for some processors, which differ from Python's in the
# last bit. numexpr without Intel's VML calls the C library as Python does, and threads it.


def libm(name: str, *arguments: Floats) -> Floats:
    """Apply a function of `math` to every row.

    Parameters
    ----------
    name : str
        One of exp, log, log10, log1p, expm1, sin, cos, tan, or pow (of two arguments).
    *arguments : float64 ndarrays of shape (M,) or ()
        Not modified.

    Returns
    -------
    float64 ndarray of shape (M,)
        Infinite or NaN where Python's function raises.
    """
    kernel = _numexpr(name)
    if kernel is not None:
        result: Floats = kernel(*arguments)
        return result
    return _map(name, arguments)


def _guarded(name: str) -> Callable[..., float]:
    function: Callable[..., Any] = getattr(math, name) if name != "pow" else float.__pow__

    def guarded(*arguments: float) -> float:
        try:
            value = function(*arguments)
        except (ValueError, OverflowError, ZeroDivisionError):
            return math.nan
        return value if type(value) is float else math.nan  # the power may be complex

    return guarded


def _map(name: str, arguments: tuple[Floats, ...]) -> Floats:
    columns = np.broadcast_arrays(*arguments)
    rows = [column.tolist() for column in columns]
    return np.fromiter(map(_guarded(name), *rows), np.float64, columns[0].size)


@functools.cache
def _numexpr(name: str) -> Callable[..., Any] | None:
    """Compile numexpr's kernel; None where it does not agree with Python on the probes."""
    # Imported at first use: most graphs need no transcendental function.
    import numexpr

    if numexpr.use_vml:
        return None
    text, names = ("a ** b", "ab") if name == "pow" else (f"{name}(a)", "a")
    kernel: Callable[..., Any] = numexpr.NumExpr(text, [(each, np.float64) for each in names])
    rng = np.random.default_rng(0)
    first = np.concatenate([rng.uniform(-9, 9, 300), np.exp(rng.uniform(-300, 300, 300))])
    probes = (first, rng.permutation(first))[: len(names)]
    expected = _map(name, probes)
    known = np.isfinite(expected)
    return kernel if np.array_equal(kernel(*probes)[known], expected[known]) else None

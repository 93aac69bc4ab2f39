"""Pick between arrays by a mask, equal to `np.where` and `np.select`, fast on masks from data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from vecgraph.typing import Values

__all__ = ["select", "where"]

# Below this many rows one call of np.where costs less than the three passes that replace it.
_SMALL: Final = 2048

# Rows per pass of the bit blend: its three buffers then stay in the second-level cache.
_BLOCK: Final = 8192


def where(condition: npt.ArrayLike, then: npt.ArrayLike, other: npt.ArrayLike) -> Values:
    """Take `then` where the condition holds and `other` elsewhere, as `np.where` does.

    Parameters
    ----------
    condition : array_like of bool
        Anything `np.where` takes.
    then, other : array_like
        Broadcast against the condition.

    Returns
    -------
    ndarray
        Bit for bit what ``np.where(condition, then, other)`` gives, in the same dtype; new.

    Notes
    -----
    `np.where` mispredicts a branch per row on masks that follow the data. Values of eight bytes
    are blended here as bit patterns, ``other ^ ((then ^ other) & -mask)``; of others the rows
    that take `then` are listed, taken and scattered. Neither has a branch.

    Examples
    --------
    >>> where([True, False, True], [1, 2, 3], 0).tolist()
    [1, 0, 3]
    """
    mask = np.asarray(condition)
    if mask.dtype != np.bool_ or mask.ndim != 1 or mask.size < _SMALL:
        return np.where(mask, then, other)
    if not (_rowlike(then, mask.size) and _rowlike(other, mask.size)):
        return np.where(mask, then, other)
    dtype = _common(then, other)
    if dtype is None:
        return np.where(mask, then, other)
    if dtype.itemsize == 8 and dtype.kind in "if":
        return _bits(mask, np.asarray(then, dtype), np.asarray(other, dtype))
    result = _filled(other, mask.size, dtype)
    _scatter(result, np.flatnonzero(mask), then)
    return result


def select(
    conditions: Sequence[npt.ArrayLike],
    choices: Sequence[npt.ArrayLike],
    default: npt.ArrayLike = 0,
) -> Values:
    """Take the choice of the first condition that holds, or the default, as `np.select` does.

    Parameters
    ----------
    conditions : sequence of array_like of bool
        The first true one decides.
    choices : sequence of array_like
        One for each condition.
    default : array_like
        Where no condition holds.

    Returns
    -------
    ndarray
        Bit for bit what ``np.select(conditions, choices, default)`` gives; new.

    Examples
    --------
    >>> select([[True, False, False], [True, True, False]], [1.5, 2.5]).tolist()
    [1.5, 2.5, 0.0]
    """
    masks = [np.asarray(condition) for condition in conditions]
    n = masks[0].size if masks else 0
    plain = len(masks) == len(choices) and n >= _SMALL
    plain = plain and all(mask.dtype == np.bool_ and mask.shape == (n,) for mask in masks)
    plain = plain and all(_rowlike(each, n) for each in (*choices, default))
    dtype = _common(*choices, default) if plain else None
    if dtype is None:
        return np.select(masks, list(choices), default)
    result = _filled(default, n, dtype)
    for mask, choice in zip(reversed(masks), reversed(choices), strict=True):
        _scatter(result, np.flatnonzero(mask), choice)
    return result


def _rowlike(value: Any, n: int) -> bool:
    shape = np.shape(value)
    return shape in {(), (n,)}


def _common(*values: Any) -> np.dtype[Any] | None:
    """Return NumPy's result type, weak for Python's numbers; None where NumPy must decide."""
    kept = [v if isinstance(v, bool | int | float | complex) else np.asarray(v) for v in values]
    try:
        dtype = np.result_type(*kept)
    except (TypeError, OverflowError):
        return None
    if dtype.kind in "iu":
        # NumPy wraps a Python int that the dtype lacks; assigning it here would raise.
        limits = np.iinfo(dtype)
        if any(isinstance(v, int) and not limits.min <= v <= limits.max for v in kept):
            return None
    return dtype if dtype.kind in "biufc" else None


def _bits(mask: npt.NDArray[np.bool_], then: Values, other: Values) -> Values:
    result = np.empty(mask.size, then.dtype)
    bits, yes, no = (each.view(np.int64) for each in (result, then, other))
    pattern = np.empty(min(_BLOCK, mask.size), np.int64)
    for begin in range(0, mask.size, _BLOCK):
        part = slice(begin, begin + _BLOCK)
        into = bits[part]
        keep = np.negative(mask[part], out=pattern[: into.size], dtype=np.int64)
        base = no[part] if no.ndim else no
        np.bitwise_xor(yes[part] if yes.ndim else yes, base, out=into)
        into &= keep
        into ^= base
    return result


def _filled(value: Any, n: int, dtype: np.dtype[Any]) -> Values:
    result = np.empty(n, dtype)
    result[...] = value
    return result


def _scatter(result: Values, where: npt.NDArray[np.intp], value: Any) -> None:
    values = np.asarray(value)
    result[where] = values if values.ndim == 0 else values.take(where)

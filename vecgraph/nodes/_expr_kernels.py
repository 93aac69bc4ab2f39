"""Python's arithmetic and comparisons on whole columns, exact or marked as suspect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from vecgraph.nodes import _expr_arrow as arrow
from vecgraph.nodes._expr_frame import Frame, spread
from vecgraph.nodes._expr_libm import libm
from vecgraph.nodes._expr_vector import DTYPES, INT64, Vector, fits, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from vecgraph.typing import Mask, Values

__all__ = ["binary", "compare", "finite_or_marked", "negative", "numeric"]

# Every int up to here is a float64; beyond, NumPy rounds ints where Python compares exactly.
_EXACT: Final = 2**53
# A float64 estimate below this proves that the int result is within int64.
_SAFE: Final = 9.2e18

_ARITHMETIC: Final[dict[str, np.ufunc]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "//": np.floor_divide,
    "%": np.remainder,
}
_COMPARE: Final[dict[str, np.ufunc]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}
_NUMBERS: Final = frozenset("bif")
_EQUALITY: Final = frozenset({"==", "!="})


def numeric(*vectors: Vector) -> bool:
    """Tell whether all are bools, ints or floats, at least one of them a column."""
    column = False
    for vector in vectors:
        if vector.kind not in _NUMBERS:
            return False
        column = column or not vector.scalar
    return column


def binary(op: str, left: Vector, right: Vector, frame: Frame) -> Vector:
    """Compute ``left op right``; rows that raise, or would be inexact, are marked."""
    if left.kind in _NUMBERS and right.kind in _NUMBERS:
        return _binary(op, left, right, frame)
    return spread(lambda v, part: _binary(op, v[0], v[1], part), [left, right], frame)


def compare(op: str, left: Vector, right: Vector, frame: Frame) -> Vector:
    """Compute ``left op right`` to bools; ints and floats compare exactly, as in Python."""
    if left.kind in _NUMBERS and right.kind in _NUMBERS:
        return _compare(op, left, right, frame)
    return spread(lambda v, part: _compare(op, v[0], v[1], part), [left, right], frame)


def negative(operand: Vector, frame: Frame) -> Vector:
    """Compute ``-operand``."""
    return spread(lambda v, part: _negative(v[0], part), [operand], frame)


def finite_or_marked(result: Values, arguments: tuple[Values, ...], frame: Frame) -> Vector:
    """Trust finite results, and NaN from NaN; anything else may be an exception in Python."""
    finite = np.isfinite(result)
    if not finite.all():
        suspect = ~finite
        if len(arguments) == 1:
            suspect &= ~np.isnan(arguments[0])
        frame.mark(suspect)
    return Vector("f", result, own=True)


def _binary(op: str, left: Vector, right: Vector, frame: Frame) -> Vector:
    if op == "+" and left.kind == right.kind == "s" and not (left.scalar and right.scalar):
        return Vector("s", np.add(_boxed(left), _boxed(right)), own=True)
    if "t" in {left.kind, right.kind}:
        return _join(op, left, right, frame)
    if not numeric(left, right):
        return frame.dead()
    if op == "/":
        return _true_divide(left, right, frame)
    if "f" in {left.kind, right.kind}:
        return _float(op, left.to("f"), right.to("f"), frame)
    return _INT[op](op, left.to("i"), right.to("i"), frame)


def _compare(op: str, left: Vector, right: Vector, frame: Frame) -> Vector:
    if numeric(left, right):
        return _compare_numbers(op, left, right, frame)
    if left.kind == right.kind == "s" and not (left.scalar and right.scalar):
        return Vector("b", _COMPARE[op](_boxed(left), _boxed(right)).astype(np.bool_), own=True)
    if "n" in {left.kind, right.kind}:
        return _compare_none(op, left, right, frame)
    if "t" in {left.kind, right.kind}:
        return _compare_texts(op, left, right, frame)
    return frame.dead()


def _compare_numbers(op: str, left: Vector, right: Vector, frame: Frame) -> Vector:
    kinds = left.kind + right.kind
    if "f" in kinds:
        for each in (left, right):
            if each.kind == "i":
                _mark_inexact(each, frame)
        left, right = left.to("f"), right.to("f")
    elif kinds != "bb" or left.scalar or right.scalar:
        left, right = left.to("i"), right.to("i")
    return Vector("b", _COMPARE[op](left.values, right.values), own=True)


def _join(op: str, left: Vector, right: Vector, frame: Frame) -> Vector:
    if op != "+" or not {left.kind, right.kind} <= {"t", "s"}:
        return frame.dead()
    pair = _for_arrow(left), _for_arrow(right)
    if None in pair:
        return binary(op, plain(left), plain(right), frame)
    joined, nulls = arrow.join(*pair)
    if nulls is not None:
        frame.mark(nulls)
    return Vector("t", joined)


def _compare_texts(op: str, left: Vector, right: Vector, frame: Frame) -> Vector:
    if not {left.kind, right.kind} <= {"t", "s"}:
        return compare(op, plain(left), plain(right), frame) if op in _EQUALITY else frame.dead()
    pair = _for_arrow(left), _for_arrow(right)
    if None in pair:
        return compare(op, plain(left), plain(right), frame)
    values, nulls = arrow.compare(op, *pair)
    if nulls is not None:
        frame.mark(nulls)
    return Vector("b", values, own=True)


def _for_arrow(vector: Vector) -> Any:
    """Return a text as Arrow takes it; None if it would have to be converted row by row."""
    if vector.kind == "t":
        return vector.values
    return arrow.literal(vector.values) if vector.scalar else None


def _compare_none(op: str, left: Vector, right: Vector, frame: Frame) -> Vector:
    """Compare None: it equals itself alone, and has no order."""
    other = left if right.kind == "n" else right
    if op not in _EQUALITY or other.kind == "o":
        return frame.dead()
    if other.kind == "t":
        equal = arrow.is_none(other.values)
    else:
        equal = np.full(frame.n, other.kind == "n")
    return Vector("b", equal if op == "==" else ~equal, own=True)


def _negative(operand: Vector, frame: Frame) -> Vector:
    if not numeric(operand):
        return frame.dead()
    if operand.kind == "f":
        return Vector("f", np.negative(operand.values, out=_reuse("f", operand)), own=True)
    return _linear("-", Vector("i", 0), operand.to("i"), frame)


def _boxed(vector: Vector) -> Values:
    return np.asarray(vector.values, object)


def _reuse(kind: str, *operands: Vector) -> Any:
    """Return the array of an operand that nobody else reads, to write the result into."""
    for operand in operands:
        if operand.own and operand.kind == kind and not operand.scalar:
            return operand.values
    return None


def _beyond(vector: Vector, limit: int) -> Mask | None:
    """Return the mask of ints beyond +-limit, None when the bounds rule them out."""
    low, high = vector.interval()
    if -limit <= low and high <= limit:
        return None
    low, high = vector.measure()
    if -limit <= low and high <= limit:
        return None
    return np.asarray((vector.values > limit) | (vector.values < -limit))


def _mark_inexact(vector: Vector, frame: Frame) -> None:
    beyond = _beyond(vector, _EXACT)
    if beyond is not None:
        frame.mark(np.broadcast_to(beyond, (frame.n,)))


def _mark_zero(divisor: Vector, frame: Frame) -> None:
    if divisor.kind == "i":
        low, high = divisor.interval()
        if low > 0 or high < 0:
            return
    frame.mark(np.broadcast_to(np.equal(divisor.values, 0), (frame.n,)))


def _true_divide(left: Vector, right: Vector, frame: Frame) -> Vector:
    if "f" not in {left.kind, right.kind}:
        # Python rounds the exact quotient once; so does the hardware, for exact operands.
        _mark_inexact(left, frame)
        _mark_inexact(right, frame)
    return _float("/", left.to("f"), right.to("f"), frame)


def _float(op: str, left: Vector, right: Vector, frame: Frame) -> Vector:
    if op == "**":
        base, exponent = (np.asarray(each.values, np.float64) for each in (left, right))
        return finite_or_marked(libm("pow", base, exponent), (base, exponent), frame)
    out = _reuse("f", left, right)
    if op in {"/", "//", "%"} and not (right.scalar and right.values != 0):
        # Looked for, since the processor does not report inf / 0 and nan / 0.
        _mark_zero(right, frame)
    return Vector("f", _ARITHMETIC[op](left.values, right.values, out=out), own=True)


def _span(op: str, left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
    """Return the interval of ``a op b`` for all a, b of two intervals (R. E. Moore, 1966)."""
    if op == "+":
        return left[0] + right[0], left[1] + right[1]
    if op == "-":
        return left[0] - right[1], left[1] - right[0]
    corners = [a * b for a in left for b in right]
    return min(corners), max(corners)


def _linear(op: str, left: Vector, right: Vector, frame: Frame) -> Vector:
    """Compute int64 +, - or *; bounds prove most columns safe without looking at their rows."""
    bounds = _span(op, left.interval(), right.interval())
    if not fits(*bounds):
        bounds = _span(op, left.measure(), right.measure())
    ufunc = _ARITHMETIC[op]
    if not fits(*bounds):
        estimate = np.abs(ufunc(left.to("f").values, right.to("f").values))
        frame.mark(~(estimate < _SAFE))
        bounds = max(bounds[0], INT64[0]), min(bounds[1], INT64[1])
    out = _reuse("i", left, right)
    return Vector("i", ufunc(left.values, right.values, out=out), own=True, bounds=bounds)


def _divide(op: str, left: Vector, right: Vector, frame: Frame) -> Vector:
    """Compute int64 // or %, floored as in Python."""
    if right.scalar and right.values == 0:
        return frame.dead()
    _mark_zero(right, frame)
    (low, high), (least, most) = left.interval(), right.interval()
    if low == INT64[0] and least <= -1 <= most:
        # The one quotient that does not fit: -2**63 // -1.
        frame.mark(np.broadcast_to(np.equal(left.values, INT64[0]), (frame.n,)))
    if op == "//":
        reach = max(abs(low), abs(high))
        bounds = max(-reach, INT64[0]), min(reach, INT64[1])
        return Vector("i", np.floor_divide(left.values, right.values), own=True, bounds=bounds)
    bounds = min(least + 1, 0), max(most - 1, 0)
    if right.scalar:
        # NumPy divides by a scalar with a multiplication, but takes the slow road for %.
        # Where quotient * divisor wraps, the subtraction wraps back.
        values = np.floor_divide(left.values, right.values)
        values *= right.values
        np.subtract(left.values, values, out=values)
    else:
        values = np.remainder(left.values, right.values)
    return Vector("i", values, own=True, bounds=bounds)


def _power(_op: str, left: Vector, right: Vector, frame: Frame) -> Vector:
    """Compute int64 ``**``; negative exponents give floats, in Python and so here."""
    least, most = right.interval()
    if right.scalar and least < 0:
        _mark_zero(left, frame)
        return _float("**", left.to("f"), right.to("f"), frame)
    if least < 0:
        frame.mark(np.less(right.values, 0))
    reach = max(map(abs, left.interval()))
    if reach > 1 and (most > 63 or reach**most > INT64[1]):
        estimate = np.power(np.abs(left.to("f").values), right.to("f").values)
        frame.mark(~(estimate < _SAFE))
        bounds = INT64
    else:
        bounds = (-(reach ** max(most, 0)) - 1, reach ** max(most, 0) + 1)
        bounds = max(bounds[0], INT64[0]), min(bounds[1], INT64[1])
    exponent = np.maximum(right.values, 0)
    base = np.asarray(left.values, DTYPES["i"])
    return Vector("i", np.power(base, exponent), own=True, bounds=bounds)


_INT: Final[dict[str, Callable[[str, Vector, Vector, Frame], Vector]]] = {
    "+": _linear,
    "-": _linear,
    "*": _linear,
    "//": _divide,
    "%": _divide,
    "**": _power,
}

"""Python's operators on columns beyond those of expressions: truth, bits, and rows one by one."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from vecgraph.nodes import _expr_arrow as arrow
from vecgraph.nodes._expr_columns import member
from vecgraph.nodes._expr_frame import Frame, spread
from vecgraph.nodes._expr_functions import blend
from vecgraph.nodes._expr_kernels import binary, compare, negative
from vecgraph.nodes._expr_scalar import power
from vecgraph.nodes._expr_tree import Constant, Member
from vecgraph.nodes._expr_vector import INT64, KINDS, Union, Vector, constant
from vecgraph.tracing.values import Pick, Value, cells_of, is_scalar, typed, vector_of_value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vecgraph.typing import Mask

__all__ = [
    "BINARY",
    "COMPARE",
    "UNARY",
    "chosen",
    "contained",
    "indexed",
    "made",
    "operate",
    "per_object",
    "per_row",
    "truth",
]

SIMPLE: Final = frozenset("bifsn")
"""Kinds whose operators run no code of users."""

_BUILTIN: Final = frozenset({bool, int, float, str, type(None), list, tuple, dict})
_MOST_BITS: Final = 4096
_MOST_TEXTS: Final = 16


def operate(
    scalar: Callable[..., Any],
    columns: Callable[[list[Vector], Frame], Vector],
    values: Sequence[Value],
    frame: Frame,
) -> Vector:
    """Apply an operation: once if no operand depends on the row, else to columns.

    Parameters
    ----------
    scalar : callable
        What Python does to one row's operands.
    columns : callable
        The same on columns; never called without one.
    """
    vectors, depends = [], False
    for value in values:
        vector = value if type(value) is Vector else vector_of_value(value, frame.n)
        if vector.kind == "x":
            return vector
        depends = depends or vector.kind == "u" or not vector.scalar
        vectors.append(vector)
    if not depends:
        return _once(scalar, vectors, frame)
    return columns([vector_of_value(vector, frame.n) for vector in vectors], frame)


def _once(scalar: Callable[..., Any], vectors: list[Vector], frame: Frame) -> Vector:
    try:
        result = scalar(*(vector.values for vector in vectors))
    except Exception:  # noqa: BLE001 - raised again by every row that gets here
        return frame.dead()
    return constant(result) if type(result) in KINDS else frame.dead()


def per_row(
    function: Callable[..., Any], vectors: list[Vector], frame: Frame, accepts: str = "bifsn"
) -> Vector:
    """Apply a function to each row; rows on which it raises are suspect.

    Parameters
    ----------
    accepts : str
        Kinds of operand for which `function` runs nobody else's code.
    """
    if any(not _kinds(vector) <= set(accepts) for vector in vectors):
        return frame.dead()
    columns = [cells_of(vector, frame.n) for vector in vectors]
    try:
        return typed(list(map(function, *columns)), frame)
    except Exception:  # noqa: BLE001 - some row's own: found out which below
        return typed(_guarded(function, columns, frame), frame)


def made(function: Callable[..., Any], vectors: list[Vector], frame: Frame) -> Vector:
    """Make a list or tuple for each row; rows for which that raises are suspect."""
    columns = [cells_of(vector, frame.n) for vector in vectors]
    try:
        cells = list(map(function, *columns))
    except Exception:  # noqa: BLE001 - some row's own: found out which below
        cells = _guarded(function, columns, frame)
    return Vector("o", np.fromiter(cells, np.dtype(object), frame.n), own=True)


def per_object(function: Callable[..., Any], vectors: list[Vector], frame: Frame) -> Vector:
    """Apply a function to each row's lists, tuples, dicts and plain values.

    Rows with objects of other classes, which may do anything when they are asked, are suspect.
    """
    if all(vector.kind != "o" for vector in vectors):
        return per_row(function, vectors, frame)

    def known(*cells: Any) -> Any:
        if not _BUILTIN.issuperset(map(type, cells)):
            raise TypeError("left to the function")
        return function(*cells)

    columns = [cells_of(vector, frame.n) for vector in vectors]
    if all(_BUILTIN.issuperset(map(type, column)) for column in columns):
        known = function
    return typed(_guarded(known, columns, frame), frame)


def _guarded(function: Callable[..., Any], columns: list[list[Any]], frame: Frame) -> list[Any]:
    failed = np.zeros(frame.n, np.bool_)
    results: list[Any] = []
    for position, row in enumerate(zip(*columns, strict=True)):
        try:
            results.append(function(*row))
        except Exception:  # noqa: BLE001 - the original raises it again
            failed[position] = True
            results.append(None)
    frame.mark(failed)
    return results


def _kinds(vector: Vector) -> set[str]:
    if isinstance(vector.values, Union):
        return set(vector.values.arrays)
    return set("sn") if vector.kind == "t" else {vector.kind}


def truth(value: Value, frame: Frame) -> Mask | bool | None:
    """Return on which rows a value is true; a bool if on all or none, None if nobody knows."""
    vector = vector_of_value(value, frame.n)
    if vector.kind == "o":
        vector = per_object(bool, [vector], frame)
    if vector.kind == "x":
        return None
    if is_scalar(vector):
        return bool(vector.values)
    found = _truth([vector], frame) if vector.kind in "bif" else spread(_truth, [vector], frame)
    if found.kind != "b":
        return None
    return bool(found.values) if found.scalar else found.values


def _truth(vectors: list[Vector], frame: Frame) -> Vector:
    (vector,) = vectors
    if vector.kind == "b":
        return vector
    if vector.kind == "n":
        return Vector("b", np.zeros(frame.n, np.bool_), own=True)
    if vector.kind in "if":
        return Vector("b", np.not_equal(vector.values, 0), own=True)
    if vector.kind == "s":
        cells = [vector.values] * frame.n if vector.scalar else vector.values
        return Vector("b", np.fromiter(map(bool, cells), np.bool_, frame.n), own=True)
    if vector.kind == "t":
        return _truth_of_texts(vector)
    return frame.dead()


def _truth_of_texts(vector: Vector) -> Vector:
    sizes, _ = arrow.length(vector.values)
    return Vector("b", (sizes != 0) & ~arrow.is_none(vector.values), own=True)


def chosen(mask: Mask, then: Value, other: Value, frame: Frame) -> Value:
    """Choose between two values that were computed on all rows of a frame."""
    one, two = _picked(then), _picked(other)
    if one is not None and two is not None:
        return _joined(mask, one, two)
    left, right = (vector_of_value(value, frame.n) for value in (then, other))
    if left.kind == right.kind == "x":
        return left
    return blend(mask, left, right, frame)


def _picked(value: Value) -> Pick | None:
    """Return a text out of few as its number among them; None for anything else."""
    if isinstance(value, Pick):
        return value if len(value.table) < _MOST_TEXTS and _is_text(value.table) else None
    if isinstance(value, Vector) and value.kind == "s" and value.scalar:
        return Pick(np.array(0), (value.values,))
    return None


def _is_text(table: tuple[Any, ...]) -> bool:
    return all(type(item) is str for item in table)


def _joined(mask: Mask, then: Pick, other: Pick) -> Pick:
    """Choose between two picks: the table of the one comes after that of the other."""
    first = len(other.table)
    if first == len(then.table) == 1:
        return Pick(mask.view(np.int8), (*other.table, *then.table))
    codes = np.where(mask, then.codes + first, other.codes)
    return Pick(codes, (*other.table, *then.table))


def indexed(table: tuple[Any, ...], index: Value, frame: Frame) -> Value:
    """Return an item of a constant tuple for each row; a place that it lacks is suspect."""
    vector = vector_of_value(index, frame.n)
    if is_scalar(vector):
        return _once(table.__getitem__, [vector], frame)
    if vector.kind not in "bi" or not table:
        return vector if vector.kind == "x" else frame.dead()
    vector, n = vector.to("i"), len(table)
    codes = vector.values
    low, high = vector.interval()
    if low < 0 or high >= n:
        codes = np.where(codes < 0, codes + n, codes)
        outside = (codes < 0) | (codes >= n)
        frame.mark(outside)
        codes[outside] = 0
    return Pick(codes, table)


def contained(value: Value, items: tuple[Any, ...], negated: bool, frame: Frame) -> Vector:
    """Return whether each row is one of some constants: bool, int, float, str or None."""
    node = Member(Constant(None), items, negated)

    def columns(vectors: list[Vector], part: Frame) -> Vector:
        return spread(lambda parts, some: member(node, parts[0], some), vectors, part)

    return operate(lambda cell: (cell in items) is not negated, columns, [value], frame)


def _bits(op: str) -> Callable[[list[Vector], Frame], Vector]:
    def columns(vectors: list[Vector], frame: Frame) -> Vector:
        if vectors[0].kind == vectors[1].kind == "i":
            return _bit(op, vectors[0], vectors[1], frame)
        return spread(lambda pair, part: _bit(op, pair[0], pair[1], part), vectors, frame)

    return columns


_BITWISE: Final[dict[str, np.ufunc]] = {
    "&": np.bitwise_and,
    "|": np.bitwise_or,
    "^": np.bitwise_xor,
}


def _bit(op: str, left: Vector, right: Vector, frame: Frame) -> Vector:
    if not {left.kind, right.kind} <= {"b", "i"}:
        return frame.dead()
    if left.kind == right.kind == "b":
        return _broadcast("b", _BITWISE[op](left.values, right.values), frame)
    left, right = left.to("i"), right.to("i")
    values = _BITWISE[op](left.values, right.values)
    vector = _broadcast("i", values, frame)
    vector.bounds = _bit_bounds(op, left, right)
    return vector


def _broadcast(kind: str, values: Any, frame: Frame) -> Vector:
    if np.ndim(values):
        return Vector(kind, values, own=True)
    return Vector(kind, np.full(frame.n, values), own=True)


def _bit_bounds(op: str, left: Vector, right: Vector) -> tuple[int, int] | None:
    """Return an interval of the result, where it costs nothing to know."""
    if op != "&":
        return None
    masks = [int(v.values) for v in (left, right) if v.scalar and v.values >= 0]
    return (0, min(masks)) if masks else None


def _shift(op: str) -> Callable[[list[Vector], Frame], Vector]:
    def columns(vectors: list[Vector], frame: Frame) -> Vector:
        return spread(lambda pair, part: _shifted(op, pair[0], pair[1], part), vectors, frame)

    return columns


def _shifted(op: str, left: Vector, right: Vector, frame: Frame) -> Vector:
    """Compute int64 shifts; negative counts raise in Python, wide left shifts leave int64."""
    if not {left.kind, right.kind} <= {"b", "i"}:
        return frame.dead()
    left, right = left.to("i"), right.to("i")
    least, most = right.interval()
    count = right.values
    if least < 0:
        frame.mark(np.broadcast_to(np.less(count, 0), (frame.n,)))
    if least < 0 or most > 63:
        count = np.clip(count, 0, 63)
    if op == ">>":
        low, high = left.interval()
        values = np.right_shift(np.asarray(left.values, np.int64), count)
        return _bounded(values, (min(low, 0), max(high, 0)), frame)
    return _shifted_left(left, count, most, frame)


def _shifted_left(left: Vector, count: Any, most: int, frame: Frame) -> Vector:
    base = np.asarray(left.values, np.int64)
    values = np.left_shift(base, count)
    low, high = left.interval()
    most = min(max(most, 0), 64)
    bounds = (min(low << most, low), max(high << most, high))
    if not (INT64[0] <= bounds[0] and bounds[1] <= INT64[1]):
        # What comes back unchanged has lost no bit.
        frame.mark(np.broadcast_to(np.right_shift(values, count) != base, (frame.n,)))
        if most > 63:
            frame.mark(np.broadcast_to(np.equal(count, 63) & (base != 0), (frame.n,)))
        bounds = INT64
    return _bounded(values, bounds, frame)


def _bounded(values: Any, bounds: tuple[int, int], frame: Frame) -> Vector:
    vector = _broadcast("i", values, frame)
    vector.bounds = bounds
    return vector


def _inverted(vectors: list[Vector], frame: Frame) -> Vector:
    # ~True warns in newer Pythons: such rows are left to the function.
    def invert(parts: list[Vector], part: Frame) -> Vector:
        (operand,) = parts
        if operand.kind != "i":
            return part.dead()
        return Vector("i", np.invert(operand.values), own=True)

    return spread(invert, vectors, frame)


def _plus(vectors: list[Vector], frame: Frame) -> Vector:
    def plus(parts: list[Vector], part: Frame) -> Vector:
        (operand,) = parts
        if operand.kind not in "bif":
            return part.dead()
        return operand.to("i") if operand.kind == "b" else operand

    return spread(plus, vectors, frame)


def _arithmetic(op: str) -> Callable[[list[Vector], Frame], Vector]:
    def columns(vectors: list[Vector], frame: Frame) -> Vector:
        if op == "+" and "o" in {vectors[0].kind, vectors[1].kind}:
            return per_object(_side_by_side, vectors, frame)
        return binary(op, vectors[0], vectors[1], frame)

    return columns


def _comparison(op: str) -> Callable[[list[Vector], Frame], Vector]:
    def columns(vectors: list[Vector], frame: Frame) -> Vector:
        return compare(op, vectors[0], vectors[1], frame)

    return columns


def _side_by_side(left: Any, right: Any) -> Any:
    """Concatenate lists or tuples; a list plus something else may ask that for an answer."""
    if type(left) is type(right) and type(left) in {list, tuple}:
        return left + right
    if type(left) in {list, tuple, dict} or type(right) in {list, tuple, dict}:
        raise TypeError("left to the function")
    return left + right


def _lshift(left: Any, right: Any) -> Any:
    if isinstance(right, int) and right > _MOST_BITS:
        raise OverflowError("a shift that is left to the function")
    return left << right


def _times(left: Any, right: Any) -> Any:
    if isinstance(left, str) or isinstance(right, str):
        raise TypeError("repeated text is left to the function")
    return left * right


def _modulo(left: Any, right: Any) -> Any:
    if isinstance(left, str):
        raise TypeError("formatted text is left to the function")
    return left % right


Operation = tuple["Callable[..., Any]", "Callable[[list[Vector], Frame], Vector]"]

BINARY: Final[dict[str, Operation]] = {
    "Add": (operator.add, _arithmetic("+")),
    "Sub": (operator.sub, _arithmetic("-")),
    "Mult": (_times, _arithmetic("*")),
    "Div": (operator.truediv, _arithmetic("/")),
    "FloorDiv": (operator.floordiv, _arithmetic("//")),
    "Mod": (_modulo, _arithmetic("%")),
    "Pow": (power, _arithmetic("**")),
    "BitAnd": (operator.and_, _bits("&")),
    "BitOr": (operator.or_, _bits("|")),
    "BitXor": (operator.xor, _bits("^")),
    "LShift": (_lshift, _shift("<<")),
    "RShift": (operator.rshift, _shift(">>")),
}
COMPARE: Final[dict[str, Operation]] = {
    "Lt": (operator.lt, _comparison("<")),
    "LtE": (operator.le, _comparison("<=")),
    "Gt": (operator.gt, _comparison(">")),
    "GtE": (operator.ge, _comparison(">=")),
    "Eq": (operator.eq, _comparison("==")),
    "NotEq": (operator.ne, _comparison("!=")),
}
UNARY: Final[dict[str, Operation]] = {
    "USub": (operator.neg, lambda vectors, frame: negative(vectors[0], frame)),
    "UAdd": (operator.pos, _plus),
    "Invert": (lambda value: ~_whole(value), _inverted),
}


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError("left to the function")
    return value

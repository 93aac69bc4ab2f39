"""The functions of the expression language on whole columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from vecgraph.nodes import _expr_arrow as arrow
from vecgraph.nodes._expr_frame import Frame, merge, spread
from vecgraph.nodes._expr_kernels import compare, finite_or_marked, negative, numeric
from vecgraph.nodes._expr_libm import libm
from vecgraph.nodes._expr_texts import TEXT_FUNCTIONS
from vecgraph.nodes._expr_vector import Vector
from vecgraph.nodes.blend import where

if TYPE_CHECKING:
    from collections.abc import Callable

    from vecgraph.typing import Values

__all__ = ["blend", "call"]


def call(function: str, arguments: list[Vector], frame: Frame) -> Vector:
    """Apply a function of the table; rows on which Python raises are marked."""
    if function in _LIBM:
        return spread(lambda v, part: _transcendental(function, v[0], part), arguments, frame)
    return spread(_FUNCTIONS[function], arguments, frame)


def blend(mask: Values, then: Vector, other: Vector, frame: Frame) -> Vector:
    """Choose between two values that were both computed on all rows of a frame."""
    if then.kind == other.kind and then.kind in "bif":
        values = where(mask, then.values, other.values)
        return Vector(then.kind, values, own=True, bounds=_union(then, other))
    if "t" in then.kind + other.kind:
        pair = [_for_choice(side) for side in (then, other)]
        if all(each is not None for each in pair):
            return Vector("t", arrow.choose(mask, *pair))
    parts = []
    for positions, side in ((np.flatnonzero(mask), then), (np.flatnonzero(~mask), other)):
        parts.append((positions, side.take(positions)))
    return merge(frame, parts)


def _for_choice(side: Vector) -> Any:
    """Return one side of a choice between texts as Arrow takes it, None if it cannot."""
    if side.kind == "t":
        return side.values
    return arrow.literal(side.values) if side.kind in "sn" and side.scalar else None


def _union(then: Vector, other: Vector) -> tuple[int, int] | None:
    if then.kind != "i":
        return None
    (low, high), (least, most) = then.interval(), other.interval()
    return min(low, least), max(high, most)


def _transcendental(function: str, argument: Vector, frame: Frame) -> Vector:
    if not numeric(argument):
        return frame.dead()
    values = argument.to("f").values
    return finite_or_marked(libm(function, values), (values,), frame)


def _sqrt(arguments: list[Vector], frame: Frame) -> Vector:
    if not numeric(arguments[0]):
        return frame.dead()
    argument = arguments[0].to("f")
    frame.run.flagged = False
    root = np.sqrt(argument.values)
    if frame.run.flagged:
        frame.mark(argument.values < 0)
    return Vector("f", root, own=True)


def _abs(arguments: list[Vector], frame: Frame) -> Vector:
    (operand,) = arguments
    if not numeric(operand):
        return frame.dead()
    if operand.kind == "f":
        return Vector("f", np.abs(operand.values), own=True)
    operand = operand.to("i")
    # Only -2**63 has no opposite; `negative` marks it.
    opposite = negative(Vector("i", operand.values, bounds=operand.bounds), frame)
    low, high = operand.interval()
    values = np.maximum(operand.values, opposite.values, out=opposite.values)
    return Vector("i", values, own=True, bounds=(0, min(max(-low, high, 0), 2**63 - 1)))


def _pick(op: str, left: Vector, right: Vector, frame: Frame) -> Vector:
    """Return ``right if right op left else left``: Python's min and max, NaN included."""
    better = compare(op, right, left, frame)
    if better.kind == "x":
        return better
    return blend(better.values, right, left, frame)


def _least(arguments: list[Vector], frame: Frame) -> Vector:
    return _extreme("<", arguments, frame)


def _greatest(arguments: list[Vector], frame: Frame) -> Vector:
    return _extreme(">", arguments, frame)


def _extreme(op: str, arguments: list[Vector], frame: Frame) -> Vector:
    best, *others = arguments
    for other in others:
        best = _pick(op, best, other, frame)
        if best.kind == "x":
            break
    return best


def _clip(arguments: list[Vector], frame: Frame) -> Vector:
    value, low, high = arguments
    raised = _pick(">", value, low, frame)
    return raised if raised.kind == "x" else _pick("<", raised, high, frame)


def _whole(rounder: Callable[[Values], Values], argument: Vector, frame: Frame) -> Vector:
    """Round floats to ints; NaN, infinities and ints beyond int64 are marked."""
    if not numeric(argument):
        return frame.dead()
    if argument.kind != "f":
        return argument.to("i")
    rounded = rounder(argument.values)
    outside = ~(np.abs(rounded) < 2.0**63)
    if outside.any():
        frame.mark(outside)
        rounded[outside] = 0.0
    return Vector("i", rounded.astype(np.int64), own=True)


def _round(arguments: list[Vector], frame: Frame) -> Vector:
    if len(arguments) == 1:
        return _whole(np.rint, arguments[0], frame)
    number, digits = arguments
    plain = numeric(number) and digits.scalar and digits.kind == "i"
    if plain and number.kind != "f" and digits.values >= 0:
        return number.to("i")
    if not plain or number.kind != "f" or digits.values < 0:
        return frame.dead()
    # Python rounds the shortest decimal form, NumPy scales by a power of ten: not the same.
    rounded = [round(value, digits.values) for value in number.values.tolist()]
    return Vector("f", np.array(rounded, np.float64), own=True)


def _classify(test: Callable[[Any], Any], ints: bool) -> Callable[[list[Vector], Frame], Vector]:
    def classify(arguments: list[Vector], frame: Frame) -> Vector:
        (argument,) = arguments
        if not numeric(argument):
            return frame.dead()
        if argument.kind == "f":
            return Vector("b", test(argument.values), own=True)
        return Vector("b", np.full(frame.n, ints), own=True)

    return classify


def _int(arguments: list[Vector], frame: Frame) -> Vector:
    return _whole(np.trunc, arguments[0], frame)


def _floor(arguments: list[Vector], frame: Frame) -> Vector:
    return _whole(np.floor, arguments[0], frame)


def _ceil(arguments: list[Vector], frame: Frame) -> Vector:
    return _whole(np.ceil, arguments[0], frame)


def _to_float(arguments: list[Vector], frame: Frame) -> Vector:
    return arguments[0].to("f") if numeric(arguments[0]) else frame.dead()


def _to_bool(arguments: list[Vector], frame: Frame) -> Vector:
    (argument,) = arguments
    if argument.kind == "n":
        return Vector("b", np.zeros(frame.n, np.bool_), own=True)
    if argument.kind == "t":
        sizes, _ = arrow.length(argument.values)
        return Vector("b", sizes != 0, own=True)
    if argument.kind == "s" and not argument.scalar:
        return Vector("b", np.array([bool(text) for text in argument.values], np.bool_), own=True)
    if not numeric(argument):
        return frame.dead()
    return argument if argument.kind == "b" else Vector("b", argument.values != 0, own=True)


_LIBM: Final = {"exp", "log", "log10", "log1p", "expm1", "sin", "cos", "tan"}
_FUNCTIONS: Final[dict[str, Callable[[list[Vector], Frame], Vector]]] = {
    "abs": _abs,
    "bool": _to_bool,
    "ceil": _ceil,
    "clip": _clip,
    "float": _to_float,
    "floor": _floor,
    "int": _int,
    "isfinite": _classify(np.isfinite, ints=True),
    "isnan": _classify(np.isnan, ints=False),
    "max": _greatest,
    "min": _least,
    "round": _round,
    "sqrt": _sqrt,
    **TEXT_FUNCTIONS,
}

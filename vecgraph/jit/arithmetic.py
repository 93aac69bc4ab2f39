"""Python's operators on 64 bits: what they give, and when a run must be given up.

Ints of Python have no bounds; here an operation whose result needs more than 64 bits gives its
run up, which then goes the ordinary way. So does a division by zero, which is an error there.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any, Final

from vecgraph.jit.lines import Lines, Typed
from vecgraph.tracing.source import Refused
from vecgraph.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "BINARY",
    "COMPARE",
    "PRELUDE",
    "as_float",
    "as_int",
    "binary",
    "compare",
    "literal",
    "negative",
]

_MOST: Final = (1 << 63) - 1
_LEAST: Final = -(1 << 63)
_EXACT: Final = 1 << 53
"""Ints up to this one are floats too."""

PRELUDE: Final = f"""\
# vecgraph {__version__}
from math import inf, nan, sqrt

from numba import njit

from vecgraph.jit.overflow import added, multiplied, subtracted

"""
"""What every source begins with."""


def literal(value: Any) -> Typed:
    """Return a constant.

    Raises
    ------
    Refused
        It is no number of 64 bits.
    """
    if type(value) is bool:
        return Typed(str(value), "b", value)
    if type(value) is int and _LEAST < value <= _MOST:
        return Typed(f"({value})", "i", value)
    if type(value) is float:
        if math.isnan(value):
            return Typed("nan", "f", value)
        return Typed(f"({value!r})", "f", value)
    raise Refused(f"{value!r} is no bool, float or int of 64 bits")


def as_int(value: Typed) -> Typed:
    """Return a bool or int as an int."""
    if value.kind == "i":
        return value
    if value.constant is not None:
        return literal(int(value.constant))
    return Typed(f"int({value.code})", "i")


def as_float(value: Typed) -> Typed:
    """Return a value as a float, as Python rounds it."""
    if value.kind == "f":
        return value
    if value.constant is not None:
        return literal(float(value.constant))
    return Typed(f"float({value.code})", "f")


def _named(value: Typed, lines: Lines) -> Typed:
    """Return a value under a name, so that it is computed once."""
    is_simple = value.constant is not None or value.code.isidentifier()
    return value if is_simple else lines.let(value.code, value.kind)


def binary(op: str, left: Typed, right: Typed, lines: Lines) -> Typed:
    """Return the result of an operator, by its name in `ast`.

    Raises
    ------
    Refused
        The operator has no such form.
    """
    if op not in BINARY:
        raise Refused(f"the operator {op} is not compiled")
    scalar, ints, floats = BINARY[op]
    if left.constant is not None and right.constant is not None:
        try:
            return literal(scalar(left.constant, right.constant))
        except ArithmeticError as error:
            raise Refused(f"constants give {error}") from None
    if op in {"BitAnd", "BitOr", "BitXor"} and left.kind == right.kind == "b":
        return lines.let(f"{left.code} {_SIGNS[op]} {right.code}", "b")
    if op == "Div":
        return _divided(left, right, lines)
    if "f" in (left.kind, right.kind):
        if floats is None:
            raise Refused(f"the operator {op} on floats is not compiled")
        return lines.let(f"{as_float(left).code} {floats} {as_float(right).code}", "f")
    one, two = (_named(as_int(value), lines) for value in (left, right))
    result: Typed = ints(one, two, lines)
    return result


def _checked(function: str) -> Callable[[Typed, Typed, Lines], Typed]:
    def result(a: Typed, b: Typed, lines: Lines) -> Typed:
        value, flag = lines.name(), lines.name()
        lines.add(f"{value}, {flag} = {function}({a.code}, {b.code})")
        lines.check(flag)
        return Typed(value, "i")

    return result


def _floored(sign: str) -> Callable[[Typed, Typed, Lines], Typed]:
    def divided(a: Typed, b: Typed, lines: Lines) -> Typed:
        if b.constant == -1:
            return negative(a, lines) if sign == "//" else literal(0)
        if b.constant:
            return lines.let(f"{a.code} {sign} {b.code}", "i")
        # -1 too: the least int has no opposite in 64 bits.
        odd = lines.let(f"({b.code} == 0) | ({b.code} == -1)", "b")
        lines.check(odd.code)
        return lines.let(f"0 if {odd.code} else {a.code} {sign} {b.code}", "i")

    return divided


def _divided(left: Typed, right: Typed, lines: Lines) -> Typed:
    below = _named(right, lines)
    if below.constant is None:
        lines.check(f"{below.code} == 0")
    elif not below.constant:
        raise Refused("it divides by zero")
    above = _named(left, lines)
    if "f" not in (above.kind, below.kind):
        # The quotient of two ints is rounded once; as floats they must be what they are.
        for value in (above, below):
            _must_be_exact(value, lines)
    divisor = as_float(below).code
    safe = divisor if below.constant is not None else f"({divisor} if {below.code} != 0 else 1.0)"
    return lines.let(f"{as_float(above).code} / {safe}", "f")


def _must_be_exact(value: Typed, lines: Lines) -> None:
    if value.kind != "i":
        return
    if value.constant is None:
        lines.check(f"({value.code} > {_EXACT}) | ({value.code} < -{_EXACT})")
    elif abs(value.constant) > _EXACT:
        raise Refused(f"{value.constant} is no float")


def _bits(sign: str) -> Callable[[Typed, Typed, Lines], Typed]:
    return lambda a, b, lines: lines.let(f"{a.code} {sign} {b.code}", "i")


def _shifted(a: Typed, b: Typed, lines: Lines) -> Typed:
    if b.constant is not None:
        if b.constant < 0:
            raise Refused("it shifts by a negative number")
        return lines.let(f"{a.code} >> {min(int(b.constant), 63)}", "i")
    lines.check(f"{b.code} < 0")
    return lines.let(f"{a.code} >> min(max({b.code}, 0), 63)", "i")


_SIGNS: Final = {"BitAnd": "&", "BitOr": "|", "BitXor": "^"}

BINARY: Final[dict[str, tuple[Any, Any, str | None]]] = {
    "Add": (operator.add, _checked("added"), "+"),
    "Sub": (operator.sub, _checked("subtracted"), "-"),
    "Mult": (operator.mul, _checked("multiplied"), "*"),
    "Div": (operator.truediv, None, None),
    "FloorDiv": (operator.floordiv, _floored("//"), None),
    "Mod": (operator.mod, _floored("%"), None),
    "BitAnd": (operator.and_, _bits("&"), None),
    "BitOr": (operator.or_, _bits("|"), None),
    "BitXor": (operator.xor, _bits("^"), None),
    "RShift": (operator.rshift, _shifted, None),
}
"""By the operator's name in `ast`: what Python does, what is done to ints, the sign for floats."""

COMPARE: Final = {"Lt": "<", "LtE": "<=", "Gt": ">", "GtE": ">=", "Eq": "==", "NotEq": "!="}


def compare(op: str, left: Typed, right: Typed, lines: Lines) -> Typed:
    """Return the result of a comparison, by its name in `ast`.

    Raises
    ------
    Refused
        It is no comparison of numbers.
    """
    if op not in COMPARE:
        raise Refused(f"the comparison {op} is not compiled")
    if "f" in (left.kind, right.kind) and left.kind != right.kind:
        # Python compares an int with a float exactly, whatever their size.
        for value in (left, right):
            _must_be_exact(value, lines)
        left, right = as_float(left), as_float(right)
    elif left.kind != right.kind:
        left, right = as_int(left), as_int(right)
    return lines.let(f"{left.code} {COMPARE[op]} {right.code}", "b")


def negative(value: Typed, lines: Lines) -> Typed:
    """Return a number with the other sign."""
    if value.constant is not None:
        return literal(-value.constant)
    if value.kind == "f":
        return lines.let(f"-{value.code}", "f")
    return binary("Sub", literal(0), value, lines)

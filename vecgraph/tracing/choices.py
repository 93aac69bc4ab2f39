"""How traced values depend on conditions: read, chosen, and looked at only where it counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from vecgraph.nodes._expr_frame import merge, spread
from vecgraph.nodes._expr_vector import Vector
from vecgraph.tracing.kernels import chosen, truth
from vecgraph.tracing.scope import Scope
from vecgraph.tracing.values import Struct, Value, is_scalar, taken_value, vector_of_value

if TYPE_CHECKING:
    from vecgraph.typing import Mask

__all__ = [
    "DEAD",
    "Code",
    "Test",
    "both",
    "choice",
    "conjunction",
    "defaulted",
    "either",
    "flattened",
    "is_none",
    "member_of",
    "operand_of",
    "opposite",
    "reader",
    "spread_over",
    "value_of",
]

Code: TypeAlias = Callable[[Scope], Value]
"""Computes an expression on the rows of a scope."""
Test: TypeAlias = "Callable[[Scope], Mask | bool | None]"
"""Tells on which rows a condition holds; a bool: on all or none; None: nobody knows."""

_PLAIN: Final = frozenset({bool, int, float, str, type(None)})
DEAD: Final = Vector("x", None)


def reader(name: str) -> Code:
    """Return the code that reads a channel; rows that lack it are suspect."""

    def read(scope: Scope) -> Value:
        lacks = scope.lacks(name)
        if lacks is True:
            return scope.frame.dead()
        if lacks is not False:
            scope.frame.mark(lacks)
        return scope.frame.column(name)

    return read


def opposite(test: Test) -> Test:
    """Return the condition that holds where another does not."""

    def holds(scope: Scope) -> Mask | bool | None:
        found = test(scope)
        return None if found is None else (not found if isinstance(found, bool) else ~found)

    return holds


def value_of(test: Test) -> Code:
    """Return a condition as a value: a bool a row."""

    def value(scope: Scope) -> Value:
        found = test(scope)
        return DEAD if found is None else Vector("b", found)

    return value


def both(left: Test, right: Test, *, cheap: bool) -> Test:
    """Return ``left and right``; a `cheap` right side may be computed on all rows."""
    return _joined(left, right, decided=False, cheap=cheap)


def either(left: Test, right: Test, *, cheap: bool) -> Test:
    """Return ``left or right`` likewise."""
    return _joined(left, right, decided=True, cheap=cheap)


def _joined(left: Test, right: Test, *, decided: bool, cheap: bool) -> Test:
    """Join two conditions; the right one is only looked at where the left is not `decided`."""

    def test(scope: Scope) -> Mask | bool | None:
        first = left(scope)
        if first is None or first is decided:
            return first
        if isinstance(first, bool):
            return right(scope)
        if cheap:
            second = _attempt(lambda: right(scope), scope)
            if second is not None:
                join = np.logical_or if decided else np.logical_and
                held: Mask = join(first, second[0])
                return held
        result = first.copy()
        open_ = np.flatnonzero(~first if decided else first)
        if open_.size:
            rest = right(scope.narrow(open_))
            result[open_] = decided if rest is None else rest
        return result

    return test


def _attempt(compute: Callable[[], Any], scope: Scope) -> tuple[Any] | None:
    """Compute on rows that may not need it; forget it all if that makes rows suspect."""
    suspects = scope.frame.run.suspects
    known = len(suspects)
    result = compute()
    if len(suspects) > known:
        del suspects[known:]
        return None
    return None if result is None else (result,)


def choice(
    test: Mask | bool | None, then: Code, other: Code, scope: Scope, *, cheap: bool
) -> Value:
    """Return ``then if test else other``; `cheap` sides may be computed on all rows."""
    if test is None:
        return DEAD
    if isinstance(test, bool):
        return then(scope) if test else other(scope)
    if cheap:
        pair = _attempt(lambda: (then(scope), other(scope)), scope)
        if pair is not None:
            yes, no = pair[0]
            return chosen(test, yes, no, scope.frame)
    taken = np.flatnonzero(test)
    if taken.size == scope.frame.n:
        return then(scope)
    if not taken.size:
        return other(scope)
    parts = []
    for at, code in ((taken, then), (np.flatnonzero(~test), other)):
        part = scope.narrow(at)
        parts.append((at, vector_of_value(code(part), at.size)))
    return merge(scope.frame, parts)


def operand_of(left: Code, right: Code, is_and: bool, cheap: bool) -> Code:
    """Return the code of ``and`` or ``or`` as a value: the operand that decides."""

    def value(scope: Scope) -> Value:
        first = left(scope)
        test = truth(first, scope.frame)
        then, other = (right, lambda part: _again(first, part, scope))
        if not is_and:
            then, other = other, then
        return choice(test, then, other, scope, cheap=cheap)

    return value


def _again(value: Value, part: Scope, whole: Scope) -> Value:
    """Return a value that has been computed for a scope, on a part of its rows."""
    if part is whole or is_scalar(value):
        return value
    assert part.at is not None
    return taken_value(value, part.at)


def conjunction(left: Value, right: Value, scope: Scope) -> Value:
    """Return where two comparisons of a chain both hold."""
    first, second = truth(left, scope.frame), truth(right, scope.frame)
    if first is None or second is None:
        return DEAD
    return Vector(
        "b",
        np.logical_and(first, second)
        if not (isinstance(first, bool) and isinstance(second, bool))
        else first and second,
    )


def is_none(value: Value, negated: bool, scope: Scope) -> Value:
    """Return which rows of a value are None, or are not."""
    vector = vector_of_value(value, scope.frame.n)
    if vector.kind == "x":
        return vector
    if is_scalar(vector):
        return Vector("b", (vector.values is None) is not negated)
    return spread(lambda parts, frame: _nones(parts[0], negated, frame.n), [vector], scope.frame)


def _nones(vector: Vector, negated: bool, n: int) -> Vector:
    if vector.kind == "o":
        found = np.fromiter((cell is None for cell in vector.values), np.bool_, n)
    elif vector.kind == "t":
        found = np.asarray(vector.values.is_null())
    else:
        found = np.full(n, vector.kind == "n")
    return Vector("b", ~found if negated else found, own=True)


def member_of(negated: bool) -> Callable[[Any, Any], bool]:
    """Return the test whether a container holds a value, or does not."""

    def test(container: Any, value: Any) -> bool:
        if type(container) in {list, tuple} and not _PLAIN.issuperset(map(type, container)):
            raise TypeError("left to the function")
        return (value in container) is not negated

    return test


def defaulted(name: str, default: Code) -> Code:
    """Return the code of ``state.get(name, default)``."""
    read = reader(name)

    def get(scope: Scope) -> Value:
        # The default is computed for every row, as Python does.
        instead, lacks = default(scope), scope.lacks(name)
        if isinstance(lacks, bool):
            return instead if lacks else read(scope)
        known, missing = np.flatnonzero(~lacks), np.flatnonzero(lacks)
        found = scope.frame.column(name).take(known)
        other = vector_of_value(instead, scope.frame.n).take(missing)
        return merge(scope.frame, [(known, found), (missing, other)])

    return get


def spread_over(scope: Scope, news: Value) -> Value:
    """Return the state's channels with other values over them; rows that lack one are suspect."""
    if not isinstance(news, Struct):
        return DEAD
    items = {name: reader(name)(scope) for name in scope.states.run.columns}
    items.update(zip(news.keys, news.items, strict=True))
    if any(isinstance(v, Vector) and v.kind == "x" for v in items.values()):
        return DEAD
    return Struct("dict", tuple(items), tuple(items.values()))


def flattened(kind: type, starred: list[bool]) -> Callable[..., Any]:
    """Return what makes a list or tuple of one row's items, of which some are spread out."""
    if kind is list and starred == [True, False]:
        return _one_more

    def make(*cells: Any) -> Any:
        items: list[Any] = []
        for cell, open_ in zip(cells, starred, strict=True):
            if open_:
                items += _listed(cell)
            else:
                items.append(cell)
        return kind(items)

    return make


def _one_more(items: Any, last: Any) -> list[Any]:
    return [*_listed(items), last]


def _listed(cell: Any) -> Any:
    """Return a list or tuple as it is; anything else may do anything when it is walked through."""
    if type(cell) in {list, tuple}:
        return cell
    raise TypeError("left to the function")

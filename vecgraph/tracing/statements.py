"""From the statements of a function to steps over the rows that reach them."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from vecgraph.nodes._expr_vector import Vector, constant
from vecgraph.tracing.kernels import BINARY, operate
from vecgraph.tracing.scope import Loop, Scope, join
from vecgraph.tracing.values import Value, vector_of_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vecgraph.tracing.choices import Test
    from vecgraph.tracing.expressions import Expressions

__all__ = ["Statements", "Step", "bound_names"]

Step: TypeAlias = Callable[[Scope], "Scope | None"]
"""Takes the rows that reach a statement and returns those that go on; None: no row does."""

_MOST_ROUNDS: Final = 1024
"""Rounds of a loop that are computed in columns; rows that need more go through the function."""
_FEW: Final = 16
_NONE: Final = Vector("n", None)


class Statements:
    """Translates statements.

    Parameters
    ----------
    expressions : Expressions

    Attributes
    ----------
    expressions : Expressions
    shown : dict of str to str
        What the function returns, as written, by key where it is a dict.
    """

    def __init__(self, expressions: Expressions) -> None:
        self.expressions = expressions
        self._loops = 0
        self.shown: dict[str, str] = {}

    def block(self, body: Sequence[ast.stmt]) -> Step:
        """Return the step of a list of statements.

        Raises
        ------
        Refused
            One of them has no column form.
        """
        steps = [step for node in body if (step := self._step(node)) is not None]

        def run(scope: Scope) -> Scope | None:
            left: Scope | None = scope
            for step in steps:
                if left is None:
                    break
                left = step(left)
            return left

        return run

    def _step(self, node: ast.stmt) -> Step | None:
        translate = _STATEMENTS.get(type(node))
        if translate is None:
            raise self.expressions.refuse(node, f"{_word(node)} is not traced")
        return translate(self, node)

    def dropped(self, node: ast.Expr) -> Step | None:
        """Leave out a docstring, and other constants."""
        if isinstance(node.value, ast.Constant):
            return None
        raise self.expressions.refuse(node, "an expression whose value is dropped is not traced")

    def nothing(self, _node: ast.Pass) -> Step | None:
        """Leave out ``pass``."""
        return None

    def assign(self, node: ast.Assign) -> Step:
        """Translate an assignment to names."""
        names = []
        for target in node.targets:
            if isinstance(target, ast.Tuple):
                return self._unpack(node, target)
            names.append(self._target(target))
        code = self.expressions.code(node.value)

        def run(scope: Scope) -> Scope | None:
            value = code(scope)
            for name in names:
                scope.bind(name, value)
            return scope

        return run

    def _unpack(self, node: ast.Assign, target: ast.Tuple) -> Step:
        value = node.value
        if len(node.targets) > 1 or not isinstance(value, ast.Tuple):
            raise self.expressions.refuse(node, "unpacking is traced for tuples as long only")
        if len(value.elts) != len(target.elts):
            raise self.expressions.refuse(node, "unpacking is traced for tuples as long only")
        names = [self._target(each) for each in target.elts]
        codes = [self.expressions.code(each) for each in value.elts]

        def run(scope: Scope) -> Scope | None:
            values = [code(scope) for code in codes]
            for name, value in zip(names, values, strict=True):
                scope.bind(name, value)
            return scope

        return run

    def _target(self, node: ast.expr) -> str:
        if isinstance(node, ast.Name) and node.id != self.expressions.state:
            return node.id
        raise self.expressions.refuse(node, f"{ast.unparse(node)} is changed in place")

    def annotated(self, node: ast.AnnAssign) -> Step | None:
        """Translate an assignment with an annotation, which functions do not evaluate."""
        if node.value is None:
            return None
        return self.assign(ast.copy_location(ast.Assign([node.target], node.value), node))

    def augmented(self, node: ast.AugAssign) -> Step:
        """Translate ``name += value``; values that it would change in place are suspect."""
        name, operator = self._target(node.target), type(node.op).__name__
        if operator not in BINARY:
            raise self.expressions.refuse(node, f"the operator {operator} is not traced")
        scalar, columns = BINARY[operator]
        code = self.expressions.code(node.value)

        def run(scope: Scope) -> Scope | None:
            old = vector_of_value(scope.read(name), scope.frame.n)
            if old.kind == "o":
                scope.frame.dead()
                return None
            scope.bind(name, operate(scalar, columns, [old, code(scope)], scope.frame))
            return scope

        return run

    def branch(self, node: ast.If) -> Step:
        """Translate ``if``: each side on the rows that take it."""
        test = self.expressions.test(node.test)
        then, other = self.block(node.body), self.block(node.orelse)
        return _branch(test, then, other, bound_names([node]))

    def gives(self, node: ast.Return) -> Step:
        """Translate ``return``."""
        if node.value is not None:
            self._show(node.value, node.lineno)
        return self._given(node)

    def _given(self, node: ast.Return) -> Step:
        if isinstance(node.value, ast.IfExp) and _is_built(node.value):
            parts = [ast.copy_location(ast.Return(each), node) for each in _sides(node.value)]
            test = self.expressions.test(node.value.test)
            return _branch(test, self._given(parts[0]), self._given(parts[1]), frozenset())
        # The state itself may be returned; in any other place somebody might change it.
        self.expressions.may_be_whole = isinstance(node.value, ast.Name)
        code = self.expressions.code(node.value or ast.Constant(None))
        self.expressions.may_be_whole = False
        line = node.lineno

        def run(scope: Scope) -> Scope | None:
            scope.give(code(scope), line)
            return None

        return run

    def _show(self, value: ast.expr, line: int) -> None:
        if not isinstance(value, ast.Dict):
            self.shown[f"line {line}"] = ast.unparse(value)
            return
        for key, item in zip(value.keys, value.values, strict=True):
            name = key.value if isinstance(key, ast.Constant) else ast.unparse(key or value)
            if name in self.shown:
                name = f"{name}, line {line}"
            self.shown[str(name)] = ast.unparse(item)

    def fails(self, node: ast.Raise) -> Step:
        """Translate ``raise``: the function itself raises, once for each row that gets there."""
        del node

        def run(scope: Scope) -> Scope | None:
            scope.frame.dead()
            return None

        return run

    def asserts(self, node: ast.Assert) -> Step:
        """Translate ``assert``: rows on which it fails go through the function."""
        if not __debug__:
            return lambda scope: scope
        test = self.expressions.test(node.test)

        def dead(scope: Scope) -> Scope | None:
            scope.frame.dead()
            return None

        return _branch(test, lambda scope: scope, dead, frozenset())

    def repeat(self, node: ast.For) -> Step:
        """Translate a loop over a range of constants, or over a constant tuple."""
        if node.orelse:
            raise self.expressions.refuse(node, "for with else is not traced")
        items = self._items(node.iter)
        name, body = self._target(node.target), self._body(node.body)
        return _rounds(lambda: iter(items), name, None, body, bound_names([node]))

    def _items(self, node: ast.expr) -> Sequence[Any]:
        expressions = self.expressions
        is_range = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        try:
            if is_range and not node.keywords and self._is_range(node.func):  # type: ignore[attr-defined]
                found = range(*(expressions.constant_of(each) for each in node.args))  # type: ignore[attr-defined]
            else:
                found = expressions.constant_of(node)
        except (LookupError, TypeError, ValueError):
            found = None
        if not isinstance(found, range | tuple) or len(found) > _MOST_ROUNDS:
            raise expressions.refuse(node, "a loop over something else than a short constant range")
        return found

    def _is_range(self, node: ast.Name) -> bool:
        known = node.id not in self.expressions.local and node.id != self.expressions.state
        return known and self.expressions.outside.value(node.id) is range

    def loop(self, node: ast.While) -> Step:
        """Translate ``while``: rounds until no row is left."""
        if node.orelse:
            raise self.expressions.refuse(node, "while with else is not traced")
        test, body = self.expressions.test(node.test), self._body(node.body)
        nothing: list[Any] = [None] * _MOST_ROUNDS
        return _rounds(lambda: iter(nothing), None, test, body, bound_names([node]))

    def _body(self, body: list[ast.stmt]) -> Step:
        self._loops += 1
        step = self.block(body)
        self._loops -= 1
        return step

    def leaves(self, _node: ast.Break) -> Step:
        """Translate ``break``."""

        def run(scope: Scope) -> Scope | None:
            scope.states.loops[-1].broken.append(scope)
            return None

        return run

    def skips(self, _node: ast.Continue) -> Step:
        """Translate ``continue``."""

        def run(scope: Scope) -> Scope | None:
            scope.states.loops[-1].skipped.append(scope)
            return None

        return run


_STATEMENTS: Final[dict[type, Callable[..., Step | None]]] = {
    ast.AnnAssign: Statements.annotated,
    ast.Assert: Statements.asserts,
    ast.Assign: Statements.assign,
    ast.AugAssign: Statements.augmented,
    ast.Break: Statements.leaves,
    ast.Continue: Statements.skips,
    ast.Expr: Statements.dropped,
    ast.For: Statements.repeat,
    ast.If: Statements.branch,
    ast.Pass: Statements.nothing,
    ast.Raise: Statements.fails,
    ast.Return: Statements.gives,
    ast.While: Statements.loop,
}

_WORDS: Final = {
    "Delete": "del",
    "FunctionDef": "a function in the function",
    "Global": "global",
    "Import": "import",
    "ImportFrom": "import",
    "Nonlocal": "nonlocal",
    "Try": "try",
    "TryStar": "try",
    "With": "with",
}


def _word(node: ast.stmt) -> str:
    kind = type(node).__name__
    return _WORDS.get(kind, kind)


def bound_names(nodes: Sequence[ast.AST]) -> frozenset[str]:
    """Return the names that statements bind."""
    return frozenset(
        each.id
        for node in nodes
        for each in ast.walk(node)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    )


def _is_built(node: ast.IfExp) -> bool:
    kinds = (ast.Dict, ast.List, ast.Tuple, ast.Call, ast.IfExp)
    return isinstance(node.body, kinds) or isinstance(node.orelse, kinds)


def _sides(node: ast.IfExp) -> tuple[ast.expr, ast.expr]:
    return node.body, node.orelse


def _branch(test: Test, then: Step, other: Step, names: frozenset[str]) -> Step:
    def run(scope: Scope) -> Scope | None:
        found = test(scope)
        if found is None:
            return None
        if isinstance(found, bool):
            return then(scope) if found else other(scope)
        taken = np.flatnonzero(found)
        if taken.size == scope.frame.n:
            return then(scope)
        if not taken.size:
            return other(scope)
        parts = then(scope.narrow(taken)), other(scope.narrow(np.flatnonzero(~found)))
        return join(scope, [part for part in parts if part is not None], names)

    return run


def _rounds(
    items: Callable[[], Iterator[Any]],
    name: str | None,
    test: Test | None,
    body: Step,
    names: frozenset[str],
) -> Step:
    """Return the step of a loop; rows that need more rounds than there are items are suspect."""

    def run(scope: Scope) -> Scope | None:
        ended: list[Scope] = []
        left: Scope | None = scope
        for item in items():
            if left is not None and test is not None:
                left = _tested(test, left, ended)
            if left is None:
                break
            if name is not None:
                left.bind(name, constant(item))
            left = _round(body, left, ended, names)
        if left is not None and test is not None:
            left.frame.dead()
            left = None
        return join(scope, ended if left is None else [*ended, left], names)

    return run


def _tested(test: Test, scope: Scope, ended: list[Scope]) -> Scope | None:
    """Return the rows that go into another round of ``while``."""
    found = test(scope)
    if found is None:
        return None
    if isinstance(found, bool):
        if not found:
            ended.append(scope)
        return scope if found else None
    taken = np.flatnonzero(found)
    if taken.size == scope.frame.n:
        return scope
    ended.append(scope.narrow(np.flatnonzero(~found)))
    if taken.size <= _FEW < scope.states.run.n:
        # The tail of a long loop is cheaper in the function itself.
        scope.narrow(taken).frame.dead()
        return None
    return scope.narrow(taken)


def _round(body: Step, scope: Scope, ended: list[Scope], names: frozenset[str]) -> Scope | None:
    loop = Loop()
    scope.states.loops.append(loop)
    left = body(scope)
    scope.states.loops.pop()
    ended += loop.broken
    parts = loop.skipped if left is None else [left, *loop.skipped]
    return join(scope, parts, names)


def returns_nothing(scope: Scope | None) -> None:
    """Let the rows that come to the end of a function return None."""
    if scope is not None and scope.frame.n:
        value: Value = _NONE
        scope.give(value, 0)

"""A function and its column form."""

from __future__ import annotations

import ast
import inspect
import linecache
from types import FunctionType
from typing import TYPE_CHECKING, Any

from vecgraph.nodes._expr_vector import constant
from vecgraph.tracing.expressions import Expressions, Helper
from vecgraph.tracing.outside import Outside, is_constant
from vecgraph.tracing.scope import Scope, States
from vecgraph.tracing.source import Definition, Refused, definition_of
from vecgraph.tracing.statements import Statements, Step, bound_names, returns_nothing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vecgraph.nodes._expr_vector import Vector
    from vecgraph.tracing.values import Value

__all__ = ["Plan", "plan_of"]

_ODD = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_VARIADIC = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS


class Plan:
    """The column form of a function; nothing of the function has run.

    Attributes
    ----------
    reads : tuple of str
        Channels that it looks at.
    whole : bool
        It looks at all there are.
    shown : dict of str to str
        What it returns, as written.
    outside : Outside
    """

    def __init__(
        self,
        step: Step,
        constants: dict[str, Vector],
        reads: tuple[str, ...],
        whole: bool,
        shown: dict[str, str],
        outside: Outside,
    ) -> None:
        self._step = step
        self._constants = constants
        self.reads = reads
        self.whole = whole
        self.shown = shown
        self.outside = outside

    def run(self, scope: Scope) -> None:
        """Run it on all rows of a scope, which notes what they return."""
        for name, vector in self._constants.items():
            scope.bind(name, vector)
        returns_nothing(self._step(scope))


def plan_of(fn: Any) -> Plan:
    """Return the column form of a function of one run's state.

    Raises
    ------
    Refused
        Something in it is not known to be pure, or has no column form.
    """
    node = _checked(fn)
    code = fn.__code__
    if code.co_argcount < 1:
        raise Refused("it does not take one state")
    outside = Outside(fn)
    constants = _constants(fn, outside, 1)
    statements, step = _translated(fn, node, outside, code.co_varnames[0], constants, (fn,))
    found = statements.expressions
    reads = tuple(found.reads)
    return Plan(step, constants, reads, found.whole, statements.shown, outside)


def _checked(fn: Any) -> Definition:
    """Return the tree of a plain function."""
    if type(fn) is not FunctionType:
        raise Refused(f"a {type(fn).__name__} is not a plain function")
    if fn.__code__.co_flags & _ODD:
        raise Refused("a generator or a coroutine is not traced")
    if fn.__code__.co_flags & _VARIADIC:
        raise Refused("it does not take one state")
    return definition_of(fn)


def _translated(
    fn: FunctionType,
    node: Definition,
    outside: Outside,
    state: str,
    bound: Iterable[str],
    callers: tuple[FunctionType, ...],
) -> tuple[Statements, Step]:
    """Translate a function's body; `callers` are the functions around it, and itself."""
    body = _body(node)

    def line(number: int) -> str:
        return linecache.getline(fn.__code__.co_filename, number, fn.__globals__)

    def translate(called: FunctionType, arguments: int, around: Outside) -> Helper:
        return _helper(called, arguments, around, callers)

    expressions = Expressions(outside, state, set(bound) | bound_names(body), line, translate)
    statements = Statements(expressions)
    return statements, statements.block(body)


def _helper(
    fn: FunctionType, arguments: int, around: Outside, callers: tuple[FunctionType, ...]
) -> Helper:
    """Return the column form of a function that another one calls."""
    if any(caller is fn for caller in callers):
        raise Refused("it calls itself")
    node, outside = _checked(fn), Outside(fn)
    code = fn.__code__
    if arguments > code.co_argcount:
        raise Refused(f"it takes {code.co_argcount} arguments, not {arguments}")
    constants = _constants(fn, outside, arguments)
    names = code.co_varnames[:arguments]
    _, step = _translated(fn, node, outside, "", {*names, *constants}, (*callers, fn))
    around.called.append(outside)

    def call(scope: Scope, values: list[Value]) -> Value:
        inner = Scope(States(scope.states.run, scope.states.absent), scope.frame)
        for name, vector in constants.items():
            inner.bind(name, vector)
        for name, value in zip(names, values, strict=True):
            inner.bind(name, value)
        returns_nothing(step(inner))
        return inner.result()

    return call


def _constants(fn: FunctionType, outside: Outside, given: int) -> dict[str, Vector]:
    """Return the parameters that nobody passes, as their defaults."""
    code, defaults = fn.__code__, outside.defaults()
    found = {}
    for name in code.co_varnames[given : code.co_argcount + code.co_kwonlyargcount]:
        if name not in defaults:
            raise Refused(f"it takes {name!r} beside the state")
        if not is_constant(defaults[name]):
            raise Refused(f"the default of {name!r} is not a constant")
        found[name] = constant(defaults[name])
    return found


def _body(node: Definition) -> list[ast.stmt]:
    if isinstance(node, ast.Lambda):
        return [ast.copy_location(ast.Return(node.body), node.body)]
    return node.body

"""A function and its column form."""

from __future__ import annotations

import ast
import inspect
import linecache
from types import FunctionType
from typing import TYPE_CHECKING, Any

from vecgraph.nodes._expr_vector import constant
from vecgraph.tracing.expressions import Expressions
from vecgraph.tracing.outside import Outside, is_constant
from vecgraph.tracing.source import Definition, Refused, definition_of
from vecgraph.tracing.statements import Statements, Step, bound_names, returns_nothing

if TYPE_CHECKING:
    from vecgraph.nodes._expr_vector import Vector
    from vecgraph.tracing.scope import Scope

__all__ = ["Plan", "plan_of"]

_ODD = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_VARIADIC = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS


class Plan:
    """The column form of a function; nothing of the function has run.

    Attributes
    ----------
    reads : tuple of str
        Channels that it looks at.
    shown : dict of str to str
        What it returns, as written.
    outside : Outside
    """

    def __init__(
        self,
        step: Step,
        constants: dict[str, Vector],
        reads: tuple[str, ...],
        shown: dict[str, str],
        outside: Outside,
    ) -> None:
        self._step = step
        self._constants = constants
        self.reads = reads
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
    if type(fn) is not FunctionType:
        raise Refused(f"a {type(fn).__name__} is not a plain function")
    code = fn.__code__
    if code.co_flags & _ODD:
        raise Refused("a generator or a coroutine is not traced")
    if code.co_flags & _VARIADIC or code.co_argcount < 1:
        raise Refused("it does not take one state")
    node = definition_of(fn)
    outside = Outside(fn)
    state = code.co_varnames[0]
    defaults = outside.defaults()
    constants = _constants(fn, defaults)
    body = _body(node)
    local = set(constants) | bound_names(body)

    def line(number: int) -> str:
        return linecache.getline(code.co_filename, number, fn.__globals__)

    expressions = Expressions(outside, state, local, line)
    statements = Statements(expressions)
    step = statements.block(body)
    return Plan(step, constants, tuple(expressions.reads), statements.shown, outside)


def _constants(fn: FunctionType, defaults: dict[str, Any]) -> dict[str, Vector]:
    """Return the parameters beside the state, which nobody passes, as their defaults."""
    code = fn.__code__
    found = {}
    for name in code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]:
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

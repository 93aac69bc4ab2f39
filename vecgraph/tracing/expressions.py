"""From the expressions of a function to their column forms; what is not known is refused."""

from __future__ import annotations

import ast
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from vecgraph.nodes._expr_vector import Vector, constant
from vecgraph.tracing.calls import FUNCTIONS, METHODS, OF_ITEMS, Called
from vecgraph.tracing.choices import (
    DEAD,
    Code,
    Test,
    both,
    choice,
    conjunction,
    defaulted,
    either,
    is_none,
    member_of,
    operand_of,
    opposite,
    reader,
    spread_over,
    value_of,
)
from vecgraph.tracing.displays import has_star, mapping, sequence, text
from vecgraph.tracing.kernels import (
    BINARY,
    COMPARE,
    UNARY,
    contained,
    indexed,
    operate,
    per_object,
    truth,
)
from vecgraph.tracing.outside import Outside, is_constant, is_math
from vecgraph.tracing.source import Refused
from vecgraph.tracing.values import Struct, Value
from vecgraph.types import Command, Send

if TYPE_CHECKING:
    from collections.abc import Callable

    from vecgraph.tracing.scope import Scope

__all__ = ["Expressions", "Helper"]

Helper: TypeAlias = "Callable[[Scope, list[Value]], Value]"
"""The column form of a function that is called with values of the rows of a scope."""

_CHEAP: Final = (
    ast.Name, ast.Constant, ast.Subscript, ast.BinOp, ast.UnaryOp, ast.Compare, ast.Load,
    ast.Add, ast.Sub, ast.Mult, ast.BitAnd, ast.BitOr, ast.BitXor, ast.RShift, ast.USub,
    ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq,
)  # fmt: skip
_MOST_NODES: Final = 24


class Expressions:
    """Translates expressions.

    Parameters
    ----------
    outside : Outside
    state : str
        Name of the parameter that is the state; empty if none is.
    local : set of str
        Names that the function binds.
    line : callable
        Gives the text of a line, for messages.
    translate : callable
        Gives the column form of another function; see `Helper`.
    """

    def __init__(
        self,
        outside: Outside,
        state: str,
        local: set[str],
        line: Callable[[int], str],
        translate: Callable[[FunctionType, int, Outside], Helper],
    ) -> None:
        self.outside, self.state, self.local = outside, state, local
        self._line, self._translate = line, translate
        self.reads: dict[str, None] = {}
        self.whole = self.may_be_whole = False

    def refuse(self, node: ast.AST, reason: str) -> Refused:
        """Return the refusal of a node."""
        line: int | None = getattr(node, "lineno", None)
        return Refused(reason, line, "" if line is None else self._line(line).strip())

    def code(self, node: ast.expr) -> Code:
        """Return the column form of an expression.

        Raises
        ------
        Refused
            It has none.
        """
        translate = _EXPRESSIONS.get(type(node))
        if translate is None:
            raise self.refuse(node, f"{_name(node)} is not traced")
        return translate(self, node)

    def test(self, node: ast.expr) -> Test:
        """Return the column form of a condition: on which rows it is true."""
        if isinstance(node, ast.BoolOp):
            return self._tests(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return opposite(self.test(node.operand))
        code = self.code(node)
        return lambda scope: truth(code(scope), scope.frame)

    def _tests(self, node: ast.BoolOp) -> Test:
        first, *others = node.values
        result = self.test(first)
        for other in others:
            join = both if isinstance(node.op, ast.And) else either
            result = join(result, self.test(other), cheap=is_cheap(other))
        return result

    def constant_of(self, node: ast.expr) -> Any:
        """Return the value of a constant, of a name of one, or of a tuple of them.

        Raises
        ------
        LookupError
            It is none.
        """
        if isinstance(node, ast.Tuple):
            return tuple(self.constant_of(item) for item in node.elts)
        value: Any = LookupError
        if isinstance(node, ast.Constant):
            value = node.value
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            operand = self.constant_of(node.operand)
            value = -operand if type(operand) in {int, float} else LookupError
        elif self._is_outer(node):
            value = self._known(node)
        if not is_constant(value):
            raise LookupError
        return value

    def _is_outer(self, node: ast.expr) -> bool:
        """Return whether an expression is a name from outside, or an attribute of a module."""
        if isinstance(node, ast.Attribute):
            return self._is_module(node.value)
        return isinstance(node, ast.Name) and node.id not in self.local and node.id != self.state

    def _outer(self, node: ast.Name) -> Any:
        try:
            return self.outside.value(node.id)
        except NameError:
            raise self.refuse(node, f"the name {node.id!r} is not defined") from None

    def _known(self, node: ast.expr) -> Any:
        """Return what a name or an attribute of `math` stands for, outside of the function."""
        if isinstance(node, ast.Name):
            if node.id in self.local or node.id == self.state:
                raise self.refuse(node, f"{node.id!r} is a local name, not a known function")
            return self._outer(node)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = self._known(node.value)
            if isinstance(module, ModuleType) and is_math(module):
                try:
                    return self.outside.attribute(module, node.attr)
                except NameError as error:
                    raise self.refuse(node, f"{error} is not defined") from None
        raise self.refuse(node, f"{ast.unparse(node)} is not traced")

    def constant(self, node: ast.Constant) -> Code:
        """Translate a literal."""
        if not is_constant(node.value):
            raise self.refuse(node, f"a literal of type {type(node.value).__name__} is not traced")
        value = constant(node.value)
        return lambda _scope: value

    def name(self, node: ast.Name) -> Code:
        """Translate a name: a local, or a constant from outside."""
        name = node.id
        if name == self.state:
            if not self.may_be_whole:
                raise self.refuse(node, "the state is used as a whole")
            self.whole = True
            return lambda scope: spread_over(scope, Struct("dict", (), ()))
        if name in self.local:
            return lambda scope: scope.read(name)
        value = self._outer(node)
        if not is_constant(value):
            kind = type(value).__name__
            raise self.refuse(node, f"{name!r} is a {kind} from outside, not a constant")
        vector = constant(value)
        return lambda _scope: vector

    def attribute(self, node: ast.Attribute) -> Code:
        """Translate an attribute: a constant of `math`."""
        value = self._known(node)
        if not is_constant(value):
            raise self.refuse(node, f"{ast.unparse(node)} is not a constant")
        vector = constant(value)
        return lambda _scope: vector

    def binary(self, node: ast.BinOp) -> Code:
        """Translate arithmetic."""
        if type(node.op).__name__ not in BINARY:
            raise self.refuse(node, f"the operator {_name(node.op)} is not traced")
        scalar, columns = BINARY[type(node.op).__name__]
        left, right = self.code(node.left), self.code(node.right)
        return lambda scope: operate(scalar, columns, [left(scope), right(scope)], scope.frame)

    def unary(self, node: ast.UnaryOp) -> Code:
        """Translate a sign, ``~`` or ``not``."""
        if isinstance(node.op, ast.Not):
            return value_of(self.test(node))
        scalar, columns = UNARY[type(node.op).__name__]
        operand = self.code(node.operand)
        return lambda scope: operate(scalar, columns, [operand(scope)], scope.frame)

    def compare(self, node: ast.Compare) -> Code:
        """Translate a chain of comparisons.

        Every pair is compared on all rows: one that Python would not reach makes a row suspect
        at most, and does not change what it gives.
        """
        if len(node.ops) == 1:
            return self._pair(node.ops[0], node.left, node.comparators[0])
        operands = [node.left, *node.comparators]
        pairs = [
            self._pair(op, left, right)
            for op, left, right in zip(node.ops, operands, operands[1:], strict=False)
        ]

        def chain(scope: Scope) -> Value:
            result = pairs[0](scope)
            for pair in pairs[1:]:
                result = conjunction(result, pair(scope), scope)
            return result

        return chain

    def _pair(self, op: ast.cmpop, left: ast.expr, right: ast.expr) -> Code:
        if isinstance(op, ast.Is | ast.IsNot):
            return self._is_none(op, left, right)
        if isinstance(op, ast.In | ast.NotIn):
            return self._member(op, left, right)
        scalar, columns = COMPARE[type(op).__name__]
        first, second = self.code(left), self.code(right)
        return lambda scope: operate(scalar, columns, [first(scope), second(scope)], scope.frame)

    def _is_none(self, op: ast.cmpop, left: ast.expr, right: ast.expr) -> Code:
        if not (isinstance(right, ast.Constant) and right.value is None):
            raise self.refuse(right, "`is` compares identities, which columns do not have")
        operand, negated = self.code(left), isinstance(op, ast.IsNot)
        return lambda scope: is_none(operand(scope), negated, scope)

    def _member(self, op: ast.cmpop, left: ast.expr, right: ast.expr) -> Code:
        operand, negated = self.code(left), isinstance(op, ast.NotIn)
        if isinstance(right, ast.Name) and right.id == self.state:
            return self._has(left, negated)
        try:
            shown = ast.Tuple(right.elts) if isinstance(right, ast.List | ast.Set) else right
            items = self.constant_of(shown)
        except LookupError:
            items = None
        if type(items) in {tuple, frozenset}:
            known = tuple(items)
            if not all(type(item) in {bool, int, float, str, type(None)} for item in known):
                raise self.refuse(right, "membership among nested tuples is not traced")
            return lambda scope: contained(operand(scope), known, negated, scope.frame)
        container = self.code(right)
        test = member_of(negated)
        called = Called(test, lambda vectors, frame: per_object(test, vectors, frame))
        return lambda scope: called([container(scope), operand(scope)], scope.frame)

    def _has(self, key: ast.expr, negated: bool) -> Code:
        name = self._key(key)

        def has(scope: Scope) -> Value:
            lacks = scope.lacks(name)
            if isinstance(lacks, bool):
                return Vector("b", lacks is negated)
            return Vector("b", lacks if negated else ~lacks)

        return has

    def _key(self, node: ast.expr) -> str:
        try:
            key = self.constant_of(node)
        except LookupError:
            key = None
        if type(key) is not str:
            raise self.refuse(node, "the state is read by something else than a constant name")
        self.reads[key] = None
        return key

    def conditional(self, node: ast.IfExp) -> Code:
        """Translate ``a if test else b``: both blended where that is cheap, else each on its rows."""
        test, then, other = self.test(node.test), self.code(node.body), self.code(node.orelse)
        cheap = is_cheap(node.body) and is_cheap(node.orelse)
        return lambda scope: choice(test(scope), then, other, scope, cheap=cheap)

    def logic(self, node: ast.BoolOp) -> Code:
        """Translate ``and`` and ``or``, which give one of their operands."""
        *others, last = node.values
        result, cheap = self.code(last), is_cheap(last)
        for other in reversed(others):
            result = operand_of(self.code(other), result, isinstance(node.op, ast.And), cheap)
            cheap = cheap and is_cheap(other)
        return result

    def subscript(self, node: ast.Subscript) -> Code:
        """Translate an item of the state, of a constant tuple, or of a text."""
        if isinstance(node.value, ast.Name) and node.value.id == self.state:
            return reader(self._key(node.slice))
        try:
            table = self.constant_of(node.value)
        except LookupError:
            table = None
        if isinstance(node.slice, ast.Slice):
            return self._slice(node.value, node.slice)
        index = self.code(node.slice)
        if type(table) is tuple:
            return lambda scope: indexed(table, index(scope), scope.frame)
        return self._item(self.code(node.value), index)

    @staticmethod
    def _item(container: Code, index: Code) -> Code:
        def scalar(text: Any, at: Any) -> Any:
            return text[at]

        called = Called(scalar, lambda vectors, frame: per_object(scalar, vectors, frame))
        return lambda scope: called([container(scope), index(scope)], scope.frame)

    def _slice(self, value: ast.expr, part: ast.Slice) -> Code:
        def scalar(text: Any, *bounds: Any) -> Any:
            return text[slice(*bounds)]

        nothing = ast.Constant(None)
        codes = [self.code(each or nothing) for each in (part.lower, part.upper, part.step)]
        container = self.code(value)
        called = Called(scalar, lambda vectors, frame: per_object(scalar, vectors, frame))
        return lambda scope: called(
            [container(scope), *(code(scope) for code in codes)], scope.frame
        )

    def call(self, node: ast.Call) -> Code:
        """Translate a call of a known function, of a method of a text, or of ``state.get``."""
        if any(isinstance(argument, ast.Starred) for argument in node.args):
            raise self.refuse(node, "a call with * is not traced")
        if any(keyword.arg is None for keyword in node.keywords):
            raise self.refuse(node, "a call with ** is not traced")
        if isinstance(node.func, ast.Attribute) and not self._is_module(node.func.value):
            return self._method(node, node.func)
        function = self._known(node.func)
        if function is Command or function is Send:
            return self._command(node, function)
        if node.keywords:
            raise self.refuse(node, "a call with keywords is not traced")
        if type(function) is FunctionType:
            return self._helper(node, function)
        if not _hashable(function):
            raise self.refuse(node, f"a call of {ast.unparse(node.func)} is not traced")
        return self._builtin(node, function)

    def _builtin(self, node: ast.Call, function: Any) -> Code:
        """Translate a call of a function of the tables."""
        only = node.args[0] if len(node.args) == 1 else None
        if isinstance(only, ast.List | ast.Tuple) and not has_star(only):
            called, arguments = OF_ITEMS.get(function), only.elts
        else:
            called, arguments = None, node.args
        called = called or FUNCTIONS.get(function)
        if called is None:
            raise self.refuse(node, f"a call of {ast.unparse(node.func)} is not traced")
        if called not in OF_ITEMS.values():
            arguments = node.args
        return self._called(node, called, [self.code(argument) for argument in arguments])

    def _helper(self, node: ast.Call, function: FunctionType) -> Code:
        """Translate a call of a function that somebody wrote in Python."""
        try:
            helper = self._translate(function, len(node.args), self.outside)
        except Refused as refused:
            why = f"{ast.unparse(node.func)} is not traced ({refused})"
            raise self.refuse(node, why) from None
        arguments = [self.code(argument) for argument in node.args]
        return lambda scope: helper(scope, [each(scope) for each in arguments])

    def _called(self, node: ast.Call, called: Called, arguments: list[Code]) -> Code:
        if not called.least <= len(arguments) <= called.most:
            raise self.refuse(node, f"{ast.unparse(node.func)} with so many arguments")
        return lambda scope: called([each(scope) for each in arguments], scope.frame)

    def _is_module(self, node: ast.expr) -> bool:
        if not isinstance(node, ast.Name) or node.id in self.local or node.id == self.state:
            return False
        return isinstance(self._outer(node), ModuleType)

    def _method(self, node: ast.Call, function: ast.Attribute) -> Code:
        if isinstance(function.value, ast.Name) and function.value.id == self.state:
            return self._get(node, function)
        called = METHODS.get(function.attr)
        if called is None or node.keywords:
            raise self.refuse(node, f"a call of .{function.attr} is not traced")
        arguments = [self.code(each) for each in (function.value, *node.args)]
        return self._called(node, called, arguments)

    def _get(self, node: ast.Call, function: ast.Attribute) -> Code:
        if function.attr != "get" or node.keywords or not 1 <= len(node.args) <= 2:
            raise self.refuse(node, f"state.{function.attr} is not traced")
        name = self._key(node.args[0])
        default = self.code(node.args[1] if len(node.args) == 2 else ast.Constant(None))
        return defaulted(name, default)

    def _command(self, node: ast.Call, function: Any) -> Code:
        names = ("node", "arg") if function is Send else ("graph", "update", "resume", "goto")
        if function is Command and node.args:
            raise self.refuse(node, "a Command with positional arguments is not traced")
        given = dict(zip(names, node.args, strict=False))
        for keyword in node.keywords:
            name = str(keyword.arg)
            if name not in names or name in given:
                raise self.refuse(node, f"the argument {name} is not traced")
            given[name] = keyword.value
        if function is Send and set(given) != {"node", "arg"}:
            raise self.refuse(node, "a Send takes a node and an argument")
        if "resume" in given or "graph" in given:
            raise self.refuse(node, "a Command with resume or graph is not traced")
        keys = tuple(name for name in names if name in given)
        return self.struct(function.__name__, keys, [given[key] for key in keys])

    def struct(self, kind: str, keys: tuple[Any, ...], items: list[ast.expr]) -> Code:
        """Return the code of a structure whose items are expressions."""
        codes = [self.code(item) for item in items]

        def make(scope: Scope) -> Value:
            values = tuple(code(scope) for code in codes)
            if any(isinstance(v, Vector) and v.kind == "x" for v in values):
                return DEAD
            return Struct(kind, keys, values)

        return make


_EXPRESSIONS: Final[dict[type, Callable[..., Code]]] = {
    ast.Attribute: Expressions.attribute,
    ast.BinOp: Expressions.binary,
    ast.BoolOp: Expressions.logic,
    ast.Call: Expressions.call,
    ast.Compare: Expressions.compare,
    ast.Constant: Expressions.constant,
    ast.Dict: mapping,
    ast.IfExp: Expressions.conditional,
    ast.JoinedStr: text,
    ast.List: sequence,
    ast.Name: Expressions.name,
    ast.Subscript: Expressions.subscript,
    ast.Tuple: sequence,
    ast.UnaryOp: Expressions.unary,
}

_WORDS: Final = {
    "Await": "await",
    "DictComp": "a comprehension",
    "GeneratorExp": "a generator",
    "Lambda": "a lambda",
    "ListComp": "a comprehension",
    "NamedExpr": "an assignment in an expression",
    "SetComp": "a comprehension",
    "Set": "a set",
    "Yield": "a generator",
    "YieldFrom": "a generator",
}


def _name(node: ast.AST) -> str:
    kind = type(node).__name__
    return _WORDS.get(kind, kind)


def _hashable(value: object) -> bool:
    # A class of a user's may have a __hash__ that does anything; a builtin function has not.
    return type(value) in {type(len), type}


def is_cheap(node: ast.expr) -> bool:
    """Return whether computing an expression on rows that do not need it costs little."""
    nodes = list(ast.walk(node))
    return len(nodes) <= _MOST_NODES and all(isinstance(each, _CHEAP) for each in nodes)

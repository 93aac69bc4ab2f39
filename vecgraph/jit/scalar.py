"""From a function of one run's state to lines of a loop; what has no exact form is refused."""

from __future__ import annotations

import ast
import math
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from vecgraph.jit.arithmetic import as_float, as_int, binary, compare, literal, negative
from vecgraph.jit.lines import Lines, Typed
from vecgraph.tracing.outside import Outside, is_constant
from vecgraph.tracing.source import Refused, definition_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["NOTHING", "Function", "Reader", "Unknown"]

NOTHING: Final = "n"
"""Kind of what a channel holds that has no value in any run."""

Reader: TypeAlias = "Callable[[str], tuple[Typed, str | None]]"
"""From a channel to its value, and the name of the flag that says whether it has one."""

_MISSING: Final = object()


class Unknown(Exception):
    """A channel is read whose type nobody knows yet."""


class Function:
    """One node's or router's function.

    Parameters
    ----------
    fn : function
        One that the traced tier knows to be pure.

    Attributes
    ----------
    outside : Outside
        What it takes from outside; it must be what it was when the lines were written.
    """

    def __init__(self, fn: FunctionType) -> None:
        self.fn = fn
        self.outside = Outside(fn)
        node = definition_of(fn)
        code = fn.__code__
        if code.co_argcount + code.co_kwonlyargcount != 1:
            raise Refused("it takes more than one parameter")
        self._state = code.co_varnames[0]
        self._locals = set(code.co_varnames)
        self._body: Sequence[ast.stmt] = (
            [ast.Return(node.body)] if isinstance(node, ast.Lambda) else node.body
        )

    def write(
        self, lines: Lines, read: Reader, returned: Callable[[ast.expr | None, Writer], None]
    ) -> None:
        """Add its lines, a loop of one round that each return leaves.

        Parameters
        ----------
        lines : Lines
        read : Reader
        returned : callable
            Gets what is returned where (None: nothing), and adds what follows from it.

        Raises
        ------
        Refused
            Something in it is not compiled.
        Unknown
            It reads a channel that nobody has written yet.
        """
        writer = Writer(self, lines, read, returned)
        with lines.block("while True:"):
            if writer.block(self._body):
                returned(None, writer)
                lines.add("break")

    def is_state(self, node: ast.expr) -> bool:
        """Return whether an expression is the state itself."""
        return isinstance(node, ast.Name) and node.id == self._state

    def is_local(self, name: str) -> bool:
        """Return whether the function binds a name."""
        return name in self._locals

    def constant(self, node: ast.expr) -> Any:
        """Return what a literal or a name from outside stands for; `_MISSING` if neither."""
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Tuple):
            items = tuple(self.constant(item) for item in node.elts)
            return _MISSING if _MISSING in items else items
        if isinstance(node, ast.Name) and not self.is_local(node.id):
            value = self._outer(node.id)
            return value if is_constant(value) else _MISSING
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            value = self.known(node)
            return value if is_constant(value) else _MISSING
        return _MISSING

    def _outer(self, name: str) -> Any:
        try:
            return self.outside.value(name)
        except NameError:
            raise Refused(f"the name {name!r} is not defined") from None

    def known(self, node: ast.expr) -> Any:
        """Return what a name, or an attribute of `math`, stands for outside of the function."""
        if isinstance(node, ast.Name) and not self.is_local(node.id):
            return self._outer(node.id)
        if isinstance(node, ast.Attribute):
            module = self.known(node.value)
            if isinstance(module, ModuleType) and module is math:
                return self.outside.attribute(module, node.attr)
        return _MISSING


class Writer:
    """Writes the lines of one function."""

    def __init__(
        self,
        function: Function,
        lines: Lines,
        read: Reader,
        returned: Callable[[ast.expr | None, Writer], None],
    ) -> None:
        self.function = function
        self.lines = lines
        self._read = read
        self._returned = returned
        self._kinds: dict[str, str] = {}
        self._ever: dict[str, str] = {}

    def block(self, body: Sequence[ast.stmt]) -> bool:
        """Add statements; return whether what comes after them is reached."""
        for node in body:
            write = _STATEMENTS.get(type(node))
            if write is None:
                raise Refused(f"{type(node).__name__} is not compiled")
            if not write(self, node):
                return False
        return True

    def _return(self, node: ast.Return) -> bool:
        self._returned(node.value, self)
        self.lines.add("break")
        return False

    def _dropped(self, node: ast.Expr) -> bool:
        if not isinstance(node.value, ast.Constant):
            raise Refused("an expression whose value nobody takes is not compiled")
        return True

    def _pass(self, node: ast.Pass) -> bool:
        return True

    def _assign(self, node: ast.Assign) -> bool:
        value = self.value(node.value)
        for target in node.targets:
            self._let(target, value)
        return True

    def _annotated(self, node: ast.AnnAssign) -> bool:
        if node.value is not None:
            self._let(node.target, self.value(node.value))
        return True

    def _augmented(self, node: ast.AugAssign) -> bool:
        before = self.value(ast.Name(node.target.id)) if isinstance(node.target, ast.Name) else None
        if before is None:
            raise Refused("only names are assigned to")
        self._let(
            node.target, binary(type(node.op).__name__, before, self.value(node.value), self.lines)
        )
        return True

    def _let(self, target: ast.expr, value: Typed) -> None:
        if not isinstance(target, ast.Name) or self.function.is_state(target):
            raise Refused("only names of its own are assigned to")
        self.lines.add(f"l_{target.id} = {value.code}")
        # Numba knows one type of a name, wherever it is assigned to.
        if self._ever.setdefault(target.id, value.kind) != value.kind:
            raise Refused(f"{target.id!r} has values of several types")
        self._kinds[target.id] = value.kind

    def _if(self, node: ast.If) -> bool:
        test = self.test(node.test)
        before = dict(self._kinds)
        with self.lines.block(f"if {test}:"):
            then = self.block(node.body)
        after, self._kinds = self._kinds, dict(before)
        with self.lines.block("else:"):
            other = self.block(node.orelse)
        if then and other:
            # A name that one way does not bind may not be there.
            self._kinds = {name: after[name] for name in after.keys() & self._kinds.keys()}
        elif then:
            self._kinds = after
        return then or other

    def test(self, node: ast.expr) -> str:
        """Return the code of a condition."""
        value = self.value(node)
        return value.code if value.kind == "b" else f"({value.code} != 0)"

    def value(self, node: ast.expr) -> Typed:
        """Add the lines of an expression; return its value."""
        constant = self.function.constant(node)
        if constant is not _MISSING:
            return literal(constant)
        write = _EXPRESSIONS.get(type(node))
        if write is None:
            raise Refused(f"{type(node).__name__} is not compiled")
        found: Typed = write(self, node)
        return found

    def _name(self, node: ast.Name) -> Typed:
        kind = self._kinds.get(node.id)
        if kind is None:
            raise Refused(f"{node.id!r} is no number")
        # Under a name of its own: the local may get another value before this one is used.
        return self.lines.let(f"l_{node.id}", kind)

    def _binary(self, node: ast.BinOp) -> Typed:
        left, right = self.value(node.left), self.value(node.right)
        return binary(type(node.op).__name__, left, right, self.lines)

    def _unary(self, node: ast.UnaryOp) -> Typed:
        if isinstance(node.op, ast.Not):
            return self.lines.let(f"not {self.test(node.operand)}", "b")
        value = self.value(node.operand)
        if isinstance(node.op, ast.USub):
            return negative(value, self.lines)
        if isinstance(node.op, ast.UAdd):
            return value if value.kind == "f" else as_int(value)
        if value.kind == "f":
            raise Refused("~ on floats")
        return self.lines.let(f"~{as_int(value).code}", "i")

    def _compare(self, node: ast.Compare) -> Typed:
        values = [self.value(each) for each in (node.left, *node.comparators)]
        # All are computed: what is not reached in Python is at most given up here.
        pairs = [
            compare(type(op).__name__, left, right, self.lines).code
            for op, left, right in zip(node.ops, values, values[1:], strict=False)
        ]
        return Typed(pairs[0], "b") if len(pairs) == 1 else self.lines.let(" & ".join(pairs), "b")

    def _conditional(self, node: ast.IfExp) -> Typed:
        return self._either(self.test(node.test), node.body, node.orelse)

    def _either(self, test: str, then: ast.expr, other: ast.expr | Typed) -> Typed:
        name, kinds = self.lines.name(), []
        for head, part in ((f"if {test}:", then), ("else:", other)):
            with self.lines.block(head):
                value = part if isinstance(part, Typed) else self.value(part)
                self.lines.add(f"{name} = {value.code}")
                kinds.append(value.kind)
        if kinds[0] != kinds[1]:
            raise Refused("an expression has values of several types")
        return Typed(name, kinds[0])

    def _logic(self, node: ast.BoolOp) -> Typed:
        first, *others = node.values
        result = self.value(first)
        for other in others:
            truth = result.code if result.kind == "b" else f"({result.code} != 0)"
            head = truth if isinstance(node.op, ast.And) else f"not {truth}"
            result = self._either(head, other, result)
        return result

    def _subscript(self, node: ast.Subscript) -> Typed:
        if not self.function.is_state(node.value):
            raise Refused("only the state is read by keys")
        value, flag = self._read(self._key(node.slice))
        if value.kind == NOTHING:
            raise Refused("a channel is read that nobody writes")
        if flag is not None:
            self.lines.check(f"not {flag}")
        return value

    def _key(self, node: ast.expr) -> str:
        key = self.function.constant(node)
        if type(key) is not str:
            raise Refused("the state is read by something else than a constant name")
        return key

    def _call(self, node: ast.Call) -> Typed:
        if node.keywords or any(isinstance(each, ast.Starred) for each in node.args):
            raise Refused("a call with keywords or * is not compiled")
        if isinstance(node.func, ast.Attribute) and self.function.is_state(node.func.value):
            return self._get(node)
        function = self.function.known(node.func)
        write = _CALLS.get(function) if type(function) in {type(len), type} else None
        if write is None:
            raise Refused(f"a call of {ast.unparse(node.func)} is not compiled")
        if len(node.args) != 1 and function not in {min, max}:
            raise Refused(f"a call of {ast.unparse(node.func)} with so many arguments")
        return write(self, [self.value(each) for each in node.args])

    def _get(self, node: ast.Call) -> Typed:
        if (
            not isinstance(node.func, ast.Attribute)
            or node.func.attr != "get"
            or len(node.args) != 2
        ):
            raise Refused("only get with a default is called on the state")
        value, flag = self._read(self._key(node.args[0]))
        if value.kind == NOTHING:
            return self.value(node.args[1])
        return value if flag is None else self._either(f"not {flag}", node.args[1], value)

    def _least(self, values: list[Typed], sign: str) -> Typed:
        first, *others = values
        if not others or any(value.kind != first.kind for value in others):
            raise Refused("min and max are compiled of several numbers of one type")
        for other in others:
            # As Python: a later one wins only if it is less (or more); NaN never is.
            code = f"{other.code} if {other.code} {sign} {first.code} else {first.code}"
            first = self.lines.let(code, first.kind)
        return first

    def _abs(self, values: list[Typed]) -> Typed:
        (value,) = values
        if value.kind == "f":
            return self.lines.let(f"abs({value.code})", "f")
        value = as_int(value)
        opposite = negative(value, self.lines)
        return self.lines.let(f"{value.code} if {value.code} >= 0 else {opposite.code}", "i")

    def _int(self, values: list[Typed]) -> Typed:
        (value,) = values
        if value.kind != "f":
            return as_int(value)
        inside = self.lines.let(f"-9.2e18 < {value.code} < 9.2e18", "b")
        self.lines.check(f"not {inside.code}")
        return self.lines.let(f"int({value.code}) if {inside.code} else 0", "i")

    def _float(self, values: list[Typed]) -> Typed:
        (value,) = values
        return as_float(value)

    def _bool(self, values: list[Typed]) -> Typed:
        (value,) = values
        return value if value.kind == "b" else self.lines.let(f"{value.code} != 0", "b")

    def _sqrt(self, values: list[Typed]) -> Typed:
        (value,) = values
        number = as_float(value)
        self.lines.check(f"{number.code} < 0")
        return self.lines.let(f"sqrt({number.code} if {number.code} >= 0 else nan)", "f")


_STATEMENTS: Final[dict[type, Callable[..., bool]]] = {
    ast.AnnAssign: Writer._annotated,
    ast.Assign: Writer._assign,
    ast.AugAssign: Writer._augmented,
    ast.Expr: Writer._dropped,
    ast.If: Writer._if,
    ast.Pass: Writer._pass,
    ast.Return: Writer._return,
}

_EXPRESSIONS: Final[dict[type, Callable[..., Typed]]] = {
    ast.BinOp: Writer._binary,
    ast.BoolOp: Writer._logic,
    ast.Call: Writer._call,
    ast.Compare: Writer._compare,
    ast.IfExp: Writer._conditional,
    ast.Name: Writer._name,
    ast.Subscript: Writer._subscript,
    ast.UnaryOp: Writer._unary,
}

_CALLS: Final[dict[Any, Callable[[Writer, list[Typed]], Typed]]] = {
    abs: Writer._abs,
    bool: Writer._bool,
    float: Writer._float,
    int: Writer._int,
    max: lambda writer, values: writer._least(values, ">"),
    min: lambda writer, values: writer._least(values, "<"),
    math.sqrt: Writer._sqrt,
}

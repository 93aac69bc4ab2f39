"""From a graph to the source of one loop per run: every superstep of it in locals."""

from __future__ import annotations

import ast
import operator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from vecgraph.channels import BinaryOperatorAggregate, LastValue
from vecgraph.constants import END, MISSING, START
from vecgraph.jit.arithmetic import PRELUDE, as_float, as_int, binary, literal
from vecgraph.jit.lines import Lines, Typed
from vecgraph.jit.scalar import NOTHING, Function, Unknown
from vecgraph.nodes.writer import StateWriter, branch_channel
from vecgraph.tracing.source import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vecgraph.jit.scalar import Writer
    from vecgraph.program import Branch, NodeSpec, Program

__all__ = ["OTHER", "Graph", "Kernel"]

OTHER: Final = "o"
"""Kind of an input that is no column of numbers: it goes past the loop as it is."""

_OVER: Final = -1
"""Number of the node that is none: the run has ended."""


@dataclass(slots=True)
class Kernel:
    """The source of a loop, for inputs of some types.

    Attributes
    ----------
    source : str
        Of a module with a function ``kernel(limit, steps, bad, inputs..., outputs..., flags...)``.
    inputs : tuple of str
        Channels whose input columns it takes.
    written : dict of str to {'b', 'i', 'f'}
        Channels whose columns it fills, and of which kind.
    flagged : tuple of str
        Those of them that a run may leave without a value.
    """

    source: str
    inputs: tuple[str, ...]
    written: dict[str, str]
    flagged: tuple[str, ...]


class Graph:
    """A program in which each run is at one node at a time, by functions that are compiled.

    Parameters
    ----------
    program : Program
        Its functions have a column form: they are known to be pure.

    Raises
    ------
    Refused
        Something in it is not compiled.
    """

    def __init__(self, program: Program) -> None:
        if not program.is_state_graph or isinstance(program.outputs, str):
            raise Refused("the graph is no StateGraph with a schema of several keys")
        self.program = program
        self.numbers = {name: i for i, name in enumerate(n for n in program.nodes if n != START)}
        self.functions: dict[int, Function] = {}
        for name, node in program.nodes.items():
            _check(node)
            if name != START:
                self._function(node.action, f"node {name!r}")
            for branch in node.branches:
                self._function(branch.action, f"router {branch.name!r}")

    def _function(self, action: Any, what: str) -> None:
        if action is None or action.tier != "rowwise" or action.inject:
            raise Refused(f"{what} is no plain function of the state")
        try:
            self.functions[id(action.fn)] = Function(action.fn)
        except Refused as refused:
            raise Refused(f"{what}: {refused}") from None

    def holds(self) -> bool:
        """Return whether all that its functions take from outside is what it was."""
        return all(function.outside.holds() for function in self.functions.values())

    def kernel(self, given: Mapping[str, str]) -> Kernel:
        """Return the loop for inputs of these kinds (`OTHER`: no numbers); the rest have none.

        Raises
        ------
        Refused
            Something is not compiled.
        """
        return _Source(self, dict(given)).kernel()


def _check(node: NodeSpec) -> None:
    what = f"node {node.name!r}"
    if node.name != START and node.triggers != (branch_channel(node.name),):
        raise Refused(f"{what} waits for several nodes")
    if len(node.targets) + len(node.branches) > 1 or node.joins:
        raise Refused(f"{what} goes on at several nodes")
    if type(node.writer) is not StateWriter or node.writer.is_root or node.mapper is not None:
        raise Refused(f"the state of {what} is no dict")
    odd = (node.retry_policy, node.cache_policy, node.timeout, node.error_handler, node.defer)
    if any(odd):
        raise Refused(f"{what} has a policy, a handler, or is deferred")
    for branch in node.branches:
        if branch.mapper is not None or branch.translate is not None:
            raise Refused(f"the state of router {branch.name!r} is no dict")


def _keys(node: NodeSpec) -> tuple[str, ...]:
    """Return the keys that a node may write to."""
    assert isinstance(node.writer, StateWriter)
    return node.writer.keys


@dataclass(slots=True)
class _Channel:
    """A channel in a loop: its locals, and what is known of it."""

    name: str
    local: str
    rule: Any
    kind: str | None = None
    flag: str | None = None
    start: Any = MISSING
    written: bool = False


@dataclass(slots=True)
class _Source:
    """Writes the source for inputs of some kinds."""

    graph: Graph
    given: dict[str, str]
    channels: dict[str, _Channel] = field(default_factory=dict)
    changed: bool = False
    unknown: bool = False
    settled: bool = False

    def kernel(self) -> Kernel:
        self._declare()
        lines = self._settled()
        if self.unknown:  # what nobody has written by now is never there
            self.settled = True
            lines = self._settled()
        written = {n: c.kind for n, c in self.channels.items() if c.written and c.kind is not None}
        flagged = tuple(n for n in written if self.channels[n].flag is not None)
        numbers = tuple(name for name, kind in self.given.items() if kind != OTHER)
        return Kernel(self._module(lines, numbers, written, flagged), numbers, written, flagged)

    def _settled(self) -> Lines:
        """Return the lines once no round of them finds the type of one more channel."""
        lines, self.changed = self._loop(), True
        while self.changed:
            self.changed = self.unknown = False
            lines = self._loop()
        return lines

    def _declare(self) -> None:
        for i, (name, rule) in enumerate(self.graph.program.channels.items()):
            channel = self.channels[name] = _Channel(name, f"s{i}", rule)
            channel.kind = self.given.get(name)
            if channel.kind == OTHER:
                channel.kind, channel.rule = None, None  # nobody may look at it
                continue
            if type(rule) is BinaryOperatorAggregate:
                self._declare_sum(channel)
            elif channel.kind is None:
                channel.flag = f"p{i}"

    def _declare_sum(self, channel: _Channel) -> None:
        start = channel.rule.initial()
        if channel.rule.operator is not operator.add or type(start) not in {int, float} or start:
            channel.kind = None
            return
        channel.start = start
        if channel.kind is None:
            channel.kind = literal(start).kind
        elif channel.kind == "b" or type(start) is float:
            channel.kind = "f" if type(start) is float or channel.kind == "f" else "i"

    def _read(self, name: str) -> tuple[Typed, str | None]:
        channel = self.channels.get(name)
        if channel is None or name.startswith(("__", "branch:", "join:")):
            raise Refused(f"{name!r} is no channel of the state")
        self._must_be_plain(channel)
        if channel.kind is None and not self.settled:
            raise Unknown(name)
        if channel.kind is None:  # nobody ever writes it
            return Typed("", NOTHING), channel.flag
        return Typed(channel.local, channel.kind), channel.flag

    @staticmethod
    def _must_be_plain(channel: _Channel) -> None:
        plain = type(channel.rule) is LastValue or channel.start is not MISSING
        if not plain:
            raise Refused(f"channel {channel.name!r} is no plain value and no sum of numbers")

    def _loop(self) -> Lines:
        """Return the lines of one run, from its inputs in locals to its end."""
        lines, nodes = Lines(2), self.graph.program.nodes
        entry = nodes[START]
        lines.add("nxt = -1")
        lines.add("done = 0")
        self._onwards(entry, lines)
        lines.add("at = nxt")
        with lines.block("while at >= 0 and not bad and done < limit:"):
            lines.add("done += 1")
            lines.add("nxt = -1")
            head = "if"
            for name, number in self.graph.numbers.items():
                with lines.block(f"{head} at == {number}:"):
                    self._node(nodes[name], lines)
                    self._onwards(nodes[name], lines)
                head = "elif"
            lines.add("at = nxt")
        # At the limit it is too late to find that nothing is left to do.
        lines.check("done >= limit")
        return lines

    def _node(self, node: NodeSpec, lines: Lines) -> None:
        def returned(value: ast.expr | None, writer: Writer) -> None:
            self._writes(node, value, writer)

        self._write(node.action, f"node {node.name!r}", lines, returned)

    def _onwards(self, node: NodeSpec, lines: Lines) -> None:
        for target in node.targets:
            (name,) = self.graph.program.triggered[target]
            lines.add(f"nxt = {self.graph.numbers[name]}")
        for branch in node.branches:

            def returned(value: ast.expr | None, writer: Writer, branch: Branch = branch) -> None:
                self._label(branch, value, writer)

            self._write(branch.action, f"router {branch.name!r}", lines, returned)

    def _write(self, action: Any, what: str, lines: Lines, returned: Any) -> None:
        before = len(lines.lines)
        try:
            self.graph.functions[id(action.fn)].write(lines, self._read, returned)
        except Unknown:
            self.unknown = True
            del lines.lines[before:]
        except Refused as refused:
            raise Refused(f"{what}: {refused}") from None

    def _writes(self, node: NodeSpec, value: ast.expr | None, writer: Writer) -> None:
        """Add the writes of what a node returns."""
        if value is None or (isinstance(value, ast.Constant) and value.value is None):
            return
        if not isinstance(value, ast.Dict):
            raise Refused("a node returns something else than a dict as it is written")
        found: dict[str, Typed] = {}
        for key, item in zip(value.keys, value.values, strict=True):
            name = None if key is None else writer.function.constant(key)
            if type(name) is not str:
                raise Refused("a dict has keys that are no constant texts")
            typed = writer.value(item)
            if typed.constant is None:
                # Under a name: what it is made of may be written to before it is.
                typed = writer.lines.let(typed.code, typed.kind)
            found[name] = typed
        for name, typed in found.items():
            if name in _keys(node):
                self._put(self.channels[name], typed, writer.lines)

    def _put(self, channel: _Channel, value: Typed, lines: Lines) -> None:
        self._must_be_plain(channel)
        if channel.start is not MISSING:
            assert channel.kind is not None
            value = binary("Add", Typed(channel.local, channel.kind), value, lines)
        if channel.kind is None:
            channel.kind, self.changed = value.kind, True
        if channel.kind != value.kind:
            raise Refused(f"channel {channel.name!r} has values of several types")
        if not channel.written:
            channel.written = self.changed = True
        lines.add(f"{channel.local} = {value.code}")
        if channel.flag is not None:
            lines.add(f"{channel.flag} = True")

    def _label(self, branch: Branch, value: ast.expr | None, writer: Writer) -> None:
        """Add where a router's answer leads."""
        if isinstance(value, ast.IfExp):
            with writer.lines.block(f"if {writer.test(value.test)}:"):
                self._label(branch, value.body, writer)
            with writer.lines.block("else:"):
                self._label(branch, value.orelse, writer)
            return
        constant = MISSING if value is None else writer.function.constant(value)
        if type(constant) in {str, bool, int}:
            self._go(branch, constant, writer.lines)
            return
        table = writer.function.constant(value.value) if isinstance(value, ast.Subscript) else None
        if isinstance(value, ast.Subscript) and type(table) is tuple:
            ends = [(at, at - len(table), name) for at, name in enumerate(table)]
            self._one_of(branch, writer.value(value.slice), ends, writer.lines)
        elif value is None or branch.ends is None:
            raise Refused("it returns no constant name")
        else:
            numbers = [label for label in branch.ends if isinstance(label, int)]
            ends = [(int(label), int(label), label) for label in numbers]
            self._one_of(branch, writer.value(value), ends, writer.lines)

    def _one_of(
        self, branch: Branch, answer: Typed, ends: list[tuple[int, int, Any]], lines: Lines
    ) -> None:
        """Add where a number leads: for each end the two numbers that stand for it, and its label."""
        if answer.kind == "f" or not ends:
            raise Refused("it returns a number that is no constant name's")
        head, code = "if", as_int(answer).code
        for one, other, label in ends:
            with lines.block(f"{head} {code} == {one} or {code} == {other}:"):
                self._go(branch, label, lines)
            head = "elif"
        with lines.block("else:"):
            lines.add("bad = 1")

    def _go(self, branch: Branch, label: Any, lines: Lines) -> None:
        name = label if branch.ends is None else branch.ends.get(label, MISSING)
        if name == END:
            lines.add(f"nxt = {_OVER}")
        elif name in self.graph.numbers:
            lines.add(f"nxt = {self.graph.numbers[name]}")
        else:
            lines.add("bad = 1")  # an error, or a warning: the ordinary way knows

    def _module(
        self,
        body: Lines,
        numbers: tuple[str, ...],
        written: dict[str, str],
        flagged: tuple[str, ...],
    ) -> str:
        inputs = {name: f"c{i}" for i, name in enumerate(numbers)}
        outputs = {name: f"o{i}" for i, name in enumerate(written)}
        flags = {name: f"q{i}" for i, name in enumerate(flagged)}
        arguments = ["limit", "steps", "failed", *inputs.values(), *outputs.values()]
        arguments += flags.values()
        lines = Lines(0)
        lines.add(PRELUDE)
        lines.add('@njit(nogil=True, error_model="numpy", cache=CACHE)')
        head = f"def kernel({', '.join(arguments)}):"
        with lines.block(head), lines.block("for row in range(steps.size):"):
            lines.add("bad = 0")
            for channel in self.channels.values():
                self._begin(channel, inputs.get(channel.name), lines)
            lines.lines += body.lines
            for name, local in outputs.items():
                lines.add(f"{local}[row] = {self.channels[name].local}")
            for name, local in flags.items():
                lines.add(f"{local}[row] = {self.channels[name].flag}")
            lines.add("steps[row] = done")
            lines.add("failed[row] = bad != 0")
        return lines.text()

    def _begin(self, channel: _Channel, given: str | None, lines: Lines) -> None:
        """Set a channel's locals to what it is when the input has been applied."""
        if channel.kind is None:
            return
        nothing = {"b": "False", "i": "0", "f": "0.0"}[channel.kind]
        if channel.flag is not None:
            lines.add(f"{channel.flag} = False")
        if given is None:
            lines.add(f"{channel.local} = {nothing}")
        elif channel.start is MISSING:
            lines.add(f"{channel.local} = {given}[row]")
        else:
            cast = as_float if channel.kind == "f" else as_int
            value = cast(Typed(f"{given}[row]", self.given[channel.name]))
            lines.add(f"{channel.local} = {nothing} + {value.code}")

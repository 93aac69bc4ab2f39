"""Graphs as plain data: what the generators draw and every executor can build.

A *spec* names channels, nodes, edges and routers; what a node does is a short list of writes, a
test that raises, jumps and sends. `vecgraph.testing.building` turns a spec into a graph of any
library with LangGraph's names, and the node's program into a scalar function, a coroutine, a
vector function or an expression.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "BarrierSpec",
    "ChannelSpec",
    "Fail",
    "GraphSpec",
    "Jump",
    "NodePlan",
    "Packet",
    "PregelSpec",
    "Route",
    "Subscriber",
    "Test",
    "Value",
    "Write",
    "pick",
]

Kind = Literal[
    "last", "add", "mul", "max", "mix", "join", "any", "ephemeral", "untracked", "topic",
    "topic_all", "at_end",
]  # fmt: skip
"""Rule of a channel; ``join`` is a reducer whose type has no default, so it starts absent."""


@dataclass(frozen=True)
class ChannelSpec:
    """A channel: its name, rule, and the type in its annotation."""

    name: str
    kind: Kind
    typ: type = object
    is_input: bool = False

    @property
    def starts(self) -> bool:
        """Whether it has a value before anything was written."""
        return self.kind in {"add", "mul", "max", "mix"}


@dataclass(frozen=True)
class Test:
    """Whether ``pick(state[source], modulus)`` is one of `hits`."""

    # Not a test class: the name is the spec's.
    __test__ = False

    source: str
    modulus: int
    hits: frozenset[int]

    def holds(self, state: Mapping[str, Any]) -> bool:
        """Return whether a run's state passes."""
        return pick(state.get(self.source), self.modulus) in self.hits


@dataclass(frozen=True)
class Value:
    """A value computed from the state.

    Attributes
    ----------
    kind : {'affine', 'const', 'copy', 'wrap', 'test', 'view'}
        ``a * x + b``; the constant `a`; x; [x]; whether `test` holds; the node's whole input.
    source : str
        The channel x; an absent one counts as `absent`.
    overwrite : bool
        Wrapped in Overwrite.
    """

    kind: Literal["affine", "const", "copy", "wrap", "test", "view"]
    source: str = ""
    a: Any = 1
    b: Any = 0
    absent: Any = 0
    test: Test | None = None
    overwrite: bool = False

    def of(self, state: Mapping[str, Any]) -> Any:
        """Return the value for one run."""
        x = state.get(self.source, self.absent)
        match self.kind:
            case "affine":
                return x * self.a + self.b
            case "const":
                return self.a
            case "copy":
                return x
            case "wrap":
                return [x]
            case "test":
                return self.test is not None and self.test.holds(state)
            case "view":
                return [self.a, {k: state[k] for k in state if k != self.source}]


@dataclass(frozen=True)
class Write:
    """Write `value` to `channel`, if `test` holds (always if None)."""

    channel: str
    value: Value
    test: Test | None = None


@dataclass(frozen=True)
class Fail:
    """Raise an error of type `error` if `test` holds; its text names the node and the value."""

    test: Test
    error: type[Exception] = ValueError

    def check(self, name: str, state: Mapping[str, Any]) -> None:
        """Raise for node `name` if a run's state asks for it."""
        if self.test.holds(state):
            raise self.error(f"{name} refuses {state.get(self.test.source)!r}")


@dataclass(frozen=True)
class Jump:
    """``Command(goto=...)``: go to each of `targets` if `test` holds."""

    targets: tuple[str, ...]
    test: Test


@dataclass(frozen=True)
class Packet:
    """``Send(node, payload)`` if `test` holds; the payload's items are values of the state."""

    node: str
    payload: tuple[tuple[str, Value], ...]
    test: Test | None = None


@dataclass(frozen=True)
class NodePlan:
    """A node and its program.

    Attributes
    ----------
    writes : tuple of Write
        In order; two to one channel make the node return a list of updates.
    fail : Fail or None
        Checked before anything else.
    jump, packets
        Make the node return a Command.
    pieces : bool
        Return one update per write, in a list with a Command.
    waits : int
        How often its coroutine form gives way before it returns.
    """

    name: str
    writes: tuple[Write, ...] = ()
    fail: Fail | None = None
    jump: Jump | None = None
    packets: tuple[Packet, ...] = ()
    pieces: bool = False
    defer: bool = False
    waits: int = 0


@dataclass(frozen=True)
class Route:
    """A conditional edge: ``targets[pick(state[by], len(targets))]``.

    Attributes
    ----------
    targets : tuple of tuples of str
        Destinations for each outcome; the empty tuple is none; ``(None,)`` is invalid.
    packets : tuple of Packet
        Sends beside them, for those whose test holds.
    labels : bool
        Return labels that a path map turns into node names.
    """

    source: str
    by: str
    targets: tuple[tuple[str | None, ...], ...]
    packets: tuple[Packet, ...] = ()
    labels: bool = False


@dataclass(frozen=True)
class BarrierSpec:
    """``add_edge([sources], target)``."""

    sources: tuple[str, ...]
    target: str


@dataclass(frozen=True)
class GraphSpec:
    """A StateGraph as data."""

    channels: tuple[ChannelSpec, ...]
    nodes: tuple[NodePlan, ...]
    edges: tuple[tuple[str, str], ...]
    routes: tuple[Route, ...] = ()
    barriers: tuple[BarrierSpec, ...] = ()
    limit: int = 25

    @property
    def inputs(self) -> tuple[str, ...]:
        """Channels that a row of input may give."""
        return tuple(c.name for c in self.channels if c.is_input)


@dataclass(frozen=True)
class Subscriber:
    """A Pregel node.

    Attributes
    ----------
    subscribes : tuple of str
        Channels that trigger it and that it reads.
    watches : tuple of str
        Channels that trigger it without being read.
    reads : tuple of str
        Channels that it reads without being triggered.
    only : bool
        Gets the bare value of its one channel.
    """

    plan: NodePlan
    subscribes: tuple[str, ...]
    watches: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    only: bool = False


@dataclass(frozen=True)
class PregelSpec:
    """A Pregel graph as data: nodes that subscribe to persistent channels."""

    channels: tuple[ChannelSpec, ...]
    nodes: tuple[Subscriber, ...]
    outputs: tuple[str, ...]
    limit: int = 12

    @property
    def inputs(self) -> tuple[str, ...]:
        """Channels that a row of input may give."""
        return tuple(c.name for c in self.channels if c.is_input)


def pick(value: Any, modulus: int) -> int:
    """Return a number below `modulus` for any value at all.

    Examples
    --------
    >>> pick(-1, 3), pick(True, 3), pick(float("nan"), 3), pick("ab", 3), pick(None, 3)
    (2, 1, 0, 2, 0)
    """
    if isinstance(value, int):
        return int(value) % modulus
    if isinstance(value, float):
        return int(value > 0.5) % modulus
    if isinstance(value, str | list | tuple | dict):
        return len(value) % modulus
    return 0

"""What the engine looks up at every superstep, computed once a program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vecgraph.channels.base import IMMUTABLE, Channel
from vecgraph.channels.delta import DeltaChannel
from vecgraph.constants import MISSING, START
from vecgraph.nodes.inside import graph_inside

if TYPE_CHECKING:
    from collections.abc import Callable

    from vecgraph.engine.quick import Quick
    from vecgraph.engine.quick_loop import LoopQuick
    from vecgraph.program import Program, Reads

__all__ = ["Tables"]


class Tables:
    """Derived facts of a program.

    Attributes
    ----------
    program : Program
    unsteady : tuple of str
        Channels that may change without a write (`Channel.tick`).
    consuming, finishing : frozenset of str
        Channels whose `consume` or `finish` does something.
    triggered : dict of str to tuple of str
        Nodes that each channel triggers.
    untracked : frozenset of str
        Channels that no checkpoint keeps.
    deltas : dict of str to DeltaChannel
        Channels of which LangGraph's checkpoints may keep the writes and not the value.
    subgraphs : dict of str to app
        Graphs that nodes run, and whose checkpoints can be asked for, by node.
    goals : frozenset of str
        Nodes that a run can be sent to.
    outputs : frozenset of str
        Channels of the result.
    quick : Quick or None
        Short form of single runs, if there is one; set by the engine.
    quick_on_loop : LoopQuick or None
        The same of runs on an event loop.
    steady_outputs : bool
        The result can be read when the run ends; otherwise each emission is kept.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        channels = program.channels
        self.channels = dict(channels)
        self.nodes = dict(program.nodes)
        cells = {name: channel.initial() for name, channel in channels.items()}
        known = {name: cell for name, cell in cells.items() if cell is not MISSING}
        self._shared = {n: c for n, c in known.items() if isinstance(c, IMMUTABLE)}
        self._fresh = tuple((n, channels[n]) for n in known if n not in self._shared)
        self.unsteady = tuple(name for name, channel in channels.items() if not channel.steady)
        self.consuming = _overriding(channels, "consume")
        self.finishing = _overriding(channels, "finish")
        self.triggered = program.triggered
        self.goals = frozenset(name for name in program.nodes if name != START)
        self.untracked = frozenset(n for n, c in channels.items() if not c.tracked)
        self.deltas = {n: c for n, c in channels.items() if isinstance(c, DeltaChannel)}
        inside = {n: graph_inside(s.action) for n, s in program.nodes.items() if s.action}
        self.subgraphs: dict[str, Any] = {n: app for n, app in inside.items() if app is not None}
        self.quick: Quick | None = None
        self.quick_on_loop: LoopQuick | None = None
        self.outputs = frozenset(names_of(program.outputs))
        self.steady_outputs = self.outputs.isdisjoint(self.unsteady)

    def initial(self) -> dict[str, Any]:
        """Return the cells of a run before its input; channels that start absent are left out."""
        cells = dict(self._shared)
        for name, channel in self._fresh:
            cells[name] = channel.initial()
        return cells


def names_of(reads: Reads) -> tuple[str, ...]:
    """Return the channels of `reads` as a tuple."""
    return (reads,) if isinstance(reads, str) else reads


def _overriding(channels: Any, method: str) -> frozenset[str]:
    base: Callable[..., Any] = getattr(Channel, method)
    return frozenset(n for n, c in channels.items() if getattr(type(c), method) is not base)

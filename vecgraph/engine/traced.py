"""The traced tier of a program: which of its functions run in columns, and the tables for lanes."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any, Literal

from vecgraph.engine.tables import Tables
from vecgraph.errors import TracingError
from vecgraph.nodes.writer import StateWriter
from vecgraph.tracing.source import Refused
from vecgraph.tracing.traced import Traced

if TYPE_CHECKING:
    from vecgraph.nodes.action import Action
    from vecgraph.program import Branch, NodeSpec, Program

__all__ = ["Tracing", "TracingMode"]

TracingMode = Literal["auto", "off", "require"]
"""Whether scalar functions are looked at for a column form, and must have one."""


class Tracing:
    """Column forms of a program's scalar functions, found when they are first needed.

    Parameters
    ----------
    program : Program
    mode : TracingMode

    Raises
    ------
    TracingError
        `mode` is ``"require"``, and a function has no column form.
    ValueError
        There is no such mode.
    """

    def __init__(self, program: Program, mode: str) -> None:
        if mode not in {"auto", "off", "require"}:
            raise ValueError(f"tracing is 'auto', 'off' or 'require', not {mode!r}")
        self._program = program
        self._on = mode != "off" and os.environ.get("VECGRAPH_TRACING") != "off"
        self._found: dict[int, Traced] = {}
        self._tables: Tables | None = None
        if mode == "require":
            self._require()

    def __getstate__(self) -> dict[str, Any]:
        """Leave the column forms behind: they are known by addresses, which are this process's."""
        return {**self.__dict__, "_found": {}, "_tables": None}

    def _require(self) -> None:
        for node in self._program.nodes.values():
            for what, action, reason in self._parts(node):
                if action.tier == "rowwise" and reason is not None:
                    raise TracingError.refused(what, reason)

    def _parts(self, node: NodeSpec) -> list[tuple[str, Action, str | None]]:
        parts = [] if node.action is None else [(f"node '{node.name}'", node.action, node)]
        found: list[tuple[str, Action, str | None]] = [
            (what, action, self.reason(action, spec)) for what, action, spec in parts
        ]
        for branch in node.branches:
            what = f"router '{branch.name}' of node '{node.name}'"
            found.append((what, branch.action, self.reason(branch.action, branch)))
        return found

    def reason(self, action: Action, place: NodeSpec | Branch) -> str | None:
        """Return why an action has no column form; None if it has one."""
        odd = _odd(action, place)
        if odd is not None:
            return odd
        traced = self._traced(action)
        if traced.broken is not None:
            return traced.broken
        return None if traced.refused is None else str(traced.refused)

    def shown(self, action: Action, place: NodeSpec | Branch) -> dict[str, str] | None:
        """Return what a traced function computes, as written; None if it is not traced."""
        if not self._on or self.reason(action, place) is not None:
            return None
        plan = self._traced(action).plan
        return None if plan is None else plan.shown

    def why_not(self, action: Action, place: NodeSpec | Branch) -> str:
        """Return in words why a function goes row by row."""
        return "tracing is off" if not self._on else self.reason(action, place) or ""

    def must_all_be_pure(self) -> None:
        """Raise `Refused` unless every function of the program has a column form."""
        if not self._on:
            raise Refused("tracing is off")
        for node in self._program.nodes.values():
            for what, action, reason in self._parts(node):
                if action.tier != "rowwise" or reason is not None:
                    raise Refused(
                        f"{what}: {reason or f'{action.tier} functions are not compiled'}"
                    )

    def _traced(self, action: Action) -> Traced:
        fn: Any = action.fn
        if id(fn) not in self._found:
            self._found[id(fn)] = Traced(fn)
        return self._found[id(fn)]

    def tables(self, tables: Tables) -> Tables:
        """Return the tables for lanes, whose actions are traced where they can be.

        Parameters
        ----------
        tables : Tables
            Of the program as it is.
        """
        if not self._on:
            return tables
        if self._tables is None:
            nodes = {name: self._node(node) for name, node in self._program.nodes.items()}
            if all(node is self._program.nodes[name] for name, node in nodes.items()):
                self._tables = tables
            else:
                self._tables = Tables(dataclasses.replace(self._program, nodes=nodes))
        for traced in self._found.values():
            traced.begin()
        return self._tables

    def count(self, tables: Tables) -> int:
        """Return how many functions of the program run in columns."""
        found = self.tables(tables)
        if found is tables:
            return 0
        return sum(
            action is not None and action.tier == "traced"
            for node in found.nodes.values()
            for action in (node.action, *(branch.action for branch in node.branches))
        )

    def _node(self, node: NodeSpec) -> NodeSpec:
        action = None if node.action is None else self._action(node.action, node)
        branches = tuple(self._branch(branch) for branch in node.branches)
        if action is node.action and branches == node.branches:
            return node
        return dataclasses.replace(node, action=action, branches=branches)

    def _branch(self, branch: Branch) -> Branch:
        action = self._action(branch.action, branch)
        return branch if action is branch.action else dataclasses.replace(branch, action=action)

    def _action(self, action: Action, place: NodeSpec | Branch) -> Action:
        if self.reason(action, place) is not None:
            return action
        # The function itself stays: rows that its column form cannot vouch for go through it.
        return dataclasses.replace(action, tier="traced", options={"traced": self._traced(action)})


def _odd(action: Action, place: NodeSpec | Branch) -> str | None:
    """Return why an action is not one that could be traced, whatever its function says."""
    if action.tier != "rowwise":
        return action.why or action.tier
    if action.inject:
        return f"it takes {', '.join(sorted(action.inject))} beside the state"
    if isinstance(place.reads, str):
        return "its state is one bare value"
    if place.mapper is not None:
        return "its state is an instance of a class"
    writer = getattr(place, "writer", None)
    if writer is not None and (not isinstance(writer, StateWriter) or writer.is_root):
        return "its state is one bare value"
    return None

"""The rows that a task serves: who they are, computed when somebody asks."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from vecgraph.engine.lane_scope import LaneScope, Place
from vecgraph.errors import GraphBubbleUp, ParentCommand
from vecgraph.types import Command

if TYPE_CHECKING:
    from vecgraph.channels.base import Failure
    from vecgraph.engine.read import Clock
    from vecgraph.engine.tables import Tables
    from vecgraph.engine.tasks import Due
    from vecgraph.state import State
    from vecgraph.typing import Rows, Where

__all__ = ["LaneSite", "Site"]


class Site(Place):
    """The rows of one task, and the scope that its functions see.

    Attributes
    ----------
    rows, steps : int64 ndarray of shape (M,)
    pushes : int64 ndarray of shape (M,), or None
    scope : LaneScope
    tables : Tables
    """

    __slots__ = ("scope", "tables")

    def __init__(
        self, tables: Tables, scope: LaneScope, rows: Any, steps: Any, pushes: Any = None
    ) -> None:
        super().__init__(rows, steps, pushes)
        self.tables = tables
        self.scope = scope

    def take(self, where: Where | slice) -> Site:
        """Return the site of some of its rows."""
        return self if where is None else _Part(self, where)

    def note(self, node: str, failures: list[Failure]) -> None:
        """Add to each exception which task it came from; one shared by rows gets one note."""
        noted: set[int] = set()
        for position, error in failures:
            if isinstance(error, GraphBubbleUp):
                _address(error)
            elif id(error) not in noted:
                noted.add(id(error))
                self.scope.enter(node, self)
                self.scope.note_at(error, position)


def _address(bubble: GraphBubbleUp) -> None:
    """Address a command to the graph around: to the one without a name."""
    if isinstance(bubble, ParentCommand) and bubble.command.graph == Command.PARENT:
        bubble.command = dataclasses.replace(bubble.command, graph="")
        bubble.args = (bubble.command,)


class LaneSite(Site):
    """The rows of a task of a lane."""

    __slots__ = ("_clock", "_due", "_ids", "_state")

    def __init__(
        self, tables: Tables, scope: LaneScope, state: State, due: Due, clock: Clock, ids: Rows
    ) -> None:
        self.tables = tables
        self.scope = scope
        self._due = due
        self._state = state
        self._clock = clock
        self._ids = ids

    @property
    def pushes(self) -> Any:
        """Index of each row's Send."""
        queue = self._due.queue
        return None if queue is None else queue.index

    @property
    def rows(self) -> Any:
        """Number of each row's run."""
        rows, where = self._state.rows, self._due.where
        return self._ids[rows if where is None else rows[where]]

    @property
    def steps(self) -> Any:
        """Superstep of each row's run."""
        return self._clock.steps(self._due.where)


class _Part(Site):
    """Some rows of a site."""

    __slots__ = ("_site", "_where")

    def __init__(self, site: Site, where: Any) -> None:
        self.tables = site.tables
        self.scope = site.scope
        self._site = site
        self._where = where

    @property
    def pushes(self) -> Any:
        """Index of each row's Send."""
        pushes = self._site.pushes
        return None if pushes is None else pushes[self._where]

    @property
    def rows(self) -> Any:
        """Number of each row's run."""
        return self._site.rows[self._where]

    @property
    def steps(self) -> Any:
        """Superstep of each row's run."""
        return self._site.steps[self._where]

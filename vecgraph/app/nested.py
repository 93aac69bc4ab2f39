"""An app as a node of another graph: one call for all rows of a task, or for one run."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.engine.drive import arun_alone, run_alone
from vecgraph.engine.scope import Scope, Shared
from vecgraph.state import Inputs

if TYPE_CHECKING:
    from vecgraph.engine.batch import Engine
    from vecgraph.engine.records import Results
    from vecgraph.types import Command
    from vecgraph.typing import Rows

__all__ = ["Nested", "NestedResults"]


class NestedResults:
    """What a subgraph gives its parent's node.

    Attributes
    ----------
    columns : dict of str to Column, or None
        Outputs of all rows; None if they are not columns.
    failures : list of (int, exception)
    """

    def __init__(self, results: Results) -> None:
        self._results = results
        self.failures = [(error.row, error.exception) for error in results.errors]
        whole = results.bare is None and bool(results.emitted.all())
        self.columns = results.columns if whole else None

    def objects(self) -> list[Any]:
        """Return each row's output."""
        return self._results.outputs()


class Nested:
    """An app, run by the node of an enclosing graph.

    Parameters
    ----------
    engine : Engine
    store : object
        The app's own store; else the enclosing graph's serves.
    """

    def __init__(self, engine: Engine, store: Any) -> None:
        self._engine = engine
        self._store = store

    def run_rows(self, inputs: Inputs, rows: Rows, scope: Scope) -> NestedResults:
        """Run once for all rows of a task of the enclosing graph."""
        program = self._engine.tables.program
        if not program.is_state_graph or inputs.mapper is not None or inputs.bare:
            values = inputs.rows()
            if inputs.mapper is not None:
                values = [inputs.mapper(value) for value in values]
            inputs = Inputs(inputs.m, objects=values)
        shared = self._inherited(scope, rows)
        return NestedResults(self._engine.run(inputs, np.arange(inputs.m), shared))

    def run(self, value: Any, scope: Scope) -> Any:
        """Run for one run of the enclosing graph."""
        return run_alone(self._engine.tables, value, self._inherited(scope, None), scope.row)

    async def arun(self, value: Any, scope: Scope) -> Any:
        """Run for one run of the enclosing graph, on the event loop."""
        shared = self._inherited(scope, None)
        return await arun_alone(self._engine.tables, value, shared, scope.row)

    def _inherited(self, scope: Scope, rows: Rows | None) -> Shared:
        shared = scope.shared
        steps, tasks = scope.words()
        if rows is not None and shared.rows is not None:
            rows = shared.rows[rows]
        return Shared(
            shared.config,
            context=shared.context,
            store=self._store or shared.store,
            seed=shared.seed,
            path=f"{shared.path}{scope.node}|",
            rows=rows,
            steps=steps,
            tasks=tasks,
        )

    @staticmethod
    def from_parent(command: Command[Any]) -> Command[Any]:
        """Return a child's command to its parent as the parent's own."""
        return dataclasses.replace(command, graph=None)

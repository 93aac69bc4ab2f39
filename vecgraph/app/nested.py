"""An app inside a task of another graph: as its node, or called by its function."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.app.options import coerce_context
from vecgraph.config import ensure_config
from vecgraph.engine.drive import arun_one, new_run, run_one
from vecgraph.engine.gather import Gatherer
from vecgraph.engine.ids import new_checkpoint_id
from vecgraph.engine.lane_scope import LaneScope
from vecgraph.engine.run import TaskError
from vecgraph.engine.run_scope import RunScope
from vecgraph.engine.shared import Shared
from vecgraph.errors import GraphInterrupt
from vecgraph.state import Inputs

if TYPE_CHECKING:
    from collections.abc import Callable

    from vecgraph.app.base import Compiled
    from vecgraph.engine.records import Results
    from vecgraph.engine.scope import TaskScope
    from vecgraph.streams import Chunks
    from vecgraph.typing import Rows

__all__ = ["Nested", "NestedResults", "inherited", "sunk"]


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
        failures = {error.row: error.exception for error in results.errors}
        failures.update((row, GraphInterrupt(asked)) for row, asked in results.interrupts.items())
        self.failures = sorted(failures.items(), key=itemgetter(0))
        whole = results.bare is None and bool(results.emitted.all())
        self.columns = results.columns if whole else None

    def objects(self) -> list[Any]:
        """Return each row's output."""
        return self._results.outputs()


class Nested:
    """An app, run by the node of an enclosing graph.

    Parameters
    ----------
    app : Compiled
    """

    def __init__(self, app: Compiled) -> None:
        self._app = app

    def run_rows(self, inputs: Inputs, rows: Rows, scope: TaskScope) -> NestedResults:
        """Run once for all rows of a task of the enclosing graph."""
        engine = self._app.engine
        if not engine.tables.program.is_state_graph or inputs.mapper is not None or inputs.bare:
            values = inputs.rows()
            if inputs.mapper is not None:
                values = [inputs.mapper(value) for value in values]
            inputs = Inputs(inputs.m, objects=values)
        shared = inherited(self._app, scope, rows)
        return NestedResults(engine.run(inputs, np.arange(inputs.m), shared))

    def run(self, value: Any, scope: TaskScope) -> Any:
        """Run for one run of the enclosing graph."""
        tables, shared = self._app.engine.tables, inherited(self._app, scope)
        watcher = sunk(self._app, shared)
        try:
            return run_one(tables, new_run(tables, shared, scope.row), value, shared, watcher)
        except TaskError as failed:
            error = failed.error
        raise error

    async def arun(self, value: Any, scope: TaskScope) -> Any:
        """Run for one run of the enclosing graph, on the event loop."""
        tables, shared = self._app.engine.tables, inherited(self._app, scope)
        gatherer, run = Gatherer(tables, shared), new_run(tables, shared, scope.row)
        watcher = sunk(self._app, shared)
        try:
            return await arun_one(tables, run, value, shared, gatherer, watcher)
        except TaskError as failed:
            error = failed.error
        finally:
            gatherer.close()
        raise error


def sunk(app: Compiled, shared: Shared) -> Chunks | None:
    """Return what shows the run of a graph in a task in the stream around it, None if nothing does."""
    if shared.sink is None:
        return None
    watcher: Chunks = shared.sink.watcher(app.engine.tables, shared, app.program.outputs)
    if "custom" in shared.sink.modes:
        shared.write = watcher.custom
    return watcher


def inherited(
    app: Compiled,
    scope: TaskScope,
    rows: Rows | None = None,
    config: Any = None,
    context: Any = None,
    *,
    as_node: bool = True,
) -> Shared:
    """Return what the runs of an app share that a task of another graph runs.

    Parameters
    ----------
    rows : int64 ndarray, optional
        Runs of the enclosing batch that it runs for; None: for the one that is served.
    config, context : optional
        What the task's function passes to the call.
    as_node : bool
        It is the task's node; else the task's function calls it.
    """
    above = scope.shared
    steps, tasks = scope.words()
    if rows is not None and above.rows is not None:
        rows = above.rows[rows]
    own = app.config is not None or config is not None or scope.adds_to_config
    # A function's call lies over the running task's config, a node is called with that.
    full = ensure_config(app.config, scope.config if as_node else config) if own else above.config
    given = coerce_context(app.context_schema, context)
    shared = Shared(
        full,
        context=above.context if given is None else given,
        store=above.store,
        seed=above.seed,
        path=f"{above.path}{scope.node}|",
        rows=rows,
        steps=steps,
        tasks=tasks,
    )
    shared.parent, shared.sink = scope, above.sink
    shared.debug = app.debug or above.debug
    shared.mail, shared.surroundings = above.mail, above.surroundings
    shared.saver = None if app.checkpointer is False else above.saver
    shared.durability = above.durability
    shared.before, shared.after = app.interrupt_before, app.interrupt_after
    shared.control, shared.cache, shared.timeout = above.control, app.cache, app.step_timeout
    if rows is None:
        shared.put_in(_namespace(app, scope))
    if shared.saver is not None:
        _find_place(shared, scope)
    elif above.saver is not None:
        shared.start = new_checkpoint_id(-1)
    return shared


def _namespace(app: Compiled, scope: TaskScope) -> str | Callable[[], str]:
    """Return the namespace of a graph inside a task: the task's, and which call of it this is."""
    scratch = scope.scratch()
    calls, scratch.graphs = scratch.graphs, scratch.graphs + 1
    if isinstance(scope, LaneScope) and scope.shared.saver is None:
        return ""
    if not isinstance(scope, RunScope):
        return _counted(app, scope.checkpoint_ns, calls)
    here = RunScope(scope.shared, scope.tables, scope.run, scope.task)

    def made() -> str:
        return _counted(app, here.checkpoint_ns, calls)

    return made


def _counted(app: Compiled, ns: str, calls: int) -> str:
    if app.checkpointer is True:
        ns = "|".join(part.split(":")[0] for part in ns.split("|"))
    return f"{ns}|{calls}" if calls else ns


def _find_place(shared: Shared, scope: TaskScope) -> None:
    """Give a graph inside a task its place below the checkpoint that the task runs on."""
    shared.parents = {**scope.shared.parents, scope.shared.ns: scope.checkpoint_id}
    asked = (scope.shared.config.get("configurable") or {}).get("checkpoint_map") or {}
    shared.coordinates = {
        "thread_id": scope.thread_id,
        "checkpoint_ns": shared.ns,
        "checkpoint_id": asked.get(shared.ns),
        "checkpoint_map": {**asked, **shared.parents},
    }
    shared.replay = scope.replay

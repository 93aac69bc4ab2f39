"""Columnar nodes among single runs: called for one run, or for all that arrive together."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.engine.execute import run_node, run_router
from vecgraph.engine.lane_scope import LaneScope
from vecgraph.engine.site import Site
from vecgraph.nodes.outcome import Outcome, joined, unpacked
from vecgraph.nodes.vector import normalise
from vecgraph.nodes.writer import Pairs, StateWriter
from vecgraph.state import Inputs

if TYPE_CHECKING:
    import asyncio

    from vecgraph.engine.run import Task
    from vecgraph.engine.run_scope import RunScope
    from vecgraph.engine.shared import Shared
    from vecgraph.engine.tables import Tables
    from vecgraph.program import Branch, NodeSpec

__all__ = ["COLUMNAR", "Gatherer", "node_alone", "router_alone"]

COLUMNAR = frozenset({"expr", "vector"})
"""Tiers whose functions take columns."""


def node_alone(tables: Tables, spec: NodeSpec, value: Any, scope: RunScope) -> Pairs:
    """Run a columnar node for one run; return what it wrote."""
    outcome = run_node(spec, _inputs(spec.reads, [value]), _site(tables, [scope]))
    return _single(outcome, scope, spec)


def router_alone(
    tables: Tables, spec: NodeSpec, branch: Branch, value: Any, scope: RunScope
) -> Pairs:
    """Run a columnar router for one run; return the writes that send it on."""
    inputs = _inputs(branch.reads, [value])
    outcome = run_router(spec, branch, inputs, None, 1, _site(tables, [scope]))
    return _single(outcome, scope, spec)


def _single(outcome: Outcome, scope: RunScope, spec: NodeSpec) -> Pairs:
    (pairs,) = unpacked(outcome)
    if isinstance(pairs, BaseException):
        raise pairs
    return pairs


def _inputs(reads: Any, values: list[Any]) -> Inputs:
    if isinstance(reads, str):
        values = [{reads: value} for value in values]
    return Inputs(len(values), objects=values)


def _site(tables: Tables, scopes: list[RunScope]) -> Site:
    rows: Any = np.array([scope.run.row for scope in scopes], np.int64)
    steps: Any = np.array([scope.step for scope in scopes], np.int64)
    pushes = None
    if any(scope.push is not None for scope in scopes):
        pushes = np.array([-1 if s.push is None else s.push for s in scopes], np.int64)
    return Site(tables, LaneScope(scopes[0].shared, tables), rows, steps, pushes)


class Gatherer:
    """Calls columnar nodes for the runs that reach them together, on one event loop.

    A call is made when `max_batch` runs have arrived, or `max_wait` seconds after the
    first one, or, without those, as soon as no other run can arrive without waiting.

    Parameters
    ----------
    tables : Tables
    shared : Shared
        Its config's ``max_concurrency`` bounds the coroutine calls in flight.
    """

    def __init__(self, tables: Tables, shared: Shared) -> None:
        self._tables = tables
        self._limit: int | None = shared.config.get("max_concurrency")
        self._slots: list[asyncio.Semaphore] = []
        self._waiting: dict[Any, list[tuple[Any, RunScope, asyncio.Future[Pairs]]]] = {}
        self._calls: set[asyncio.Task[None]] = set()

    @property
    def is_unlimited(self) -> bool:
        """Whether any number of coroutines may be in flight."""
        return self._limit is None

    def slot(self, task: Task | None = None) -> AbstractAsyncContextManager[Any]:
        """Return what a coroutine call must hold while it runs.

        A task that waits for tasks it has called holds its own: those have others, depth by depth.
        """
        if self._limit is None:
            return nullcontext()
        depth = 0
        while task is not None and (task := task.caller) is not None:
            depth += 1
        while len(self._slots) <= depth:
            self._slots.append(_semaphore(self._limit))
        return self._slots[depth]

    async def node(self, spec: NodeSpec, value: Any, scope: RunScope) -> Pairs:
        """Run a columnar node for one of the runs that arrive; return what it wrote."""
        return await self._arrive(spec, None, value, scope)

    async def router(self, spec: NodeSpec, branch: Branch, value: Any, scope: RunScope) -> Pairs:
        """Run a columnar router likewise."""
        return await self._arrive(spec, branch, value, scope)

    async def _arrive(
        self, spec: NodeSpec, branch: Branch | None, value: Any, scope: RunScope
    ) -> Pairs:
        import asyncio

        loop = asyncio.get_running_loop()
        action = spec.action if branch is None else branch.action
        assert action is not None
        key = (spec.name, None if branch is None else branch.name)
        waiting = self._waiting.setdefault(key, [])
        future: asyncio.Future[Pairs] = loop.create_future()
        waiting.append((value, scope, future))
        most = action.options.get("max_batch")
        if most is not None and len(waiting) >= most:
            self._flush(key, spec, branch, waiting)
        elif len(waiting) == 1:
            wait = action.options.get("max_wait")
            if wait:
                loop.call_later(wait, self._flush, key, spec, branch, waiting)
            else:
                loop.call_soon(self._flush, key, spec, branch, waiting)
        return await future

    def close(self) -> None:
        """Cancel the calls in flight: no run waits for them any more."""
        self._waiting.clear()
        for call in self._calls:
            call.cancel()

    def _flush(self, key: Any, spec: NodeSpec, branch: Branch | None, arrived: list[Any]) -> None:
        import asyncio

        if self._waiting.get(key) is not arrived:
            return  # they have left as a full batch; those that wait now came later
        del self._waiting[key]
        call = asyncio.ensure_future(self._call(spec, branch, arrived))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    async def _call(
        self,
        spec: NodeSpec,
        branch: Branch | None,
        arrived: list[tuple[Any, RunScope, asyncio.Future[Pairs]]],
    ) -> None:
        arrived = [item for item in arrived if not item[2].done()]
        if not arrived:
            return
        site = _site(self._tables, [scope for _, scope, _ in arrived])
        values = [value for value, _, _ in arrived]
        try:
            outcome = await self._outcome(spec, branch, values, site)
            results = unpacked(outcome)
        except BaseException as error:  # noqa: BLE001 - a cancelled or broken call must not leave runs waiting
            results = [error] * len(arrived)
        for (_, _, future), result in zip(arrived, results, strict=True):
            if future.done():
                continue
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)

    async def _outcome(
        self, spec: NodeSpec, branch: Branch | None, values: list[Any], site: Site
    ) -> Outcome:
        m = len(values)
        if branch is not None:
            return run_router(spec, branch, _inputs(branch.reads, values), None, m, site)
        inputs = _inputs(spec.reads, values)
        if spec.action is not None and spec.action.fn is None:
            async with self.slot():
                return await _acall_vector(spec, inputs, site)
        return run_node(spec, inputs, site)


def _semaphore(limit: int) -> asyncio.Semaphore:
    import asyncio

    return asyncio.Semaphore(limit)


async def _acall_vector(spec: NodeSpec, inputs: Inputs, site: Site) -> Outcome:
    action = spec.action
    assert action is not None
    assert action.afn is not None
    assert isinstance(spec.writer, StateWriter)
    site.scope.enter(spec.name, site, vectorised=True)
    batch = inputs.batch(site)
    try:
        returned = await action.afn(batch, **site.scope.arguments(action.inject))
        batch.close()
        return normalise(spec.name, returned, inputs.m, spec.writer.keys, site.tables.goals)
    except Exception as error:  # noqa: BLE001 - the rows of the call fail, no other does
        if action.options.get("on_error") != "split" or inputs.m == 1:
            return Outcome(inputs.m, failures=[(i, error) for i in range(inputs.m)])
    half = inputs.m // 2
    halves = [np.arange(half), np.arange(half, inputs.m)]
    parts = [(at, await _acall_vector(spec, inputs.take(at), site.take(at))) for at in halves]
    return joined(parts, inputs.m)

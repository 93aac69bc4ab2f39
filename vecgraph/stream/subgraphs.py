"""The graphs in a run, each with projections of its own."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from vecgraph.stream.lifecycle import Ended, TasksFollower, status_of
from vecgraph.stream.run_stream import AsyncSubgraphRunStream, SubgraphRunStream
from vecgraph.stream.stream_channel import StreamChannel

if TYPE_CHECKING:
    from vecgraph.stream.events import ProtocolEvent
    from vecgraph.stream.lifecycle import Namespace, SubgraphStatus
    from vecgraph.stream.mux import StreamMux

__all__ = ["SubgraphTransformer"]

logger = logging.getLogger(__name__)

Handle = SubgraphRunStream | AsyncSubgraphRunStream


class SubgraphTransformer(TasksFollower):
    """``run.subgraphs``: a handle of each graph that a node of the run's graph runs.

    A handle has the projections of a run, with what its graph shows; its own ``subgraphs`` are
    those one level below.
    """

    supports_sync = True

    def __init__(self, scope: tuple[str, ...] = ()) -> None:
        super().__init__(scope)
        self._log: StreamChannel[Handle] = StreamChannel()
        self._handles: dict[Namespace, Handle] = {}
        self._mux: StreamMux | None = None

    def init(self) -> dict[str, Any]:
        """Return the stream of handles."""
        return {"subgraphs": self._log}

    def _on_register(self, mux: StreamMux) -> None:
        self._mux = mux

    def _should_track(self, ns: Namespace) -> bool:
        depth = len(self.scope)
        return len(ns) == depth + 1 and ns[:depth] == self.scope

    def _on_started(
        self, ns: Namespace, graph_name: str | None, trigger_call_id: str | None
    ) -> None:
        if self._mux is None:
            return
        mux = self._mux._make_child(ns)
        kind = AsyncSubgraphRunStream if mux.is_async else SubgraphRunStream
        handle = kind(mux, path=ns, graph_name=graph_name, trigger_call_id=trigger_call_id)
        self._handles[ns] = handle
        self._log.push(handle)

    def _on_terminal(self, ns: Namespace, status: SubgraphStatus, error: str | None) -> None:
        mux = self._newly_ended(Ended(ns, status, error))
        if mux is not None and status == "failed":
            mux.fail(_failure(error))
        elif mux is not None:
            mux.close()

    async def _aon_terminal(self, ns: Namespace, status: SubgraphStatus, error: str | None) -> None:
        mux = self._newly_ended(Ended(ns, status, error))
        if mux is not None and status == "failed":
            await mux.afail(_failure(error))
        elif mux is not None:
            await mux.aclose()

    def _newly_ended(self, ended: Ended) -> StreamMux | None:
        """Note how a graph has ended; return what is to be closed, None if it is."""
        handle = self._handles.get(ended.namespace)
        if handle is None or not handle.end(ended.status, ended.error):
            return None
        return None if handle.mux.events.closed else handle.mux

    def _handle_of(self, event: ProtocolEvent) -> Handle | None:
        """Return the handle that an event belongs to."""
        handle = self._handles.get(tuple(event["params"]["namespace"])[: len(self.scope) + 1])
        return None if handle is None or handle.mux.events.closed else handle

    def process(self, event: ProtocolEvent) -> bool:
        """Follow a task, and pass the event on to the graph that it comes from."""
        keep = super().process(event)
        handle = self._handle_of(event)
        if handle is not None:
            handle.observe(event)
            handle.mux.push(event)
        return keep

    async def aprocess(self, event: ProtocolEvent) -> bool:
        """Do `process` on an event loop."""
        keep = event["method"] != "tasks"
        if not keep:
            for ended in self.followed(event):
                await self._aon_terminal(*ended)
        handle = self._handle_of(event)
        if handle is not None:
            handle.observe(event)
            await handle.mux.apush(event)
        return keep

    def left(self) -> list[Ended]:
        """Return the graphs that nothing has ended, those of unknown tasks too."""
        known = super().left()
        rest = set(self._handles) - {ended.namespace for ended in known}
        return [*known, *(Ended(ns, "completed", None) for ns in self._handles if ns in rest)]

    def finalize(self) -> None:
        """End what is left."""
        failures: list[BaseException] = []
        for ended in self.left():
            try:
                self._on_terminal(*ended)
            except BaseException as error:  # noqa: BLE001 - raised below
                failures.append(error)
        if failures:
            raise failures[0]

    async def afinalize(self) -> None:
        """End what is left, on an event loop."""
        failures: list[BaseException] = []
        for ended in self.left():
            try:
                await self._aon_terminal(*ended)
            except BaseException as error:  # noqa: BLE001 - raised below
                failures.append(error)
        if failures:
            raise failures[0]

    def fail(self, err: BaseException) -> None:
        """End what is left with what the run has failed with."""
        for handle in self._failed(err):
            try:
                handle.mux.fail(err)
            except Exception:
                logger.warning(_UNTOLD, handle.path, exc_info=True)

    async def afail(self, err: BaseException) -> None:
        """End what is left with what the run has failed with, on an event loop."""
        for handle in self._failed(err):
            try:
                await handle.mux.afail(err)
            except Exception:
                logger.warning(_UNTOLD, handle.path, exc_info=True)

    def _failed(self, err: BaseException) -> list[Handle]:
        self._open.clear()
        for handle in self._handles.values():
            handle.end(*status_of(err))
        return [handle for handle in self._handles.values() if not handle.mux.events.closed]


_UNTOLD = "Error failing the streams of the graph at %s: who reads them may not see how it ended."


def _failure(error: str | None) -> RuntimeError:
    return RuntimeError(error or "Subgraph failed")

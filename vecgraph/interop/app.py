"""A graph of LangGraph's, run by our engine: one of LangGraph's classes, every run method ours."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from langchain_core.runnables.config import var_child_runnable_config
from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel import Pregel
from langgraph.types import Command

from vecgraph.app import App
from vecgraph.app.options import breakpoints
from vecgraph.errors import UnsupportedError
from vecgraph.interop.ambient import LIVE
from vecgraph.interop.lowering import check, child_of, lower
from vecgraph.interop.translate import our_command, their_error, their_output, their_snapshot
from vecgraph.types import GraphOutput

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

__all__ = ["LangGraphApp", "app_of"]


def app_of(graph: Any) -> LangGraphApp:
    """Return a compiled graph of LangGraph's as an app of ours.

    Raises
    ------
    UnsupportedError
        Names what cannot be run.
    """
    if isinstance(graph, LangGraphApp):
        return graph
    check(graph)
    kind = _OfStateGraph if isinstance(graph, CompiledStateGraph) else _OfPregel
    return kind(graph)


def _children(graph: Any) -> dict[str, Any]:
    """Return the graphs that are nodes of a graph, as apps of ours."""
    found = {}
    for name, node in graph.nodes.items():
        child = child_of(node)
        if child is None:
            continue
        try:
            found[name] = app_of(child) if isinstance(child, Pregel) else child
        except UnsupportedError as refused:
            refused.add_note(f"It is the node '{name}' of the graph '{graph.name}'.")
            raise
    return found


class LangGraphApp(App):
    """What `from_langgraph` returns: an app of ours that LangGraph takes for one of its own.

    Its attributes are LangGraph's (``nodes``, ``channels``, ``builder``, ...); what runs is
    `program`, made of them. Results, chunks, snapshots and exceptions are of LangGraph's classes.
    """

    # LangGraph's own, where `App` computes them from the program.
    nodes: Any = None
    channels: Any = None
    input_channels: Any = None
    output_channels: Any = None
    stream_channels: Any = None
    interrupt_before_nodes: Any = None
    interrupt_after_nodes: Any = None

    def __init__(self, graph: Any) -> None:
        children = _children(graph)
        super().__init__(lower(graph, children), name=graph.name)
        given = {name: value for name, value in vars(graph).items() if name != "__orig_class__"}
        vars(self).update(given)

    @property
    def interrupt_before(self) -> frozenset[str] | str:
        """Nodes before which runs stop."""
        return breakpoints(self.interrupt_before_nodes)

    @interrupt_before.setter
    def interrupt_before(self, nodes: Any) -> None:
        self.interrupt_before_nodes = nodes

    @property
    def interrupt_after(self) -> frozenset[str] | str:
        """Nodes after which runs stop."""
        return breakpoints(self.interrupt_after_nodes)

    @interrupt_after.setter
    def interrupt_after(self, nodes: Any) -> None:
        self.interrupt_after_nodes = nodes

    def invoke(self, input: Any, config: Any = None, **options: Any) -> Any:
        """Run once; see `App.invoke`."""
        with _Inside():
            return _shown(super().invoke(_ours(input), config, **options))

    async def ainvoke(self, input: Any, config: Any = None, **options: Any) -> Any:
        """Run once on the event loop; see `App.invoke`."""
        with _Inside():
            return _shown(await super().ainvoke(_ours(input), config, **options))

    def stream(self, input: Any, config: Any = None, **options: Any) -> Iterator[Any]:
        """Run once; yield chunks as they come; see `App.stream`."""
        chunks: Any = super().stream(_ours(input), config, **options)
        try:
            while True:
                with _Inside():
                    chunk = next(chunks, _ENDED)
                if chunk is _ENDED:
                    return
                yield chunk
        finally:
            with _Inside():
                chunks.close()

    async def astream(self, input: Any, config: Any = None, **options: Any) -> AsyncIterator[Any]:
        """Run once on the event loop; yield chunks as they come; see `App.stream`."""
        chunks: Any = super().astream(_ours(input), config, **options)
        try:
            while True:
                with _Inside():
                    chunk = await anext(chunks, _ENDED)
                if chunk is _ENDED:
                    return
                yield chunk
        finally:
            with _Inside():
                await chunks.aclose()

    def batch(self, inputs: Any, config: Any = None, **options: Any) -> Any:
        """Run many inputs, each as if it were alone; see `App.batch`."""
        with _Inside():
            return super().batch(_all_ours(inputs), config, **options)

    async def abatch(self, inputs: Any, config: Any = None, **options: Any) -> Any:
        """Run many inputs on the event loop; see `App.abatch`."""
        with _Inside():
            return await super().abatch(_all_ours(inputs), config, **options)

    def _returned(self, call: Any, results: Any, *args: Any, **options: Any) -> Any:
        results.errors[:] = [
            dataclasses.replace(one, exception=their_error(one.exception)) for one in results.errors
        ]
        return super()._returned(call, results, *args, **options)

    def get_state(self, config: Any, *, subgraphs: bool = False) -> Any:
        """Return the state of a thread; see `App.get_state`."""
        with _Inside():
            return their_snapshot(super().get_state(config, subgraphs=subgraphs))

    async def aget_state(self, config: Any, *, subgraphs: bool = False) -> Any:
        """Return the state of a thread; see `App.get_state`."""
        with _Inside():
            return their_snapshot(await super().aget_state(config, subgraphs=subgraphs))

    def get_state_history(self, config: Any, **options: Any) -> Iterator[Any]:
        """Yield the states of a thread, the newest first; see `App.get_state_history`."""
        with _Inside():
            found = list(super().get_state_history(config, **options))
        yield from map(their_snapshot, found)

    async def aget_state_history(self, config: Any, **options: Any) -> AsyncIterator[Any]:
        """Yield the states of a thread, the newest first; see `App.get_state_history`."""
        with _Inside():
            found = [state async for state in super().aget_state_history(config, **options)]
        for state in found:
            yield their_snapshot(state)

    def bulk_update_state(self, config: Any, supersteps: Sequence[Sequence[Any]]) -> Any:
        """Change a thread's state superstep by superstep; see `App.bulk_update_state`."""
        with _Inside():
            return super().bulk_update_state(config, supersteps)

    async def abulk_update_state(self, config: Any, supersteps: Sequence[Sequence[Any]]) -> Any:
        """Change a thread's state superstep by superstep; see `App.bulk_update_state`."""
        with _Inside():
            return await super().abulk_update_state(config, supersteps)


class _OfPregel(LangGraphApp, Pregel[Any, Any, Any, Any]):  # type: ignore[misc]
    """An app that is a `Pregel`."""


class _OfStateGraph(LangGraphApp, CompiledStateGraph[Any, Any, Any, Any]):  # type: ignore[misc]
    """An app that is a `CompiledStateGraph`."""


_ENDED: Any = object()


class _Inside:
    """Lets LangGraph's functions ask the task that runs, and raises LangGraph's exceptions."""

    __slots__ = ("_token",)

    def __enter__(self) -> None:
        self._token = var_child_runnable_config.set(LIVE)

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        var_child_runnable_config.reset(self._token)
        if error is not None:
            found = their_error(error)
            if found is not error:
                raise found from None


def _ours(input: Any) -> Any:
    return our_command(input) if isinstance(input, Command) else input


def _all_ours(inputs: Any) -> Any:
    return list(map(_ours, inputs)) if isinstance(inputs, list) else inputs


def _shown(output: Any) -> Any:
    return their_output(output) if isinstance(output, GraphOutput) else output

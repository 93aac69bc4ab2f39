"""A graph of LangGraph's, run by our engine: one of LangGraph's classes, every run method ours."""

from __future__ import annotations

import dataclasses
import inspect
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel import Pregel
from langgraph.types import Command

from vecgraph.app import App
from vecgraph.app.composing import Composable
from vecgraph.app.described import Described
from vecgraph.app.eventful import Eventful
from vecgraph.app.options import breakpoints
from vecgraph.config import merge_configs
from vecgraph.engine.batch import Engine
from vecgraph.errors import UnsupportedError
from vecgraph.interop.heard import Heard, hears
from vecgraph.interop.inside import Inside
from vecgraph.interop.lowering import check, child_of, lower
from vecgraph.interop.pushed import with_handler
from vecgraph.interop.translate import (
    our_command,
    their_error,
    their_output,
    their_questions,
    their_snapshot,
    their_values,
)
from vecgraph.interop.writers import Nothing
from vecgraph.types import GraphOutput

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

__all__ = ["LangGraphApp", "app_of"]

T = TypeVar("T")


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


def _called(graph: Any, children: Mapping[str, Any]) -> dict[str, Any]:
    """Return the graphs that functions of nodes call, to be asked for their states."""
    found = {}
    for name, node in graph.nodes.items():
        if name not in children and node.subgraphs and isinstance(node.subgraphs[0], Pregel):
            with suppress(UnsupportedError):
                found[name] = app_of(node.subgraphs[0])
    return found


def _take_the_long_way(engine: Engine, why: str) -> None:
    """Have runs go one by one, the general way: LangGraph's own Runnables write while they run."""
    engine.tables.quick = engine.tables.quick_on_loop = None
    engine.control, engine.refused = None, why


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

    is_guest = False
    """A graph around, which LangGraph runs, speaks for a thread of its own."""

    loud: Any = None
    """The engine of runs that callbacks hear of, made when there is the first."""

    teller: Any = None
    """Who tells callbacks of the one run that this copy is for."""

    def __init__(self, graph: Any) -> None:
        children = _children(graph)
        self.children = children
        super().__init__(lower(graph, children), name=graph.name)
        if any(isinstance(spec.writer, Nothing) for spec in self.program.nodes.values()):
            _take_the_long_way(self.engine, "a node has writers of its own")
        for name, child in _called(graph, children).items():
            self.engine.tables.subgraphs.setdefault(name, child)
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

    def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str:
        """Return the app's name; see LangChain's `Runnable.get_name`."""
        return Pregel.get_name(self, suffix, name=name)  # type: ignore[arg-type]

    def get_graph(self, config: Any = None, *, xray: int | bool = False, **drawn: Any) -> Any:
        """Return the graph as LangGraph draws it; with ``result`` or ``traffic`` as ours."""
        if drawn:
            return super().get_graph(config, xray=xray, **drawn)
        return Pregel.get_graph(self, config, xray=xray)  # type: ignore[arg-type]

    async def aget_graph(self, config: Any = None, *, xray: int | bool = False) -> Any:
        """Return the graph as LangGraph draws it; see `get_graph`."""
        return self.get_graph(config, xray=xray)

    def invoke(self, input: Any, config: Any = None, **options: Any) -> Any:
        """Run once; see `App.invoke`."""
        inside = Inside(config)
        app, heard = self._heard(inside)
        with inside:
            if heard is None:
                return _shown(super().invoke(_ours(input), inside.config, **options))
            heard.start(input)
            try:
                found = _shown(App.invoke(app, _ours(input), inside.told(heard.config), **options))
            except Exception as error:
                heard.fail(their_error(error))
                raise
            heard.end(found)
            return found

    async def ainvoke(self, input: Any, config: Any = None, **options: Any) -> Any:
        """Run once on the event loop; see `App.invoke`."""
        inside = Inside(config)
        app, heard = self._heard(inside)
        with inside:
            if heard is None:
                return _shown(await super().ainvoke(_ours(input), inside.config, **options))
            await heard.astart(input)
            told = inside.told(heard.config)
            try:
                found = _shown(await App.ainvoke(app, _ours(input), told, **options))
            except Exception as error:
                await heard.afail(their_error(error))
                raise
            await heard.aend(found)
            return found

    def stream(self, input: Any, config: Any = None, **options: Any) -> Iterator[Any]:
        """Run once; yield chunks as they come; see `App.stream`."""
        inside = Inside(config)
        app, heard = self._heard(inside)
        told = inside.config
        options = _for_events(config, options)
        if heard is not None:
            heard.start(input)
            told = inside.told(heard.config)
        chunks: Any = App.stream(app, _ours(input), told, **inside.streaming(options))
        try:
            while True:
                with inside:
                    chunk = next(chunks, _ENDED)
                if chunk is _ENDED:
                    break
                yield chunk
        except Exception as error:
            if heard is not None:
                heard.fail(error)
            raise
        finally:
            with inside:
                chunks.close()
        if heard is not None:
            heard.end(heard.output())

    async def astream(self, input: Any, config: Any = None, **options: Any) -> AsyncIterator[Any]:
        """Run once on the event loop; yield chunks as they come; see `App.stream`."""
        inside = Inside(config)
        app, heard = self._heard(inside)
        told = inside.config
        options = _for_events(config, options)
        if heard is not None:
            await heard.astart(input)
            told = inside.told(heard.config)
        chunks: Any = App.astream(app, _ours(input), told, **inside.streaming(options))
        try:
            while True:
                with inside:
                    chunk = await anext(chunks, _ENDED)
                if chunk is _ENDED:
                    break
                yield chunk
        except Exception as error:
            if heard is not None:
                await heard.afail(error)
            raise
        finally:
            with inside:
                await chunks.aclose()
        if heard is not None:
            await heard.aend(heard.output())

    def _heard(self, inside: Inside) -> tuple[Any, Heard | None]:
        """Return the app that a call is run by, and who tells callbacks of it, if there are any."""
        if not hears(inside.full, self.config):
            return self, None
        if self.loud is None:
            self.loud = Engine(lower(self, self.children, heard=True))
            self.loud.tables.subgraphs = self.engine.tables.subgraphs
            _take_the_long_way(self.loud, "LangChain's callbacks hear of each run")
        heard = Heard(self, inside.full)
        program = self.loud.tables.program
        changes = {"engine": self.loud, "program": program, "config": None, "teller": heard}
        return self.copy(changes), heard

    def batch(self, inputs: Any, config: Any = None, **options: Any) -> Any:
        """Run many inputs, each as if it were alone; see `App.batch`."""
        inside = Inside(config)
        with inside:
            return super().batch(_all_ours(inputs), inside.config, **options)

    async def abatch(self, inputs: Any, config: Any = None, **options: Any) -> Any:
        """Run many inputs on the event loop; see `App.abatch`."""
        inside = Inside(config)
        with inside:
            return await super().abatch(_all_ours(inputs), inside.config, **options)

    def _returned(self, call: Any, results: Any, *args: Any, **options: Any) -> Any:
        results.errors[:] = [
            dataclasses.replace(one, exception=their_error(one.exception)) for one in results.errors
        ]
        asked = results.interrupts
        results.interrupts = {row: their_questions(several) for row, several in asked.items()}
        return super()._returned(call, results, *args, **options)

    def _watcher(self, shared: Any, form: Any, output_keys: Any, put: Any) -> Any:
        def shown(chunk: tuple[Any, str, Any]) -> None:
            put((*chunk[:2], their_values(chunk[2])))

        watcher = super()._watcher(shared, form, output_keys, shown)
        if self.teller is not None:
            watcher = self.teller.watcher(watcher)
        if shared.mail is not None:
            shared.config = with_handler(shared.config, shared.mail)
        return watcher

    def get_state(self, config: Any, *, subgraphs: bool = False) -> Any:
        """Return the state of a thread; see `App.get_state`."""
        app, config = self._asked(config)
        with Inside():
            return their_snapshot(App.get_state(app, config, subgraphs=subgraphs))

    async def aget_state(self, config: Any, *, subgraphs: bool = False) -> Any:
        """Return the state of a thread; see `App.get_state`."""
        app, config = self._asked(config)
        with Inside():
            return their_snapshot(await App.aget_state(app, config, subgraphs=subgraphs))

    def get_state_history(self, config: Any, **options: Any) -> Iterator[Any]:
        """Yield the states of a thread, the newest first; see `App.get_state_history`."""
        app, config = self._asked(config)
        with Inside():
            found = list(App.get_state_history(app, config, **options))
        yield from map(their_snapshot, found)

    async def aget_state_history(self, config: Any, **options: Any) -> AsyncIterator[Any]:
        """Yield the states of a thread, the newest first; see `App.get_state_history`."""
        app, config = self._asked(config)
        with Inside():
            found = [state async for state in App.aget_state_history(app, config, **options)]
        for state in found:
            yield their_snapshot(state)

    def bulk_update_state(self, config: Any, supersteps: Sequence[Sequence[Any]]) -> Any:
        """Change a thread's state superstep by superstep; see `App.bulk_update_state`."""
        app, config = self._asked(config)
        with Inside():
            return App.bulk_update_state(app, config, supersteps)

    async def abulk_update_state(self, config: Any, supersteps: Sequence[Sequence[Any]]) -> Any:
        """Change a thread's state superstep by superstep; see `App.bulk_update_state`."""
        app, config = self._asked(config)
        with Inside():
            return await App.abulk_update_state(app, config, supersteps)

    def _asked(self, config: Any) -> tuple[Any, Any]:
        """Return the app that answers for a thread, and where.

        A graph of LangGraph's around asks with its saver and the namespace of this one.
        """
        given = (config or {}).get("configurable") or {}
        saver = given.get(_SAVER)
        if saver is None:
            return self, config
        place = {k: v for k, v in given.items() if not k.startswith("__pregel_")}
        here = self.own_place({**config, "configurable": place})
        return self.copy({"checkpointer": saver, "is_guest": True}), here

    def _addressed(self, config: Any, *, for_update: bool = False) -> tuple[Any, Any]:
        if self.is_guest:
            return self, merge_configs(self.config, config)
        return super()._addressed(config, for_update=for_update)


_OWN = (
    "__or__",
    "__ror__",
    *(n for kind in (Described, Eventful, Composable) for n in vars(kind) if n[:2] != "__"),
)
"""What LangGraph's object says of itself, of its own channels, schemas and classes."""


def _as_in(theirs: Any) -> Callable[[type[T]], type[T]]:
    """Give an app what LangGraph's class has where `App` speaks of a graph of ours."""

    def give_back(cls: type[T]) -> type[T]:
        for name in _OWN:
            found = inspect.getattr_static(theirs, name, None)
            if found is not None:
                setattr(cls, name, found)
        return cls

    return give_back


@_as_in(Pregel)
class _OfPregel(LangGraphApp, Pregel[Any, Any, Any, Any]):  # type: ignore[misc]
    """An app that is a `Pregel`."""


@_as_in(CompiledStateGraph)
class _OfStateGraph(LangGraphApp, CompiledStateGraph[Any, Any, Any, Any]):  # type: ignore[misc]
    """An app that is a `CompiledStateGraph`."""


_ENDED: Any = object()
_SAVER = "__pregel_checkpointer"


def _for_events(config: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a stream; LangGraph's ``stream_events`` says so if it asks for it."""
    place = (config or {}).get("configurable") or {}
    asks = options.get("version") == "v2" and place.get("__pregel_stream_messages_v2")
    return {**options, "version": "v3"} if asks else options


def _ours(input: Any) -> Any:
    return our_command(input) if isinstance(input, Command) else input


def _all_ours(inputs: Any) -> Any:
    return list(map(_ours, inputs)) if isinstance(inputs, list) else inputs


def _shown(output: Any) -> Any:
    return their_output(output) if isinstance(output, GraphOutput) else their_values(output)

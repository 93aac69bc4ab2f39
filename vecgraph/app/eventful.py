"""Streams of a run's events, by transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vecgraph.ambient import current_task
from vecgraph.app.one import OneRun
from vecgraph.config import ensure_config, has_coordinates
from vecgraph.engine.scope import TaskScope
from vecgraph.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from vecgraph.config import RunnableConfig
    from vecgraph.stream import AsyncGraphRunStream, GraphRunStream
    from vecgraph.stream.mux import StreamMux

__all__ = ["Eventful"]

_OWNED = ("stream_mode", "subgraphs")


class Eventful(OneRun):
    """Shows a run as events, and as the projections that transformers make of them."""

    def stream_events(
        self,
        input: Any,
        config: RunnableConfig | None = None,
        *,
        version: str = "v2",
        transformers: Sequence[Callable[..., Any]] | None = None,
        **kwargs: Any,
    ) -> GraphRunStream:
        """Return a run that moves on as its projections are read.

        Parameters
        ----------
        input : object
        config : RunnableConfig, optional
        version : {'v3'}
            Must be given; the others are LangChain's, made of its callbacks.
        transformers : sequence of callable, optional
            After those that are always there (values, messages, lifecycle, subgraphs) and those
            of `compile`. Each makes a `StreamTransformer` for a scope, as its class does.
        **kwargs
            As of `stream`: ``context``, ``durability``, ``interrupt_before``, ...

        Raises
        ------
        UnsupportedError
            Another version, or a transformer needs a stream mode that is not there.
        TypeError
            ``stream_mode`` or ``subgraphs`` is given; or a transformer is no factory of one.
        RuntimeError
            A transformer needs an event loop.

        Examples
        --------
        >>> from vecgraph.graph import StateGraph
        >>> app = StateGraph(int).add_node("up", lambda n: n + 1).set_entry_point("up").compile()
        >>> run = app.stream_events(1, version="v3")
        >>> list(run.values), run.output
        ([1, 2], 2)
        """
        from vecgraph.stream import GraphRunStream

        mux = self._mux(config, version, transformers, kwargs, is_async=False)
        chunks = self.stream(
            input, config, stream_mode=mux.modes, subgraphs=True, version="v3", **kwargs
        )
        return GraphRunStream(iter(chunks), mux)

    def astream_events(
        self,
        input: Any,
        config: RunnableConfig | None = None,
        *,
        version: str = "v2",
        transformers: Sequence[Callable[..., Any]] | None = None,
        **kwargs: Any,
    ) -> Awaitable[AsyncGraphRunStream]:
        """Return, to be awaited, a run on the event loop; see `stream_events`."""
        _check(version, kwargs)
        return self._astream_events(input, config, version, transformers, kwargs)

    async def _astream_events(
        self, input: Any, config: Any, version: str, transformers: Any, kwargs: dict[str, Any]
    ) -> AsyncGraphRunStream:
        from vecgraph.stream import AsyncGraphRunStream

        mux = self._mux(config, version, transformers, kwargs, is_async=True)
        chunks = self.astream(
            input, config, stream_mode=mux.modes, subgraphs=True, version="v3", **kwargs
        )
        return AsyncGraphRunStream(aiter(chunks), mux)

    def _mux(
        self,
        config: Any,
        version: str,
        transformers: Any,
        kwargs: dict[str, Any],
        *,
        is_async: bool,
    ) -> StreamMux:
        from vecgraph.stream.mux import StreamMux
        from vecgraph.stream.transformers import (
            LifecycleTransformer,
            MessagesTransformer,
            SubgraphTransformer,
            ValuesTransformer,
        )

        _check(version, kwargs)
        factories = [
            ValuesTransformer,
            MessagesTransformer,
            LifecycleTransformer,
            SubgraphTransformer,
            *(self.stream_transformers or ()),
            *(transformers or ()),
        ]
        for factory in factories:
            _check_factory(factory)
        return StreamMux(factories, scope=self._scope(config), is_async=is_async)

    def _scope(self, config: Any) -> tuple[str, ...]:
        """Return the namespace of the run: that of the task that calls it, if one does."""
        scope = current_task.get()
        if isinstance(scope, TaskScope) and not has_coordinates(config):
            return tuple(scope.checkpoint_ns.split("|"))
        place = ensure_config(self.config, config)["configurable"]
        ns = place.get("checkpoint_ns")
        return tuple(ns.split("|")) if ns else ()


def _check(version: str, kwargs: dict[str, Any]) -> None:
    if version != "v3":
        raise UnsupportedError.feature(f"stream_events(version={version!r})")
    given = [name for name in _OWNED if name in kwargs]
    if given:
        raise TypeError(
            "stream_events(version='v3') / astream_events(version='v3') do not accept "
            f"{', '.join(given)}; v3 owns these (stream_mode is built from the transformer mux, "
            "subgraphs is forced True so nested namespaces flow through scoped muxes)."
        )


def _check_factory(factory: Any) -> None:
    from vecgraph.stream.events import StreamTransformer

    text = "stream_events(version='v3') transformers must be scope-aware callables, got "
    name = type(factory).__name__
    if isinstance(factory, StreamTransformer):
        raise TypeError(
            f"{text}pre-built instance {name}. Pass the transformer class or a factory like "
            "`lambda scope: MyTransformer(scope, ...)`."
        )
    if not callable(factory):
        raise TypeError(f"{text}{name}.")

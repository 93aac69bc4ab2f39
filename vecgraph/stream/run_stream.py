"""A run that moves on as its projections are read."""

from __future__ import annotations

from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from vecgraph.stream.events import event_of
from vecgraph.stream.stream_channel import StreamChannel

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Iterator, Mapping

    from vecgraph.stream.events import ProtocolEvent
    from vecgraph.stream.lifecycle import SubgraphStatus
    from vecgraph.stream.mux import StreamMux

__all__ = [
    "AsyncGraphRunStream",
    "AsyncSubgraphRunStream",
    "GraphRunStream",
    "SubgraphRunStream",
]


class _Run:
    """What is known of a run; its native projections are its attributes.

    Attributes
    ----------
    extensions : mapping of str to object
        All projections.
    mux : StreamMux
    """

    def __init__(self, mux: StreamMux) -> None:
        self.mux = mux
        self.extensions: Mapping[str, Any] = MappingProxyType(mux.extensions)
        self._exhausted = False
        self._latest: Any = None
        self._asked: list[Any] = []
        for key in mux.native_keys:
            setattr(self, key, mux.extensions[key])

    def __getattr__(self, name: str) -> Any:
        mux = self.__dict__.get("mux")
        known = ", ".join(sorted(mux.native_keys)) if mux is not None else ""
        raise AttributeError(
            f"{type(self).__name__!r} object has no attribute {name!r} "
            f"(registered projections: {known or 'none'})"
        )

    def observe(self, event: ProtocolEvent) -> None:
        """Note the state and the questions, if the event says them of this graph."""
        params = event["params"]
        if event["method"] == "values" and params["namespace"] == list(self.mux.scope):
            self._latest = params["data"]
            self._asked.extend(params.get("interrupts", ()))

    def _raise(self) -> None:
        if self.mux.events.error is not None:
            raise self.mux.events.error


class GraphRunStream(_Run):
    """A run; whoever reads one of its projections moves it on.

    Nothing runs in the background. Each projection has one reader: `StreamChannel.tee` gives
    several, `interleave` reads several projections in the order in which things happen. Iterated
    itself it yields events.

    Parameters
    ----------
    graph_iter : iterator of dict, or None
        Chunks of version 2; None: something else moves it on.
    mux : StreamMux
    wire_pump : bool
        The projections move this run on; else what `mux` is bound to.
    """

    def __init__(
        self, graph_iter: Iterator[Any] | None, mux: StreamMux, *, wire_pump: bool = True
    ) -> None:
        super().__init__(mux)
        self._graph_iter = graph_iter
        if wire_pump:
            mux.bind_pump(self._pump_next)

    def _pump_next(self) -> bool:
        """Take one chunk from the run; return whether there was one."""
        if self._exhausted or self._graph_iter is None:
            return False
        try:
            event = event_of(next(self._graph_iter))
            self.observe(event)
            self.mux.push(event)
        except StopIteration:
            self._exhausted = True
            self.mux.close()
        except Exception as error:  # noqa: BLE001 - raised by each reader
            self._exhausted = True
            self.mux.fail(error)
        return not self._exhausted

    def _drive(self) -> None:
        while self._pump_next():
            pass
        self._raise()

    @property
    def output(self) -> Any:
        """The state at the end; runs to it, and raises what the run fails with."""
        self._drive()
        return self._latest

    @property
    def interrupted(self) -> bool:
        """Whether the run has asked something; runs to its end, as `output`."""
        self._drive()
        return bool(self._asked)

    @property
    def interrupts(self) -> list[Any]:
        """What the run has asked; runs to its end, as `output`."""
        self._drive()
        return self._asked

    def abort(self) -> None:
        """Stop the run, and end its streams."""
        if self._exhausted:
            return
        self._exhausted = True
        chunks, self._graph_iter = self._graph_iter, None
        close = getattr(chunks, "close", None)
        with suppress(Exception):
            if close is not None:
                close()
        with suppress(Exception):
            self.mux.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.abort()

    def __iter__(self) -> Iterator[ProtocolEvent]:
        """Read the run's events; see `StreamChannel`."""
        return iter(self.mux.events)

    def interleave(self, *names: str) -> Iterator[tuple[str, Any]]:
        """Read several projections; yield ``(name, item)`` in the order in which things happen.

        Raises
        ------
        KeyError
            There is no such projection.
        TypeError
            It is no stream.
        RuntimeError
            It has a reader.
        """
        channels: dict[str, StreamChannel[Any]] = {}
        try:
            for name in names:
                channels[name] = self._taken(name)
            while True:
                ready = {n: at for n, c in channels.items() if (at := c.next_stamp) is not None}
                if ready:
                    name = min(ready, key=ready.__getitem__)
                    yield name, channels[name].pop()
                elif not _moves_on(channels, self.mux):
                    return
        finally:
            for channel in channels.values():
                channel.is_taken = False

    def _taken(self, name: str) -> StreamChannel[Any]:
        channel = self.extensions[name]
        if not isinstance(channel, StreamChannel):
            raise TypeError(
                "interleave() requires StreamChannel projections, "
                f"got {type(channel).__name__} for {name!r}"
            )
        if channel.is_taken:
            raise RuntimeError(
                f"StreamChannel {name!r} already has a subscriber; use .tee(n) for fan-out."
            )
        channel.take()
        return channel


def _moves_on(channels: Mapping[str, StreamChannel[Any]], mux: StreamMux) -> bool:
    """Move a run on whose channels are empty; return whether there may be more of them."""
    for channel in channels.values():
        if channel.closed and channel.error is not None:
            raise channel.error
    if all(channel.closed for channel in channels.values()):
        return False
    pump = mux.pump
    if pump is not None and pump():
        return True
    return any(c.next_stamp is not None or c.closed for c in channels.values())


class AsyncGraphRunStream(_Run):
    """A run on an event loop; whoever reads one of its projections moves it on.

    Several readers may do so at once: one of them moves the run, the others wait until it has.
    See `GraphRunStream`.

    Parameters
    ----------
    graph_aiter : asynchronous iterator of dict, or None
    mux : StreamMux
    wire_pump : bool
    """

    def __init__(
        self, graph_aiter: AsyncIterator[Any] | None, mux: StreamMux, *, wire_pump: bool = True
    ) -> None:
        import asyncio

        super().__init__(mux)
        self._graph_aiter = graph_aiter
        self._turn = asyncio.Condition()
        self._pumping = self._aborting = False
        self._step: asyncio.Future[Any] | None = None
        if wire_pump:
            mux.bind_apump(self._apump_next)

    async def _apump_next(self) -> bool:
        """Take one chunk from the run, or wait for who does; return whether the run goes on."""
        async with self._turn:
            if self._exhausted or self._graph_aiter is None:
                return False
            if self._pumping:
                await self._turn.wait()
                return not self._exhausted
            self._pumping = True
        try:
            return await self._moved()
        finally:
            async with self._turn:
                self._pumping = False
                self._turn.notify_all()

    async def _moved(self) -> bool:
        try:
            part = await self._next_part()
            if part is _ENDED:
                self._exhausted = True
            elif part is not _ABORTED:
                event = event_of(part)
                self.observe(event)
                await self.mux.apush(event)
        except Exception as error:  # noqa: BLE001 - raised by each reader
            self._exhausted = True
            await self.mux.afail(error)
            return False
        if part is _ENDED:
            await self.mux.aclose()
        return not self._exhausted

    async def _next_part(self) -> Any:
        import asyncio

        assert self._graph_aiter is not None
        # A task of its own: an iterator that runs cannot be closed, but its task be cancelled.
        self._step = asyncio.ensure_future(_next(self._graph_aiter))
        try:
            return await self._step
        except asyncio.CancelledError:
            if self._aborting:
                self._exhausted = True
                return _ABORTED
            self._step.cancel()
            raise
        finally:
            self._step = None

    async def _drive(self) -> None:
        while await self._apump_next():
            pass
        self._raise()

    async def output(self) -> Any:
        """Return the state at the end; run to it, and raise what the run fails with."""
        await self._drive()
        return self._latest

    async def interrupted(self) -> bool:
        """Return whether the run has asked something; run to its end, as `output`."""
        await self._drive()
        return bool(self._asked)

    async def interrupts(self) -> list[Any]:
        """Return what the run has asked; run to its end, as `output`."""
        await self._drive()
        return self._asked

    async def abort(self) -> None:
        """Stop the run, and end its streams."""
        import asyncio

        async with self._turn:
            if self._exhausted:
                return
            self._exhausted = self._aborting = True
            chunks, self._graph_aiter = self._graph_aiter, None
            step = self._step
            self._turn.notify_all()
        if step is not None and not step.done():
            step.cancel()
            await asyncio.gather(step, return_exceptions=True)
        aclose = getattr(chunks, "aclose", None)
        with suppress(Exception):
            if aclose is not None:
                await aclose()
        with suppress(Exception):
            await self.mux.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.abort()

    def __aiter__(self) -> AsyncIterator[ProtocolEvent]:
        """Read the run's events; see `StreamChannel`."""
        return aiter(self.mux.events)


_ENDED: Any = object()
_ABORTED: Any = object()


async def _next(chunks: AsyncIterator[Any]) -> Any:
    """Return the next chunk; at the end a mark, since no future holds StopAsyncIteration."""
    return await anext(chunks, _ENDED)


class _Inside(_Run):
    """A graph in a run.

    Attributes
    ----------
    path : tuple of str
        Its namespace.
    graph_name, trigger_call_id : str or None
        See `LifecyclePayload`.
    status : SubgraphStatus
    error : str or None
    """

    def _place(
        self, path: tuple[str, ...], graph_name: str | None, trigger_call_id: str | None
    ) -> None:
        self.path = path
        self.graph_name = graph_name
        self.trigger_call_id = trigger_call_id
        self.status: SubgraphStatus = "started"
        self.error: str | None = None
        self._ended = False

    def end(self, status: SubgraphStatus, error: str | None) -> bool:
        """Note how the graph has ended; return False if that was known."""
        if self._ended:
            return False
        self._ended, self.status = True, status
        self.error = error if self.error is None else self.error
        return True

    @property
    def _is_over(self) -> bool:
        return self._exhausted or self._ended or self.mux.events.closed


class SubgraphRunStream(GraphRunStream, _Inside):
    """A graph in a run, which reading moves on; see `_Inside` for its attributes."""

    def __init__(
        self,
        mux: StreamMux,
        *,
        path: tuple[str, ...],
        graph_name: str | None = None,
        trigger_call_id: str | None = None,
    ) -> None:
        super().__init__(None, mux, wire_pump=False)
        self._place(path, graph_name, trigger_call_id)

    def _pump_next(self) -> bool:
        pump = self.mux.pump
        return False if self._is_over or pump is None else pump()


class AsyncSubgraphRunStream(AsyncGraphRunStream, _Inside):
    """A graph in a run on an event loop; see `_Inside` for its attributes."""

    def __init__(
        self,
        mux: StreamMux,
        *,
        path: tuple[str, ...],
        graph_name: str | None = None,
        trigger_call_id: str | None = None,
    ) -> None:
        super().__init__(None, mux, wire_pump=False)
        self._place(path, graph_name, trigger_call_id)

    async def _apump_next(self) -> bool:
        pump = self.mux.apump
        return False if self._is_over or pump is None else await pump()

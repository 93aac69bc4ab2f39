"""Where a run's events go through its transformers, to the run's own stream of events."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

from vecgraph.stream.events import ProtocolEvent, StreamTransformer, needs_loop, now_ms
from vecgraph.stream.stream_channel import StreamChannel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

__all__ = ["Factory", "StreamMux"]

Factory: TypeAlias = "Callable[[tuple[str, ...]], StreamTransformer]"
"""Makes a transformer for a scope; a transformer's class is one."""


class StreamMux:
    """The transformers of a run, or of a graph in it, and their projections.

    Parameters
    ----------
    factories : sequence of callable
        Each makes a transformer here, and one in each graph of the run.
    scope : tuple of str
    is_async : bool
        The run is read on an event loop.
    counts : bool
        Number the events: those of graphs in the run have the run's numbers.

    Attributes
    ----------
    events : StreamChannel
    extensions : dict of str to object
        The projections.
    native_keys : set of str
        Those of native transformers.
    transformers : list of StreamTransformer

    Raises
    ------
    RuntimeError
        A transformer needs an event loop.
    TypeError
        What its `init` returns is no dict.
    ValueError
        Two have a projection of one name.
    """

    def __init__(
        self,
        factories: Sequence[Factory],
        *,
        scope: tuple[str, ...] = (),
        is_async: bool = False,
        counts: bool = True,
    ) -> None:
        self.scope, self.is_async = scope, is_async
        self.extensions: dict[str, Any] = {}
        self.native_keys: set[str] = set()
        self.transformers: list[StreamTransformer] = []
        self.events: StreamChannel[ProtocolEvent] = StreamChannel()
        self.events.bind(self._next_stamp, None, is_async=is_async)
        self._factories = list(factories)
        self._counts = counts
        self._seq = self._stamps = 0
        self._channels: list[StreamChannel[Any]] = []
        self._owners: dict[str, str] = {}
        self._pump: Callable[[], bool] | None = None
        self._apump: Callable[[], Awaitable[bool]] | None = None
        made = [factory(scope) for factory in factories]
        # What changes events must come before what takes texts out of them.
        for transformer in sorted(made, key=lambda t: not getattr(t, "before_builtins", False)):
            self._register(transformer)

    @property
    def pump(self) -> Callable[[], bool] | None:
        """What moves the run on."""
        return self._pump

    @property
    def apump(self) -> Callable[[], Awaitable[bool]] | None:
        """What moves the run on, on an event loop."""
        return self._apump

    @property
    def modes(self) -> list[str]:
        """The stream modes that the transformers need."""
        wanted = (getattr(t, "required_stream_modes", ()) for t in self.transformers)
        return sorted({mode for modes in wanted for mode in modes})

    def bind_pump(self, pump: Callable[[], bool]) -> None:
        """Have all projections move the run on by `pump`."""
        self._pump = pump
        for channel in (self.events, *self._channels):
            channel.more = pump
        for transformer in self.transformers:
            if (bind := getattr(transformer, "_bind_pump", None)) is not None:
                bind(pump)

    def bind_apump(self, pump: Callable[[], Awaitable[bool]]) -> None:
        """Have all projections move the run on by `pump`, on an event loop."""
        self._apump = pump
        for channel in (self.events, *self._channels):
            channel.amore = pump
        for transformer in self.transformers:
            if (bind := getattr(transformer, "_bind_apump", None)) is not None:
                bind(pump)

    def _make_child(self, scope: tuple[str, ...]) -> StreamMux:
        """Return the same for a graph in the run."""
        child = StreamMux(self._factories, scope=scope, is_async=self.is_async, counts=False)
        if self._pump is not None:
            child.bind_pump(self._pump)
        if self._apump is not None:
            child.bind_apump(self._apump)
        return child

    def _next_stamp(self) -> int:
        self._stamps += 1
        return self._stamps

    def _register(self, transformer: StreamTransformer) -> None:
        name = type(transformer).__name__
        if needs_loop(transformer) and not self.is_async:
            raise RuntimeError(
                f"{name} requires an async run — it overrides aprocess/afinalize/afail or sets "
                "requires_async=True. Use astream(), not stream()."
            )
        projections = transformer.init()
        if not isinstance(projections, dict):
            raise TypeError(
                f"StreamTransformer.init() must return a dict, got {type(projections).__name__}"
            )
        both = sorted(set(projections) & set(self.extensions))
        if both:
            owned = ", ".join(f"{key!r} (owned by {self._owners[key]})" for key in both)
            raise ValueError(
                f"Transformer {name} returned projection keys that conflict with "
                f"already-registered keys: {owned}"
            )
        is_native = bool(getattr(transformer, "_native", False))
        self.transformers.append(transformer)
        for value in projections.values():
            if isinstance(value, StreamChannel):
                self._bind(value, is_native=is_native)
        self.extensions.update(projections)
        self._owners.update(dict.fromkeys(projections, name))
        if is_native:
            self.native_keys.update(projections)
        transformer._on_register(self)

    def _bind(self, channel: StreamChannel[Any], *, is_native: bool) -> None:
        forward = None
        if channel.name is not None:
            method = channel.name if is_native else f"custom:{channel.name}"

            def forward(item: Any) -> None:
                # Past the transformers: one that puts something in would see it again.
                params: Any = {"namespace": [], "timestamp": now_ms(), "data": item}
                self._show({"type": "event", "method": method, "params": params})

        channel.bind(self._next_stamp, forward, is_async=self.is_async)
        self._channels.append(channel)

    def _show(self, event: ProtocolEvent) -> None:
        # The number is given last: what transformers have put in meanwhile came before.
        if self._counts:
            self._seq += 1
            event["seq"] = self._seq
        self.events.push(event)

    def push(self, event: ProtocolEvent) -> None:
        """Hand an event to all transformers, then show it unless one of them says no."""
        kept = [transformer.process(event) for transformer in self.transformers]
        if all(kept):
            self._show(event)

    async def apush(self, event: ProtocolEvent) -> None:
        """Do `push` on an event loop."""
        kept = [await transformer.aprocess(event) for transformer in self.transformers]
        if all(kept):
            self._show(event)

    def close(self) -> None:
        """Tell all transformers that the run has ended, and end all streams.

        Raises
        ------
        BaseException
            The first that a transformer raised; the others were told all the same.
        """
        failures: list[BaseException] = []
        for transformer in self.transformers:
            try:
                transformer.finalize()
            except BaseException as error:  # noqa: BLE001 - raised below
                failures.append(error)
        self._end(failures)

    async def aclose(self) -> None:
        """Do `close` on an event loop, after what transformers have scheduled."""
        import asyncio

        pending = [task for t in self.transformers for task in t.scheduled]
        for result in await asyncio.gather(*pending, return_exceptions=True):
            if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                raise result
        failures: list[BaseException] = []
        for transformer in self.transformers:
            try:
                await transformer.afinalize()
            except BaseException as error:  # noqa: BLE001 - raised below
                failures.append(error)
        self._end(failures)

    def _end(self, failures: list[BaseException]) -> None:
        for channel in (*self._channels, self.events):
            channel.close()
        if failures:
            raise failures[0]

    def fail(self, err: BaseException) -> None:
        """Tell all transformers what the run has failed with, and end all streams with it."""
        for transformer in self.transformers:
            with suppress(BaseException):
                transformer.fail(err)
        self._end_with(err)

    async def afail(self, err: BaseException) -> None:
        """Do `fail` on an event loop; what transformers have scheduled is cancelled."""
        import asyncio

        pending = [task for t in self.transformers for task in t.scheduled]
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for transformer in self.transformers:
            with suppress(BaseException):
                await transformer.afail(err)
        self._end_with(err)

    def _end_with(self, err: BaseException) -> None:
        for channel in (*self._channels, self.events):
            if not channel.closed:
                channel.fail(err)

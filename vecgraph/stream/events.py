"""Events of a run, and what a transformer makes of them."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NotRequired, TypedDict

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine

__all__ = ["EventParams", "ProtocolEvent", "StreamTransformer", "event_of", "needs_loop", "now_ms"]

logger = logging.getLogger(__name__)


class EventParams(TypedDict):
    """What an event says.

    Attributes
    ----------
    namespace : list of str
        Of the graph that it comes from.
    timestamp : int
        Milliseconds since 1970, by the wall clock: it may go back. `ProtocolEvent` has a ``seq``.
    data : object
        As in a chunk of the stream mode.
    interrupts : tuple of Interrupt
        Of ``values``.
    """

    namespace: list[str]
    timestamp: int
    data: Any
    interrupts: NotRequired[tuple[Any, ...]]


class ProtocolEvent(TypedDict):
    """A chunk of a stream in an envelope.

    Attributes
    ----------
    type : str
    event_id : str
    seq : int
        From 1; counts the events of a run that are shown.
    method : str
        A stream mode, or the name of a channel.
    params : EventParams
    """

    type: Literal["event"]
    event_id: NotRequired[str]
    seq: NotRequired[int]
    method: str
    params: EventParams


def now_ms() -> int:
    """Return the time in milliseconds since 1970."""
    return int(time.time() * 1000)


def event_of(part: dict[str, Any]) -> ProtocolEvent:
    """Return the event of a chunk of a stream of version 2."""
    params: EventParams = {
        "namespace": list(part["ns"]),
        "timestamp": now_ms(),
        "data": part["data"],
    }
    if "interrupts" in part:
        params["interrupts"] = part["interrupts"]
    return {"type": "event", "method": part["type"], "params": params}


class StreamTransformer(ABC):
    """Sees each event of a run, and makes projections of them: streams and other objects.

    Subclasses implement `init` and one of `process` and `aprocess`. A `StreamChannel` in what
    `init` returns is bound to the run, and ends with it. With ``_native = True`` the projections
    are attributes of the run, too; else they are in its `extensions` only.

    What needs an event loop overrides `aprocess`, `afinalize` or `afail`, or sets
    `requires_async`; it is refused by `stream_events`.

    Parameters
    ----------
    scope : tuple of str
        Namespace of the graph whose events it is for; empty: the whole run.

    Attributes
    ----------
    requires_async : bool
        It needs a running event loop, though it overrides nothing asynchronous.
    supports_sync : bool
        It does not, though it does.
    required_stream_modes : tuple of str
        What the run must show for it.
    before_builtins : bool
        It comes before those that are always there, to change what they see.
    """

    requires_async: ClassVar[bool] = False
    supports_sync: ClassVar[bool] = False
    required_stream_modes: ClassVar[tuple[str, ...]] = ()
    before_builtins: ClassVar[bool] = False

    def __init__(self, scope: tuple[str, ...] = ()) -> None:
        self.scope = scope

    @abstractmethod
    def init(self) -> dict[str, Any]:
        """Return the projections by name."""

    def _on_register(self, mux: Any) -> None:  # noqa: B027 - a hook
        """Learn of the `StreamMux` that the transformer is part of; called once."""

    def process(self, event: ProtocolEvent) -> bool:
        """See an event; return whether the run's own stream of events shows it.

        Raises
        ------
        NotImplementedError
            Neither this nor `aprocess` is overridden.
        """
        raise NotImplementedError(f"{type(self).__name__} must override process() or aprocess()")

    async def aprocess(self, event: ProtocolEvent) -> bool:
        """See an event on an event loop; the next transformer waits for it. See `process`."""
        return self.process(event)

    def finalize(self) -> None:  # noqa: B027 - a hook
        """Note that the run has ended well."""

    async def afinalize(self) -> None:
        """Note that the run has ended well, after all that was scheduled."""
        self.finalize()

    def fail(self, err: BaseException) -> None:  # noqa: B027 - a hook
        """Note what the run has failed with."""

    async def afail(self, err: BaseException) -> None:
        """Note what the run has failed with; what was scheduled has been cancelled."""
        self.fail(err)

    def schedule(
        self, coro: Coroutine[Any, Any, Any], *, on_error: Literal["log", "raise"] = "log"
    ) -> asyncio.Task[Any]:
        """Start a coroutine beside the run, which waits for it before it ends.

        Parameters
        ----------
        coro : coroutine
        on_error : {'log', 'raise'}
            Whether its failure is written to the log or ends the run.

        Raises
        ------
        RuntimeError
            No event loop is running.
        """
        import asyncio

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            coro.close()
            raise RuntimeError(
                f"{type(self).__name__}.schedule() requires a running event loop; this "
                "transformer must run under astream(), not stream(). Set requires_async=True on "
                "the class so this fails at registration rather than at first event."
            ) from None
        task = loop.create_task(_logged(coro) if on_error == "log" else coro)
        started = self.__dict__.setdefault("_stream_scheduled_tasks", set())
        started.add(task)
        task.add_done_callback(started.discard)
        return task

    @property
    def scheduled(self) -> list[asyncio.Task[Any]]:
        """What was scheduled and goes on."""
        started = self.__dict__.get("_stream_scheduled_tasks", ())
        return [task for task in started if not task.done()]


async def _logged(coro: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await coro
    except Exception:
        logger.exception("Scheduled StreamTransformer task failed")
        return None


def needs_loop(transformer: StreamTransformer) -> bool:
    """Return whether a transformer can only run on an event loop."""
    if transformer.requires_async or transformer.supports_sync:
        return transformer.requires_async
    kind = type(transformer)
    names = ("aprocess", "afinalize", "afail")
    return any(getattr(kind, name) is not getattr(StreamTransformer, name) for name in names)

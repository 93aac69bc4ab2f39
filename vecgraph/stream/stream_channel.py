"""A stream that one reader takes items from; reading moves the run on."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

__all__ = ["StreamChannel"]

T = TypeVar("T")


class StreamChannel(Generic[T]):
    """A queue with one reader; what is put in while nobody reads is not kept.

    It is bound to a run when the run begins: then it can be iterated, once, with ``for`` or with
    ``async for`` as the run is. `tee` and `atee` give it several readers.

    Parameters
    ----------
    name : str, optional
        What is put in is an event of the run, too: of the method ``custom:<name>``, or
        ``<name>`` if the transformer is native.
    maxlen : int, optional
        Taken for LangGraph's sake, where it has no effect either. Positive.

    Raises
    ------
    ValueError
        `maxlen` is not positive.
    """

    def __init__(self, name: str | None = None, *, maxlen: int | None = None) -> None:
        if maxlen is not None and maxlen <= 0:
            raise ValueError("StreamChannel maxlen must be a positive int or None")
        self.name = name
        self.is_async: bool | None = None
        self.is_taken = False
        self.closed = False
        self.error: BaseException | None = None
        self.more: Callable[[], bool] | None = None
        self.amore: Callable[[], Awaitable[bool]] | None = None
        self._items: deque[tuple[int, T]] = deque()
        self._stamp: Callable[[], int] = lambda: 0
        self._forward: Callable[[T], None] | None = None

    def bind(
        self, stamp: Callable[[], int], forward: Callable[[T], None] | None, *, is_async: bool
    ) -> None:
        """Make the channel part of a run.

        Parameters
        ----------
        stamp : callable
            Counts what is put into all channels of a run.
        forward : callable or None
            Makes an event of an item.
        is_async : bool

        Raises
        ------
        RuntimeError
            It is part of one.
        """
        if self.is_async is not None:
            raise RuntimeError("StreamChannel is already bound")
        self.is_async, self._stamp, self._forward = is_async, stamp, forward

    def push(self, item: T) -> None:
        """Put an item in.

        Raises
        ------
        RuntimeError
            The channel is closed, and somebody reads it.
        """
        if self.is_taken:
            if self.closed:
                raise RuntimeError("Cannot push to a closed StreamChannel")
            self._items.append((self._stamp(), item))
        if self._forward is not None:
            self._forward(item)

    def close(self) -> None:
        """End the stream."""
        self.closed = True

    def fail(self, err: BaseException) -> None:
        """End the stream with an error, which its reader gets after the items."""
        self.error = err
        self.closed = True

    @property
    def next_stamp(self) -> int | None:
        """When the next item was put in; None: there is none."""
        return self._items[0][0] if self._items else None

    def pop(self) -> T:
        """Take the next item."""
        return self._items.popleft()[1]

    def take(self, *, is_async: bool = False, several: str = "tee") -> None:
        """Become the reader.

        Raises
        ------
        TypeError
            The channel is not part of a run, or of one of the other kind.
        RuntimeError
            It has a reader.
        """
        if self.is_async is None:
            raise TypeError(
                "StreamChannel has not been bound yet. "
                "Register the transformer with a StreamMux first."
            )
        if self.is_async != is_async:
            mode, hint = ("async", "async for") if self.is_async else ("sync", "for")
            raise TypeError(f"This StreamChannel is bound to {mode} mode — use '{hint}' instead.")
        if self.is_taken:
            raise RuntimeError(
                f"StreamChannel already has a subscriber; use .{several}(n) for fan-out."
            )
        self.is_taken = True

    def __iter__(self) -> Iterator[T]:
        """Read the channel, which can be done once; see `take` for the errors."""
        self.take()
        return self._read()

    def _read(self) -> Iterator[T]:
        while True:
            while self._items:
                yield self.pop()
            if self._is_over():
                return
            moved = self.more is not None and self.more()
            if not moved and self._is_stuck():
                return

    def __aiter__(self) -> AsyncIterator[T]:
        """Read the channel, which can be done once; see `take` for the errors."""
        self.take(is_async=True, several="atee")
        return self._aread()

    async def _aread(self) -> AsyncIterator[T]:
        while True:
            while self._items:
                yield self.pop()
            if self._is_over():
                return
            moved = self.amore is not None and await self.amore()
            if not moved and self._is_stuck():
                return

    def _is_over(self) -> bool:
        if self.closed and self.error is not None:
            raise self.error
        return self.closed

    def _is_stuck(self) -> bool:
        return not self._items and not self.closed

    def tee(self, n: int = 2) -> tuple[Iterator[T], ...]:
        """Return `n` iterators over the stream, each with a buffer of its own.

        Raises
        ------
        ValueError
            `n` is not positive.
        """
        if n < 1:
            raise ValueError("tee() requires n >= 1")
        source = iter(self)
        buffers: list[deque[T]] = [deque() for _ in range(n)]

        def branch(buffer: deque[T]) -> Iterator[T]:
            while True:
                if not buffer:
                    try:
                        item = next(source)
                    except StopIteration:
                        return
                    for each in buffers:
                        each.append(item)
                yield buffer.popleft()

        return tuple(map(branch, buffers))

    def atee(self, n: int = 2) -> tuple[AsyncIterator[T], ...]:
        """Return `n` asynchronous iterators over the stream; all of them raise its error.

        Raises
        ------
        ValueError
            `n` is not positive.
        """
        if n < 1:
            raise ValueError("atee() requires n >= 1")
        fan: _Fan[T] = _Fan(aiter(self), n)
        return tuple(fan.branch(buffer) for buffer in fan.buffers)


class _Fan(Generic[T]):
    """One source for several asynchronous readers."""

    def __init__(self, source: AsyncIterator[T], n: int) -> None:
        import asyncio

        self._source = source
        self._lock = asyncio.Lock()
        self._ended = False
        self._error: Exception | None = None
        self.buffers: list[deque[T]] = [deque() for _ in range(n)]

    async def branch(self, buffer: deque[T]) -> AsyncIterator[T]:
        while True:
            while buffer:
                yield buffer.popleft()
            if self._ended and self._error is not None:
                raise self._error
            if self._ended:
                return
            async with self._lock:
                await self._pull(buffer)

    async def _pull(self, buffer: deque[T]) -> None:
        if buffer or self._ended:
            return  # another reader has been here
        try:
            item: Any = await anext(self._source)
        except StopAsyncIteration:
            self._ended = True
        except Exception as error:  # noqa: BLE001 - raised by each reader
            self._ended, self._error = True, error
        else:
            for each in self.buffers:
                each.append(item)

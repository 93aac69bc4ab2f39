"""`|` between apps and functions: what LangChain's Runnables can do with each other, without it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence

    from vecgraph.app.around import Bound, Each, Fallbacks, Retried
    from vecgraph.app.chains import Link

__all__ = ["Composable", "added", "linked", "make_known"]


class Composable:
    """What can be called with an input, on or off an event loop, and be part of a chain.

    Where LangChain is imported it counts as a Runnable there: ``prompt | app`` works, and a chain
    with a Runnable in it is LangChain's.
    """

    def __or__(self, other: Any) -> Any:
        """Return the chain of this and `other`: a step, a function, or a dict of those."""
        return _chained(self, other)

    def __ror__(self, other: Any) -> Any:
        """Return the chain of `other` and this."""
        return _chained(other, self)

    def pipe(self, *others: Any, name: str | None = None) -> Any:
        """Return the chain of this and `others`.

        Parameters
        ----------
        *others : steps
        name : str, optional
            Of the chain.
        """
        found: Any = self
        for other in others:
            found = _chained(found, other)
        if name is not None:
            found.name = name
        return found

    def bind(self, **kwargs: Any) -> Bound:
        """Return the same with arguments that each call gets; those of a call win."""
        from vecgraph.app.around import Bound

        return Bound(self, kwargs)

    def map(self) -> Each:
        """Return what calls this for each item of a list."""
        from vecgraph.app.around import Each

        return Each(self)

    def pick(self, keys: str | list[str]) -> Link:
        """Return the chain of this and what takes keys out of a dict: one value, or a dict."""
        from vecgraph.app.around import Picked
        from vecgraph.app.chains import Chain

        return Chain(self, Picked(keys))

    def assign(self, **kwargs: Any) -> Link:
        """Return the chain of this and what adds keys to a dict, made of it by steps."""
        from vecgraph.app.around import Assigned
        from vecgraph.app.chains import Chain

        return Chain(self, Assigned(kwargs))

    def with_retry(
        self,
        *,
        retry_if_exception_type: tuple[type[BaseException], ...] = (Exception,),
        wait_exponential_jitter: bool = True,
        exponential_jitter_params: Mapping[str, float] | None = None,
        stop_after_attempt: int = 3,
    ) -> Retried:
        """Return the same, tried again when it fails.

        A node's `RetryPolicy` tries the node again, this the whole run.

        Parameters
        ----------
        retry_if_exception_type : tuple of type
        wait_exponential_jitter : bool
            Wait between attempts: a second, then twice as long each time, and up to a second.
        exponential_jitter_params : dict, optional
            ``initial``, ``max``, ``exp_base`` and ``jitter``, in seconds but for the base.
        stop_after_attempt : int
        """
        from vecgraph.app.around import Retried

        waits = dict(exponential_jitter_params or {}) if wait_exponential_jitter else None
        return Retried(self, retry_if_exception_type, waits, stop_after_attempt)

    def with_fallbacks(
        self,
        fallbacks: Sequence[Any],
        *,
        exceptions_to_handle: tuple[type[BaseException], ...] = (Exception,),
        exception_key: str | None = None,
    ) -> Fallbacks:
        """Return the same, with others that are tried when it fails.

        Parameters
        ----------
        fallbacks : sequence of steps
        exceptions_to_handle : tuple of type
        exception_key : str, optional
            Where in the input, a dict, the next one finds the exception.
        """
        from vecgraph.app.around import Fallbacks

        return Fallbacks([self, *map(linked, fallbacks)], exceptions_to_handle, exception_key)

    def transform(self, input: Iterable[Any], config: Any = None, **kwargs: Any) -> Iterator[Any]:
        """Take an input in pieces; yield chunks of the output."""
        pieces = list(input)
        if pieces:
            stream: Any = self
            yield from stream.stream(added(pieces), config, **kwargs)

    async def atransform(
        self, input: AsyncIterator[Any], config: Any = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        """Take an input in pieces on an event loop; yield chunks of the output."""
        pieces = [piece async for piece in input]
        if pieces:
            stream: Any = self
            async for chunk in stream.astream(added(pieces), config, **kwargs):
                yield chunk


def added(pieces: Sequence[Any]) -> Any:
    """Return the sum of an input's pieces; of those that cannot be added the last."""
    total = pieces[0]
    for piece in pieces[1:]:
        try:
            total = total + piece
        except TypeError:
            total = piece
    return total


def linked(thing: Any) -> Any:
    """Return what `thing` is as a step of a chain.

    Raises
    ------
    TypeError
        It is neither a step nor a function nor a dict.
    """
    from vecgraph.app.chains import Fork, Function

    if isinstance(thing, Composable) or _is_runnable(thing):
        return thing
    if callable(thing):
        return Function(thing)
    if isinstance(thing, dict):
        return Fork(thing)
    raise TypeError(
        f"Expected a Runnable, callable or dict.Instead got an unsupported type: {type(thing)}"
    )


def _chained(first: Any, second: Any) -> Any:
    from vecgraph.app.chains import Chain

    if _is_foreign(first) or _is_foreign(second):
        make: Callable[..., Any] = sys.modules["langchain_core.runnables.base"].RunnableSequence
        return make(first, second)
    return Chain(linked(first), linked(second))


def _is_foreign(thing: Any) -> bool:
    """Return whether LangChain has to make the chain: a Runnable of its own is in it."""
    parts = thing.values() if isinstance(thing, dict) else (thing,)
    return any(_is_runnable(part) and not isinstance(part, Composable) for part in parts)


def _is_runnable(thing: Any) -> bool:
    make_known()
    base = sys.modules.get("langchain_core.runnables.base")
    return base is not None and isinstance(thing, base.Runnable)


def make_known() -> None:
    """Have LangChain, if it is there, take what can be composed for its own."""
    base = sys.modules.get("langchain_core.runnables.base")
    if base is not None:
        base.Runnable.register(Composable)

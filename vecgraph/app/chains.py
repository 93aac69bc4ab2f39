"""Chains of apps and functions."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

from vecgraph.app.composing import Composable, added, linked
from vecgraph.app.options import configs_for
from vecgraph.config import ensure_config, merge_configs
from vecgraph.engine.called import is_coroutine_function
from vecgraph.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence

__all__ = ["Chain", "Fork", "Function", "Link"]


class Link(Composable):
    """A step that is no app. Subclasses implement `invoke` and `ainvoke`.

    Attributes
    ----------
    name : str
    config : RunnableConfig or None
        Under what each call passes.
    """

    name = ""
    config: Any = None

    def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str:
        """Return `name` or the step's, with a suffix."""
        found = name or self.name or type(self).__name__
        return found if not suffix else f"{found}{suffix.title()}"

    def with_config(self, config: Any = None, **kwargs: Any) -> Any:
        """Return the same under a config; what a call passes wins."""
        clone = object.__new__(type(self))
        clone.__dict__.update(self.__dict__)
        clone.config = merge_configs(self.config, config, kwargs)
        return clone

    def under(self, config: Any) -> Any:
        """Return the config of a call."""
        return config if self.config is None else merge_configs(self.config, config)

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """Call the step once."""
        raise NotImplementedError

    async def ainvoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """Call the step once on an event loop."""
        raise NotImplementedError

    def batch(
        self,
        inputs: Sequence[Any],
        config: Any = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """Call the step for each of many inputs.

        Parameters
        ----------
        inputs : sequence
        config : RunnableConfig or list of them, optional
        return_exceptions : bool
            An exception takes the place of the output; else the first is raised.
        """
        found = []
        for value, one in zip(inputs, configs_for(config, len(inputs)), strict=True):
            try:
                found.append(self.invoke(value, one, **kwargs))
            except Exception as error:
                if not return_exceptions:
                    raise
                found.append(error)
        return found

    async def abatch(
        self,
        inputs: Sequence[Any],
        config: Any = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """Call the step for each of many inputs, side by side on an event loop; see `batch`."""
        configs = configs_for(config, len(inputs))
        calls = [self.ainvoke(v, c, **kwargs) for v, c in zip(inputs, configs, strict=True)]
        return list(await asyncio.gather(*calls, return_exceptions=return_exceptions))

    def stream(self, input: Any, config: Any = None, **kwargs: Any) -> Iterator[Any]:
        """Call the step once; yield chunks of its output."""
        yield self.invoke(input, config, **kwargs)

    async def astream(self, input: Any, config: Any = None, **kwargs: Any) -> AsyncIterator[Any]:
        """Call the step once on an event loop; yield chunks of its output."""
        yield await self.ainvoke(input, config, **kwargs)


class Function(Link):
    """A function as a step: it gets the input, and the config if it has such a parameter.

    Parameters
    ----------
    fn : callable
        Of a coroutine function there is `ainvoke` only. If it returns a step, that is called.

    Raises
    ------
    UnsupportedError
        It is a generator function.
    """

    def __init__(self, fn: Any) -> None:
        if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
            raise UnsupportedError.feature("generator functions in chains")
        self.fn = fn
        self.name = getattr(fn, "__name__", "")
        self._is_async = is_coroutine_function(fn)
        try:
            self._wants = "config" in inspect.signature(fn).parameters
        except (TypeError, ValueError):
            self._wants = False

    def _called(self, input: Any, config: Any, kwargs: dict[str, Any]) -> Any:
        given = {**kwargs, "config": ensure_config(self.config, config)} if self._wants else kwargs
        return self.fn(input, **given)

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """Call the function.

        Raises
        ------
        TypeError
            It is a coroutine function.
        """
        self._check()
        found = self._called(input, config, kwargs)
        return found.invoke(input, config) if isinstance(found, Composable) else found  # type: ignore[attr-defined]

    def _check(self) -> None:
        if self._is_async:
            raise TypeError(
                "Cannot invoke a coroutine function synchronously.Use `ainvoke` instead."
            )

    def transform(self, input: Iterable[Any], config: Any = None, **kwargs: Any) -> Iterator[Any]:
        """Take an input in pieces, all of them, and call the function."""
        self._check()  # before anything is run for its sake
        yield from super().transform(input, config, **kwargs)

    async def ainvoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """Call the function on an event loop."""
        found = self._called(input, config, kwargs)
        if self._is_async:
            found = await found
        return await found.ainvoke(input, config) if isinstance(found, Composable) else found  # type: ignore[attr-defined]


class Chain(Link):
    """Steps, each of which gets what the one before it gave; arguments of a call go to the first.

    A batch goes through it step by step, so that an app in it runs all rows at once.

    Parameters
    ----------
    *steps : steps
    """

    def __init__(self, *steps: Any) -> None:
        flat = [step.steps if isinstance(step, Chain) else [step] for step in steps]
        self.steps: list[Any] = [step for several in flat for step in several]

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """Call the steps, one after the other."""
        config = self.under(config)
        for step in self.steps:
            input, kwargs = step.invoke(input, config, **kwargs), {}
        return input

    async def ainvoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """Call the steps on an event loop, one after the other."""
        config = self.under(config)
        for step in self.steps:
            input, kwargs = await step.ainvoke(input, config, **kwargs), {}
        return input

    def batch(
        self,
        inputs: Sequence[Any],
        config: Any = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """Call each step for all inputs; what has failed goes no further."""
        rows = _Rows(inputs, [self.under(c) for c in configs_for(config, len(inputs))])
        for step in self.steps:
            given = rows.left()
            if given[0]:
                rows.take(step.batch(*given, return_exceptions=return_exceptions, **kwargs))
            kwargs = {}
        return rows.values

    async def abatch(
        self,
        inputs: Sequence[Any],
        config: Any = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """Call each step for all inputs on an event loop; see `batch`."""
        rows = _Rows(inputs, [self.under(c) for c in configs_for(config, len(inputs))])
        for step in self.steps:
            given = rows.left()
            if given[0]:
                found = await step.abatch(*given, return_exceptions=return_exceptions, **kwargs)
                rows.take(found)
            kwargs = {}
        return rows.values

    def stream(self, input: Any, config: Any = None, **kwargs: Any) -> Iterator[Any]:
        """Yield the chunks of the last step, which gets those of the one before it."""
        return self.transform([input], config, **kwargs)

    async def astream(self, input: Any, config: Any = None, **kwargs: Any) -> AsyncIterator[Any]:
        """Yield the chunks of the last step on an event loop."""
        async for chunk in self.atransform(_pieces([input]), config, **kwargs):
            yield chunk

    def transform(self, input: Iterable[Any], config: Any = None, **kwargs: Any) -> Iterator[Any]:
        """Pass an input in pieces through the steps."""
        pieces: Any = iter(input)
        for step in self.steps:
            pieces, kwargs = step.transform(pieces, self.under(config), **kwargs), {}
        return iter(pieces)

    async def atransform(
        self, input: AsyncIterator[Any], config: Any = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        """Pass an input in pieces through the steps on an event loop."""
        pieces: Any = input
        for step in self.steps:
            pieces, kwargs = step.atransform(pieces, self.under(config), **kwargs), {}
        async for piece in pieces:
            yield piece


async def _pieces(values: Sequence[Any]) -> AsyncIterator[Any]:
    for value in values:
        yield value


class _Rows:
    """The inputs of a batch on their way through a chain."""

    def __init__(self, inputs: Sequence[Any], configs: list[Any]) -> None:
        self.values, self._configs = list(inputs), configs
        self._going = list(range(len(inputs)))

    def left(self) -> tuple[list[Any], list[Any]]:
        """Return the values and configs of those that go on."""
        return [self.values[i] for i in self._going], [self._configs[i] for i in self._going]

    def take(self, found: list[Any]) -> None:
        """Note what a step made of them."""
        for at, value in zip(self._going, found, strict=True):
            self.values[at] = value
        self._going = [i for i in self._going if not isinstance(self.values[i], Exception)]


class _Some(dict[Any, Any]):
    """Some keys of an output; with others added it is more of it."""

    def __add__(self, other: dict[Any, Any]) -> _Some:
        total = _Some(self)
        for key, value in other.items():
            known = total.get(key)
            total[key] = value if known is None else added([known, value])
        return total


class Fork(Link):
    """Several steps that get the same input; their outputs are a dict.

    Parameters
    ----------
    steps : dict of str to step
    """

    def __init__(self, steps: Mapping[str, Any]) -> None:
        self.steps = {key: linked(step) for key, step in steps.items()}

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """Call all steps, one after the other."""
        config = self.under(config)
        return {key: step.invoke(input, config, **kwargs) for key, step in self.steps.items()}

    async def ainvoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """Call all steps, side by side on an event loop."""
        calls = [s.ainvoke(input, self.under(config), **kwargs) for s in self.steps.values()]
        return dict(zip(self.steps, await asyncio.gather(*calls), strict=True))

    def stream(self, input: Any, config: Any = None, **kwargs: Any) -> Iterator[Any]:
        """Yield the chunks of each step, in a dict."""
        for key, step in self.steps.items():
            for chunk in step.stream(input, self.under(config), **kwargs):
                yield _Some({key: chunk})

    async def astream(self, input: Any, config: Any = None, **kwargs: Any) -> AsyncIterator[Any]:
        """Yield the chunks of each step on an event loop, in a dict."""
        for key, step in self.steps.items():
            async for chunk in step.astream(input, self.under(config), **kwargs):
                yield _Some({key: chunk})

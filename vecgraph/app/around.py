"""Steps of a chain that are made of others: with more arguments, for each item, tried again."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any

from vecgraph.app.chains import Fork, Link
from vecgraph.app.options import configs_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

__all__ = ["Assigned", "Bound", "Each", "Fallbacks", "Picked", "Retried"]


class Assigned(Link):
    """Adds to a dict what steps make of it.

    Parameters
    ----------
    steps : dict of str to step
    """

    def __init__(self, steps: Mapping[str, Any]) -> None:
        self.fork = Fork(steps)

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """Add to a dict; others are refused with a ValueError."""
        return {**_dict(input), **self.fork.invoke(input, self.under(config), **kwargs)}

    async def ainvoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """Add to a dict on an event loop."""
        return {**_dict(input), **await self.fork.ainvoke(input, self.under(config), **kwargs)}


class Picked(Link):
    """Takes keys out of a dict.

    Parameters
    ----------
    keys : str or list of str
        Of one the value, None if it is not there; of several a dict of those that are.
    """

    def __init__(self, keys: str | list[str]) -> None:
        self.keys = keys

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """Take keys out of a dict; others are refused with a ValueError."""
        values = _dict(input)
        if isinstance(self.keys, str):
            return values.get(self.keys)
        return {key: values[key] for key in self.keys if key in values} or None

    async def ainvoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """Take keys out of a dict."""
        return self.invoke(input)


def _dict(input: Any) -> dict[Any, Any]:
    if not isinstance(input, dict):
        raise ValueError("The input to RunnablePassthrough.assign() must be a dict.")  # noqa: TRY004 - LangChain's
    return input


class _Around(Link):
    """A step that is called otherwise.

    Parameters
    ----------
    step : step
    """

    def __init__(self, step: Any) -> None:
        self.step = step

    def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str:
        """Return the name of the step."""
        found: str = self.step.get_name(suffix, name=name or self.name or None)
        return found


class Bound(_Around):
    """A step with arguments that each call gets.

    Parameters
    ----------
    step : step
    kwargs : dict
    """

    def __init__(self, step: Any, kwargs: dict[str, Any]) -> None:
        super().__init__(step)
        self.kwargs = kwargs

    def bind(self, **kwargs: Any) -> Bound:
        """Return the same with more arguments."""
        return Bound(self.step, {**self.kwargs, **kwargs})

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """Call the step once."""
        return self.step.invoke(input, self.under(config), **{**self.kwargs, **kwargs})

    async def ainvoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """Call the step once on an event loop."""
        return await self.step.ainvoke(input, self.under(config), **{**self.kwargs, **kwargs})

    def batch(self, inputs: Any, config: Any = None, **kwargs: Any) -> Any:
        """Call the step for each of many inputs; see the step's."""
        given = [self.under(c) for c in configs_for(config, len(inputs))]
        return self.step.batch(inputs, given, **{**self.kwargs, **kwargs})

    async def abatch(self, inputs: Any, config: Any = None, **kwargs: Any) -> Any:
        """Call the step for each of many inputs on an event loop; see the step's."""
        given = [self.under(c) for c in configs_for(config, len(inputs))]
        return await self.step.abatch(inputs, given, **{**self.kwargs, **kwargs})

    def stream(self, input: Any, config: Any = None, **kwargs: Any) -> Iterator[Any]:
        """Call the step once; yield its chunks."""
        yield from self.step.stream(input, self.under(config), **{**self.kwargs, **kwargs})

    async def astream(self, input: Any, config: Any = None, **kwargs: Any) -> AsyncIterator[Any]:
        """Call the step once on an event loop; yield its chunks."""
        given = {**self.kwargs, **kwargs}
        async for chunk in self.step.astream(input, self.under(config), **given):
            yield chunk


class Each(_Around):
    """Calls a step for each item of a list, as a batch."""

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """Return the outputs."""
        return self.step.batch(list(input), self.under(config), **kwargs)

    async def ainvoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """Return the outputs."""
        return await self.step.abatch(list(input), self.under(config), **kwargs)


class Retried(_Around):
    """A step that is called again when it fails; see `Composable.with_retry`.

    Parameters
    ----------
    step : step
    kinds : tuple of type
    waits : dict, or None
        None: no time between attempts.
    most : int
    """

    def __init__(
        self,
        step: Any,
        kinds: tuple[type[BaseException], ...],
        waits: Mapping[str, float] | None,
        most: int,
    ) -> None:
        super().__init__(step)
        self._kinds, self._waits, self._most = kinds, waits, most

    def _pause(self, failed: int) -> float:
        if self._waits is None:
            return 0.0
        first, base = self._waits.get("initial", 1.0), self._waits.get("exp_base", 2.0)
        more = random.uniform(0, self._waits.get("jitter", 1.0))
        return max(0.0, min(first * base ** (failed - 1) + more, self._waits.get("max", 2.0**62)))

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """Call the step until it ends well, or has failed too often."""
        for failed in range(1, self._most):
            try:
                return self.step.invoke(input, self.under(config), **kwargs)
            except self._kinds:
                time.sleep(self._pause(failed))
        return self.step.invoke(input, self.under(config), **kwargs)

    async def ainvoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """Call the step on an event loop until it ends well, or has failed too often."""
        for failed in range(1, self._most):
            try:
                return await self.step.ainvoke(input, self.under(config), **kwargs)
            except self._kinds:
                await asyncio.sleep(self._pause(failed))
        return await self.step.ainvoke(input, self.under(config), **kwargs)


class Fallbacks(Link):
    """Steps of which each is called when the ones before it have failed.

    Parameters
    ----------
    steps : list of steps
    kinds : tuple of type
        What counts as failing.
    key : str or None
        Where in the input the exception is given to the next.
    """

    def __init__(
        self, steps: list[Any], kinds: tuple[type[BaseException], ...], key: str | None
    ) -> None:
        self.steps, self._kinds, self._key = steps, kinds, key

    def _told(self, input: Any, errors: list[BaseException]) -> Any:
        if self._key is None:
            return input
        if not isinstance(input, dict):
            raise ValueError(  # noqa: TRY004 - LangChain's
                "If 'exception_key' is specified then input must be a dictionary."
                f"However found a type of {type(input)} for input"
            )
        return {**input, self._key: errors[-1]} if errors else input

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """Call the steps until one ends well; else raise what the first has failed with."""
        errors: list[BaseException] = []
        for step in self.steps:
            try:
                return step.invoke(self._told(input, errors), self.under(config), **kwargs)
            except self._kinds as error:
                errors.append(error)
        raise errors[0]

    async def ainvoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """Call the steps on an event loop until one ends well."""
        errors: list[BaseException] = []
        for step in self.steps:
            try:
                given = self._told(input, errors)
                return await step.ainvoke(given, self.under(config), **kwargs)
            except self._kinds as error:
                errors.append(error)
        raise errors[0]

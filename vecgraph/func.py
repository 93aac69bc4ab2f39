"""The functional API: workflows that are plain functions, `entrypoint` and `task`.

A task's call gives a future. What it returned is kept beside the run's checkpoint, so a
workflow that is resumed, from its first line, takes the results of tasks that have ended from
there instead of running them again.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, get_args, get_origin, overload

from vecgraph.ambient import current_task
from vecgraph.channels import EphemeralValue, LastValue
from vecgraph.constants import END, PREVIOUS, START
from vecgraph.engine.caching import call_namespace
from vecgraph.engine.called import called, in_thread, is_coroutine_function, name_of
from vecgraph.nodes.action import Action
from vecgraph.nodes.coerce import injected
from vecgraph.nodes.writer import WriteEntry
from vecgraph.pregel import Pregel
from vecgraph.pregel.builder import PregelNode
from vecgraph.types import RetryPolicy, TimeoutPolicy
from vecgraph.warnings import LangGraphDeprecatedSinceV05, LangGraphDeprecatedSinceV10

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from concurrent.futures import Future
    from datetime import timedelta

    from vecgraph.types import CachePolicy

__all__ = ["TaskFunction", "entrypoint", "task"]

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")
S = TypeVar("S")
ContextT = TypeVar("ContextT")


class TaskFunction(Generic[P, T]):
    """A function whose calls are tasks of the run that makes them; made by `task`.

    Attributes
    ----------
    func : callable
    retry_policy : sequence of RetryPolicy
    cache_policy : CachePolicy or None
    timeout : TimeoutPolicy or None
    """

    def __init__(
        self,
        func: Callable[P, Awaitable[T]] | Callable[P, T],
        *,
        retry_policy: Sequence[RetryPolicy] = (),
        cache_policy: CachePolicy | None = None,
        timeout: TimeoutPolicy | None = None,
        name: str | None = None,
    ) -> None:
        functools.update_wrapper(self, func)
        self.func = func
        self.retry_policy = retry_policy
        self.cache_policy = cache_policy
        self.timeout = timeout
        self.__name__ = name or name_of(func)
        self._spec = called(
            func,
            self.__name__,
            retry_policy=retry_policy,
            cache_policy=cache_policy,
            timeout=timeout,
        )

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Start the task; return the future of its result.

        In a coroutine it is to be awaited, elsewhere `result` waits for it.

        Raises
        ------
        RuntimeError
            No node or workflow runs, or a synchronous one calls a coroutine.
        """
        scope = current_task.get()
        if scope is None:
            raise RuntimeError("Called get_config outside of a runnable context")
        future: Future[T] = scope.call(self._spec, args, kwargs)
        return future

    def clear_cache(self, cache: Any) -> None:
        """Forget what `cache` keeps of the task's results."""
        if self.cache_policy is not None:
            cache.clear((call_namespace(self._spec.action),))

    async def aclear_cache(self, cache: Any) -> None:
        """Forget what `cache` keeps of the task's results."""
        if self.cache_policy is not None:
            await cache.aclear((call_namespace(self._spec.action),))


@overload
def task(
    __func_or_none__: None = None,
    *,
    name: str | None = None,
    retry_policy: RetryPolicy | Sequence[RetryPolicy] | None = None,
    cache_policy: CachePolicy | None = None,
    timeout: float | timedelta | TimeoutPolicy | None = None,
    **kwargs: Any,
) -> Callable[[Callable[P, Awaitable[T]] | Callable[P, T]], TaskFunction[P, T]]: ...


@overload
def task(__func_or_none__: Callable[P, Awaitable[T]]) -> TaskFunction[P, T]: ...


@overload
def task(__func_or_none__: Callable[P, T]) -> TaskFunction[P, T]: ...


def task(
    __func_or_none__: Any = None,
    *,
    name: str | None = None,
    retry_policy: RetryPolicy | Sequence[RetryPolicy] | None = None,
    cache_policy: CachePolicy | None = None,
    timeout: float | timedelta | TimeoutPolicy | None = None,
    **kwargs: Any,
) -> Any:
    """Make a function a task: ``@task`` or ``@task(...)``.

    Parameters
    ----------
    name : str, optional
        In streams and ids; default the function's.
    retry_policy : RetryPolicy or sequence of them, optional
        When a failed task is tried again; default the workflow's.
    cache_policy : CachePolicy, optional
        Whether equal calls are computed once; its key is made of the arguments.
    timeout : float, timedelta or TimeoutPolicy, optional
        Of one attempt; only for coroutine functions.
    **kwargs
        ``retry``: the old name of `retry_policy`.

    Returns
    -------
    TaskFunction
        Its call gives a future.

    Raises
    ------
    ValueError
        A time limit for a synchronous function.

    Examples
    --------
    >>> @task
    ... def double(x):
    ...     return 2 * x
    >>> @entrypoint()
    ... def total(numbers):
    ...     futures = [double(n) for n in numbers]
    ...     return sum(future.result() for future in futures)
    >>> total.invoke([1, 2, 3])
    12
    """
    retry_policy = _former(kwargs, "retry", retry_policy, "retry_policy")
    limit = TimeoutPolicy.coerce(timeout)
    policies = _policies(retry_policy)

    def decorate(func: Any) -> TaskFunction[Any, Any]:
        if limit is not None and not is_coroutine_function(func):
            raise _no_limit(name or name_of(func))
        return TaskFunction(
            func, retry_policy=policies, cache_policy=cache_policy, timeout=limit, name=name
        )

    return decorate if __func_or_none__ is None else decorate(__func_or_none__)


def _no_limit(name: str) -> ValueError:
    return ValueError(
        "Node timeouts are only supported for async nodes because synchronous Python "
        f"execution cannot be safely cancelled in-process. Task {name!r} is sync."
    )


def _policies(retry_policy: Any) -> Sequence[RetryPolicy]:
    if retry_policy is None:
        return ()
    return (retry_policy,) if isinstance(retry_policy, RetryPolicy) else retry_policy


def _former(kwargs: Mapping[str, Any], old: str, value: Any, new: str) -> Any:
    """Return a parameter that may have been given under its old name, the only one that may be."""
    unknown = sorted(kwargs.keys() - {old})
    if unknown:
        raise TypeError(f"unexpected keyword argument {unknown[0]!r}")
    if old not in kwargs:
        return value
    kind = LangGraphDeprecatedSinceV05 if old == "retry" else LangGraphDeprecatedSinceV10
    text = f"`{old}` is deprecated and will be removed. Please use `{new}` instead."
    warnings.warn(kind(text), stacklevel=3)
    return kwargs[old] if value is None else value


class entrypoint(Generic[ContextT]):
    """Make a function a workflow: ``@entrypoint(...)`` gives an app that runs it.

    The function's first parameter is the input. It may ask for ``config``, ``previous`` (what
    the thread's last run saved), ``runtime``, ``store`` and ``writer``.

    Parameters
    ----------
    checkpointer : saver, optional
        Keeps results of tasks, and what runs save for those after them.
    store, cache : optional
    context_schema : type, optional
    cache_policy : CachePolicy, optional
        Of the workflow, and of tasks without one.
    retry_policy : RetryPolicy or sequence of them, optional
        Of the workflow, and of tasks without one.
    timeout : float, timedelta or TimeoutPolicy, optional
        Of one attempt; only for coroutine functions.
    **kwargs
        ``config_schema``, ``retry``: old names.

    Examples
    --------
    >>> @entrypoint()
    ... def shout(text):
    ...     return text.upper()
    >>> shout.invoke("hello")
    'HELLO'
    """

    def __init__(
        self,
        checkpointer: Any = None,
        store: Any = None,
        cache: Any = None,
        context_schema: type[ContextT] | None = None,
        cache_policy: CachePolicy | None = None,
        retry_policy: RetryPolicy | Sequence[RetryPolicy] | None = None,
        timeout: float | timedelta | TimeoutPolicy | None = None,
        **kwargs: Any,
    ) -> None:
        schemas = {k: v for k, v in kwargs.items() if k == "config_schema"}
        others = {k: v for k, v in kwargs.items() if k != "config_schema"}
        self.checkpointer = checkpointer
        self.store = store
        self.cache = cache
        self.cache_policy = cache_policy
        self.context_schema = _former(schemas, "config_schema", context_schema, "context_schema")
        self.retry_policy = _former(others, "retry", retry_policy, "retry_policy")
        self.timeout = TimeoutPolicy.coerce(timeout)

    @dataclass(slots=True)
    class final(Generic[R, S]):
        """What a workflow returns if its thread is to keep something else than the caller gets.

        Attributes
        ----------
        value : object
            For the caller.
        save : object
            For the next run of the thread: its ``previous``.
        """

        value: R
        save: S

    def __call__(self, func: Callable[..., Any]) -> Pregel:
        """Return the app that runs `func`.

        Raises
        ------
        NotImplementedError
            It is a generator function.
        ValueError
            It takes no input.
        TypeError
            Its annotation ``entrypoint.final[...]`` has not two types.
        """
        if inspect.isgeneratorfunction(func) or inspect.isasyncgenfunction(func):
            raise NotImplementedError("Generators are not supported in the Functional API.")
        name = func.__name__
        is_async = is_coroutine_function(func)
        action = Action(
            name,
            "async" if is_async else "rowwise",
            None if is_async else func,
            func if is_async else in_thread(func),
            injected(func),
            "a workflow: it runs one input at a time",
        )
        input_type, output_type, save_type = self._types(func)
        node = PregelNode(
            channels=START,
            triggers=[START],
            bound=action,
            writes=[WriteEntry(END, mapper=_value), WriteEntry(PREVIOUS, mapper=_saved)],
            timeout=self.timeout,
        )
        return Pregel(
            nodes={name: node},
            channels={
                START: EphemeralValue(input_type),
                END: LastValue(output_type),
                PREVIOUS: LastValue(save_type),
            },
            input_channels=START,
            output_channels=END,
            stream_channels=END,
            stream_mode="updates",
            stream_eager=True,
            checkpointer=self.checkpointer,
            store=self.store,
            cache=self.cache,
            cache_policy=self.cache_policy,
            retry_policy=_policies(self.retry_policy),
            context_schema=self.context_schema,
        )

    def _types(self, func: Callable[..., Any]) -> tuple[Any, Any, Any]:
        """Return the types of a workflow's input, of what it returns and of what it saves."""
        signature = inspect.signature(func)
        first = next(iter(signature.parameters.values()), None)
        if first is None:
            raise ValueError("Entrypoint function must have at least one parameter")
        input_type = _known(first.annotation)
        returned = _known(signature.return_annotation)
        if returned is entrypoint.final:
            return input_type, Any, Any
        if get_origin(returned) is not entrypoint.final:
            return input_type, returned, returned
        types = get_args(returned)
        if len(types) != 2:
            raise TypeError(
                "Please an annotation for both the return_ and the save values."
                "For example, `-> entrypoint.final[int, str]` would assign a return_ a type of "
                "`int` and save the type `str`."
            )
        return input_type, types[0], types[1]


def _known(annotation: Any) -> Any:
    return Any if annotation is inspect.Signature.empty else annotation


def _value(returned: Any) -> Any:
    return returned.value if isinstance(returned, entrypoint.final) else returned


def _saved(returned: Any) -> Any:
    return returned.save if isinstance(returned, entrypoint.final) else returned

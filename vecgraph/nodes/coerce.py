"""From what a user passes as a node or a router to an `Action`: what it is, decided once."""

from __future__ import annotations

import inspect
import warnings
from typing import TYPE_CHECKING, Any, Literal, TypeGuard, cast, get_args

from vecgraph.nodes.action import Action, Tier
from vecgraph.nodes.expr import Cases, Expr, When
from vecgraph.types import StreamWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["action_of", "injected", "is_app", "is_expression", "is_runnable", "no_sync_function"]

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_EMPTY = inspect.Parameter.empty
_OPTIONS = ("max_batch", "max_wait", "on_error")
_WHY: Mapping[Tier, str] = {
    "expr": "an expression over columns",
    "vector": "declared with batched=True",
    "rowwise": "an ordinary function: it takes one run at a time",
    "async": "a coroutine function: it takes one run at a time",
    "subgraph": "a compiled graph: it runs once for all its rows",
}


def action_of(
    fn: Any,
    name: str,
    *,
    batched: bool = False,
    max_batch: int | None = None,
    max_wait: float | None = None,
    on_error: Literal["raise", "split"] | None = None,
) -> Action:
    """Return `fn` as an action.

    Parameters
    ----------
    fn : callable, expression, compiled app or LangChain Runnable
        What the node or router runs.
    name : str
        For messages.
    batched : bool
        `fn` takes a `Batch` of rows and returns columns.
    max_batch : int, optional
        Most rows that a call of a vector node gets.
    max_wait : float, optional
        Longest that an asynchronous vector node waits to fill a call, in seconds.
    on_error : {'raise', 'split'}, optional
        Whether an exception fails all rows of its call (the default), or the call is
        halved until only the guilty rows fail.

    Returns
    -------
    Action

    Raises
    ------
    TypeError
        `fn` is nothing that can run.
    ValueError
        An option of vector nodes is given for another kind, or makes no sense.

    Examples
    --------
    >>> def double(state, config):
    ...     return {"x": state["x"] * 2}
    >>> action = action_of(double, "double")
    >>> action.tier, dict(action.inject)
    ('rowwise', {'config': 'config'})
    """
    given = {"max_batch": max_batch, "max_wait": max_wait, "on_error": on_error}
    options = {key: value for key, value in given.items() if value is not None}
    _check_options(name, batched, options)
    if is_expression(fn):
        return Action(name, "expr", cast("Any", fn), why=_WHY["expr"])
    if is_app(fn):
        return Action(name, "subgraph", fn, why=_WHY["subgraph"])
    if is_runnable(fn):
        return _runnable(fn, name)
    if isinstance(fn, Cases):
        raise TypeError(f"The router of '{name}' is unfinished: end it with .otherwise(label)")
    if not callable(fn):
        raise TypeError(
            f"Expected a Runnable, callable or dict.Instead got an unsupported type: {type(fn)}"
        )
    return _function(fn, name, batched, options)


def is_expression(fn: Any) -> TypeGuard[Expr | When]:
    """Return whether `fn` is a node or a router by expressions."""
    return isinstance(fn, Expr | When)


def is_app(fn: Any) -> bool:
    """Return whether `fn` is a compiled graph of vecgraph's."""
    return hasattr(fn, "program") and hasattr(fn, "invoke")


def is_runnable(fn: Any) -> bool:
    """Return whether `fn` is a Runnable: a LangChain object, or a compiled graph of LangGraph's."""
    return all(
        callable(getattr(fn, verb, None)) for verb in ("invoke", "ainvoke", "get_name")
    ) and not inspect.isclass(fn)


def no_sync_function(name: str) -> TypeError:
    """Build the error of a coroutine function that a synchronous verb must run."""
    return TypeError(
        f'No synchronous function provided to "{name}".'
        "\nEither initialize with a synchronous function or invoke"
        " via the async API (ainvoke, astream, etc.)"
    )


def _check_options(name: str, batched: bool, options: Mapping[str, Any]) -> None:
    if options and not batched:
        raise ValueError(
            f"Node '{name}' is given {', '.join(options)}, which only vector nodes have.\n"
            "Hint: add batched=True and let the function take a Batch, or drop the option."
        )
    if options.get("max_batch", 1) < 1:
        raise ValueError(f"max_batch of node '{name}' must be at least 1")
    if options.get("max_wait", 0) < 0:
        raise ValueError(f"max_wait of node '{name}' must not be negative; it is in seconds")
    if options.get("on_error", "raise") not in {"raise", "split"}:
        raise ValueError(f"on_error of node '{name}' must be 'raise' or 'split'")


def _runnable(fn: Any, name: str) -> Action:
    why = "a Runnable: it takes one run at a time"
    return Action(name, "rowwise", fn.invoke, fn.ainvoke, {"config": "config"}, why)


def _function(
    fn: Callable[..., Any], name: str, batched: bool, options: Mapping[str, Any]
) -> Action:
    if _is_generator(fn):
        return _function(_exhausted(fn), name, batched, options)
    inject = injected(fn, batched=batched)
    is_async = _is(inspect.iscoroutinefunction, fn)
    tier: Tier = "vector" if batched else "async" if is_async else "rowwise"
    sync_fn, async_fn = (None, fn) if is_async else (fn, None)
    return Action(name, tier, sync_fn, async_fn, inject, _WHY[tier], options)


def _is(test: Callable[[Any], bool], fn: Any) -> bool:
    return test(fn) or test(getattr(fn, "__call__", None))  # noqa: B004 - the method itself


def _is_generator(fn: Any) -> bool:
    return _is(inspect.isasyncgenfunction, fn) or inspect.isgeneratorfunction(fn)


def _exhausted(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that returns the sum of what the generator function yields."""

    def call(*args: Any, **kwargs: Any) -> Any:
        total: Any = None
        for chunk in fn(*args, **kwargs):
            total = _plus(total, chunk)
        return total

    async def acall(*args: Any, **kwargs: Any) -> Any:
        total: Any = None
        async for chunk in fn(*args, **kwargs):
            total = _plus(total, chunk)
        return total

    function: Callable[..., Any] = acall if _is(inspect.isasyncgenfunction, fn) else call
    function.__signature__ = inspect.signature(fn)  # type: ignore[attr-defined]
    return function


def _plus(total: Any, chunk: Any) -> Any:
    if total is None:
        return chunk
    try:
        return total + chunk
    except TypeError:
        return chunk


def injected(fn: Callable[..., Any], *, batched: bool = False) -> dict[str, str]:
    """Return the keyword parameters that the engine fills, and with what.

    Told by name and annotation, as LangGraph does: ``config: RunnableConfig``, ``writer:
    StreamWriter`` and ``store: BaseStore`` (or without annotation), ``error: NodeError``,
    ``previous`` and ``runtime`` whatever their annotation. A vector function may call the
    runtime, its second positional parameter, as it likes.
    """
    try:
        parameters = inspect.signature(fn).parameters
    except ValueError:
        # A builtin that hides its signature wants the state only.
        return {}
    found = {}
    for name, accepts in _PARAMETERS.items():
        parameter = parameters.get(name)
        if parameter is None or parameter.kind not in _NAMED:
            continue
        if accepts(parameter.annotation):
            found[name] = name
        elif name == "config":
            _warn_of_config(parameter.annotation)
    return found or (_second(parameters) if batched else {})


def _second(parameters: Mapping[str, inspect.Parameter]) -> dict[str, str]:
    wanted = [p.name for p in parameters.values() if p.default is _EMPTY and p.kind is _NAMED[0]]
    return {wanted[1]: "runtime"} if len(wanted) == 2 else {}


def _named(name: str, *, optional: bool, bare: bool) -> Callable[[Any], bool]:
    """Return a test of an annotation: the class of that name, as an object or as a string.

    By name, so that vecgraph's class and LangGraph's both count without an import.
    """
    strings = {name, f"Optional[{name}]"} if optional else {name}

    def accepts(annotation: Any) -> bool:
        if annotation is _EMPTY:
            return bare
        if isinstance(annotation, str):
            return annotation in strings
        members = get_args(annotation)
        if optional and len(members) == 2 and type(None) in members:
            annotation = members[0] if members[1] is type(None) else members[1]
        return getattr(annotation, "__name__", None) == name

    return accepts


def _is_writer(annotation: Any) -> bool:
    return annotation is _EMPTY or annotation == "StreamWriter" or annotation == StreamWriter


def _is_anything(_annotation: Any) -> bool:
    return True


_PARAMETERS: Mapping[str, Callable[[Any], bool]] = {
    "config": _named("RunnableConfig", optional=True, bare=True),
    "writer": _is_writer,
    "store": _named("BaseStore", optional=True, bare=True),
    "previous": _is_anything,
    "runtime": _is_anything,
    "error": _named("NodeError", optional=False, bare=False),
}


def _warn_of_config(annotation: Any) -> None:
    warnings.warn(
        "The 'config' parameter should be typed as 'RunnableConfig' or "
        f"'RunnableConfig | None', not '{annotation}'. ",
        UserWarning,
        stacklevel=6,
    )

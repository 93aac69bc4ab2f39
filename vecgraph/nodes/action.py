"""What a node runs: the kinds of action, told apart once, when the graph is built."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Action", "Tier"]

Tier = Literal["expr", "vector", "traced", "rowwise", "async", "subgraph"]
"""How a node runs over rows, best first."""


@dataclass(frozen=True, slots=True)
class Action:
    """A node's or a router's function with what is known about it.

    Attributes
    ----------
    name : str
        For messages.
    tier : Tier
        ``rowwise``: `fn` takes one run's input. ``async``: it has only a coroutine
        function. ``vector``: `fn` takes a Batch. ``expr``: `fn` is an `Expr` or `When`.
        ``subgraph``: `fn` is a compiled app.
    fn : callable or None
        The synchronous form; None if there is none.
    afn : callable or None
        The coroutine form; None if there is none.
    inject : mapping of str to str
        Keyword parameters that the function wants and what fills them: ``config``,
        ``runtime``, ``writer``, ``store``, ``previous``, ``error``.
    why : str
        Why it has this tier and not a better one; for `explain`.
    options : mapping
        ``max_batch``, ``max_wait`` (s), ``on_error`` of a vector node.
    """

    name: str
    tier: Tier
    fn: Callable[..., Any] | None
    afn: Callable[..., Any] | None = None
    inject: Mapping[str, str] = field(default_factory=dict)
    why: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Runnable(Protocol):
    """A compiled app, as a node sees it."""

    def invoke(self, input: Any, config: Any = None) -> Any:
        """Run once."""
        ...

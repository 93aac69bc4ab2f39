"""What a builder knows of a node and of a branch before it is compiled."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from vecgraph.types import CachePolicy, RetryPolicy, TimeoutPolicy, TracePolicy

if TYPE_CHECKING:
    from vecgraph.nodes.action import Action

__all__ = ["BranchSpec", "NodeDefaults", "Retry", "StateNodeSpec", "retry_policies"]

Retry = RetryPolicy | Sequence[RetryPolicy] | None
"""How a user gives retry policies: one, several (the first that matches counts) or none."""


@dataclass(slots=True)
class StateNodeSpec:
    """A node of a `StateGraph`.

    Attributes
    ----------
    runnable : object
        What the user passed.
    action : Action
        How it runs.
    metadata : dict or None
    input_schema : type
        Says what it reads.
    retry_policy : RetryPolicy, sequence of them, or None
    cache_policy : CachePolicy or None
    is_error_handler : bool
        Runs only when another node failed.
    error_handler_node : str or None
        Node that runs when this one fails.
    ends : tuple of str, or dict
        Where its commands may go, for validation and drawing; a dict has labels.
    defer : bool
    timeout : TimeoutPolicy or None
    trace_policy : TracePolicy or None
    """

    runnable: Any
    action: Action
    metadata: dict[str, Any] | None
    input_schema: Any
    retry_policy: Retry = None
    cache_policy: CachePolicy | None = None
    is_error_handler: bool = False
    error_handler_node: str | None = None
    ends: tuple[str, ...] | dict[str, str] = ()
    defer: bool = False
    timeout: TimeoutPolicy | None = None
    trace_policy: TracePolicy | None = None


class BranchSpec(NamedTuple):
    """A conditional edge of a `StateGraph`.

    Attributes
    ----------
    path : object
        What the user passed.
    action : Action
        How it runs.
    ends : mapping or None
        From what it returns to nodes; None: it returns nodes.
    input_schema : type or None
        Says what it reads; None: what its source reads.
    """

    path: Any
    action: Action
    ends: Mapping[Hashable, str] | None
    input_schema: Any = None


@dataclass(slots=True)
class NodeDefaults:
    """Policies of the nodes that have none of their own; applied when compiling."""

    retry_policy: Retry = None
    cache_policy: CachePolicy | None = None
    error_handler: Any = None
    timeout: TimeoutPolicy | None = None


def retry_policies(given: Retry) -> tuple[RetryPolicy, ...]:
    """Return retry policies as a tuple, in the order in which they are tried."""
    if given is None:
        return ()
    return (given,) if isinstance(given, RetryPolicy) else tuple(given)

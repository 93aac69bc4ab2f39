"""`NodeBuilder`: a node that says itself which channels it follows, reads and writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from vecgraph.constants import TASKS
from vecgraph.errors import InvalidUpdateError
from vecgraph.nodes.action import Action
from vecgraph.nodes.coerce import action_of
from vecgraph.nodes.writer import WriteEntry
from vecgraph.types import CachePolicy, RetryPolicy, TimeoutPolicy

if TYPE_CHECKING:
    from datetime import timedelta

__all__ = ["NodeBuilder", "PregelNode"]


@dataclass(slots=True)
class PregelNode:
    """A node of a `Pregel`.

    Attributes
    ----------
    channels : str or list of str
        What it reads: one name makes the bare value, several a dict.
    triggers : list of str
        Channels whose change makes it run.
    bound : Action or None
        How it runs; None: it passes its input on.
    writes : list of WriteEntry
        What it writes, in order.
    tags : list of str
    metadata : dict
    retry_policy : list of RetryPolicy
    cache_policy : CachePolicy or None
    timeout : TimeoutPolicy or None
    """

    channels: str | list[str] = field(default_factory=list)
    triggers: list[str] = field(default_factory=list)
    bound: Action | None = None
    writes: list[WriteEntry] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    retry_policy: list[RetryPolicy] = field(default_factory=list)
    cache_policy: CachePolicy | None = None
    timeout: TimeoutPolicy | None = None


class NodeBuilder:
    """Build a node of a `Pregel`, one property a call.

    Examples
    --------
    >>> node = NodeBuilder().subscribe_only("a").do(lambda a: a + a).write_to("b").build()
    >>> node.channels, node.triggers, [entry.channel for entry in node.writes]
    ('a', ['a'], ['b'])
    """

    def __init__(self) -> None:
        self._node = PregelNode()

    def subscribe_only(self, channel: str) -> Self:
        """Run when `channel` changes, with its value as the input.

        Raises
        ------
        ValueError
            The node follows other channels already.
        """
        if self._node.channels:
            raise ValueError(
                "Cannot subscribe to single channels when other channels are already subscribed to"
            )
        self._node.channels = channel
        self._node.triggers.append(channel)
        return self

    def subscribe_to(self, *channels: str, read: bool = True) -> Self:
        """Run when one of `channels` changes.

        Parameters
        ----------
        channels : str
        read : bool
            Whether they are in the input, a dict, too.

        Raises
        ------
        ValueError
            The node follows a single channel already.
        """
        if isinstance(self._node.channels, str):
            raise ValueError(  # noqa: TRY004 - LangGraph's type
                "Cannot subscribe to channels when subscribed to a single channel"
            )
        if read:
            self._node.channels.extend(channels)
        self._node.triggers.extend(channels)
        return self

    def read_from(self, *channels: str) -> Self:
        """Have `channels` in the input, without running when they change.

        Raises
        ------
        AssertionError
            The node follows a single channel.
        """
        if isinstance(self._node.channels, str):
            raise AssertionError(  # noqa: TRY004 - LangGraph's type
                "Cannot read additional channels when subscribed to single channels"
            )
        self._node.channels.extend(channels)
        return self

    def do(self, node: Any, *, batched: bool = False) -> Self:
        """Run `node`; what an earlier call gave runs first, and hands its result over.

        Parameters
        ----------
        node : callable, expression, compiled graph or Runnable
        batched : bool
            The function takes a `Batch` of rows and returns columns.
        """
        name = getattr(node, "__name__", type(node).__name__)
        action = action_of(node, name, batched=batched)
        earlier = self._node.bound
        self._node.bound = action if earlier is None else _sequence(earlier, action)
        return self

    def write_to(self, *channels: str | WriteEntry, **values: Any) -> Self:
        """Write the result to `channels`, or something else to one of them.

        Parameters
        ----------
        channels : str or WriteEntry
            Get what the node returns.
        values : object
            Channel = constant, or a function of what the node returns.

        Raises
        ------
        InvalidUpdateError
            A channel is the one of Sends, which is written by returning `Send`.
        """
        entries = [WriteEntry(c) if isinstance(c, str) else c for c in channels]
        for name, value in values.items():
            constant = not callable(value)
            entry = WriteEntry(name, value) if constant else WriteEntry(name, mapper=value)
            entries.append(entry)
        if any(entry.channel == TASKS for entry in entries):
            raise InvalidUpdateError.reserved_tasks()
        self._node.writes.extend(entries)
        return self

    def meta(self, *tags: str, **metadata: Any) -> Self:
        """Add tags and metadata."""
        self._node.tags.extend(tags)
        self._node.metadata.update(metadata)
        return self

    def add_retry_policies(self, *policies: RetryPolicy) -> Self:
        """Add retry policies; the first that matches counts."""
        self._node.retry_policy.extend(policies)
        return self

    def add_cache_policy(self, policy: CachePolicy) -> Self:
        """Set the cache policy."""
        self._node.cache_policy = policy
        return self

    def set_timeout(self, timeout: float | timedelta | TimeoutPolicy | None) -> Self:
        """Set how long one attempt may take, in seconds."""
        self._node.timeout = TimeoutPolicy.coerce(timeout)
        return self

    def build(self) -> PregelNode:
        """Return the node."""
        return self._node


def _sequence(*actions: Action) -> Action:
    """Return the action that runs each on the result of the one before."""
    for action in actions:
        if action.tier not in {"rowwise", "async"}:
            raise ValueError(
                f"'{action.name}' ({action.tier}) cannot be one of several steps of a node.\n"
                "Hint: make it a node of its own."
            )
    # Parameters are told apart by what fills them: two steps may call it differently.
    inject = {source: source for action in actions for source in action.inject.values()}

    def run(value: Any, **given: Any) -> Any:
        for action in actions:
            value = _call(action.fn, action, value, given)
        return value

    async def arun(value: Any, **given: Any) -> Any:
        for action in actions:
            value = _call(action.afn or action.fn, action, value, given)
            if action.afn is not None:
                value = await value
        return value

    last = actions[-1]
    synchronous = all(action.fn is not None for action in actions)
    asynchronous = any(action.afn is not None for action in actions)
    return Action(
        last.name,
        "rowwise" if synchronous else "async",
        run if synchronous else None,
        arun if asynchronous else None,
        inject,
        last.why,
    )


def _call(fn: Any, action: Action, value: Any, given: dict[str, Any]) -> Any:
    return fn(value, **{name: given[source] for name, source in action.inject.items()})

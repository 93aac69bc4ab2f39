"""`Pregel`: an app made of nodes and channels directly, without a shared state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vecgraph.app import App
from vecgraph.pregel.lower import check, lower
from vecgraph.types import (
    All,
    CachePolicy,
    Checkpointer,
    RetryPolicy,
    StreamMode,
    ensure_valid_checkpointer,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vecgraph.config import RunnableConfig
    from vecgraph.pregel.builder import NodeBuilder, PregelNode
    from vecgraph.schema import Field

__all__ = ["Pregel"]


class Pregel(App):
    """Nodes that follow channels; `StateGraph` is made of it, and most programs need only that.

    Parameters
    ----------
    nodes : dict of str to NodeBuilder or PregelNode
    channels : dict of str to Channel or managed value
    input_channels, output_channels : str or sequence of str
        One name takes and gives the bare value, several a dict.
    stream_channels : str or sequence of str, optional
        What ``values`` chunks show; all if left out.
    auto_validate : bool
        Whether unknown names are refused now; else in `validate`.
    interrupt_after_nodes, interrupt_before_nodes : sequence of str, or '*'
    stream_mode, stream_eager, step_timeout, debug, checkpointer, store, cache : optional
    retry_policy, cache_policy, context_schema, config, name : optional
    node_error_handler_map : dict of str to str, optional
        Nodes that run when others have failed, by those.
    trigger_to_nodes : optional
        Taken for LangGraph's sake; computed here from the nodes.
    stream_transformers : sequence of callable, optional
        What each `stream_events` projects beside what is always there.

    Raises
    ------
    ValueError
        A name is reserved or unknown, or no node follows the input.

    Examples
    --------
    >>> from vecgraph.channels import EphemeralValue
    >>> from vecgraph.pregel import NodeBuilder
    >>> node = NodeBuilder().subscribe_only("a").do(lambda a: a + a).write_to("b")
    >>> app = Pregel(nodes={"double": node}, input_channels="a", output_channels="b",
    ...     channels={"a": EphemeralValue(str), "b": EphemeralValue(str)})
    >>> app.invoke("foo")
    'foofoo'
    """

    def __init__(
        self,
        *,
        nodes: Mapping[str, PregelNode | NodeBuilder],
        channels: Mapping[str, Field] | None,
        input_channels: str | Sequence[str],
        output_channels: str | Sequence[str],
        stream_channels: str | Sequence[str] | None = None,
        auto_validate: bool = True,
        stream_mode: StreamMode = "values",
        stream_eager: bool = False,
        interrupt_after_nodes: All | Sequence[str] = (),
        interrupt_before_nodes: All | Sequence[str] = (),
        step_timeout: float | None = None,
        debug: bool | None = None,
        checkpointer: Checkpointer = None,
        store: Any = None,
        cache: Any = None,
        retry_policy: RetryPolicy | Sequence[RetryPolicy] = (),
        cache_policy: CachePolicy | None = None,
        context_schema: Any = None,
        config: RunnableConfig | None = None,
        trigger_to_nodes: Mapping[str, Sequence[str]] | None = None,
        node_error_handler_map: Mapping[str, str] | None = None,
        name: str = "LangGraph",
        stream_transformers: Sequence[Callable[..., Any]] | None = None,
    ) -> None:
        program = lower(
            nodes,
            channels,
            input_channels,
            output_channels,
            stream_channels,
            name=name,
            retry_policy=[retry_policy] if isinstance(retry_policy, RetryPolicy) else retry_policy,
            cache_policy=cache_policy,
            handlers=node_error_handler_map or {},
        )
        super().__init__(
            program,
            builder=None,
            context_schema=context_schema,
            name=name,
            debug=bool(debug),
            checkpointer=ensure_valid_checkpointer(checkpointer),
            store=store,
            cache=cache,
            interrupt_before=interrupt_before_nodes,
            interrupt_after=interrupt_after_nodes,
            stream_transformers=stream_transformers,
        )
        self.config = config
        self.stream_mode = stream_mode
        self.step_timeout = step_timeout
        self.stream_eager = stream_eager
        self._breakpoints = [
            *(interrupt_after_nodes if interrupt_after_nodes != "*" else ()),
            *(interrupt_before_nodes if interrupt_before_nodes != "*" else ()),
        ]
        if auto_validate:
            self.validate()

    def validate(self) -> Pregel:
        """Refuse unknown and reserved names; see the class for the errors."""
        check(self.program, self._breakpoints)
        return self

"""`StateGraph`: the builder of a graph whose nodes read and write a shared state."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import timedelta
from types import GenericAlias
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from vecgraph.app import App
from vecgraph.channels import LastValue
from vecgraph.channels.base import Channel
from vecgraph.constants import END, START
from vecgraph.graph.infer import (
    branch_ends,
    branch_name,
    branch_schema,
    node_ends,
    node_name,
    node_schema,
)
from vecgraph.graph.lower import lower
from vecgraph.graph.specs import BranchSpec, NodeDefaults, Retry, StateNodeSpec
from vecgraph.graph.validate import check_edges, check_names, check_node_name, check_timeouts
from vecgraph.managed import ManagedValue, is_managed_value
from vecgraph.nodes.coerce import action_of
from vecgraph.nodes.expr import Expr, When
from vecgraph.schema import Field, fields_of, warn_odd_schema
from vecgraph.types import (
    All,
    CachePolicy,
    Checkpointer,
    TimeoutPolicy,
    TracePolicy,
    ensure_valid_checkpointer,
)

if TYPE_CHECKING:
    from vecgraph.engine.traced import TracingMode
    from vecgraph.program import Program

__all__ = ["CompiledStateGraph", "StateGraph"]

CompiledStateGraph = App
"""LangGraph's name of what `StateGraph.compile` returns."""

logger = logging.getLogger(__name__)

_DEFAULT_HANDLER = "__default_error_handler__"
T = TypeVar("T")
Timeout = float | timedelta | TimeoutPolicy | None
PathMap = Mapping[Hashable, str] | Sequence[str] | None


class StateGraph:
    r"""Build a graph; `compile` it to run it.

    A node is a function from the state to a part of it, which is written to the state
    by the rule of each key: the last value stays, or a reducer folds the writes.

    Parameters
    ----------
    state_schema : type
        TypedDict, dataclass, pydantic model, or the annotation of one bare value.
    context_schema : type, optional
        Type of ``runtime.context``.
    input_schema, output_schema : type, optional
        Keys that a run takes and gives, if they are not all.

    Attributes
    ----------
    nodes : dict of str to StateNodeSpec
    edges : set of (str, str)
    waiting_edges : set of (tuple of str, str)
        Edges with several sources: the target waits for all.
    branches : dict of str to dict of str to BranchSpec
        By source and name.
    channels, managed : dict
        Of all schemas.
    schemas : dict of type to dict of str to Field
    compiled : bool

    Examples
    --------
    >>> from typing import TypedDict
    >>> State = TypedDict("State", {"n": int})
    >>> builder = StateGraph(State).add_node("double", lambda state: {"n": 2 * state["n"]})
    >>> app = builder.set_entry_point("double").compile()
    >>> app.invoke({"n": 2})
    {'n': 4}
    """

    def __class_getitem__(cls, item: Any) -> GenericAlias:
        """Let annotations say ``StateGraph[State]``."""
        return GenericAlias(cls, item)

    def __init__(
        self,
        state_schema: Any,
        context_schema: Any = None,
        *,
        input_schema: Any = None,
        output_schema: Any = None,
    ) -> None:
        self.state_schema = state_schema
        self.context_schema = context_schema
        self.input_schema = input_schema or state_schema
        self.output_schema = output_schema or state_schema
        self.nodes: dict[str, StateNodeSpec] = {}
        self.edges: set[tuple[str, str]] = set()
        self.waiting_edges: set[tuple[tuple[str, ...], str]] = set()
        self.branches: defaultdict[str, dict[str, BranchSpec]] = defaultdict(dict)
        self.schemas: dict[Any, dict[str, Field]] = {}
        self.channels: dict[str, Channel] = {}
        self.managed: dict[str, type[ManagedValue]] = {}
        self.compiled = False
        self._defaults = NodeDefaults()
        self._add_schema(self.state_schema)
        self._add_schema(self.input_schema, allow_managed=False)
        self._add_schema(self.output_schema, allow_managed=False)

    def set_node_defaults(
        self,
        *,
        retry_policy: Retry = None,
        cache_policy: CachePolicy | None = None,
        error_handler: Any = None,
        timeout: Timeout = None,
    ) -> Self:
        """Set policies for the nodes that have none of their own; None leaves one as it is.

        Error handlers get the retry policy and the timeout only. Subgraphs get nothing.
        """
        defaults = self._defaults
        if retry_policy is not None:
            defaults.retry_policy = retry_policy
        defaults.cache_policy = _else(cache_policy, defaults.cache_policy)
        defaults.error_handler = _else(error_handler, defaults.error_handler)
        defaults.timeout = _else(TimeoutPolicy.coerce(timeout), defaults.timeout)
        return self

    def add_node(
        self,
        node: Any,
        action: Any = None,
        *,
        defer: bool = False,
        metadata: dict[str, Any] | None = None,
        input_schema: Any = None,
        retry_policy: Retry = None,
        cache_policy: CachePolicy | None = None,
        error_handler: Any = None,
        destinations: dict[str, str] | tuple[str, ...] | None = None,
        timeout: Timeout = None,
        trace_policy: TracePolicy | None = None,
        batched: bool = False,
        max_batch: int | None = None,
        max_wait: float | None = None,
        on_error: Literal["raise", "split"] | None = None,
    ) -> Self:
        """Add a node.

        Parameters
        ----------
        node : str, or what runs
            Name of the node; without one the name is that of the function.
        action : callable, expression, compiled graph or Runnable
            What runs, if `node` is a name.
        defer : bool
            Run only when no other node would.
        metadata : dict, optional
            Goes into the config that the node sees.
        input_schema : type, optional
            What the node reads; else the annotation of its first parameter, else the state.
        retry_policy, cache_policy, timeout, trace_policy : optional
            See `vecgraph.types`.
        error_handler : callable, optional
            Runs if the node fails; gets its input and ``error: NodeError``.
        destinations : dict or tuple of str, optional
            Where the node's commands may go: for drawing and validation only.
        batched : bool
            The function takes a `Batch` of rows and returns columns.
        max_batch, max_wait, on_error : optional
            Of a batched node, see `action_of`.

        Raises
        ------
        ValueError
            The name is taken, reserved or has a ``|`` or ``:``; or an option makes no sense.
        TypeError
            The action is nothing that can run.
        """
        timeout = TimeoutPolicy.coerce(timeout)
        if not isinstance(node, str):
            node, action = node_name(node), node
        self._note_late("a node")
        if action is None:
            raise RuntimeError(f"Node '{node}' has no action: pass one, or pass a function only")
        check_node_name(node, self.nodes)
        if isinstance(action, When):
            raise TypeError(f"Node '{node}' is a router; pass it to add_conditional_edges")
        built = action_of(
            action,
            node,
            batched=batched,
            max_batch=max_batch,
            max_wait=max_wait,
            on_error=on_error,
        )
        own_schema = input_schema or node_schema(action, batched=batched)
        schema = own_schema or self.state_schema
        spec = StateNodeSpec(action, built, metadata, schema, retry_policy, cache_policy)
        spec.error_handler_node = self._add_handler(node, error_handler, schema)
        spec.ends = node_ends(action) if destinations is None else destinations
        spec.defer, spec.timeout, spec.trace_policy = defer, timeout, trace_policy
        self.nodes[node] = spec
        if own_schema is not None:
            self._add_schema(own_schema)
        return self

    def add_edge(self, start_key: str | Sequence[str], end_key: str) -> Self:
        """Add an edge: `end_key` runs after `start_key`, or after all of several.

        Raises
        ------
        ValueError
            It starts at END, ends at START, or one of several sources does not exist yet.
        """
        self._note_late("an edge")
        if end_key == START:
            raise ValueError("START cannot be an end node")
        if isinstance(start_key, str):
            if start_key == END:
                raise ValueError("END cannot be a start node")
            self.edges.add((start_key, end_key))
            return self
        for start in start_key:
            if start == END:
                raise ValueError("END cannot be a start node")
            if start not in self.nodes:
                raise ValueError(f"Need to add_node `{start}` first")
        if end_key != END and end_key not in self.nodes:
            raise ValueError(f"Need to add_node `{end_key}` first")
        self.waiting_edges.add((tuple(start_key), end_key))
        return self

    def add_conditional_edges(
        self, source: str, path: Any, path_map: PathMap = None, *, batched: bool = False
    ) -> Self:
        """Add a branch: `path` says after each run of `source` what runs next.

        Parameters
        ----------
        source : str
            Node, or START.
        path : callable, `when` expression or Runnable
            Gets the state with the source's own writes in it; returns one or several of:
            names of nodes, END, `Send`, keys of `path_map`.
        path_map : dict or list of str, optional
            From what `path` returns to nodes; a list names nodes.
        batched : bool
            `path` takes a `Batch` and returns an array of labels, bools, or int codes into
            the path map's order.

        Raises
        ------
        ValueError
            The source has a branch of that name.
        """
        self._note_late("an edge")
        if isinstance(path, Expr):
            raise TypeError(f"The router of '{source}' computes updates; use vg.when(...)")
        known = branch_name(path)
        name = known or "condition"
        if name in self.branches[source]:
            raise ValueError(f"Branch with name `{known}` already exists for node `{source}`")
        ends = branch_ends(path, path_map, batched=batched)
        schema = branch_schema(path, batched=batched)
        action = action_of(path, name, batched=batched)
        self.branches[source][name] = BranchSpec(path, action, ends, schema)
        if schema is not None:
            self._add_schema(schema)
        return self

    def add_sequence(self, nodes: Sequence[Any]) -> Self:
        """Add nodes, each a function or a pair (name, function), with edges from one to the next.

        Raises
        ------
        ValueError
            There is no node, or a name is taken.
        """
        if len(nodes) < 1:
            raise ValueError("Sequence requires at least one node.")
        previous: str | None = None
        for node in nodes:
            pair = isinstance(node, tuple) and len(node) == 2
            name, action = node if pair else (getattr(node, "__name__", type(node).__name__), node)
            if name in self.nodes:
                raise ValueError(
                    f"Node names must be unique: node with the name '{name}' already exists. "
                    "If you need to use two different runnables/callables with the same name "
                    "(for example, using `lambda`), please provide them as tuples "
                    "(name, runnable/callable)."
                )
            self.add_node(name, action)
            if previous is not None:
                self.add_edge(previous, name)
            previous = name
        return self

    def set_entry_point(self, key: str) -> Self:
        """Add the edge from START to `key`."""
        return self.add_edge(START, key)

    def set_conditional_entry_point(
        self, path: Callable[..., Any], path_map: PathMap = None, *, batched: bool = False
    ) -> Self:
        """Add a branch at START; see `add_conditional_edges`."""
        return self.add_conditional_edges(START, path, path_map, batched=batched)

    def set_finish_point(self, key: str) -> Self:
        """Add the edge from `key` to END."""
        return self.add_edge(key, END)

    def validate(self, interrupt: Sequence[str] | None = None) -> Self:
        """Refuse a graph that cannot run.

        Parameters
        ----------
        interrupt : sequence of str, optional
            Nodes with breakpoints.

        Raises
        ------
        ValueError
            An edge, a branch or a breakpoint names an unknown node, or nothing follows START.
        """
        joined = [(start, end) for starts, end in self.waiting_edges for start in starts]
        check_edges(self.nodes, [*sorted(self.edges), *joined], self.branches, interrupt or ())
        self.compiled = True
        return self

    def compile(
        self,
        checkpointer: Checkpointer = None,
        *,
        cache: Any = None,
        store: Any = None,
        interrupt_before: All | list[str] | None = None,
        interrupt_after: All | list[str] | None = None,
        debug: bool = False,
        name: str | None = None,
        transformers: Sequence[Callable[..., Any]] | None = None,
        tracing: TracingMode = "auto",
        jit: bool = False,
    ) -> App:
        """Return the app that runs this graph; later changes of the builder do not reach it.

        Parameters
        ----------
        checkpointer : saver, bool or None
        cache, store : optional
        interrupt_before, interrupt_after : list of str, or '*', optional
            Nodes with breakpoints.
        debug : bool
            Check more: a node that changes its input in place is an error.
        name : str, optional
            Name of the app, also when it is a node of another graph.
        transformers : sequence of callable, optional
            What each `stream_events` projects beside what is always there.
        tracing : {'auto', 'off', 'require'}
            Whether batches run scalar functions in columns; see docs/reference/tracing.md.
        jit : bool
            Let Numba compile each run of a batch as one loop, where all is numbers; see
            docs/reference/jit.md. Needs ``pip install 'vecgraph[jit]'``.

        Raises
        ------
        ImportError
            `jit` is true and Numba is not installed.
        TracingError
            `tracing` is ``"require"`` and a function has no column form.
        ValueError
            See `validate`; or an expression reads an unknown name.
        TypeError
            `checkpointer` is no saver.
        """
        checkpointer = ensure_valid_checkpointer(checkpointer)
        before, after = interrupt_before or [], interrupt_after or []
        named = [*([] if before == "*" else before), *([] if after == "*" else after)]
        return App(
            self.lower(name or "LangGraph", named),
            builder=self,
            context_schema=self.context_schema,
            name=name or "LangGraph",
            debug=debug,
            checkpointer=checkpointer,
            store=store,
            cache=cache,
            interrupt_before=before,
            interrupt_after=after,
            tracing=tracing,
            stream_transformers=transformers,
            jit=jit,
        )

    def lower(self, name: str = "LangGraph", interrupt: Sequence[str] | None = None) -> Program:
        """Return the program that `compile` makes an app of; see there for the errors.

        Parameters
        ----------
        name : str
            Name of the program.
        interrupt : sequence of str, optional
            Nodes with breakpoints.
        """
        self.validate(interrupt)
        self._apply_defaults()
        check_timeouts(self.nodes)
        check_names(self.channels, self.managed, self.nodes)
        return lower(self, name)

    def _note_late(self, what: str) -> None:
        if self.compiled:
            logger.warning(
                "Adding %s to a graph that has already been compiled. This will "
                "not be reflected in the compiled graph.",
                what,
            )

    def _add_handler(self, node: str, handler: Any, schema: Any) -> str | None:
        if handler is None:
            return None
        name = f"__error_handler__{node}"
        if name in self.nodes:
            raise ValueError(f"Auto-generated error handler node `{name}` already exists.")
        action = action_of(handler, name)
        self.nodes[name] = StateNodeSpec(handler, action, None, schema, is_error_handler=True)
        return name

    def _apply_defaults(self) -> None:
        defaults = self._defaults
        handler = None
        if defaults.error_handler is not None:
            handler = _DEFAULT_HANDLER
            if handler in self.nodes:
                raise ValueError(
                    f"Auto-generated default error handler node `{handler}` already exists."
                )
            action = action_of(defaults.error_handler, handler)
            self.nodes[handler] = StateNodeSpec(
                defaults.error_handler, action, None, self.state_schema, is_error_handler=True
            )
        for spec in self.nodes.values():
            if spec.retry_policy is None:
                spec.retry_policy = defaults.retry_policy
            spec.timeout = _else(spec.timeout, defaults.timeout)
            # A handler never catches itself, and its input differs with each failure.
            if not spec.is_error_handler:
                spec.error_handler_node = _else(spec.error_handler_node, handler)
                spec.cache_policy = _else(spec.cache_policy, defaults.cache_policy)

    def _add_schema(self, schema: Any, *, allow_managed: bool = True) -> None:
        if schema in self.schemas:
            return
        warn_odd_schema(schema)
        fields = fields_of(schema)
        managed = {name: field for name, field in fields.items() if is_managed_value(field)}
        if managed and not allow_managed:
            raise ValueError(
                f"Invalid managed channels detected in {getattr(schema, '__name__', '')}: "
                f"{', '.join(managed)}."
                " Managed channels are not permitted in Input/Output schema."
            )
        self.schemas[schema] = fields
        for name, field in fields.items():
            if isinstance(field, Channel):
                self._add_channel(name, field)
            elif self.managed.setdefault(name, field) != field:
                raise ValueError(f"Managed value '{name}' already exists with a different type")

    def _add_channel(self, name: str, channel: Channel) -> None:
        known = self.channels.setdefault(name, channel)
        # A plain annotation says nothing about the rule, so it never contradicts one.
        if known != channel and not isinstance(channel, LastValue):
            raise ValueError(f"Channel '{name}' already exists with a different type")


def _else(value: T | None, default: T | None) -> T | None:
    return default if value is None else value

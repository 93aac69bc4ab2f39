"""What an app is made of, and what each of its verbs starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from vecgraph.ambient import current_task
from vecgraph.app.composing import make_known
from vecgraph.app.nested import Nested, inherited
from vecgraph.app.options import (
    breakpoints,
    check_options,
    coerce_context,
    durability_of,
    saver_of,
)
from vecgraph.config import RunnableConfig, ensure_config, has_coordinates, merge_configs
from vecgraph.engine.batch import Engine
from vecgraph.engine.scope import TaskScope
from vecgraph.engine.shared import Shared
from vecgraph.engine.tables import names_of
from vecgraph.explain import Explanation, explain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vecgraph.program import Program, Reads

__all__ = ["Compiled"]


class Compiled:
    """A program with an engine, and the defaults of its calls.

    Attributes
    ----------
    program : Program
        What runs.
    builder : StateGraph or None
    name : str
    config : RunnableConfig or None
        Under what each call passes.
    stream_mode : str
        Default of `stream`.
    checkpointer : saver, bool or None
        Keeps checkpoints. In a subgraph True: a past of its own; False: none; None: as
        the graph around says.
    store, cache : object
    step_timeout : float or None
        Seconds that a superstep may take.
    stream_eager : bool
        Streams show what a task does before it has ended.
    interrupt_before, interrupt_after : frozenset of str, or '*'
        Nodes with breakpoints.
    stream_transformers : tuple of callable
        What each `stream_events` has, beside what is always there.
    """

    def __init__(
        self,
        program: Program,
        *,
        builder: Any = None,
        context_schema: Any = None,
        name: str = "LangGraph",
        debug: bool = False,
        checkpointer: Any = None,
        store: Any = None,
        cache: Any = None,
        interrupt_before: Any = (),
        interrupt_after: Any = (),
        tracing: str = "auto",
        stream_transformers: Any = (),
        jit: bool = False,
    ) -> None:
        self.program = program
        self.builder = builder
        self.context_schema = context_schema
        self.name = name
        self.debug = debug
        self.checkpointer = checkpointer
        self.store = store
        self.cache = cache
        self.step_timeout: float | None = None
        self.stream_eager = False
        self.stream_transformers = tuple(stream_transformers or ())
        self.interrupt_before = breakpoints(interrupt_before)
        self.interrupt_after = breakpoints(interrupt_after)
        self.config: RunnableConfig | None = None
        self.engine = Engine(program, tracing=tracing, jit=jit)
        self.stream_mode: Any = "updates" if program.is_state_graph else "values"
        make_known()

    @property
    def nodes(self) -> Mapping[str, Any]:
        """The nodes by name, START included."""
        return self.program.nodes

    @property
    def channels(self) -> Mapping[str, Any]:
        """The channels by name, control channels included."""
        return self.program.channels

    @property
    def input_channels(self) -> Any:
        """Where the input is written."""
        return _listed(self.program.inputs)

    @property
    def output_channels(self) -> Any:
        """Channels of the result."""
        return _listed(self.program.outputs)

    @property
    def stream_channels(self) -> Any:
        """Channels that ``values`` chunks show when streaming."""
        return _listed(self.program.streams)

    @property
    def interrupt_before_nodes(self) -> Any:
        """Nodes before which runs stop."""
        return _named(self.interrupt_before)

    @property
    def interrupt_after_nodes(self) -> Any:
        """Nodes after which runs stop."""
        return _named(self.interrupt_after)

    @property
    def is_async(self) -> bool:
        """Whether some function has only a coroutine form."""
        return self.engine.is_async

    def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str:
        """Return `name` or the app's, with a suffix."""
        found = name or self.name
        if not suffix:
            return found
        return f"{found}{suffix.title()}" if found[0].isupper() else f"{found}_{suffix.lower()}"

    @property
    def stream_channels_list(self) -> list[str]:
        """Channels that ``values`` chunks show when streaming."""
        return list(names_of(self.program.streams))

    @property
    def stream_channels_asis(self) -> Any:
        """Those channels; one of them alone as a str."""
        return self.stream_channels

    def explain(self) -> Explanation:
        """Return how each node runs and why, and the kind of each channel's column."""
        return explain(self.engine)

    def with_config(self, config: RunnableConfig | None = None, **kwargs: Any) -> Self:
        """Return a copy whose runs start from `config`; what a call passes wins."""
        clone = self.copy()
        clone.config = merge_configs(self.config, config, kwargs)
        return clone

    def copy(self, update: Mapping[str, Any] | None = None) -> Self:
        """Return a copy with some attributes replaced."""
        clone = object.__new__(type(self))
        clone.__dict__.update(self.__dict__)
        clone.__dict__.update(update or {})
        return clone

    @property
    def nested(self) -> Nested:
        """The app as a node of another graph."""
        return Nested(self)

    def own_place(self, config: Any) -> Any:
        """Return a config in which a subgraph with a past of its own finds that past."""
        if self.checkpointer is not True:
            return config
        place = config["configurable"]
        parts = (part.split(":")[0] for part in place.get("checkpoint_ns", "").split("|"))
        return {**config, "configurable": {**place, "checkpoint_ns": "|".join(parts)}}

    def _shared(self, config: Any, context: Any, seed: int, options: Mapping[str, Any]) -> Shared:
        """Return what the runs of a call share."""
        check_options(options)
        scope = current_task.get()
        nested = isinstance(scope, TaskScope) and not has_coordinates(config)
        nested = nested and not scope.vectorised  # a call for many rows belongs to none of them
        if nested:
            shared = inherited(self, scope, config=config, context=context, as_node=False)
            shared.seed = seed or shared.seed
        else:
            shared = self._root(config, context, seed, options.get("durability"))
        if shared.limit < 1:
            raise ValueError("recursion_limit must be at least 1")
        shared.before = breakpoints(options.get("interrupt_before")) or self.interrupt_before
        shared.after = breakpoints(options.get("interrupt_after")) or self.interrupt_after
        shared.control = options.get("control") or shared.control
        return shared

    def _root(self, config: Any, context: Any, seed: int, durability: Any) -> Shared:
        full = ensure_config(self.config, config)
        given = coerce_context(self.context_schema, context)
        shared = Shared(full, context=given, store=self.store, seed=seed)
        shared.saver = saver_of(self, full)
        shared.durability = durability_of(durability, shared.saver)
        shared.cache, shared.timeout = self.cache, self.step_timeout
        shared.debug = self.debug
        configurable = full["configurable"]
        if configurable.get("checkpoint_ns"):
            # Whoever calls a root graph with the coordinates of a subgraph means the root.
            shared.coordinates = {"checkpoint_ns": "", "checkpoint_id": None}
        return shared

    def _keys(self, output_keys: Any) -> Reads:
        if output_keys is None:
            return self.program.streams
        keys = output_keys if isinstance(output_keys, str) else tuple(output_keys)
        for key in names_of(keys):
            if key not in self.program.channels:
                raise ValueError(f"Key {key} not in channels")
        return keys


def _listed(reads: Reads) -> Any:
    return reads if isinstance(reads, str) else list(reads)


def _named(nodes: frozenset[str] | str) -> Any:
    return nodes if isinstance(nodes, str) else sorted(nodes)

"""What an app is made of, and what each of its verbs starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from vecgraph.app.nested import Nested
from vecgraph.app.options import coerce_context, refuse, refuse_options
from vecgraph.config import RunnableConfig, current_task, ensure_config, merge_configs
from vecgraph.engine.batch import Engine
from vecgraph.engine.scope import Scope, Shared
from vecgraph.engine.tables import names_of
from vecgraph.errors import UnsupportedError
from vecgraph.explain import Explanation, explain
from vecgraph.streams import MODES

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
    ) -> None:
        refuse(program, checkpointer, cache, interrupt_before, interrupt_after)
        self.program = program
        self.builder = builder
        self.context_schema = context_schema
        self.name = name
        self.debug = debug
        self.checkpointer = checkpointer
        self.store = store
        self.config: RunnableConfig | None = None
        self.engine = Engine(program)
        self.stream_mode: Any = "updates" if program.is_state_graph else "values"

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
    def is_async(self) -> bool:
        """Whether some function has only a coroutine form."""
        return self.engine.is_async

    def get_name(self) -> str:
        """Return the app's name."""
        return self.name

    def explain(self) -> Explanation:
        """Return how each node runs and why, and the kind of each channel's column."""
        return explain(self.engine)

    def with_config(self, config: RunnableConfig | None = None, **kwargs: Any) -> Self:
        """Return a copy whose runs start from `config`; what a call passes wins."""
        clone = object.__new__(type(self))
        clone.__dict__.update(self.__dict__)
        clone.config = merge_configs(self.config, config, kwargs)
        return clone

    @property
    def nested(self) -> Nested:
        """The app as a node of another graph."""
        return Nested(self.engine, self.store)

    def _shared(self, config: Any, context: Any, seed: int) -> Shared:
        full = ensure_config(self.config, config)
        limit = full["recursion_limit"]
        if limit < 1:
            raise ValueError("recursion_limit must be at least 1")
        if context is None:
            task = current_task.get()
            context = task.runtime.context if isinstance(task, Scope) else None
        return Shared(
            full, context=coerce_context(self.context_schema, context), store=self.store, seed=seed
        )

    def _modes(self, stream_mode: Any, options: dict[str, Any]) -> tuple[list[str], bool]:
        refuse_options(options)
        chosen = self.stream_mode if stream_mode is None else stream_mode
        modes = [chosen] if isinstance(chosen, str) else list(chosen)
        for mode in modes:
            if mode not in MODES:
                raise UnsupportedError.stream_mode(mode, MODES)
        return modes, isinstance(chosen, list)

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

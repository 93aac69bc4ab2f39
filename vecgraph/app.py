"""The compiled graph: every verb that users call."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from vecgraph.config import RunnableConfig, current_task, ensure_config, merge_configs
from vecgraph.constants import MISSING
from vecgraph.engine.batch import Engine
from vecgraph.engine.drive import arun_one, run_one, stream_one, astream_one
from vecgraph.engine.gather import Gatherer
from vecgraph.engine.records import Observer, Progress, Results
from vecgraph.engine.scope import Scope, Shared
from vecgraph.engine.single import Run, TaskError
from vecgraph.engine.tables import names_of
from vecgraph.errors import UnsupportedError
from vecgraph.explain import Explanation, explain
from vecgraph.intake import ids_of, inputs_of, is_columnar
from vecgraph.program import Program, Reads
from vecgraph.result import BatchResult
from vecgraph.state import Inputs
from vecgraph.streams import MODES, Chunks
from vecgraph.types import Command
from vecgraph.typing import Rows

__all__ = ["App"]


class App:
    """A graph that is ready to run: one run with `invoke`, many with `batch`.

    Made by ``StateGraph.compile()``; safe to use from many threads.

    Attributes
    ----------
    program : Program
        What runs.
    builder : StateGraph or None
    name : str
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
        _refuse(program, checkpointer, cache, interrupt_before, interrupt_after)
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

    # -- what it is made of

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

    def with_config(self, config: RunnableConfig | None = None, **kwargs: Any) -> App:
        """Return a copy whose runs start from `config`; what a call passes wins."""
        clone = object.__new__(type(self))
        clone.__dict__.update(self.__dict__)
        clone.config = merge_configs(self.config, config, kwargs)
        return clone

    # -- one run

    def invoke(
        self,
        input: Any,
        config: RunnableConfig | None = None,
        *,
        context: Any = None,
        stream_mode: Any = "values",
        output_keys: str | Sequence[str] | None = None,
        seed: int = 0,
        **unsupported: Any,
    ) -> Any:
        """Run once; return the output channels as LangGraph does.

        Parameters
        ----------
        input : object
            A dict (or an instance of the input schema).
        config : RunnableConfig, optional
        context : object, optional
            For the nodes: ``runtime.context``.
        stream_mode : str or list of str
            Anything but ``"values"`` returns the list of chunks instead.
        output_keys : str or sequence of str, optional
            Channels to return.
        seed : int
            Seed of ``runtime.rng``.

        Returns
        -------
        object
            A dict of the outputs; None if nothing was written.

        Raises
        ------
        Exception
            What a node raised, unchanged.
        """
        if stream_mode != "values" or output_keys is not None or unsupported:
            return self._invoke_streamed(
                input, config, context, stream_mode, output_keys, seed, unsupported
            )
        shared = self._shared(config, context, seed)
        return self._run_alone(input, shared, 0)

    def _run_alone(self, input: Any, shared: Shared, row: int) -> Any:
        run = Run(self.engine.tables, row, shared.limit)
        try:
            return run_one(self.engine.tables, run, input, shared)
        except TaskError as failed:
            error = failed.error
        raise error

    def _invoke_streamed(
        self,
        input: Any,
        config: Any,
        context: Any,
        stream_mode: Any,
        output_keys: Any,
        seed: int,
        options: dict[str, Any],
    ) -> Any:
        keys = output_keys if output_keys is not None else self.output_channels
        chunks = list(
            self.stream(
                input,
                config,
                context=context,
                stream_mode=stream_mode,
                output_keys=keys,
                seed=seed,
                **options,
            )
        )
        if stream_mode != "values":
            return chunks
        return chunks[-1] if chunks else None

    async def ainvoke(
        self,
        input: Any,
        config: RunnableConfig | None = None,
        *,
        context: Any = None,
        stream_mode: Any = "values",
        output_keys: str | Sequence[str] | None = None,
        seed: int = 0,
        **unsupported: Any,
    ) -> Any:
        """Run once on the event loop; see `invoke`."""
        if stream_mode != "values" or output_keys is not None or unsupported:
            keys = output_keys if output_keys is not None else self.output_channels
            stream = self.astream(
                input,
                config,
                context=context,
                stream_mode=stream_mode,
                output_keys=keys,
                seed=seed,
                **unsupported,
            )
            chunks = [chunk async for chunk in stream]
            if stream_mode != "values":
                return chunks
            return chunks[-1] if chunks else None
        shared = self._shared(config, context, seed)
        return await self._arun_alone(input, shared, 0)

    async def _arun_alone(self, input: Any, shared: Shared, row: int) -> Any:
        tables = self.engine.tables
        run = Run(tables, row, shared.limit)
        try:
            return await arun_one(tables, run, input, shared, Gatherer(tables, shared))
        except TaskError as failed:
            error = failed.error
        raise error

    def stream(
        self,
        input: Any,
        config: RunnableConfig | None = None,
        *,
        context: Any = None,
        stream_mode: Any = None,
        output_keys: str | Sequence[str] | None = None,
        seed: int = 0,
        **unsupported: Any,
    ) -> Iterator[Any]:
        """Run once; yield chunks as they come.

        Parameters
        ----------
        stream_mode : str, or list of str, optional
            ``values``, ``updates``, ``custom``, ``tasks``, ``debug``; default ``updates``.
            With a list, chunks are ``(mode, payload)``.
        output_keys : str or sequence of str, optional
            Channels shown; default all.
        """
        modes, paired = self._modes(stream_mode, unsupported)
        keys = self._keys(output_keys)
        shared = self._shared(config, context, seed)
        tables = self.engine.tables
        chunks = Chunks(tables, shared, modes, keys)
        shared.write = chunks.custom
        run = Run(tables, 0, shared.limit)
        failure = None
        events = stream_one(tables, run, input, shared, chunks)
        while True:
            try:
                ended = next(events, MISSING) is MISSING
            except TaskError as failed:
                failure, ended = failed.error, True
            yield from _drained(chunks, paired)
            if ended:
                break
        if failure is not None:
            raise failure

    async def astream(
        self,
        input: Any,
        config: RunnableConfig | None = None,
        *,
        context: Any = None,
        stream_mode: Any = None,
        output_keys: str | Sequence[str] | None = None,
        seed: int = 0,
        **unsupported: Any,
    ) -> AsyncIterator[Any]:
        """Run once on the event loop; yield chunks as they come; see `stream`."""
        modes, paired = self._modes(stream_mode, unsupported)
        keys = self._keys(output_keys)
        shared = self._shared(config, context, seed)
        tables = self.engine.tables
        chunks = Chunks(tables, shared, modes, keys)
        shared.write = chunks.custom
        run = Run(tables, 0, shared.limit)
        failure = None
        try:
            events = astream_one(tables, run, input, shared, Gatherer(tables, shared), chunks)
            async for _ in events:
                for chunk in _drained(chunks, paired):
                    yield chunk
        except TaskError as failed:
            failure = failed.error
        for chunk in _drained(chunks, paired):
            yield chunk
        if failure is not None:
            raise failure

    # -- many runs

    def batch(
        self,
        inputs: Any,
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        context: Any = None,
        seed: int = 0,
        ids: Any = None,
        columns: bool | None = None,
        progress: Progress | None = None,
        observer: Observer | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run many inputs, each as if it were alone.

        Parameters
        ----------
        inputs : list, or a table
            A list of inputs gives a list of outputs. A table (Arrow, pandas, polars, a dict
            of arrays, an iterator of record batches) gives a `BatchResult`.
        config : RunnableConfig, or one for each input, optional
        return_exceptions : bool
            For a list: put exceptions in the place of outputs instead of raising the first.
        context : object, optional
        seed : int
            Seed of ``runtime.rng``; a run's numbers depend on it and on the run's id only.
        ids : sequence of int, or str, optional
            Number of each run (default: its position), or the column that holds it.
        columns : bool, optional
            True: a list of dicts gives a `BatchResult` too.
        progress : callable, optional
            Called with the numbers of runs done, running, failed, and run-steps so far.
        observer : callable, optional
            Called with each `Superstep` record.

        Returns
        -------
        list or BatchResult

        Raises
        ------
        BatchInputError
            The table does not fit.
        Exception
            For a list: the first failed run's, unless `return_exceptions`.
        """
        if columns or (columns is None and is_columnar(inputs)):
            begin = perf_counter()
            part, numbers, shared = self._table(inputs, config, context, seed, ids)
            results = self._results(part, numbers, shared, progress, observer)
            return self._result(results, begin)
        if kwargs or isinstance(config, list):
            return self._batch_by_config(inputs, config, return_exceptions, context, seed, kwargs)
        part = Inputs(len(inputs), objects=list(inputs))
        shared = self._shared(config, context, seed)
        numbers = ids_of(ids, inputs, len(inputs))
        results = self.engine.run(part, numbers, shared, observer=observer, progress=progress)
        return _outputs(results, return_exceptions=return_exceptions)

    async def abatch(
        self,
        inputs: Any,
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        context: Any = None,
        seed: int = 0,
        ids: Any = None,
        columns: bool | None = None,
        progress: Progress | None = None,
        observer: Observer | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run many inputs on the event loop; see `batch`.

        A graph without coroutine functions runs in a thread, in columns. In others, runs
        go one by one, side by side: none waits for another one's node.
        """
        table = columns or (columns is None and is_columnar(inputs))
        if not table and (kwargs or isinstance(config, list)):
            return await self._abatch_by_config(
                inputs, config, return_exceptions, context, seed, kwargs
            )
        begin = perf_counter()
        if table:
            part, numbers, shared = self._table(inputs, config, context, seed, ids)
        else:
            part = Inputs(len(inputs), objects=list(inputs))
            numbers = ids_of(ids, inputs, len(inputs))
            shared = self._shared(config, context, seed)
        watch = {"observer": observer, "progress": progress}
        if self.is_async:
            results = await self.engine.arun(part, numbers, shared, **watch)  # type: ignore[arg-type]
        else:
            results = await asyncio.to_thread(self.engine.run, part, numbers, shared, **watch)
        if table:
            return self._result(results, begin)
        return _outputs(results, return_exceptions=return_exceptions)

    def batch_as_completed(
        self, inputs: Sequence[Any], config: Any = None, *, return_exceptions: bool = False, **kw: Any
    ) -> Iterator[tuple[int, Any]]:
        """Run many inputs; yield ``(position, output)`` as runs end."""
        configs = _configs(config, len(inputs))
        for position, (value, one) in enumerate(zip(inputs, configs, strict=True)):
            try:
                output = self.invoke(value, one, **kw)
            except Exception as error:
                if not return_exceptions:
                    raise
                output = error
            yield position, output

    async def abatch_as_completed(
        self, inputs: Sequence[Any], config: Any = None, *, return_exceptions: bool = False, **kw: Any
    ) -> AsyncIterator[tuple[int, Any]]:
        """Run many inputs on the event loop; yield ``(position, output)`` as runs end."""
        configs = _configs(config, len(inputs))

        async def one(position: int) -> tuple[int, Any]:
            try:
                return position, await self.ainvoke(inputs[position], configs[position], **kw)
            except Exception as error:
                if not return_exceptions:
                    raise
                return position, error

        tasks = [asyncio.ensure_future(one(i)) for i in range(len(inputs))]
        try:
            for ended in asyncio.as_completed(tasks):
                yield await ended
        finally:
            for task in tasks:
                task.cancel()

    def _batch_by_config(
        self,
        inputs: Sequence[Any],
        config: Any,
        return_exceptions: bool,
        context: Any,
        seed: int,
        kwargs: dict[str, Any],
    ) -> list[Any]:
        pairs = self.batch_as_completed(
            inputs, config, return_exceptions=return_exceptions, context=context, seed=seed, **kwargs
        )
        return [output for _, output in pairs]

    async def _abatch_by_config(
        self,
        inputs: Sequence[Any],
        config: Any,
        return_exceptions: bool,
        context: Any,
        seed: int,
        kwargs: dict[str, Any],
    ) -> list[Any]:
        outputs: list[Any] = [None] * len(inputs)
        pairs = self.abatch_as_completed(
            inputs, config, return_exceptions=return_exceptions, context=context, seed=seed, **kwargs
        )
        async for position, output in pairs:
            outputs[position] = output
        return outputs

    def _results(
        self,
        part: Inputs,
        numbers: Rows,
        shared: Shared,
        progress: Progress | None,
        observer: Observer | None,
    ) -> Results:
        if self.is_async:
            return asyncio.run(
                self.engine.arun(part, numbers, shared, observer=observer, progress=progress)
            )
        return self.engine.run(part, numbers, shared, observer=observer, progress=progress)

    def _table(
        self, inputs: Any, config: Any, context: Any, seed: int, ids: Any
    ) -> tuple[Inputs, Rows, Shared]:
        if isinstance(inputs, Iterator):
            inputs = list(inputs)
            inputs = iter(inputs) if not isinstance(ids, str) else inputs
        names, required = self._schema()
        part = inputs_of(inputs, self.program.channels, names, required)
        if not self.program.is_state_graph:
            part = Inputs(part.m, objects=part.rows())
        return part, ids_of(ids, inputs, part.m), self._shared(config, context, seed)

    def _schema(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the input's columns, and those of them that a table must have."""
        program, builder = self.program, self.builder
        if not program.is_state_graph:
            return names_of(program.inputs), ()
        names = program.nodes[program.inputs].writer.keys  # type: ignore[index,union-attr]
        if builder is None or builder.input_schema is builder.state_schema:
            return names, ()
        required = getattr(builder.input_schema, "__required_keys__", frozenset())
        return names, tuple(name for name in names if name in required)

    def _result(self, results: Results, begin: float) -> BatchResult:
        path = "event loop" if self.is_async else "lanes" if results.supersteps else "one by one"
        stats = {
            "runs": len(results),
            "supersteps": results.supersteps,
            "run_steps": results.run_steps,
            "seconds": perf_counter() - begin,
            "path": path,
        }
        return BatchResult(results, stats)

    # -- as a node of another graph

    def run_as_node(self, inputs: Inputs, rows: Rows, scope: Scope) -> ChildResults:
        """Run once for all rows of a task of the enclosing graph."""
        objects = inputs
        if not self.program.is_state_graph or inputs.mapper is not None or inputs.bare:
            values = inputs.rows()
            if inputs.mapper is not None:
                values = [inputs.mapper(value) for value in values]
            objects = Inputs(inputs.m, objects=values)
        results = self.engine.run(objects, np.arange(inputs.m), self._inherited(scope, rows))
        return ChildResults(results)

    def run_child(self, value: Any, scope: Scope) -> Any:
        """Run for one run of the enclosing graph."""
        return self._run_alone(value, self._inherited(scope, None), scope.row)

    async def arun_child(self, value: Any, scope: Scope) -> Any:
        """Run for one run of the enclosing graph, on the event loop."""
        return await self._arun_alone(value, self._inherited(scope, None), scope.row)

    def _inherited(self, scope: Scope, rows: Rows | None) -> Shared:
        shared = scope.shared
        return Shared(
            shared.config,
            context=shared.context,
            store=self.store or shared.store,
            seed=shared.seed,
            write=None,
            path=f"{shared.path}{scope.node}|",
            rows=rows,
        )

    @staticmethod
    def from_parent(command: Command[Any]) -> Command[Any]:
        """Return a child's command to its parent as the parent's own."""
        return dataclasses.replace(command, graph=None)

    # -- what a call needs

    def _shared(self, config: Any, context: Any, seed: int) -> Shared:
        full = ensure_config(self.config, config)
        limit = full["recursion_limit"]
        if limit < 1:
            raise ValueError("recursion_limit must be at least 1")
        if context is None:
            task = current_task.get()
            context = task.runtime.context if isinstance(task, Scope) else None
        return Shared(
            full, context=_context(self.context_schema, context), store=self.store, seed=seed
        )

    def _modes(self, stream_mode: Any, options: dict[str, Any]) -> tuple[list[str], bool]:
        _refuse_options(options)
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


class ChildResults:
    """What a subgraph gives its parent's node.

    Attributes
    ----------
    columns : dict of str to Column, or None
        Outputs of all rows; None if they are not columns.
    failures : list of (int, exception)
    """

    def __init__(self, results: Results) -> None:
        self._results = results
        self.failures = [(error.row, error.exception) for error in results.errors]
        whole = results.bare is None and bool(results.emitted.all())
        self.columns = results.columns if whole else None

    def objects(self) -> list[Any]:
        """Return each row's output."""
        return self._results.outputs()


def _drained(chunks: Chunks, paired: bool) -> Iterator[Any]:
    while chunks.queue:
        mode, payload = chunks.queue.popleft()
        yield (mode, payload) if paired else payload


def _listed(reads: Reads) -> Any:
    return reads if isinstance(reads, str) else list(reads)


def _configs(config: Any, n: int) -> list[Any]:
    if isinstance(config, list):
        if len(config) != n:
            raise ValueError(
                f"config must be a list of the same length as inputs, but got {len(config)} "
                f"configs for {n} inputs"
            )
        return config
    return [config] * n


def _outputs(results: Results, *, return_exceptions: bool) -> list[Any]:
    if results.errors and not return_exceptions:
        raise results.errors[0].exception
    outputs = results.outputs()
    if results.errors:
        place = {int(row): at for at, row in enumerate(results.ids.tolist())}
        for error in results.errors:
            outputs[place[error.row]] = error.exception
    return outputs


def _context(schema: Any, context: Any) -> Any:
    if schema is None or context is None or not isinstance(context, dict):
        return context
    if dataclasses.is_dataclass(schema) or hasattr(schema, "model_validate"):
        return schema(**context)  # type: ignore[operator]
    return context


def _refuse(program: Program, checkpointer: Any, cache: Any, before: Any, after: Any) -> None:
    """Refuse what would otherwise be left out in silence."""
    if checkpointer not in {None, False}:
        raise UnsupportedError.feature("compile(checkpointer=...)")
    if cache is not None:
        raise UnsupportedError.feature("compile(cache=...)")
    if before or after:
        raise UnsupportedError.feature("compile(interrupt_before=..., interrupt_after=...)")
    for node in program.nodes.values():
        for name, value in (
            ("cache_policy", node.cache_policy),
            ("timeout", node.timeout),
            ("error_handler", node.error_handler),
        ):
            if value is not None:
                raise UnsupportedError.feature(f"add_node({node.name!r}, {name}=...)")


_HARMLESS = {"version": "v1", "debug": None, "subgraphs": False, "durability": None}


def _refuse_options(options: dict[str, Any]) -> None:
    for name, value in options.items():
        if name in _HARMLESS and (value == _HARMLESS[name] or value is None):
            continue
        if name == "print_mode" and not value:
            continue
        if name in {"interrupt_before", "interrupt_after", "control"} and value is None:
            continue
        raise UnsupportedError.feature(f"{name}=...")

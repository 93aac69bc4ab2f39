"""The verbs for many runs: batch, and its asynchronous and as-completed forms."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from vecgraph.app.one import OneRun
from vecgraph.app.options import configs_for, refuse_options
from vecgraph.constants import START
from vecgraph.engine.tables import names_of
from vecgraph.errors import BatchInputError
from vecgraph.intake import at_rest, ids_of, inputs_of, is_columnar
from vecgraph.nodes.writer import StateWriter
from vecgraph.result import BatchResult
from vecgraph.state import Inputs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence

    from vecgraph.config import RunnableConfig
    from vecgraph.engine.records import Observer, Progress, Results
    from vecgraph.engine.scope import Shared
    from vecgraph.typing import Rows

__all__ = ["ManyRuns"]


class ManyRuns(OneRun):
    """Runs many inputs, each as if it were alone."""

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
            refuse_options(kwargs)
            begin = perf_counter()
            part, numbers, shared = self._table(inputs, config, context, seed, ids)
            results = self._results(part, numbers, shared, progress, observer)
            return self._result(results, begin, observer)
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
        import asyncio

        table = columns or (columns is None and is_columnar(inputs))
        if not table and (kwargs or isinstance(config, list)):
            return await self._abatch_by_config(
                inputs, config, return_exceptions, context, seed, kwargs
            )
        begin = perf_counter()
        if table:
            refuse_options(kwargs)
            part, numbers, shared = self._table(inputs, config, context, seed, ids)
        else:
            part = Inputs(len(inputs), objects=list(inputs))
            numbers = ids_of(ids, inputs, len(inputs))
            shared = self._shared(config, context, seed)
        if self.is_async:
            run = self.engine.arun
            results = await run(part, numbers, shared, observer=observer, progress=progress)
        else:
            results = await asyncio.to_thread(
                self._results, part, numbers, shared, progress, observer
            )
        if table:
            return self._result(results, begin, observer)
        return _outputs(results, return_exceptions=return_exceptions)

    def batch_as_completed(
        self,
        inputs: Sequence[Any],
        config: Any = None,
        *,
        return_exceptions: bool = False,
        **kw: Any,
    ) -> Iterator[tuple[int, Any]]:
        """Run many inputs; yield ``(position, output)`` as runs end."""
        configs = configs_for(config, len(inputs))
        for position, (value, one) in enumerate(zip(inputs, configs, strict=True)):
            try:
                output = self.invoke(value, one, **kw)
            except Exception as error:
                if not return_exceptions:
                    raise
                output = error
            yield position, output

    async def abatch_as_completed(
        self,
        inputs: Sequence[Any],
        config: Any = None,
        *,
        return_exceptions: bool = False,
        **kw: Any,
    ) -> AsyncIterator[tuple[int, Any]]:
        """Run many inputs on the event loop; yield ``(position, output)`` as runs end."""
        import asyncio

        configs = configs_for(config, len(inputs))

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
            inputs,
            config,
            return_exceptions=return_exceptions,
            context=context,
            seed=seed,
            **kwargs,
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
            inputs,
            config,
            return_exceptions=return_exceptions,
            context=context,
            seed=seed,
            **kwargs,
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
            return _on_new_loop(
                self.engine.arun(part, numbers, shared, observer=observer, progress=progress)
            )
        return self.engine.run(part, numbers, shared, observer=observer, progress=progress)

    def _table(
        self, inputs: Any, config: Any, context: Any, seed: int, ids: Any
    ) -> tuple[Inputs, Rows, Shared]:
        if isinstance(config, list):
            raise BatchInputError.many_configs(len(config))
        inputs = at_rest(inputs, self.program.channels)
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
        writer = program.nodes[START].writer
        assert isinstance(writer, StateWriter)
        names = writer.keys
        if builder is None or builder.input_schema is builder.state_schema:
            return names, ()
        required: frozenset[str] = getattr(builder.input_schema, "__required_keys__", frozenset())
        return names, tuple(name for name in names if name in required)

    def _result(self, results: Results, begin: float, observer: Any = None) -> BatchResult:
        path = "event loop" if self.is_async else "lanes" if results.supersteps else "one by one"
        stats = {
            "runs": len(results),
            "supersteps": results.supersteps,
            "run_steps": results.run_steps,
            "seconds": perf_counter() - begin,
            "path": path,
        }
        return BatchResult(results, stats, self, observer)


def _on_new_loop(runs: Coroutine[Any, Any, Results]) -> Results:
    """Run coroutines to their end.

    Raises
    ------
    RuntimeError
        This thread runs an event loop already.
    """
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(runs)
    runs.close()
    raise RuntimeError(
        "batch() of a graph with coroutine functions was called on a running event loop.\n"
        "Hint: use `await app.abatch(...)`."
    )


def _outputs(results: Results, *, return_exceptions: bool) -> list[Any]:
    if results.errors and not return_exceptions:
        raise results.errors[0].exception
    outputs = results.outputs()
    if results.errors:
        place = {int(row): at for at, row in enumerate(results.ids.tolist())}
        for error in results.errors:
            outputs[place[error.row]] = error.exception
    return outputs

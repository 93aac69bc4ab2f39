"""The verbs for many runs: batch, and its asynchronous and as-completed forms."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from vecgraph.app.each import aas_completed, as_completed, in_order, limit_of
from vecgraph.app.options import answers_of, configs_for
from vecgraph.app.sharing import Division, Workers, check_workers
from vecgraph.app.state import StateApi
from vecgraph.constants import START
from vecgraph.engine.tables import names_of
from vecgraph.engine.threads import Threads
from vecgraph.errors import BatchInputError
from vecgraph.intake import at_rest, ids_of, inputs_of, is_columnar
from vecgraph.nodes.writer import StateWriter
from vecgraph.result import BatchResult
from vecgraph.state import Inputs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence

    from vecgraph.config import RunnableConfig
    from vecgraph.engine.records import Observer, Progress, Results
    from vecgraph.engine.shared import Shared
    from vecgraph.typing import Rows

__all__ = ["Call", "ManyRuns"]

_OF_ONE = frozenset({"stream_mode", "print_mode", "output_keys", "version"})
"""Options that change what each run returns: it is then run like any single one."""


@dataclass(slots=True)
class Call:
    """What a batch runs.

    Attributes
    ----------
    part : Inputs
    numbers : int64 ndarray of shape (N,)
        Number of each run.
    shared : Shared
    configs : Threads or None
        Config of each run, where each has a thread of its own.
    table : bool
        It is to give a table.
    resume : None, True, or list of N objects
        Whether runs go on where they stopped, with which answers.
    workers : int or "auto"
        Asked for; once it has run, those that ran it.
    """

    part: Inputs
    numbers: Rows
    shared: Shared
    configs: Threads | None
    table: bool
    resume: Any = None
    workers: Workers = 1


class ManyRuns(StateApi):
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
        threads: Any = None,
        columns: bool | None = None,
        resume: Any = None,
        progress: Progress | None = None,
        observer: Observer | None = None,
        workers: Workers = 1,
        **options: Any,
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
        threads : sequence of str, or str, optional
            Thread of each run, or the column that holds it. With a saver and without it, run
            n of a config with the thread ``t`` has the thread ``t/n``.
        columns : bool, optional
            True: a list of dicts gives a `BatchResult` too.
        resume : True, or sequence of N answers, optional
            Go on with the runs whose threads have checkpoints, where they stopped: only what
            was not kept is run again, and a run that has ended gives its result at once. The
            others begin with their inputs. Answers go to the runs that have asked something;
            None leaves one waiting.
        progress : callable, optional
            Called with the numbers of runs done, running, failed, and run-steps so far.
        observer : callable, optional
            Called with each `Superstep` record.
        workers : int or "auto"
            Cores that may run the batch; ``"auto"``: as many as this process may use, if a
            first part of it takes so long that they pay. Functions of columns run in
            threads, others in processes. The results are the same. Runs with checkpoints,
            coroutines, or a store stay in this thread, and so do batches inside nodes.
        **options
            As of `invoke`.

        Returns
        -------
        list or BatchResult

        Raises
        ------
        BatchInputError
            The table does not fit, two runs have one thread, or there is nothing to resume
            from.
        Exception
            For a list: the first failed run's, unless `return_exceptions`.
        """
        if self._is_each(inputs, config, columns, options, resume):
            options |= {"context": context, "seed": seed}
            each = self.batch_as_completed(inputs, config, return_exceptions=True, **options)
            return in_order(each, len(inputs), return_exceptions=return_exceptions)
        begin = perf_counter()
        check_workers(workers)
        call = self._call(inputs, config, context, seed, ids, threads, columns, options, resume)
        call.workers = workers
        results = self._results(call, progress, observer)
        return self._returned(call, results, begin, observer, return_exceptions=return_exceptions)

    async def abatch(
        self,
        inputs: Any,
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        context: Any = None,
        seed: int = 0,
        ids: Any = None,
        threads: Any = None,
        columns: bool | None = None,
        resume: Any = None,
        progress: Progress | None = None,
        observer: Observer | None = None,
        workers: Workers = 1,
        **options: Any,
    ) -> Any:
        """Run many inputs on the event loop; see `batch`.

        A graph without coroutine functions runs in a thread, in columns. In others, runs
        go one by one, side by side: none waits for another one's node.
        """
        import asyncio

        if self._is_each(inputs, config, columns, options, resume):
            outputs: list[Any] = [None] * len(inputs)
            each = self.abatch_as_completed(
                inputs,
                config,
                return_exceptions=return_exceptions,
                context=context,
                seed=seed,
                **options,
            )
            async for position, output in each:
                outputs[position] = output
            return outputs
        begin = perf_counter()
        check_workers(workers)
        call = self._call(inputs, config, context, seed, ids, threads, columns, options, resume)
        call.workers = workers
        if self.is_async:
            results = await self.engine.arun(
                call.part,
                call.numbers,
                call.shared,
                configs=call.configs,
                observer=observer,
                progress=progress,
                resume=call.resume,
            )
        else:
            results = await asyncio.to_thread(self._results, call, progress, observer)
        return self._returned(call, results, begin, observer, return_exceptions=return_exceptions)

    def batch_as_completed(
        self,
        inputs: Sequence[Any],
        config: Any = None,
        *,
        return_exceptions: bool = False,
        **options: Any,
    ) -> Iterator[tuple[int, Any]]:
        """Run many inputs in threads; yield ``(position, output)`` as runs end.

        The configs' smallest ``max_concurrency`` bounds how many run at once. Closing the iterator
        keeps those from running that have not begun.
        """
        configs = configs_for(config, len(inputs))
        calls = [
            partial(self.invoke, value, one, **options)
            for value, one in zip(inputs, configs, strict=True)
        ]
        return as_completed(calls, limit_of(configs), return_exceptions=return_exceptions)

    async def abatch_as_completed(
        self,
        inputs: Sequence[Any],
        config: Any = None,
        *,
        return_exceptions: bool = False,
        **options: Any,
    ) -> AsyncIterator[tuple[int, Any]]:
        """Run many inputs on the event loop; yield ``(position, output)`` as runs end.

        Bounded as in `batch_as_completed`; closing the iterator cancels what runs.
        """
        configs = configs_for(config, len(inputs))
        calls = [
            partial(self.ainvoke, value, one, **options)
            for value, one in zip(inputs, configs, strict=True)
        ]
        limit = limit_of(configs)
        each = aas_completed(calls, limit, return_exceptions=return_exceptions)
        try:
            async for ended in each:
                yield ended
        finally:
            await each.aclose()

    def _is_each(
        self, inputs: Any, config: Any, columns: Any, options: dict[str, Any], resume: Any
    ) -> bool:
        """Return whether each input is run by a call of its own."""
        if columns or (columns is None and is_columnar(inputs)):
            if given := sorted(_OF_ONE & options.keys()):
                raise TypeError(f"{', '.join(given)}: only for lists of inputs, not for tables")
            return False
        each = isinstance(config, list) or not _OF_ONE.isdisjoint(options)
        if each and resume is not None:
            raise BatchInputError.many_calls()
        return each

    def _call(
        self,
        inputs: Any,
        config: Any,
        context: Any,
        seed: int,
        ids: Any,
        threads: Any,
        columns: bool | None,
        options: dict[str, Any],
        resume: Any = None,
    ) -> Call:
        table = bool(columns or (columns is None and is_columnar(inputs)))
        if table and isinstance(config, list):
            raise BatchInputError.many_configs(len(config))
        if table:
            inputs = at_rest(inputs, self.program.channels)
            names, required = self._schema()
            part = inputs_of(inputs, self.program.channels, names, required)
            if not self.program.is_state_graph:
                part = Inputs(part.m, objects=part.rows())
        else:
            part = Inputs(len(inputs), objects=list(inputs))
        numbers = ids_of(ids, inputs, part.m)
        shared = self._shared(config, context, seed, options)
        configs = None
        if shared.saver is not None:
            configs = Threads.of(shared.config, threads, inputs, numbers)
        answers = answers_of(resume, part.m, has_saver=shared.saver is not None)
        return Call(part, numbers, shared, configs, table, answers)

    def _results(self, call: Call, progress: Progress | None, observer: Observer | None) -> Results:
        # A list is LangGraph's batch, which refuses what has no synchronous form.
        on_loop = self.is_async and call.table
        if call.workers != 1 and not self.is_async and call.configs is None:
            division = Division(
                self.engine, call.part, call.numbers, call.shared, observer, progress
            )
            divided = division.run(call.workers)
            call.workers = division.used
            return divided
        call.workers = 1
        run = self.engine.arun if on_loop else self.engine.run
        results: Any = run(
            call.part,
            call.numbers,
            call.shared,
            configs=call.configs,
            observer=observer,
            progress=progress,
            resume=call.resume,
        )
        return _on_new_loop(results) if on_loop else results

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

    def _returned(
        self,
        call: Call,
        results: Results,
        begin: float,
        observer: Observer | None,
        *,
        return_exceptions: bool,
    ) -> Any:
        if not call.table:
            return _outputs(results, return_exceptions=return_exceptions)
        path = "event loop" if self.is_async else "lanes" if results.supersteps else "one by one"
        stats = {
            "runs": len(results),
            "supersteps": results.supersteps,
            "run_steps": results.run_steps,
            "seconds": perf_counter() - begin,
            "path": path,
            "workers": call.workers,
        }
        return BatchResult(results, stats, self, observer, call.configs)


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

"""The verbs for one run: invoke and stream, and their asynchronous forms."""

from __future__ import annotations

import queue
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from vecgraph.app.base import Compiled
from vecgraph.app.nested import sunk
from vecgraph.app.options import asked
from vecgraph.app.streaming import Form, eagerly, surround
from vecgraph.constants import INTERRUPT
from vecgraph.engine.drive import amoves, arun_one, moves, new_run, run_one
from vecgraph.engine.gather import Gatherer
from vecgraph.engine.run import TaskError
from vecgraph.schema import mapper_of
from vecgraph.streams import Both, Chunk, Sink
from vecgraph.types import GraphOutput

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from vecgraph.config import RunnableConfig
    from vecgraph.engine.shared import Shared
    from vecgraph.runtime import RunControl
    from vecgraph.types import Durability

__all__ = ["OneRun"]


class OneRun(Compiled):
    """Runs one input at a time."""

    def invoke(
        self,
        input: Any,
        config: RunnableConfig | None = None,
        *,
        context: Any = None,
        stream_mode: Any = "values",
        print_mode: Any = (),
        output_keys: str | Sequence[str] | None = None,
        interrupt_before: Any = None,
        interrupt_after: Any = None,
        durability: Durability | None = None,
        control: RunControl | None = None,
        version: Any = "v1",
        seed: int = 0,
        **options: Any,
    ) -> Any:
        """Run once; return the output channels as LangGraph does.

        Parameters
        ----------
        input : object
            A dict (or an instance of the input schema); a `Command`, or None to go on with
            a thread.
        config : RunnableConfig, optional
        context : object, optional
            For the nodes: ``runtime.context``.
        stream_mode : str or list of str
            Anything but ``"values"`` returns the list of chunks instead.
        print_mode : str or sequence of str
            Modes whose chunks are printed.
        output_keys : str or sequence of str, optional
            Channels to return.
        version : {'v1', 'v2'}
            ``v2`` returns a `GraphOutput`.
        seed : int
            Seed of ``runtime.rng``.
        interrupt_before, interrupt_after : sequence of str, or '*', optional
            Breakpoints instead of the graph's own.
        durability : {'sync', 'async', 'exit'}, optional
            When checkpoints are written.
        control : RunControl, optional
            By which the run can be asked to stop.

        Returns
        -------
        object
            A dict of the outputs, with the questions that wait for an answer under
            ``__interrupt__``; None if nothing was written.

        Raises
        ------
        Exception
            What a node raised, unchanged.
        """
        options |= asked(interrupt_before, interrupt_after, durability, control)
        if self._is_plain(stream_mode, print_mode, output_keys, version):
            shared = self._shared(config, context, seed, options)
            tables, watcher = self.engine.tables, sunk(self, shared)
            try:
                return run_one(tables, new_run(tables, shared, 0), input, shared, watcher)
            except TaskError as failed:
                error = failed.error
            raise error
        keys = output_keys if output_keys is not None else self.output_channels
        modes = _invoked_modes(stream_mode, version)
        stream = self.stream(
            input,
            config,
            context=context,
            stream_mode=modes,
            print_mode=print_mode,
            output_keys=keys,
            version=version,
            seed=seed,
            **options,
        )
        return _Last(stream_mode, version).of(list(stream))

    async def ainvoke(
        self,
        input: Any,
        config: RunnableConfig | None = None,
        *,
        context: Any = None,
        stream_mode: Any = "values",
        print_mode: Any = (),
        output_keys: str | Sequence[str] | None = None,
        interrupt_before: Any = None,
        interrupt_after: Any = None,
        durability: Durability | None = None,
        control: RunControl | None = None,
        version: Any = "v1",
        seed: int = 0,
        **options: Any,
    ) -> Any:
        """Run once on the event loop; see `invoke`."""
        options |= asked(interrupt_before, interrupt_after, durability, control)
        if self._is_plain(stream_mode, print_mode, output_keys, version):
            return await self._alone(input, self._shared(config, context, seed, options))
        keys = output_keys if output_keys is not None else self.output_channels
        modes = _invoked_modes(stream_mode, version)
        stream = self.astream(
            input,
            config,
            context=context,
            stream_mode=modes,
            print_mode=print_mode,
            output_keys=keys,
            version=version,
            seed=seed,
            **options,
        )
        return _Last(stream_mode, version).of([chunk async for chunk in stream])

    def _is_plain(self, stream_mode: Any, print_mode: Any, output_keys: Any, version: str) -> bool:
        """Return whether nobody wants to see more of a run than its result."""
        usual = stream_mode == "values" and output_keys is None and version == "v1"
        return usual and not print_mode and not self.debug

    async def _alone(self, input: Any, shared: Shared) -> Any:
        tables = self.engine.tables
        gatherer, watcher = Gatherer(tables, shared), sunk(self, shared)
        run = new_run(tables, shared, 0)
        try:
            return await arun_one(tables, run, input, shared, gatherer, watcher)
        except TaskError as failed:
            error = failed.error
        finally:
            gatherer.close()
        raise error

    def stream(
        self,
        input: Any,
        config: RunnableConfig | None = None,
        *,
        context: Any = None,
        stream_mode: Any = None,
        print_mode: Any = (),
        output_keys: str | Sequence[str] | None = None,
        subgraphs: bool = False,
        debug: bool | None = None,
        interrupt_before: Any = None,
        interrupt_after: Any = None,
        durability: Durability | None = None,
        control: RunControl | None = None,
        version: Any = "v1",
        seed: int = 0,
        **options: Any,
    ) -> Iterator[Any]:
        """Run once; yield chunks as they come.

        Parameters
        ----------
        stream_mode : str, or list or tuple of str, optional
            ``values``, ``updates``, ``custom``, ``messages``, ``checkpoints``, ``tasks``,
            ``debug``; default ``updates``. With a list, chunks are ``(mode, payload)``.
        output_keys : str or sequence of str, optional
            Channels shown; default all.
        subgraphs : bool
            Show the chunks of subgraphs too; each chunk then begins with its namespace.
        debug : bool, optional
            Print what happens.
        version : {'v1', 'v2'}
            ``v2``: each chunk is a dict with ``type``, ``ns`` and ``data``.
        """
        options |= asked(interrupt_before, interrupt_after, durability, control)
        form = self._form(stream_mode, print_mode, debug, subgraphs, version)
        shared = self._shared(config, context, seed, options)
        if form.is_eager:
            yield from self._stream_eagerly(input, shared, form, output_keys)
            return
        chunks: deque[Chunk] = deque()
        run = self._watched(input, shared, form, output_keys, chunks.append)
        failure: BaseException | None = None
        while True:
            try:
                pause = next(run, _ENDED)
            except TaskError as failed:
                failure, pause = failed.error, _ENDED
            except Exception as error:  # noqa: BLE001 - raised again below, after its chunks
                failure, pause = error, _ENDED
            yield from form.of(chunks)
            if pause is _ENDED:
                break
            if pause:
                time.sleep(pause)
        if failure is not None:
            raise failure

    def _watched(
        self,
        input: Any,
        shared: Shared,
        form: Form,
        output_keys: Any,
        put: Callable[[Chunk], None],
    ) -> Iterator[Any]:
        """Return a run whose chunks are put somewhere."""
        tables = self.engine.tables
        watcher = self._watcher(shared, form, output_keys, put)
        return moves(tables, new_run(tables, shared, 0), input, shared, watcher)

    def _watcher(
        self, shared: Shared, form: Form, output_keys: Any, put: Callable[[Chunk], None]
    ) -> Any:
        around = sunk(self, shared)
        sink = Sink(put, form.modes, subgraphs=form.subgraphs, as_events=form.as_events)
        if sink.mail is not None:
            surround(shared, sink.mail)
        watcher = sink.watcher(self.engine.tables, shared, self._keys(output_keys))
        if "custom" in form.modes:
            shared.write = watcher.custom
        if form.subgraphs:
            shared.sink = sink
        return watcher if around is None else Both(watcher, around)

    def _stream_eagerly(
        self, input: Any, shared: Shared, form: Form, output_keys: Any
    ) -> Iterator[Any]:
        chunks: queue.SimpleQueue[Any] = queue.SimpleQueue()
        run = self._watched(input, shared, form, output_keys, chunks.put)
        try:
            yield from eagerly(run, chunks, form)
        except TaskError as failed:
            error = failed.error
        else:
            return
        raise error

    async def astream(
        self,
        input: Any,
        config: RunnableConfig | None = None,
        *,
        context: Any = None,
        stream_mode: Any = None,
        print_mode: Any = (),
        output_keys: str | Sequence[str] | None = None,
        subgraphs: bool = False,
        debug: bool | None = None,
        interrupt_before: Any = None,
        interrupt_after: Any = None,
        durability: Durability | None = None,
        control: RunControl | None = None,
        version: Any = "v1",
        seed: int = 0,
        **options: Any,
    ) -> AsyncIterator[Any]:
        """Run once on the event loop; yield chunks as they come; see `stream`."""
        options |= asked(interrupt_before, interrupt_after, durability, control)
        form = self._form(stream_mode, print_mode, debug, subgraphs, version)
        shared = self._shared(config, context, seed, options)
        tables = self.engine.tables
        from vecgraph.app.listening import Bell  # asyncio only where it is used

        chunks: deque[Chunk] = deque()
        bell = Bell(chunks)
        watcher = self._watcher(shared, form, output_keys, bell.put)
        gatherer = Gatherer(tables, shared)
        run = amoves(tables, new_run(tables, shared, 0), input, shared, gatherer, watcher)
        events = bell.heard(run) if form.is_eager else run
        failure: BaseException | None = None
        try:
            async for _ in events:
                for chunk in form.of(chunks):
                    yield chunk
        except TaskError as failed:
            failure = failed.error
        except Exception as error:  # noqa: BLE001 - raised again below, after its chunks
            failure = error
        finally:
            await events.aclose()
            gatherer.close()
        for chunk in form.of(chunks):
            yield chunk
        if failure is not None:
            raise failure

    def _form(
        self, stream_mode: Any, print_mode: Any, debug: bool | None, subgraphs: bool, version: str
    ) -> Form:
        chosen = self.stream_mode if stream_mode is None else stream_mode
        if debug or (debug is None and self.debug):
            print_mode = ["updates", "values"]
        return Form(
            chosen,
            print_mode,
            eager=self.stream_eager,
            subgraphs=subgraphs,
            version=version,
            as_output=self._mapper("output_schema"),
            as_state=self._mapper("state_schema"),
        )

    def _mapper(self, schema: str) -> Any:
        """Return what builds the class of one of the graph's schemas from its values, if it has one."""
        if self.builder is None:
            return None
        kind = getattr(self.builder, schema)
        return mapper_of(kind, self.builder.schemas[kind])


_ENDED: Any = object()


def _invoked_modes(stream_mode: Any, version: str) -> Any:
    both = stream_mode == "values" and version == "v1"
    return ["updates", "values"] if both else stream_mode


class _Last:
    """What `invoke` makes of the chunks of a stream."""

    def __init__(self, stream_mode: Any, version: str) -> None:
        self._values = stream_mode == "values"
        self._dicts = version == "v2"

    def of(self, chunks: list[Any]) -> Any:
        """Return the last values with the questions asked, or all chunks."""
        if not self._values:
            return chunks
        latest: Any = None
        asked: list[Any] = []
        for chunk in chunks:
            if self._dicts:
                latest = chunk["data"]
                asked += chunk["interrupts"]
            elif chunk[-2] == "values":
                latest = chunk[-1]
            elif isinstance(chunk[-1], dict):
                asked += chunk[-1].get(INTERRUPT, ())
        if self._dicts:
            return GraphOutput(latest, tuple(asked))
        if not asked:
            return latest
        return {**latest, INTERRUPT: asked} if isinstance(latest, dict) else {INTERRUPT: asked}

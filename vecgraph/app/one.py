"""The verbs for one run: invoke and stream, and their asynchronous forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vecgraph.app.base import Compiled
from vecgraph.constants import MISSING
from vecgraph.engine.drive import arun_alone, astream_one, run_alone, stream_one
from vecgraph.engine.gather import Gatherer
from vecgraph.engine.single import Run, TaskError
from vecgraph.streams import Chunks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from vecgraph.config import RunnableConfig

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
        return run_alone(self.engine.tables, input, shared, 0)

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
        return await arun_alone(self.engine.tables, input, shared, 0)

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
        failure: BaseException | None = None
        events = stream_one(tables, run, input, shared, chunks)
        while True:
            try:
                ended = next(events, MISSING) is MISSING
            except TaskError as failed:
                failure, ended = failed.error, True
            except Exception as error:  # noqa: BLE001 - raised again below, after its chunks
                failure, ended = error, True
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
        failure: BaseException | None = None
        try:
            events = astream_one(tables, run, input, shared, Gatherer(tables, shared), chunks)
            async for _ in events:
                for chunk in _drained(chunks, paired):
                    yield chunk
        except TaskError as failed:
            failure = failed.error
        except Exception as error:  # noqa: BLE001 - raised again below, after its chunks
            failure = error
        for chunk in _drained(chunks, paired):
            yield chunk
        if failure is not None:
            raise failure


def _drained(chunks: Chunks, paired: bool) -> Iterator[Any]:
    while chunks.queue:
        mode, payload = chunks.queue.popleft()
        yield (mode, payload) if paired else payload

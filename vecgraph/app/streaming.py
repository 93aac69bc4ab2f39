"""How chunks reach who asked for them: their forms, and streams that do not wait for a superstep."""

from __future__ import annotations

import contextvars
import sys
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from vecgraph.constants import INTERRUPT
from vecgraph.errors import UnsupportedError
from vecgraph.registry import load
from vecgraph.streams import MODES, Chunk

if TYPE_CHECKING:
    import queue
    from collections.abc import Iterator

    from vecgraph.engine.shared import Shared
    from vecgraph.mail import Mail

__all__ = ["Form", "eagerly", "modes_of"]


def modes_of(stream_mode: Any, print_mode: Any = ()) -> tuple[list[str], list[str]]:
    """Return the modes that a stream shows and those that it prints.

    Raises
    ------
    UnsupportedError
        There is no such mode.
    """
    shown, printed = ([m] if isinstance(m, str) else list(m) for m in (stream_mode, print_mode))
    for mode in (*shown, *printed):
        if mode not in MODES:
            raise UnsupportedError.stream_mode(mode, MODES)
    return shown, printed


class Form:
    """The form in which chunks are yielded.

    Parameters
    ----------
    stream_mode : str, list or tuple of str
        With a list the mode stands before what is shown; with a tuple or one name it does not.
    print_mode : str or sequence of str
        Modes that are printed too.
    eager : bool
        Show what a task does before it has ended.
    subgraphs : bool
        The namespace stands first.
    version : {'v1', 'v2', 'v3'}
        ``v2``: a dict with ``type``, ``ns`` and ``data``, whatever the modes; ``v3``, which
        only `stream_events` asks for: what models say is events of their messages.
    as_output, as_state : callable or None
        Build the classes of the output and of the state, for ``v2``.
    """

    def __init__(
        self,
        stream_mode: Any,
        print_mode: Any = (),
        *,
        eager: bool = False,
        subgraphs: bool = False,
        version: str = "v1",
        as_output: Any = None,
        as_state: Any = None,
    ) -> None:
        self.shown, self._printed = modes_of(stream_mode, print_mode)
        self.modes = list(dict.fromkeys([*self.shown, *self._printed]))
        self._paired = isinstance(stream_mode, list)
        self._eager = eager
        self.subgraphs = subgraphs
        self._dicts = version in {"v2", "v3"}
        self.as_events = version == "v3"
        self._as_output, self._as_state = as_output, as_state

    @property
    def is_eager(self) -> bool:
        """Whether chunks are worth showing before their task has ended."""
        return self._eager or self.subgraphs or bool({"custom", "messages"} & set(self.modes))

    def of(self, chunks: deque[Chunk]) -> Iterator[Any]:
        """Take the chunks there are; yield them in this form."""
        while chunks:
            ns, mode, payload = chunks.popleft()
            if mode in self._printed:
                self._print(ns, mode, payload)
            if mode in self.shown:
                yield self._formed(ns, mode, payload)

    def _print(self, ns: tuple[str, ...], mode: str, payload: Any) -> None:
        from rich.console import Console
        from rich.text import Text

        line = Text(f"[{mode}] ", "bold")
        if self.subgraphs and ns:
            line.append(f"[graph={ns}] ", "yellow")
        Console().print(line.append(repr(payload), "default"), soft_wrap=True)

    def _formed(self, ns: tuple[str, ...], mode: str, payload: Any) -> Any:
        if self._dicts:
            return self._as_dict(ns, mode, payload)
        if self.subgraphs:
            return (ns, mode, payload) if self._paired else (ns, payload)
        return (mode, payload) if self._paired else payload

    def _as_dict(self, ns: tuple[str, ...], mode: str, payload: Any) -> dict[str, Any]:
        if mode != "values":
            if mode in {"checkpoints", "debug"} and self._as_state is not None:
                payload = _with_state(payload, self._as_state)
            return {"type": mode, "ns": ns, "data": payload}
        asked: Any = ()
        if isinstance(payload, dict):
            payload = dict(payload)
            asked = payload.pop(INTERRUPT, ())
            payload = payload if self._as_output is None else self._as_output(payload)
        return {"type": mode, "ns": ns, "data": payload, "interrupts": asked}


def _with_state(payload: Any, as_state: Any) -> Any:
    """Return a checkpoint's chunk with its values as the state's class; not before START has run."""
    if payload.get("type") == "checkpoint":
        return {**payload, "payload": _with_state(payload["payload"], as_state)}
    values = payload.get("values")
    if isinstance(values, dict) and "__start__" not in payload.get("next", ()):
        return {**payload, "values": as_state(values)}
    return payload


def surround(shared: Shared, mail: Mail) -> None:
    """Have messages of a run's tasks come to `mail`, and tokens of LangChain's models with them."""
    shared.mail = mail
    if "langchain_core.callbacks" in sys.modules:  # else no model of its can be there
        langchain = load("surroundings", "langchain")
        shared.config = langchain.with_handler(shared.config, mail)
        shared.surroundings = langchain.Surroundings()


def eagerly(
    moves: Iterator[float | None], chunks: queue.SimpleQueue[Any], form: Form
) -> Iterator[Any]:
    """Run in a thread, so that chunks are yielded while their task runs.

    Between tasks the run waits until whoever listens has taken what there is.

    Parameters
    ----------
    moves : iterator
        See `engine.drive.moves`.
    chunks : SimpleQueue
        Where the run's sink puts its chunks.
    """
    pump = _Pump(moves, chunks)
    try:
        while True:
            item = chunks.get()
            if item is _TURN:
                pump.go_on()
            elif item is _END:
                break
            else:
                yield from form.of(deque([item]))
    finally:
        pump.close()
    if pump.failure is not None:
        raise pump.failure


_TURN, _END = object(), object()


class _Pump:
    """Moves a run in a thread, from one pause to the next."""

    def __init__(self, moves: Iterator[float | None], chunks: queue.SimpleQueue[Any]) -> None:
        self._moves, self._chunks = moves, chunks
        self._turn = threading.Event()
        self._stopped = False
        self.failure: Any = None
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._run,), name="vecgraph-stream", daemon=True
        )
        self._thread.start()

    def _run(self) -> None:
        try:
            for pause in self._moves:
                if self._stopped:
                    break
                self._turn.clear()
                if self._is_stopped():  # between the two lines above
                    break
                self._chunks.put(_TURN)
                self._turn.wait()
                if pause and not self._stopped:
                    threading.Event().wait(pause)
        except BaseException as error:  # noqa: BLE001 - raised where the stream is read
            self.failure = error
        finally:
            close = getattr(self._moves, "close", None)
            if close is not None:
                close()
            self._chunks.put(_END)

    def _is_stopped(self) -> bool:
        return self._stopped

    def go_on(self) -> None:
        """Let the run go on to its next pause."""
        self._turn.set()

    def close(self) -> None:
        """Stop at the next pause; a node that runs ends first."""
        self._stopped = True
        self._turn.set()
        self._thread.join()

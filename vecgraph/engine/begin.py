"""How a run begins: with an input, with a command, or where it was left.

Source of the rules: LangGraph's loop before its first superstep, measured by running it.
"""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any

from vecgraph.constants import INPUT, INTERRUPT, NULL_TASK, RESUME, START, TASKS
from vecgraph.engine.single import apply, emit, logger, plan
from vecgraph.errors import EmptyInputError, InvalidUpdateError
from vecgraph.nodes.writer import Pairs, branch_channel
from vecgraph.types import Command, Send

if TYPE_CHECKING:
    from collections.abc import Generator

    from vecgraph.engine.run import Run
    from vecgraph.engine.shared import Shared
    from vecgraph.engine.tables import Tables
    from vecgraph.engine.thread import Ask, Thread
    from vecgraph.engine.watch import Watcher
    from vecgraph.program import Reads
    from vecgraph.types import Interrupt

__all__ = ["Replay", "apply_input", "begin", "input_pairs", "is_map", "open_questions"]


class Replay:
    """What a run that goes back in time tells the graphs in it: where their pasts end.

    Each graph begins, the first time, where it stood before the checkpoint; after that it
    goes on from its latest one like any other.

    Attributes
    ----------
    checkpoint_id : str
        Of the run.
    visited : set of str
        Names of the graphs that have begun.
    """

    __slots__ = ("checkpoint_id", "visited")

    def __init__(self, checkpoint_id: str) -> None:
        self.checkpoint_id = checkpoint_id
        self.visited: set[str] = set()

    def is_first(self, ns: str) -> bool:
        """Return whether the graph of a namespace is met for the first time."""
        name = ns.rsplit(":", 1)[0]
        if name in self.visited:
            return False
        self.visited.add(name)
        return True


def begin(
    tables: Tables, run: Run, input: Any, shared: Shared, watcher: Watcher | None
) -> Generator[Ask, Any, None]:
    """Bring a run that has a thread, or a command as its input, to its first superstep.

    Raises
    ------
    EmptyInputError
        There is nothing to begin with.
    RuntimeError
        An answer cannot be given: there is no saver, or several questions wait for one.
    """
    thread, parent = run.thread, shared.parent
    if parent is not None:
        run.resume_map = parent.resume_map
    if thread is not None:
        yield from thread.load(tables, run, shared)
    start = _Start(tables, run, input, shared)
    if isinstance(input, Command):
        yield from _take_command(start, input)
    _apply_null(start)
    if start.resuming:
        yield from _go_on(start, watcher)
    else:
        yield from _set_out(start)
    run.resuming = start.resuming if parent is None else start.told
    if parent is None and thread is not None and start.goes_back:
        run.replay = Replay(start.bound or _replayed(thread))


def _replayed(thread: Thread) -> str:
    """Return the checkpoint before which subgraphs begin: of a fork, that of its parent."""
    parent = thread.parent_config
    if thread.metadata.get("source") in {"update", "fork"} and parent:
        found: str = parent["configurable"].get("checkpoint_id") or thread.id
        return found
    return thread.id


class _Start:
    """The facts that decide how a run begins.

    Attributes
    ----------
    told : bool or None
        What the graph around says about resuming; None: nothing.
    resuming : bool
        The run goes on from a checkpoint.
    goes_back : bool
        It goes on from one that was addressed, not to answer a question.
    forks : bool
        It saves a checkpoint of its own first, to begin a branch.
    carried : list
        Writes of the command that the fork will hold.
    bound : str
        Checkpoint before which subgraphs begin; empty: the run's own.
    """

    def __init__(self, tables: Tables, run: Run, input: Any, shared: Shared) -> None:
        self.tables, self.run, self.input, self.shared = tables, run, input, shared
        self.carried: list[tuple[str, str, Any]] = []
        self.bound = ""
        thread = run.thread
        self.told = _told(shared)
        command = isinstance(input, Command)
        implied = input is None or command or (shared.parent is None and self._is_same_run())
        wanted = implied if self.told is None else self.told
        self.resuming = bool(run.versions) and wanted
        answers = command and input.resume is not None
        back = thread is not None and thread.addressed
        self.goes_back = back and (
            self._is_in_map() or not (answers or bool(self.told and shared.parent is not None))
        )
        run.replaying = self.goes_back or (thread is not None and thread.superseded)
        if self.goes_back:
            run.pending = [w for w in run.pending if w[1] != RESUME]
        self.forks = (
            self.resuming
            and self.goes_back
            and thread is not None
            and (thread.metadata.get("source") not in {"update", "fork"} or thread.superseded)
        )

    def _is_same_run(self) -> bool:
        """Return whether a call carries the id of the run that wrote the checkpoint."""
        thread = self.run.thread
        if thread is None or "run_id" not in thread.metadata:
            return False
        known: Any = thread.metadata["run_id"]
        return bool((self.shared.config.get("metadata") or {}).get("run_id") == known)

    def _is_in_map(self) -> bool:
        """Return whether the graph's own checkpoint was named by whoever called the root."""
        given = self.shared.config.get("configurable") or {}
        return self.shared.parent is not None and self.shared.ns in (
            given.get("checkpoint_map") or {}
        )


def _told(shared: Shared) -> bool | None:
    """Return what the task around a graph says about resuming, None if nothing does."""
    parent: Any = shared.parent
    if parent is None or shared.replay is not None:
        return None
    found: bool | None = parent.resuming
    return found


def _take_command(start: _Start, command: Command[Any]) -> Generator[Ask, Any, None]:
    run, thread = start.run, start.run.thread
    mapped = command.resume is not None and _take_answers(start, command.resume)
    writes: dict[str, Pairs] = {}
    for task, channel, value in _command_writes(command):
        if not (mapped and channel == RESUME):
            writes.setdefault(task, []).append((channel, value))
    if not writes and not mapped:
        raise EmptyInputError.empty_command()
    for task, pairs in writes.items():
        if start.forks:
            start.carried += [(task, channel, value) for channel, value in pairs]
        elif thread is None:
            run.pending += [(task, channel, value) for channel, value in pairs]
        else:
            ask = thread.note(start.tables, run, task, pairs)
            if ask is not None:
                yield ask


def _take_answers(start: _Start, resume: Any) -> bool:
    """Check an answer; return whether it is a map from questions to answers, and keep that."""
    run = start.run
    if run.thread is None:
        raise RuntimeError("Cannot use Command(resume=...) without checkpointer")
    if is_map(resume):
        run.resume_map = resume
        return True
    if len({question.id for question in open_questions(run)}) > 1:
        raise RuntimeError(
            "When there are multiple pending interrupts, you must specify the interrupt id when "
            "resuming. Docs: https:" + "//docs.langchain.com/oss/python/langgraph/interrupts"
            "#handling-multiple-interrupts."
        )
    return False


def is_map(resume: Any) -> bool:
    """Return whether an answer is a map from the ids of questions to their answers."""
    return isinstance(resume, dict) and all(_is_id(key) for key in resume)


def _is_id(key: Any) -> bool:
    return isinstance(key, str) and len(key) == 32 and all(c in string.hexdigits for c in key)


def open_questions(run: Run) -> list[Interrupt]:
    """Return the questions that wait for an answer: those of tasks that have not ended."""
    asked: dict[str, list[Interrupt]] = {}
    for task, channel, value in run.pending:
        if channel == INTERRUPT and task != NULL_TASK:
            asked.setdefault(task, []).extend(value if isinstance(value, list | tuple) else [value])
    return [q for task, questions in asked.items() if not run.outputs_of(task) for q in questions]


def _command_writes(command: Command[Any]) -> list[tuple[str, str, Any]]:
    if command.graph == Command.PARENT:
        raise InvalidUpdateError.no_parent()
    writes: list[tuple[str, str, Any]] = []
    goto = command.goto
    for target in goto if isinstance(goto, list | tuple) else [goto] if goto else []:
        if isinstance(target, Send):
            writes.append((NULL_TASK, TASKS, target))
        elif isinstance(target, str):
            writes.append((NULL_TASK, branch_channel(target), START))
        else:
            raise TypeError(f"In Command.goto, expected Send/str, got {type(target).__name__}")
    if command.resume is not None:
        writes.append((NULL_TASK, RESUME, command.resume))
    if command.update:
        writes += [(NULL_TASK, *pair) for pair in command.update_as_tuples()]
    return writes


def _apply_null(start: _Start) -> None:
    """Apply what was written by no task: the update and the goto of a command."""
    run = start.run
    found = [(c, v) for t, c, v in (*run.pending, *start.carried) if t == NULL_TASK]
    if found:
        before = run.updated
        apply(start.tables, run, (), found, passes=False)
        # Where it is not known what changed last, all nodes are looked at.
        run.updated = None if before is None else before | (run.updated or set())


def _go_on(start: _Start, watcher: Watcher | None) -> Generator[Ask, Any, None]:
    """Go on from a checkpoint, past the breakpoint that the run may have stopped at."""
    run, thread, tables = start.run, start.run.thread, start.tables
    seen = run.seen.setdefault(INTERRUPT, {})
    seen.update({k: run.versions[k] for k in tables.channels if k in run.versions})
    if start.forks and thread is not None:
        parent = thread.parent_config
        if thread.metadata.get("source") in {"update", "fork"} and parent:
            start.bound = parent["configurable"].get("checkpoint_id") or ""
        run.pending = [w for w in run.pending if w[1] != INTERRUPT]
        ask = thread.step(tables, run, "fork")
        if ask is not None:
            yield ask
    emit(tables, run)
    if watcher is not None:
        watcher.values(run, None)


def _set_out(start: _Start) -> Generator[Ask, Any, None]:
    """Begin with an input: tasks that were left pending are dropped."""
    run, thread, tables = start.run, start.run.thread, start.tables
    pairs = input_pairs(tables.program.inputs, start.input)
    if not pairs:
        if start.told is None:
            raise EmptyInputError.for_channels(_shown(tables.program.inputs))
        return
    apply_input(tables, run, pairs)
    if thread is not None:
        ask = thread.step(tables, run, "input")
        if ask is not None:
            yield ask
    else:
        run.step += 1


def apply_input(tables: Tables, run: Run, pairs: Pairs) -> None:
    """Write an input to a run; tasks that were due count as having run, without writes."""
    dropped = plan(tables, run) if run.versions else []
    apply(tables, run, dropped, pairs, passes=bool(dropped))
    if run.thread is not None:
        run.seen.setdefault(INPUT, {})


def input_pairs(inputs: Reads, input: Any) -> Pairs:
    """Return what an input writes, empty if it is none.

    Raises
    ------
    TypeError
        Several channels take the input, and it is not a dict.
    """
    if input is None:
        return []
    if isinstance(inputs, str):
        return [(inputs, input)]
    if not isinstance(input, dict):
        raise TypeError(f"Expected chunk to be a dict, got {type(input).__name__}")
    for key in input.keys() - set(inputs):
        logger.warning("Input channel %s not found in %s", key, list(inputs))
    return [(key, value) for key, value in input.items() if key in inputs]


def _shown(inputs: Reads) -> Any:
    return inputs if isinstance(inputs, str) else list(inputs)

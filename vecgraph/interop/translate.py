"""From LangGraph's control objects to ours, and back: packets, commands, errors, snapshots.

Values that nodes compute are never looked into; only what steers a run has two forms.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from langgraph import errors as their_errors
from langgraph import types as theirs

from vecgraph import errors, types
from vecgraph.constants import INTERRUPT

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "our_command",
    "our_error",
    "our_goals",
    "our_interrupt",
    "our_return",
    "our_send",
    "our_timeout",
    "their_command",
    "their_error",
    "their_node_error",
    "their_output",
    "their_questions",
    "their_snapshot",
    "their_values",
]


def our_timeout(policy: Any) -> types.TimeoutPolicy | None:
    """Return a time limit as ours."""
    if policy is None:
        return None
    return types.TimeoutPolicy(
        run_timeout=policy.run_timeout,
        idle_timeout=policy.idle_timeout,
        refresh_on=policy.refresh_on,
    )


def our_send(send: Any) -> types.Send:
    """Return a packet of LangGraph's as ours."""
    # LangGraph before 1.2 has no time limit there.
    return types.Send(send.node, send.arg, timeout=our_timeout(getattr(send, "timeout", None)))


def our_command(command: Any) -> types.Command[Any]:
    """Return a command of LangGraph's as ours."""
    goto = command.goto
    if isinstance(goto, list | tuple):
        goto = [our_send(one) if isinstance(one, theirs.Send) else one for one in goto]
    elif isinstance(goto, theirs.Send):
        goto = our_send(goto)
    return types.Command(
        graph=command.graph, update=command.update, resume=command.resume, goto=goto
    )


def their_command(command: types.Command[Any]) -> Any:
    """Return a command of ours as LangGraph's."""
    goto = command.goto
    if isinstance(goto, list | tuple):
        goto = [_their_send(one) for one in goto]
    return theirs.Command(
        graph=command.graph, update=command.update, resume=command.resume, goto=_their_send(goto)
    )


def _their_send(send: Any) -> Any:
    return theirs.Send(send.node, send.arg) if isinstance(send, types.Send) else send


def our_return(result: Any) -> Any:
    """Return what a node returned with its commands and packets as ours."""
    if isinstance(result, theirs.Command):
        return our_command(result)
    if isinstance(result, theirs.Send):
        return our_send(result)
    if isinstance(result, list | tuple) and any(isinstance(i, theirs.Command) for i in result):
        return [our_command(i) if isinstance(i, theirs.Command) else i for i in result]
    return result


def our_goals(result: Any) -> Any:
    """Return where a router sends a run, with its packets as ours."""
    if isinstance(result, list | tuple):
        return [our_send(one) if isinstance(one, theirs.Send) else one for one in result]
    return our_send(result) if isinstance(result, theirs.Send) else result


def our_error(error: Any) -> Any:
    """Return what a node raised: as ours if it steers the run, as LangGraph's if it is a failure."""
    if isinstance(error, errors.GraphBubbleUp):
        return error
    if isinstance(error, their_errors.GraphInterrupt):
        return errors.GraphInterrupt(tuple(map(our_interrupt, error.args[0] if error.args else ())))
    if isinstance(error, their_errors.ParentCommand):
        return errors.ParentCommand(our_command(error.args[0]))
    if isinstance(error, their_errors.GraphBubbleUp):
        reason = getattr(error, "reason", None)
        return errors.GraphBubbleUp(*error.args) if reason is None else errors.GraphDrained(reason)
    return their_error(error)  # whom retry policies and handlers of LangGraph's know


def their_error(error: BaseException) -> BaseException:
    """Return an exception that leaves the engine as LangGraph's of the same name."""
    make = _MADE.get(type(error))
    if make is None:
        return error
    if not hasattr(their_errors, type(error).__name__):
        return error  # an old LangGraph does not have it
    made: BaseException = make(error)
    for note in getattr(error, "__notes__", ()):
        made.add_note(note)
    return made.with_traceback(error.__traceback__)


def _by_name(error: BaseException) -> Any:
    return getattr(their_errors, type(error).__name__)(*error.args)


def _interrupt(error: Any) -> Any:
    return their_errors.GraphInterrupt(their_questions(error.args[0] if error.args else ()))


def _timeout(error: Any) -> Any:
    return their_errors.NodeTimeoutError(
        error.node,
        error.elapsed,
        kind=error.kind,
        idle_timeout=error.idle_timeout,
        run_timeout=error.run_timeout,
    )


_MADE: dict[type[BaseException], Callable[[Any], Any]] = {
    errors.GraphRecursionError: _by_name,
    errors.InvalidUpdateError: _by_name,
    errors.EmptyInputError: _by_name,
    errors.EmptyChannelError: _by_name,
    errors.GraphInterrupt: _interrupt,
    errors.ParentCommand: lambda e: their_errors.ParentCommand(their_command(e.command)),
    errors.GraphDrained: lambda e: their_errors.GraphDrained(e.reason),
    errors.NodeTimeoutError: _timeout,
    errors.NodeCancelledError: lambda e: their_errors.NodeCancelledError(e.node),
}


def our_interrupt(question: Any) -> types.Interrupt:
    """Return a question of LangGraph's as ours."""
    # LangGraph before 1.2 has no shape of the answer.
    shape = getattr(question, "response_schema", None)
    return types.Interrupt(question.value, question.id, response_schema=shape)


def their_questions(questions: Any) -> Any:
    """Return several questions as LangGraph's, in a list or a tuple as they come."""
    return type(questions)(map(their_interrupt, questions))


def their_values(values: Any) -> Any:
    """Return what a run shows with the questions in it as LangGraph's."""
    if isinstance(values, dict) and INTERRUPT in values:
        return {**values, INTERRUPT: their_questions(values[INTERRUPT])}
    return values


def their_interrupt(question: Any) -> Any:
    """Return a question as LangGraph's."""
    if not isinstance(question, types.Interrupt):
        return question
    shape = question.response_schema
    more = {} if shape is None else {"response_schema": shape}
    return theirs.Interrupt(question.value, question.id, **more)


def their_output(output: types.GraphOutput[Any]) -> Any:
    """Return what ``version="v2"`` returns as LangGraph's."""
    return theirs.GraphOutput(output.value, tuple(map(their_interrupt, output.interrupts)))


def their_snapshot(state: types.StateSnapshot) -> Any:
    """Return a thread's state as LangGraph shows it, with those of the graphs in it."""
    fields = state._asdict()
    fields["tasks"] = tuple(map(_their_task, state.tasks))
    fields["interrupts"] = tuple(map(their_interrupt, state.interrupts))
    return theirs.StateSnapshot(**fields)


def _their_task(task: types.PregelTask) -> Any:
    state = task.state
    return theirs.PregelTask(
        task.id,
        task.name,
        task.path,
        task.error,
        tuple(map(their_interrupt, task.interrupts)),
        their_snapshot(state) if isinstance(state, types.StateSnapshot) else state,
        task.result,
    )


def their_node_error(cause: Any) -> Any:
    """Return the failure that an error handler gets as LangGraph's."""
    return their_errors.NodeError(**dataclasses.asdict(cause)) if cause is not None else None

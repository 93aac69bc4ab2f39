"""Names that the whole library agrees on: LangGraph's reserved words and the mark of absence."""

from __future__ import annotations

from typing import Final

__all__ = [
    "CONTROL",
    "END",
    "ERROR",
    "ERROR_SOURCE",
    "INPUT",
    "INTERRUPT",
    "MISSING",
    "NO_WRITES",
    "NULL_TASK",
    "PREVIOUS",
    "PULL",
    "PUSH",
    "RESUME",
    "RETURN",
    "ROOT",
    "START",
    "TAG_HIDDEN",
    "TAG_NOSTREAM",
    "TASKS",
]

START: Final = "__start__"
"""The virtual node that writes a run's input to the channels."""

END: Final = "__end__"
"""The virtual node where a run ends; never executed."""

TASKS: Final = "__pregel_tasks"
"""The channel that holds pending `Send` packets."""

ROOT: Final = "__root__"
"""The only channel of a graph whose state is not a class with annotations."""

INPUT: Final = "__input__"
"""Stands for whoever wrote the input, among the tasks of a superstep."""

PREVIOUS: Final = "__previous__"
"""The channel that holds what a thread's last run of an entrypoint saved."""

PULL: Final = "__pregel_pull"
"""Begins the path of a task that a channel triggered."""

PUSH: Final = "__pregel_push"
"""Begins the path of a task that a Send or a call asked for."""

NULL_TASK: Final = "00000000-0000-0000-0000-000000000000"
"""Id under which writes are kept that no task made: those of a Command that is the input."""

INTERRUPT: Final = "__interrupt__"
"""A write that says what a task asks; also the key of the questions in a result."""

RESUME: Final = "__resume__"
"""A write that holds the answers a task has got so far."""

ERROR: Final = "__error__"
"""A write that holds what a task failed with."""

ERROR_SOURCE: Final = "__error_source_node__"
"""A write that says that a failed task was handed to its error handler."""

NO_WRITES: Final = "__no_writes__"
"""A write that says that a task has ended and wrote nothing."""

RETURN: Final = "__return__"
"""A write that holds what a task of the functional API returned."""

CONTROL: Final = frozenset({ERROR, ERROR_SOURCE, INTERRUPT, RESUME})
"""Writes that say what became of a task; a task that wrote anything else has ended."""

TAG_HIDDEN: Final = "langsmith:hidden"
"""Tag of a node that streams and ``"*"`` breakpoints leave out."""

TAG_NOSTREAM: Final = "nostream"
"""Tag of a model whose messages are not streamed."""


class _Missing:
    """The type of `MISSING`; falsy, a singleton, kept by copy and pickle."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "MISSING"

    def __reduce__(self) -> str:
        return "MISSING"

    def __copy__(self) -> _Missing:
        return self

    def __deepcopy__(self, memo: object) -> _Missing:
        return self


MISSING: Final = _Missing()
"""What a slot holds that was never written. ``None`` is a value; this is not."""

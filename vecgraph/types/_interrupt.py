"""`interrupt`: a node asks a question and goes on when it is answered."""

from __future__ import annotations

from typing import Any

from vecgraph.ambient import current_task

__all__ = ["interrupt"]


def interrupt(value: Any, *, response_schema: Any = None) -> Any:
    """Ask a question: stop the run here, and return the answer when it is resumed.

    A run that is resumed runs the node again from its first line; the n-th call in it gets
    the n-th answer. Neighbours in a batch go on.

    Parameters
    ----------
    value : object
        The question, for whoever answers.
    response_schema : dict or type, optional
        Shape of the answer: a JSON schema as it is, or a pydantic model, TypedDict or dataclass
        by which the answer is validated.

    Returns
    -------
    object
        The answer.

    Raises
    ------
    GraphInterrupt
        There is no answer yet. Let it pass: the engine takes it.
    RuntimeError
        No node runs.
    pydantic.ValidationError
        The answer does not fit `response_schema`; it can be given again.
    """
    task = current_task.get()
    if task is None:
        raise RuntimeError("Called get_config outside of a runnable context")
    return task.interrupt(value, response_schema)

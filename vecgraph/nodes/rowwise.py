"""Scalar functions over rows: one call a row, and nothing between the loop and the function."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np

from vecgraph.channels.base import Failure
from vecgraph.constants import MISSING
from vecgraph.typing import Rows, Where

__all__ = ["Scope", "call_rows"]


class Scope(Protocol):
    """What a node can ask about the run it serves; the engine implements it."""

    def enter(self, node: str, rows: Rows, pushes: Any, done: list[Any] | None) -> None:
        """Note the task that runs now; its current row is ``rows[len(done)]``."""
        ...

    def arguments(self, inject: Any) -> dict[str, Any]:
        """Return the keyword arguments that a function wants, for the current row."""
        ...

    def explain(self, error: BaseException, row: int, push: int | None) -> None:
        """Add to an exception the note that names its task."""
        ...


def call_rows(
    call: Callable[[Any], Any], inputs: list[Any], done: list[Any]
) -> tuple[list[Any], Where, list[Failure]]:
    """Call a function once a row, each row's exception its own.

    Parameters
    ----------
    call : callable
        Takes one row's input.
    inputs : list of length M
    done : list
        Grows by one a row, so that a scope can tell which row is being served.

    Returns
    -------
    list
        What the rows that did not fail returned, in order.
    intp ndarray or None
        Their positions; None: all.
    list of (int, Exception)
    """
    failures: list[Failure] = []
    remaining: Iterator[Any] = iter(inputs)
    append = done.append
    while True:
        try:
            for value in remaining:
                append(call(value))
            break
        except Exception as error:  # noqa: BLE001 - a row's failure is a result
            failures.append((len(done), error))
            append(MISSING)
    if not failures:
        return done, None, failures
    alive = np.ones(len(inputs), np.bool_)
    alive[[position for position, _ in failures]] = False
    where = np.flatnonzero(alive)
    return [done[i] for i in where.tolist()], where, failures

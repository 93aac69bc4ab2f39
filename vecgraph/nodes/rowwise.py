"""Scalar functions over rows: one call a row, and nothing between the loop and the function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.constants import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vecgraph.channels.base import Failure
    from vecgraph.typing import Where

__all__ = ["call_rows"]


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
    while True:
        try:
            for value in remaining:
                done.append(call(value))  # noqa: PERF401 - keeps what was done before a failure
            break
        except Exception as error:  # noqa: BLE001 - a row's failure is a result
            failures.append((len(done), error))
            done.append(MISSING)
    if not failures:
        return done, None, failures
    alive = np.ones(len(inputs), np.bool_)
    alive[[position for position, _ in failures]] = False
    where = np.flatnonzero(alive)
    return [done[i] for i in where.tolist()], where, failures

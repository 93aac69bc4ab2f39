"""Folding writes row by row, with nothing between the rows and the user's operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vecgraph.constants import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Failed", "apply_all", "apply_at"]

Failed = dict[int, BaseException]
"""Places that failed, and why."""


def apply_all(
    step: Callable[[Any, Any], Any], cells: list[Any], values: list[Any]
) -> tuple[list[Any], Failed]:
    """Return ``step(cell, value)`` for each pair; a value itself where the cell is `MISSING`."""
    folded: list[Any] = []
    failed: Failed = {}
    keep = folded.append
    for cell, value in zip(cells, values, strict=True):
        try:
            keep(value if cell is MISSING else step(cell, value))
        except Exception as error:  # noqa: BLE001 - it belongs to its run
            failed[len(folded)] = error
            keep(cell)
    return folded, failed


def apply_at(
    apply: Callable[[Any, Any, int], tuple[Any, int]],
    cells: list[Any],
    writes: Iterable[tuple[Iterable[int], list[Any]]],
) -> Failed:
    """Apply several writes, each value at its place, to `cells` in place, in order.

    Parameters
    ----------
    apply : callable
        From a cell, a value and what it said of the cell before (0 at first) to the new
        cell and what to remember of it.
    cells : list
        Changed in place; the cells of rows that fail mean nothing.
    writes : iterable of (places, values)
        A row that failed takes no further values.
    """
    notes = bytearray(len(cells))
    failed: Failed = {}
    for places, values in writes:
        for i, value in zip(places, values, strict=True):
            if failed and i in failed:
                continue
            if cells[i] is MISSING:
                cells[i] = value
                continue
            try:
                cells[i], notes[i] = apply(cells[i], value, notes[i])
            except Exception as error:  # noqa: BLE001 - it belongs to its run
                failed[i] = error
    return failed

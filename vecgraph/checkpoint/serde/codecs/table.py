"""States as a table: what codecs take and give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from vecgraph.constants import MISSING

__all__ = ["States", "Table", "states_of"]

States: TypeAlias = Sequence[Mapping[str, Any]] | Mapping[str, Any] | pa.Table
"""States: a list with a dict a state, or columns by name, or an Arrow table."""


@dataclass(frozen=True, slots=True)
class Table:
    """States as columns.

    Attributes
    ----------
    rows : int
        Number of states.
    columns : dict of str to list
        Values by key, `MISSING` where a state lacks the key: None is a value, absent is not.
    """

    rows: int
    columns: dict[str, list[Any]]

    @classmethod
    def of(cls, states: States) -> Table:
        """Return states, given in any form, as a table.

        Raises
        ------
        TypeError
            A state is no dict, or a key is no text.
        ValueError
            Columns have different lengths.
        """
        if isinstance(states, pa.Table):
            names = states.column_names
            return cls(states.num_rows, {name: states[name].to_pylist() for name in names})
        if isinstance(states, Mapping):
            return cls._of_columns({key: _listed(values) for key, values in states.items()})
        columns: dict[str, list[Any]] = {}
        for row, state in enumerate(states):
            for key in _checked(row, state):
                if key not in columns:
                    columns[key] = [MISSING] * len(states)
                columns[key][row] = state[key]
        return cls._of_columns(columns, len(states))

    @classmethod
    def _of_columns(cls, columns: dict[Any, list[Any]], rows: int | None = None) -> Table:
        _check_keys(columns)
        lengths = {len(values) for values in columns.values()}
        if len(lengths) > 1:
            raise ValueError(
                f"Columns have different lengths: {sorted(lengths)}.\n"
                "Hint: give every column one value a state; MISSING stands for an absent key."
            )
        return cls(rows if rows is not None else max(lengths, default=0), columns)

    def states(self) -> list[dict[str, Any]]:
        """Return a dict a state, keys in the order of the columns."""
        states: list[dict[str, Any]] = [{} for _ in range(self.rows)]
        for key, values in self.columns.items():
            for state, value in zip(states, values, strict=True):
                if value is not MISSING:
                    state[key] = value
        return states

    def absent(self) -> dict[str, list[int]]:
        """Return the rows that lack a key, for the keys that any row lacks."""
        found = {
            key: [row for row, value in enumerate(values) if value is MISSING]
            for key, values in self.columns.items()
        }
        return {key: rows for key, rows in found.items() if rows}


def states_of(states: States) -> list[dict[str, Any]]:
    """Return states, given in any form, as a dict each, keys in the order that each has.

    Raises
    ------
    TypeError, ValueError
        As `Table.of`.
    """
    if isinstance(states, (Mapping, pa.Table)):
        return Table.of(states).states()
    listed = [dict(_checked(row, state)) for row, state in enumerate(states)]
    for state in listed:
        _check_keys(state)
    return listed


def _checked(row: int, state: Any) -> Mapping[str, Any]:
    if not isinstance(state, Mapping):
        raise TypeError(
            f"State {row} is a {type(state).__name__}, not a dict.\n"
            "Hint: pass a list of dicts, or a dict of columns."
        )
    return state


def _check_keys(names: Iterable[Any]) -> None:
    for key in names:
        if type(key) is not str:
            raise TypeError(
                f"A state has a key of type {type(key).__name__}.\n"
                "Hint: keys of a state are its channels, whose names are text."
            )


def _listed(values: Any) -> list[Any]:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values.to_pylist()
    if isinstance(values, np.ndarray) and values.ndim == 1 and values.dtype.kind in "biufO":
        listed: list[Any] = values.tolist()
        return listed
    return list(values)

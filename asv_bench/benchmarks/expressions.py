"""Expressions over text and over numbers with None, in Arrow columns and as Python objects."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from vecgraph.nodes.expr import Expression

TEXTS = {
    "search": "contains(text, 'yes') if text is not None else False",
    "equal": "text == 'no'",
    "fill": "where(text is None, '', text)",
    "sum": "where(n is None, 0, n * 2)",
}


class Evaluate:
    """`Expression.evaluate` on n_rows, a tenth of them None; seconds per superstep."""

    params = (list(TEXTS), ["arrow", "objects"], [1_000, 100_000])
    param_names = ("expression", "columns", "n_rows")
    version = "1"

    def setup(self, expression: str, columns: str, n_rows: int) -> None:
        """Make the columns, and compare a few rows with plain Python."""
        texts = [None if i % 10 == 0 else f"{i}: {'yes' if i % 3 else 'no'}" for i in range(n_rows)]
        numbers = [None if i % 10 == 0 else i for i in range(n_rows)]
        arrays = {"text": pa.array(texts), "n": pa.array(numbers)}
        objects = {name: np.array(a.to_pylist(), object) for name, a in arrays.items()}
        self.columns = arrays if columns == "arrow" else objects
        self.expression = Expression(TEXTS[expression])
        found = self.time_evaluate(expression, columns, n_rows)
        rows = [{"text": texts[i], "n": numbers[i]} for i in range(50)]
        assert found[:50] == [self.expression.scalar(row) for row in rows]

    def time_evaluate(self, expression: str, columns: str, n_rows: int) -> list[object]:
        to_arrow = columns == "arrow"
        result = self.expression.evaluate(self.columns, n_rows, to_arrow=to_arrow)
        assert not result.errors
        return list(result.values[:50].tolist())

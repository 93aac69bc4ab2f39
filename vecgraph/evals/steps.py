"""The steps of an evaluation with checkpoints, as its saver knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from vecgraph.constants import START
from vecgraph.evals.rundir import STEP_SCHEMA
from vecgraph.frames import steps_df

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["steps_of"]


def steps_of(saver: Any, errors: Sequence[Any]) -> pa.Table:
    """Return a row for each node that ran in a superstep of a run, as in ``steps.arrow``.

    A node that ran on several Sends of one superstep has one row. Of a superstep that failed
    there is the node that raised.

    Parameters
    ----------
    saver : LogSaver
        Of runs whose threads are called ``prefix/number``.
    errors : sequence of RowError
    """
    found = [*_ended(saver), *((e.row, e.step, e.node) for e in errors if e.node is not None)]
    rows, steps, nodes = zip(*found, strict=True) if found else ((), (), ())
    made = pa.table({"row": rows, "step": steps, "node": pa.array(nodes, pa.string())})
    return made.sort_by([("step", "ascending"), ("row", "ascending")]).cast(STEP_SCHEMA)


def _ended(saver: Any) -> Iterator[tuple[int, int, str]]:
    table = steps_df(saver, ["thread_id", "step", "ran"], ns="", as_="arrow")
    known: dict[str, list[str]] = {}
    for thread, step, ran in zip(*(column.to_pylist() for column in table.columns), strict=True):
        if ran not in known:
            known[ran] = _nodes(ran)
        row = int(thread.rpartition("/")[2])
        for name in known[ran]:
            yield row, step, name


def _nodes(text: str | None) -> list[str]:
    names = (text or "").split(", ")
    return [name for name in names if name and name != START and not name.startswith("__")]

"""Conformance of savers, in bulk: what they do for many threads at once, and tables of them."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from vecgraph.checkpoint.base import ERROR, INTERRUPT, RESUME
from vecgraph.checkpoint.threads import printable
from vecgraph.constants import MISSING
from vecgraph.frames import History, history
from vecgraph.frames.fixed import written
from vecgraph.frames.sources import Source
from vecgraph.testing.compare import difference

if TYPE_CHECKING:
    from vecgraph.testing._saver_model import Model, Stored

__all__ = ["TableRules", "values"]


def values() -> st.SearchStrategy[Any]:
    """Return a strategy of values of the kinds that states hold."""
    leaves = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=20)
        | st.binary(max_size=20)
    )
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text(max_size=5), inner, max_size=3)
            | st.tuples(inner, inner)
        ),
        max_leaves=6,
    )


class TableRules(RuleBasedStateMachine):
    """Rules for savers that are a log of chunks."""

    saver: Any
    model: Model
    ever: dict[tuple[str, str], list[str]]

    @precondition(lambda self: self.ever and hasattr(self.saver, "put_writes_many"))
    @rule(
        data=st.data(),
        rows=st.lists(
            st.tuples(
                st.sampled_from(("t1", "t2")),
                st.sampled_from(("x", "messages", ERROR, INTERRUPT, RESUME)),
                values(),
            ),
            min_size=1,
            max_size=4,
        ),
    )
    def put_writes_many(self, data: st.DataObject, rows: Any) -> None:
        """Put writes of many checkpoints in one call."""
        stored = [
            (key, name) for key, found in sorted(self.model.threads.items()) for name in found
        ]
        if not stored:
            return
        places = self._places()
        chosen = [data.draw(st.sampled_from(stored)) for _ in rows]
        at = np.array([places[*key, printable(name)] for key, name in chosen], np.int64)
        tasks, channels, found = zip(*copy.deepcopy(rows), strict=True)
        self.saver.put_writes_many(at[:, 0], at[:, 1].astype(np.int32), tasks, "", channels, found)
        lists: dict[Any, list[Any]] = {}
        for (key, name), (task, channel, value) in zip(chosen, rows, strict=True):
            lists.setdefault((key, name, task), []).append((channel, value))
        for (key, name, task), writes in lists.items():
            self.model.put_writes(key, name, writes, task, "")

    def _places(self) -> dict[tuple[str, str, str], tuple[int, int]]:
        """Return number and place of each checkpoint that is there."""
        found = {}
        for (thread, ns), stored in self.model.threads.items():
            if not stored:
                continue  # all that it had was deleted
            (number,) = self.saver.find_threads([thread], ns=ns).tolist()
            past = History(Source(self.saver, [thread], ns))
            for name, seq in zip(past.column("checkpoint_id").tolist(), past.seq, strict=True):
                found[thread, ns, name] = number, int(seq)
        return found

    def _tables_agree(self, expected: dict[tuple[str, str], list[Stored]]) -> None:
        """Compare a table of all checkpoints with the model."""
        past = history(self.saver)
        kept = {
            (*key, printable(stored.checkpoint["id"])): stored
            for key, rows in expected.items()
            for stored in rows
        }
        assert len(past) == len(kept)
        columns = {
            written(name): past.column(written(name)).tolist() for name in past.past.channels
        }
        ids = past.column("checkpoint_id").tolist()
        for row, number in enumerate(past.threads.tolist()):
            thread, ns = self.saver._threads.name(number)
            values = kept[thread, ns, ids[row]].checkpoint["channel_values"]
            shown = {written(c): v for c, v in values.items() if not c.startswith("branch:to:")}
            found = {c: cells[row] for c, cells in columns.items() if cells[row] is not MISSING}
            assert (where := difference(found, shown)) is None, where

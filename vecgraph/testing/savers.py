"""Conformance of savers: a state machine that holds a saver against a perfect one.

A new saver's test is a dozen lines: pass a function that opens it, and run what comes back.

::

    def open_saver(folder):
        return ArrowSaver(folder / "run")

    TestArrowSaver = conformance(open_saver).TestCase
"""

from __future__ import annotations

import copy
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    precondition,
    rule,
)

from vecgraph.checkpoint.base import (
    ERROR,
    INTERRUPT,
    RESUME,
    BaseCheckpointSaver,
    empty_checkpoint,
)
from vecgraph.checkpoint.bulk import BulkSaver
from vecgraph.checkpoint.id import checkpoint_id
from vecgraph.checkpoint.rows import time_text
from vecgraph.testing._saver_model import Model, Stored
from vecgraph.testing._saver_tables import TableRules, values
from vecgraph.testing.compare import difference

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SaverMachine", "conformance", "values"]

THREADS = (
    "a",
    "a",
    "b",
    "b",
    "a/../b",
    "a\0b",
    "é" * 40,
    "\ud800",
    "x" * 300,
    "a1",
    "a10",
    "'; --",
)
NAMESPACES = ("", "", "child:1", "child:1|deep:2")
CHANNELS = ("messages", "log", "x", "branch:to:n", "x:packed", "step")
LISTS = ("messages", "log")
RUNS = ("run-1", "run-2")


def conformance(make: Callable[[Path], Any], *, durable: bool = True) -> type[SaverMachine]:
    """Return the state machine of a saver; its `TestCase` runs under pytest.

    Parameters
    ----------
    make : callable
        Gets an empty folder of its own, and opens a saver there; called with the same folder
        after the saver was closed, it opens what is there.
    durable : bool
        Whether that finds the checkpoints again.
    """
    return type(
        "SaverConformance", (SaverMachine,), {"make": staticmethod(make), "durable": durable}
    )


class SaverMachine(TableRules):
    """Does the same to a saver and to the model, and compares all that both hold."""

    make: Callable[[Path], Any]
    durable = True

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="vecgraph-conformance-"))
        self.saver = type(self).make(self.folder)
        self.model = Model()
        self.count = 0
        self.ever: dict[tuple[str, str], list[str]] = {}
        self.deleted = False

    def teardown(self) -> None:
        """Compare everything, close the saver and remove its folder."""
        try:
            self.everything_is_there()
        finally:
            self.saver.close()
            shutil.rmtree(self.folder)

    @rule(
        thread=st.sampled_from(THREADS),
        ns=st.sampled_from(NAMESPACES),
        data=st.data(),
    )
    def put(self, thread: str, ns: str, data: st.DataObject) -> None:
        """Put a checkpoint that goes on from the latest one, from any, or from none."""
        known, ever = self._known(thread, ns)
        some = st.sampled_from([None, "unknown", *ever])
        parent = data.draw(some | st.sampled_from([known[-1]] * 3 + known) if known else some)
        self._put(thread, ns, parent, CHANNELS, data)

    @precondition(lambda self: self.ever)
    @rule(data=st.data(), channels=st.sampled_from((LISTS, LISTS, CHANNELS)))
    def go_on(self, data: st.DataObject, channels: tuple[str, ...]) -> None:
        """Put a checkpoint whose lists grew, or changed where a caller should not."""
        thread, ns, _ = self._some(data)
        known, _ = self._known(thread, ns)
        self._put(thread, ns, known[-1] if known else None, channels, data)

    def _some(self, data: st.DataObject) -> tuple[str, str, str]:
        """Draw a checkpoint that there is or was."""
        places = [(*key, name) for key, names in self.ever.items() for name in names]
        return data.draw(st.sampled_from(places))

    def _known(self, thread: str, ns: str) -> tuple[list[str], list[str]]:
        """Return the ids that there are, and those that there ever were."""
        key = (thread, ns)
        return sorted(self.model.threads.get(key, {})), self.ever.setdefault(key, [])

    def _put(
        self,
        thread: str,
        ns: str,
        parent: str | None,
        channels: tuple[str, ...],
        data: st.DataObject,
    ) -> None:
        key = (thread, ns)
        before = self.model.threads.get(key, {}).get(parent or "")
        # Made from a counter and not from the time, so that a failure can be repeated.
        self.count += 1
        fresh = checkpoint_id(1_700_000_000_000_000 + self.count, 1, 0, 0)
        checkpoint = data.draw(_checkpoints(before, self.ever[key], fresh, channels))
        self.ever[key].append(checkpoint["id"])
        metadata = data.draw(_metadata())
        new = _new_versions(before, checkpoint)
        given = copy.deepcopy(checkpoint)
        stored = self.saver.put(_config(thread, ns, parent), given, metadata, new)
        self.model.put(key, parent, checkpoint, metadata, new)
        assert stored["configurable"]["checkpoint_id"] == checkpoint["id"]
        _spoil(given["channel_values"])

    @precondition(lambda self: self.ever)
    @rule(
        data=st.data(),
        early=st.booleans(),
        writes=st.lists(
            st.tuples(st.sampled_from(("x", "messages", ERROR, INTERRUPT, RESUME)), values()),
            max_size=3,
        ),
        task=st.sampled_from(("t1", "t2")),
        path=st.sampled_from(("", "~__pregel_pull, b", "~__pregel_pull, a")),
    )
    def put_writes(
        self, data: st.DataObject, early: bool, writes: Any, task: str, path: str
    ) -> None:
        """Put writes of a checkpoint, or of one that is not there yet."""
        thread, ns, name = self._some(data)
        if early:
            name = f"{name}-early"
            self.ever[thread, ns].append(name)
        self.saver.put_writes(_config(thread, ns, name), copy.deepcopy(writes), task, path)
        if writes:
            self.model.put_writes((thread, ns), name, writes, task, path)

    @precondition(lambda self: self.ever)
    @rule(data=st.data())
    def get(self, data: st.DataObject) -> None:
        """Get a checkpoint by its id, deleted or not, and the latest of a thread."""
        thread, ns, name = self._some(data)
        stored = self.model.threads.get((thread, ns), {})
        _compare(
            self.saver.get_tuple(_config(thread, ns, name)), stored.get(name), (thread, ns, name)
        )
        latest = max(stored, default="")
        _compare(
            self.saver.get_tuple(_config(thread, ns)), stored.get(latest), (thread, ns, latest)
        )
        assert self.saver.get_tuple(_config(thread, "never")) is None

    @precondition(lambda self: self.ever)
    @rule(
        data=st.data(),
        wanted=st.sampled_from(({}, {"source": "loop"}, {"step": 1}, {"run_id": RUNS[0]})),
        limit=st.none() | st.integers(0, 3),
        everywhere=st.booleans(),
    )
    def list_some(
        self, data: st.DataObject, wanted: Any, limit: int | None, everywhere: bool
    ) -> None:
        """List with a filter, a cursor and a limit."""
        thread, ns, name = self._some(data)
        config = _config(thread) if everywhere else _config(thread, ns)
        found = list(
            self.saver.list(config, filter=wanted, before=_config(thread, ns, name), limit=limit)
        )
        listed = self.model.listed(thread, None if everywhere else ns, wanted, name)
        expected = [s for rows in listed.values() for s in rows]
        if everywhere:
            assert len(found) == min(len(expected), len(expected) if limit is None else limit)
            return
        expected = expected[:limit]
        assert len(found) == len(expected)
        for item, stored in zip(found, expected, strict=True):
            _compare(item, stored, (thread, ns, stored.checkpoint["id"]))

    @precondition(lambda self: self.ever)
    @rule(data=st.data(), how=st.sampled_from(("thread", "runs", "keep_latest", "delete")))
    def delete(self, data: st.DataObject, how: str) -> None:
        """Delete a thread, by run, or all but the latest."""
        thread = self._some(data)[0]
        if how == "thread":
            self.saver.delete_thread(thread)
            self.model.delete_thread(thread)
        elif how == "runs":
            runs = data.draw(st.lists(st.sampled_from((*RUNS, "none")), max_size=1))
            self.saver.delete_for_runs(runs)
            self.model.delete_for_runs(runs)
        else:
            self.saver.prune([thread, "never"], strategy=how)
            self.model.prune([thread], how)
        self.deleted = True

    @precondition(lambda self: self.ever)
    @rule(data=st.data(), to=st.sampled_from(THREADS))
    def copy_thread(self, data: st.DataObject, to: str) -> None:
        """Copy a thread, perhaps onto one that is there."""
        of = self._some(data)[0]
        if of != to:
            self.saver.copy_thread(of, to)
            self.model.copy_thread(of, to)
            for thread, ns in list(self.ever):
                if thread == of:
                    self.ever.setdefault((to, ns), []).extend(self.ever[of, ns])

    @precondition(lambda self: self.ever and self.durable)
    @rule()
    def reopen(self) -> None:
        """Close the saver and open it again."""
        self.saver.close()
        self.saver = type(self).make(self.folder)

    @precondition(lambda self: self.ever and hasattr(self.saver, "compact"))
    @rule()
    def compact(self) -> None:
        """Let the saver put its chunks together."""
        self.saver.compact()

    @precondition(lambda self: self.ever and not self.deleted)
    @rule(data=st.data())
    def delta_history(self, data: st.DataObject) -> None:
        """Ask what delta channels are made of: the same as a walk over the parents finds."""
        config = _config(*self._some(data))
        got = self.saver.get_delta_channel_history(config=config, channels=["x", "messages"])
        plain = BaseCheckpointSaver.get_delta_channel_history
        expected = plain(self.saver, config=config, channels=["x", "messages"])
        assert (where := difference(got, expected)) is None, where

    @rule()
    def everything_is_there(self) -> None:
        """All threads hold what the model holds."""
        expected = self.model.listed()
        found: dict[tuple[str, str], list[Any]] = {}
        for item in self.saver.list(None):
            conf = item.config["configurable"]
            found.setdefault((conf["thread_id"], conf["checkpoint_ns"]), []).append(item)
        assert found.keys() == expected.keys()
        for key, rows in expected.items():
            assert [item.checkpoint["id"] for item in found[key]] == [
                stored.checkpoint["id"] for stored in rows
            ]
            for item, stored in zip(found[key], rows, strict=True):
                _compare(item, stored, (*key, stored.checkpoint["id"]))
        if isinstance(self.saver, BulkSaver):
            self._tables_agree(expected)


def _config(thread: str, ns: str | None = None, checkpoint_id: str | None = None) -> Any:
    conf = {"thread_id": thread}
    if ns is not None:
        conf["checkpoint_ns"] = ns
    if checkpoint_id is not None:
        conf["checkpoint_id"] = checkpoint_id
    return {"configurable": conf}


def _compare(found: Any, stored: Stored | None, at: tuple[str, str, str]) -> None:
    assert (found is None) == (stored is None), at
    if stored is None:
        return
    parent = None if stored.parent is None else _config(at[0], at[1], stored.parent)
    for got, expected in (
        (found.checkpoint, stored.checkpoint),
        (found.metadata, stored.metadata),
        (found.parent_config, parent),
        (found.pending_writes, stored.pending()),
        (found.config, _config(*at)),
    ):
        where = difference(got, expected)
        assert where is None, f"{at}: {where}"


def _new_versions(before: Stored | None, checkpoint: Any) -> dict[str, Any]:
    known = {} if before is None else before.checkpoint["channel_versions"]
    versions = checkpoint["channel_versions"]
    return {c: v for c, v in versions.items() if c not in known or repr(known[c]) != repr(v)}


def _spoil(values: dict[str, Any]) -> None:
    """Change what was passed in: a saver must not have kept it."""
    for value in values.values():
        if isinstance(value, list):
            value.append("spoilt")
        elif isinstance(value, dict):
            value["spoilt"] = True


@st.composite
def _metadata(draw: Any) -> Any:
    return draw(
        st.fixed_dictionaries(
            {},
            optional={
                "source": st.sampled_from(("input", "loop", "update", "fork")),
                "step": st.integers(-1, 3),
                "parents": st.dictionaries(st.sampled_from(NAMESPACES), st.text(max_size=4)),
                "run_id": st.sampled_from(RUNS),
                "score": st.floats(allow_nan=False) | st.integers() | st.none(),
            },
        )
    )


@st.composite
def _checkpoints(
    draw: Any, before: Stored | None, known: list[str], fresh: str, channels: tuple[str, ...]
) -> Any:
    """Draw a checkpoint that goes on from `before`."""
    made: Any = empty_checkpoint() | {"ts": time_text(1_700_000_000_123_456)}
    base = made if before is None else before.checkpoint
    made["v"] = draw(st.sampled_from((1, 2, 4)))
    made["id"] = draw(_ids(known, fresh))
    if draw(st.booleans()):
        del made["pending_sends"]
    made["ts"] = draw(st.sampled_from((made["ts"], "2024-02-30", "2024-05-04T06:32:42+02:00")))
    made["channel_values"] = copy.deepcopy(base["channel_values"])
    made["channel_versions"] = dict(base["channel_versions"])
    for channel in draw(st.lists(st.sampled_from(channels), unique=True, max_size=3)):
        _change(draw, made, channel)
    made["versions_seen"] = copy.deepcopy(base["versions_seen"])
    for node in draw(st.lists(st.sampled_from(("n", "m")), unique=True)):
        seen = draw(st.none() | st.dictionaries(st.sampled_from(CHANNELS), _versions(), max_size=2))
        made["versions_seen"].pop(node, None)
        if seen is not None:
            made["versions_seen"][node] = seen
    made["updated_channels"] = draw(
        st.none() | st.lists(st.sampled_from(CHANNELS), unique=True).map(sorted)
    )
    return made


def _versions() -> st.SearchStrategy[Any]:
    return st.integers(0, 9) | st.sampled_from((f"{3:032}.{0:016}", 1.5))


def _change(draw: Any, made: Any, channel: str) -> None:
    version = made["channel_versions"].get(channel)
    how = draw(
        st.sampled_from(("put", "clear", "drop", "grow", "mutate", "grow", "mutate", "type"))
    )
    values_, value = made["channel_values"], made["channel_values"].get(channel)
    if how == "drop":
        values_.pop(channel, None)
        made["channel_versions"].pop(channel, None)
        return
    number = int(version.split(".")[0]) if isinstance(version, str) else version or 0
    made["channel_versions"][channel] = float(number) if how == "type" else int(number) + 1
    if how == "clear":
        values_.pop(channel, None)
    elif how in {"grow", "mutate"} and isinstance(value, list):
        if value and how == "mutate":
            value[draw(st.integers(0, len(value) - 1))] = draw(values())
        value.extend(draw(st.lists(values(), max_size=3)))
    elif channel in LISTS:
        values_[channel] = draw(st.lists(values(), max_size=4))
    else:
        values_[channel] = draw(values() | st.lists(values(), max_size=4))


def _ids(known: list[str], fresh: str) -> st.SearchStrategy[str]:
    odd = ["00-early", "zz-late", "not a uuid", "\ud800", fresh.upper()]
    some = st.sampled_from([fresh] * 10 + odd)
    return some | st.sampled_from(known) if known else some

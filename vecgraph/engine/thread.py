"""A run's thread: what of it is kept, and what is asked of the saver that keeps it.

Nothing here calls a saver. What must be read or written is an `Ask`, which a driver answers:
at once, on an event loop, or beside the run. So one copy of the rules serves all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from inspect import signature
from typing import TYPE_CHECKING, Any

from vecgraph.channels.delta import Rebuilt
from vecgraph.channels.log import Log
from vecgraph.constants import ERROR, INTERRUPT, MISSING, NULL_TASK, RESUME, TASKS
from vecgraph.engine.ids import new_checkpoint_id, path_text
from vecgraph.engine.told import Append, Clear, Put, Told
from vecgraph.types import Send

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from vecgraph.engine.run import Run
    from vecgraph.engine.shared import Shared
    from vecgraph.engine.tables import Tables
    from vecgraph.engine.told import Change
    from vecgraph.nodes.writer import Pairs

__all__ = ["Ask", "Thread", "checkpoint_of", "completed", "now", "renew", "restored", "tracked"]

VERSION = 4
"""Version of LangGraph's checkpoints that is written."""

_SLOTS = frozenset({ERROR, INTERRUPT, RESUME, "__scheduled__"})
"""Writes of which a saver keeps one a task."""


@dataclass(slots=True, eq=False)
class Ask:
    """Something that a saver must do.

    Attributes
    ----------
    verb : str
        Name of the saver's method.
    args : tuple
    wait : bool
        Whether the run needs the answer before it goes on.
    """

    verb: str
    args: tuple[Any, ...]
    wait: bool = True


class Thread:
    """Where a run's checkpoints are kept, and the one that it stands on.

    Attributes
    ----------
    saver : object
        With LangGraph's interface.
    config : dict
        What a saver gets: the run's config with the coordinates of the thread.
    ns : str
    durability : {'sync', 'async', 'exit'}
    id : str
        Id of the checkpoint that the current superstep stands on.
    saved : str
        Id of the last one that was saved or found.
    metadata : dict
        Its metadata.
    parent_config : dict or None
        Coordinates of the checkpoint before it.
    found : bool
        The thread had a checkpoint.
    superseded : bool
        It was addressed by its id, and is not the latest one.
    """

    __slots__ = (
        "_takes_path",
        "addressed",
        "config",
        "durability",
        "found",
        "id",
        "logs",
        "metadata",
        "next_version",
        "ns",
        "parent_config",
        "saved",
        "saver",
        "seen",
        "stored",
        "superseded",
        "tells",
        "ts",
        "wrote",
    )

    def __init__(self, saver: Any, config: dict[str, Any], ns: str, durability: str) -> None:
        self.saver = saver
        given = dict(config.get("configurable") or {})
        if given.get("thread_id") is not None:
            given["thread_id"] = str(given["thread_id"])
        self.config = {**config, "configurable": given}
        self.ns = ns
        self.durability = durability
        self.next_version = saver.get_next_version
        self.metadata: dict[str, Any] = {"step": -2}
        self.parent_config: Any = None
        self.found = False
        self.superseded = False
        self.addressed = bool(given.get("checkpoint_id"))
        self.tells = bool(getattr(saver, "tells", False))
        self.stored: dict[str, Any] = {}
        self.seen: dict[str, dict[str, Any]] = {}
        self.logs: dict[str, Log] = {}
        self.wrote: set[str] = set()
        self.id = self.saved = self.ts = ""
        self._takes_path = "task_path" in signature(saver.put_writes).parameters

    @property
    def thread_id(self) -> str:
        """Name of the thread."""
        name: str = self.config["configurable"]["thread_id"]
        return name

    def at(self, checkpoint_id: str | None) -> dict[str, Any]:
        """Return the coordinates of one of the thread's checkpoints; None: the latest."""
        given = self.config["configurable"]
        place = {**given, "checkpoint_ns": self.ns, "checkpoint_id": checkpoint_id}
        return {**self.config, "configurable": place}

    def here(self) -> dict[str, Any]:
        """Return the coordinates of the checkpoint that the run stands on."""
        given = self.config["configurable"]
        return {**self.config, "configurable": {**given, "checkpoint_id": self.id}}

    def load(self, tables: Tables, run: Run, shared: Shared) -> Generator[Ask, Any, None]:
        """Find the checkpoint that the run goes on from, and bring the run to its state."""
        saved = yield from completed(tables, (yield from self._find(shared)))
        self.found = saved is not None
        if saved is None:
            self.id = self.saved = new_checkpoint_id(-2)
            given = self.config["configurable"]
            self.config = {**self.config, "configurable": {"checkpoint_ns": "", **given}}
        else:
            self.stand_on(saved)
            restored(tables, run, saved)
            self._know(run)
            renew(tables, run, saved, self)
            self.logs = {n: cell for n, cell in run.cells.items() if isinstance(cell, Log)}
        run.step = self.metadata.get("step", -2) + 1
        run.stop = run.step + shared.limit + 1

    def _find(self, shared: Shared) -> Generator[Ask, Any, Any]:
        if self.addressed:
            saved = yield Ask("get_tuple", (self.config,))
            if saved is not None:
                latest = yield Ask("get_tuple", (self.at(None),))
                self.superseded = (
                    latest is not None and latest.checkpoint["id"] != saved.checkpoint["id"]
                )
            return saved
        replay = shared.replay
        if replay is not None and replay.is_first(self.ns):
            self.addressed = True
            before = {"configurable": {"checkpoint_id": replay.checkpoint_id}}
            found = yield Ask("list", (self.config, {"before": before, "limit": 1}))
            return found[0] if found else None
        if replay is not None:
            self.addressed = True
        saved = yield Ask("get_tuple", (self.config,))
        return saved

    def stand_on(self, saved: Any) -> None:
        """Take a checkpoint that was found as the one that the run stands on."""
        checkpoint = saved.checkpoint
        place = saved.config.get("configurable", {})
        given = self.config["configurable"]
        self.config = {
            **self.config,
            **saved.config,
            "configurable": {"checkpoint_ns": "", **given, **place},
        }
        self.id = self.saved = checkpoint["id"]
        self.ts = checkpoint["ts"]
        self.metadata = dict(saved.metadata)
        self.parent_config = saved.parent_config

    def note(
        self, tables: Tables, run: Run, task_id: str, pairs: Pairs, path: tuple[Any, ...] = ()
    ) -> Ask | None:
        """Keep what a task wrote beside the checkpoint it ran on."""
        if not pairs:
            return None
        self.wrote.add(task_id)
        pairs = _one_a_slot(pairs)
        if task_id == NULL_TASK:
            run.pending = [w for w in run.pending if w[0] != task_id or w[1] not in _SLOTS]
            # A saver keeps a write by its place in the list: those that may be replaced go last.
            pairs = sorted(pairs, key=lambda pair: pair[0] in _SLOTS)
            kept = [(c, v) for t, c, v in run.pending if t == task_id] + pairs
        else:
            run.opened = run.pending if run.opened is None else run.opened
            run.pending = [w for w in run.pending if w[0] != task_id]
            kept = pairs
        run.pending += [(task_id, channel, value) for channel, value in pairs]
        if self.durability == "exit":
            return None
        return self._put_writes(tables, task_id, kept, path)

    def _put_writes(self, tables: Tables, task_id: str, pairs: Pairs, path: tuple[Any, ...]) -> Ask:
        place: tuple[Any, ...] = (self.at(self.id), tracked(tables, pairs), task_id)
        if self._takes_path:
            place = (*place, path_text(path) if path else "")
        return Ask("put_writes", place, wait=False)

    def step(self, tables: Tables, run: Run, source: str) -> Ask | None:
        """Note that a superstep has ended; return what saves its checkpoint, if it is saved now."""
        self.metadata = {"source": source, "step": run.step, "parents": self._parents()}
        self.id, self.ts = new_checkpoint_id(run.step), now()
        run.step += 1
        if self.durability == "exit":
            return None
        return self._put(tables, run)

    def _parents(self) -> dict[str, str]:
        parents: dict[str, str] = self.config["configurable"].get("checkpoint_map") or {}
        return parents

    def _put(self, tables: Tables, run: Run) -> Ask:
        place = self.config["configurable"]
        before = {**self.config, "configurable": {**place, "checkpoint_ns": self.ns}}
        self.parent_config = self.config if place.get("checkpoint_id") else None
        news = self.news(run)
        told = self._told(tables, run, news) if self.tells else None
        whole = None if self.tells else checkpoint_of(tables, run, self.id, self.ts)
        self._know(run)
        self.config = {
            **before,
            "configurable": {**before["configurable"], "checkpoint_id": self.id},
        }
        self.saved = self.id
        wait = self.durability == "sync"
        if told is not None:
            return Ask("put_told", (before, told), wait=wait)
        return Ask("put", (before, whole, dict(self.metadata), news), wait=wait)

    def _know(self, run: Run) -> None:
        """Note what the last checkpoint has."""
        self.stored = dict(run.versions)
        if self.tells:
            self.seen = {node: dict(versions) for node, versions in run.seen.items()}

    def _told(self, tables: Tables, run: Run, news: dict[str, Any]) -> Told:
        """Return what the checkpoint changes: of lists that grew, what came to their end."""
        return Told(
            changes={
                name: self._change(tables, name, run.cells.get(name, MISSING)) for name in news
            },
            versions=news,
            seen=dict(_seen_since(self.seen, run.seen)),
            metadata=dict(self.metadata),
            id=self.id,
            ts=self.ts,
            updated=None if run.updated is None else sorted(run.updated),
        )

    def _change(self, tables: Tables, name: str, cell: Any) -> Change:
        channel = tables.channels.get(name)
        before = self.logs.pop(name, None)
        if isinstance(cell, Log):
            self.logs[name] = cell
            items = None if before is None else cell.appended_since(before)
            if before is not None and items is not None:
                return Append(len(before), items)
        value: Any = MISSING if channel is None else channel.checkpoint(cell)
        if name == TASKS and value is not MISSING:
            value = [_kept(tables, send) for send in value]
        return Clear() if value is MISSING else Put(value)

    def news(self, run: Run) -> dict[str, Any]:
        """Return the versions of the channels that have changed since the last checkpoint."""
        return {k: v for k, v in run.versions.items() if _is_newer(v, self.stored.get(k))}

    def leave(self, tables: Tables, run: Run) -> list[Ask]:
        """Return what must be saved as the run ends, under durability ``exit``."""
        asks = []
        if self.id != self.saved:
            asks.append(self._put(tables, run))
        by_task: dict[str, Pairs] = {}
        for task_id, channel, value in run.pending:
            if task_id in self.wrote:
                by_task.setdefault(task_id, []).append((channel, value))
        called = () if run.calls is None else run.calls.tasks
        paths = {task.id: task.path for task in (*run.tasks, *called)}
        asks += [
            self._put_writes(tables, task_id, pairs, paths.get(task_id, ()))
            for task_id, pairs in by_task.items()
        ]
        return asks


def now() -> str:
    """Return the time as checkpoints show it."""
    return datetime.now(UTC).isoformat()


def _seen_since(
    before: Mapping[str, Mapping[str, Any]], seen: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return what nodes have seen that they had not, by node."""
    for node, versions in seen.items():
        known = before.get(node)
        if known is None:
            yield node, dict(versions)
        elif news := {c: v for c, v in versions.items() if known.get(c) != v}:
            yield node, news


def _is_newer(version: Any, stored: Any) -> bool:
    return stored is None or version > stored


def _one_a_slot(pairs: Pairs) -> Pairs:
    if all(channel in _SLOTS for channel, _ in pairs):
        return list({channel: (channel, value) for channel, value in pairs}.values())
    return pairs


def tracked(tables: Tables, pairs: Pairs) -> Pairs:
    """Return the writes that are kept, without what no checkpoint keeps."""
    return [(c, _kept(tables, v)) for c, v in pairs if _is_tracked(tables, c)]


def _is_tracked(tables: Tables, channel: str) -> bool:
    rule = tables.channels.get(channel)
    return rule is None or rule.tracked


def _kept(tables: Tables, value: Any) -> Any:
    """Return a value as it is kept: the input of a Send without what no checkpoint keeps."""
    if not tables.untracked or not isinstance(value, Send) or not isinstance(value.arg, dict):
        return value
    arg = {k: v for k, v in value.arg.items() if k not in tables.untracked}
    return Send(value.node, arg, timeout=value.timeout)


def checkpoint_of(tables: Tables, run: Run, checkpoint_id: str, ts: str) -> dict[str, Any]:
    """Return a run's state as LangGraph's checkpoint."""
    values = {}
    for name, channel in tables.channels.items():
        if name in run.versions:
            value = channel.checkpoint(run.cells.get(name, MISSING))
            if value is not MISSING:
                values[name] = value
    if tables.untracked and values.get(TASKS):
        values[TASKS] = [_kept(tables, send) for send in values[TASKS]]
    return {
        "v": VERSION,
        "ts": ts,
        "id": checkpoint_id,
        "channel_values": values,
        "channel_versions": dict(run.versions),
        "versions_seen": {node: dict(seen) for node, seen in run.seen.items()},
        "updated_channels": None if run.updated is None else sorted(run.updated),
    }


def completed(tables: Tables, saved: Any) -> Generator[Ask, Any, Any]:
    """Return what was found of a thread, with the values that LangGraph has kept as writes."""
    if saved is None or not tables.deltas:
        return saved
    checkpoint = saved.checkpoint
    values, versions = checkpoint["channel_values"], checkpoint["channel_versions"]
    lacking = [name for name in tables.deltas if name in versions and name not in values]
    if not lacking:
        return saved
    histories = yield Ask("get_delta_channel_history", (saved.config, lacking))
    found = {name: tables.deltas[name].rebuilt(histories[name]) for name in lacking}
    return saved._replace(checkpoint={**checkpoint, "channel_values": {**values, **found}})


def renew(tables: Tables, run: Run, saved: Any, thread: Thread) -> None:
    """Have the next checkpoint hold what the one found has only the writes of.

    Else LangGraph, when it reads the thread, would walk back over writes that were given up. A
    saver keeps what has a new version; nodes that have met the old one have met this.
    """
    values = saved.checkpoint["channel_values"]
    begun = {channel for _, channel, _ in run.pending}
    for name in tables.deltas:
        before = run.versions.get(name)
        if isinstance(values.get(name), Rebuilt) or (before is None and name in begun):
            after = thread.next_version(max(run.versions.values(), default=None), None)
            run.versions[name] = after
            run.clock = max(run.clock, after) if type(after) is int else run.clock
            for node in tables.triggered.get(name, ()):
                _has_met(run.seen.setdefault(node, {}), name, before, after)


def _has_met(seen: dict[str, Any], name: str, before: Any, after: Any) -> None:
    if seen.get(name) == before:
        seen[name] = after


def restored(tables: Tables, run: Run, saved: Any) -> None:
    """Bring a run to the state of a checkpoint."""
    checkpoint = saved.checkpoint
    values: Mapping[str, Any] = _migrated(checkpoint)
    for name, channel in tables.channels.items():
        cell = channel.restore(values.get(name, MISSING))
        if cell is MISSING:
            run.cells.pop(name, None)
        else:
            run.cells[name] = cell
    run.versions = dict(checkpoint["channel_versions"])
    run.clock = max((v for v in run.versions.values() if type(v) is int), default=0)
    run.seen = {node: dict(seen) for node, seen in checkpoint["versions_seen"].items()}
    updated = checkpoint.get("updated_channels")
    run.updated = set(updated) if updated else None
    run.pending = [
        (str(task), channel, value) for task, channel, value in saved.pending_writes or ()
    ]


def _migrated(checkpoint: Any) -> Mapping[str, Any]:
    """Return the values of a checkpoint; those before version 4 kept Sends apart."""
    values: Mapping[str, Any] = checkpoint["channel_values"]
    sends = checkpoint.get("pending_sends")
    if checkpoint["v"] < VERSION and sends:
        newest = max(checkpoint["channel_versions"].values())
        checkpoint["channel_versions"] = {**checkpoint["channel_versions"], TASKS: newest}
        return {**values, TASKS: sends}
    return values

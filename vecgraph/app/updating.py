"""Changes of a thread's state from outside: as if nodes had written them.

Source of the rules: LangGraph's ``bulk_update_state``, measured by running it.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from vecgraph.app.past import Past
from vecgraph.constants import END, INPUT, INTERRUPT, PUSH
from vecgraph.engine.begin import input_pairs
from vecgraph.engine.ids import new_checkpoint_id, path_text
from vecgraph.engine.run import Task
from vecgraph.engine.run_scope import RunScope
from vecgraph.engine.single import apply
from vecgraph.engine.tables import names_of
from vecgraph.engine.thread import Ask, checkpoint_of, completed, now
from vecgraph.errors import InvalidUpdateError
from vecgraph.snapshots import with_map
from vecgraph.types import StateUpdate

if TYPE_CHECKING:
    from collections.abc import Generator

    from vecgraph.app.base import Compiled

__all__ = ["Write", "updated"]

COPY = "__copy__"
"""Stands for no node: the checkpoint itself is copied."""


@dataclass(slots=True, eq=False)
class Write:
    """What a node would have written: its edges and routers must be run for that."""

    past: Past
    task: Task
    scope: RunScope


Steps = "Generator[Ask | Write, Any, Any]"


def updated(
    app: Compiled, saver: Any, config: Any, supersteps: Sequence[Sequence[StateUpdate]]
) -> Generator[Ask | Write, Any, Any]:
    """Apply updates, superstep by superstep; return the coordinates of the last checkpoint."""
    if not supersteps:
        raise ValueError("No supersteps provided")
    if any(not updates for updates in supersteps):
        raise ValueError("No updates provided")
    for at, updates in enumerate(supersteps):
        config = yield from _superstep(app, saver, config, updates, is_first=at == 0)
    return config


def _superstep(
    app: Compiled, saver: Any, config: Any, updates: Sequence[StateUpdate], *, is_first: bool
) -> Generator[Ask | Write, Any, Any]:
    config = app.own_place(config)
    saved = yield from completed(app.engine.tables, (yield Ask("get_tuple", (config,))))
    place = {"checkpoint_ns": "", **config["configurable"]}
    if saved is not None:
        place.update(saved.config["configurable"])
    past = Past(app, saver, {**config, "configurable": place}, saved)
    update = _Update(past, updates, is_first=is_first)
    values: Any = updates[0].values
    as_node = updates[0].as_node
    if values is None and as_node == END:
        found = yield from update.clear()
    elif as_node == INPUT:
        found = yield from update.as_input(values)
    elif as_node == COPY:
        found = yield from update.copy()
        if isinstance(values, list) and values:
            again = update.of_copy(found, values)
            result = yield from _superstep(app, saver, found, again, is_first=False)
            return result
    else:
        found = yield from update.as_nodes(app)
    return with_map(found, None if saved is None else saved.metadata)


class _Update:
    """The updates of one superstep, and the run that they are applied to."""

    def __init__(self, past: Past, updates: Sequence[StateUpdate], *, is_first: bool) -> None:
        self.past, self.updates, self.is_first = past, updates, is_first
        self.run, self.tables, self.saved = past.run, past.tables, past.saved

    def _alone(self, what: str) -> None:
        if len(self.updates) > 1:
            raise InvalidUpdateError(what)

    def clear(self) -> Generator[Ask, Any, Any]:
        """Drop the tasks that are due."""
        self._alone("Cannot apply multiple updates when clearing state")
        if self.saved is not None:
            tasks = self.past.tasks()
            self.past.apply_null()
            self.past.take_up(tasks)
            apply(self.tables, self.run, tasks, passes=bool(tasks))
        config = yield self._put("update", self.past.step + 1, seen=False)
        return config

    def as_input(self, values: Any) -> Generator[Ask, Any, Any]:
        """Write values as the input of a run."""
        self._alone("Cannot apply multiple updates when updating as input")
        inputs = self.tables.program.inputs
        pairs = input_pairs(inputs, values)
        if not pairs:
            shown = inputs if isinstance(inputs, str) else list(names_of(inputs))
            raise InvalidUpdateError(f"Received no input writes for {shown}")
        if self.saved is not None:
            yield from self._keep([(self._made_id(INPUT), pairs, None)])
        apply(self.tables, self.run, (), pairs, passes=False)
        begun = self.saved is not None and self.saved.metadata.get("step") is not None
        step = self.past.step + 1 if begun else -1
        config = yield self._put("input", step, seen=False)
        return config

    def copy(self) -> Generator[Ask, Any, Any]:
        """Save the checkpoint once more, beside itself."""
        self._alone("Cannot copy checkpoint with multiple updates")
        saved = self.saved
        if saved is None:
            raise InvalidUpdateError("Cannot copy a non-existent checkpoint")
        checkpoint = {**saved.checkpoint, "id": new_checkpoint_id(self.past.step), "ts": now()}
        checkpoint["updated_channels"] = None
        place = {**saved.config["configurable"], "checkpoint_id": None}
        base = saved.parent_config or {**saved.config, "configurable": place}
        parents = saved.metadata.get("parents", {})
        metadata = {"source": "fork", "step": self.past.step + 1, "parents": parents}
        config = yield Ask("put", (base, checkpoint, metadata, {}))
        found: Any = with_map(config, saved.metadata)
        return found

    def of_copy(self, config: Any, values: list[Any]) -> list[StateUpdate]:
        """Return updates of a copy; each gets the id of the task that it stands for, if there is one."""
        run, thread = self.run, self.past.thread
        thread.id = config["configurable"]["checkpoint_id"]
        run.step = self.past.step + 2
        free: dict[str, deque[str]] = defaultdict(deque)
        for task in self.past.tasks():
            free[task.spec.name].append(self.past.ident(task))
        grouped: dict[Any, list[StateUpdate]] = defaultdict(list)
        for item in values:
            if not isinstance(item, Sequence) or isinstance(item, str):
                raise InvalidUpdateError(f"Invalid update item: {item} when copying checkpoint")
            written, as_node = item[:2]
            ident = free[as_node].popleft() if free[as_node] else None
            grouped[as_node].append(StateUpdate(written, as_node, ident))
        return [update for updates in grouped.values() for update in updates]

    def as_nodes(self, app: Compiled) -> Generator[Ask | Write, Any, Any]:
        """Write values as if nodes had returned them."""
        valid = self._checked(app)
        ids = self._ids()
        tasks, writes = [], []
        for at, (name, values, given) in enumerate(valid):
            # Nothing triggers it, so it has seen nothing and consumes nothing.
            spec = dataclasses.replace(self.tables.nodes[name], action=None, triggers=())
            task = Task(spec, values)
            task.path = (INTERRUPT, at)
            suffix = f":{at}" if at else ""
            task.id = given or (
                ids[name].popleft() if ids[name] else self._made_id(INTERRUPT + suffix)
            )
            scope = RunScope(self.past.shared, self.tables, self.run, task)
            yield Write(self.past, task, scope)
            tasks.append(task)
            writes.append((task.id, task.pairs or [], task))
        if self.saved is not None:
            yield from self._keep(writes)
        self._apply(tasks)
        config = yield self._put("update", self.past.step + 1, seen=True)
        return config

    def _apply(self, tasks: list[Task]) -> None:
        """Apply the writes in the order given; channels are told that a superstep has gone by."""
        pairs = [pair for task in tasks for pair in task.pairs or ()]
        for task in tasks:
            task.pairs = None
        apply(self.tables, self.run, tasks, pairs)

    def _checked(self, app: Compiled) -> list[tuple[str, Any, str | None]]:
        """Return (node, values, task id) of each update."""
        valid = []
        for values, as_node, given in self.updates:
            if as_node is None and len(self.updates) > 1:
                raise InvalidUpdateError("as_node is required when applying multiple updates")
            name = self._inferred() if as_node is None else as_node
            if name is None:
                raise InvalidUpdateError("Ambiguous update, specify as_node")
            if name not in self.tables.nodes:
                raise InvalidUpdateError(f"Node {name} does not exist")
            valid.append((name, values, given))
        return valid

    def _inferred(self) -> str | None:
        """Return the node that ran last, None if several did."""
        nodes, seen = self.tables.nodes, self.run.seen
        if len(nodes) == 1:
            return next(iter(nodes))
        if not any(version for versions in seen.values() for version in versions.values()):
            inputs = self.tables.program.inputs
            return inputs if isinstance(inputs, str) and inputs in nodes else None
        last = sorted((v, n) for n, s in seen.items() if n in nodes for v in s.values())
        if last and (len(last) == 1 or last[-1][0] != last[-2][0]):
            return last[-1][1]
        return None

    def _ids(self) -> dict[str, deque[str]]:
        """Return the ids of the tasks that are due, by node: updates stand for them."""
        found: dict[str, deque[str]] = defaultdict(deque)
        if self.saved is not None and self.saved.pending_writes is not None:
            for task in self.past.tasks():
                found[task.spec.name].append(self.past.ident(task))
        return found

    def _made_id(self, what: str) -> str:
        thread = self.past.thread
        if not thread.id:
            thread.id = new_checkpoint_id(-2)
        return str(uuid5(UUID(thread.id), what))

    def _keep(self, writes: Sequence[tuple[str, Any, Task | None]]) -> Generator[Ask, Any, None]:
        """Keep what is written beside the checkpoint it is built on, unless that has children."""
        thread, config = self.past.thread, self.past.thread.config
        if self.is_first and config["configurable"].get("checkpoint_id"):
            latest = yield Ask("get_tuple", (thread.at(None),))
            if latest is not None and latest.checkpoint["id"] != self.saved.checkpoint["id"]:
                return
        for ident, pairs, task in writes:
            kept = [pair for pair in pairs if pair[0] != PUSH]
            if kept:
                path = "" if task is None else path_text(task.path)
                yield Ask("put_writes", (config, kept, ident, path))

    def _put(self, source: str, step: int, *, seen: bool) -> Ask:
        run, thread, saved = self.run, self.past.thread, self.saved
        run.updated = None
        checkpoint = checkpoint_of(
            self.tables, run, new_checkpoint_id(step if seen else self.past.step), now()
        )
        parents = {} if saved is None else saved.metadata.get("parents", {})
        metadata = {"source": source, "step": step, "parents": parents}
        return Ask("put", (thread.config, checkpoint, metadata, thread.news(run)))

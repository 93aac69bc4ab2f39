"""The perfect saver: everything copied, nothing clever. What the conformance suite compares with."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vecgraph.checkpoint.base import WRITES_IDX_MAP, get_checkpoint_metadata, writes_sort_key

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Model", "Stored"]

Key = tuple[str, str]


@dataclass
class Stored:
    """One checkpoint of the model."""

    checkpoint: dict[str, Any]
    metadata: dict[str, Any]
    parent: str | None
    writes: dict[tuple[str, int], tuple[str, str, Any]] = field(default_factory=dict)

    def pending(self) -> list[tuple[str, str, Any]]:
        """Return the pending writes in order."""
        ordered = sorted(self.writes, key=lambda key: writes_sort_key(self.writes[key][0], *key))
        return [(task, *self.writes[task, i][1:]) for task, i in ordered]


class Model:
    """Checkpoints by (thread, namespace) and id."""

    def __init__(self) -> None:
        self.threads: dict[Key, dict[str, Stored]] = {}
        self.early: dict[tuple[str, str, str], Stored] = {}

    def put(
        self, key: Key, parent: str | None, checkpoint: Any, metadata: Any, new_versions: Any
    ) -> None:
        """Store a checkpoint; a channel whose version is the parent's has the parent's value."""
        made = copy.deepcopy(checkpoint)
        thread = self.threads.setdefault(key, {})
        before = thread.get(parent or "")
        made["channel_values"] = dict(self._values(before, made, new_versions))
        config = {"configurable": {"thread_id": key[0], "checkpoint_ns": key[1]}}
        # Writes may have come before their checkpoint.
        stored = thread.pop(made["id"], None) or self.early.pop((*key, made["id"]), None)
        thread[made["id"]] = Stored(
            made,
            copy.deepcopy(dict(get_checkpoint_metadata(config, metadata))),  # type: ignore[arg-type]
            parent,
            {} if stored is None else stored.writes,
        )

    @staticmethod
    def _values(before: Stored | None, made: Any, new_versions: Any) -> Iterator[tuple[str, Any]]:
        for channel, version in made["channel_versions"].items():
            known = {} if before is None else before.checkpoint["channel_versions"]
            same = channel in known and repr(known[channel]) == repr(version)
            if same and channel not in new_versions:
                assert before is not None
                if channel in before.checkpoint["channel_values"]:
                    yield channel, copy.deepcopy(before.checkpoint["channel_values"][channel])
            elif channel in made["channel_values"]:
                yield channel, made["channel_values"][channel]

    def put_writes(self, key: Key, checkpoint_id: str, writes: Any, task: str, path: str) -> None:
        """Add writes: ordinary ones stay as they were first, special ones as they were last."""
        stored = self.threads.get(key, {}).get(checkpoint_id)
        if stored is None:
            stored = self.early.setdefault((*key, checkpoint_id), Stored({}, {}, None))
            self.threads.setdefault(key, {})
        for i, (channel, value) in enumerate(writes):
            at = (task, WRITES_IDX_MAP.get(channel, i))
            if at[1] < 0 or at not in stored.writes:
                stored.writes[at] = (path, channel, copy.deepcopy(value))

    def listed(
        self,
        thread: str | None = None,
        ns: str | None = None,
        wanted: dict[str, Any] | None = None,
        before: str | None = None,
    ) -> dict[Key, list[Stored]]:
        """Return checkpoints newest first, by thread and namespace."""
        found = {}
        for key, stored in self.threads.items():
            if (thread is not None and key[0] != thread) or (ns is not None and key[1] != ns):
                continue
            ids = sorted((i for i in stored if before is None or i < before), reverse=True)
            rows = [stored[i] for i in ids if _matches(stored[i].metadata, wanted or {})]
            if rows:
                found[key] = rows
        return found

    def delete_thread(self, thread: str) -> None:
        """Delete a thread with what was written ahead of its checkpoints."""
        self.threads = {k: v for k, v in self.threads.items() if k[0] != thread}
        self.early = {k: v for k, v in self.early.items() if k[0] != thread}

    def delete_for_runs(self, runs: list[str]) -> None:
        """Delete checkpoints by run."""
        for key, stored in self.threads.items():
            gone = [i for i, s in stored.items() if s.metadata.get("run_id") in runs]
            self._delete(key, gone)

    def copy_thread(self, source: str, target: str) -> None:
        """Copy a thread."""
        for (thread, ns), stored in list(self.threads.items()):
            if thread == source and stored:
                self.threads.setdefault((target, ns), {}).update(copy.deepcopy(stored))

    def prune(self, threads: list[str], strategy: str) -> None:
        """Keep the latest, or nothing."""
        if strategy == "delete":
            for thread in threads:
                self.delete_thread(thread)
            return
        for key, stored in self.threads.items():
            if key[0] in threads:
                keep = max(stored, default=None)
                self._delete(key, [i for i in stored if i != keep])

    def _delete(self, key: Key, gone: list[str]) -> None:
        """Delete checkpoints; with the last one goes what was written ahead of others."""
        for i in gone:
            del self.threads[key][i]
        if gone and not self.threads[key]:
            self.early = {k: v for k, v in self.early.items() if k[:2] != key}


def _matches(metadata: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return all(metadata.get(key) == value for key, value in wanted.items())

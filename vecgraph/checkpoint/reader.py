"""Checkpoints as LangGraph's callers get them: one, or many by a filter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from vecgraph.checkpoint._forms import CheckpointTuple, history, writes_sort_key
from vecgraph.checkpoint.chunks import damaged
from vecgraph.checkpoint.rows import EntryRow, time_text
from vecgraph.checkpoint.typed import BLOB, PACKED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from vecgraph.checkpoint._forms import DeltaChannelHistory, PendingWrite
    from vecgraph.checkpoint.codec import Codec
    from vecgraph.checkpoint.marks import Marks
    from vecgraph.checkpoint.rows import Place, Resolved, Row
    from vecgraph.checkpoint.shelf import Shelf
    from vecgraph.checkpoint.storage import Header
    from vecgraph.checkpoint.threads import Threads
    from vecgraph.checkpoint.views import Views
    from vecgraph.config import RunnableConfig

__all__ = ["Reader"]


class Reader:
    """Reads checkpoints of a log.

    Parameters
    ----------
    shelf, threads, marks, views, codec
        Of the log.
    """

    def __init__(
        self, shelf: Shelf, threads: Threads, marks: Marks, views: Views, codec: Codec
    ) -> None:
        self._shelf = shelf
        self._threads = threads
        self._marks = marks
        self._views = views
        self._codec = codec

    def find(self, config: RunnableConfig) -> Row | None:
        """Return the checkpoint that a config means, None if there is none."""
        conf = config["configurable"]
        number = self._threads.number(str(conf["thread_id"]), str(conf.get("checkpoint_ns", "")))
        if number is None:
            return None
        view, gone = self._views.view(number), self._marks.gone(number)
        wanted = conf.get("checkpoint_id")
        if not wanted:
            return view.latest(gone)
        seq = view.seq_of(str(wanted))
        return None if seq is None or seq in gone else view.row(seq)

    def get(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the checkpoint that a config means, with what belongs to it."""
        row = self.find(config)
        if row is None:
            return None
        found = self.made(row, self._views.resolve(row))
        named = config["configurable"].get("checkpoint_id")
        return found._replace(config=config) if named else found

    def listed(
        self,
        config: RunnableConfig | None,
        wanted: Mapping[str, Any],
        before: str | None,
        limit: int | None,
    ) -> Iterator[CheckpointTuple]:
        """Return checkpoints, newest first within a namespace of a thread."""
        left = limit
        for number in self._numbers(config):
            for row in self._rows(number, config, before):
                if left is not None and left <= 0:
                    return
                if wanted and not self._is_wanted(row, wanted):
                    continue
                left = None if left is None else left - 1
                yield self.made(row, self._views.resolve(row))

    def _numbers(self, config: RunnableConfig | None) -> list[int]:
        if config is None:
            return [number for number, _, _ in self._threads.living()]
        conf = config["configurable"]
        namespaces = self._threads.namespaces(str(conf["thread_id"]))
        ns = conf.get("checkpoint_ns")
        if ns is None:
            return list(namespaces.values())
        return [namespaces[ns]] if ns in namespaces else []

    def _rows(self, number: int, config: RunnableConfig | None, before: str | None) -> list[Row]:
        """Return a thread's checkpoints that are not deleted, newest first."""
        only = None if config is None else config["configurable"].get("checkpoint_id")
        view, gone = self._views.view(number), self._marks.gone(number)
        rows = [
            row
            for row in view.rows([seq for seq in view.seqs if seq not in gone])
            if (not only or row.id == only) and (before is None or row.id < before)
        ]
        return sorted(rows, key=lambda row: (row.id, row.seq), reverse=True)

    def _is_wanted(self, row: Row, wanted: Mapping[str, Any]) -> bool:
        # Step and source stand by themselves: most filters need nothing else of the metadata.
        for key, has in (("step", row.step), ("source", row.source)):
            if key in wanted and has is not None and has != wanted[key]:
                return False
        metadata = self.metadata(row, self._views.resolve(row))
        return all(metadata.get(key) == value for key, value in wanted.items())

    def metadata(self, row: Row, state: Resolved) -> dict[str, Any]:
        """Return a checkpoint's metadata."""
        made: dict[str, Any] = {}
        if row.source is not None:
            made["source"] = row.source
        if row.step is not None:
            made["step"] = row.step
        more: dict[str, Any] = self._codec.load(PACKED, state.metadata)
        return made | more

    def made(self, row: Row, state: Resolved) -> CheckpointTuple:
        """Return a checkpoint with what belongs to it."""
        checkpoint: dict[str, Any] = {
            "v": 4,
            "ts": time_text(row.ts),
            "id": row.id,
            "channel_values": {c: self._views.value(s) for c, s in state.cells.items()},
            "channel_versions": dict(state.versions),
            "versions_seen": {node: dict(versions) for node, versions in state.seen.items()},
            "updated_channels": row.updated(state, self._views.value),
        }
        if isinstance(row, EntryRow):
            checkpoint |= self._more(row)
        return CheckpointTuple(
            config=self.config(row.place, row.id),
            checkpoint=cast("Any", checkpoint),
            metadata=cast("Any", self.metadata(row, state)),
            parent_config=self._parent(row),
            pending_writes=self.writes(row),
        )

    def config(self, place: Place, checkpoint_id: str) -> RunnableConfig:
        """Return the config of a checkpoint."""
        thread_id, ns = self._threads.name(place[0])
        return {
            "configurable": {
                "thread_id": thread_id,
                "checkpoint_ns": ns,
                "checkpoint_id": checkpoint_id,
            }
        }

    def _parent(self, row: Row) -> RunnableConfig | None:
        if row.parent is not None:
            return self.config(row.parent, self._views.row(row.parent).id)
        if row.parent_id is not None:
            return self.config(row.place, row.parent_id)
        return None

    def _more(self, row: EntryRow) -> dict[str, Any]:
        """Return what a checkpoint in row form has of its own."""
        entry = row.entry
        made: dict[str, Any] = {"v": entry.v}
        if entry.sends:
            made["pending_sends"] = []
        if entry.extra is not None:
            made |= self._codec.load(PACKED, entry.extra)
        return made

    def writes(self, row: Row) -> list[PendingWrite]:
        """Return the pending writes of a checkpoint, in the order in which they apply."""
        headers = self._shelf.find(["writes"], row.thread, row.thread)
        touching = [h for h in headers if h.seq_lo <= row.seq <= h.seq_hi]
        found: dict[tuple[str, int], tuple[str, str, Any]] = {}
        for chunk in self._shelf.rows(touching):
            for at in chunk.of(row.thread):
                if int(chunk.seqs[at]) == row.seq:
                    _take_write(found, chunk.header, chunk.said(at), self._shelf.place)
        ordered = sorted(found, key=lambda key: writes_sort_key(found[key][0], *key))
        return [(key[0], found[key][1], self._value(found[key][2])) for key in ordered]

    def _value(self, held: tuple[bool, bytes]) -> Any:
        is_blob, data = held
        return self._codec.load(BLOB if is_blob else PACKED, data)

    def delta(self, row: Row | None, channels: Sequence[str]) -> dict[str, DeltaChannelHistory]:
        """Return what the values of delta channels at a checkpoint are made of.

        Deleted ancestors take part: what builds on them is not lost with them.
        """
        writes: dict[str, list[PendingWrite]] = {channel: [] for channel in channels}
        seeds: dict[str, Any] = {}
        passed: set[Place] = set()
        row = None if row is None else self._above(row)
        while row is not None and len(seeds) < len(writes) and row.place not in passed:
            passed.add(row.place)  # one that was stored again may be its own descendant
            self._collect(row, writes, seeds)
            row = self._above(row)
        return {channel: history(writes[channel][::-1], seeds, channel) for channel in writes}

    def _collect(
        self, row: Row, writes: dict[str, list[PendingWrite]], seeds: dict[str, Any]
    ) -> None:
        """Add an ancestor's writes of channels without a seed, newest first, and its seeds."""
        for write in reversed(self.writes(row)):
            if write[1] in writes and write[1] not in seeds:
                writes[write[1]].append(write)
        cells = self._views.resolve(row).cells
        for channel in writes:
            if channel not in seeds and channel in cells:
                seeds[channel] = self._views.value(cells[channel])

    def _above(self, row: Row) -> Row | None:
        """Return a checkpoint's parent or, of several that were stored with its id, the last."""
        parent = None if row.parent is None else self._views.row(row.parent)
        thread = row.thread if parent is None else parent.thread
        name = row.parent_id if parent is None else parent.id
        newest = None if name is None else self._views.view(thread).seq_of(name)
        if newest is None or newest in self._marks.gone(thread):
            return parent
        return self._views.row((thread, newest))


def _take_write(
    found: dict[tuple[str, int], tuple[str, str, Any]], header: Header, said: Any, place: str
) -> None:
    """Add a write: an ordinary one stays as it was first, a special one as it was last."""
    try:
        _, task, path, index, channel, is_blob, data = said
        key = (str(task), int(index))
    except (TypeError, ValueError) as error:
        raise damaged(header, f"a row is no write ({error})", place) from error
    if key[1] < 0 or key not in found:
        found[key] = (path, channel, (is_blob, data))

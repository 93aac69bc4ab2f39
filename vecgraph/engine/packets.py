"""Sends of many runs: numbered within each run, grouped by the node that they go to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.columns import concat
from vecgraph.engine.single import logger
from vecgraph.engine.tasks import Due, Executed, Queue
from vecgraph.nodes.outcome import Packets
from vecgraph.positions import Spans, compose, spans_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vecgraph.engine.tables import Tables
    from vecgraph.state import Journal
    from vecgraph.typing import Mask

__all__ = ["known_target", "queues"]


def queues(
    tables: Tables, ordered: Sequence[Executed], gone: Mask | None, journal: Journal | None
) -> list[Due]:
    """Return one task a node that packets go to, numbered within each run."""
    blocks = _blocks(ordered, gone)
    if not blocks:
        return []
    if len(blocks) == 1 and isinstance(blocks[0].nodes, str) and journal is None:
        return _only(tables, blocks[0], blocks[0].nodes)
    where = np.concatenate([block.where for block in blocks])
    index = _numbered(where)
    due: dict[str, list[tuple[Packets, np.ndarray]]] = {}
    begin = 0
    for block in blocks:
        end = begin + len(block.where)
        for name, part, at in _by_target(block):
            due.setdefault(name, []).append((part, index[begin:end][at]))
        begin = end
    if journal is not None:
        journal.packets += [part for parts in due.values() for part in parts]
    return [
        _queue(tables, name, parts) for name, parts in due.items() if known_target(tables, name)
    ]


def _only(tables: Tables, packets: Packets, name: str) -> list[Due]:
    """Return the task of one node that gets all packets; few ask for their numbers."""
    if not known_target(tables, name):
        return []
    if packets.turns is not None:
        return [Due(tables.nodes[name], None, Queue(lambda: _numbered(packets.where), packets))]
    where = packets.where
    return [_queue(tables, name, [(packets, lambda: _numbered(where))])]


def _blocks(ordered: Sequence[Executed], gone: Mask | None) -> list[Packets]:
    """Return all packets in write order: by task, those of packets by their index."""
    blocks = []
    pushed: list[tuple[Packets, Queue, np.ndarray]] = []
    for executed in ordered:
        due = executed.due
        for packets in executed.outcome.packets:
            if due.queue is None:
                blocks.append(_kept(packets.placed(due.where), gone))
            else:
                where = compose(due.where, packets.where)
                placed = Packets(where, packets.nodes, packets.payload)
                pushed.append((placed, due.queue, packets.where))
    if pushed:
        blocks += _interleaved(pushed, gone)
    return [block for block in blocks if len(block)]


def _interleaved(sent: list[tuple[Packets, Queue, np.ndarray]], gone: Mask | None) -> list[Packets]:
    pushed = [packets for packets, _, _ in sent]
    if len(pushed) == 1:
        return [_kept(pushed[0], gone)]
    keys = [queue.index[where] for _, queue, where in sent]
    where = np.concatenate([p.where for p in pushed])
    nodes = [name for p in pushed for name in p.names()]
    payload = [value for p in pushed for value in p.objects()]
    order = np.argsort(np.concatenate(keys), kind="stable").tolist()
    merged = Packets(where[order], [nodes[i] for i in order], [payload[i] for i in order])
    return [_kept(merged, gone)]


def _kept(packets: Packets, gone: Mask | None) -> Packets:
    return packets if gone is None else packets.take(np.flatnonzero(~gone[packets.where]))


def _numbered(where: np.ndarray) -> np.ndarray:
    """Return each packet's index among those of its run; `where` may be in any order."""
    spans = spans_of(where)
    if spans is not None:
        return _within(spans)
    order = np.argsort(where, kind="stable")
    spans = spans_of(where[order])
    index = np.empty(len(where), np.int64)
    if spans is not None:
        index[order] = _within(spans)
    return index


def _within(spans: Spans) -> np.ndarray:
    """Return the place of each element in its span."""
    place = np.arange(spans.n)
    if spans.each:
        return place % spans.each
    return place - np.repeat(spans.starts, spans.lengths())


def _by_target(block: Packets) -> list[tuple[str, Packets, Any]]:
    if isinstance(block.nodes, str):
        return [(block.nodes, block, slice(None))]
    targets: dict[str, list[int]] = {}
    for i, name in enumerate(block.nodes):
        targets.setdefault(name, []).append(i)
    parts = []
    for name, at in targets.items():
        where = np.array(at, np.intp)
        part = block.take(where)
        parts.append((name, Packets(part.where, name, part.payload), where))
    return parts


def known_target(tables: Tables, name: str) -> bool:
    """Return whether a packet can go to a node; log that it is ignored, as LangGraph does."""
    if name in tables.goals:
        return True
    logger.warning("Ignoring unknown node name %s in pending sends", name)
    return False


def _queue(tables: Tables, name: str, parts: list[tuple[Packets, Any]]) -> Due:
    """Return the task of one node: its packets sorted by run, then by index."""
    if len(parts) == 1:
        packets, index = parts[0]
    else:
        index = np.concatenate([i for _, i in parts])
        packets = _together([p for p, _ in parts], name)
    queue = Queue(index, packets)
    if packets.spans() is None:
        order = np.argsort(packets.where, kind="stable")
        queue = Queue(queue.index[order], packets.take(order))
    return Due(tables.nodes[name], None, queue)


def _together(parts: list[Packets], name: str) -> Packets:
    where = np.concatenate([p.where for p in parts])
    payloads = [p.payload for p in parts]
    tables = [payload for payload in payloads if isinstance(payload, dict)]
    if len(tables) == len(payloads) and all(t.keys() == tables[0].keys() for t in tables):
        return Packets(where, name, {k: concat([t[k] for t in tables]) for k in tables[0]})
    return Packets(where, name, [value for p in parts for value in p.objects()])

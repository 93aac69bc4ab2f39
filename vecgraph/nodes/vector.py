"""Vector nodes and routers: functions of columns, and what they may return."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vecgraph.channels.base import Write
from vecgraph.columns import Column
from vecgraph.constants import END
from vecgraph.errors import VectorNodeError
from vecgraph.nodes.outcome import Outcome, Packets
from vecgraph.nodes.writer import branch_channel
from vecgraph.positions import Spans, Turns, is_sorted_unique, spans_of

if TYPE_CHECKING:
    from vecgraph.typing import Where

__all__ = ["Goto", "Sends", "Updates", "labels_of", "normalise", "says_more"]


@dataclass(frozen=True, eq=False)
class Updates:
    """Writes for some rows of a vector node's batch.

    Attributes
    ----------
    where : integer ndarray of shape (K,), bool ndarray of shape (M,), or None
        Positions in the batch; None: all.
    values : mapping of str to array of shape (K, ...)
        A scalar is written to all of them.
    """

    where: Any
    values: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Goto:
    """Nodes that some rows go to next, beside what the edges say.

    Attributes
    ----------
    where : integer ndarray of shape (K,), bool ndarray of shape (M,), or None
    labels : str, or array of K node names
    """

    where: Any
    labels: Any


@dataclass(frozen=True, eq=False)
class Sends:
    """Packets for one node: each runs it once, in the next superstep, on its own input.

    Attributes
    ----------
    where : integer ndarray of shape (S,), bool ndarray of shape (M,), or None
        Row that each packet belongs to; a row may send many.
    node : str
    values : mapping of str to array of shape (S, ...)
        The packets' inputs, as columns.
    each : int, optional
        The rows at `where` all send as many: arrays have the shape (each, S, ...), the first packet
        of every row before the second of any. What has one entry a row, or one for all, is
        repeated. Nothing is sorted and summed as fast as what stands like that.
    """

    where: Any
    node: str
    values: Mapping[str, Any]
    each: int | None = None


def normalise(
    node: str, returned: Any, m: int, keys: Collection[str], nodes: Collection[str]
) -> Outcome:
    """Turn what a vector node returned into an Outcome.

    Parameters
    ----------
    node : str
    returned : mapping, Updates, Goto, Sends, None, or a list of those
    m : int
        Rows of the batch.
    keys, nodes : sequence of str
        Channels that it may write, nodes that it may go to.

    Raises
    ------
    VectorNodeError
        A wrong number of rows, an unknown channel or node, or something else.
    """
    outcome = Outcome(m)
    if type(returned) is dict:
        _write(outcome, node, None, returned, keys)
        return outcome
    for item in returned if isinstance(returned, list | tuple) else [returned]:
        if item is None:
            continue
        if isinstance(item, Mapping):
            _write(outcome, node, None, item, keys)
        elif isinstance(item, Updates):
            _write(outcome, node, _where(node, item.where, m), item.values, keys)
        elif isinstance(item, Goto):
            _goto(outcome, node, item, nodes)
        elif isinstance(item, Sends):
            _send(outcome, node, item, nodes)
        else:
            raise VectorNodeError.unfit(node, item)
    return outcome


def _write(
    outcome: Outcome, node: str, where: Where, values: Mapping[str, Any], keys: Collection[str]
) -> None:
    k = outcome.m if where is None else len(where)
    repeats = where is not None and len(np.unique(where)) != k
    for name, value in values.items():
        if name not in keys:
            raise VectorNodeError.unknown_channel(node, name, keys)
        column = column_of(node, name, value, k)
        outcome.writes.append((name, Write(where, column, repeats)))


def _goto(outcome: Outcome, node: str, item: Goto, nodes: Collection[str]) -> None:
    where = _where(node, item.where, outcome.m)
    k = outcome.m if where is None else len(where)
    if isinstance(item.labels, str):
        _signal(outcome, node, item.labels, where, nodes)
        return
    labels = column_of(node, "goto", item.labels, k).as_numpy()
    for label in dict.fromkeys(labels.tolist()):
        at = np.flatnonzero(labels == label)
        _signal(outcome, node, label, at if where is None else where[at], nodes)


def _signal(outcome: Outcome, node: str, label: Any, where: Where, nodes: Collection[str]) -> None:
    if label == END:
        return
    if label not in nodes:
        raise VectorNodeError.unknown_node(node, label, nodes)
    outcome.signal(branch_channel(label), where)


def _send(outcome: Outcome, node: str, item: Sends, nodes: Collection[str]) -> None:
    if item.node not in nodes:
        raise VectorNodeError.unknown_node(node, item.node, nodes)
    if item.each is not None:
        outcome.packets += _in_turns(outcome.m, node, item, item.each)
        return
    where, spans = _sent(node, item.where, outcome.m)
    at = np.arange(outcome.m) if where is None else where
    columns = {name: column_of(node, name, v, len(at)) for name, v in item.values.items()}
    if spans is None and len(at) > 1 and (at[1:] < at[:-1]).any():
        order = np.argsort(at, kind="stable")  # a row's packets stay in the order it sent them
        at, columns = at[order], {name: c.take(order) for name, c in columns.items()}
    outcome.packets.append(Packets(at, item.node, columns, spans))


def _in_turns(m: int, node: str, item: Sends, each: Any) -> list[Packets]:
    """Return the packets of rows that all send as many; none if that is none."""
    if type(each) is bool or not isinstance(each, int | np.integer) or each < 0:
        raise VectorNodeError.each(node, each)
    where = _where(node, item.where, m)
    k = m if where is None else len(where)
    if not k or not each:
        return []
    columns = {name: _turned(node, name, v, int(each), k) for name, v in item.values.items()}
    if where is None or is_sorted_unique(where):
        return [Packets(None, item.node, columns, turns=Turns(where, k, int(each)))]
    at = np.tile(where, int(each))
    order = np.argsort(at, kind="stable")
    return [Packets(at[order], item.node, {n: c.take(order) for n, c in columns.items()})]


def _turned(node: str, name: str, value: Any, each: int, k: int) -> Column:
    """Return what is sent `each` times by each of `k` rows as a column, turn by turn."""
    if isinstance(value, np.ndarray) and value.shape[:2] == (each, k):
        return Column.of_array(value.reshape(each * k, *value.shape[2:]))
    if isinstance(value, np.ndarray) and value.ndim > 1 and len(value) != k:
        raise VectorNodeError.turns(node, name, value.shape, (each, k))
    return column_of(node, name, value, k).take(np.tile(np.arange(k), each))


def _sent(node: str, where: Any, m: int) -> tuple[Where, Spans | None]:
    """Return the rows that packets belong to; with their spans if they stand by row."""
    if type(where) is np.ndarray and where.ndim == 1 and where.dtype == np.intp and where.size:
        spans = spans_of(where)
        if spans is not None and spans.heads[0] >= 0 and spans.heads[-1] < m:
            return where, spans
    return _where(node, where, m), None


def _where(node: str, where: Any, m: int) -> Where:
    if where is None:
        return None
    found: npt.NDArray[Any] = np.asarray(where)
    if found.dtype == np.bool_:
        if found.shape != (m,):
            raise VectorNodeError.length(node, "where", found.size, m)
        return np.flatnonzero(found)
    if found.size == 0:
        return np.empty(0, np.intp)
    if found.dtype.kind not in "iu" or found.ndim != 1:
        raise VectorNodeError.positions(node, found.dtype, m)
    if int(found.min()) < 0 or int(found.max()) >= m:
        raise VectorNodeError.positions(node, f"{int(found.min())} to {int(found.max())}", m)
    return found.astype(np.intp, copy=False)


def column_of(node: str, name: str, value: Any, k: int) -> Column:
    """Return a returned value as a column of `k` rows; a scalar is repeated."""
    if type(value) is np.ndarray and value.ndim:
        column = Column.of_array(value)
    elif isinstance(value, list):
        column = Column.of(value)
    elif isinstance(value, np.ndarray | pa.Array | pa.ChunkedArray) and np.ndim(value):
        column = Column.of_array(value)
    elif hasattr(value, "to_numpy"):
        column = Column.of_array(value.to_numpy())
    else:
        return Column.full(k, _scalar(value))
    if len(column) != k:
        raise VectorNodeError.length(node, name, len(column), k)
    return column


def _scalar(value: Any) -> Any:
    if isinstance(value, pa.Scalar):
        return value.as_py()
    return value.item() if isinstance(value, np.generic | np.ndarray) else value


def says_more(returned: Any) -> bool:
    """Return whether a router returned `Goto` or `Sends` instead of labels."""
    if isinstance(returned, Goto | Sends):
        return True
    return isinstance(returned, list) and any(isinstance(i, Goto | Sends) for i in returned)


def labels_of(
    node: str, returned: Any, m: int, ends: Mapping[Any, str] | None, nodes: Collection[str]
) -> list[tuple[str, Where]]:
    """Return the destinations that a vector router chose: node names with their positions.

    Rows that END here may be left out. `returned` is one label for all rows, or M labels:
    names, keys of the path map, bools that are keys of the path map, or integer codes into
    the path map's order.
    """
    if isinstance(returned, str):
        return [(_destination(node, returned, ends, nodes), None)]
    if type(returned) is np.ndarray and returned.dtype.kind == "U" and returned.shape == (m,):
        chosen = _by_text(node, returned, ends, nodes)
        if chosen is not None:
            return chosen
    labels = returned
    if not (type(labels) is np.ndarray and labels.shape == (m,) and labels.dtype.kind in "bui"):
        labels = column_of(node, "labels", returned, m).as_numpy()
    if labels.dtype == np.bool_:
        return _by_bool(node, labels, ends, nodes)
    if labels.dtype.kind in "ui":
        return _by_code(node, labels, list(ends.values()) if ends else [])
    return _by_object(node, labels.tolist(), ends, nodes)


def _by_object(
    node: str, labels: list[Any], ends: Mapping[Any, str] | None, nodes: Collection[str]
) -> list[tuple[str, Where]]:
    distinct = _distinct(node, labels, ends or [*nodes, END])
    chosen = [_destination(node, label, ends, nodes) for label in distinct]
    if len(distinct) == 1:
        return [(chosen[0], None)]
    codes = np.fromiter(map({label: i for i, label in enumerate(distinct)}.get, labels), np.intp)
    return [(end, np.flatnonzero(codes == i)) for i, end in enumerate(chosen)]


def _by_text(
    node: str, labels: Any, ends: Mapping[Any, str] | None, nodes: Collection[str]
) -> list[tuple[str, Where]] | None:
    """Return the destinations of an array of text; None if one of them is not known."""
    chosen: list[tuple[str, Where]] = []
    left = len(labels)
    for label in ends or [*nodes, END]:
        if type(label) is not str or not left:
            continue
        at = np.flatnonzero(labels == label)
        left -= len(at)
        if len(at):
            where = None if len(at) == len(labels) else at
            chosen.append((_destination(node, label, ends, nodes), where))
    return None if left else chosen


def _distinct(node: str, listed: list[Any], known: Collection[Any]) -> list[Any]:
    try:
        return list(dict.fromkeys(listed))
    except TypeError as error:  # a list or an array a row: nothing that a path map may hold
        raise VectorNodeError.unknown_label(node, listed[0], list(known)) from error


def _by_bool(
    node: str, labels: Any, ends: Mapping[Any, str] | None, nodes: Collection[str]
) -> list[tuple[str, Where]]:
    true = int(np.count_nonzero(labels))
    if true == len(labels):
        return [(_destination(node, True, ends, nodes), None)]
    if true == 0:
        return [(_destination(node, False, ends, nodes), None)]
    parts = [(_destination(node, key, ends, nodes), key) for key in (True, False)]
    return [(end, np.flatnonzero(labels if key else ~labels)) for end, key in parts if end != END]


def _by_code(node: str, codes: Any, names: Sequence[str]) -> list[tuple[str, Where]]:
    # The ufuncs themselves: a method of the array goes through Python first. A negative byte
    # is large as an unsigned one.
    if codes.itemsize == 1 and names and not np.maximum.reduce(codes.view(np.uint8)):
        return [(names[0], None)]
    low, high = int(np.minimum.reduce(codes)), int(np.maximum.reduce(codes))
    if low < 0 or high >= len(names):
        raise VectorNodeError.unknown_label(node, low if low < 0 else high, names)
    if low == high:
        return [(names[low], None)]
    chosen = [code for code in range(low, high + 1) if names[code] != END]
    parts = [(names[code], np.flatnonzero(codes == code)) for code in chosen]
    return [(name, at) for name, at in parts if len(at)]


def _destination(
    node: str, label: Any, ends: Mapping[Any, str] | None, nodes: Collection[str]
) -> str:
    if ends is not None:
        if label in ends:
            return ends[label]
        raise VectorNodeError.unknown_label(node, label, list(ends))
    if label == END or label in nodes:
        return str(label)
    raise VectorNodeError.unknown_label(node, label, [*nodes, END])

"""How an expression will be computed, told from the types of its columns alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from vecgraph.nodes import _expr_arrow as arrow
from vecgraph.nodes._expr_columns import operations, value_of
from vecgraph.nodes._expr_frame import Frame, Run
from vecgraph.nodes._expr_tree import Conditional, Logic, Name, Node

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["way_of"]

_PLAIN: dict[Any, Any] = {
    bool: np.empty(0, np.bool_),
    int: np.empty(0, np.int64),
    float: np.empty(0, np.float64),
    str: np.empty(0, "U1"),
}


def way_of(root: Node, types: Mapping[str, Any]) -> str:
    """Return in words how the rows of an expression are computed.

    Parameters
    ----------
    root : Node
    types : mapping of str to type or pyarrow DataType
        Of the columns. A column of another type than bool, int, float, str or an Arrow type
        is known only when a run has written it.

    Notes
    -----
    Every operation is tried on columns without rows: one that columns do not have kills the
    frame that it is tried on, as it does when there are rows.
    """
    names = dict.fromkeys(each.name for each in operations(root) if isinstance(each, Name))
    columns = {name: _empty(types.get(name)) for name in names}
    open_ = [name for name, column in columns.items() if column is None]
    if open_:
        return f"columns where they are bool, int, float or str: {', '.join(open_)}"
    dead = [each for each in operations(root) if _is_dead(each, columns)]
    if not dead:
        libraries = {_library(types[name]) for name in names}
        return f"columns, by {' and '.join(sorted(libraries))}" if libraries else "a constant"
    odd = [name for name in names if _is_objects(types[name])]
    why = f"no columns of {', '.join(f'{name} ({types[name]})' for name in odd)}"
    reason = why if odd else "an operation that columns do not have for these types"
    # Of a choice only what decides it touches every row.
    decides = root.test if isinstance(root, Conditional) else root
    decides = decides.left if isinstance(decides, Logic) else decides
    return f"row by row: {reason}" if decides in dead else f"columns, in part row by row: {reason}"


def _empty(kind: Any) -> Any:
    if isinstance(kind, pa.DataType):
        return pa.array([], kind)
    return _PLAIN.get(kind) if isinstance(kind, type) else None


def _is_objects(kind: Any) -> bool:
    return isinstance(kind, pa.DataType) and arrow.classify(kind) == "o"


def _library(kind: Any) -> str:
    text = isinstance(kind, pa.DataType) and arrow.classify(kind) == "t"
    return "pyarrow.compute" if text else "NumPy"


def _is_dead(node: Node, columns: Mapping[str, Any]) -> bool:
    run = Run(columns, 0)
    with np.errstate(all="ignore"):
        vector = value_of(node, Frame(run))
    return vector.kind in "xo" or bool(run.suspects)

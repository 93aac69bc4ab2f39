"""The vector and expression forms of a spec's nodes and routers.

They compute, over columns, what `vecgraph.testing.building.scalar_node` computes for one run:
Python's own numbers, never wrapped, with NumPy arithmetic only where it cannot differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vecgraph.testing.specs import GraphSpec, NodePlan, Packet, Route, Test, Value, pick

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "expression",
    "has_expression",
    "has_vector_form",
    "has_vector_route",
    "vector_node",
    "vector_route",
    "when_route",
]

Array = npt.NDArray[Any]
SAFE = 2**62


def has_vector_form(plan: NodePlan) -> bool:
    """Return whether the node's program can run on columns."""
    values = [w.value for w in plan.writes]
    return all(v.kind in {"affine", "const", "copy", "test"} and not v.overwrite for v in values)


def has_vector_route(route: Route) -> bool:
    """Return whether the router can run on columns: labels only, no Sends."""
    return route.labels and not route.packets


def has_expression(plan: NodePlan, spec: GraphSpec) -> bool:
    """Return whether the node's program is plain arithmetic on numbers that are always there."""
    if plan.fail or plan.jump or plan.packets or plan.pieces or not plan.writes:
        return False
    numeric = {c.name for c in spec.channels if c.typ in {int, float} and (c.is_input or c.starts)}
    keys = [write.channel for write in plan.writes]
    return len(set(keys)) == len(keys) and all(
        write.test is None and _is_arithmetic(write.value, numeric) for write in plan.writes
    )


def _is_arithmetic(value: Value, numeric: set[str]) -> bool:
    return (
        value.kind in {"affine", "copy"}
        and value.source in numeric
        and not value.overwrite
        and all(np.isfinite(float(x)) and abs(x) < 2**31 for x in (value.a, value.b))
    )


def expression(plan: NodePlan, vectors: Any) -> Any:
    """Return the node's program as ``vg.expr(...)``."""
    return vectors.expr(**{w.channel: _text(w.value) for w in plan.writes})


def _text(value: Value) -> str:
    if value.kind == "copy":
        return value.source
    return f"{value.source} * ({value.a!r}) + ({value.b!r})"


def when_route(route: Route, vectors: Any) -> Any:
    """Return a two-way router on an int channel as ``vg.when(...)``."""
    return vectors.when(f"{route.by} % 2 == 1", "L1").otherwise("L0")


def vector_route(route: Route) -> Callable[[Any], Array]:
    """Return the router over columns: integer codes for two ways, labels for more."""

    def choose(batch: Any) -> Array:
        codes = _picks(batch, route.by, len(route.targets))
        if len(route.targets) == 2:
            return codes
        return np.array([f"L{code}" for code in codes.tolist()], dtype=object)

    choose.__name__ = f"from_{route.source}_by_{route.by}"
    return choose


def vector_node(plan: NodePlan, vectors: Any) -> Callable[[Any], Any]:
    """Return the node's program over columns."""

    def node(batch: Any) -> Any:
        _refuse(plan, batch)
        out: list[Any] = []
        for write in plan.writes:
            values = _compute(write.value, batch)
            if write.test is None:
                out.append({write.channel: values})
            else:
                where = np.flatnonzero(_holds(write.test, batch))
                out.append(vectors.Updates(where, {write.channel: _taken(values, where)}))
        out += _jumps(plan, batch, vectors)
        out += [_packet(packet, batch, vectors) for packet in plan.packets]
        return _merged(out, plan.pieces)

    node.__name__ = plan.name
    return node


def _merged(out: list[Any], pieces: bool) -> Any:
    """One dict where that says the same, so that both forms of return are exercised."""
    keys = [key for piece in out if isinstance(piece, dict) for key in piece]
    plain = len(keys) == len(out) and len(set(keys)) == len(keys)
    if plain and not pieces:
        return {key: values for piece in out for key, values in piece.items()}
    return out


def _refuse(plan: NodePlan, batch: Any) -> None:
    if plan.fail is None:
        return
    guilty = np.flatnonzero(_holds(plan.fail.test, batch))
    if guilty.size:
        # Called with the guilty row alone, the text is the scalar function's.
        plan.fail.check(plan.name, _row(batch, int(guilty[0])))


def _row(batch: Any, where: int) -> dict[str, Any]:
    return {n: _item(batch[n], where) for n in batch if batch.present(n)[where]}


def _item(values: Any, where: int) -> Any:
    return np.asarray(values)[where : where + 1].tolist()[0]


def _jumps(plan: NodePlan, batch: Any, vectors: Any) -> list[Any]:
    if plan.jump is None:
        return []
    where = np.flatnonzero(_holds(plan.jump.test, batch))
    return [
        vectors.Goto(where, np.full(where.size, name, dtype=object)) for name in plan.jump.targets
    ]


def _packet(packet: Packet, batch: Any, vectors: Any) -> Any:
    test = packet.test
    where = np.arange(len(batch)) if test is None else np.flatnonzero(_holds(test, batch))
    payload = {key: _taken(_compute(value, batch), where) for key, value in packet.payload}
    return vectors.Sends(where, packet.node, payload)


def _taken(values: Any, where: Array) -> Any:
    return values[where] if isinstance(values, np.ndarray) else values


def _column(batch: Any, name: str, absent: Any) -> Array:
    """Return a column with `absent` in the rows that never got a value."""
    present = batch.present(name) if name in batch else np.zeros(len(batch), np.bool_)
    if present.all() and name in batch:
        return np.asarray(batch[name])
    out = np.empty(len(batch), dtype=object)
    out[:] = [absent] * len(batch)
    if present.any():
        out[present] = np.asarray(batch[name])[present].astype(object)
    return out


def _compute(value: Value, batch: Any) -> Any:
    if value.kind == "const":
        return value.a
    if value.kind == "test":
        return np.zeros(len(batch), np.bool_) if value.test is None else _holds(value.test, batch)
    x = _column(batch, value.source, value.absent)
    return x if value.kind == "copy" else _affine(x, value.a, value.b)


def _affine(x: Array, a: Any, b: Any) -> Array:
    with np.errstate(all="ignore"):
        exact = x.dtype.kind == "f" or _fits(x, a, b)
        out: Array = (x if exact else x.astype(object)) * a + b
        return out


def _fits(x: Array, a: Any, b: Any) -> bool:
    """Whether ``x * a + b`` in int64 is Python's own result."""
    if x.dtype.kind != "i" or type(a) is not int or type(b) is not int:
        return False
    largest = max(abs(int(x.min())), abs(int(x.max()))) if x.size else 0
    return largest * abs(a) + abs(b) < SAFE


def _picks(batch: Any, name: str, modulus: int) -> npt.NDArray[np.int64]:
    x = _column(batch, name, None)
    if x.dtype.kind == "i":
        return (x % modulus).astype(np.int64)
    if x.dtype.kind == "f":
        return (x > 0.5).astype(np.int64) % modulus
    return np.array([pick(item, modulus) for item in x.tolist()], dtype=np.int64)


def _holds(test: Test, batch: Any) -> npt.NDArray[np.bool_]:
    return np.isin(_picks(batch, test.source, test.modulus), sorted(test.hits))

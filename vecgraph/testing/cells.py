"""Channel semantics for the oracle, written apart from `vecgraph.channels`.

A fault in a channel rule would hide if the oracle used the same rule, so each of LangGraph's
channels is written down here a second time, in the plainest way: a cell is a value or a
tuple, and every function returns the new cell and whether it counts as changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from vecgraph.constants import MISSING
from vecgraph.errors import InvalidUpdateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = [
    "Any1",
    "Barrier",
    "Ephemeral",
    "Folded",
    "Last",
    "LastAtEnd",
    "Rule",
    "Topic",
    "Untracked",
]

# Put together, because no file may name a host; part of LangGraph's texts.
DOCS = "\nFor troubleshooting, visit: https:" + "//docs.langchain.com/oss/python/langgraph/errors/"
CONCURRENT = f"{DOCS}INVALID_CONCURRENT_GRAPH_UPDATE"


@dataclass
class Rule:
    """How one channel behaves: a plain value that never changes by itself.

    Attributes
    ----------
    key : str
        Name of the channel, for messages.
    """

    key: str = field(default="", kw_only=True)

    def start(self) -> Any:
        """Return the cell of a run that wrote nothing yet."""
        return MISSING

    def write(self, cell: Any, writes: Sequence[Any]) -> tuple[Any, bool]:
        """Return the cell after one superstep's writes (at least one)."""
        return writes[-1], True

    def idle(self, cell: Any) -> tuple[Any, bool]:
        """Return the cell after a superstep without writes."""
        return cell, False

    def ready(self, cell: Any) -> bool:
        """Return whether the channel can be read and can trigger nodes."""
        return cell is not MISSING

    def read(self, cell: Any) -> Any:
        """Return what a node reads."""
        return cell

    def consume(self, cell: Any) -> tuple[Any, bool]:
        """Return the cell after a node that it triggers has run."""
        return cell, False

    def finish(self, cell: Any) -> tuple[Any, bool]:
        """Return the cell when nothing else would run."""
        return cell, False


@dataclass
class Last(Rule):
    """`LastValue`: one write a superstep."""

    def write(self, cell: Any, writes: Sequence[Any]) -> tuple[Any, bool]:
        """Take the only write, refuse two."""
        if len(writes) > 1:
            raise InvalidUpdateError(
                f"At key '{self.key}': Can receive only one value per step. "
                f"Use an Annotated key to handle multiple values.{CONCURRENT}"
            )
        return writes[0], True


@dataclass
class Any1(Rule):
    """`AnyValue`: the last write of the superstep, gone after a superstep without one."""

    def idle(self, cell: Any) -> tuple[Any, bool]:
        """Clear the cell."""
        return MISSING, cell is not MISSING


@dataclass
class Guarded(Rule):
    """Refuses several writes a superstep if `guard`; `word` names LangGraph's class."""

    word: ClassVar[str] = ""
    guard: bool = True

    def write(self, cell: Any, writes: Sequence[Any]) -> tuple[Any, bool]:
        """Take the last write."""
        if self.guard and len(writes) > 1:
            raise InvalidUpdateError(
                f"At key '{self.key}': {self.word}(guard=True) can receive only one value per "
                "step. Use guard=False if you want to store any one of multiple values."
            )
        return writes[-1], True


@dataclass
class Ephemeral(Guarded):
    """`EphemeralValue`: lives for one superstep."""

    word: ClassVar[str] = "EphemeralValue"

    def idle(self, cell: Any) -> tuple[Any, bool]:
        """Clear the cell."""
        return MISSING, cell is not MISSING


@dataclass
class Untracked(Guarded):
    """`UntrackedValue`: within one run, a value that stays."""

    word: ClassVar[str] = "UntrackedValue"


@dataclass
class LastAtEnd(Rule):
    """`LastValueAfterFinish`: a cell is MISSING or (value, finished)."""

    def write(self, cell: Any, writes: Sequence[Any]) -> tuple[Any, bool]:
        """Keep the last write back until the run would end."""
        return (writes[-1], False), True

    def ready(self, cell: Any) -> bool:
        """Return whether a kept value was released."""
        return cell is not MISSING and bool(cell[1])

    def read(self, cell: Any) -> Any:
        """Return the released value."""
        return cell[0]

    def consume(self, cell: Any) -> tuple[Any, bool]:
        """Drop a released value."""
        return (MISSING, True) if self.ready(cell) else (cell, False)

    def finish(self, cell: Any) -> tuple[Any, bool]:
        """Release a kept value."""
        if cell is MISSING or cell[1]:
            return cell, False
        return (cell[0], True), True


@dataclass
class Folded(Rule):
    """`BinaryOperatorAggregate`: a left fold with `operator`, Overwrite replacing all."""

    operator: Callable[[Any, Any], Any]
    first: Callable[[], Any]

    def start(self) -> Any:
        """Start at `first()`; at nothing if that cannot be called."""
        try:
            return self.first()
        except Exception:  # noqa: BLE001  as LangGraph asks
            return MISSING

    def write(self, cell: Any, writes: Sequence[Any]) -> tuple[Any, bool]:
        """Fold; after an Overwrite the rest of the superstep's writes are lost."""
        values = list(writes)
        if cell is MISSING:
            cell = values.pop(0)
        replaced = False
        for value in values:
            overwrite, new = _overwrite(value)
            if overwrite and replaced:
                raise InvalidUpdateError(
                    f"Can receive only one Overwrite value per super-step.{CONCURRENT}"
                )
            if overwrite:
                cell, replaced = new, True
            elif not replaced:
                cell = self.operator(cell, value)
        return cell, True


def _overwrite(value: Any) -> tuple[bool, Any]:
    if type(value).__name__ == "Overwrite":
        return True, value.value
    if isinstance(value, dict) and list(value) == ["__overwrite__"]:
        return True, value["__overwrite__"]
    if isinstance(value, dict) and value.get("type") == "__overwrite__" and "value" in value:
        return True, value["value"]
    return False, None


@dataclass
class Topic(Rule):
    """`Topic`: a cell is a list; emptied every superstep unless `accumulate`."""

    accumulate: bool = False

    def start(self) -> Any:
        """Start empty."""
        return []

    def write(self, cell: Any, writes: Sequence[Any]) -> tuple[Any, bool]:
        """Add the writes, lists flattened one level."""
        added = list(_flat(writes))
        kept = cell if self.accumulate else []
        return kept + added, bool(added) or (not self.accumulate and bool(cell))

    def idle(self, cell: Any) -> tuple[Any, bool]:
        """Empty the list unless it accumulates."""
        return self.write(cell, ())

    def ready(self, cell: Any) -> bool:
        """Return whether there is a value."""
        return bool(cell)

    def read(self, cell: Any) -> Any:
        """Return a copy."""
        return list(cell)


def _flat(writes: Sequence[Any]) -> Iterator[Any]:
    for value in writes:
        if isinstance(value, list):
            yield from value
        else:
            yield value


@dataclass
class Barrier(Rule):
    """`NamedBarrierValue`, and with `at_end` its AfterFinish form: a cell is (seen, finished)."""

    names: frozenset[str]
    at_end: bool = False

    def start(self) -> Any:
        """Nobody was seen."""
        return frozenset(), False

    def write(self, cell: Any, writes: Sequence[Any]) -> tuple[Any, bool]:
        """Note who has arrived; changed only by somebody new."""
        for name in writes:
            if name not in self.names:
                raise InvalidUpdateError(
                    f"At key '{self.key}': Value {name} not in {set(self.names)}"
                )
        seen = cell[0] | frozenset(writes)
        return (seen, cell[1]), seen != cell[0]

    def ready(self, cell: Any) -> bool:
        """Return whether all have arrived."""
        return bool(cell[0] == self.names and (cell[1] or not self.at_end))

    def read(self, cell: Any) -> Any:
        """Return None: a barrier has no value."""
        return None

    def consume(self, cell: Any) -> tuple[Any, bool]:
        """Start over when full."""
        return (self.start(), True) if self.ready(cell) else (cell, False)

    def finish(self, cell: Any) -> tuple[Any, bool]:
        """Release a full barrier that waits for the end."""
        if self.at_end and not cell[1] and cell[0] == self.names:
            return (cell[0], True), True
        return cell, False

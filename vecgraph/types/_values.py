"""Values that nodes return and runs show: commands, packets, interrupts, snapshots."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import weakref
from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, NamedTuple, TypeVar, final

from xxhash import xxh3_128_hexdigest

from vecgraph.constants import MISSING, ROOT
from vecgraph.types._policies import TimeoutPolicy

if TYPE_CHECKING:
    from datetime import timedelta

N = TypeVar("N", bound=Hashable)

_OVERWRITE = "__overwrite__"
_DEFAULT_INTERRUPT_ID = "placeholder-id"


@final
@dataclasses.dataclass(init=False, slots=True)
class Interrupt:
    """A question that a node asks before it can go on.

    Parameters
    ----------
    value : object
        The question, for whoever answers.
    id : str
        What an answer is addressed to.
    response_schema : dict or type, optional
        Shape of the answer, for whoever draws a form.
    """

    value: Any
    id: str
    response_schema: Any

    def __init__(
        self,
        value: Any,
        id: str = _DEFAULT_INTERRUPT_ID,  # noqa: A002 - the name that users write
        *,
        response_schema: Any = None,
    ) -> None:
        self.value = value
        self.id = id
        self.response_schema = response_schema

    @classmethod
    def from_ns(cls, value: Any, ns: str, *, response_schema: Any = None) -> Interrupt:
        """Build an interrupt whose id is a hash of its checkpoint namespace."""
        return cls(value, xxh3_128_hexdigest(ns.encode()), response_schema=response_schema)


@dataclasses.dataclass(frozen=True)
class GraphOutput(Generic[N]):
    """What `invoke` returns with ``version="v2"``.

    Attributes
    ----------
    value : object
        The outputs, as the class of the output schema where there is one.
    interrupts : tuple of Interrupt
        Questions that wait for an answer.
    """

    value: Any
    interrupts: tuple[Interrupt, ...] = ()


class StateUpdate(NamedTuple):
    """One change of a thread's state from outside; see `App.update_state`."""

    values: dict[str, Any] | None
    as_node: str | None = None
    task_id: str | None = None


class PregelTask(NamedTuple):
    """One node's turn in a superstep, as `StateSnapshot` shows it."""

    id: str
    name: str
    path: tuple[Any, ...]
    error: Exception | None = None
    interrupts: tuple[Interrupt, ...] = ()
    state: Any = None
    result: Any | None = None


class StateSnapshot(NamedTuple):
    """A run between two supersteps.

    Attributes
    ----------
    values : dict, or the bare value
        The channels' values.
    next : tuple of str
        Nodes that run in the next superstep.
    config : dict
        What to pass to get this snapshot again.
    metadata : dict or None
    created_at : str or None
        ISO 8601.
    parent_config : dict or None
    tasks : tuple of PregelTask
    interrupts : tuple of Interrupt
        Questions that wait for an answer.
    """

    values: Any
    next: tuple[str, ...]
    config: Any
    metadata: Any
    created_at: str | None
    parent_config: Any
    tasks: tuple[PregelTask, ...]
    interrupts: tuple[Interrupt, ...]


class Send:
    """A task for the next superstep: a node and an input of its own.

    Parameters
    ----------
    node : str
        Node that runs.
    arg : object
        Its input, as it is: not merged with the state, not validated.
    timeout : float, timedelta or TimeoutPolicy, optional
        Instead of the node's own.

    Examples
    --------
    >>> Send("joke", {"subject": "cats"})
    Send(node='joke', arg={'subject': 'cats'})
    """

    __slots__ = ("arg", "node", "timeout")

    node: str
    arg: Any
    timeout: TimeoutPolicy | None

    def __init__(
        self,
        /,
        node: str,
        arg: Any,
        *,
        timeout: float | timedelta | TimeoutPolicy | None = None,
    ) -> None:
        self.node = node
        self.arg = arg
        self.timeout = None if timeout is None else TimeoutPolicy.coerce(timeout)

    def __hash__(self) -> int:
        return hash((self.node, self.arg, self.timeout))

    def __eq__(self, value: object) -> bool:
        return (
            isinstance(value, Send)
            and self.node == value.node
            and bool(self.arg == value.arg)
            and self.timeout == value.timeout
        )

    def __repr__(self) -> str:
        limit = "" if self.timeout is None else f", timeout={self.timeout!r}"
        return f"Send(node={self.node!r}, arg={self.arg!r}{limit})"


@dataclasses.dataclass(kw_only=True, slots=True, frozen=True)
class Command(Generic[N]):
    """An update of the state and a say in what runs next, returned by a node.

    Attributes
    ----------
    graph : str or None
        Graph that it is for: None for this one, `Command.PARENT` for the one around it.
    update : object
        As a node's return value: a dict, pairs, or an instance of the schema.
    resume : object
        Answer to an interrupt, or a mapping from interrupt ids to answers.
    goto : str, Send, or sequence of them
        What runs next, besides what the edges say.

    Examples
    --------
    >>> Command(update={"n": 1}, goto="check")
    Command(update={'n': 1}, goto='check')
    """

    graph: str | None = None
    update: Any | None = None
    resume: Any | None = None
    goto: Send | Sequence[Send | N] | N = ()

    PARENT: ClassVar[Literal["__parent__"]] = "__parent__"

    def __repr__(self) -> str:
        given = ((f.name, getattr(self, f.name)) for f in dataclasses.fields(self))
        return f"Command({', '.join(f'{name}={value!r}' for name, value in given if value)})"

    def update_as_tuples(self) -> list[tuple[str, Any]]:
        """Return the update as (channel, value) pairs, in order."""
        update = self.update
        if isinstance(update, dict):
            return list(update.items())
        if isinstance(update, list | tuple) and all(_is_pair(item) for item in update):
            return list(update)
        if keys := annotated_keys(type(update)):
            return update_as_tuples(update, keys)
        return [] if update is None else [(ROOT, update)]


def _is_pair(item: object) -> bool:
    return isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str)


@dataclasses.dataclass(slots=True)
class Overwrite:
    """A write that replaces a reducer's value instead of being reduced into it.

    Attributes
    ----------
    value : object
        What the channel holds afterwards. Two in one superstep are an error.
    type : str
        Marks the object after a trip through JSON.
    """

    value: Any
    type: Literal["__overwrite__"] = "__overwrite__"


def get_overwrite(value: Any) -> tuple[bool, Any]:
    """Return whether `value` is an `Overwrite`, in any of its three forms, and what it holds.

    Examples
    --------
    >>> get_overwrite(Overwrite([1])), get_overwrite({"__overwrite__": [1]})
    ((True, [1]), (True, [1]))
    >>> get_overwrite({"value": 2, "type": "__overwrite__"}), get_overwrite([1])
    ((True, 2), (False, None))
    """
    if isinstance(value, Overwrite):
        return True, value.value
    if isinstance(value, dict):
        if len(value) == 1 and _OVERWRITE in value:
            return True, value[_OVERWRITE]
        # The test of type keeps arrays, whose comparison is no truth value, out.
        kind = value.get("type")
        if isinstance(kind, str) and kind == _OVERWRITE and "value" in value:
            return True, value["value"]
    return False, None


_KEYS: weakref.WeakKeyDictionary[type[Any], tuple[str, ...]] = weakref.WeakKeyDictionary()


def annotated_keys(kind: type[Any]) -> tuple[str, ...]:
    """Return the names that a class and its bases annotate, bases first.

    Examples
    --------
    >>> annotated_keys(Overwrite), annotated_keys(int)
    (('value', 'type'), ())
    """
    known = _KEYS.get(kind)
    if known is None:
        bases = reversed(kind.__mro__)
        known = _KEYS[kind] = tuple(name for base in bases for name in _own_annotations(base))
    return known


def _own_annotations(base: type[Any]) -> Iterable[str]:
    if sys.version_info >= (3, 14):
        # Names only: a hint that cannot be evaluated must not get in the way.
        import annotationlib

        return annotationlib.get_annotations(base, format=annotationlib.Format.FORWARDREF)
    return inspect.get_annotations(base)


def update_as_tuples(instance: Any, keys: Iterable[str]) -> list[tuple[str, Any]]:
    """Return what an instance of a schema writes to the channels `keys`.

    Every attribute there is, except a pydantic model's fields that are None by default
    and were not set.
    """
    fields_set, defaults = _model_fields(instance)
    pairs = ((key, getattr(instance, key, MISSING)) for key in keys)
    return [
        (key, value)
        for key, value in pairs
        if value is not MISSING
        and (value is not None or defaults.get(key, MISSING) is not None or key in fields_set)
    ]


def _model_fields(instance: Any) -> tuple[Iterable[str], dict[str, Any]]:
    model = getattr(sys.modules.get("pydantic"), "BaseModel", None)
    if model is None or not isinstance(instance, model):
        return (), {}
    fields = type(instance).model_fields
    return instance.model_fields_set, {name: field.default for name, field in fields.items()}

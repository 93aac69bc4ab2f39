"""The classes that every program allows, and those that one program does."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, Final

from vecgraph import types
from vecgraph.checkpoint.serde._instances import name_of

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["FACTORIES", "Classes", "is_slotted", "stored_name", "warn_once"]

LOGGER: Final = logging.getLogger("vecgraph.checkpoint.serde")

FACTORIES: Final[dict[str | None, type[Any] | None]] = {
    None: None,
    **{
        kind.__name__: kind
        for kind in (bool, int, float, complex, str, bytes, list, dict, set, frozenset, tuple)
    },
}
"""Factories of a `defaultdict` that can be found again by name."""

_OURS: Final = (
    types.Command,
    types.Interrupt,
    types.Overwrite,
    types.PregelTask,
    types.RetryPolicy,
    types.Send,
    types.StateSnapshot,
    types.StateUpdate,
    types.TimeoutPolicy,
)
# By their public names: where they are defined may change, what is stored may not.
_BY_NAME: Final = {f"vecgraph.types:{kind.__name__}": kind for kind in _OURS}
_NAMES: Final = {kind: name for name, kind in _BY_NAME.items()}

# Classes of other packages that carry data and do nothing. They are looked up among the modules
# that the program has imported by itself; what it has not imported comes back as a record.
_LANGGRAPH: Final = frozenset(kind.__name__ for kind in _OURS)
_ELSEWHERE: Final = {
    "vecgraph.messages": frozenset({"RemoveMessage"}),
    "langgraph.types": _LANGGRAPH,
    "langgraph.store.base": frozenset({"Item"}),
    "langgraph.checkpoint.serde.types": frozenset({"_DeltaSnapshot"}),
    "langchain_core.documents.base": frozenset({"Document"}),
}
_MESSAGES: Final = "langchain_core.messages."
"""Every class that a module of this package defines: messages, chunks, tool calls, text."""

_SLOTTED: Final = frozenset(
    {"vecgraph.types:Send", "langgraph.types:Send", "langgraph.store.base:Item"}
)
"""Classes of slots that are no dataclasses."""

_MOST_WARNINGS: Final = 1_000
_warned: set[str] = set()


def is_slotted(kind: type[Any]) -> bool:
    """Return whether a class is stored by its slots although it is no dataclass."""
    return stored_name(kind) in _SLOTTED


def stored_name(kind: type[Any]) -> str:
    """Return the name of a class in stored data.

    Examples
    --------
    >>> stored_name(types.Send)
    'vecgraph.types:Send'
    """
    return _NAMES.get(kind) or name_of(kind)


class Classes:
    """The classes whose instances may be made from stored data.

    Parameters
    ----------
    allowed : iterable of type
        Beside the ones that every program allows.

    Raises
    ------
    TypeError
        One is no class.
    """

    __slots__ = ("_allowed",)

    def __init__(self, allowed: Iterable[type[Any]] = ()) -> None:
        kinds = list(allowed)
        for kind in kinds:
            if not isinstance(kind, type):
                raise TypeError(
                    f"Only classes can be allowed, but got {kind!r}.\n"
                    "Hint: pass the class itself: Packer(allowed=[Basket])."
                )
        self._allowed = {stored_name(kind): kind for kind in kinds}

    def find(self, name: str) -> type[Any] | None:
        """Return the allowed class of this name. Nothing is imported for it."""
        return self._allowed.get(name) or _BY_NAME.get(name) or _elsewhere(name)


def _elsewhere(name: str) -> type[Any] | None:
    module, _, qualname = name.partition(":")
    if qualname not in _ELSEWHERE.get(module, ()) and not module.startswith(_MESSAGES):
        return None
    # The module's own dict: `getattr` would call a module's `__getattr__`, which may import.
    found = getattr(sys.modules.get(module), "__dict__", {}).get(qualname)
    if isinstance(found, type) and found.__module__ == module:
        return found
    return _BY_NAME["vecgraph.types:" + qualname] if module == "langgraph.types" else None


def warn_once(name: str, text: str) -> None:
    """Log a warning about a class, the first time only."""
    if name not in _warned and len(_warned) < _MOST_WARNINGS:
        _warned.add(name)
        LOGGER.warning("%s", text)

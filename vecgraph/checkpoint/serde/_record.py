"""What comes back of a class that the program did not allow: its fields, as a dict with a name."""

from __future__ import annotations

from typing import Any

from vecgraph.checkpoint.serde._codes import FIELDS

__all__ = ["Record"]


class Record(dict[str, Any]):
    """The fields of an instance whose class is not in the allow-list.

    Stored again, it is what it was: a program that allows the class gets the instance.

    Parameters
    ----------
    type_name : str
        Module and name of the class, ``"shop.models:Basket"``.
    fields : dict
        Its fields; for an Enum its ``name`` and ``value``.
    code, rest
        Kind of class, and what else of the instance was stored; for the serialiser.

    Examples
    --------
    >>> Record("shop.models:Basket", {"items": 3})
    Record('shop.models:Basket', {'items': 3})
    >>> Record("shop.models:Basket", {"items": 3}) == {"items": 3}
    True
    """

    __slots__ = ("code", "rest", "type_name")

    type_name: str
    code: int
    rest: Any

    def __init__(
        self, type_name: str, fields: dict[str, Any], code: int = FIELDS, rest: Any = None
    ) -> None:
        super().__init__(fields)
        self.type_name, self.code, self.rest = type_name, code, rest

    def __repr__(self) -> str:
        return f"Record({self.type_name!r}, {super().__repr__()})"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Record) and other.type_name != self.type_name:
            return False
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:  # type: ignore[override]
        # It may stand where the instance stood: in a set, or as a key.
        return hash((self.type_name, frozenset(self.items())))

"""Items of a store, and the operations on them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, TypedDict

from vecgraph.store.base.embed import Embeds

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "NOT_PROVIDED",
    "GetOp",
    "IndexConfig",
    "InvalidNamespaceError",
    "Item",
    "ListNamespacesOp",
    "MatchCondition",
    "NamespaceMatchType",
    "NamespacePath",
    "NotProvided",
    "Op",
    "PutOp",
    "Result",
    "SearchItem",
    "SearchOp",
    "TTLConfig",
]


class NotProvided:
    """Stands for a time to live that was not given, where None means: for ever."""

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "NOT_GIVEN"


NOT_PROVIDED = NotProvided()


class InvalidNamespaceError(ValueError):
    """A namespace that no store takes."""


class Item:
    """What is stored under a key in a namespace.

    Parameters
    ----------
    value : dict of str to object
    key : str
    namespace : tuple of str
    created_at, updated_at : datetime
        With a time zone; text in ISO format is parsed.
    """

    __slots__ = ("created_at", "key", "namespace", "updated_at", "value")

    def __init__(
        self,
        *,
        value: dict[str, Any],
        key: str,
        namespace: tuple[str, ...],
        created_at: datetime,
        updated_at: datetime,
    ) -> None:
        self.value = value
        self.key = key
        self.namespace = tuple(namespace)
        self.created_at = _time(created_at)
        self.updated_at = _time(updated_at)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Item) and _facts(self) == _facts(other)

    def __hash__(self) -> int:
        return hash((self.namespace, self.key))

    def dict(self) -> dict[str, Any]:
        """Return the item as plain values: the namespace as a list, times as text."""
        return {
            "namespace": list(self.namespace),
            "key": self.key,
            "value": self.value,
            "created_at": self.created_at.isoformat(),
            "updated_at": self.updated_at.isoformat(),
        }

    def __repr__(self) -> str:
        said = ", ".join(f"{name}={value!r}" for name, value in self.dict().items())
        return f"Item({said})"


class SearchItem(Item):
    """An item that a search has found.

    Parameters
    ----------
    namespace, key, value, created_at, updated_at
        As for `Item`.
    score : float or None
        How near it is to the query, greater is nearer; None where nothing was compared.
    """

    __slots__ = ("score",)

    def __init__(
        self,
        namespace: tuple[str, ...],
        key: str,
        value: dict[str, Any],
        created_at: datetime,
        updated_at: datetime,
        score: float | None = None,
    ) -> None:
        super().__init__(
            value=value,
            key=key,
            namespace=namespace,
            created_at=created_at,
            updated_at=updated_at,
        )
        self.score = score

    def dict(self) -> dict[str, Any]:
        """Return the item as plain values, the score among them."""
        return {**super().dict(), "score": self.score}


def _time(given: datetime | str) -> datetime:
    return datetime.fromisoformat(given) if isinstance(given, str) else given


def _facts(item: Item) -> tuple[Any, ...]:
    return item.value, item.key, item.namespace, item.created_at, item.updated_at


class GetOp(NamedTuple):
    """Get an item; `refresh_ttl`: its time to live begins again."""

    namespace: tuple[str, ...]
    key: str
    refresh_ttl: bool = True


class SearchOp(NamedTuple):
    """Search below a namespace.

    `filter` says what values must be, by key: equal, or as an operator says (``$eq``, ``$ne``,
    ``$gt``, ``$gte``, ``$lt``, ``$lte``). With a `query` and a store that has an index the
    nearest items come first.
    """

    namespace_prefix: tuple[str, ...]
    filter: dict[str, Any] | None = None
    limit: int = 10
    offset: int = 0
    query: str | None = None
    refresh_ttl: bool = True


NamespacePath: TypeAlias = tuple[str, ...]
"""Labels, of which ``"*"`` stands for any one."""

NamespaceMatchType: TypeAlias = Literal["prefix", "suffix"]


class MatchCondition(NamedTuple):
    """What a namespace begins or ends with."""

    match_type: NamespaceMatchType
    path: NamespacePath


class ListNamespacesOp(NamedTuple):
    """List namespaces that fulfil all conditions, cut off at `max_depth` labels."""

    match_conditions: tuple[MatchCondition, ...] | None = None
    max_depth: int | None = None
    limit: int = 100
    offset: int = 0


class PutOp(NamedTuple):
    """Put an item, or delete it where `value` is None.

    `index` False: no query finds it; a list: the paths of the texts by which a query does.
    `ttl` is in minutes.
    """

    namespace: tuple[str, ...]
    key: str
    value: Mapping[str, Any] | None
    index: Literal[False] | list[str] | None = None  # type: ignore[assignment]
    ttl: float | None = None


Op: TypeAlias = GetOp | SearchOp | PutOp | ListNamespacesOp
Result: TypeAlias = Item | list[Item] | list[SearchItem] | list[tuple[str, ...]] | None


class TTLConfig(TypedDict, total=False):
    """How long items live.

    Attributes
    ----------
    refresh_on_read : bool
        Whether reading an item begins its time again; True unless it is said.
    omit_expired : bool
        Whether items that have expired are not found, even before they are swept away.
    default_ttl : float or None
        Minutes that an item lives which is put without a time; None: for ever.
    sweep_interval_minutes : int or None
        Minutes between two sweeps of the sweeper, 5 unless it is said.
    """

    refresh_on_read: bool
    omit_expired: bool
    default_ttl: float | None
    sweep_interval_minutes: int | None


class IndexConfig(TypedDict, total=False):
    """How items are found by a query.

    Attributes
    ----------
    dims : int
        Length of the vectors.
    embed : object
        Has `embed_documents` and `embed_query`, or a function from a list of texts to a list
        of vectors, which may be a coroutine function.
    fields : list of str or None
        Paths of the texts: ``"$"`` for the whole item (None means that too), ``"a.b"``,
        ``"a[0]"``, ``"a[*].b"`` for a vector of each.
    distance_type : str
        ``"cosine"``, ``"inner_product"`` or ``"l2"``, where a store says that it has them.
    """

    dims: int
    embed: Embeds
    fields: list[str] | None
    distance_type: Literal["cosine", "inner_product", "l2"]

"""What every store does: LangGraph's interface, its items and its operations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from vecgraph.store.base._checks import check_labels, check_namespace, ensure_refresh, ensure_ttl
from vecgraph.store.base._checks import validate_op_namespace as validate_op_namespace
from vecgraph.store.base._ops import NOT_PROVIDED as NOT_PROVIDED
from vecgraph.store.base._ops import GetOp as GetOp
from vecgraph.store.base._ops import IndexConfig as IndexConfig
from vecgraph.store.base._ops import InvalidNamespaceError as InvalidNamespaceError
from vecgraph.store.base._ops import Item as Item
from vecgraph.store.base._ops import ListNamespacesOp as ListNamespacesOp
from vecgraph.store.base._ops import MatchCondition as MatchCondition
from vecgraph.store.base._ops import NamespaceMatchType as NamespaceMatchType
from vecgraph.store.base._ops import NamespacePath as NamespacePath
from vecgraph.store.base._ops import NotProvided as NotProvided
from vecgraph.store.base._ops import Op as Op
from vecgraph.store.base._ops import PutOp as PutOp
from vecgraph.store.base._ops import Result as Result
from vecgraph.store.base._ops import SearchItem as SearchItem
from vecgraph.store.base._ops import SearchOp as SearchOp
from vecgraph.store.base._ops import TTLConfig as TTLConfig
from vecgraph.store.base.embed import AEmbeddingsFunc as AEmbeddingsFunc
from vecgraph.store.base.embed import Embeddings as Embeddings
from vecgraph.store.base.embed import EmbeddingsFunc as EmbeddingsFunc
from vecgraph.store.base.embed import ensure_embeddings as ensure_embeddings
from vecgraph.store.base.embed import get_text_at_path as get_text_at_path
from vecgraph.store.base.embed import tokenize_path as tokenize_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "BaseStore",
    "Embeddings",
    "GetOp",
    "Item",
    "ListNamespacesOp",
    "MatchCondition",
    "NamespaceMatchType",
    "NamespacePath",
    "Op",
    "PutOp",
    "SearchOp",
    "ensure_embeddings",
    "get_text_at_path",
    "tokenize_path",
    "validate_op_namespace",
]


class BaseStore(ABC):
    """Keeps items under namespaces and keys, for all runs and threads.

    A subclass has `batch` and `abatch`; everything else is made of them. The reads of one batch
    see the store as it was before the writes of that batch.

    Attributes
    ----------
    supports_ttl : bool
        Whether items can have a time to live.
    ttl_config : TTLConfig or None
    """

    supports_ttl: ClassVar[bool] = False
    ttl_config: TTLConfig | None = None

    @abstractmethod
    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Do operations; return what each of them gives, None for a put."""

    @abstractmethod
    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Do `batch` without blocking."""

    def get(
        self, namespace: tuple[str, ...], key: str, *, refresh_ttl: bool | None = None
    ) -> Item | None:
        """Return an item, None if there is none.

        Parameters
        ----------
        namespace : tuple of str
        key : str
        refresh_ttl : bool, optional
            Whether its time to live begins again; None: as the store is configured.
        """
        return self._one(self._get_op(namespace, key, refresh_ttl))  # type: ignore[return-value]

    def search(
        self,
        namespace_prefix: tuple[str, ...],
        /,
        *,
        query: str | None = None,
        filter: dict[str, Any] | None = None,
        limit: int = 10,
        offset: int = 0,
        refresh_ttl: bool | None = None,
    ) -> list[SearchItem]:
        """Return items below a namespace.

        Parameters
        ----------
        namespace_prefix : tuple of str
        query : str, optional
            The nearest to this text come first, if the store has an index.
        filter : dict, optional
            What values must be, by key; see `SearchOp`.
        limit, offset : int
        refresh_ttl : bool, optional
            Whether their times to live begin again; None: as the store is configured.
        """
        op = self._search_op(namespace_prefix, filter, limit, offset, query, refresh_ttl)
        return self._one(op)  # type: ignore[return-value]

    def put(
        self,
        namespace: tuple[str, ...],
        key: str,
        value: Mapping[str, Any],
        index: Literal[False] | list[str] | None = None,
        *,
        ttl: float | NotProvided | None = NOT_PROVIDED,
    ) -> None:
        """Put an item in the place of what was there.

        Parameters
        ----------
        namespace : tuple of str
            Labels without a period, of which the first is not ``langgraph``.
        key : str
        value : mapping of str to object
        index : False or list of str, optional
            Paths of the texts by which a query finds it; False: none does; None: as the store
            is configured.
        ttl : float or None
            Minutes that it lives; None: for ever.

        Raises
        ------
        InvalidNamespaceError
        NotImplementedError
            The store has no times to live.
        """
        self._one(self._put_op(namespace, key, value, index, ttl))

    def delete(self, namespace: tuple[str, ...], key: str) -> None:
        """Delete an item if there is one."""
        self._one(self._delete_op(namespace, key))

    def list_namespaces(
        self,
        *,
        prefix: NamespacePath | None = None,
        suffix: NamespacePath | None = None,
        max_depth: int | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[tuple[str, ...]]:
        """Return the namespaces that hold something, sorted.

        Parameters
        ----------
        prefix, suffix : tuple of str, optional
            What they begin or end with; ``"*"`` stands for any label.
        max_depth : int, optional
            They are cut off after so many labels.
        limit, offset : int
        """
        op = self._list_op(prefix, suffix, max_depth, limit, offset)
        return self._one(op)  # type: ignore[return-value]

    async def aget(
        self, namespace: tuple[str, ...], key: str, *, refresh_ttl: bool | None = None
    ) -> Item | None:
        """Do `get` without blocking."""
        return await self._aone(self._get_op(namespace, key, refresh_ttl))  # type: ignore[return-value]

    async def asearch(
        self,
        namespace_prefix: tuple[str, ...],
        /,
        *,
        query: str | None = None,
        filter: dict[str, Any] | None = None,
        limit: int = 10,
        offset: int = 0,
        refresh_ttl: bool | None = None,
    ) -> list[SearchItem]:
        """Do `search` without blocking."""
        op = self._search_op(namespace_prefix, filter, limit, offset, query, refresh_ttl)
        return await self._aone(op)  # type: ignore[return-value]

    async def aput(
        self,
        namespace: tuple[str, ...],
        key: str,
        value: Mapping[str, Any],
        index: Literal[False] | list[str] | None = None,
        *,
        ttl: float | NotProvided | None = NOT_PROVIDED,
    ) -> None:
        """Do `put` without blocking."""
        await self._aone(self._put_op(namespace, key, value, index, ttl))

    async def adelete(self, namespace: tuple[str, ...], key: str) -> None:
        """Do `delete` without blocking."""
        await self._aone(self._delete_op(namespace, key))

    async def alist_namespaces(
        self,
        *,
        prefix: NamespacePath | None = None,
        suffix: NamespacePath | None = None,
        max_depth: int | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[tuple[str, ...]]:
        """Do `list_namespaces` without blocking."""
        op = self._list_op(prefix, suffix, max_depth, limit, offset)
        return await self._aone(op)  # type: ignore[return-value]

    def _one(self, op: Op) -> Result:
        """Do one operation."""
        return self.batch([op])[0]

    async def _aone(self, op: Op) -> Result:
        """Do one operation without blocking."""
        return (await self.abatch([op]))[0]

    def _get_op(self, namespace: tuple[str, ...], key: str, refresh: bool | None) -> GetOp:
        check_labels(namespace)
        return GetOp(namespace, str(key), ensure_refresh(self.ttl_config, refresh))

    def _search_op(
        self,
        prefix: tuple[str, ...],
        wanted: dict[str, Any] | None,
        limit: int,
        offset: int,
        query: str | None,
        refresh: bool | None,
    ) -> SearchOp:
        check_labels(prefix)
        refresh = ensure_refresh(self.ttl_config, refresh)
        return SearchOp(prefix, wanted, limit, offset, query, refresh)

    def _put_op(
        self,
        namespace: tuple[str, ...],
        key: str,
        value: Mapping[str, Any],
        index: Literal[False] | list[str] | None,
        ttl: float | NotProvided | None,
    ) -> PutOp:
        check_namespace(namespace)
        if ttl is not NOT_PROVIDED and ttl is not None and not self.supports_ttl:
            raise NotImplementedError(
                f"TTL is not supported by {type(self).__name__}. Use a store implementation that "
                "supports TTL or set ttl=None."
            )
        return PutOp(namespace, str(key), value, index, ensure_ttl(self.ttl_config, ttl))

    def _delete_op(self, namespace: tuple[str, ...], key: str) -> PutOp:
        check_labels(namespace)
        return PutOp(namespace, str(key), None)

    def _list_op(
        self,
        prefix: NamespacePath | None,
        suffix: NamespacePath | None,
        max_depth: int | None,
        limit: int,
        offset: int,
    ) -> ListNamespacesOp:
        check_labels(prefix or ())
        check_labels(suffix or ())
        conditions = []
        if prefix:
            conditions.append(MatchCondition("prefix", prefix))
        if suffix:
            conditions.append(MatchCondition("suffix", suffix))
        return ListNamespacesOp(tuple(conditions), max_depth, limit, offset)

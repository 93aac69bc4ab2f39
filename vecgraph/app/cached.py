"""Forgetting what a cache holds of a graph's nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vecgraph.app.base import Compiled
from vecgraph.engine.caching import namespace_of

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Cached"]


class Cached(Compiled):
    """An app whose nodes may have a cache."""

    def clear_cache(self, nodes: Sequence[str] | None = None) -> None:
        """Forget what the cache holds of some nodes.

        Parameters
        ----------
        nodes : sequence of str, optional
            Names; None: all nodes.

        Raises
        ------
        ValueError
            The graph has no cache.
        """
        self._cache().clear(self._namespaces(nodes))

    async def aclear_cache(self, nodes: Sequence[str] | None = None) -> None:
        """Do `clear_cache` without blocking."""
        await self._cache().aclear(self._namespaces(nodes))

    def _cache(self) -> Any:
        if not self.cache:
            raise ValueError("No cache is set for this graph. Cannot clear cache.")
        return self.cache

    def _namespaces(self, nodes: Sequence[str] | None) -> list[tuple[str, ...]]:
        known = self.program.nodes
        return [namespace_of(known[name]) for name in nodes or known if name in known]

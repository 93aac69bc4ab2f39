"""The index of a store: which texts get vectors, and how near vectors are to a query."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.store.base import ensure_embeddings, get_text_at_path, tokenize_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from vecgraph.store.base import IndexConfig, PutOp

__all__ = ["Index", "Vectors", "ranked"]

Vectors = dict[str, list[float]]
"""By path in an item or, for what is embedded, by text."""


class Index:
    """How the items of a store get vectors.

    Parameters
    ----------
    config : IndexConfig

    Raises
    ------
    ValueError
        There is nothing to embed with, or no such distance.
    """

    def __init__(self, config: IndexConfig) -> None:
        self.embeddings: Any = ensure_embeddings(config.get("embed"))
        self.distance = config.get("distance_type", "cosine")
        if self.distance not in {"cosine", "inner_product", "l2"}:
            raise ValueError(
                f"distance_type must be cosine, inner_product or l2, not {self.distance!r}"
            )
        self._fields = _tokens(config.get("fields") or ["$"])

    def texts(self, op: PutOp) -> dict[str, str]:
        """Return the texts of an item that get vectors, by their paths."""
        if op.value is None or op.index is False:
            return {}
        fields = self._fields if op.index is None else _tokens(op.index)
        found = {}
        for path, tokens in fields:
            texts = get_text_at_path(op.value, tokens)
            several = len(texts) > 1
            found.update({f"{path}.{i}" if several else path: t for i, t in enumerate(texts)})
        return found

    def embed(self, texts: Sequence[str], queries: Sequence[str]) -> tuple[Vectors, Vectors]:
        """Return the vectors of texts and of queries.

        Raises
        ------
        ValueError
            There are not as many vectors as texts.
        """
        made = self.embeddings.embed_documents(list(texts)) if texts else []
        asked = [self.embeddings.embed_query(query) for query in queries]
        return _paired(texts, made), _paired(queries, asked)

    async def aembed(self, texts: Sequence[str], queries: Sequence[str]) -> tuple[Vectors, Vectors]:
        """Do `embed` without blocking."""
        if not hasattr(self.embeddings, "aembed_documents"):
            return await asyncio.to_thread(self.embed, texts, queries)
        made = await self.embeddings.aembed_documents(list(texts)) if texts else []
        asked = await asyncio.gather(*map(self.embeddings.aembed_query, queries))
        return _paired(texts, made), _paired(queries, asked)

    def scores(
        self, query: Sequence[float], vectors: Sequence[Sequence[float]]
    ) -> npt.NDArray[np.float64]:
        """Return how near vectors are to a query, greater is nearer.

        Parameters
        ----------
        query : sequence of D floats
        vectors : sequence of K sequences of D floats

        Returns
        -------
        float64 ndarray of shape (K,)
            Cosine (0 for a vector of zeros), inner product, or the negative distance.
        """
        if not len(vectors):
            return np.zeros(0)
        q, v = np.asarray(query, float), np.asarray(vectors, float)
        if self.distance == "l2":
            return -np.asarray(np.linalg.norm(v - q, axis=1))
        products: npt.NDArray[np.float64] = v @ q
        if self.distance == "inner_product":
            return products
        norms = np.linalg.norm(v, axis=1)
        near = np.zeros(len(v))
        np.divide(products, norms * np.linalg.norm(q), out=near, where=norms != 0)
        return near


def _tokens(paths: Sequence[str]) -> list[tuple[str, str | list[str]]]:
    return [(path, path if path == "$" else tokenize_path(path)) for path in paths]


def _paired(texts: Sequence[str], vectors: Sequence[Any]) -> Vectors:
    if len(texts) != len(vectors):
        raise ValueError(f"{len(vectors)} vectors were made of {len(texts)} texts")
    return dict(zip(texts, vectors, strict=True))


def ranked(
    index: Index, query: Sequence[float], vectors: Sequence[Mapping[str, Sequence[float]]]
) -> list[tuple[int, float | None]]:
    """Return the positions of items, nearest first, and their scores; None: without a vector.

    Parameters
    ----------
    index : Index
    query : sequence of float
    vectors : sequence of mapping
        The vectors of each item by path; the nearest of them counts.
    """
    owner = np.array([i for i, mine in enumerate(vectors) for _ in mine], np.intp)
    scores = index.scores(query, [vector for mine in vectors for vector in mine.values()])
    found: dict[int, float | None] = {}
    for at in np.argsort(-scores, kind="stable").tolist():
        found.setdefault(int(owner[at]), float(scores[at]))
    return [*found.items(), *((i, None) for i, mine in enumerate(vectors) if not mine)]

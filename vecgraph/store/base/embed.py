"""Vectors of texts, and the texts at a path in an item."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

__all__ = [
    "AEmbeddingsFunc",
    "Embeddings",
    "EmbeddingsFunc",
    "EmbeddingsLambda",
    "Embeds",
    "ensure_embeddings",
    "get_text_at_path",
    "tokenize_path",
]

EmbeddingsFunc: TypeAlias = Callable[[Sequence[str]], list[list[float]]]
"""From texts to their vectors."""

AEmbeddingsFunc: TypeAlias = Callable[[Sequence[str]], Awaitable[list[list[float]]]]
"""The same as a coroutine function."""


@runtime_checkable
class Embeddings(Protocol):
    """Makes vectors of texts; langchain-core's classes of this name do."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of texts that are stored."""
        ...

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a text that is searched for."""
        ...


Embeds: TypeAlias = Embeddings | EmbeddingsFunc | AEmbeddingsFunc | str


class EmbeddingsLambda:
    """Embeddings made of a function.

    Parameters
    ----------
    func : callable
        From a list of texts to a list of vectors; a coroutine function serves coroutines only.
    """

    def __init__(self, func: EmbeddingsFunc | AEmbeddingsFunc) -> None:
        if func is None:
            raise ValueError("func must be provided")
        self._func: Any = func
        call = getattr(func, "__call__", None)  # noqa: B004 - the method itself
        self._is_async = inspect.iscoroutinefunction(func) or inspect.iscoroutinefunction(call)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of texts."""
        if self._is_async:
            raise ValueError(
                "EmbeddingsLambda was initialized with an async function but no sync function. "
                "Use aembed_documents for async operation or provide a sync function."
            )
        found: list[list[float]] = self._func(texts)
        return found

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a text."""
        return self.embed_documents([text])[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of texts without blocking."""
        if not self._is_async:
            return await asyncio.to_thread(self.embed_documents, texts)
        found: list[list[float]] = await self._func(texts)
        return found

    async def aembed_query(self, text: str) -> list[float]:
        """Return the vector of a text without blocking."""
        return (await self.aembed_documents([text]))[0]


def ensure_embeddings(embed: Embeds | None) -> Embeddings:
    """Return embeddings made of a function, or as they are.

    Raises
    ------
    ValueError
        Nothing was given, or the name of a provider.
    """
    if embed is None:
        raise ValueError("embed must be provided")
    if isinstance(embed, str):
        raise ValueError(  # noqa: TRY004 - LangGraph's type
            f"Could not load embeddings from string '{embed}'.\n"
            "Hint: pass an object with embed_documents and embed_query, such as "
            "langchain.embeddings.init_embeddings(...) returns, or a function."
        )
    return embed if isinstance(embed, Embeddings) else EmbeddingsLambda(embed)


_CLOSING = {"[": "]", "{": "}"}


def tokenize_path(path: str) -> list[str]:
    """Return the parts of a path.

    Examples
    --------
    >>> tokenize_path("a.b[0].{c,d}")
    ['a', 'b', '[0]', '{c,d}']
    """
    tokens, at = [], 0
    while at < len(path):
        end = _closed(path, at) if path[at] in _CLOSING else _plain(path, at)
        tokens.append(path[at:end])
        at = end
        while at < len(path) and path[at] == ".":
            at += 1
    return [token for token in tokens if token]


def _closed(path: str, at: int) -> int:
    """Return where a part in brackets ends; brackets of its kind may stand in it."""
    opening, depth = path[at], 0
    for end in range(at, len(path)):
        depth += (path[end] == opening) - (path[end] == _CLOSING[opening])
        if depth == 0:
            return end + 1
    return len(path)


def _plain(path: str, at: int) -> int:
    ends = [end for end in range(at, len(path)) if path[end] in ".[{"]
    return ends[0] if ends else len(path)


def get_text_at_path(obj: Any, path: str | list[str]) -> list[str]:
    """Return the texts at a path: one, several where it has a star, none where nothing is.

    Parameters
    ----------
    obj : object
        Of dicts, lists and plain values.
    path : str or list of str
        Or its parts; ``"$"`` and an empty one mean the whole as JSON.

    Examples
    --------
    >>> get_text_at_path({"a": [{"b": "x"}, {"b": 2}, {}]}, "a[*].b")
    ['x', '2']
    """
    if isinstance(obj, Mapping) and not isinstance(obj, dict):
        obj = dict(obj)
    if not path or path == "$":
        return [json.dumps(obj, sort_keys=True, ensure_ascii=False)]
    found = [obj]
    for token in tokenize_path(path) if isinstance(path, str) else path:
        found = [inner for value in found for inner in _inside(value, token)]
        if _is_in(token, "{}"):  # nothing comes after such a part
            break
    return [text for value in found for text in _text(value)]


def _text(value: Any) -> list[str]:
    if isinstance(value, str | int | float):
        return [str(value)]
    if isinstance(value, list | dict):
        return [json.dumps(value, sort_keys=True, ensure_ascii=False)]
    return []


def _inside(value: Any, token: str) -> list[Any]:
    """Return what a part of a path leads to."""
    if _is_in(token, "[]"):
        return _item(value, token[1:-1]) if isinstance(value, list) else []
    if _is_in(token, "{}"):
        return _fields(value, token[1:-1].split(",")) if isinstance(value, dict) else []
    if token == "*":
        if isinstance(value, dict):
            return list(value.values())
        return list(value) if isinstance(value, list) else []
    return [value[token]] if isinstance(value, dict) and token in value else []


def _is_in(token: str, brackets: str) -> bool:
    return token.startswith(brackets[0]) and token.endswith(brackets[1])


def _item(values: list[Any], index: str) -> list[Any]:
    if index == "*":
        return list(values)
    try:
        return [values[int(index)]]
    except (ValueError, IndexError):
        return []


def _fields(value: dict[str, Any], names: list[str]) -> list[Any]:
    """Return what several paths lead to."""
    found = []
    for name in names:
        inner: Any = value
        for token in tokenize_path(name.strip()):
            inner = inner.get(token) if isinstance(inner, dict) else None
        if inner is not None and tokenize_path(name.strip()):
            found.append(inner)
    return found

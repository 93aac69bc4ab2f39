"""Objects found by name: entry points in the groups ``vecgraph.<kind>``, built-ins included."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Any

__all__ = ["UnknownNameError", "load", "names", "unknown"]

BUILT_IN = {
    "adapters": {"langgraph": "vecgraph.interop.savers:for_vecgraph"},
    "chat_streams": {"langchain": "vecgraph.interop.chat_streams"},
    "codecs": {
        "arrow": "vecgraph.checkpoint.serde.codecs.arrow:ArrowCodec",
        "json": "vecgraph.checkpoint.serde.codecs.text:JsonCodec",
        "msgpack": "vecgraph.checkpoint.serde.codecs.packed:MsgpackCodec",
        "protobuf": "vecgraph.checkpoint.serde.codecs.proto:ProtobufCodec",
    },
    "surroundings": {"langchain": "vecgraph.interop.tokens"},
    "tasks": {"demo": "vecgraph.evals.demo:task"},
}


class UnknownNameError(LookupError):
    """Nothing is registered under a name; carries `kind`, `name` and the names that `exist`."""

    def __init__(self, kind: str, name: str, exist: list[str]) -> None:
        super().__init__(unknown(f"{kind.removesuffix('s')}", name, exist))
        self.kind, self.name, self.exist = kind, name, exist


def unknown(thing: str, name: str, exist: list[str]) -> str:
    """Say that a name is unknown, which one was perhaps meant, and which there are.

    Examples
    --------
    >>> unknown("task", "dmeo", ["demo"])
    "there is no task 'dmeo'. Did you mean 'demo'? Known: demo"
    """
    close = get_close_matches(name, exist, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"there is no {thing} {name!r}.{hint} Known: {', '.join(exist) or 'none'}"


def _entries(kind: str) -> dict[str, EntryPoint]:
    group = f"vecgraph.{kind}"
    built_in = {
        name: EntryPoint(name, value, group) for name, value in BUILT_IN.get(kind, {}).items()
    }
    # An installed entry point of the same name wins: that is how a built-in is replaced.
    return built_in | {entry.name: entry for entry in entry_points(group=group)}


def names(kind: str) -> list[str]:
    """List the names of a kind, sorted.

    Examples
    --------
    >>> "demo" in names("tasks")
    True
    """
    return sorted(_entries(kind))


def load(kind: str, name: str) -> Any:
    """Import the object that is registered under a name.

    Parameters
    ----------
    kind : str
        Plural noun, such as ``"tasks"``.
    name : str

    Raises
    ------
    UnknownNameError
        There is none of that name.
    """
    entries = _entries(kind)
    if name not in entries:
        raise UnknownNameError(kind, name, sorted(entries))
    return entries[name].load()

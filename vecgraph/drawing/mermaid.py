"""Graphs in Mermaid's language, as LangChain writes them."""

from __future__ import annotations

import string
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vecgraph.drawing.graph import Edge, Graph, Node, NodeStyles

__all__ = ["Style", "draw_mermaid"]

_SAFE = frozenset(string.ascii_letters + string.digits + "_-")
_MARKDOWN = ("*", "_", "`")
# The number sign first: the others become entities that hold one.
_ENTITIES = {
    "#": "#35;", "[": "#91;", "]": "#93;", "(": "#40;", ")": "#41;", "{": "#123;", "}": "#125;",
    '"': "#quot;", "<": "#60;", ">": "#62;", "|": "#124;",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Style:
    """How a graph is written.

    Attributes
    ----------
    styled : bool
        With frontmatter, labels of nodes and classes.
    curve : str
    colors : NodeStyles
    words : int
        Of an edge's label in a line.
    frontmatter : dict
    """

    styled: bool
    curve: str
    colors: NodeStyles
    words: int
    frontmatter: dict[str, Any]


def draw_mermaid(graph: Graph, style: Style) -> str:
    """Return a graph as a flowchart.

    Raises
    ------
    ValueError
        Two subgraphs at different places have the same name, which Mermaid cannot tell apart.
    """
    return "".join(_Chart(graph, style).lines())


class _Chart:
    def __init__(self, graph: Graph, style: Style) -> None:
        self._style = style
        first, last = graph.first_node(), graph.last_node()
        self._shapes = {}
        if first is not None:
            self._shapes[first.id] = "{0}([{1}]):::first"
        if last is not None:
            self._shapes[last.id] = "{0}([{1}]):::last"
        self._outer = {key: n for key, n in graph.nodes.items() if ":" not in key}
        self._inner: dict[str, dict[str, Node]] = {}
        for key, node in graph.nodes.items():
            if ":" in key:
                self._inner.setdefault(key.rpartition(":")[0], {})[key] = node
        self._groups: dict[str, list[Edge]] = {}
        for edge in graph.edges:
            self._groups.setdefault(_common(edge), []).append(edge)
        self._seen: set[str] = set()

    def lines(self) -> Iterator[str]:
        styled = self._style.styled
        if styled:
            yield f"---\n{_yaml(self._frontmatter())}---\n"
        yield "graph TD;\n"
        if styled:
            yield from (self._node(key, node) for key, node in self._outer.items())
        yield from self._group("", self._groups.get("", []))
        for prefix, edges in self._groups.items():
            if prefix and ":" not in prefix:
                yield from self._group(prefix, edges)
                self._seen.add(prefix)
        if styled:
            yield from self._lonely()
            for name, css in asdict(self._style.colors).items():
                yield f"\tclassDef {name} {css}\n"

    def _frontmatter(self) -> dict[str, Any]:
        given = self._style.frontmatter
        config = given.get("config", {})
        flowchart = {**config.get("flowchart", {}), "curve": self._style.curve}
        return {**given, "config": {**config, "flowchart": flowchart}}

    def _node(self, key: str, node: Node) -> str:
        name = node.name.rpartition(":")[2]
        label = (
            f"<p>{name}</p>" if name.startswith(_MARKDOWN) and name.endswith(_MARKDOWN) else name
        )
        notes = "\n".join(_notes(node.metadata or {}))
        if notes:
            label = f"{label}<hr/><small><em>{notes}</em></small>"
        return f"\t{self._shapes.get(key, '{0}({1})').format(_safe(key), label)}\n"

    def _group(self, prefix: str, edges: list[Edge]) -> Iterator[str]:
        """Write the edges within a subgraph, and the subgraphs in it."""
        loop = len(edges) == 1 and edges[0].source == edges[0].target
        framed = bool(prefix) and not loop
        if framed:
            yield from self._frame(prefix)
        for edge in edges:
            yield f"\t{_safe(edge.source)}{self._arrow(edge)}{_safe(edge.target)};\n"
        for nested, inner in self._groups.items():
            rest = nested.removeprefix(f"{prefix}:") if nested.startswith(f"{prefix}:") else ":"
            if nested != prefix and ":" not in rest:
                yield from self._group(nested, inner)
        if framed:
            yield "\tend\n"

    def _frame(self, prefix: str) -> Iterator[str]:
        name = prefix.rpartition(":")[2]
        if name in self._seen:
            raise ValueError(
                f"Found duplicate subgraph '{name}' -- this likely means that you're reusing a "
                "subgraph node with the same name. Please adjust your graph to have subgraph nodes "
                "with unique names."
            )
        self._seen.add(name)
        yield f"\tsubgraph {name}\n"
        if self._style.styled:
            for key, node in self._inner.get(prefix, {}).items():
                yield self._node(key, node)

    def _lonely(self) -> Iterator[str]:
        """Write the subgraphs that no edge is in."""
        for prefix, nodes in self._inner.items():
            if ":" not in prefix and prefix not in self._seen:
                yield f"\tsubgraph {prefix}\n"
                yield from (self._node(key, node) for key, node in nodes.items())
                yield "\tend\n"
                self._seen.add(prefix)

    def _arrow(self, edge: Edge) -> str:
        if edge.data is None:
            return " -.-> " if edge.conditional else " --> "
        label, n = edge.data, self._style.words
        words = str(label).split()
        if len(words) > n:
            lines = [" ".join(words[i : i + n]) for i in range(0, len(words), n)]
            label = "&nbsp<br>&nbsp".join(lines)
        begin, end = (" -. ", " .-> ") if edge.conditional else (" -- ", " --> ")
        return f"{begin}&nbsp;{label}&nbsp;{end}"


def _common(edge: Edge) -> str:
    pairs = zip(edge.source.split(":"), edge.target.split(":"), strict=False)
    return ":".join(a for a, b in pairs if a == b)


def _safe(key: str) -> str:
    return "".join(c if c in _SAFE else f"\\{ord(c):x}" for c in key)


def _notes(metadata: dict[str, Any]) -> Iterator[str]:
    for key, value in metadata.items():
        text = _note(value)
        if text is not None:
            line = f"{key} = {text}"
            for mark, entity in _ENTITIES.items():
                line = line.replace(mark, entity)
            yield line


def _note(value: Any) -> str | None:
    if isinstance(value, str | int | float):
        return str(value)
    plain = isinstance(value, list | tuple | set)
    if not plain or not all(isinstance(item, str | int | float) for item in value):
        return None
    items = [str(item) for item in value]
    return ", ".join(sorted(items) if isinstance(value, set) else items)


def _yaml(config: dict[str, Any], indent: str = "") -> str:
    """Write nested dicts of plain values as YAML does, keys sorted."""
    import json

    lines = []
    for key, value in sorted(config.items()):
        if isinstance(value, dict) and value:
            lines.append(f"{indent}{key}:\n{_yaml(value, indent + '  ')}")
        else:
            plain = isinstance(value, str) and value.replace("-", "").isalnum()
            text = value if plain and not value.isdigit() else _quoted(json.dumps(value), value)
            lines.append(f"{indent}{key}: {text}\n")
    return "".join(lines)


def _quoted(text: str, value: Any) -> str:
    """Return a value's JSON, a string in the single quotes that YAML's writers prefer."""
    return f"'{value}'" if isinstance(value, str) and "'" not in value else text

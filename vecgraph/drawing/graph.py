"""A graph to look at: nodes and edges under LangChain's names, and the ways to draw them."""

from __future__ import annotations

import inspect
from collections import defaultdict
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID, uuid4

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CurveStyle", "Edge", "Graph", "LabelsDict", "Node", "NodeStyles"]

LabelsDict = dict[str, dict[str, str]]
"""Labels by id, under ``nodes`` and ``edges``."""


class Edge(NamedTuple):
    """From one node to another.

    Attributes
    ----------
    source, target : str
        Ids.
    data : object
        Label; None: none.
    conditional : bool
        A router or a command decides.
    """

    source: str
    target: str
    data: Any = None
    conditional: bool = False

    def copy(self, *, source: str | None = None, target: str | None = None) -> Edge:
        """Return a copy between other nodes."""
        return self._replace(source=source or self.source, target=target or self.target)


class Node(NamedTuple):
    """A node.

    Attributes
    ----------
    id, name : str
    data : object
        What runs; None for the end.
    metadata : dict or None
    """

    id: str
    name: str
    data: Any
    metadata: dict[str, Any] | None

    def copy(
        self,
        *,
        id: str | None = None,  # noqa: A002 - LangChain's name
        name: str | None = None,
    ) -> Node:
        """Return a copy with another id or name."""
        return self._replace(id=id or self.id, name=name or self.name)


class CurveStyle(Enum):
    """Curves that Mermaid draws edges as."""

    BASIS = "basis"
    BUMP_X = "bumpX"
    BUMP_Y = "bumpY"
    CARDINAL = "cardinal"
    CATMULL_ROM = "catmullRom"
    LINEAR = "linear"
    MONOTONE_X = "monotoneX"
    MONOTONE_Y = "monotoneY"
    NATURAL = "natural"
    STEP = "step"
    STEP_AFTER = "stepAfter"
    STEP_BEFORE = "stepBefore"


@dataclass
class NodeStyles:
    """Styles of Mermaid's classes of nodes."""

    default: str = "fill:#f2f0ff,line-height:1.2"
    first: str = "fill-opacity:0"
    last: str = "fill:#bfb6fc"


@dataclass
class Graph:
    """Nodes and edges, and ways to show them.

    Attributes
    ----------
    nodes : dict of str to Node
    edges : list of Edge
    """

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.nodes)

    def to_json(self, *, with_schemas: bool = False) -> dict[str, list[dict[str, Any]]]:
        """Return nodes and edges as JSON has them.

        Parameters
        ----------
        with_schemas : bool
            Say of a pydantic model what its schema is, not only its name.
        """
        nodes = [_node_json(node, with_schemas) for node in self.nodes.values()]
        return {"nodes": nodes, "edges": [_edge_json(edge) for edge in self.edges]}

    def next_id(self) -> str:
        """Return an id that no node has."""
        return uuid4().hex

    def add_node(
        self,
        data: Any,
        id: str | None = None,  # noqa: A002 - LangChain's name
        *,
        metadata: dict[str, Any] | None = None,
    ) -> Node:
        """Add a node and return it.

        Raises
        ------
        ValueError
            The id is taken.
        """
        if id is not None and id in self.nodes:
            raise ValueError(f"Node with id {id} already exists")
        key = id or self.next_id()
        node = Node(key, _name_of(key, data), data, metadata)
        self.nodes[key] = node
        return node

    def remove_node(self, node: Node) -> None:
        """Remove a node and its edges."""
        del self.nodes[node.id]
        self.edges = [edge for edge in self.edges if node.id not in {edge.source, edge.target}]

    def add_edge(
        self, source: Node, target: Node, data: Any = None, conditional: bool = False
    ) -> Edge:
        """Add an edge and return it.

        Raises
        ------
        ValueError
            One of the nodes is not in the graph.
        """
        for kind, node in (("Source", source), ("Target", target)):
            if node.id not in self.nodes:
                raise ValueError(f"{kind} node {node.id} not in graph")
        edge = Edge(source.id, target.id, data, conditional)
        self.edges.append(edge)
        return edge

    def extend(self, graph: Graph, *, prefix: str = "") -> tuple[Node | None, Node | None]:
        """Add another graph, with ids that begin with `prefix`; return its first and last node."""
        if all(_is_uuid(key) for key in graph.nodes):
            prefix = ""
        names = {key: f"{prefix}:{key}" if prefix else key for key in graph.nodes}
        self.nodes.update({names[key]: n.copy(id=names[key]) for key, n in graph.nodes.items()})
        self.edges += [e.copy(source=names[e.source], target=names[e.target]) for e in graph.edges]
        first, last = graph.first_node(), graph.last_node()
        return (
            first and first.copy(id=names[first.id]),
            last and last.copy(id=names[last.id]),
        )

    def reid(self) -> Graph:
        """Return the graph with names for ids that are random."""
        named = defaultdict(list)
        for node in self.nodes.values():
            named[node.name].append(node.id)
        labels = {
            key: name if len(keys) == 1 else f"{name}_{place}"
            for name, keys in named.items()
            for place, key in enumerate(keys, 1)
        }
        ids = {key: labels[key] if _is_uuid(key) else key for key in self.nodes}
        return Graph(
            {ids[key]: node.copy(id=ids[key]) for key, node in self.nodes.items()},
            [edge.copy(source=ids[edge.source], target=ids[edge.target]) for edge in self.edges],
        )

    def first_node(self) -> Node | None:
        """Return the only node that no edge leads to; None if there are none or several."""
        return self._only({edge.target for edge in self.edges})

    def last_node(self) -> Node | None:
        """Return the only node that no edge leaves; None if there are none or several."""
        return self._only({edge.source for edge in self.edges})

    def _only(self, others: set[str], without: str | None = None) -> Node | None:
        found = [n for n in self.nodes.values() if n.id not in others and n.id != without]
        return found[0] if len(found) == 1 else None

    def trim_first_node(self) -> None:
        """Remove the first node if the one that follows it is then the first."""
        first = self.first_node()
        if first is None or len({e for e in self.edges if e.source == first.id}) != 1:
            return
        if self._only({e.target for e in self.edges if e.source != first.id}, first.id):
            self.remove_node(first)

    def trim_last_node(self) -> None:
        """Remove the last node if the one before it is then the last."""
        last = self.last_node()
        if last is None or len({e for e in self.edges if e.target == last.id}) != 1:
            return
        if self._only({e.source for e in self.edges if e.target != last.id}, last.id):
            self.remove_node(last)

    def draw_mermaid(
        self,
        *,
        with_styles: bool = True,
        curve_style: CurveStyle = CurveStyle.LINEAR,
        node_colors: NodeStyles | None = None,
        wrap_label_n_words: int = 9,
        frontmatter_config: dict[str, Any] | None = None,
    ) -> str:
        """Return the graph in Mermaid's language.

        Parameters
        ----------
        with_styles : bool
            With a frontmatter, the nodes' labels and classes.
        curve_style : CurveStyle
        node_colors : NodeStyles, optional
        wrap_label_n_words : int
            Words of a label in a line.
        frontmatter_config : dict, optional
            Of JSON's types; goes to the beginning.
        """
        from vecgraph.drawing.mermaid import Style, draw_mermaid

        style = Style(
            with_styles,
            curve_style.value,
            node_colors or NodeStyles(),
            wrap_label_n_words,
            frontmatter_config or {},
        )
        return draw_mermaid(self.reid(), style)

    def draw_ascii(self) -> str:
        """Return the graph as a drawing of characters.

        Raises
        ------
        ImportError
            The layout needs ``pip install 'vecgraph[draw]'``.
        """
        from vecgraph.drawing.ascii import draw_ascii

        return draw_ascii(self.reid())

    def print_ascii(self) -> None:
        """Print what `draw_ascii` returns."""
        print(self.draw_ascii())  # noqa: T201

    def draw_svg(self) -> str:
        """Return the graph as an SVG image, drawn without anything from outside.

        Raises
        ------
        ImportError
            The layout needs ``pip install 'vecgraph[draw]'``.
        """
        from vecgraph.drawing.svg import draw_svg

        return draw_svg(self.reid())

    def draw_png(
        self,
        output_file_path: str | None = None,
        fontname: str | None = None,
        labels: LabelsDict | None = None,
    ) -> bytes | None:
        """Return the graph as a PNG image, or write it to a file.

        Parameters
        ----------
        output_file_path : str, optional
        fontname : str, optional
            Family of an installed font.
        labels : dict, optional
            Other names by id under ``nodes``, other labels by label under ``edges``.

        Raises
        ------
        ImportError
            The layout and the image need ``pip install 'vecgraph[draw]'``.
        """
        from vecgraph.drawing.png import draw_png

        image = draw_png(self._labelled(labels or {}).reid(), fontname)
        if output_file_path is None:
            return image
        with open(output_file_path, "wb") as file:
            file.write(image)
        return None

    def _labelled(self, labels: LabelsDict) -> Graph:
        names, words = labels.get("nodes", {}), labels.get("edges", {})
        return Graph(
            {key: node.copy(name=names.get(key)) for key, node in self.nodes.items()},
            [edge._replace(data=words.get(str(edge.data), edge.data)) for edge in self.edges],
        )

    def _repr_svg_(self) -> str | None:
        """Let a notebook show the graph; None without the means to draw it."""
        try:
            return self.draw_svg()
        except ImportError:
            return None

    def _repr_mimebundle_(
        self, include: Sequence[str] | None = None, exclude: Sequence[str] | None = None
    ) -> dict[str, Any]:
        """Give a notebook the graph as an image where that can be drawn, and as text."""
        bundle = {"image/svg+xml": self._repr_svg_(), "text/plain": repr(self)}
        bundle["text/vnd.mermaid"] = self.draw_mermaid()
        return {
            kind: value
            for kind, value in bundle.items()
            if value is not None
            and (not include or kind in include)
            and kind not in (exclude or ())
        }


def _is_uuid(value: str) -> bool:
    try:
        UUID(value)
    except ValueError:
        return False
    return True


def _name_of(key: str, data: Any) -> str:
    if data is None or not _is_uuid(key):
        return key
    name = data.get_name() if hasattr(data, "get_name") else data.__name__
    return str(name).removeprefix("Runnable") or str(name)


def _node_json(node: Node, with_schemas: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": node.id}
    data = node.data
    if inspect.isclass(data) and hasattr(data, "model_json_schema"):
        shown |= {"type": "schema", "data": data.model_json_schema() if with_schemas else node.name}
    elif data is not None:
        where = data if hasattr(data, "__qualname__") else type(data)
        place = [*where.__module__.split("."), where.__qualname__]
        shown |= {"type": "runnable", "data": {"id": place, "name": node.name}}
    return shown if node.metadata is None else {**shown, "metadata": node.metadata}


def _edge_json(edge: Edge) -> dict[str, Any]:
    shown: dict[str, Any] = {"source": edge.source, "target": edge.target}
    if edge.data is not None:
        shown["data"] = edge.data
    if edge.conditional:
        shown["conditional"] = True
    return shown

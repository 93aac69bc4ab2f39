"""Places for the nodes and edges of a graph: layers from top to bottom, by grandalf."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from vecgraph.drawing.graph import Edge, Graph, Node

__all__ = ["Box", "Layout", "Line", "lay_out"]

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """Where a node is: its centre and its size; y grows downwards."""

    node: Node
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Line:
    """Where an edge is.

    Attributes
    ----------
    edge : Edge
    points : list of (x, y)
        From the border of the source to that of the target; of an edge from a node to itself,
        its corner.
    """

    edge: Edge
    points: list[Point]

    def middle(self) -> Point:
        """Return a point for a label: halfway, or beside the corner of a way to itself."""
        if len(self.points) == 1:
            (x, y) = self.points[0]
            return x + 26, y
        place = (len(self.points) - 1) // 2
        (x0, y0), (x1, y1) = self.points[place], self.points[place + 1]
        return (x0 + x1) / 2, (y0 + y1) / 2


@dataclass(frozen=True, slots=True)
class Layout:
    """A graph with places, within (0, 0) and (width, height)."""

    boxes: dict[str, Box]
    lines: list[Line]
    width: float
    height: float


def lay_out(graph: Graph, size_of: Callable[[Node], Point], gaps: Point, margin: float) -> Layout:
    """Return places for a graph.

    Parameters
    ----------
    graph : Graph
    size_of : callable
        Width and height of a node.
    gaps : (float, float)
        Least distance between nodes beside and above each other.
    margin : float
        Around the whole.

    Raises
    ------
    ImportError
        grandalf is not installed.

    Notes
    -----
    K. Sugiyama, S. Tagawa, M. Toda, "Methods for visual understanding of hierarchical system
    structures", 1981. Parts that no edge connects stand side by side.
    """
    whole = _Whole(graph, gaps[0], margin)
    for part in _Parts(graph, size_of).drawn(gaps):
        whole.add(part)
    lines = [Line(edge, _line(edge, whole.boxes, whole.points)) for edge in graph.edges]
    return Layout(whole.boxes, lines, whole.left - gaps[0] + margin, whole.bottom + margin)


class _Whole:
    """The parts of a graph, put side by side.

    Attributes
    ----------
    left : float
        Where the next part begins.
    bottom : float
        The lowest point so far.
    """

    def __init__(self, graph: Graph, gap: float, margin: float) -> None:
        self._graph, self._gap, self._margin = graph, gap, margin
        self.boxes: dict[str, Box] = {}
        self.points: dict[tuple[str, str], list[Point]] = {}
        self.left = self.bottom = margin

    def add(self, part: Any) -> None:
        """Move a part to its place."""
        lines = {(edge.v[0].data, edge.v[1].data): _ends(edge) for edge in part.sE}
        bends = [x for line in lines.values() for x, _ in line]
        views = {vertex.data: vertex.view for vertex in part.sV}
        dx = self.left - min([*bends, *(v.xy[0] - v.w / 2 for v in views.values())])
        dy = self._margin - min(v.xy[1] - v.h / 2 for v in views.values())
        for key, view in views.items():
            x, y = view.xy
            self.boxes[key] = Box(self._graph.nodes[key], x + dx, y + dy, view.w, view.h)
            self.bottom = max(self.bottom, y + dy + view.h / 2)
        self.points |= {key: [(x + dx, y + dy) for x, y in line] for key, line in lines.items()}
        right = max([*bends, *(v.xy[0] + v.w / 2 for v in views.values())]) + dx
        self.left = right + self._gap


def _line(
    edge: Edge, boxes: dict[str, Box], points: dict[tuple[str, str], list[Point]]
) -> list[Point]:
    if edge.source == edge.target:
        box = boxes[edge.source]
        return [(box.x + box.width / 2, box.y)]
    return points[edge.source, edge.target]


def _ends(edge: Any) -> list[Point]:
    """Return the points of an edge with its ends on the borders of its nodes."""
    (source, target), points = (v.view for v in edge.v), [tuple(p) for p in edge.view._pts]
    middle = [(float(x), float(y)) for x, y in points[1:-1]]
    first = middle[0] if middle else target.xy
    last = middle[-1] if middle else source.xy
    return [_border(source, first), *middle, _border(target, last)]


def _border(view: Any, towards: Point) -> Point:
    """Return where the way from the middle of a box to a point leaves it, above or below."""
    x, y = view.xy
    if towards[1] == y:
        return (x + (view.w / 2 if towards[0] > x else -view.w / 2), float(y))
    return float(x), y + (view.h / 2 if towards[1] > y else -view.h / 2)


class _View:
    """What grandalf wants to know of a node, and where it puts what it finds."""

    def __init__(self, size: Point) -> None:
        self.w, self.h = size
        self.xy: Point = (0.0, 0.0)


class _Parts:
    """The connected parts of a graph for grandalf."""

    def __init__(self, graph: Graph, size_of: Callable[[Node], Point]) -> None:
        try:
            from grandalf.graphs import Edge as GrandalfEdge
            from grandalf.graphs import Graph as GrandalfGraph
            from grandalf.graphs import Vertex
        except ImportError as error:
            raise ImportError(
                "drawing needs a layout: pip install 'vecgraph[draw]'.\n"
                "Hint: draw_mermaid() needs nothing."
            ) from error
        vertices = {key: Vertex(key) for key in graph.nodes}
        for key, vertex in vertices.items():
            vertex.view = _View(size_of(graph.nodes[key]))
        pairs = dict.fromkeys((e.source, e.target) for e in graph.edges if e.source != e.target)
        edges = [GrandalfEdge(vertices[a], vertices[b]) for a, b in pairs]
        self._graph = GrandalfGraph(list(vertices.values()), edges)

    def drawn(self, gaps: Point) -> list[Any]:
        """Return the parts, each with places."""
        from grandalf.layouts import SugiyamaLayout
        from grandalf.routing import EdgeViewer, route_with_lines

        for part in self._graph.C:
            for edge in part.sE:
                edge.view = EdgeViewer()
            layout = SugiyamaLayout(part)
            roots = [vertex for vertex in part.sV if not vertex.e_in()]
            layout.init_all(roots=roots or None, optimize=True)
            layout.xspace, layout.yspace = gaps
            layout.route_edge = route_with_lines
            layout.draw()
        return list(self._graph.C)

"""Graphs as SVG images that need nothing from outside: no script, no font, no address."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from vecgraph.drawing.layout import Box, Line, lay_out
from vecgraph.drawing.text import lines_of, width_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vecgraph.drawing.graph import Graph, Node

__all__ = ["draw_svg"]

_LETTER, _ROW = 7.6, 17.0
"""Pixels of a character and of a line, at 13 pixels of height."""
_GAPS, _MARGIN = (36.0, 48.0), 14.0
_STYLE = (
    "text{font:13px sans-serif;fill:#222}"
    ".note{font-size:11px;fill:#666}"
    ".box{fill:#f2f0ff;stroke:#8a7fd6}"
    ".first{fill:none}.last{fill:#bfb6fc}.failed{stroke:#c0392b;stroke-width:2}"
    ".way{fill:none;stroke:#555}.if{stroke-dasharray:4 3}"
    ".label{font-size:11px;fill:#444;stroke:#fff;stroke-width:3;paint-order:stroke}"
)


def draw_svg(graph: Graph) -> str:
    """Return a graph as an SVG document."""
    layout = lay_out(graph, _size, _GAPS, _MARGIN)
    first, last = graph.first_node(), graph.last_node()
    classes = {first.id: "first"} if first else {}
    classes |= {last.id: "last"} if last else {}
    # A way from a node to itself and a label may reach beyond the boxes.
    width, height = layout.width + 60, layout.height
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    parts = [f'<svg xmlns="{_NAMESPACE}" {size}>', f"<style>{_STYLE}</style>", _TIP]
    parts += [_way(line, layout.boxes[line.edge.source]) for line in layout.lines]
    for key, box in layout.boxes.items():
        parts += _box(box, classes.get(key, ""))
    parts += [_label(line) for line in layout.lines if line.edge.data is not None]
    return "\n".join([*parts, "</svg>"])


_TIP = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
    'markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>'
)
# In pieces: the name of the language is no address that anything is fetched from.
_NAMESPACE = "http:" + "//www.w3.org/2000/svg"


def _size(node: Node) -> tuple[float, float]:
    lines = lines_of(node)
    return max(map(width_of, lines)) * _LETTER + 22, len(lines) * _ROW + 14


def _box(box: Box, kind: str) -> Iterator[str]:
    failed = " failed" if (box.node.metadata or {}).get("errors") else ""
    left, top = box.x - box.width / 2, box.y - box.height / 2
    yield (
        f'<rect class="box {kind}{failed}" x="{left:.1f}" y="{top:.1f}" width="{box.width:.1f}" '
        f'height="{box.height:.1f}" rx="{min(box.height / 2, 12):.1f}"/>'
    )
    for number, line in enumerate(lines_of(box.node)):
        kind = ' class="note"' if number else ""
        y = top + 7 + _ROW * (number + 0.75)
        yield f'<text{kind} x="{box.x:.1f}" y="{y:.1f}" text-anchor="middle">{escape(line)}</text>'


def _way(line: Line, source: Box) -> str:
    kind = "way if" if line.edge.conditional else "way"
    if line.edge.source == line.edge.target:
        x, y, dy = source.x + source.width / 2, source.y, min(source.height / 3, 10)
        path = f"M{x:.1f} {y - dy:.1f}c30 -6 30 {2 * dy + 6:.1f} 0 {2 * dy:.1f}"
    else:
        path = _smooth(line.points)
    return f'<path class="{kind}" d="{path}" marker-end="url(#tip)"/>'


def _smooth(points: list[tuple[float, float]]) -> str:
    """Return a curve through points that leaves and arrives upright."""
    path = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (y0 + y1) / 2
        path.append(f"C{x0:.1f} {middle:.1f} {x1:.1f} {middle:.1f} {x1:.1f} {y1:.1f}")
    return "".join(path)


def _label(line: Line) -> str:
    x, y = line.middle()
    anchor = "start" if line.edge.source == line.edge.target else "middle"
    text = escape("".join(c if c.isprintable() else " " for c in str(line.edge.data)))
    return f'<text class="label" x="{x:.1f}" y="{y + 4:.1f}" text-anchor="{anchor}">{text}</text>'

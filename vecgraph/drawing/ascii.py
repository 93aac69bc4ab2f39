"""Graphs as drawings of characters."""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING

from vecgraph.drawing.layout import Box, Line, lay_out
from vecgraph.drawing.text import lines_of, width_of

if TYPE_CHECKING:
    from vecgraph.drawing.graph import Graph, Node

__all__ = ["draw_ascii"]

_GAPS = (4.0, 4.0)


def draw_ascii(graph: Graph) -> str:
    """Return a graph as lines of text: boxes, and ways of ``*``, conditional ones of ``.``."""
    if not graph.nodes:
        return ""
    layout = lay_out(graph, _size, _GAPS, 0)
    canvas = _Canvas()
    for line in layout.lines:
        canvas.way(line, layout.boxes[line.edge.source])
    for box in layout.boxes.values():
        canvas.box(box)
    for line in layout.lines:
        if line.edge.data is not None:
            canvas.label(line)
    return canvas.text()


def _size(node: Node) -> tuple[float, float]:
    lines = lines_of(node)
    return max(map(width_of, lines)) + 4.0, len(lines) + 2.0


def _cell(place: float) -> int:
    # Python's round goes to even numbers, and leaves every other cell of a line out.
    return floor(place + 0.5)


class _Canvas:
    def __init__(self) -> None:
        self._cells: dict[tuple[int, int], str] = {}

    def write(self, x: int, y: int, text: str) -> None:
        for place, character in enumerate(text):
            self._cells[x + place, y] = character

    def box(self, box: Box) -> None:
        lines = lines_of(box.node)
        width = _cell(box.width)
        left, top = _cell(box.x - box.width / 2), _cell(box.y - box.height / 2)
        rule = f"+{'-' * (width - 2)}+"
        self.write(left, top, rule)
        for number, line in enumerate(lines, 1):
            rest = width - 4 - width_of(line)
            before = rest // 2
            self.write(left, top + number, f"| {' ' * before}{line}{' ' * (rest - before)} |")
        self.write(left, top + len(lines) + 1, rule)

    def way(self, line: Line, source: Box) -> None:
        mark = "." if line.edge.conditional else "*"
        if line.edge.source == line.edge.target:
            right = _cell(source.x + source.width / 2)
            for dx, dy in ((0, -1), (1, -1), (2, -1), (2, 0), (2, 1), (1, 1), (0, 1)):
                self.write(right + dx, _cell(source.y) + dy, mark)
            return
        for (x0, y0), (x1, y1) in zip(line.points, line.points[1:], strict=False):
            steps = max(abs(_cell(x1 - x0)), abs(_cell(y1 - y0)), 1)
            for step in range(steps + 1):
                at = step / steps
                self.write(_cell(x0 + (x1 - x0) * at), _cell(y0 + (y1 - y0) * at), mark)

    def label(self, line: Line) -> None:
        x, y = line.middle()
        text = str(line.edge.data)
        left, row = _cell(x - len(text) / 2), _cell(y)
        # A label must not hide a node; where there is no room for it the way goes on without.
        cells = [self._cells.get((left + place, row), " ") for place in range(len(text))]
        if set(cells) <= set(" .*"):
            self.write(left, row, text)

    def text(self) -> str:
        low = min(x for x, _ in self._cells)
        top = min(y for _, y in self._cells)
        high = max(y for _, y in self._cells)
        rows = []
        for y in range(top, high + 1):
            columns = [x for x, row in self._cells if row == y]
            last = max(columns, default=low - 1)
            rows.append("".join(self._cells.get((x, y), " ") for x in range(low, last + 1)))
        return "\n".join(row.rstrip() for row in rows)

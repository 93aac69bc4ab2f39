"""Graphs to look at: Mermaid, characters, SVG and PNG, all drawn on this machine."""

from __future__ import annotations

from vecgraph.drawing.graph import CurveStyle as CurveStyle
from vecgraph.drawing.graph import Edge as Edge
from vecgraph.drawing.graph import Graph as Graph
from vecgraph.drawing.graph import Node as Node
from vecgraph.drawing.graph import NodeStyles as NodeStyles
from vecgraph.drawing.traffic import Traffic as Traffic

__all__ = ["CurveStyle", "Edge", "Graph", "Node", "NodeStyles", "Traffic"]

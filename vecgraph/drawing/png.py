"""Graphs as PNG images, made of the SVG on this machine."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any

from vecgraph.drawing.svg import draw_svg

if TYPE_CHECKING:
    from vecgraph.drawing.graph import Graph

__all__ = ["draw_png"]

_ZOOM = 2
_FONT = "Roboto"


def draw_png(graph: Graph, font: str | None = None) -> bytes:
    """Return a graph as a PNG image on white.

    Parameters
    ----------
    graph : Graph
    font : str, optional
        Family of an installed font; one that comes with the extra otherwise.

    Raises
    ------
    ImportError
        The extra is not installed.
    """
    svg = draw_svg(graph)
    try:
        import font_roboto
        import resvg_py
    except ImportError as error:
        raise ImportError(
            "draw_png() makes its image with resvg-py: pip install 'vecgraph[draw]'.\n"
            "Hint: draw_svg() gives the same drawing for a browser."
        ) from error
    family = font or _FONT
    options: dict[str, Any] = {"font_family": family, "sans_serif_family": family}
    place = resources.files(font_roboto).joinpath("files", "Roboto-Regular.ttf")
    with resources.as_file(place) as path:
        image = resvg_py.svg_to_bytes(
            svg_string=svg, background="white", zoom=_ZOOM, font_files=[str(path)], **options
        )
    return bytes(image)

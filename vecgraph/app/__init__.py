"""The compiled graph: every verb that users call."""

from __future__ import annotations

from vecgraph.app.frames import Frame
from vecgraph.app.main import App

__all__ = ["App", "Frame"]

"""The compiled graph: every verb that users call."""

from __future__ import annotations

from vecgraph.app.main import App

__all__ = ["App"]

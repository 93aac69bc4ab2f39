"""The command line: ``vecgraph``."""

from __future__ import annotations

from vecgraph.cli.main import main

__all__ = ["main"]

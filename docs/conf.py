"""Sphinx settings: Markdown through MyST, furo, and nothing that a browser must fetch elsewhere."""

from __future__ import annotations

import tomllib
from pathlib import Path

_PROJECT = tomllib.loads(
    (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
)["project"]

project = "vecgraph"
author = "vecgraph developers"
copyright = "2026, vecgraph developers"  # noqa: A001 - the name is Sphinx's
release = version = _PROJECT["version"]

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = "vecgraph"
html_copy_source = False

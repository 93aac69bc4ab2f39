"""Makes `reference/compatibility.md` of the rows of the surface and of the names compared.

Run from the root of the repository, with LangGraph installed: ``python docs/compatibility.py``.
"""

from __future__ import annotations

import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SURFACE = ROOT / "tests/compatibility/surface.toml"
PAGE = ROOT / "docs/reference/compatibility.md"

_HEAD = """# Compatibility with LangGraph

<!-- Made by docs/compatibility.py of tests/compatibility/surface.toml; do not edit. -->

Each row is a part of LangGraph's surface. *Works* means that the tests named hold it to LangGraph: they run the
same program in both and compare what comes out, or state the rule. They are part of the suite, so a row that fails
fails the build. What differs on purpose is in [](differences.md).
"""


def rows() -> list[dict[str, Any]]:
    """Return the rows of the surface."""
    found: list[dict[str, Any]] = tomllib.loads(SURFACE.read_text())["row"]
    return found


def state_of(row: dict[str, Any]) -> str:
    """Return in a word how far a row is."""
    if row["tests"]:
        return "works" if not row.get("note") else "works, but"
    return "no" if row["priority"] == "no" else "not there"


def page() -> str:
    """Return the page."""
    return f"{surface()}\n{_names()}\n"


def surface() -> str:
    """Return the part of the page that is about the surface."""
    parts = [_HEAD, _counts()]
    section = None
    for row in rows():
        if row["section"] != section:
            section = row["section"]
            parts.append(f"\n## {section}\n\n| part | priority | state | tests, or why not |")
            parts.append("|---|---|---|---|")
        parts.append(_line(row))
    return "\n".join(parts)


def _line(row: dict[str, Any]) -> str:
    tests = ", ".join(f"`{_named(test)}`" for test in row["tests"])
    note = row.get("note") or ""
    why = "; ".join(part for part in (note, tests) if part)
    return f"| {row['feature']} | {row['priority']} | {state_of(row)} | {why} |"


def _named(test: str) -> str:
    file, _, part = test.partition("::")
    name = Path(file).stem.removeprefix("test_")
    return f"{name}: {part.removeprefix('test_')}" if part else name


def _counts() -> str:
    counts = Counter((row["priority"], state_of(row)) for row in rows())
    states = ["works", "works, but", "not there", "no"]
    lines = [f"\n| priority | {' | '.join(states)} |", "|---|" + "---|" * len(states)]
    for priority in ("core", "expected", "nice", "no"):
        shown = " | ".join(str(counts[priority, state]) for state in states)
        lines.append(f"| {priority} | {shown} |")
    return "\n".join(lines)


def _names() -> str:
    sys.path.insert(0, str(ROOT))
    from tests.compatibility.signatures import MODULES, differences

    modules = ", ".join(f"`{module}`" for module in MODULES)
    lines = [
        "\n## Names and parameters\n",
        f"Every public name of these modules, and the parameters of what can be called: {modules}.\n",
        "| what LangGraph has and vecgraph lacks | why |",
        "|---|---|",
    ]
    found = differences()
    lines += [f"| `{d.where}` | {d.why} |" for d in found if d.kind == "lacks"]
    lines += ["\n| what vecgraph adds |", "|---|"]
    lines += [f"| `{d.where}` |" for d in found if d.kind == "adds"]
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page())

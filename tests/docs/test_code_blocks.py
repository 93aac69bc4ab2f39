"""Every code block of the README and of docs/ runs: a page is one program, top to bottom."""

from __future__ import annotations

import doctest
import linecache
import re
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *(page for page in sorted(ROOT.glob("docs/**/*.md")) if "_build" not in page.parts),
]
FENCE = re.compile(r"^```(python|pycon)\s*$(.*?)^```\s*$", re.MULTILINE | re.DOTALL)
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text and the line of the page where it starts."""

    language: str
    text: str
    line: int


def blocks(text: str) -> Iterator[Block]:
    """Find the ``python`` (run) and ``pycon`` (run, output compared) blocks of a page."""
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start(2)) + 1
        yield Block(match[1], match[2].removeprefix("\n"), line)


def source_of(text: str) -> list[str]:
    """Return a page's lines as a module: those that are no Python are empty."""
    lines = ["\n"] * (text.count("\n") + 1)
    for block in blocks(text):
        if block.language == "python":
            shown = block.text.splitlines(keepends=True)
            lines[block.line : block.line + len(shown)] = shown
    return lines


def run(block: Block, name: str, namespace: dict[str, object]) -> None:
    """Run one block in `namespace`, with the page's own line numbers in tracebacks."""
    if block.language == "python":
        code = compile("\n" * block.line + block.text, name, "exec", dont_inherit=True)
        exec(code, namespace)
        return
    test = doctest.DocTestParser().get_doctest(block.text, namespace, name, name, block.line)
    test.globs = namespace  # get_doctest copies; blocks share what they define
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=FLAGS, verbose=False)
    runner.run(test, out=report.append, clear_globs=False)
    assert not report, "".join(report)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_code_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = page.read_text(encoding="utf-8")
    name = f"<{page.relative_to(ROOT).as_posix()}>"
    # A real module, with source: schemas are resolved through it, node functions inspected.
    module = types.ModuleType("docs_page")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(linecache.cache, name, (len(text), None, source_of(text), name))
    monkeypatch.chdir(tmp_path)
    for block in blocks(text):
        run(block, name, module.__dict__)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_code_block_escapes_the_runner(page: Path) -> None:
    """A fence with a suffix or an indent would be shown as Python and never run."""
    text = page.read_text(encoding="utf-8")
    shown = re.findall(
        r"^[ \t>]*(?:```|~~~)+ *\{?(?:python|pycon|py\b|code-block)", text, re.MULTILINE
    )
    assert len(shown) == len(list(blocks(text)))


def test_the_runner_fails_on_wrong_output_and_on_errors() -> None:
    page = "```python\nx = 1\n```\n\n```pycon\n>>> x\n1\n```\n"
    namespace: dict[str, object] = {}
    for block in blocks(page):
        run(block, "<page>", namespace)
    with pytest.raises(AssertionError, match="Expected"):
        run(Block("pycon", ">>> x\n2\n", 1), "<page>", namespace)
    with pytest.raises(ZeroDivisionError):
        run(Block("python", "1 / 0\n", 1), "<page>", namespace)

"""The rules of the house that no linter knows: the public API, the tree, sizes, imports."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import vecgraph

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "vecgraph"

TOP_LEVEL = {
    ".ci",
    ".gitignore",
    "LICENSE",
    "README.md",
    "asv.conf.json",
    "asv_bench",
    "docs",
    "pyproject.toml",
    "tests",
    "vecgraph",
}
PUBLIC_NAMES = {
    "Command",
    "END",
    "MessagesState",
    "Overwrite",
    "START",
    "Send",
    "StateGraph",
    "add_messages",
    "expr",
    "select",
    "when",
    "where",
}
OPTIONAL = ("langchain_core", "langgraph", "langsmith", "pandas", "polars", "pydantic")

# Linters hold functions to 30 statements; these are the limits that nothing passes unexplained.
FILE_LINES, FUNCTION_LINES = 500, 60
# "path" or "path::function" -> why it may be longer. An entry that is no longer needed fails.
LONGER: dict[str, str] = {}

# In pieces, so that this file passes its own test.
HOST = re.compile("https?:" + r"//(?!127\.0\.0\.1|localhost)")
# Files of others, kept as they are; they name their own projects.
VENDORED = PACKAGE / "bench" / "vendor"
LOCAL_PATH = re.compile(r"(?<![\w.])/(?:home|root|work|Users)" + r"/\w")


def tracked() -> list[Path]:
    """Files that a commit would hold; every file where this is no git checkout."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def sources(root: Path = PACKAGE) -> list[Path]:
    return sorted(root.rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def modules() -> list[str]:
    """Every module of the package, imported or not."""
    found = pkgutil.walk_packages(vecgraph.__path__, "vecgraph.")
    return ["vecgraph", *(info.name for info in found)]


def is_public(module: str) -> bool:
    return not any(part.startswith("_") for part in module.split("."))


def natural(name: str) -> tuple[int, str]:
    """Order of ruff's RUF022: CONSTANTS, then Classes, then functions, each by name."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    return kind, name


def imports(path: Path) -> Iterator[str]:
    """Top-level names that a file imports anywhere, by statement or by `import_module`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (alias.name.partition(".")[0] for alias in names)
            case ast.ImportFrom(module=str(module)):
                yield module.partition(".")[0]
            case ast.Call(
                func=ast.Attribute(attr="import_module")
                | ast.Name(id="import_module" | "__import__"),
                args=[ast.Constant(value=str(module)), *_],
            ):
                yield module.partition(".")[0]


@pytest.mark.parametrize("module", [name for name in modules() if is_public(name)])
def test_public_module_has_a_sorted_all_of_names_that_exist(module: str) -> None:
    loaded = importlib.import_module(module)
    names = getattr(loaded, "__all__", None)
    if names is None:
        path = Path(str(loaded.__file__))
        defined = [
            node
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and not node.name.startswith("_")
        ]
        assert not defined, "public names, but no __all__"
        return
    assert list(names) == sorted(names, key=natural)
    assert len(set(names)) == len(names)
    assert [name for name in names if not hasattr(loaded, name)] == []


def test_the_package_offers_the_names_that_most_programs_need() -> None:
    assert set(vecgraph.__all__) >= PUBLIC_NAMES


def test_importing_vecgraph_imports_no_optional_part_and_opens_no_socket() -> None:
    program = f"""
import socket, sys
def refuse(*args, **kwargs):
    raise AssertionError("import vecgraph opened a socket")
socket.socket.connect = socket.getaddrinfo = refuse
import vecgraph
print(*(name for name in {OPTIONAL!r} if name in sys.modules))
"""
    command = [sys.executable, "-c", program]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (out.returncode, out.stdout.strip(), out.stderr) == (0, "", "")


@pytest.mark.parametrize("path", sources(), ids=name_of)
def test_only_interop_imports_langgraph(path: Path) -> None:
    if "interop" in path.relative_to(PACKAGE).parts:
        return
    assert not {"langchain", "langchain_core", "langgraph", "langsmith"} & set(imports(path))


def test_top_level_of_the_tree_is_the_fixed_one() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} == TOP_LEVEL


def test_no_file_names_a_host_or_a_path_of_one_machine() -> None:
    found = []
    for path in tracked():
        if VENDORED in path.parents:
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if HOST.search(line) or LOCAL_PATH.search(line):
                found.append(f"{name_of(path)}:{number}: {line.strip()[:80]}")
    assert found == []


def lengths(path: Path) -> Iterator[tuple[str, int]]:
    """Code lines of each function of a file; its docstring is for the reader and not counted."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            documented = ast.get_docstring(node) is not None and len(node.body) > 1
            first = node.body[int(documented)].lineno
            yield f"{name_of(path)}::{node.name}", (node.end_lineno or first) - first + 1


def test_files_and_functions_stay_small() -> None:
    paths = [*sources(), *sources(ROOT / "asv_bench")]
    files = {name_of(path): path.read_text(encoding="utf-8").count("\n") for path in paths}
    longer = {name: lines for name, lines in files.items() if lines > FILE_LINES}
    for path in paths:
        longer |= {name: lines for name, lines in lengths(path) if lines > FUNCTION_LINES}
    assert longer.keys() == LONGER.keys(), longer
    assert all(LONGER.values())

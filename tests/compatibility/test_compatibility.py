"""The page of compatibility says what the tests hold; names and parameters are LangGraph's."""

from __future__ import annotations

import importlib.util
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.compatibility.signatures import MODULES, differences

ROOT = Path(__file__).parents[2]


def script():
    spec = importlib.util.spec_from_file_location("compatibility", ROOT / "docs/compatibility.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


is_compared = version("langgraph").startswith("1.2.")
"""The table is about the names of this version; another one has others."""

ROWS = script().rows()


PROGRAMS = "\n".join(
    path.read_text() for path in (ROOT / "tests/differential").glob("programs*.py")
)


def exists(test: str) -> bool:
    """Whether there is such a file, and in it, or among the programs, such a function."""
    file, _, part = test.partition("::")
    path = ROOT / file
    text = PROGRAMS if path.name == "test_programs.py" else path.read_text()
    return path.exists() and (not part or f"def {part}(" in text)


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_each_part_has_tests_that_exist_or_a_reason(row) -> None:
    assert not [test for test in row["tests"] if not exists(test)]
    assert row["tests"] or row.get("note"), row["feature"]
    assert row["tests"] or row["priority"] != "core"


@pytest.mark.skipif(not is_compared, reason="another version of LangGraph")
def test_every_name_and_parameter_of_langgraph_is_there_or_has_a_reason() -> None:
    found = differences()
    for difference in found:
        print(f"{difference.kind:6} {difference.where}: {difference.why}")  # noqa: T201  the table
    assert not [d.where for d in found if d.why is None]
    assert {module for module in MODULES if not importlib.util.find_spec(f"vecgraph.{module}")} == (
        set()
    )


def test_the_page_is_up_to_date() -> None:
    module = script()
    text = module.PAGE.read_text()
    again = "run `python docs/compatibility.py`"
    assert text.startswith(module.surface()), again
    if is_compared:
        lacking = [d.where for d in differences() if d.kind == "lacks"]
        assert not [where for where in lacking if f"`{where}`" not in text], again

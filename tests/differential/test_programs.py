"""Whole programs in both libraries: values, errors, and what each superstep streams.

What LangGraph gives for one run is what vecgraph must give for that run: alone, streamed, in a
list of few and of many, in columns and a run at a time, and as a row of a table.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import logging
import warnings

import pytest

from tests.differential import (  # noqa: F401  importing them registers their programs
    programs_control,
    programs_failing,
    programs_more,
    programs_nested,
    programs_schemas,
)
from tests.differential.cases import spread
from tests.differential.programs import DOORS, OURS, PROGRAMS, THEIRS, Counted
from tests.differential.vecgraph_side import paths
from vecgraph.testing.compare import difference

SIZES = (1, 7, 300)
MODES = ["debug", "updates", "values", "custom"]

# What is left out, by design of these programs, is logged a line each.
logging.getLogger("langgraph").setLevel(logging.ERROR)

pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer")


@functools.cache
def built(name, door):
    """Return a program's app, LangGraph's for no door; apps hold nothing of a run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return PROGRAMS[name].make(DOORS.get(door, THEIRS))


def is_async(name):
    return built(name, "door one").is_async


def attempt(call):
    """Return what `call` returns, or the type and text of what it raises."""
    try:
        return ("value", without_ids(call()))
    except Exception as error:  # noqa: BLE001  whatever a run raises is its result
        return as_error(error)


def without_ids(value):
    """Return a result with its questions without their ids, which differ from run to run."""
    if type(value).__name__ == "Interrupt":
        return ("asked", value.value)
    if isinstance(value, list | tuple):
        return type(value)(map(without_ids, value))
    if type(value) is dict:
        return {key: without_ids(item) for key, item in value.items()}
    return value


def as_error(error):
    return ("error", type(error).__name__, str(error))


def options(name):
    program = PROGRAMS[name]
    return {"config": program.config, "context": program.context}


def invoked(name, door, row):
    app, row = built(name, door), copy.deepcopy(row)
    if is_async(name):
        return attempt(lambda: asyncio.run(app.ainvoke(row, **options(name))))
    return attempt(lambda: app.invoke(row, **options(name)))


@functools.cache
def expected(name):
    """Return LangGraph's outcome of each row."""
    return [invoked(name, None, row) for row in PROGRAMS[name].rows]


def streamed(name, door, row):
    """Return a run's chunks: by superstep the tasks, updates by node, and values; and the rest."""
    app, row, chunks = built(name, door), copy.deepcopy(row), []

    async def collect() -> None:
        async for chunk in app.astream(row, stream_mode=MODES, **options(name)):
            chunks.append(without_ids(copy.deepcopy(chunk)))  # noqa: PERF401  what came before counts

    def gather() -> None:
        for chunk in app.stream(row, stream_mode=MODES, **options(name)):
            chunks.append(without_ids(copy.deepcopy(chunk)))  # noqa: PERF401  what came before counts

    ended = attempt((lambda: asyncio.run(collect())) if is_async(name) else gather)
    return ended, by_superstep(chunks, failed=ended[0] == "error")


def by_superstep(chunks, failed):
    """Sort what comes in the order of threads; leave out what a failing superstep streams."""
    supersteps = [blank()]
    for mode, chunk in chunks:
        note(supersteps[-1], mode, chunk)
        if mode == "values":
            supersteps.append(blank())
    for superstep in supersteps:
        for updates in superstep["updates"].values():
            updates.sort(key=repr)  # several Sends to one node end in any order
    return shortened(supersteps, len(supersteps)) if failed else supersteps


def blank():
    return {"tasks": [], "updates": {}, "values": [], "custom": []}


def note(superstep, mode, chunk) -> None:
    """Add one streamed chunk to its superstep."""
    if mode == "updates":
        for node, update in chunk.items():
            superstep["updates"].setdefault(node, []).append(update)
    elif mode != "debug":
        superstep[mode].append(chunk)
    elif chunk["type"] == "task":
        superstep["tasks"].append([chunk["payload"]["name"], chunk["payload"]["input"]])


def shortened(supersteps, n):
    """Return the first `n` supersteps, of the last one the tasks only."""
    return [*supersteps[: n - 1], {"tasks": supersteps[n - 1]["tasks"]}]


def assert_same(wanted, found, what):
    different = difference(wanted, found)
    assert different is None, f"{what}: {different}\nLangGraph: {wanted}\nvecgraph:  {found}"


def as_outcomes(results):
    return [as_error(r) if isinstance(r, Exception) else ("value", without_ids(r)) for r in results]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_invoke(name, door) -> None:
    for row, wanted in zip(PROGRAMS[name].rows, expected(name), strict=True):
        assert_same(wanted, invoked(name, door, row), f"input {row!r}")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_stream(name, door) -> None:
    for row in PROGRAMS[name].rows:
        wanted, found = (streamed(name, side, row) for side in (None, door))
        if wanted[0][1] == "ValidationError":
            # LangGraph makes the next tasks before it shows the last ones' chunks, and loses them.
            found = found[0], shortened(found[1], len(wanted[1]))
        assert_same(wanted, found, f"input {row!r}")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PROGRAMS)
def test_batch_of_a_list(name, size, door) -> None:
    app = built(name, door)
    rows, places = spread(PROGRAMS[name].rows, size)
    wanted = [expected(name)[place] for place in places]
    for path in paths(app, size):
        given = [copy.deepcopy(row) for row in rows]  # each its own
        if is_async(name):
            results = asyncio.run(app.abatch(given, return_exceptions=True, **options(name)))
        else:
            results = app.batch(given, return_exceptions=True, **options(name))
        for at, found in enumerate(as_outcomes(results)):
            assert_same(wanted[at], found, f"{path}, row {at}, input {rows[at]!r}")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", [name for name, program in PROGRAMS.items() if program.plain])
def test_batch_of_a_table(name, size, door) -> None:
    app = built(name, door)
    rows, places = spread(PROGRAMS[name].rows, size)
    wanted = [expected(name)[place] for place in places]
    for path in paths(app, size):
        given = [copy.deepcopy(row) for row in rows]  # each its own
        table = {key: [row[key] for row in given] for key in given[0]}
        if is_async(name):
            result = asyncio.run(app.abatch(table, **options(name)))
        else:
            result = app.batch(table, **options(name))
        for at, found in enumerate(as_outcomes(result.to_list())):
            assert_same(wanted[at], found, f"{path}, row {at}, input {rows[at]!r}")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_abatch_of_what_needs_no_loop(name, door) -> None:
    rows = copy.deepcopy(PROGRAMS[name].rows)
    results = asyncio.run(built(name, door).abatch(rows, return_exceptions=True, **options(name)))
    for at, found in enumerate(as_outcomes(results)):
        assert_same(expected(name)[at], found, f"row {at}")


def test_random_numbers_of_a_child_do_not_depend_on_the_other_rows() -> None:
    def draw(state, runtime):
        return {"log": [float(runtime.rng.random())]}

    child = programs_nested.chain(OURS, Counted, ("draw", draw)).compile()
    parent = OURS.StateGraph(Counted).add_node("child", child)
    parent.add_node("late", lambda state: None).add_edge("late", "child")
    parent.set_conditional_entry_point(lambda state: "child" if state["n"] % 3 else "late")
    app = parent.compile()
    rows = [{"n": n, "log": []} for n in range(100)]
    every = app.batch(rows)
    some = [2, 3, 4, 50, 60]
    for path in paths(app, len(some)):
        found = app.batch([rows[n] for n in some], ids=some)
        assert found == [every[n] for n in some], path

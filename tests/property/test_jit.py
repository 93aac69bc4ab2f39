"""Runs in compiled loops are what they are alone: value, type, steps and error."""

from __future__ import annotations

import math
import operator
import random as random_module
import warnings
from typing import Annotated, TypedDict

import numpy as np
import pytest

from tests.property.traced_functions import builder_of
from vecgraph.tracing.compare import is_same

pytest.importorskip("numba", reason="the jit extra is not installed")

N = 120
INTS = [0, 1, -1, 2, 3, -7, 12, 2**31, -(2**31), 2**53, 2**53 + 1, 2**62, 2**63 - 1, -(2**63)]
FLOATS = [0.0, -0.0, 1.0, -1.5, 0.1, 1e16, 1e308, 5e-324, math.inf, -math.inf, math.nan, 2.0**63]


@pytest.fixture(autouse=True, scope="module")
def folder_of_its_own(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VECGRAPH_CACHE_DIR", str(tmp_path_factory.mktemp("jit")))
        patch.delenv("VECGRAPH_TRACING", raising=False)
        yield


class State(TypedDict, total=False):
    a: int
    b: int
    x: float
    y: float
    c: bool
    late: int
    label: str
    total: Annotated[int, operator.add]
    mass: Annotated[float, operator.add]


class Writer:
    """Writes functions of ints, floats and bools; `random` decides everything."""

    def __init__(self, random):
        self.random = random
        self.locals = []

    def pick(self, items):
        return self.random.choice(items)

    def int(self, depth):
        if depth <= 0 or self.random.random() < 0.2:
            names = [name for name, kind in self.locals if kind == "int"]
            reads = ["state['a']", "state['b']", "state['total']", "state.get('late', 3)"]
            return self.pick([*reads, *names, f"({self.pick(INTS[:9])!r})", "LIMIT"])
        one, two = self.int(depth - 1), self.int(depth - 1)
        return self.pick(
            [
                f"({one} {self.pick('+-*')} {two})",
                f"({one} {self.pick(['+', '-', '*', '//', '%', '&', '|', '^'])} {two})",
                f"({one} {self.pick(['//', '%'])} {self.pick([2, 3, 7, -1, -3, 10])})",
                f"({one} >> {self.pick([0, 1, 5, 63, 70])})",
                f"(-{one})",
                f"(~{one})",
                f"abs({one})",
                f"{self.pick(['min', 'max'])}({one}, {two})",
                f"({one} if {self.bool(depth - 1)} else {two})",
                f"({one} {self.pick(['and', 'or'])} {two})",
                f"int({self.float(depth - 1)})",
                f"int({self.bool(depth - 1)})",
                f"({self.bool(depth - 1)} + {one})",
            ]
        )

    def float(self, depth):
        if depth <= 0 or self.random.random() < 0.2:
            names = [name for name, kind in self.locals if kind == "float"]
            return self.pick(["state['x']", "state['y']", "state['mass']", *names, "0.5", "1.25"])
        one, two = self.float(depth - 1), self.float(depth - 1)
        return self.pick(
            [
                f"({one} {self.pick('+-*')} {two})",
                f"({one} / {two})",
                f"({self.int(depth - 1)} / {self.int(depth - 1)})",
                f"({one} {self.pick('+-*/')} {self.int(depth - 1)})",
                f"({self.int(depth - 1)} {self.pick('+-*/')} {one})",
                f"(-{one})",
                f"abs({one})",
                f"{self.pick(['min', 'max'])}({one}, {two})",
                f"({one} if {self.bool(depth - 1)} else {two})",
                f"({one} {self.pick(['and', 'or'])} {two})",
                f"float({self.int(depth - 1)})",
                f"math.sqrt({one})",
            ]
        )

    def bool(self, depth):
        if depth <= 0 or self.random.random() < 0.15:
            return self.pick(["state['c']", "(state['a'] < state['b'])", "(state['x'] > 0.5)"])
        sign = self.pick(["<", "<=", ">", ">=", "==", "!="])
        return self.pick(
            [
                f"({self.int(depth - 1)} {sign} {self.int(depth - 1)})",
                f"({self.float(depth - 1)} {sign} {self.int(depth - 1)})",
                f"({self.int(depth - 1)} {sign} {self.float(depth - 1)})",
                f"(0 < {self.int(depth - 1)} <= {self.int(depth - 1)})",
                f"(not {self.float(depth - 1)})",
                f"({self.bool(depth - 1)} {self.pick(['and', 'or', '&', '^'])} {self.bool(depth - 1)})",
                f"bool({self.int(depth - 1)})",
            ]
        )

    def statements(self):
        lines = []
        for _ in range(self.random.randint(0, 2)):
            kind = self.pick(["int", "float"])
            name = f"{kind}_{len(self.locals)}"
            lines.append(f"    {name} = {getattr(self, kind)(2)}")
            self.locals.append((name, kind))
        for name, kind in self.locals[:1]:
            lines += [
                f"    if {self.bool(1)}:",
                f"        {name} = {getattr(self, kind)(1)}",
                f"    elif {self.bool(1)}:",
                f"        {name} -= {getattr(self, kind)(1)}",
            ]
        return lines

    def update(self):
        made = {
            "a": self.int(2), "b": self.int(2), "x": self.float(2), "y": self.float(2),
            "c": self.bool(2), "late": self.int(1), "total": self.int(1), "mass": self.float(1),
            "unknown": self.int(1),
        }  # fmt: skip
        keys = self.random.sample(list(made), self.random.randint(1, 4))
        return "return {" + ", ".join(f"{key!r}: {made[key]}" for key in keys) + "}"

    def node(self):
        lines = ["def traced(state):", *self.statements()]
        if self.random.random() < 0.4:
            lines += [
                f"    if {self.bool(2)}:",
                f"        {self.pick([self.update(), 'return None'])}",
            ]
        return "\n".join([*lines, f"    {self.update()}", ""])

    def router(self, names):
        lines = ["def traced(state):", *self.statements()]
        for name in names:
            label = self.pick([repr(name), f"({name!r} if {self.bool(1)} else END)"])
            lines += [f"    if {self.bool(2)}:", f"        return {label}"]
        last = self.pick(
            ["END", f"('n0', END)[{self.int(1)} % 2]", f"('n0', END, 'n0')[{self.int(0)}]"]
        )
        return "\n".join([*lines, f"    return {last}", ""])


def graph_of(random):
    names = ["n0", "n1", "n2"][: random.randint(1, 3)]
    nodes = {name: Writer(random).node() for name in names}
    return builder_of(State, nodes, {name: Writer(random).router(names) for name in names})


def inputs_of(random):
    large = random.random() < 0.5
    ints = INTS if large else INTS[:7]
    made = {
        "a": np.array([random.choice(ints) for _ in range(N)], np.int64),
        "b": np.array([random.choice(ints) for _ in range(N)], np.int64),
        "x": np.array([random.choice(FLOATS) for _ in range(N)]),
        "y": np.array([random.choice(FLOATS[:6]) for _ in range(N)]),
        "c": np.array([random.random() < 0.5 for _ in range(N)]),
        "label": [f"row {i}" for i in range(N)],
    }
    if random.random() < 0.5:
        made["total"] = np.array([random.choice(ints) for _ in range(N)], np.int64)
    return made


def outcomes(result):
    errors = {e.row: (e.node, e.step, type(e.exception), str(e.exception)) for e in result.errors}
    status, steps = result.status.tolist(), result.steps.tolist()
    return [(row, status[i], steps[i], errors.get(i)) for i, row in enumerate(result.to_list())]


def compared(random):
    """Compare a random graph's runs; return how many of them a loop ran, None if it was refused."""
    build, inputs = graph_of(random), inputs_of(random)
    config = {"recursion_limit": 6}
    alone, loop = build(tracing="off"), build(jit=True)
    alone.engine.small = 10**9
    given_up = []
    engine = loop.engine
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ~True
        expected = outcomes(alone.batch(inputs, config))
        with pytest.MonkeyPatch.context() as patch:
            lanes = type(engine.jitted)._done
            patch.setattr(
                type(engine.jitted),
                "_done",
                lambda *args: given_up.append(lanes(*args)) or given_up[-1],
            )
            found = outcomes(loop.batch(inputs, config))
    for row, (one, other) in enumerate(zip(found, expected, strict=True)):
        assert is_same(one[0], other[0]), (row, one, other)
        assert one[1:] == other[1:], (row, one, other)
    assert "gave" not in (engine.jitted.why_not() or "")
    assert "Numba" not in (engine.jitted.why_not() or "")
    return None if not given_up else int((~given_up[0][1]).sum())


def check(seeds):
    ran = [compared(random_module.Random(seed)) for seed in seeds]
    done = [n for n in ran if n is not None]
    assert len(done) > len(ran) / 2
    assert sum(done) > N * len(done) / 8


def test_runs_in_compiled_loops_are_what_they_are_alone() -> None:
    check(range(12))


@pytest.mark.soak
def test_runs_in_many_compiled_loops_are_what_they_are_alone() -> None:
    check(range(1000, 1400))

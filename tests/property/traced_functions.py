"""Random functions of one run's state, as text, over values that are chosen to be awkward."""

from __future__ import annotations

import itertools
import linecache
import math
import warnings

from vecgraph.columns import Column
from vecgraph.constants import END, MISSING, START
from vecgraph.graph import StateGraph

INTS = [0, 1, -1, 2, 3, 7, -3, 12, 2**52, 2**53, 2**53 + 1, 2**62, 2**63 - 1, -(2**63)]
HUGE = [2**63, -(2**63) - 1, 10**30]
FLOATS = [0.0, -0.0, 1.0, -1.5, 0.1, 2.5, 3.5, 1e16, 1e308, 5e-324]
ODD = [math.inf, -math.inf, math.nan, 2.0**53, -(2.0**63)]
TEXTS = ["", "a", "Ab ", " 12 ", "1.5", "é", "ß", "x" * 300, "{}", "\x00", "nan", "-7"]
OTHERS = [None, True, False, [1, "a"], (1, 2), {"k": [None]}, b"x"]

POOLS = {
    "small": [0, 1, 2, 3, -1, -2, 5, 7],
    "int": INTS,
    "wide": INTS + HUGE,
    "float": FLOATS,
    "odd": FLOATS + ODD,
    "bool": [True, False],
    "text": TEXTS,
    "none": [None],
    "number": [*INTS, *FLOATS, *ODD, True, False],
    "some": [*INTS, *FLOATS, None],
    "maybe text": [*TEXTS, None],
    "any": [*INTS, *HUGE, *FLOATS, *ODD, *TEXTS, *OTHERS],
}
LISTS = [[], [1], [1, "a", None], (1, 2), {"k": 1}, {}, "ab", [[2], 0.5], None, [True, -0.0]]
KEYS = ("a", "b", "c", "s", "t", "l", "g")
TABLE = (1, 2.5, "three", None, -4)
WORDS = ("left", "right", "up")
LIMIT = 3

_number = itertools.count()


class Writer:
    """Writes one function; `random` decides everything."""

    def __init__(self, random):
        self.random = random
        self.locals = []

    def pick(self, items):
        return self.random.choice(items)

    def chance(self, share):
        return self.random.random() < share

    def constant(self):
        pool = [*INTS[:8], *FLOATS[:7], 2**50, True, 10, 0.5]
        if self.chance(0.1):
            pool = [None, "a", "", " x", False]
        return f"({self.pick(pool)!r})"

    def leaf(self):
        forms = ["state", "state", "state", "state", "constant", "local", "outer", "get"]
        form = self.pick(forms)
        if form == "constant":
            return self.constant()
        if form == "local" and self.locals:
            return self.pick(self.locals)
        if form == "outer":
            return self.pick(["LIMIT", "math.pi", f"TABLE[{self.random.randint(-5, 4)}]"])
        if form == "get":
            default = f", {self.constant()}" if self.chance(0.6) else ""
            return f"state.get('g'{default})"
        return f"state[{self.pick('aaabbbccst' if self.chance(0.15) else 'abc')!r}]"

    def expr(self, depth):
        if depth <= 0 or self.chance(0.12):
            return self.leaf()
        make = self.pick(_FORMS)
        return make(self, depth - 1)

    def arithmetic(self, depth):
        op = self.pick(["+", "-", "*", "+", "-", "*", "/", "//", "%"])
        # Text times a number, again and again in a loop, would fill the memory: a sign refuses text.
        sign = "+" if op == "*" else ""
        return f"({sign}{self.expr(depth)} {op} {sign}{self.expr(depth)})"

    def bits(self, depth):
        return f"({self.whole(depth)} {self.pick('&|^')} {self.whole(depth)})"

    def whole(self, depth):
        """An int, or what is meant to be one."""
        if self.chance(0.1):
            return self.expr(depth)
        forms = ["state['a']", "3", "-1", f"int({self.expr(depth)})", "len(state['s'])"]
        return self.pick([*forms, f"round({self.expr(depth)})", f"({self.expr(depth)} // 1)"])

    def words(self):
        """A text, or what is meant to be one."""
        return self.leaf() if self.chance(0.1) else f"state[{self.pick('st')!r}]"

    def power(self, depth):
        exponent = self.pick(["2", "3", "-1", "0", "0.5", "-2.0", f"({self.small(depth)})"])
        base = self.constant() if self.chance(0.2) else f"state[{self.pick('abc')!r}]"
        return f"({base} ** {exponent})"

    def small(self, depth):
        return f"{self.whole(depth)} % 5"

    def shift(self, depth):
        count = self.pick(["1", "3", "62", "63", "64", "-1", f"({self.small(depth)})"])
        return f"({self.whole(depth)} {self.pick(['<<', '>>'])} {count})"

    def unary(self, depth):
        op = self.pick(["-", "+", "not ", "-", "~"])
        return f"({op}{self.whole(depth) if op == '~' else self.expr(depth)})"

    def compare(self, depth):
        op = self.pick(["<", "<=", ">", ">=", "==", "!="])
        if self.chance(0.15):
            ends = (self.leaf(), self.leaf(), self.leaf())
            return f"({ends[0]} {op} {ends[1]} {self.pick(['<', '>=', '!='])} {ends[2]})"
        return f"({self.expr(depth)} {op} {self.expr(depth)})"

    def none(self, depth):
        return f"({self.expr(depth)} {self.pick(['is', 'is not'])} None)"

    def member(self, depth):
        items = ", ".join(self.constant() for _ in range(3))
        where = self.pick([f"({items})", f"[{items}]", "state", "state['s']", "'a left x'"])
        left = f"'{self.pick(KEYS)}'" if where == "state" else self.expr(depth)
        left = self.words() if where[-1] in "']" and where[0] != "[" else left
        return f"({left} {self.pick(['in', 'not in'])} {where})"

    def logic(self, depth):
        return f"({self.expr(depth)} {self.pick(['and', 'or'])} {self.expr(depth)})"

    def condition(self):
        if self.chance(0.5):
            return self.expr(2)
        right = self.pick([Writer.call, Writer.method, Writer.helper, Writer.compare])(self, 1)
        test = f"{self.compare(0)} {self.pick(['and', 'or'])} {right}"
        return test if self.chance(0.7) else f"not ({test})"

    def conditional(self, depth):
        return f"({self.expr(depth)} if {self.expr(depth)} else {self.expr(depth)})"

    def call(self, depth):
        name = self.pick(
            [
                "abs",
                "int",
                "float",
                "bool",
                "round",
                "str",
                "len",
                "math.sqrt",
                "math.floor",
                "math.exp",
                "math.log",
                "math.isnan",
                "math.isfinite",
                "math.ceil",
                "math.sin",
                "math.tanh",
                "math.trunc",
                "math.isinf",
                "math.log10",
            ]
        )
        return f"{name}({self.expr(depth)})"

    def pair(self, depth):
        name = self.pick(["min", "max", "round", "math.atan2", "math.copysign"])
        second = self.pick(["1", "0", "2"]) if name == "round" else self.expr(depth)
        return f"{name}({self.expr(depth)}, {second})"

    def table(self, depth):
        return f"{self.pick(['TABLE', 'WORDS'])}[{self.small(depth)}]"

    def text(self, depth):
        form = self.pick(["{}!", "{:>4}", "{!r}", "{}{{x}}"])
        return (
            "f'"
            + form.replace("{}", "{" + self.leafy() + "}")
            .replace("{:", "{" + self.leafy() + ":")
            .replace("{!", "{" + self.leafy() + "!")
            + "'"
        )

    def objects(self, depth):
        item = self.pick(["state['l']", "state['l']", self.leaf(), "[state['a'], 1]"])
        form = self.pick(
            ["@o[@i]", "len(@o)", "(@o + [@x])", "(@x in @o)", "(@o + (1,))", "[*@o, @x]"]
        )
        if self.chance(0.4):
            form = self.pick(["@o.get('k', @x)", "@o[1:]", "(@x not in @o)", "bool(@o)", "@o['k']"])
        return form.replace("@o", item).replace("@x", self.expr(depth)).replace("@i", self.small(0))

    def helper(self, depth):
        form = self.pick(
            ["clamp(@o, 2)", "clamp(@o)", "twice(@o)", "pair(@o, @x)", "sum([@o, @x, 1])"]
        )
        return form.replace("@o", self.expr(depth)).replace("@x", self.expr(depth))

    def leafy(self):
        return self.pick([f'state["{key}"]' for key in KEYS[:-2]] + self.locals[:1])

    def method(self, depth):
        call = self.pick(
            [
                "lower()",
                "strip()",
                "upper()",
                "startswith('a')",
                "replace('a','bb')",
                "find('b')",
                "isdigit()",
                "title()",
                "lstrip()",
                "endswith(state['t'])",
                "count('x')",
            ]
        )
        return f"{self.words()}.{call}"

    def part(self, depth):
        cut = self.pick(["0", "-1", "1:", ":2", "::-1", "1:-1", f"({self.small(depth)})"])
        return f"{self.words()}[{cut}]"

    def body(self, indent, depth):
        """Statements that end in a return, or do not."""
        pad = "    " * indent
        lines = []
        for _ in range(self.random.randint(0, 2)):
            lines += self.statement(indent, depth)
        lines.append(pad + self.returned())
        return lines

    def statement(self, indent, depth):
        pad = "    " * indent
        form = self.pick(["assign", "assign", "if", "if", "augment", "for", "while"])
        if form == "if" and depth > 0:
            return self.branch(indent, depth)
        if form == "for" and depth > 0:
            head = self.pick(["range(3)", "range(1, 4)", "(2, 'b', None)"])
            lines = [f"{pad}for i in {head}:"]
            self.locals.append("i")
            lines += self.block(indent + 1, depth - 1)
            if self.chance(0.4):
                word = self.pick(["break", "continue"])
                lines += [f"{pad}    if {self.expr(1)}:", f"{pad}        {word}"]
            return [*lines, *self.block(indent + 1, 0)]
        if form == "while" and depth > 0:
            name = f"w{next(_number) % 9}"
            lines = [f"{pad}{name} = 0", f"{pad}while {name} < 4 and {self.expr(1)}:"]
            return [*lines, f"{pad}    {name} += 1", *self.block(indent + 1, depth - 1)]
        if form == "augment" and self.locals:
            name = self.pick(self.locals)
            return [f"{pad}{name} {self.pick(['+', '-', '//', '|'])}= {self.expr(1)}"]
        name = self.pick(["x", "y", "z"])
        line = f"{pad}{name} = {self.expr(2)}"
        if indent == 1 or self.chance(0.3):  # bound in a branch only: reading it may raise
            self.locals.append(name)
        return [line]

    def block(self, indent, depth):
        lines = []
        for _ in range(self.random.randint(1, 2)):
            lines += self.statement(indent, depth)
        return lines

    def branch(self, indent, depth):
        pad = "    " * indent
        lines = [f"{pad}if {self.condition()}:"]
        lines += (self.body if self.chance(0.3) else self.block)(indent + 1, depth - 1)
        if self.chance(0.3):
            lines += [f"{pad}elif {self.expr(1)}:", *self.block(indent + 1, depth - 1)]
        if self.chance(0.5):
            lines += [f"{pad}else:", *self.block(indent + 1, depth - 1)]
        return lines

    def returned(self):
        form = self.pick(["dict"] * 8 + ["none", "list", "raise", "conditional"])
        if form == "none":
            return "return None"
        if form == "dict" and self.chance(0.06):
            return self.pick(["return state", f"return {{**state, 'p': {self.expr(2)}}}"])
        if form == "raise":
            return f"raise ValueError('no', {self.constant()})"
        if form == "list":
            return f"return [{self.expr(1)}, ({self.expr(1)}, 'c')]"
        if form == "conditional":
            return f"return {{'p': {self.expr(1)}}} if {self.expr(1)} else {{'q': {self.expr(1)}}}"
        keys = self.random.sample(["p", "q", "r"], self.random.randint(1, 2))
        items = ", ".join(f"{key!r}: {self.expr(3)}" for key in keys)
        if self.chance(0.1):
            items += f", 'n': {{'k': [{self.expr(1)}]}}"
        return f"return {{{items}}}"

    def function(self):
        """Return the text of a function."""
        return "\n".join(["def traced(state):", *self.body(1, 2), ""])


_FORMS = [
    *[Writer.arithmetic] * 6,
    Writer.bits,
    *[Writer.compare] * 2,
    *[Writer.conditional] * 2,
    *[Writer.call] * 2,
    Writer.power,
    Writer.shift,
    Writer.unary,
    Writer.none,
    Writer.member,
    Writer.logic,
    Writer.pair,
    Writer.table,
    Writer.text,
    Writer.method,
    Writer.part,
    Writer.objects,
    Writer.helper,
]

HELPERS = """
def clamp(value, low=0, high=7):
    if value < low:
        return low
    if value > high:
        return high / 2
    return value

def twice(value):
    return value + value

def pair(a, b):
    for i in range(2):
        if not a:
            return (a, b)
        a = b and not a
    return None if a == b else a
"""


def defined(text):
    """Return the function that a text defines, with source that can be found again."""
    filename = f"<traced {next(_number)}>"
    text += HELPERS
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    space = {"math": math, "END": END, "TABLE": TABLE, "WORDS": WORDS, "LIMIT": LIMIT}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `1 is None` is odd, and means what it says
        exec(compile(text, filename, "exec", dont_inherit=True), space)
    return space["traced"]


def builder_of(schema, nodes, routers):
    """Return a function that compiles a graph of nodes and their routers, texts by name."""
    names = list(nodes)
    nodes, routers = (
        {name: defined(text) for name, text in texts.items()} for texts in (nodes, routers)
    )

    def build(**options):
        builder = StateGraph(schema)
        for name, fn in nodes.items():
            builder.add_node(name, fn)
            builder.add_conditional_edges(name, routers[name], [*names, END])
        builder.add_edge(START, names[0])
        return builder.compile(**options)

    return build


def columns(random, n):
    """Return columns of `n` rows for `KEYS`: each of one pool, some with absent cells."""
    made = {}
    usual = [["small"], ["small", "float", "bool"], ["int", "float"], ["int", "odd", "number"]]
    kinds = random.choice([list(POOLS), *usual])
    for key in KEYS:
        pool = POOLS["text" if key in "st" and random.random() < 0.7 else random.choice(kinds)]
        pool = LISTS[: random.randint(1, 10)] if key == "l" else pool
        cells = [random.choice(pool) for _ in range(n)]
        if random.random() < (0.5 if key == "g" else 0.06):
            cells = [MISSING if random.random() < 0.3 else cell for cell in cells]
        if key == "g" and random.random() < 0.3:
            continue
        made[key] = Column.of_cells(cells)
    return made

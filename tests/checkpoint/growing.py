"""A program that keeps batch after batch: ``python growing.py FOLDER BATCHES EVERY [RETENTION]``.

After each `EVERY` batches it prints the kilobytes that the process has in memory.
"""

from __future__ import annotations

import operator
import os
import sys
from pathlib import Path
from typing import Annotated, TypedDict

from vecgraph.checkpoint.arrow import ArrowSaver
from vecgraph.graph import END, START, StateGraph

ROWS = 20


class State(TypedDict, total=False):
    n: int
    text: str
    log: Annotated[list, operator.add]


def work(state):
    n = state["n"]
    return {"n": n + 1, "text": f"{n} " * 20, "log": [{"role": "user", "content": str(n)}]}


def app_of(saver):
    builder = StateGraph(State).add_node("work", work).add_edge(START, "work")
    builder.add_conditional_edges("work", lambda s: END if s["n"] >= 4 else "work")
    app = builder.compile(checkpointer=saver)
    app.engine.small = 1
    return app


def in_memory() -> int:
    """Return the kilobytes that this process has in memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def main() -> None:
    _, folder, batches, every, *more = sys.argv
    options = {"retention": more[0]} if more else {}
    with ArrowSaver(folder, durability="async", **options) as saver:
        app = app_of(saver)
        for i in range(int(batches)):
            rows = [{"n": j % 4, "log": []} for j in range(ROWS)]
            config = {"configurable": {"thread_id": f"b{i}"}}
            assert app.batch(rows, config)[0]["n"] == 4
            if (i + 1) % int(every) == 0:
                sys.stdout.write(f"{in_memory()}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()

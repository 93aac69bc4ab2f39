"""A program that writes checkpoints until it is killed: ``python dying.py FOLDER DURABILITY``.

With ``batch`` for the durability it runs a batch, and goes on where it was; with ``folder``,
``objects`` or ``sqlite`` it writes, prunes and deletes threads with large values. For each line
that it reads, a number of seconds, it forks a child that writes, kills it after that time, and
prints the number of the last checkpoint that the child knew to be stored.
"""

from __future__ import annotations

import operator
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Annotated

from pyarrow.fs import LocalFileSystem, SubTreeFileSystem
from typing_extensions import TypedDict

from vecgraph.checkpoint.arrow import ArrowSaver
from vecgraph.checkpoint.base import empty_checkpoint
from vecgraph.checkpoint.directory import lease
from vecgraph.checkpoint.sqlite import SqliteSaver
from vecgraph.graph import END, START, StateGraph

THREADS = 3


def checkpoint(n: int):
    """Return the checkpoint number `n`; all of it follows from the number."""
    made = empty_checkpoint()
    made["id"] = f"{n:08}"
    grown = n // THREADS
    made["channel_values"] = {
        "n": n,
        "log": [f"item {i}" for i in range(grown % 20)],
        "text": f"{n} " * (n % 50),
        "large": b"%d" % n * (6000 if n % 11 == 0 else 1),
    }
    made["channel_versions"] = dict.fromkeys(made["channel_values"], grown + 1)
    return made


def config(n: int, *, with_id: bool):
    found = {"thread_id": f"t{n % THREADS}", "checkpoint_ns": ""}
    if with_id and n >= 0:
        found["checkpoint_id"] = f"{n:08}"
    return {"configurable": found}


def pend(saver, n: int) -> None:
    """Keep a write beside every seventh checkpoint."""
    if n % 7 == 0:
        saver.put_writes(config(n, with_id=True), [("n", n)], "task")


def write(folder: str, durability: str, acks: int) -> None:
    with ArrowSaver(folder, durability=durability, snapshot_every=5) as saver:
        known = [int(item.checkpoint["id"]) for item in saver.list(None)]
        n = max(known, default=-1) + 1
        if n > 0:
            pend(saver, n - 1)  # the one before may have died between the two
        rng = random.Random(n)
        while True:
            made = checkpoint(n)
            parent = config(n, with_id=False)
            if n >= THREADS:
                parent["configurable"]["checkpoint_id"] = f"{n - THREADS:08}"
            saver.put(parent, made, {"step": n // THREADS}, made["channel_versions"])
            pend(saver, n)
            if durability == "async":
                saver.flush()
            os.write(acks, b"%d\n" % n)
            if rng.random() < 0.03:
                saver.compact()
            n += 1


class State(TypedDict, total=False):
    n: int
    total: int
    log: Annotated[list, operator.add]


def work(state):
    time.sleep(0.002)
    n = state["n"]
    return {"n": n + 1, "total": state["total"] + n, "log": [f"step {n}"]}


def batch(saver, **more):
    """Run 30 inputs, of which no two go the same way."""
    builder = StateGraph(State).add_node("work", work).add_node("extra", work)
    builder.add_edge(START, "work")
    builder.add_conditional_edges(
        "work", lambda s: END if s["n"] >= 12 else "extra" if s["total"] % 3 == 0 else "work"
    )
    builder.add_edge("extra", "work")
    app = builder.compile(checkpointer=saver)
    app.engine.small, app.engine.lane = 1, 8
    inputs = [{"n": i % 5, "total": i, "log": []} for i in range(30)]
    return app.batch(inputs, {"configurable": {"thread_id": "b"}}, **more)


def run_batch(folder: str, acks: int) -> None:
    with ArrowSaver(folder, durability="async") as saver:
        batch(saver, resume=True)
    os.write(acks, b"0\n")
    time.sleep(60)


LEFT = 4
"""So many threads with large values are there, but for one more or less while one works."""


def large_saver(kind: str, folder: str):
    if kind == "sqlite":
        return SqliteSaver(f"{folder}.sqlite")
    if kind == "objects":
        lease.LASTS, lease.RENEWED = 0.01, 60.0  # a killed writer is to be followed at once
        Path(folder).mkdir(exist_ok=True)
        return ArrowSaver("run", filesystem=SubTreeFileSystem(folder, LocalFileSystem()))
    return ArrowSaver(folder)


def large_values(n: int, of: int):
    """Return what the checkpoint `of` of the thread `n` has: its own, and what others have too."""
    return {"own": f"{n}.{of} " * 5000, "shared": f"{n % 3} " * 10_000, "both": f"{of} " * 10_000}


def write_large(kind: str, folder: str, acks: int) -> None:
    with large_saver(kind, folder) as saver:
        n = max(map(int, saver.thread_ids()), default=0)
        if is_whole(saver, n):
            n += 1
        else:
            saver.delete_thread(str(n))  # whoever wrote it has died meanwhile
        rng = random.Random(n)
        while True:
            put_large(saver, n)
            os.write(acks, b"%d\n" % n)
            saver.prune([str(n)])
            for name in [name for name in saver.thread_ids() if int(name) <= n - LEFT]:
                saver.delete_thread(name)
            if rng.random() < 0.3:
                saver.compact()
            n += 1


def is_whole(saver, n: int) -> bool:
    found = saver.get_tuple({"configurable": {"thread_id": str(n)}})
    return found is not None and bool(found.pending_writes)


def put_large(saver, n: int) -> None:
    at = {"configurable": {"thread_id": str(n), "checkpoint_ns": ""}}
    for of in range(2):
        made = empty_checkpoint()
        made["channel_values"] = large_values(n, of)
        made["channel_versions"] = dict.fromkeys(made["channel_values"], of + 1)
        at = saver.put(at, made, {"step": of}, made["channel_versions"])
    saver.put_writes(at, [("shared", "written " * 4000)], "task")


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    _, folder, durability = sys.argv
    say("ready")
    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            if durability == "batch":
                run_batch(folder, writing)
            elif durability in {"folder", "objects", "sqlite"}:
                write_large(durability, folder, writing)
            else:
                write(folder, durability, writing)
            os._exit(1)
        os.close(writing)
        time.sleep(float(line))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with os.fdopen(reading, "rb") as acks:
            last = acks.read().splitlines()
        say(last[-1].decode() if last else "-1")


if __name__ == "__main__":
    main()

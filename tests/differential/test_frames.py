"""Tables of checkpoints against the same checkpoints read one by one."""

from __future__ import annotations

import warnings
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from tests.differential.cases import examples
from tests.differential.test_read_columns import drawn, kept
from tests.differential.vecgraph_side import compiled
from vecgraph.constants import MISSING
from vecgraph.frames import history
from vecgraph.testing.compare import difference


def check(saver, app, threads=None) -> None:
    past = history(saver, threads, ns="")
    saved = [
        item
        for thread in (saver.thread_ids() if threads is None else threads)
        for item in list(saver.list({"configurable": {"thread_id": thread}}))[::-1]
    ]
    names = past.column("thread_id").tolist()
    assert names == sorted(names, key=saver.thread_ids().index)
    columns = {name: past.column(name).tolist() for name in past.columns}
    order = {key: at for at, key in enumerate(zip(names, columns["checkpoint_id"], strict=True))}
    assert len(past) == len(saved) == len(order)
    for item in saved:
        conf = item.config["configurable"]
        agree(columns, order[conf["thread_id"], conf["checkpoint_id"]], item, app)


def agree(columns, at, item, app) -> None:
    checkpoint, conf = item.checkpoint, item.config["configurable"]
    channels = [name for name in checkpoint["channel_values"] if is_shown(name)]
    wanted = {name: checkpoint["channel_values"][name] for name in channels}
    names = {name: f"channel:{name}" if f"channel:{name}" in columns else name for name in columns}
    found = {
        name: columns[names[name]][at]
        for name in columns
        if name not in FIXED and columns[names[name]][at] is not MISSING
    }
    assert (where := difference(wanted, found)) is None, where
    assert columns["thread_id"][at] == conf["thread_id"]
    assert columns["step"][at] == item.metadata["step"]
    assert columns["source"][at] == item.metadata["source"]
    parent = item.parent_config
    assert columns["parent_id"][at] == (
        parent["configurable"]["checkpoint_id"] if parent else MISSING
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        state = app.get_state(item.config)
    assert columns["next"][at] == ", ".join(sorted(set(state.next)))


FIXED = {
    "thread_id", "checkpoint_ns", "checkpoint_id", "parent_id", "seq", "step", "ts", "seconds",
    "source", "ran", "next", "changed",
}  # fmt: skip


def is_shown(channel) -> bool:
    return not channel.startswith(("__", "branch:to:", "join:"))


@examples(5)
@given(data=st.data())
def test_tables_hold_what_each_checkpoint_holds(data) -> None:
    spec, tier, inputs = drawn(data)
    saver, app = kept(spec, inputs, tier), compiled(spec, tier)
    app.checkpointer = saver
    check(saver, app)
    for at in (5, 2):
        config = {"configurable": {"thread_id": f"t/{at}"}, "recursion_limit": spec.limit}
        with warnings.catch_warnings(), suppress(Exception):
            warnings.simplefilter("ignore")
            app.invoke(inputs[at], config)
    for thread in ("t/2", "t/3"):
        found = list(saver.list({"configurable": {"thread_id": thread}}))
        old = found[len(found) // 2].config
        with warnings.catch_warnings(), suppress(Exception):
            warnings.simplefilter("ignore")
            app.invoke(None, {**old, "recursion_limit": spec.limit})  # a fork
    saver.copy_thread("t/2", "copy")
    saver.copy_thread("copy", "second copy")
    check(saver, app)
    saver.prune(["t/2"])
    saver.delete_thread("t/5")
    check(saver, app)
    check(saver, app, ["second copy", "t/0"])

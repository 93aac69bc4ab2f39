"""Checkpoints of a thread as a saver lists them, brought to a form that two savers share."""

from __future__ import annotations


def listed(saver, thread_id, ns=""):
    """Return the checkpoints of a thread, oldest first, with ids, times and versions as counts."""
    found = list(saver.list({"configurable": {"thread_id": thread_id, "checkpoint_ns": ns}}))
    found.reverse()
    place = {saved.checkpoint["id"]: at for at, saved in enumerate(found)}
    return [plain(saved, place) for saved in found]


def plain(saved, place):
    """Return a checkpoint as a dict without what differs by chance."""
    checkpoint, parent = saved.checkpoint, saved.parent_config
    return {
        "values": {k: plain_value(v) for k, v in checkpoint["channel_values"].items()},
        "versions": counts(checkpoint["channel_versions"]),
        "seen": {node: counts(seen) for node, seen in checkpoint["versions_seen"].items()},
        "updated": checkpoint["updated_channels"],
        "metadata": dict(saved.metadata),
        "parent": parent and place.get(parent["configurable"]["checkpoint_id"], "?"),
    }


def pending(saver, thread_id, ns=""):
    """Return what is kept beside a thread's latest checkpoint: by task, in a form that two savers share."""
    saved = saver.get_tuple({"configurable": {"thread_id": thread_id, "checkpoint_ns": ns}})
    tasks = {}
    for task, channel, value in () if saved is None else saved.pending_writes or ():
        tasks.setdefault(task, []).append((channel, _plain_write(channel, value)))
    # Which of two channels a task wrote first means nothing.
    told = (sorted(_told(pairs), key=lambda pair: pair[0]) for pairs in tasks.values())
    return sorted(told, key=repr)


def _told(pairs):
    """Return what a task wrote without what means nothing: how often it signalled a node.

    Of one that failed, where its edges and routers led: it runs again.
    """
    signals = {channel for channel, _ in pairs if channel.startswith("branch:to:")}
    others = [pair for pair in pairs if pair[0] not in signals]
    if any(channel == "__error__" for channel, _ in pairs):
        return [pair for pair in others if not pair[0].startswith(("join:", "__pregel_tasks"))]
    return [*others, *((channel, None) for channel in signals)]


def _plain_write(channel, value):
    if channel == "__error__":
        return repr(value)
    if channel == "__interrupt__":
        return [question.value for question in value]
    return plain_value([value])[0]


def plain_value(value):
    """Return a value in which pairs are lists, as LangGraph's serialiser leaves them, and Sends pairs."""
    if isinstance(value, tuple):
        value = list(value)
    if isinstance(value, list):
        return [
            ("send", item.node, item.arg) if type(item).__name__ == "Send" else item
            for item in value
        ]
    return value


def counts(versions):
    """Return versions as numbers; LangGraph's savers may have them as text."""
    return {channel: int(str(version).split(".")[0]) for channel, version in versions.items()}

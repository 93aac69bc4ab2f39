"""Public names of LangGraph's beside vecgraph's: paths, and the parameters of what is called."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from typing import Any

MODULES = (
    "graph",
    "graph.message",
    "graph.state",
    "types",
    "channels",
    "pregel",
    "func",
    "stream",
    "config",
    "runtime",
    "managed",
    "prebuilt",
    "prebuilt.interrupt",
    "errors",
    "constants",
    "typing",
    "version",
    "warnings",
    "cache.base",
    "cache.memory",
    "checkpoint.base",
    "checkpoint.memory",
    "checkpoint.serde.base",
    "checkpoint.serde.jsonplus",
    "checkpoint.serde.encrypted",
    "store.base",
    "store.memory",
)
"""Modules that a program may import names from."""

CLASSES = {
    "graph.StateGraph": (),
    "graph.state.CompiledStateGraph": ("attach_branch", "attach_edge", "attach_node"),
    "pregel.Pregel": (),
    "pregel.NodeBuilder": (),
    "stream.StreamTransformer": (),
    "stream.StreamChannel": (),
    "stream.GraphRunStream": (),
    "stream.AsyncGraphRunStream": (),
    "runtime.Runtime": (),
    "runtime.RunControl": (),
    "checkpoint.base.BaseCheckpointSaver": (),
    "cache.base.BaseCache": (),
    "store.base.BaseStore": (),
}
"""Classes whose methods are compared, and methods that are LangGraph's own affair."""

DEPRECATED = "deprecated in LangGraph"
IMPORTED = "of another module, which LangGraph's happens to import"
RUNNABLE = "of LangChain's Runnable: `app | RunnablePassthrough()` has it, and an app of door two"
TOOLS = "the stream mode `tools` is not there"
OURS = "an addition of vecgraph's"
SETS = "an attribute of the object here, which has it all the same"

WHY = {
    "graph.MessageGraph": DEPRECATED,
    "graph.message.MessageGraph": DEPRECATED,
    "graph.StateGraph(kwargs)": DEPRECATED,
    "graph.state.StateGraph(kwargs)": DEPRECATED,
    "graph.StateGraph.add_node(kwargs)": DEPRECATED,
    "graph.add_messages(kwargs)": "its only use, `format`, is named",
    "graph.message.add_messages(kwargs)": "its only use, `format`, is named",
    "graph.state.CompiledStateGraph(schema_to_mapper)": "made by `compile`, not by users",
    "graph.state.CompiledStateGraph(kwargs)": "made by `compile`, not by users",
    "types.Interrupt(deprecated_kwargs)": DEPRECATED,
    "types.PregelExecutableTask": "the inside of LangGraph's engine",
    "pregel.Pregel(deprecated_kwargs)": DEPRECATED,
    "pregel.NodeBuilder.write_to(kwargs)": "called `values` here; it takes the same",
    "config.BaseStore": IMPORTED,
    "errors.NodeInterrupt": DEPRECATED,
    "constants.CONF": "the inside of LangGraph's engine",
    "constants.CONFIG_KEY_CHECKPOINTER": "the inside of LangGraph's engine",
    "prebuilt.ToolCallTransformer": TOOLS,
    "prebuilt.ValidationNode(args)": DEPRECATED,
    "prebuilt.ValidationNode(kwargs)": DEPRECATED,
    "prebuilt.create_react_agent(deprecated_kwargs)": DEPRECATED,
    "prebuilt.interrupt.LangGraphDeprecatedSinceV10": IMPORTED,
    "cache.base.SerializerProtocol": IMPORTED,
    "cache.memory.SerializerProtocol": IMPORTED,
    "store.memory.IndexConfig": IMPORTED,
    "store.memory.MatchCondition": IMPORTED,
    "store.memory.ensure_embeddings": IMPORTED,
    "store.memory.get_text_at_path": IMPORTED,
    "store.memory.tokenize_path": IMPORTED,
    "checkpoint.base.ChannelProtocol": IMPORTED,
    "checkpoint.base.EmptyChannelError": IMPORTED,
    "checkpoint.base.EncryptedSerializer": IMPORTED,
    "checkpoint.base.JsonPlusSerializer": IMPORTED,
    "checkpoint.base.SerializerProtocol": IMPORTED,
    "checkpoint.base.maybe_add_typed_methods": "the inside of LangGraph's savers",
    "checkpoint.base.uuid6": "the inside of LangGraph's savers",
    "checkpoint.memory.BaseCheckpointSaver": IMPORTED,
    "checkpoint.memory.Checkpoint": IMPORTED,
    "checkpoint.memory.CheckpointMetadata": IMPORTED,
    "checkpoint.memory.CheckpointTuple": IMPORTED,
    "checkpoint.memory.DeltaChannelHistory": IMPORTED,
    "checkpoint.memory.PersistentDict": "the inside of LangGraph's savers",
    "checkpoint.memory.SerializerProtocol": IMPORTED,
    "checkpoint.memory.get_checkpoint_id": IMPORTED,
    "checkpoint.memory.get_checkpoint_metadata": IMPORTED,
    "checkpoint.memory.writes_sort_key": IMPORTED,
    "checkpoint.memory.InMemorySaver(factory)": "the inside of LangGraph's savers",
    "checkpoint.memory.MemorySaver(factory)": "the inside of LangGraph's savers",
    "checkpoint.serde.jsonplus.InvalidModuleError": "the inside of LangGraph's serialisation",
    "checkpoint.serde.jsonplus.Item": IMPORTED,
    "checkpoint.serde.jsonplus.SendProtocol": IMPORTED,
    "checkpoint.serde.jsonplus.emit_serde_event": "the inside of LangGraph's serialisation",
}
"""Why a name or a parameter is not there."""

_METHODS = {
    "cache cache_policy checkpointer config context_schema name retry_policy step_timeout store "
    "stream_eager stream_mode": SETS,
    "as_tool astream_log get_prompts with_alisteners with_listeners with_types": RUNNABLE,
    "validate": "what `compile` does",
}
_FORWARDED = "invoke ainvoke stream astream batch abatch batch_as_completed abatch_as_completed"


@dataclass(frozen=True)
class Difference:
    """A name or a parameter that only one of the two has, and why."""

    where: str
    kind: str
    why: str | None


def differences() -> list[Difference]:
    """Return all differences between the public names of the two."""
    found = []
    for module in MODULES:
        theirs, ours = _module("langgraph", module), _module("vecgraph", module)
        for name in public(theirs):
            if ours is None or not hasattr(ours, name):
                found.append(_lacks(f"{module}.{name}"))
            else:
                pair = getattr(theirs, name), getattr(ours, name)
                found += parameters(f"{module}.{name}", *pair)
    for path, own in CLASSES.items():
        found += methods(path, own)
    return found


def _module(library: str, name: str) -> Any:
    try:
        return importlib.import_module(f"{library}.{name}")
    except ImportError:
        return None


def public(module: Any) -> list[str]:
    """Return a module's public names: those that it lists, else those of LangGraph's."""
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return sorted(listed)
    return [
        name
        for name, value in sorted(vars(module).items())
        if not name.startswith("_")
        and str(getattr(value, "__module__", "")).startswith("langgraph")
    ]


def methods(path: str, own: tuple[str, ...]) -> list[Difference]:
    """Return the differences between the methods of a class."""
    module, name = path.rsplit(".", 1)
    theirs, ours = _module("langgraph", module), _module("vecgraph", module)
    if ours is None:
        return []
    a, b, found = getattr(theirs, name), getattr(ours, name), []
    for method in dir(a):
        where = f"{path}.{method}"
        if method.startswith("_") or method in own:
            continue
        if not hasattr(b, method):
            found.append(_lacks(where))
        elif callable(getattr(a, method)):
            found += parameters(where, getattr(a, method), getattr(b, method))
    return found


def parameters(where: str, theirs: Any, ours: Any) -> list[Difference]:
    """Return the parameters that only one of two callables has."""
    a, b = _named(theirs), _named(ours)
    if a is None or b is None:
        return []
    lacks = [_lacks(f"{where}({name})") for name in a if name not in b]
    more = [name for name in b if name not in a and b[name] is not inspect.Parameter.VAR_KEYWORD]
    return [*lacks, *(Difference(f"{where}({name})", "adds", OURS) for name in more)]


def _named(value: Any) -> dict[str, Any] | None:
    if not callable(value):
        return None
    try:
        found = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return None
    return {parameter.name: parameter.kind for parameter in found}


def _lacks(where: str) -> Difference:
    return Difference(where, "lacks", WHY.get(where) or _why_method(where))


def _why_method(where: str) -> str | None:
    name = where.rsplit(".", 1)[-1]
    if name.removesuffix("(kwargs)") in _FORWARDED.split():
        return "takes options by name instead"
    return next((why for names, why in _METHODS.items() if name in names.split()), None)

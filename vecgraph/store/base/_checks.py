"""What namespaces may be, and what times to live mean, in LangGraph's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from vecgraph.store.base._ops import (
    NOT_PROVIDED,
    GetOp,
    InvalidNamespaceError,
    ListNamespacesOp,
    PutOp,
    SearchOp,
)

if TYPE_CHECKING:
    from vecgraph.store.base._ops import NotProvided, Op, TTLConfig

__all__ = [
    "check_labels",
    "check_namespace",
    "ensure_refresh",
    "ensure_ttl",
    "validate_op_namespace",
]


def check_namespace(namespace: tuple[str, ...]) -> None:
    """Refuse a namespace that nothing can be put into.

    Raises
    ------
    InvalidNamespaceError
    """
    if not namespace:
        raise InvalidNamespaceError("Namespace cannot be empty.")
    check_labels(namespace)
    if namespace[0] == "langgraph":
        raise InvalidNamespaceError(
            f'Root label for namespace cannot be "langgraph". Got: {namespace}'
        )


def check_labels(namespace: tuple[str, ...]) -> None:
    """Refuse labels that no namespace has.

    Raises
    ------
    InvalidNamespaceError
    """
    for label in cast("tuple[object, ...]", namespace):
        found = f"Invalid namespace label '{label}' found in {namespace}. Namespace labels"
        if not isinstance(label, str):
            kind = type(label).__name__
            raise InvalidNamespaceError(f"{found} must be strings, but got {kind}.")
        if "." in label:
            raise InvalidNamespaceError(f"{found} cannot contain periods ('.').")
        if "\0" in label:
            raise InvalidNamespaceError(f"{found} cannot contain NUL bytes ('\\x00').")
        if not label:
            raise InvalidNamespaceError(
                f"Namespace labels cannot be empty strings. Got {label} in {namespace}"
            )


def validate_op_namespace(op: Op) -> None:
    """Refuse an operation with labels that no namespace has.

    Raises
    ------
    InvalidNamespaceError
    """
    match op:
        case GetOp() | PutOp():
            check_labels(op.namespace)
        case SearchOp():
            check_labels(op.namespace_prefix)
        case ListNamespacesOp():
            for condition in op.match_conditions or ():
                check_labels(condition.path)


def ensure_refresh(config: TTLConfig | None, refresh: bool | None) -> bool:
    """Return whether reading begins an item's time again."""
    if refresh is not None:
        return refresh
    return True if config is None else config.get("refresh_on_read", True)


def ensure_ttl(config: TTLConfig | None, ttl: float | NotProvided | None) -> float | None:
    """Return the minutes that an item lives."""
    if ttl is NOT_PROVIDED:
        return config.get("default_ttl") if config else None
    return ttl  # type: ignore[return-value]

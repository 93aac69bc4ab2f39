"""Time zones as text and back, without importing anything that the text names."""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import zoneinfo
from datetime import UTC, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final

from vecgraph.checkpoint.serde._codes import Refused

__all__ = ["zone_of", "zone_text"]

_KEY: Final = re.compile(r"[A-Za-z0-9_+\-]+(?:/[A-Za-z0-9_+\-]+)*")
_MICROSECOND: Final = timedelta(microseconds=1)


def zone_text(zone: tzinfo) -> str:
    """Return a zone as ``Z``, ``=Europe/Paris`` or ``@<microseconds>[ name]``.

    Raises
    ------
    Refused
        It is of a kind that cannot be found again: another library's, or a zone without a key.
    """
    if zone is UTC:
        return "Z"
    if type(zone) is timezone:
        # How pickle asks; the name is None unless one was given.
        offset, *name = zone.__getinitargs__()  # type: ignore[attr-defined]
        return " ".join([f"@{offset // _MICROSECOND}", *name])
    if type(zone) is zoneinfo.ZoneInfo:
        # None for a zone that was read from a file, whatever the stubs say.
        key: str | None = zone.key
        if key is None or not _KEY.fullmatch(key):
            raise Refused(
                f"a time zone with the key {key!r}", "Use zoneinfo.ZoneInfo('Area/City')."
            )
        return f"={key}"
    raise Refused(
        f"a time zone of type {type(zone).__module__}.{type(zone).__qualname__}",
        "Use zoneinfo.ZoneInfo, or a fixed offset: datetime.timezone(timedelta(hours=1)).",
    )


def zone_of(text: str) -> tzinfo:
    """Return the zone that `zone_text` wrote down.

    Raises
    ------
    ValueError
        The text is no zone, or this machine has no zone of that name.
    """
    if text == "Z":
        return UTC
    if text.startswith("@"):
        offset, named, name = text[1:].partition(" ")
        delta = timedelta(microseconds=int(offset))
        return timezone(delta, name) if named else timezone(delta)
    if not text.startswith("=") or not _KEY.fullmatch(key := text[1:]):
        raise ValueError(f"{text!r} is no time zone")
    if not (_has_file(key, zoneinfo.TZPATH) or key in _BUNDLED):
        raise ValueError(f"this machine has no time zone {key!r}; install the package tzdata")
    return zoneinfo.ZoneInfo(key)


@lru_cache(maxsize=1_024)
def _has_file(key: str, folders: tuple[str, ...]) -> bool:
    # ZoneInfo imports a package of data by the zone's name where the system has no file for it;
    # here that may only ever be one that `_load_bundled` has loaded at the start.
    return any(os.path.isfile(os.path.join(folder, *key.split("/"))) for folder in folders)


def _load_bundled() -> frozenset[str]:
    """Load the data packages of `tzdata`, if installed; return the zones in them."""
    try:
        root = importlib.import_module("tzdata.zoneinfo")
    except ImportError:
        return frozenset()
    for info in pkgutil.walk_packages(root.__path__, "tzdata.zoneinfo."):
        if info.ispkg:
            importlib.import_module(info.name)
    return frozenset(zoneinfo.available_timezones())


# A system with a zone database of its own, which is nearly every one but Windows, needs no more.
_BUNDLED: Final = frozenset() if any(map(os.path.isdir, zoneinfo.TZPATH)) else _load_bundled()

"""Compile the source of a loop, and keep what Numba made of it for the next program."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["compiled", "require_numba"]


def require_numba() -> None:
    """Look for Numba, which is not imported yet.

    Raises
    ------
    ImportError
        It is not installed.
    """
    if importlib.util.find_spec("numba") is None:
        raise ImportError("compile(jit=True) needs numba: pip install 'vecgraph[jit]'")


def compiled(source: str) -> Callable[..., None]:
    """Return the function ``kernel`` of a module's source.

    Numba keeps machine code beside a file: the source becomes one in the user's cache folder
    (``VECGRAPH_CACHE_DIR``, else the usual place). Where there is no such folder that is the user's
    alone, the code is made anew in each program.
    """
    folder = _folder()
    if folder is not None:
        with contextlib.suppress(OSError):
            return _from_file(_written(folder, source))
    space: dict[str, Any] = {"CACHE": False}
    exec(compile(source, "<vecgraph.jit>", "exec"), space)  # written by `Graph.kernel`
    made: Callable[..., None] = space["kernel"]
    return made


def _folder() -> Path | None:
    """Return the folder of compiled graphs, None if others could put something there."""
    given = os.environ.get("VECGRAPH_CACHE_DIR")
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        root = (
            Path(given) if given else (Path(base) if base else Path.home() / ".cache") / "vecgraph"
        )
        folder = root / "jit"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if sys.platform != "win32":
            found = folder.stat()
            if found.st_uid != os.getuid() or found.st_mode & 0o022:
                return None
    except (OSError, RuntimeError):
        return None
    return folder


def _written(folder: Path, source: str) -> Path:
    """Return the file of a source; it is never there in part."""
    text = "CACHE = True\n" + source
    path = folder / f"g{sha256(text.encode()).hexdigest()[:32]}.py"
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if path.read_text(encoding="utf-8") == text:
            return path
    number, name = tempfile.mkstemp(dir=folder, suffix=".tmp")
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    return path


def _from_file(path: Path) -> Callable[..., None]:
    spec = importlib.util.spec_from_file_location(f"vecgraph_jit_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Numba looks the module up by its name when it loads what it has kept.
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    made: Callable[..., None] = module.kernel
    return made

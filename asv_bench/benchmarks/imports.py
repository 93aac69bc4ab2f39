"""What `import vecgraph` costs a process that has NumPy and pyarrow already."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import time
import numpy, pyarrow
start = time.perf_counter()
import vecgraph
seconds = time.perf_counter() - start
assert vecgraph.StateGraph
print(seconds)
"""


class Import:
    """Time added to importing NumPy and pyarrow, each time in a fresh interpreter."""

    params = ([1, 7],)
    param_names = ("processes",)
    version = "1"

    def track_import_seconds(self, processes: int) -> float:
        """Seconds of the quickest of `processes` imports."""
        return min(self.seconds() for _ in range(processes))

    track_import_seconds.unit = "s"  # type: ignore[attr-defined]

    @staticmethod
    def seconds() -> float:
        """Seconds of one import."""
        command = [sys.executable, "-c", PROGRAM]
        return float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)

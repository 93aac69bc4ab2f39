"""The superstep: plan, execute, apply; for one run in plain Python, for many in columns."""

"""Column forms of unchanged scalar functions: found in their source, checked, and proven as they run."""

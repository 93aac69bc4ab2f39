"""How a node runs over rows, and how what it returns becomes writes."""

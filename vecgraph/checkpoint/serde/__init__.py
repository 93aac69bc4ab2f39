"""Python values as bytes and back, exactly and safely."""

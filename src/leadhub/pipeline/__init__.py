"""The use cases: one function each, its transactions visible in its body."""

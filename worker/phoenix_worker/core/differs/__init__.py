"""How a container differs from its declaration."""

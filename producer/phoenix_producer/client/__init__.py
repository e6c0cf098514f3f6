"""How a request reaches the workers, and its answer comes back."""

"""What may be done to a CTID, and what forbids it."""

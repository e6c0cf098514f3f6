"""What one task does to one CTID."""

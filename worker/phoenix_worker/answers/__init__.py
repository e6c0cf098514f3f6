"""What the requester gets back."""

"""Which steps follow from what differs and what is allowed, and what they lead to."""

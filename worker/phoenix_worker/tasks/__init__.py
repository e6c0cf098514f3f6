"""What a message starts: each task composes actions and answers."""

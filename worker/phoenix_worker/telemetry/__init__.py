"""What observers see: the log, metrics, webhooks, and what a worker says about itself."""

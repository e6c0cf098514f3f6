"""What the ledger says of jobs and locks, read only."""

"""The two kinds of failure. Every adapter decides at its edge which one it met, and raises `from` the original."""

from __future__ import annotations

RESTORE_QUORUM = "Start or reconnect nodes of the cluster until `pvecm status` shows `Quorate: Yes`."
"""What to do about a lost quorum, wherever it is noticed."""


class TransientError(Exception):
    """It may work later: retried with backoff up to a limit, then told as a PermanentError."""

    def __init__(self, message: str, *, cause: str = "transient", remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.cause = cause
        self.remedy = remedy


class PermanentError(Exception):
    """Trying again would change nothing: told once, with what to do."""

    def __init__(self, message: str, *, cause: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.cause = cause
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()

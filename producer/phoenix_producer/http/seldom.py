"""Warnings that anybody can cause, token or not: said once in a while, whoever sends broken requests."""

from __future__ import annotations

import logging
import time

SECONDS = 60.0
_MOST = 100
"""Different warnings; more than the server has."""


class Seldom(logging.Filter):
    """Lets a warning pass once in `seconds`, and what is worse always."""

    def __init__(self, seconds: float = SECONDS) -> None:
        super().__init__()
        self._seconds = seconds
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a line is written."""
        if record.levelno != logging.WARNING:
            return True
        now = time.monotonic()
        self._said = {text: at for text, at in self._said.items() if now - at < self._seconds}
        if record.msg in self._said or len(self._said) >= _MOST:
            return False
        self._said[str(record.msg)] = now
        return True

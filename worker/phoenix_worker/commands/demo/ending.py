"""Ctrl-C, SIGTERM and a closed terminal as one exception, raised once: what was started is then stopped undisturbed."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ended(BaseException):
    """A signal asked for the end. No Exception, so that nothing takes it for a failure that it handles."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def exit_code(self) -> int:
        """As shells have it."""
        return 128 + self.number


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Raise Ended in the block at the first signal. Signals that are ignored already (`nohup`) stay so."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    heeded = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in heeded:
        signal.signal(number, _end)
    try:
        yield
    finally:
        for number in heeded:
            signal.signal(number, before[number])


def undisturbed() -> None:
    """Ignore further signals until the end of `ended_by_signals`. Processes started meanwhile ignore them too."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _end(number: int, _frame: object) -> NoReturn:
    undisturbed()
    raise Ended(number)

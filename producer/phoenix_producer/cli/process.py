"""What the command's process needs of its surroundings: open streams, a size, signals that end it in order."""

from __future__ import annotations

import os
import re
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIZE = re.compile(r"[1-9][0-9]{0,3}")
_FLAGS = {"stdin": os.O_RDONLY, "stdout": os.O_RDONLY, "stderr": os.O_WRONLY}
"""Of what takes the place of a stream that was closed: what is written to such a stdout is lost, and refused."""


def complete_streams() -> None:
    """Open what was closed (`>&-`) when the process began.

    Else the next file or connection would be taken for it, and the streams in `sys` are None.
    """
    for name, flags in _FLAGS.items():
        if getattr(sys, name) is None:
            # In their order, each is given the lowest number that is free: its own.
            opened = os.open(os.devnull, flags)
            setattr(sys, name, os.fdopen(opened, "r" if name == "stdin" else "w", encoding="utf-8", closefd=False))


def forget_impossible_sizes() -> None:
    """Leave it to the terminal how large it is where the environment names a size that none has.

    At `COLUMNS=0` nothing at all would be shown.
    """
    for name in ("COLUMNS", "LINES"):
        if name in os.environ and not _SIZE.fullmatch(os.environ[name]):
            del os.environ[name]


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Have SIGTERM and SIGHUP raise SystemExit in the block, so that what is shown live gives the cursor back.

    A second one ends the process at once; what is ignored (`nohup`) stays so. After the block Ctrl-C ends the process
    at once too: the interpreter takes its time to end, and would show where it was.
    """
    heeded = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    for number in heeded:
        signal.signal(number, _end)
    try:
        yield
    finally:
        for number in heeded:
            signal.signal(number, signal.SIG_DFL)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)


def _end(number: int, _frame: object) -> NoReturn:
    signal.signal(number, signal.SIG_DFL)
    raise SystemExit(128 + number)

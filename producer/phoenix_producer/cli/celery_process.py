"""Run as a module it is `python -m celery`, but that Ctrl-C while it starts is no traceback.

A worker and Flower heed signals once they have begun; what is imported until then takes a second.
"""

from __future__ import annotations

import runpy
import signal
import sys
from typing import NoReturn

_POOLS = ("gevent", "eventlet", "custom")
"""Celery imports these before it reads anything of ours."""


def _end(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)
    try:
        runpy.run_module("celery", run_name="__main__", alter_sys=True)
    except ModuleNotFoundError as error:
        if error.name not in _POOLS:
            raise
        print(f"--pool {error.name}: workers run with `threads` (the default) or `processes`.", file=sys.stderr)  # noqa: T201 - Celery has not begun
        raise SystemExit(2) from error

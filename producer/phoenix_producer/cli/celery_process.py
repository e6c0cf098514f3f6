"""Run as a module it is `python -m celery`, but that Ctrl-C while it starts is no traceback.

A worker and Flower heed signals once they have begun; what is imported until then takes a second.
"""

from __future__ import annotations

import runpy
import signal
from typing import NoReturn


def _end(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)
    runpy.run_module("celery", run_name="__main__", alter_sys=True)

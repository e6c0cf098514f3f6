"""Collecting in little time: each xdist process does it for all tests, beside the others.

The asserts of each module are rewritten when it is imported first, and this takes longer than all the rest: what one
process has rewritten, the others are to find as bytecode.
"""

from __future__ import annotations

import gc
import os
import sys

import pytest

# Whatever the machine's habit is: without bytecode each process of the hundreds that tests start compiles all of ours.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Nothing that collecting makes is garbage, and looking through it again and again takes a fifth of the time.
gc.disable()


def pytest_configure(config: pytest.Config) -> None:
    """Begin with other modules than the processes beside this one. pytest-randomly then makes their orders the same."""
    told = getattr(config, "workerinput", {})
    whole = config.args_source is config.ArgsSource.TESTPATHS
    if told and whole and config.getoption("randomly_reorganize", default=False):
        modules = sorted(str(path) for one in config.args for path in (config.rootpath / one).rglob("test_*.py"))
        first = int(told["workerid"].removeprefix("gw")) * len(modules) // told["workercount"]
        config.args[:] = modules[first:] + modules[:first]


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Collect garbage again, and never look at what is there till the end."""
    gc.freeze()
    gc.enable()

"""A pytest plugin: runs for each mutant the tests that reach it, in a process forked from the one that collected them.

mutmut's own runner collects the tests again for each mutant, which takes twenty times as long as running them. What it
makes of the functions is used as it is: a copy of each with one change, chosen by the name of the mutant.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from _pytest.runner import runtestprotocol
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from mutmut.utils.format_utils import mangled_name_from_mutant_name

if TYPE_CHECKING:
    import pytest

    Reached = dict[str, list[pytest.Item]]

NAMES, FOUND = Path("names.json"), Path("found.json")
KILLED, SURVIVED, NOT_REACHED = "killed", "survived", "not reached"
_CPU_SECONDS, _MEMORY = 20, 4 * 2**30
_PROCESSES = os.cpu_count() or 2

# What builds a table while it is imported is reached then.
set_mutant_under_test("stats")


def pytest_runtestloop(session: pytest.Session) -> bool:
    """Run all tests once as they are, then those of each mutant."""
    imported = frozenset(state()._stats)
    state()._stats.clear()
    reached = _learn(session.items)
    running: dict[int, str] = {}
    found: dict[str, str] = {}
    for name in json.loads(NAMES.read_text()):
        function = mangled_name_from_mutant_name(name)
        items = reached.get(function, [])
        if not items and function not in imported:
            found[name] = NOT_REACHED
            continue
        if len(running) >= _PROCESSES:
            _await_one(running, found)
        running[_fork(name, items, anew=session.config.args if function in imported else [])] = name
    while running:
        _await_one(running, found)
    FOUND.write_text(json.dumps(found))
    return True


def _learn(items: list[pytest.Item]) -> Reached:
    """Find which tests reach which function, the quickest first. Raises RuntimeError where one fails as things are."""
    took: dict[str, float] = {}
    reached: Reached = defaultdict(list)
    for item in items:
        began = time.monotonic()
        if not _passes(item):
            raise RuntimeError(f"{item.nodeid} fails without any change")
        took[item.nodeid] = time.monotonic() - began
        for function in state()._stats:
            reached[function].append(item)
        state()._stats.clear()
    return {function: sorted(those, key=lambda one: took[one.nodeid]) for function, those in reached.items()}


def _passes(item: pytest.Item) -> bool:
    return not any(report.failed for report in runtestprotocol(item, nextitem=None, log=False))


def _fork(name: str, items: list[pytest.Item], anew: list[str]) -> int:
    """Run the tests that reach a mutant; where it counts while modules are imported, all, in a new interpreter."""
    if (child := os.fork()) != 0:
        return child
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        set_mutant_under_test(name)
        if not all(map(_passes, items)):
            os._exit(1)
        if anew:
            arguments = [sys.executable, "-m", "pytest", "-x", "--hypothesis-profile=mutants", *anew]
            os.execv(sys.executable, arguments)  # noqa: S606 - no shell has anything to do here
        os._exit(0)
    finally:
        os._exit(1)


def _await_one(running: dict[int, str], found: dict[str, str]) -> None:
    """Wait for a child; one that used up its time has no end, which is noticed too."""
    child, status = os.wait()
    found[running.pop(child)] = SURVIVED if status == 0 else KILLED

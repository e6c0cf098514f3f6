"""A pytest plugin: runs for each mutant the tests that reach it, in a process forked from the one that collected them.

mutmut's own runner collects the tests again for each mutant, which takes twenty times as long as running them. What it
makes of the functions is used as it is: a copy of each with one change, chosen by the name of the mutant. What is no
function of Python has mutants made by a module of ours, named by MUTANTS_OF.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import sys
import time
from collections import defaultdict
from functools import _lru_cache_wrapper, partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from _pytest.runner import runtestprotocol
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from mutmut.utils.format_utils import mangled_name_from_mutant_name

from tests.mutants.grounds import EVERY, FOUND, KILLED, KNOWN, MUTANTS_OF, NAMES, NOT_REACHED, ONLY, SURVIVED

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

_CONTROL = "nothing"
_CPU_SECONDS, _SECONDS, _MEMORY = 60, 600, 4 * 2**30
_PROCESSES = len(os.sched_getaffinity(0))  # fewer below `taskset`, beside other work

# What builds a table while it is imported is reached then.
set_mutant_under_test("stats")
_AT_IMPORT: dict[str, set[str]] = defaultdict(set)
"""Functions that are called while modules are imported, and the test files to be run in a new interpreter for each."""


class Mutant(NamedTuple):
    """One change, how it is made, and the tests that may notice."""

    name: str
    change: Callable[[], None]
    items: list[pytest.Item]
    anew: list[str]
    """What to run in a new interpreter besides, because the change counts while modules are imported."""


def pytest_collection(session: pytest.Session) -> None:
    """Import what has mutants before any test does: what it calls meanwhile counts for all tests."""
    for module in {name.rpartition(".")[0] for name in json.loads(Path(NAMES).read_text())}:
        import_module(module)
    if source := os.environ.get(MUTANTS_OF):
        import_module(source)
    _note_import(session.config.args)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Note what a test file calls while it is imported."""
    report = yield
    _note_import([str(collector.path)])
    return report


def _note_import(files: list[str]) -> None:
    for function in state()._stats:
        _AT_IMPORT[function].update(files)
    state()._stats.clear()


def pytest_runtestloop(session: pytest.Session) -> bool:
    """Run all tests once as they are, then those of each mutant."""
    running: dict[int, str] = {}
    found: dict[str, str] = {}
    state()._stats.clear()
    items, reached = _learn(session.items)
    gc.freeze()  # or each child copies all that there is as soon as it collects
    running[_fork(Mutant(_CONTROL, lambda: None, items[:20], []))] = _CONTROL
    begins = tuple(os.environ[ONLY].split()) or ("",)
    mutants = [mutant for mutant in _mutants(items, reached) if mutant.name.startswith(begins)]
    known = set(json.loads(Path(KNOWN).read_text()))
    for mutant in mutants[:: int(os.environ[EVERY])]:
        if mutant.name in known:
            found[mutant.name] = KILLED
            continue
        if not mutant.items and not mutant.anew:
            found[mutant.name] = NOT_REACHED
            continue
        if len(running) >= _PROCESSES:
            _await_one(running, found)
        running[_fork(mutant)] = mutant.name
    while running:
        _await_one(running, found)
    if found.pop(_CONTROL) != SURVIVED:
        raise RuntimeError("What is changed in nothing does not pass")
    Path(FOUND).write_text(json.dumps(found))
    return True


def _mutants(items: list[pytest.Item], reached: dict[str, list[pytest.Item]]) -> Iterator[Mutant]:
    if source := os.environ.get(MUTANTS_OF):
        changes: dict[str, Callable[[], None]] = import_module(source).mutants()
        for name, change in changes.items():
            yield Mutant(name, change, reached.get(name.partition(":")[0], items), [])
        return
    for name in json.loads(Path(NAMES).read_text()):
        function = mangled_name_from_mutant_name(name)
        anew = sorted(_AT_IMPORT.get(function, ()))
        yield Mutant(name, partial(set_mutant_under_test, name), reached.get(function, []), anew)


def _learn(items: list[pytest.Item]) -> tuple[list[pytest.Item], dict[str, list[pytest.Item]]]:
    """Order the tests, the quickest first, and find which function each reaches.

    Raises RuntimeError where one fails as things are.
    """
    took: dict[pytest.Item, float] = {}
    reached: dict[str, list[pytest.Item]] = defaultdict(list)
    for item, following in zip(items, [*items[1:], None], strict=True):
        began = time.monotonic()
        if not _passes(item, following):
            raise RuntimeError(f"{item.nodeid} fails without any change")
        took[item] = time.monotonic() - began
        for function in state()._stats:
            reached[function].append(item)
        state()._stats.clear()
    ordered = sorted(items, key=lambda item: took[item])
    return ordered, {function: [one for one in ordered if one in those] for function, those in reached.items()}


def _passes(item: pytest.Item, following: pytest.Item | None) -> bool:
    return not any(report.failed for report in runtestprotocol(item, nextitem=following, log=False))


def _forget_answers() -> None:
    """Empty what remembers answers: those of before the change are not those of the changed function."""
    ours = [vars(module) for name, module in sys.modules.items() if name.startswith("phoenix_")]
    for one in [one for names in ours for one in names.values() if isinstance(one, _lru_cache_wrapper)]:
        one.cache_clear()


def _fork(mutant: Mutant) -> int:
    if (child := os.fork()) != 0:
        return child
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        signal.alarm(_SECONDS)  # a script without an end takes Redis with it, which is waited for without using time
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        mutant.change()
        _forget_answers()
        for item, following in zip(mutant.items, [*mutant.items[1:], None], strict=True):
            if not _passes(item, following):
                item.session._setupstate.teardown_exact(None)
                os._exit(1)
        if mutant.anew:
            arguments = [sys.executable, "-m", "pytest", "-x", "--hypothesis-profile=mutants", *mutant.anew]
            os.execv(sys.executable, arguments)  # noqa: S606 - no shell has anything to do here
        os._exit(0)
    finally:
        os._exit(1)


def _await_one(running: dict[int, str], found: dict[str, str]) -> None:
    """Wait for a child; one that used up its time has no end, which is noticed too."""
    child, status = os.wait()
    found[running.pop(child)] = SURVIVED if status == 0 else KILLED
    Path(FOUND).write_text(json.dumps(found))

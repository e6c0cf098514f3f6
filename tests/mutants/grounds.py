"""What is mutated, and the tests that are nearest to it."""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.worker import ROOT

KILLED, SURVIVED, NOT_REACHED = "killed", "survived", "not reached"
NAMES, KNOWN, FOUND = "names.json", "known.json", "found.json"
"""Files in the copy of the packages: the mutants of functions, those that are known to be killed, how each ended."""
MUTANTS_OF = "MUTANTS_OF"
"""The environment variable that names the module which makes the changes."""
EVERY = "MUTANTS_EVERY"
"""The one that says how many mutants there are for one that is tried."""
ONLY = "MUTANTS_ONLY"
"""The one that says how the names of those begin that are tried, separated by spaces; all if it is empty."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What is changed one place at a time, and the test files that are to notice."""

    name: str
    modules: tuple[str, ...]
    """Whose functions mutmut changes."""
    tests: tuple[str, ...]
    """And what pytest is told besides."""
    made_by: str = ""
    """Which module of ours makes the changes, where they are not in functions."""


_PACKAGE = "phoenix_worker/core"
_UNIT = ROOT / "tests" / "unit"


def _of_core(name: str, *more: str) -> Ground:
    """Take the unit tests that import something of a part of the core, and more that reach it through others."""
    nearest = {file.stem for file in _UNIT.glob("test_*.py") if f"phoenix_worker.core.{name}" in file.read_text()}
    tests = sorted(nearest | {f"test_{one}" for one in more})
    return Ground(f"core/{name}", (f"{_PACKAGE}/{name}/*.py",), tuple(f"tests/unit/{one}.py" for one in tests))


# Each takes as long as all the others, and starts a worker or counts round trips.
_SLOW_ABOUT_LUA = (
    "--deselect=tests/integration/test_ledger_view.py::test_thousands_of_jobs_are_read_in_a_few_round_trips",
    "--deselect=tests/integration/test_shared_keys.py::test_workers_go_on_when_all_of_it_is_spoiled_at_once",
    *(
        f"--deselect=tests/integration/test_unreadable_records.py::test_{name}"
        for name in (
            "a_message_that_cannot_be_sent_keeps_no_other_from_being_sent",
            "watches_and_due_ids_that_are_no_text_stop_neither_watcher_nor_tick",
            "an_event_that_is_no_text_holds_no_webhook_back",
        )
    ),
)

GROUNDS = (
    _of_core("allowed", "marker"),
    _of_core("planned", "rebuild", "plan_trees", "outcome_lines"),
    _of_core("differs"),
    Ground(
        "catalog/refusals",
        ("phoenix_worker/catalog/refusals.py",),
        ("tests/unit/test_catalog_refusals.py", "tests/unit/test_refusal_words.py", "tests/unit/test_networks.py"),
    ),
    _of_core("model", "firewall_grammar", "survey", "cases"),
    _of_core("checkup", "access"),
    Ground("ctids", ("phoenix_producer/ctids.py",), ("tests/unit/test_ctids.py", "tests/unit/test_contract.py")),
    Ground(
        "scripts/node_door",
        ("scripts/node_door.py",),
        ("tests/unit/test_node_door.py", "tests/unit/test_node_door_runs.py"),
    ),
    Ground("proxmox/error_table", (), ("tests/unit/test_proxmox_words.py",), "tests.mutants.rows"),
    Ground(
        "lua",
        (),
        tuple(
            f"tests/integration/test_{name}.py"
            for name in (
                *("ledger_ends", "ledger_promises", "ledger_words", "ledger_view", "clock", "set_aside"),
                *("reservations", "shared_keys", "late_or_lost"),
                *("ledger_leaves_nothing", "ledger_refusals", "ledger_sharing", "ledger_steps"),
                *("ledger_ticks", "ledger_to_the_second", "ledger_deleted_keys", "ledger_repairs"),
                *("keys_of_one_job", "unreadable_records", "spoiled_steps"),
            )
        )
        + _SLOW_ABOUT_LUA,
        "tests.mutants.scripts",
    ),
)

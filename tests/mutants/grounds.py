"""What is mutated, and the tests that are nearest to it."""

from __future__ import annotations

from dataclasses import dataclass

KILLED, SURVIVED, NOT_REACHED = "killed", "survived", "not reached"
NAMES, FOUND = "names.json", "found.json"
"""Files in the copy of the packages: the mutants of functions, and how each ended."""
MUTANTS_OF = "MUTANTS_OF"
"""The environment variable that names the module which makes the changes."""
EVERY = "MUTANTS_EVERY"
"""The one that says how many mutants there are for one that is tried."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What is changed one place at a time, and the test files that are to notice."""

    name: str
    modules: tuple[str, ...]
    """Whose functions mutmut changes."""
    tests: tuple[str, ...]
    made_by: str = ""
    """Which module of ours makes the changes, where they are not in functions."""


_PACKAGE = "phoenix_worker/core"


def _of_core(name: str, *tests: str) -> Ground:
    return Ground(f"core/{name}", (f"{_PACKAGE}/{name}/*.py",), tuple(f"tests/unit/test_{test}.py" for test in tests))


GROUNDS = (
    _of_core(
        "allowed",
        *(
            "ownership",
            "ownership_words",
            "forbidden",
            "grants",
            "too_old",
            "grant_remedies",
            "left_disks",
            "linked",
            "without_shell",
            "access",
            "inside",
            "rebuilding",
        ),
        *("checkup", "plan", "status", "options", "notes", "marker", "prediction"),
    ),
    _of_core(
        "planned",
        *(
            "plan",
            "plan_words",
            "planned_words",
            "foretold",
            "feasibility",
            "prediction",
            "adopting",
            "made_again",
            "notes",
            "rebuilding",
            "waiting_requests",
        ),
        *("access", "inside", "options", "networks", "rebuild", "plan_trees", "outcome_lines"),
    ),
    _of_core(
        "differs",
        *(
            "diff",
            "diff_templates",
            "unchangeable_words",
            "volumes",
            "root_only",
            "networks",
            "firewall",
            "firewall_grammar",
            "tags",
        ),
        *("options", "outdated", "undeclared", "mount_order", "raw_lines", "rebuild", "convergence"),
        *("notes", "access", "made_again", "adopting", "prediction", "inside"),
    ),
    Ground(
        "catalog/refusals",
        ("phoenix_worker/catalog/refusals.py",),
        ("tests/unit/test_catalog_refusals.py", "tests/unit/test_refusal_words.py", "tests/unit/test_networks.py"),
    ),
    _of_core(
        "model",
        *(
            "addresses",
            "observation",
            "records",
            "marker",
            "property_string",
            "os_templates",
            "ownership",
            "inside",
            "plan",
            "plan_words",
            "firewall",
        ),
        *("firewall_grammar", "feasibility", "diff", "networks", "status", "left_disks", "linked", "survey", "cases"),
    ),
    _of_core(
        "checkup",
        "checkup",
        "checkup_words",
        "checkup_redis",
        "checkup_cluster",
        "grant_remedies",
        "networks",
        "text_of_others",
        "access",
    ),
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
            for name in ("ledger_ends", "ledger_promises", "ledger_view", "ledger_machine", "clock", "set_aside")
        ),
        "tests.mutants.scripts",
    ),
)

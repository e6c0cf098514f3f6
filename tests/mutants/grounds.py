"""What is mutated, and the tests that are nearest to it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ground:
    """Python modules whose functions mutmut changes one at a time, and the test files that are to notice."""

    name: str
    modules: tuple[str, ...]
    tests: tuple[str, ...]


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
        *("plan", "feasibility", "prediction", "adopting", "made_again", "notes", "rebuilding", "waiting_requests"),
        *("access", "inside", "options", "networks", "rebuild", "plan_trees", "outcome_lines"),
    ),
    _of_core(
        "differs",
        *("diff", "diff_templates", "volumes", "root_only", "networks", "firewall", "firewall_grammar", "tags"),
        *("options", "outdated", "undeclared", "mount_order", "raw_lines", "rebuild", "convergence", "notes", "access"),
        *("made_again", "adopting", "prediction", "inside"),
    ),
    Ground(
        "catalog/refusals",
        ("phoenix_worker/catalog/refusals.py",),
        ("tests/unit/test_catalog_refusals.py", "tests/unit/test_networks.py", "tests/unit/test_volumes.py"),
    ),
    _of_core(
        "model",
        *("addresses", "marker", "property_string", "os_templates", "ownership", "inside", "plan", "firewall"),
        *("firewall_grammar", "feasibility", "diff", "networks", "status", "left_disks", "linked", "survey", "cases"),
    ),
    _of_core("checkup", "checkup", "grant_remedies", "networks", "text_of_others", "metrics"),
)

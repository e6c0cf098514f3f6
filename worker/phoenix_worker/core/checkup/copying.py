"""How the copies of templates that will be made come to their nodes: by a migration, or built by their scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.core.checkup.line import fine
from phoenix_worker.core.planned.moved_copies import lacking, linked, privileges, takes_long

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.checkup.line import Line

_ABOUT = "Template copies"


def paths(copies: Iterable[Declaration]) -> frozenset[str]:
    """Name the paths to ask about."""
    needs = (need for copy in copies for need in privileges(copy))
    return frozenset(path for need in needs for path in (need.path, need.or_on) if path is not None)


def to_bring(copies: Iterable[Declaration], catalog: Mapping[int, Declaration]) -> list[Declaration]:
    """Return those that take long to build, on other nodes than their template."""
    return [one for one in copies if takes_long(one) and catalog[one.copy_of or one.ctid].node != one.node]


def judge_ways(copies: Iterable[Declaration], held: Mapping[str, frozenset[str]]) -> Iterator[Line]:
    """Say how each comes to its node, and why; `held` has the token's privileges on each of the `paths`."""
    for copy in copies:
        named = f"a copy of template {copy.copy_of} on {copy.node} is"
        why = linked(copy) or lacking(privileges(copy), held)
        if why:
            yield fine(_ABOUT, f"{named} built there by its scripts: {why}")
        else:
            yield fine(_ABOUT, f"{named} cloned from it and migrated there, where the storages allow it")

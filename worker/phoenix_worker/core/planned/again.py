"""What brings about what cannot be changed: making it again, after the templates that would pass the same on to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phoenix_worker.core.differs.diff import origin_of
from phoenix_worker.core.differs.unchangeable import anew, unchangeable
from phoenix_worker.core.model.observation import Observation, Presence
from phoenix_worker.core.planned.prediction import foretold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phoenix_worker.catalog.declaration import Declaration

_LINKED = ",linked"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to make a CTID again."""

    first: tuple[int, ...]
    """The templates that are rebuilt for it, the nearest first."""
    left: tuple[str, ...]
    """What would be as it is now all the same."""


def way(chain: Sequence[Declaration], source: Observation | None, first: tuple[int, ...]) -> Way:
    """Judge what becomes of the first of a chain when all of it is made again, the last from `source`.

    Without a source the last one is created from an OS template.
    """
    for declaration in reversed(chain):
        source = foretold(declaration, Observation(declaration.ctid, declaration.node, Presence.ABSENT), source)
    return Way(first, () if source is None else unchangeable(chain[0], source))


def remedy(declaration: Declaration, seen: Observation, best: Way) -> str:
    """Say the commands, in the order in which they work, and what they do not bring about."""
    parts = []
    if len(best.left) < len(unchangeable(declaration, seen)):
        parts.append(_commands(declaration, seen, best.first))
    if best.left:
        parts.append(f"Made again, it would be so again, by what the catalog declares: {'; '.join(best.left)}.")
    return " ".join(parts)


def _commands(declaration: Declaration, seen: Observation, first: tuple[int, ...]) -> str:
    if not first:
        return anew(declaration)
    ctid, named = declaration.ctid, " ".join(map(str, sorted(first)))
    if declaration.is_template:
        rebuilt = " ".join(map(str, sorted({*first, declaration.copy_of or ctid})))
        return f"`phoenix-lxc rebuild {rebuilt}` builds it again, with what it is of."
    those = f"template {named} has" if len(first) == 1 else f"templates {named.replace(' ', ', ')} have"
    building = f"`phoenix-lxc rebuild {named}`, since its {those} the same"
    destroying = f"`phoenix-lxc destroy {ctid}`, which deletes its disks"
    # No template is rebuilt while linked clones hang on it.
    steps = (destroying, building) if _is_linked(declaration, seen) else (building, destroying)
    return f"{', then '.join(steps)}, then `phoenix-lxc ensure {ctid}` creates it again."


def _is_linked(declaration: Declaration, seen: Observation) -> bool:
    marker = seen.marker
    return (marker.origin if marker is not None and marker.origin else origin_of(declaration)).endswith(_LINKED)

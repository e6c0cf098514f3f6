"""How what an earlier tool made is taken over."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from phoenix_worker.core.allowed.ownership import Action
from phoenix_worker.core.differs.diff import marker_for
from phoenix_worker.core.differs.scripts import mark_of
from phoenix_worker.core.model.marker import ADOPTED, Stage, without_marker, write_marker

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.allowed.ownership import Verdict
    from phoenix_worker.core.model.observation import Observation

UNKNOWN = "unknown"
"""Stands for the hash of the declaration that a container was made by."""
_NOT_TO_BE_SEALED = frozenset({Action.NOTHING, Action.REPAIR_SEAL})
"""Absent; and what the next ensure repairs."""


@dataclass(frozen=True, slots=True)
class Adoption:
    """What is to be done, in this order. Falsy when it is ours already, and as it should be."""

    declaration: Declaration
    mark: bool = False
    stop: bool = False
    snapshots: tuple[str, ...] = ()
    """To be deleted: a template has none."""
    seal: bool = False

    def __bool__(self) -> bool:
        return self.mark or self.seal

    def lines(self) -> Iterator[str]:
        """Tell it, for people."""
        ct = f"CT {self.declaration.ctid} on {self.declaration.node}"
        if self.mark:
            yield f"add the marker of phoenix-lxc (role: {self.declaration.role}) to the notes of {ct}"
        if self.stop:
            yield f"stop {ct}: before it becomes a template"
        if self.snapshots:
            yield f"delete the snapshots of {ct}: {', '.join(self.snapshots)}"
        if self.seal:
            yield f"convert {ct} to a template"


def adoption(declaration: Declaration, seen: Observation, verdict: Verdict, snapshots: Sequence[str]) -> Adoption:
    """Work out what is left to do. A container keeps its configuration: its next ensure brings that in line."""
    mark = verdict.action is Action.MARK
    if verdict.action in _NOT_TO_BE_SEALED or not declaration.is_template or seen.base_volume:
        return Adoption(declaration, mark)
    return Adoption(declaration, mark, seen.running, tuple(snapshots), seal=True)


def adopted_notes(declaration: Declaration, seen: Observation) -> str:
    """Write the marker into the notes. What it was made from and by is not known.

    The scripts that there are now count as run: whoever made it ran them, and a service is not set up anew unasked.
    What lets somebody log in is set by the next ensure.
    """
    marker = marker_for(declaration, ADOPTED, Stage.CONFIGURED)
    ran = tuple(mark_of(script) for script in declaration.scripts if script not in declaration.access)
    marker = replace(marker, declaration=UNKNOWN, origin="", scripts=ran)
    if seen.marker is not None and seen.is_ours:
        marker = replace(seen.marker, role=declaration.role, stage=Stage.CONFIGURED)
    return write_marker(marker, without_marker(seen.config.get("description", "")))

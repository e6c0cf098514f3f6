"""How what an earlier tool made is taken over."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from phoenix_worker.core.allowed.ownership import Action
from phoenix_worker.core.differs.diff import marker_for
from phoenix_worker.core.differs.scripts import mark_of
from phoenix_worker.core.model.marker import ADOPTED, Stage, without_marker, write_marker
from phoenix_worker.core.model.observation import Presence
from phoenix_worker.core.planned.notes import too_long

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.catalog.loading import Catalog
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

    The scripts that there are now count as run: whoever made it ran them, and a service is not set up again unasked.
    What lets somebody log in is set by the next ensure.
    """
    marker = marker_for(declaration, ADOPTED, Stage.CONFIGURED)
    ran = tuple(mark_of(script) for script in declaration.scripts if script not in declaration.access)
    marker = replace(marker, declaration=UNKNOWN, origin="", scripts=ran)
    if seen.marker is not None and seen.is_ours:
        marker = replace(seen.marker, role=declaration.role, stage=Stage.CONFIGURED)
    return write_marker(marker, without_marker(seen.config.get("description", "")))


class LostCopies(NamedTuple):
    """What stands at CTIDs of copies under a template's name, and has no marker of ours."""

    fitting: tuple[tuple[Declaration, Observation], ...] = ()
    """Those that may be marked as copies, each as it would be declared."""
    told: tuple[str, ...] = ()
    """Why others are left as they are."""

    def lines(self) -> Iterator[str]:
        """Tell what is to be done, for people."""
        for copy, seen in self.fitting:
            yield (
                f"add the marker of phoenix-lxc (role: {copy.role}, copy of {copy.copy_of}) to the notes of "
                f"CT {seen.ctid} on {seen.node}"
            )


def lost_copies(template: Declaration, seen: Iterable[Observation], catalog: Catalog) -> LostCopies:
    """Work out which of what stands at the CTIDs of copies are to be taken over with their template."""
    same = next((one.ctid for one in catalog.values() if one.is_template and _alike(one, template)), None)
    fitting: list[tuple[Declaration, Observation]] = []
    told: list[str] = []
    for one in seen:
        if one.is_ours or one.config.get("hostname") != template.name:
            continue
        copy = catalog.copy(template.ctid, one.ctid, one.node)
        why = not_adopted(copy, one) or ("" if same is None else f"template {same} has it too")
        if why:
            told.append(
                f"CT {one.ctid} on {one.node} has the name of template {template.ctid} and {why}: it is not adopted."
            )
        else:
            fitting.append((copy, one))
    return LostCopies(tuple(fitting), tuple(told))


def not_adopted(copy: Declaration, seen: Observation) -> str:
    """Say why what stands there is not taken for a copy; nothing for a finished template without a marker of ours."""
    if seen.presence is not Presence.HERE or seen.is_ours or seen.config.get("hostname") != copy.name:
        return "is another one now"
    if seen.lock is not None:
        return f"is locked ({seen.lock})"
    if not seen.is_template:
        return "is not a finished template"
    return "has no room for the marker in its notes" if too_long(replace(copy, description=None), seen) else ""


def _alike(one: Declaration, template: Declaration) -> bool:
    return one.name == template.name and one.ctid != template.ctid

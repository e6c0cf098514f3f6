"""How a template is rebuilt: again at a scratch CTID, sealed there, and only then in the place of the old one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from phoenix_worker.core.allowed.ownership import judge
from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.model.marker import Stage
from phoenix_worker.core.model.observation import Observation, Presence
from phoenix_worker.core.planned.notes import too_long
from phoenix_worker.core.planned.plan import PlannedStep, plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phoenix_worker.catalog.declaration import Declaration


@dataclass(frozen=True, slots=True)
class Rebuild:
    """What is left to do, in this order; then the template is replaced by what stands at the scratch CTID."""

    template: Declaration
    scratch: Declaration
    old: Observation
    clear: bool
    """Whether something of ours is in the way at the scratch CTID: an earlier rebuild left it."""
    build: tuple[PlannedStep, ...]

    def lines(self) -> Iterator[str]:
        """Tell it, for people."""
        ctid, scratch, node = self.template.ctid, self.scratch.ctid, self.template.node
        if self.clear:
            yield f"destroy CT {scratch} on {node}, which an earlier rebuild left"
        yield from (step.detail for step in self.build)
        if self.old.presence is Presence.HERE:
            yield f"destroy CT {ctid} on {self.old.node}, with its disks"
        yield f"clone template {scratch} to CT {ctid} on {node} (full)"
        yield f"configure CT {ctid} on {node}: as declared"
        yield f"convert CT {ctid} on {node} to a template"
        yield f"destroy CT {scratch} on {node}, with its disks"


def rebuild(
    template: Declaration,
    old: Observation,
    scratch: Declaration,
    new: Observation,
    *,
    done: bool = False,
    older: bool = False,
) -> Rebuild:
    """Work out what is left of a rebuild.

    A rebuild that was cut off while it replaced the template, which is no finished one any more, is gone on with, and
    so is one that has `done` so; anything else that stands at the scratch CTID is made again, and so is what was
    cloned from an `older` build of the template above it.
    """
    if done or (is_built(scratch, new) and not old.is_template and not older):
        return Rebuild(template, scratch, old, clear=False, build=())
    absent = Observation(scratch.ctid, scratch.node, Presence.ABSENT)
    build = plan(scratch, absent, judge(scratch, absent))
    return Rebuild(template, scratch, old, clear=new.presence is Presence.HERE, build=build)


def copied(template: Declaration, scratch: int) -> Declaration:
    """Declare a template as the full clone of what was built in its place, each volume where that has it."""
    return replace(template, clone_from=scratch, full_clone=True, template_node=None, storage=None)


def cloned_at(copy: Declaration, node: str) -> Declaration:
    """Declare a copy as the full clone of its template on that one's node, from which it is migrated to its own."""
    return copied(replace(copy, node=node), copy.copy_of or copy.ctid)


def is_built(scratch: Declaration, seen: Observation) -> bool:
    """Return whether what stands at the scratch CTID is a finished template, of ours and of this very declaration."""
    marker = seen.marker
    return (
        seen.is_template
        and seen.is_ours
        and marker is not None
        and (marker.role, marker.stage, marker.declaration) == (scratch.role, Stage.CONFIGURED, scratch.hash)
    )


def refuse_unbuilt(template: Declaration, scratch: Declaration, seen: Observation) -> None:
    """Raise PermanentError unless the template can be replaced by what stands at the scratch CTID."""
    if not is_built(scratch, seen):
        raise PermanentError(
            f"Unable to rebuild CT {template.ctid} on {template.node}: CT {scratch.ctid}, where it was built, is "
            "no longer the finished template that this job built.",
            cause="changed-meanwhile",
            remedy=f"Send the request again: CT {template.ctid} was not changed.",
        )


def refuse_rebuild(template: Declaration, scratch: Declaration | None) -> Declaration:
    """Return where a template is rebuilt. Raises PermanentError for what is no template, and without CTIDs for it."""
    subject = f"Unable to rebuild CT {template.ctid} on {template.where}"
    if not template.is_template:
        raise PermanentError(
            f"{subject}: it is declared as a container, and only templates are rebuilt.",
            cause="not-a-template",
            remedy=f"To create the container again: `phoenix-lxc destroy {template.ctid}`, which deletes its disks, "
            f"then `phoenix-lxc ensure {template.ctid}`.",
        )
    if scratch is None:
        raise PermanentError(
            f"{subject}: the workers have no CTIDs at which they may build it.",
            cause="no-scratch",
            remedy="Set PHOENIX_SCRATCH_CTIDS of the workers to CTIDs that nothing else uses, such as 9000-9099.",
        )
    if (problem := too_long(template)) is not None:
        raise problem
    return scratch

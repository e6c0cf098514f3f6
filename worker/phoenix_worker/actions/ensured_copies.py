"""What an ensure of a template does about its copies: those that are not as declared are configured, as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phoenix_worker.actions.builds import Builds
from phoenix_worker.actions.firewall_and_pool import with_surroundings
from phoenix_worker.actions.standing_copies import copies_of, not_looked_at
from phoenix_worker.core.allowed.ownership import judge, may_write
from phoenix_worker.core.allowed.without_shell import within_reach
from phoenix_worker.core.planned.plan import plan
from phoenix_worker.step_names import StepName

if TYPE_CHECKING:
    from phoenix_worker.actions.standing_copies import Copies
    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation
    from phoenix_worker.core.planned.plan import PlannedStep


@dataclass(frozen=True, slots=True)
class EnsuredCopies:
    """The copies of a template, as of one moment."""

    to_configure: tuple[tuple[Declaration, PlannedStep], ...] = ()
    """Each with what is changed."""
    outdated: tuple[str, ...] = ()
    """Why some will be outdated still."""
    unseen: tuple[str, ...] = ()
    """What may be a copy, and why it cannot be looked at."""

    @property
    def declared(self) -> list[Declaration]:
        """Those that are to be configured."""
        return [copy for copy, _ in self.to_configure]

    @property
    def left(self) -> tuple[str, ...]:
        """What an ensure leaves as it is."""
        return (*self.outdated, *self.unseen)


def ensured_copies(task: PhoenixTask, template: Declaration, found: Copies | None = None) -> EnsuredCopies:
    """Judge the copies of a template, as they were `found` or are now. A container has none, and takes no call."""
    found = copies_of(task, template) if found is None else found
    builds, catalog = Builds(task), task.catalog.current()
    to_configure: list[tuple[Declaration, PlannedStep]] = []
    outdated: list[str] = []
    for seen in found.seen:
        copy = catalog.copy(template.ctid, seen.ctid, seen.node)
        step = configuring(task, copy, seen)
        if step is not None:
            to_configure.append((copy, step))
        outdated += builds.outdated(copy, seen, configured=step is not None)
    return EnsuredCopies(tuple(to_configure), tuple(outdated), tuple(not_looked_at(template, found.unseen)))


def configuring(task: PhoenixTask, copy: Declaration, seen: Observation) -> PlannedStep | None:
    """Plan what is to be changed of a copy; None of one that is as declared, or no finished template.

    A copy that is not finished is gone on with by the next clone that needs it.
    """
    if not seen.is_template:
        return None
    copy = within_reach(copy, has_shell=task.shell is not None, accepted=True)
    seen = with_surroundings(task.proxmox, copy, seen)
    verdict = judge(copy, seen)
    steps = plan(copy, seen, verdict) if may_write(verdict) else ()
    return next((step for step in steps if step.name is StepName.CONFIGURE), None)

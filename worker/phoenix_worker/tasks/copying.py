"""The tasks for what is cloned next, built or, of a copy, cloned from its template and migrated; and for its copies.

copy_template(9105)  hold 900 → look at it → once: POST full clone on its node → wait
move_copy(9105)      look → once: look → POST → wait; what cannot be migrated is removed and built
configure_copies(900) release 900 → hold the first → look → replace by configure(9105), then the rest, then verify(900)
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Never

from phoenix_worker.actions.copies import build_alone, refuse_undone
from phoenix_worker.actions.drained import refuse_drained
from phoenix_worker.actions.ensured_copies import configuring
from phoenix_worker.actions.look import survey
from phoenix_worker.actions.make import StandsThere, make_clone
from phoenix_worker.actions.migrate import migrate
from phoenix_worker.actions.moved_copies import Way, template_to_clone, way_of
from phoenix_worker.actions.orders import copy_order
from phoenix_worker.actions.standing_copies import is_copy, on_its_way
from phoenix_worker.actions.with_copies import release_held
from phoenix_worker.base import lane
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.home import at_home
from phoenix_worker.core.model.records import from_json, to_json
from phoenix_worker.core.planned.moved_copies import anew
from phoenix_worker.core.planned.plan import is_making, plan
from phoenix_worker.core.planned.rebuilding import cloned_at
from phoenix_worker.durable.run import now
from phoenix_worker.proxmox.error_table import MISSING
from phoenix_worker.step_names import StepName
from phoenix_worker.tasks import chains
from phoenix_worker.tasks.registry import task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celery.canvas import Signature

    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration

_WAY = "way"
_TEMPLATE = "template-of-copy"


def build_first(
    self: PhoenixTask,
    clone: Declaration,
    template: Declaration,
    *,
    adopted: bool,
    accepted: bool,
    told: Sequence[str] = (),
) -> Never:
    """Have a template, or the copy that serves a clone's node, made before the clone; the task holds its lane.

    What is `told` is told with the clone.
    """
    refuse_undone(self, clone, template)
    template = self.reach(template, accepted=accepted)
    seen, verdict = survey(self, template)
    way, coming = Way(*self.read(_WAY, lambda: way_of(self, template, seen))), bool(on_its_way(seen))
    steps = anew(template) if coming else plan(at_home(template, seen), seen, verdict)
    if is_making(steps) and not clone.nodes:  # a copy is made for what was placed there
        refuse_drained(self, template)
    then: dict[str, Any] = {"then": clone, "adopted": adopted, "accepted": accepted}
    if way.source:
        self.replace(chains.chain_moved(self, template, way.source, cloned=coming, told=told, **then))
    build_alone(self, template)
    told = (*told, *way.told(template))
    self.replace(chains.chain_build(self, template, steps, clear=coming, told=told, **then))


@task(StepName.COPY_TEMPLATE.task)
def copy_template(self: PhoenixTask, ctid: int, declaration_hash: str, node: str, *, accepted: bool) -> Any:
    """Clone a template on its node, for what becomes its copy on another."""
    copy = self.pinned_declaration(ctid, declaration_hash, accepted=accepted)
    template = lane(copy.copy_of or ctid)
    if _TEMPLATE not in self.running.journal:
        self.hold(template)
    try:
        found = self.read(_TEMPLATE, lambda: _look(self, copy, node))
    except TransientError:
        self.give_back(template)  # for those who wait for it, as in `hold_source`
        raise
    if found["why"]:
        self.release(template)
        return _build_after_all(self, copy, found["why"], accepted=accepted)
    order = copy_order(replace(copy, node=node), from_json(found["seen"]), self.creation, bound_for=copy.node)
    try:
        posted = make_clone(self, cloned_at(copy, node), order)
    except StandsThere as found:  # made by a job that Redis has lost; the next step sees where it stands
        return self.step(StepName.CLONE, ctid, now(), source=copy.copy_of, node=found.seen.node)
    told = {"upid": posted["upid"], "source": copy.copy_of, "node": node}
    return self.step(StepName.CLONE, ctid, posted["at"], **told)


@task(StepName.MOVE_COPY.task)
def move_copy(self: PhoenixTask, ctid: int, declaration_hash: str, *, accepted: bool) -> Any:
    """Have Proxmox migrate what was cloned for a copy to its node, where it becomes a template."""
    copy = self.pinned_declaration(ctid, declaration_hash, accepted=accepted)
    if not self.read("away", lambda: _is_away(self, copy)):
        return self.replace(_only_configured(self, copy, accepted=accepted))
    try:
        posted = migrate(self, copy, copy.node, restart=False)
    except PermanentError as error:
        seen = self.proxmox.observe_template(copy.node, ctid)
        if error.cause != MISSING and on_its_way(seen):
            return _build_after_all(self, copy, error.message.rstrip("."), accepted=accepted)
        if seen.node != copy.node or not is_copy(seen, copy.copy_of):
            raise
        return self.step(StepName.MIGRATE, ctid, now(), node=copy.node, warnings=(error.message,))
    warnings = Way(posted["from"]).told(copy)
    return self.step(StepName.MIGRATE, ctid, posted["at"], upid=posted["upid"], node=copy.node, warnings=warnings)


@task(StepName.CONFIGURE_COPIES.task)
def configure_copies(
    self: PhoenixTask,
    ctid: int,
    declaration_hash: str,
    pins: Sequence[chains.Pin],
    *,
    accepted: bool,
    home: str | None = None,
) -> Any:
    """Configure the first of these copies of a template, which is as declared by now: its lane is free, for clones.

    One that is no copy any more, or as declared, is left as it is.
    """
    template = self.pinned_declaration(ctid, declaration_hash, accepted=accepted)
    release_held(self)
    copy = self.pinned_declaration(*pins[0], accepted=accepted)
    self.hold(lane(copy.ctid))
    try:
        differs = self.read("differs", lambda: _differs(self, copy))
    except TransientError:
        self.give_back(lane(copy.ctid))  # for those who wait for it, as in `hold_source`
        raise
    links = chains.chain_copy(self, template, copy if differs else None, pins[1:], accepted=accepted, home=home)
    return self.replace(links)


def _differs(self: PhoenixTask, copy: Declaration) -> bool:
    seen = self.proxmox.observe_template(copy.node, copy.ctid)
    return is_copy(seen, copy.copy_of) and configuring(self, at_home(copy, seen), seen) is not None


def _look(self: PhoenixTask, copy: Declaration, node: str) -> dict[str, Any]:
    """Look at the template, whose lane is held, and say why it is not cloned after all."""
    seen, why = template_to_clone(self, copy)
    why = why or ("" if seen.node == node else f"template {seen.ctid} was moved to {seen.node}")
    return {"seen": to_json(seen), "why": why}


def _is_away(self: PhoenixTask, copy: Declaration) -> bool:
    return on_its_way(self.proxmox.observe_template(copy.node, copy.ctid)) == copy.node


def _only_configured(self: PhoenixTask, copy: Declaration, *, accepted: bool) -> Signature:
    """Chain what is left to do to a copy that stands on its node, however it came there."""
    return chains.chain_steps(self, copy, (StepName.CONFIGURE,), adopted=False, accepted=accepted)


def _build_after_all(self: PhoenixTask, copy: Declaration, why: str, *, accepted: bool) -> Any:
    """Build what was to be migrated: what follows in the chain finds a template, and leaves it as it is."""
    build_alone(self, copy)
    chain = chains.chain_built_after_all(self, copy, anew(copy), accepted=accepted, told=Way(because=why).told(copy)[0])
    return self.replace(chain)

"""The tasks for what stands there already. As in `ensure.py`, each looks before it acts.

destroy(103)    destroys of its clones → hold its copies and 103 → survey → replace by remove(103), report(103)
rebuild(900)    rebuilds of its templates → dependencies → hold scratch → survey both → replace by [remove(scratch)] and
                what builds it there, then replace(900)
replace(900)    hold 900 → survey → replace by remove(900), copy(900), configure(900), seal(900), remove(scratch), then
                report(900), or rebuild_copies(900)
rebuild_copies(900)  release 900 → first copy: hold its scratch → survey both → replace by what builds it there, then
                replace(copy); report(900) after the last
adopt(103)      hold copies without a marker and 103 → survey → replace by those of mark, stop, drop_snapshots, seal
                that it lacks, mark(copy) for each, then report(103)
mark(n)         look → one PUT: our line in the notes
drop_snapshots(900)  each once: look → DELETE → wait
remove(n)       once: look → stop → wait → once: look, marker and linked clones → DELETE → wait
copy(900)       once: POST full clone of scratch → wait
report(n)       the result
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from phoenix_producer.contract import (
    ADOPT,
    DESTROY,
    REBUILD,
    AdoptRequest,
    DestroyRequest,
    Outcome,
    RebuildRequest,
)
from phoenix_worker.actions.builds import Builds
from phoenix_worker.actions.copies import build_alone, end_building
from phoenix_worker.actions.feasibility import refuse_vanishing_grants
from phoenix_worker.actions.forbidden import refuse_forbidden_conversion
from phoenix_worker.actions.forced_command import refuse_disallowed_making
from phoenix_worker.actions.look import look, permit, survey
from phoenix_worker.actions.lost_copies import copies_to_adopt, refuse_other
from phoenix_worker.actions.make import make_clone
from phoenix_worker.actions.names import refuse_unknown_names
from phoenix_worker.actions.orders import copy_order
from phoenix_worker.actions.place import foresee_home, have_home
from phoenix_worker.actions.prerequisites import (
    clones_among,
    have_clones_destroyed,
    have_dependencies,
    have_templates_rebuilt,
    refuse_absent_os_template,
)
from phoenix_worker.actions.remove import drop, may_go, removal_line, remove
from phoenix_worker.actions.standing_copies import offline, refuse_unseen
from phoenix_worker.actions.with_copies import copies_in_reach, copies_there, hold_with, hold_with_all, release_held
from phoenix_worker.answers import result
from phoenix_worker.base import lane
from phoenix_worker.core.allowed.ownership import Action, Purpose
from phoenix_worker.core.model.home import at_home
from phoenix_worker.core.model.observation import Presence
from phoenix_worker.core.model.records import from_json, to_json
from phoenix_worker.core.planned.adopting import adopted_notes, adoption
from phoenix_worker.core.planned.notes import too_long
from phoenix_worker.core.planned.rebuilding import copied, rebuild, refuse_rebuild, refuse_unbuilt
from phoenix_worker.durable.run import now
from phoenix_worker.step_names import StepName
from phoenix_worker.tasks import chains
from phoenix_worker.tasks.rebuilt import is_rebuilt_by
from phoenix_worker.tasks.registry import task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation


@task(DESTROY, DestroyRequest)
def destroy(self: PhoenixTask, request: DestroyRequest) -> dict[str, Any]:
    """Remove a container or template that is ours."""
    declaration = self.current_declaration(request.ctid, to=Purpose.DESTROY)
    if not request.dry_run:
        have_clones_destroyed(self, request)
    copies, unseen = copies_there(self, declaration)
    refuse_unseen(declaration, unseen, Purpose.DESTROY)
    if not request.dry_run:
        hold_with_all(self, declaration, copies)
    looks = [(one, *survey(self, one, purpose=Purpose.DESTROY)) for one in (*copies, declaration)]
    if all(verdict.action is Action.NOTHING for _, _, verdict in looks):
        return result.nothing(self, declaration, dry_run=request.dry_run)
    gone = clones_among(self, request) if request.dry_run else ()
    for one, seen, verdict in looks:
        may_go(self, at_home(one, seen), seen, verdict, Purpose.DESTROY, gone=gone)
    declaration, seen = at_home(declaration, looks[-1][1]), looks[-1][1]
    if request.dry_run:
        lines = tuple(removal_line(seen) for _, seen, verdict in looks if verdict.action is not Action.NOTHING)
        return result.foretold(self, declaration, Outcome.DESTROYED, lines, needed_by(self, request.ctid))
    if seen.presence is Presence.HERE:
        declaration = have_home(self, declaration, seen)
    return self.replace(chains.chain_removal(self, declaration, copies))


@task(REBUILD, RebuildRequest)
def rebuild_it(self: PhoenixTask, request: RebuildRequest) -> dict[str, Any]:
    """Build a template again at a scratch CTID, and have it replace the old one."""
    accepted = request.accept_not_applied
    self.current_declaration(request.ctid, to=Purpose.REBUILD)
    if not request.dry_run:
        have_templates_rebuilt(self, request)
    hashes = _declared_now(self, request.ctid)
    self.reach(self.current_declaration(request.ctid), accepted=accepted)
    if not request.dry_run:
        shared = self.share(f"rebuild {request.ctid} {hashes} {accepted:d}")
        if shared is not None:
            return result.shared(self, shared)
        have_dependencies(self, request)
        self.hold(lane(hashes["scratch"]), departing=True)
    template, scratch = _both(self, request.ctid, self.read("declared", lambda: hashes), accepted=accepted)
    old, verdict = survey(self, copied(template, scratch.ctid), purpose=Purpose.REBUILD)
    may_go(self, template, old, verdict, Purpose.REBUILD)
    template, scratch = _at_home(self, template, scratch, old, foreseen=request.dry_run)
    new, verdict = survey(self, scratch, purpose=Purpose.SCRATCH)
    may_go(self, scratch, new, verdict, Purpose.SCRATCH)
    refuse_vanishing_grants(self, template, scratch)
    refuse_unknown_names(self, scratch)
    refuse_disallowed_making(self, scratch)
    done = is_rebuilt_by(str(self.request.id), self.generation + 1, old)  # by this very job, when Redis has lost that
    older = Builds(self).is_older(scratch, new)
    steps = rebuild(template, old, scratch, new, done=done, older=older)
    copies, left = copies_in_reach(self, template)
    for copy in copies:
        may_go(self, copy, *look(self, copy, purpose=Purpose.REBUILD), Purpose.REBUILD)
    if request.dry_run:
        if steps.build:
            refuse_absent_os_template(self, scratch)
        then = (f"rebuild copy {copy.ctid} of template {template.ctid} on {copy.node} likewise" for copy in copies)
        return result.foretold(self, template, Outcome.REBUILT, (*steps.lines(), *then), left)
    build_alone(self, template)
    self.proxmox.need_quorum(f"rebuild CT {template.ctid} on {template.node}", (template.node, template.ctid))
    return self.replace(chains.chain_rebuild(self, steps, accepted=accepted))


@task(StepName.REPLACE.task)
def replace_it(
    self: PhoenixTask,
    ctid: int,
    declaration_hash: str,
    scratch: int,
    hash_: str,
    *,
    accepted: bool,
    rest: Sequence[chains.Pin] = (),
    left: Sequence[str] = (),
) -> Any:
    """Take the lane of a template, or of its copy, and have it replaced by what was built at the scratch CTID."""
    template = self.pinned_declaration(ctid, declaration_hash, accepted=accepted)
    built = self.pinned_declaration(scratch, hash_, accepted=accepted)
    end_building(self, template)
    self.hold(lane(ctid))
    old, verdict = survey(self, copied(template, scratch), purpose=Purpose.REBUILD)
    may_go(self, template, old, verdict, Purpose.REBUILD)
    refuse_vanishing_grants(self, template, built)
    if not is_rebuilt_by(str(self.request.id), self.generation, old):
        refuse_unbuilt(template, built, self.proxmox.observe_template(built.node, scratch))
    of = template
    if template.copy_of is None:
        copies, left = copies_in_reach(self, template)
        rest = [(copy.ctid, copy.pin) for copy in copies]
    else:
        of = self.current_declaration(template.copy_of, to=Purpose.REBUILD)
    then = chains.chain_copies(self, of, rest, accepted=accepted, left=left)
    return self.replace(chains.chain_replacement(self, template, built, accepted=accepted, then=then))


@task(StepName.REBUILD_COPIES.task)
def rebuild_copies(
    self: PhoenixTask,
    ctid: int,
    declaration_hash: str,
    pins: Sequence[chains.Pin],
    *,
    accepted: bool,
    left: Sequence[str] = (),
) -> Any:
    """Rebuild the first of these copies of a template, which is rebuilt itself: its lane is free again, for clones.

    One whose node has gone offline by now is left as it is, and told.
    """
    template = self.pinned_declaration(ctid, declaration_hash, accepted=accepted)
    release_held(self)
    copy = self.pinned_declaration(*pins[0], accepted=accepted)
    gone = self.read("offline", lambda: [one.left(template) for one in offline(self, copy)])
    if gone:
        return self.replace(chains.chain_copies(self, template, pins[1:], accepted=accepted, left=[*left, *gone]))
    scratch = refuse_rebuild(copy, self.catalog.current().scratch_of(copy))
    self.hold(lane(scratch.ctid))
    old, verdict = survey(self, copied(copy, scratch.ctid), purpose=Purpose.REBUILD)
    if verdict.action is Action.NOTHING:
        return self.replace(chains.chain_copies(self, template, pins[1:], accepted=accepted, left=left))
    may_go(self, copy, old, verdict, Purpose.REBUILD)
    new, verdict = survey(self, scratch, purpose=Purpose.SCRATCH)
    may_go(self, scratch, new, verdict, Purpose.SCRATCH)
    build_alone(self, copy)
    self.proxmox.need_quorum(f"rebuild CT {copy.ctid} on {copy.node}", (copy.node, copy.ctid))
    done, older = is_rebuilt_by(str(self.request.id), self.generation + 1, old), Builds(self).is_older(scratch, new)
    steps = rebuild(copy, old, scratch, new, done=done, older=older)
    return self.replace(chains.chain_rebuild(self, steps, accepted=accepted, rest=pins[1:], left=left))


@task(ADOPT, AdoptRequest)
def adopt(self: PhoenixTask, request: AdoptRequest) -> dict[str, Any]:
    """Take over what an earlier tool made."""
    purpose = Purpose.SEAL if request.seal else Purpose.ADOPT
    declaration = self.current_declaration(request.ctid, to=purpose.words)
    lost, lines, told = copies_to_adopt(self, declaration)
    if not request.dry_run:
        hold_with(self, declaration, lost)
    seen, verdict = survey(self, declaration, purpose=purpose)
    permit(verdict.action in _ADOPTABLE, verdict, f"{purpose.words} CT {request.ctid}")
    declaration, there = at_home(declaration, seen), seen.presence is Presence.HERE
    snapshots = self.once("snapshots", lambda: self.proxmox.snapshots(seen.node, seen.ctid)) if there else ()
    steps = adoption(declaration, seen, verdict, snapshots)
    if not steps and not lost:
        told = told if there else (f"There is no CT {seen.ctid} on {seen.node}.", *told)
        return result.nothing(self, declaration, dry_run=request.dry_run, warnings=told)
    if steps.seal:
        refuse_forbidden_conversion(self, declaration, seen, snapshots)
    if steps.mark and (problem := too_long(replace(declaration, description=None), seen)) is not None:
        raise problem
    if request.dry_run:
        return result.foretold(self, declaration, Outcome.ADOPTED, (*steps.lines(), *lines), told)
    if steps:
        have_home(self, declaration, seen)
    return self.replace(chains.chain_adoption(self, steps, purpose, lost, told))


@task(StepName.MARK.task)
def mark(self: PhoenixTask, ctid: int, declaration_hash: str, purpose: str) -> dict[str, Any]:
    """Write our line into the notes of a CTID, and nothing else."""
    declaration, began = self.pinned_declaration(ctid, declaration_hash, accepted=True), now()
    seen, verdict = look(self, declaration, purpose=Purpose(purpose))
    permit(verdict.action in _ADOPTABLE, verdict, f"{Purpose(purpose).words} CT {ctid}")
    if declaration.is_copy:
        refuse_other(declaration, seen)
    if verdict.action is Action.MARK:
        notes = {"description": adopted_notes(declaration, seen)}
        self.proxmox.configure(seen.node, ctid, changes=notes, delete=(), digest=seen.digest)
    return self.step(StepName.MARK, ctid, began, node=seen.node)


@task(StepName.DROP_SNAPSHOTS.task)
def drop_snapshots(self: PhoenixTask, ctid: int, declaration_hash: str, names: list[str]) -> dict[str, Any]:
    """Delete the snapshots that were seen on what becomes a template."""
    declaration = self.pinned_declaration(ctid, declaration_hash, accepted=True, asks_scripts=False)
    began = now()
    for name in names:
        drop(self, declaration, name)
    return self.step(StepName.DROP_SNAPSHOTS, ctid, began)


@task(StepName.COPY.task)
def copy(self: PhoenixTask, ctid: int, declaration_hash: str, source: int) -> dict[str, Any]:
    """Clone a CTID from what was built in its place."""
    template = self.pinned_declaration(ctid, declaration_hash, accepted=True)
    built = from_json(self.once("built", lambda: to_json(self.proxmox.observe_template(template.node, source))))
    posted = make_clone(self, copied(template, source), copy_order(template, built, self.creation))
    told = {"upid": posted["upid"], "source": source, "node": template.node}
    return self.step(StepName.CLONE, ctid, posted["at"], **told)


@task(StepName.DESTROY.task)
def remove_it(self: PhoenixTask, ctid: int, declaration_hash: str, purpose: str) -> dict[str, Any]:
    """Stop and delete a CTID."""
    began = self.once("began", now)
    declaration = self.pinned_declaration(ctid, declaration_hash, accepted=True, asks_scripts=False)
    posted = remove(self, declaration, Purpose(purpose), _copy_that_follows(self))
    return self.step(StepName.DESTROY, ctid, began, upid=posted["upid"], node=posted["node"])


@task(StepName.REPORT.task)
def report(self: PhoenixTask, ctid: int, declaration_hash: str, left: Sequence[str] = ()) -> dict[str, Any]:
    """Tell what the job did, and what it had to leave."""
    declaration = self.pinned_declaration(ctid, declaration_hash, accepted=True, asks_scripts=False)
    return result.of_job(self, declaration, tuple(left))


def _copy_that_follows(self: PhoenixTask) -> str:
    """Return the id of the next step if that makes a CTID again in the place of what is removed; else nothing."""
    links: Sequence[Any] = self.request.chain or ()
    return str(links[-1]["options"]["task_id"]) if links and links[-1]["task"] == StepName.COPY.task else ""


_ADOPTABLE = frozenset({Action.NOTHING, Action.MARK, Action.CONVERGE, Action.REPAIR_SEAL})


def _declared_now(self: PhoenixTask, ctid: int) -> dict[str, Any]:
    """Name the declarations of a template and of its rebuild. Raises PermanentError where there can be none."""
    template = self.current_declaration(ctid, to=Purpose.REBUILD)
    scratch = refuse_rebuild(template, self.catalog.current().scratch(ctid))
    return {"template": template.hash, "scratch": scratch.ctid, "built": scratch.hash}


def _both(self: PhoenixTask, ctid: int, hashes: dict[str, Any], *, accepted: bool) -> tuple[Declaration, Declaration]:
    template = self.pinned_declaration(ctid, hashes["template"], accepted=accepted)
    return template, self.pinned_declaration(hashes["scratch"], hashes["built"], accepted=accepted)


def _at_home(
    self: PhoenixTask, template: Declaration, scratch: Declaration, old: Observation, *, foreseen: bool
) -> tuple[Declaration, Declaration]:
    """Return both at the node where the template stands, or is placed: it is rebuilt there."""
    if not template.nodes:
        return template, scratch
    if foreseen:
        template = foresee_home(self, template, old).declaration
    else:
        template = have_home(self, template, old)
        self.settle(str(scratch.ctid), {"node": template.node, "because": ""})
    return template, scratch.standing_on(template.node)


def needed_by(self: PhoenixTask, ctid: int) -> tuple[str, ...]:
    """Warn of containers that depend on one."""
    needing = [one.ctid for one in self.catalog.current().values() if ctid in one.dependencies]
    return tuple(f"CT {one} depends on CT {ctid}: ensuring it creates CT {ctid} again." for one in needing)

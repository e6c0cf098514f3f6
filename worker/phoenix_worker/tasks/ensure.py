"""The tasks of the canvas. Each looks before it acts, and may be run again from its top: see `durable/task.py`.

ensure(103)     dependencies → hold 103 → survey → replace by the steps that differ, then verify(103)
clone(103)      hold 900 → not a template? replace by the steps of 900, then clone(103) → once: POST → wait
                or, for a copy, by copy_template(9105), move_copy(9105), …: see `copying.py`
create(900)     OS template there → once: POST → wait
configure(n)    once: diff → one PUT → resize → wait
start(n)        once: look → POST → wait; stop(n) likewise
provision(n)    once: look → for each script: once: start it → wait → once: note that it ran
seal(900)       once: look → POST → wait until it is a template
verify(n)       address: look, or wait → once: health check, or sleep and again → once: snapshot → the result
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_producer.contract import (
    CANCEL,
    ENSURE,
    PLAN,
    REFUSE,
    Cancelled,
    ContractError,
    EnsureFailed,
    EnsureRequest,
    Failure,
)
from phoenix_worker.actions import recover
from phoenix_worker.actions.addresses import (
    addresses_after_steps,
    addresses_of,
    wait_after,
    wait_after_steps,
    wait_for_addresses,
)
from phoenix_worker.actions.configure import after_growth, converge, grow
from phoenix_worker.actions.convert import convert
from phoenix_worker.actions.copies import build_alone, end_building, hold_source
from phoenix_worker.actions.drained import refuse_drained
from phoenix_worker.actions.ensured_copies import ensured_copies
from phoenix_worker.actions.feasibility import refuse_unreachable, refuse_what_cannot_change, refuse_what_cannot_work
from phoenix_worker.actions.forbidden import refuse_forbidden_conversion
from phoenix_worker.actions.forced_command import refuse_disallowed_change, refuse_disallowed_making
from phoenix_worker.actions.look import is_new, look, looked_just_now, permit, survey_first, where_last_seen
from phoenix_worker.actions.make import Sending, make
from phoenix_worker.actions.orders import create_order
from phoenix_worker.actions.place import have_home
from phoenix_worker.actions.prerequisites import have_dependencies, have_os_template, with_secrets
from phoenix_worker.actions.provision import run_scripts, verify_health
from phoenix_worker.actions.shut_down import shut_down
from phoenix_worker.answers import result
from phoenix_worker.answers.forecast import foresee
from phoenix_worker.base import CORRECT_IT, lane
from phoenix_worker.core.allowed.ownership import may_start, may_stop
from phoenix_worker.core.differs.scripts import must_be_verified
from phoenix_worker.core.model.addresses import networks
from phoenix_worker.core.model.home import at_home
from phoenix_worker.core.planned.plan import is_configuring, is_making, plan
from phoenix_worker.core.planned.requested import in_state
from phoenix_worker.durable.ledger import ASIDE
from phoenix_worker.durable.run import now
from phoenix_worker.durable.task import CANCELLED
from phoenix_worker.step_names import StepName
from phoenix_worker.tasks import chains
from phoenix_worker.tasks.copying import build_first
from phoenix_worker.tasks.following import go_on_if_it_stands, make_clone_from
from phoenix_worker.tasks.registry import task
from phoenix_worker.tasks.requests import declaration_for, shared_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phoenix_worker.base import PhoenixTask


@task(ENSURE, EnsureRequest)
def ensure(self: PhoenixTask, request: EnsureRequest) -> dict[str, Any]:
    """Make a CTID exist, configured and running as declared."""
    if request.dry_run:
        return result.dry_run(self, foresee(self, request))
    self.reach(self.current_declaration(request.ctid), accepted=request.accept_not_applied)
    shared = self.share(shared_by(request, self.current_declaration(request.ctid)))
    if shared is not None:
        return result.shared(self, shared)
    have_dependencies(self, request)
    self.hold(lane(request.ctid), departing=True)
    declaration = declaration_for(self, request)
    seen, verdict = survey_first(self, declaration, adopt=request.adopt)
    declaration = at_home(declaration, seen)
    if declaration.nodes:
        declaration = self.reach(have_home(self, declaration, seen), accepted=request.accept_not_applied)
    steps, copies = plan(declaration, seen, verdict), ensured_copies(self, declaration)
    if not (steps or copies.to_configure):
        waited = wait_for_addresses(self, declaration, seen.config, wait_after(declaration, seen, steps))
        found = waited or addresses_of(self, declaration, seen)
        return result.unchanged(self, declaration, seen, found, copies.left)
    if is_making(steps):
        refuse_drained(self, declaration)
        refuse_what_cannot_work(self, declaration)
        refuse_disallowed_making(self, declaration)
        build_alone(self, declaration)
    else:
        if is_configuring(steps):
            refuse_what_cannot_change(self, declaration, seen)
        refuse_disallowed_change(self, declaration, seen)
    more: dict[str, Any] = {"copies": copies.declared, "wait_for_address": wait_after(declaration, seen, steps)}
    return self.replace(chains.chain_ensure(self, declaration, steps, request, **more))


@task(StepName.CLONE.task)
def clone(
    self: PhoenixTask,
    ctid: int,
    declaration_hash: str,
    *,
    adopted: bool,
    accepted: bool = False,
    source: Sequence[int | str] = (),
    told: Sequence[str] = (),
) -> dict[str, Any]:
    """Clone a CTID from its template, or the copy that serves its node, which is built first if it is none yet."""
    declaration = self.pinned_declaration(ctid, declaration_hash, accepted=accepted)
    template, there, warnings = hold_source(self, declaration, source)
    declaration = declaration.cloned_by(template)
    if not there.is_template:
        go_on_if_it_stands(self, declaration, adopted=adopted, accepted=accepted)
        template = have_home(self, template, there, near=declaration.node)
        build_first(self, declaration, template, adopted=adopted, accepted=accepted, told=(*told, *warnings))
    end_building(self, template)
    refuse_unreachable(self, declaration, template, there)
    posted = make_clone_from(self, declaration, there)
    more = {"upid": posted["upid"], "source": template.ctid, "warnings": (*told, *warnings), "node": declaration.node}
    return self.step(StepName.CLONE, ctid, posted["at"], **more)


@task(StepName.CREATE.task)
def create(
    self: PhoenixTask,
    ctid: int,
    declaration_hash: str,
    *,
    adopted: bool,  # noqa: ARG001 - as every link
    accepted: bool = False,
) -> dict[str, Any]:
    """Create a CTID from its OS template, which is downloaded first if it is missing."""
    declaration = self.pinned_declaration(ctid, declaration_hash, accepted=accepted)
    self.hold(f"node/{declaration.node}", self.node_capacity)
    order = create_order(declaration, self.creation)
    have_os_template(self, declaration, order)
    posted = make(
        self,
        StepName.CREATE,
        declaration,
        Sending(
            send=lambda: self.proxmox.create(with_secrets(self, declaration, order)),
            find_earlier=lambda when: recover.find_creation(self.proxmox, order, self.creation, when),
        ),
        doing=f"create CT {ctid} on {declaration.node} from {order.ostemplate}",
        kind=f"vzcreate {declaration.node} {order.ostemplate}",
    )
    told = {"upid": posted["upid"], "networks": networks(order.config), "node": declaration.node}
    return self.step(StepName.CREATE, ctid, posted["at"], **told)


@task(StepName.CONFIGURE.task)
def configure(
    self: PhoenixTask, ctid: int, declaration_hash: str, *, adopted: bool, accepted: bool = False
) -> dict[str, Any]:
    """Change what is not as declared, and grow the disks."""
    declaration = self.pinned_declaration(ctid, declaration_hash, accepted=accepted)
    done = self.once(StepName.CONFIGURE, lambda: converge(self, declaration, adopted=adopted))
    declaration = declaration.standing_on(done.get("node", declaration.node))
    declaration, of_growth = grow(self, declaration, done["grow"])
    if done.get("after_growth"):
        self.once("after-growth", lambda: after_growth(self, declaration, adopted=adopted))
    told = {kind: done[kind] for kind in ("changes", "pending", "needs_rebuild")}
    told |= {"warnings": [*done["warnings"], *of_growth], "networks": done.get("networks"), "node": declaration.node}
    return self.step(StepName.CONFIGURE, ctid, done["at"], **told)


@task(StepName.START.task)
def start(
    self: PhoenixTask, ctid: int, declaration_hash: str, *, adopted: bool, accepted: bool = False
) -> dict[str, Any]:
    """Start a container, looked at just before."""
    declaration = self.pinned_declaration(ctid, declaration_hash, accepted=accepted)

    def act() -> dict[str, Any]:
        known, node = None, where_last_seen(self, declaration).node
        if not looked_just_now(self.steps_done(), ctid, now()):
            seen, verdict = look(self, declaration, adopt=adopted, power=False)
            permit(may_start(verdict), verdict, f"start CT {ctid}")
            known, node = networks(seen.config), seen.node
            if seen.is_template:  # it was to be made, and stood there, finished
                return recover.posted(None) | {"networks": known, "node": node}
        return recover.posted(self.proxmox.start(node, ctid)) | {"networks": known, "node": node}

    posted = self.once(
        StepName.START,
        act,
        adopt=lambda when: recover.find_power_task(self.proxmox, declaration, "vzstart", when),
        upid=recover.upid_of,
    )
    node = posted.get("node", declaration.node)
    kind = f"vzstart {node} {declaration.clone_from or declaration.os_template}"
    self.wait_for_power_task(declaration.standing_on(node), posted, kind=kind, running=True)
    if not recover.started_by_itself(posted) or not is_new(self.steps_done(), ctid):
        node = self.wait_for_power(declaration.standing_on(node), posted, running=True)
    told = {"upid": posted["upid"], "networks": posted.get("networks"), "node": node}
    return self.step(StepName.START, ctid, posted["at"], **told)


@task(StepName.PROVISION.task)
def provision(
    self: PhoenixTask,
    ctid: int,
    declaration_hash: str,
    *,
    adopted: bool,
    accepted: bool = False,
    rerun: Sequence[str] = (),
) -> dict[str, Any]:
    """Run the scripts that did not run as they are now."""
    began = self.once("began", now)
    declaration = self.pinned_declaration(ctid, declaration_hash, accepted=accepted)
    told = run_scripts(self, declaration, adopted=adopted, rerun=rerun)
    return self.step(StepName.PROVISION, ctid, began, **told)


@task(StepName.STOP.task)
def stop(
    self: PhoenixTask,
    ctid: int,
    declaration_hash: str,
    *,
    adopted: bool,
    accepted: bool = False,
    dropping: Sequence[str] = (),
) -> dict[str, Any]:
    """Shut a container down. What becomes a template may have no snapshots but those that are dropped next."""
    declaration = self.pinned_declaration(ctid, declaration_hash, accepted=accepted)

    def act() -> dict[str, Any]:
        seen, verdict = look(self, declaration, adopt=adopted)
        permit(may_stop(verdict), verdict, f"stop CT {ctid}")
        if declaration.is_template:
            refuse_forbidden_conversion(self, declaration, seen, dropping)
            self.proxmox.need_quorum(f"convert CT {ctid} on {seen.node} to a template", (seen.node, ctid))
        return recover.posted(shut_down(self.proxmox, seen)) | {"networks": networks(seen.config), "node": seen.node}

    posted = self.once(
        StepName.STOP,
        act,
        adopt=lambda when: recover.find_power_task(self.proxmox, declaration, "vzshutdown", when),
        upid=recover.upid_of,
    )
    node = posted.get("node", declaration.node)
    self.wait_for_power_task(declaration.standing_on(node), posted, kind=f"vzshutdown {node}", running=False)
    node = self.wait_for_power(declaration.standing_on(node), posted, running=False)
    told = {"upid": posted["upid"], "networks": posted.get("networks"), "node": node}
    return self.step(StepName.STOP, ctid, posted["at"], **told)


@task(StepName.SEAL.task)
def seal(
    self: PhoenixTask,
    ctid: int,
    declaration_hash: str,
    *,
    adopted: bool,
    accepted: bool = False,
    told: Sequence[str] = (),
) -> dict[str, Any]:
    """Convert a stopped container to a template, and see that it is one. What is `told` is told with the step."""
    declaration = self.pinned_declaration(ctid, declaration_hash, accepted=accepted)
    begun = convert(self, declaration, adopted=adopted)
    rebuilt = any(step["name"] == StepName.DESTROY and step["ctid"] == ctid for step in self.steps_done())
    if not (adopted or rebuilt):  # its first clones may end before the job that has built it
        self.engine.ledger.note_made((ctid,), self.running.job, self.running.claimed_at)
    more = {"not_applied": declaration.not_applied, "copy": declaration.is_copy, "warnings": told}
    return self.step(StepName.SEAL, ctid, begun["at"], node=begun["node"], **more)


@task(StepName.VERIFY.task)
def verify(
    self: PhoenixTask,
    ctid: int,
    declaration_hash: str,
    *,
    adopted: bool,
    accepted: bool = False,
    wait_for_address: int | None = None,
    home: str | None = None,
    state: str | None = None,
) -> dict[str, Any]:
    """See that it can be reached and is well, and tell what the job did."""
    declaration = self.pinned_declaration(ctid, declaration_hash, accepted=accepted)
    declaration = in_state(declaration.standing_on(home or declaration.node), state)
    waited = wait_after_steps(self, declaration, wait_for_address)
    told = verify_health(self, declaration, adopted=adopted) if must_be_verified(declaration) else {}
    found = waited or addresses_after_steps(self, declaration, told.get("networks"))
    of_copies = tuple(self.read("copies", lambda: ensured_copies(self, declaration).left))
    return result.of_job(self, declaration, (*told.get("warnings", ()), *of_copies), found)


@task(PLAN, EnsureRequest)
def plan_it(self: PhoenixTask, request: EnsureRequest) -> dict[str, Any]:
    """Tell what an ensure would do."""
    return result.planned(self, foresee(self, request))


@task(CANCEL)
def cancel(self: PhoenixTask, job: str = "") -> dict[str, str]:
    """Stop a job for its requester, who is told at once."""
    if not isinstance(job, str):
        raise ContractError("Not a valid cancel request: the id of a job is a text.")
    why = {
        "message": f"Job {job} was cancelled.",
        "cause": CANCELLED,
        "remedy": "Send the request again if that was a mistake.",
    }
    verdict, of_job = self.engine.ledger.cancel(job, why)
    if verdict in {Cancelled.DETACHED, ASIDE}:
        self.backend.mark_as_failure(of_job, EnsureFailed.of(Failure(request_id=of_job, **why)))
    if verdict == ASIDE:
        verdict = Cancelled.CANCELLED
    return {"job": of_job or job, "verdict": verdict}


@task(REFUSE)
def refuse(self: PhoenixTask, why: str, answer_to: str | None = None) -> None:
    """Fail in the place of a queue item that is no message; answer its sender under an id that is no key of ours."""
    error = ContractError(f"Not a message that can be run: {why}.")
    if answer_to is not None:
        failure = Failure(request_id=answer_to, message=str(error), cause="bad-request", remedy=CORRECT_IT)
        self.backend.mark_as_failure(answer_to, EnsureFailed.of(failure))
    raise error

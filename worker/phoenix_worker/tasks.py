"""The tasks of the canvas. Each looks before it acts, and may be run again from its top: see `durable/task.py`.

ensure(103)     dependencies → hold 103 → survey → replace by the steps that differ, then verify(103)
clone(103)      hold 900 → not a template? replace by the steps of 900, then clone(103) → once: POST → wait
create(900)     OS template there → once: POST → wait
configure(n)    once: diff → one PUT → resize → wait
start(n)        once: look → POST → wait; stop(n) likewise
provision(n)    once: look → for each script: once: start it → wait → once: note that it ran
seal(900)       once: look → POST → wait until it is a template
verify(n)       once: health check, or sleep and again → once: snapshot → the result
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from phoenix_producer.contract import (
    CANCEL,
    CONTAINERS,
    DRIFT,
    ENSURE,
    PLAN,
    REFUSE,
    STATUS,
    Cancelled,
    ContractError,
    EnsureFailed,
    Failure,
)
from phoenix_worker import canvas, outcome, traces
from phoenix_worker.canvas import CLONE, CONFIGURE, CREATE, PROVISION, SEAL, START, STOP, VERIFY, lane
from phoenix_worker.converge import converge, grow
from phoenix_worker.core.inside import must_be_verified
from phoenix_worker.core.ownership import may_seal, may_start, may_stop
from phoenix_worker.core.plan import is_configuring, is_making, plan
from phoenix_worker.drift import drifts
from phoenix_worker.durable.task import CANCELLED
from phoenix_worker.foresight import foresee
from phoenix_worker.making import cloned, make
from phoenix_worker.offering import refuse_what_cannot_change, refuse_what_cannot_work
from phoenix_worker.orders import clone_order, create_order
from phoenix_worker.prerequisites import have_dependencies, have_os_template
from phoenix_worker.provisioning import run_scripts, verified
from phoenix_worker.registry import task
from phoenix_worker.status import standings
from phoenix_worker.survey import (
    declaration_for,
    look,
    looked_just_now,
    permit,
    refuse_if_taken,
    request_of,
    shared_by,
    survey,
    template_there,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phoenix_worker.task import PhoenixTask


@task(ENSURE)
def ensure(self: PhoenixTask, *ctid: Any, **options: Any) -> dict[str, Any]:
    """Make a CTID exist, configured and running as declared."""
    request = request_of(self, ctid, options)
    if request.dry_run:
        return outcome.dry_run(self, foresee(self, request))
    self.reach(self.declaration(request.ctid), accepted=request.accept_not_applied)
    shared = self.share(shared_by(request, self.declaration(request.ctid)))
    if shared is not None:
        return outcome.shared(self, shared)
    have_dependencies(self, request)
    self.hold(lane(request.ctid), departing=True)
    declaration = declaration_for(self, request)
    seen, verdict = survey(self, declaration, adopt=request.adopt)
    steps = plan(declaration, seen, verdict)
    if not steps:
        return outcome.unchanged(self, declaration, seen)
    if is_making(steps):
        refuse_what_cannot_work(self, declaration)
    elif is_configuring(steps):
        refuse_what_cannot_change(self, declaration, seen)
    return self.replace(canvas.ensured(self, declaration, steps, request))


@task(CLONE)
def clone(self: PhoenixTask, ctid: int, declared: str, *, adopted: bool, accepted: bool = False) -> dict[str, Any]:
    """Clone a CTID from its template, which is built first if it is none yet."""
    declaration = self.declared(ctid, declared, accepted=accepted)
    template = self.declaration(declaration.clone_from)
    self.hold(lane(template.ctid))
    finished, warnings = template_there(self, template)
    if not finished:
        refuse_if_taken(self, declaration)
        template = self.reach(template, accepted=accepted)
        build = plan(template, *survey(self, template))
        return self.replace(canvas.built(self, template, build, then=declaration, adopted=adopted, accepted=accepted))
    posted = cloned(self, declaration, clone_order(declaration, self.creation))
    return self.step("clone", ctid, posted["at"], upid=posted["upid"], source=template.ctid, warnings=warnings)


@task(CREATE)
def create(self: PhoenixTask, ctid: int, declared: str, *, adopted: bool, accepted: bool = False) -> dict[str, Any]:  # noqa: ARG001 - as every link
    """Create a CTID from its OS template, which is downloaded first if it is missing."""
    declaration = self.declared(ctid, declared, accepted=accepted)
    self.hold(f"node/{declaration.node}", self.node_capacity)
    order = create_order(declaration, self.creation)
    have_os_template(self, order)
    posted = make(
        self,
        "create",
        declaration,
        lambda: self.proxmox.create(order),
        found=lambda when: traces.creation(self.proxmox, order, self.creation, when),
        doing=f"create CT {ctid} on {declaration.node} from {order.ostemplate}",
        kind=f"vzcreate {declaration.node} {order.ostemplate}",
    )
    return self.step("create", ctid, posted["at"], upid=posted["upid"])


@task(CONFIGURE)
def configure(self: PhoenixTask, ctid: int, declared: str, *, adopted: bool, accepted: bool = False) -> dict[str, Any]:
    """Change what is not as declared, and grow the disks."""
    declaration = self.declared(ctid, declared, accepted=accepted)
    done = self.once("configure", lambda: converge(self, declaration, adopted=adopted))
    for disk, size_gb in done["grow"].items():
        grow(self, declaration, disk, size_gb)
    told = {kind: done[kind] for kind in ("changes", "pending", "needs_rebuild", "warnings")}
    return self.step("configure", ctid, done["at"], **told)


@task(START)
def start(self: PhoenixTask, ctid: int, declared: str, *, adopted: bool, accepted: bool = False) -> dict[str, Any]:
    """Start a container, looked at just before."""
    declaration = self.declared(ctid, declared, accepted=accepted)

    def act() -> dict[str, Any]:
        if not looked_just_now(self.steps_done(), ctid, time.time()):
            _, verdict = look(self, declaration, adopt=adopted, power=False)
            permit(may_start(verdict), verdict, f"start CT {ctid}")
        return traces.posted(self.proxmox.start(declaration.node, ctid))

    posted = self.once(
        "start",
        act,
        adopt=lambda when: traces.power(self.proxmox, declaration, "vzstart", when),
        upid=traces.upid_of,
    )
    kind = f"vzstart {declaration.node} {declaration.clone_from or declaration.os_template}"
    self.done("start", posted, f"start CT {ctid} on {declaration.node}", kind=kind)
    return self.step("start", ctid, posted["at"], upid=posted["upid"])


@task(PROVISION)
def provision(
    self: PhoenixTask, ctid: int, declared: str, *, adopted: bool, accepted: bool = False, rerun: Sequence[str] = ()
) -> dict[str, Any]:
    """Run the scripts that did not run as they are now."""
    began = self.once("began", time.time)
    declaration = self.declared(ctid, declared, accepted=accepted)
    warnings = run_scripts(self, declaration, adopted=adopted, rerun=rerun)
    return self.step("provision", ctid, began, warnings=warnings)


@task(STOP)
def stop(self: PhoenixTask, ctid: int, declared: str, *, adopted: bool, accepted: bool = False) -> dict[str, Any]:
    """Shut a container down."""
    declaration = self.declared(ctid, declared, accepted=accepted)

    def act() -> dict[str, Any]:
        _, verdict = look(self, declaration, adopt=adopted)
        permit(may_stop(verdict), verdict, f"stop CT {ctid}")
        return traces.posted(self.proxmox.stop(declaration.node, ctid))

    posted = self.once(
        "stop",
        act,
        adopt=lambda when: traces.power(self.proxmox, declaration, "vzshutdown", when),
        upid=traces.upid_of,
    )
    self.done("stop", posted, f"stop CT {ctid} on {declaration.node}", kind=f"vzshutdown {declaration.node}")
    return self.step("stop", ctid, posted["at"], upid=posted["upid"])


@task(SEAL)
def seal(self: PhoenixTask, ctid: int, declared: str, *, adopted: bool, accepted: bool = False) -> dict[str, Any]:
    """Convert a stopped container to a template, and see that it is one."""
    declaration = self.declared(ctid, declared, accepted=accepted)

    def act() -> dict[str, Any]:
        seen, verdict = look(self, declaration, adopt=adopted)
        if not seen.is_template:
            permit(may_seal(verdict, seen), verdict, f"convert CT {ctid} to a template")
            self.proxmox.convert_to_template(declaration.node, ctid)
        return {"at": time.time()}

    begun = self.once("seal", act, adopt=lambda when: traces.conversion(self.proxmox, declaration, when))
    self.sealed(declaration, since=begun["at"])
    return self.step("seal", ctid, begun["at"], not_applied=declaration.not_applied)


@task(VERIFY)
def verify(self: PhoenixTask, ctid: int, declared: str, *, adopted: bool, accepted: bool = False) -> dict[str, Any]:
    """See that it is well, and tell what the job did."""
    declaration = self.declared(ctid, declared, accepted=accepted)
    warnings = verified(self, declaration, adopted=adopted) if must_be_verified(declaration) else ()
    return outcome.of_job(self, declaration, warnings)


@task(PLAN)
def foretell(self: PhoenixTask, *ctid: Any, **options: Any) -> dict[str, Any]:
    """Tell what an ensure would do."""
    return outcome.planned(self, foresee(self, request_of(self, ctid, options)))


@task(CANCEL)
def cancel(self: PhoenixTask, job: str = "") -> dict[str, str]:
    """Stop a job for its requester, who is told at once."""
    why = {"message": f"Job {job} was cancelled.", "cause": CANCELLED, "remedy": "Ask again if that was a mistake."}
    verdict, of_job = self.engine.ledger.cancel(job, why)
    if verdict == Cancelled.DETACHED:
        self.backend.mark_as_failure(of_job, EnsureFailed.of(Failure(request_id=of_job, **why)))
    return {"job": of_job or job, "verdict": verdict}


@task(DRIFT)
def drift(self: PhoenixTask, ctids: Any = (), accept_not_applied: Any = False) -> list[dict[str, Any]]:  # noqa: FBT002 - as it is sent
    """Tell how what exists at the CTIDs, at all of the catalog by default, differs from it."""
    return [one.model_dump(mode="json") for one in drifts(self, ctids, accepted=accept_not_applied)]


@task(STATUS)
def status(self: PhoenixTask, ctids: Any = ()) -> list[dict[str, Any]]:
    """Tell what stands at the CTIDs, at all of the catalog by default."""
    return [standing.model_dump(mode="json") for standing in standings(self, ctids)]


@task(REFUSE)
def refuse(self: PhoenixTask, why: str) -> None:  # noqa: ARG001 - as every task
    """Fail in the place of a queue item that is no message."""
    raise ContractError(f"Not a message that can be run: {why}.")


@task(CONTAINERS)
def containers(self: PhoenixTask) -> list[int]:
    """Name the containers of the catalog that are not templates."""
    return list(self.catalog.current().containers())

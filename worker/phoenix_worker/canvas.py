"""Celery signatures for planned steps, chained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery.canvas import Signature, chain

from phoenix_worker.core.ownership import Purpose
from phoenix_worker.core.plan import PlannedStep, StepName

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phoenix_producer.contract import EnsureRequest
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.adopting import Adoption
    from phoenix_worker.core.rebuilding import Rebuild
    from phoenix_worker.task import PhoenixTask

CLONE = "phoenix.clone"
CREATE = "phoenix.create"
CONFIGURE = "phoenix.configure"
START = "phoenix.start"
PROVISION = "phoenix.provision"
STOP = "phoenix.stop"
SEAL = "phoenix.seal"
VERIFY = "phoenix.verify"
REMOVE = "phoenix.remove"
MARK = "phoenix.mark"
DROP_SNAPSHOTS = "phoenix.drop_snapshots"
REPLACE = "phoenix.replace"
COPY = "phoenix.copy"
REPORT = "phoenix.report"

_TASK_OF = {
    StepName.CLONE: CLONE,
    StepName.CREATE: CREATE,
    StepName.CONFIGURE: CONFIGURE,
    StepName.START: START,
    StepName.PROVISION: PROVISION,
    StepName.STOP: STOP,
    StepName.SEAL: SEAL,
    StepName.VERIFY: VERIFY,
}


def lane(ctid: int) -> str:
    """Name the lock of a CTID; for a template, whoever holds it may build it or clone from it."""
    return f"ct/{ctid}"


def ensured(
    task: PhoenixTask, declaration: Declaration, steps: Iterable[PlannedStep], request: EnsureRequest
) -> Signature:
    """Chain the steps of an ensure; the last one tells the result."""
    names = [step.name for step in steps if step.name is not StepName.VERIFY]
    consent = {"adopted": request.adopt, "accepted": request.accept_not_applied}
    links = [_link(task, name, declaration, **consent) for name in (*names, StepName.VERIFY)]
    for link in links:
        if link.task == PROVISION and request.rerun:
            link.kwargs["rerun"] = list(request.rerun)
    return chain(*links)


def built(
    task: PhoenixTask,
    template: Declaration,
    steps: Iterable[PlannedStep],
    *,
    then: Declaration,
    adopted: bool,
    accepted: bool,
) -> Signature:
    """Chain the steps that a template lacks, and after them the clone that waits for it."""
    links = [_link(task, step.name, template, adopted=False, accepted=accepted) for step in steps]
    return chain(*links, _link(task, StepName.CLONE, then, adopted=adopted, accepted=accepted))


def _link(task: PhoenixTask, name: StepName, declaration: Declaration, *, adopted: bool, accepted: bool) -> Signature:
    options = {"adopted": adopted} | ({"accepted": True} if accepted else {})
    return task.app.signature(_TASK_OF[name], args=(declaration.ctid, declaration.hash), kwargs=options, immutable=True)


def removed(task: PhoenixTask, declaration: Declaration) -> Signature:
    """Chain the removal of a CTID and its report."""
    return chain(_of(task, REMOVE, declaration, Purpose.DESTROY), _of(task, REPORT, declaration))


def rebuilt(task: PhoenixTask, rebuild: Rebuild, *, accepted: bool) -> Signature:
    """Chain what builds a template at the scratch CTID, and then its replacement."""
    clear = [_of(task, REMOVE, rebuild.scratch, Purpose.SCRATCH)] if rebuild.clear else []
    build = [_link(task, step.name, rebuild.scratch, adopted=False, accepted=accepted) for step in rebuild.build]
    told = (rebuild.scratch.ctid, rebuild.scratch.hash)
    return chain(*clear, *build, _of(task, REPLACE, rebuild.template, *told, accepted=accepted))


def replaced(task: PhoenixTask, template: Declaration, scratch: Declaration, *, accepted: bool) -> Signature:
    """Chain what puts a template in the place of the old one."""
    finish = (
        _link(task, name, template, adopted=False, accepted=accepted) for name in (StepName.CONFIGURE, StepName.SEAL)
    )
    return chain(
        _of(task, REMOVE, template, Purpose.REBUILD),
        _of(task, COPY, template, scratch.ctid),
        *finish,
        _of(task, REMOVE, scratch, Purpose.SCRATCH),
        _of(task, REPORT, template),
    )


def adopted(task: PhoenixTask, adoption: Adoption, purpose: Purpose) -> Signature:
    """Chain what makes a container ours, and a template if it is declared as one."""
    declaration, snapshots = adoption.declaration, list(adoption.snapshots)
    links = (
        (adoption.mark, _of(task, MARK, declaration, purpose)),
        (adoption.stop, _link(task, StepName.STOP, declaration, adopted=False, accepted=True)),
        (bool(snapshots), _of(task, DROP_SNAPSHOTS, declaration, snapshots)),
        (adoption.seal, _link(task, StepName.SEAL, declaration, adopted=False, accepted=True)),
    )
    return chain(*(link for wanted, link in links if wanted), _of(task, REPORT, declaration))


def _of(task: PhoenixTask, name: str, declaration: Declaration, *more: Any, **options: Any) -> Signature:
    args = (declaration.ctid, declaration.hash, *more)
    return task.app.signature(name, args=args, kwargs=options, immutable=True)

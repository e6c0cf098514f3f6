"""The tasks for what stands there already. As in `tasks.py`, each looks before it acts.

destroy(103)    hold 103 → survey → replace by remove(103), report(103)
remove(n)       once: look → stop → wait → once: look, marker and linked clones → DELETE → wait
report(n)       the result
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_producer.contract import DESTROY, DestroyRequest, Outcome
from phoenix_worker import canvas, outcome
from phoenix_worker.canvas import REMOVE, REPORT, lane
from phoenix_worker.core.ownership import Action, Purpose, refuse_linked
from phoenix_worker.registry import task
from phoenix_worker.removing import linked_clones, removal_line, remove
from phoenix_worker.survey import permit, request_as, survey

if TYPE_CHECKING:
    from phoenix_worker.task import PhoenixTask


@task(DESTROY)
def destroy(self: PhoenixTask, *ctid: Any, **options: Any) -> dict[str, Any]:
    """Remove a container or template that is ours."""
    request = request_as(DestroyRequest, self, ctid, options)
    declaration = self.declaration(request.ctid, to=Purpose.DESTROY)
    if not request.dry_run:
        self.hold(lane(request.ctid))
    seen, verdict = survey(self, declaration, purpose=Purpose.DESTROY)
    if verdict.action is Action.NOTHING:
        return outcome.nothing(self, declaration, dry_run=request.dry_run)
    permit(verdict.action is Action.DESTROY, verdict, f"destroy CT {request.ctid}")
    if request.dry_run:
        refuse_linked(seen, linked_clones(self, declaration, seen))
        return outcome.foretold(
            self, declaration, Outcome.DESTROYED, (removal_line(seen),), needed_by(self, request.ctid)
        )
    return self.replace(canvas.removed(self, declaration))


@task(REMOVE)
def remove_it(self: PhoenixTask, ctid: int, declared: str) -> dict[str, Any]:
    """Stop and delete a CTID."""
    posted = remove(self, self.declared(ctid, declared, accepted=True))
    return self.step("destroy", ctid, posted["at"], upid=posted["upid"])


@task(REPORT)
def report(self: PhoenixTask, ctid: int, declared: str) -> dict[str, Any]:
    """Tell what the job did."""
    return outcome.of_job(self, self.declared(ctid, declared, accepted=True))


def needed_by(self: PhoenixTask, ctid: int) -> tuple[str, ...]:
    """Warn of containers that depend on one."""
    needing = [one.ctid for one in self.catalog.current().values() if ctid in one.dependencies]
    return tuple(f"CT {one} depends on CT {ctid}: ensuring it makes CT {ctid} anew." for one in needing)

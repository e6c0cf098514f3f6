"""The tasks that migrate.

migrate(103)    hold 103 → survey → replace by move(103), report(103)
move(103)       look → once: look → POST → wait; of an HA resource: wait until it stands there
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_producer.contract import MIGRATE, Outcome
from phoenix_producer.nodes import MigrateRequest
from phoenix_worker.actions.look import survey
from phoenix_worker.actions.migrate import about_target, may_move
from phoenix_worker.actions.migrate import migrate as have_migrated
from phoenix_worker.answers import result
from phoenix_worker.base import lane
from phoenix_worker.core.allowed.ownership import Purpose
from phoenix_worker.core.model.home import at_home
from phoenix_worker.step_names import StepName
from phoenix_worker.tasks import chains
from phoenix_worker.tasks.registry import task

if TYPE_CHECKING:
    from phoenix_worker.base import PhoenixTask


@task(MIGRATE, MigrateRequest)
def migrate(self: PhoenixTask, request: MigrateRequest) -> dict[str, Any]:
    """Have a container or template of ours stand on another node."""
    declaration, target = self.current_declaration(request.ctid, to=Purpose.MIGRATE), request.to
    if not request.dry_run:
        self.hold(lane(request.ctid))
    seen, verdict = survey(self, declaration, purpose=Purpose.MIGRATE)
    may_move(self, declaration, seen, verdict, target, restart=request.restart)
    declaration = at_home(declaration, seen)
    if seen.node == target:
        return result.nothing(self, declaration, dry_run=request.dry_run)
    if request.dry_run:
        how = "stop, migrate and start" if seen.running else "migrate"
        line = f"{how} CT {request.ctid} from {seen.node} to {target}"
        return result.foretold(self, declaration, Outcome.MIGRATED, (line,), about_target(self, target))
    return self.replace(chains.chain_migration(self, declaration, target, restart=request.restart))


@task(StepName.MIGRATE.task)
def move(self: PhoenixTask, ctid: int, declaration_hash: str, target: str, *, restart: bool) -> dict[str, Any]:
    """Have Proxmox migrate it, looked at just before."""
    declaration = self.pinned_declaration(ctid, declaration_hash, accepted=True, asks_scripts=False)
    posted = have_migrated(self, declaration, target, restart=restart)
    told = {"upid": posted["upid"], "node": target, "from": posted["from"], "warnings": about_target(self, target)}
    return self.step(StepName.MIGRATE, ctid, posted["at"], **told)

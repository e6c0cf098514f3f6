"""Have Proxmox migrate a container of ours to another node, and wait until it stands there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_worker.actions import recover
from phoenix_worker.actions.drained import DRAINED
from phoenix_worker.actions.look import look, permit
from phoenix_worker.actions.remove import linked_clones
from phoenix_worker.core.allowed.migrating import (
    leaving_snapshots,
    refuse_snapshots,
    refuse_target,
    refuse_unmovable,
)
from phoenix_worker.core.allowed.ownership import Purpose, may_migrate, refuse_linked
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.observation import Presence
from phoenix_worker.durable.tables import Table
from phoenix_worker.step_names import StepName

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.allowed.ownership import Verdict
    from phoenix_worker.core.model.observation import Observation

_EARLIER = "migrations"


def may_move(
    task: PhoenixTask, declaration: Declaration, seen: Observation, verdict: Verdict, target: str, *, restart: bool
) -> None:
    """Raise PermanentError unless what stands at a CTID is ours and Proxmox can migrate it to that node."""
    doing = f"migrate CT {declaration.ctid} to {target}"
    if seen.presence is Presence.ABSENT:
        raise PermanentError(
            f"Unable to {doing}: there is no CT {declaration.ctid} in the cluster.",
            cause="absent",
            remedy=f"Make it first: `phoenix-lxc ensure {declaration.ctid}`.",
        )
    permit(may_migrate(verdict), verdict, doing)
    refuse_target(target, task.proxmox.cluster(fresh=True).nodes, doing)
    if seen.node == target:
        return
    storages = task.proxmox.storages()
    refuse_unmovable(declaration, seen, storages, target, restart=restart)
    if left := leaving_snapshots(seen, storages):
        refuse_snapshots(seen, left, task.proxmox.snapshots(seen.node, seen.ctid), target)
    refuse_linked(seen, linked_clones(task, declaration, seen), Purpose.MIGRATE)


def about_target(task: PhoenixTask, target: str) -> tuple[str, ...]:
    """Warn of a node that takes no new containers: whoever names it may mean it."""
    drained = target in Table(task.engine.ledger, DRAINED).entries()
    return (f"{target} is drained: nothing comes to it but what is sent there by name, as this is.",) if drained else ()


def migration_class(source: str, target: str) -> str:
    """Name the class of such migrations, by which it is learned how long they take."""
    return f"vzmigrate {source} {target}"


def migrate(task: PhoenixTask, declaration: Declaration, target: str, *, restart: bool) -> dict[str, Any]:
    """Migrate, and wait until it stands there and, if it ran, runs again. Returns where it was, as `from`.

    Raises PermanentError in Proxmox's words, TransientError while another migration runs.
    """
    ctid = declaration.ctid

    def act() -> dict[str, Any]:
        seen, verdict = look(task, declaration, purpose=Purpose.MIGRATE)
        may_move(task, declaration, seen, verdict, target, restart=restart)
        if seen.node == target:
            return recover.posted(None) | {"from": seen.node}
        upid = task.proxmox.migrate(seen.node, ctid, target=target, restart=seen.running)
        return recover.posted(upid) | {"from": seen.node}

    home = task.read("home", lambda: _home(task, declaration))
    of_old = home.get("earlier")  # an older worker has noted our own there
    earlier = task.read(_EARLIER, lambda: _earlier(task, home["node"], ctid)) if of_old is None else of_old
    posted: dict[str, Any] = task.once(
        StepName.MIGRATE,
        act,
        adopt=lambda when: recover.find_migration(task.proxmox, home["node"], ctid, target, earlier=earlier, when=when),
        upid=recover.upid_of,
    )
    try:
        _wait(task, declaration, posted, target, earlier if of_old is None else None)
    except TransientError:
        task.forget(_EARLIER)  # it is asked again, and has one more before it
        raise
    if recover.asked_ha(posted) and home["running"]:
        task.wait_for_power(declaration.standing_on(target), posted, running=True)
    return posted


def _wait(
    task: PhoenixTask, declaration: Declaration, posted: dict[str, Any], target: str, earlier: Iterable[str] | None
) -> None:
    source, ctid = posted["from"], declaration.ctid
    kind, doing = migration_class(source, target), f"migrate CT {ctid} from {source} to {target}"
    task.wait_until_done(StepName.MIGRATE, posted, doing, kind=kind)
    if posted.get("unsure") and task.proxmox.observe_template(source, ctid).node != target:
        task.forget(StepName.MIGRATE)
        raise TransientError(f"Unable to {doing}: another migration of it went elsewhere.", cause="moved")
    if recover.asked_ha(posted):
        task.wait_for_arrival(declaration, posted, source=source, target=target, earlier=earlier)


def _home(task: PhoenixTask, declaration: Declaration) -> dict[str, Any]:
    """Look where it is, for whoever goes on after a death in between."""
    seen = task.proxmox.observe(declaration.node, declaration.ctid)
    return {"node": seen.node, "running": seen.running}


def _earlier(task: PhoenixTask, home: str, ctid: int) -> list[str]:
    return recover.migrations(task.proxmox, home, ctid) if home else []

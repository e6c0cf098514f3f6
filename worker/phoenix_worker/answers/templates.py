"""Which templates there are, with their copies, and how many wait for each. Nothing is changed; no lock is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_producer.standing import Exists, Lane, Template
from phoenix_worker.actions.builds import Builds
from phoenix_worker.actions.standing_copies import all_copies, is_copy
from phoenix_worker.answers.side_by_side import side_by_side
from phoenix_worker.answers.status import exists
from phoenix_worker.base import lane
from phoenix_worker.core.allowed.linked import root_storage
from phoenix_worker.core.allowed.ownership import judge
from phoenix_worker.core.differs.volumes import disk_sizes
from phoenix_worker.core.model.home import at_home, strangers_apart

if TYPE_CHECKING:
    from phoenix_worker.actions.standing_copies import Copies, Unseen
    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation


def templates(task: PhoenixTask) -> list[Template]:
    """Look at each template of the catalog and each copy, in a call or two: one more for all CTIDs of copies.

    Nobody waits for a node that does not answer: what stands there is told as unknown. Raises TransientError when
    Proxmox as a whole does not answer.
    """
    builds, copies = Builds(task), all_copies(task)
    return side_by_side(
        task,
        [one for one in task.catalog.current().values() if one.is_template],
        lambda declaration: _tell(task, declaration, copies, builds, _seen(task, declaration, builds)),
        lambda declaration, problem: _tell(task, declaration, copies, builds, _unknown(declaration, problem)),
    )


def _tell(
    task: PhoenixTask, declaration: Declaration, copies: Copies, builds: Builds, found: dict[str, Any]
) -> Template:
    catalog = task.catalog.current()
    own = (one for one in copies.seen if is_copy(one, declaration.ctid))
    lanes = [Lane(**_lane(task, catalog.copy(declaration.ctid, one.ctid, one.node), one, builds)) for one in own]
    lanes += [_unseen(one) for one in copies.unseen if one.name == declaration.name]
    return Template(
        name=declaration.name,
        clone_from=declaration.clone_from,
        lanes=declaration.lanes,
        copies=tuple(sorted(lanes, key=lambda one: one.ctid)),
        warnings=(*task.warnings(), *_of_nobody(task, copies)),
        **found,
    )


def _unseen(one: Unseen) -> Lane:
    return Lane(ctid=one.ctid, node=one.node, exists=Exists.UNKNOWN, problem=f"It cannot be looked at: {one.why}.")


def _of_nobody(task: PhoenixTask, copies: Copies) -> tuple[str, ...]:
    """Warn of what may be a copy, and the cluster does not say of which template."""
    known = {one.name for one in task.catalog.current().values() if one.is_template}
    strange = (one for one in copies.unseen if one.name not in known)
    return tuple(f"CT {one.ctid} on {one.node}, maybe a copy, cannot be looked at: {one.why}." for one in strange)


def _seen(task: PhoenixTask, declaration: Declaration, builds: Builds) -> dict[str, Any]:
    seen = task.proxmox.observe_template(declaration.node, declaration.ctid)
    return _lane(task, declaration, strangers_apart(declaration, seen), builds)


def _unknown(declaration: Declaration, problem: str) -> dict[str, Any]:
    return {"ctid": declaration.ctid, "node": declaration.where, "exists": Exists.UNKNOWN, "problem": problem}


def _lane(task: PhoenixTask, declaration: Declaration, seen: Observation, builds: Builds) -> dict[str, Any]:
    declaration = at_home(declaration, seen)
    verdict = judge(declaration, seen)
    return {
        "ctid": declaration.ctid,
        "node": seen.node or declaration.where,
        "exists": exists(declaration, seen, verdict),
        "storage": root_storage(seen),
        "disks": disk_sizes(seen.config),
        "hash": seen.marker.declaration if seen.marker is not None and seen.is_ours else "",
        "outdated": builds.outdated(declaration, seen),
        "waiting": task.engine.ledger.waiters(lane(declaration.ctid)),
        "problem": verdict.message,
    }

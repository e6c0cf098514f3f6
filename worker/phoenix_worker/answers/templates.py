"""Which templates there are, with their copies, and how many wait for each. Nothing is changed; no lock is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_producer.standing import Exists, Lane, Template
from phoenix_worker.actions.builds import Builds
from phoenix_worker.actions.copies import all_copies
from phoenix_worker.answers.side_by_side import side_by_side
from phoenix_worker.answers.status import exists
from phoenix_worker.base import lane
from phoenix_worker.core.allowed.linked import root_storage
from phoenix_worker.core.allowed.ownership import judge
from phoenix_worker.core.differs.volumes import disk_sizes
from phoenix_worker.core.model.home import at_home, strangers_apart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation


def templates(task: PhoenixTask) -> list[Template]:
    """Look at each template of the catalog and each copy, in a call or two: one more for all CTIDs of copies.

    Raises TransientError when Proxmox as a whole does not answer, or a node with a copy.
    """
    builds, copies = Builds(task), all_copies(task)
    return side_by_side(
        task,
        [one for one in task.catalog.current().values() if one.is_template],
        lambda declaration: _tell(task, declaration, copies, builds, _seen(task, declaration, builds)),
        lambda declaration, problem: _tell(task, declaration, copies, builds, _unknown(declaration, problem)),
    )


def _tell(
    task: PhoenixTask, declaration: Declaration, copies: Sequence[Observation], builds: Builds, found: dict[str, Any]
) -> Template:
    catalog = task.catalog.current()
    own = (one for one in copies if one.marker is not None and one.marker.copy_of == declaration.ctid)
    lanes = tuple(Lane(**_lane(task, catalog.copy(declaration.ctid, one.ctid, one.node), one, builds)) for one in own)
    return Template(
        name=declaration.name,
        clone_from=declaration.clone_from,
        lanes=declaration.lanes,
        copies=lanes,
        warnings=task.warnings(),
        **found,
    )


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

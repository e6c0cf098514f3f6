"""Which templates there are, with their copies, and how many wait for each. Nothing is changed; no lock is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_producer.standing import Exists, Lane, Template
from phoenix_worker.actions.builds import Builds
from phoenix_worker.actions.copies import all_copies
from phoenix_worker.answers.status import exists
from phoenix_worker.base import lane
from phoenix_worker.core.allowed.linked import root_storage
from phoenix_worker.core.allowed.ownership import judge
from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.model.home import at_home

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation


def templates(task: PhoenixTask) -> Iterator[Template]:
    """Look at each template of the catalog and each copy, in a call or two: one more for all CTIDs of copies."""
    builds, catalog = Builds(task), task.catalog.current()
    copies = all_copies(task)
    for declaration in catalog.values():
        if not declaration.is_template:
            continue
        own = (one for one in copies if one.marker is not None and one.marker.copy_of == declaration.ctid)
        lanes = tuple(
            Lane(**_lane(task, catalog.copy(declaration.ctid, one.ctid, one.node), one, builds)) for one in own
        )
        yield Template(
            name=declaration.name,
            clone_from=declaration.clone_from,
            lanes=declaration.lanes,
            copies=lanes,
            warnings=task.warnings(),
            **_template(task, declaration, builds),
        )


def _template(task: PhoenixTask, declaration: Declaration, builds: Builds) -> dict[str, Any]:
    try:
        seen = task.proxmox.observe_template(declaration.node, declaration.ctid)
        return _lane(task, declaration, seen, builds)
    except PermanentError as error:
        unknown = {"node": declaration.node, "exists": Exists.UNKNOWN, "problem": error.message}
        return {"ctid": declaration.ctid, **unknown}


def _lane(task: PhoenixTask, declaration: Declaration, seen: Observation, builds: Builds) -> dict[str, Any]:
    declaration = at_home(declaration, seen)
    verdict = judge(declaration, seen)
    return {
        "ctid": declaration.ctid,
        "node": seen.node,
        "exists": exists(declaration, seen, verdict),
        "storage": root_storage(seen),
        "outdated": builds.outdated(declaration, seen),
        "waiting": task.engine.ledger.waiters(lane(declaration.ctid)),
        "problem": verdict.message,
    }

"""A copy of a template that is cloned where the template stands, and migrated to its node: see ADR 20."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from phoenix_worker.actions.builds import Builds
from phoenix_worker.actions.migrate import migration_class
from phoenix_worker.actions.prerequisites import NO_OS_TEMPLATE, refuse_absent_os_template
from phoenix_worker.actions.provision import script_class
from phoenix_worker.actions.standing_copies import on_its_way
from phoenix_worker.core.differs.scripts import scripts_after_making
from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.model.home import at_home
from phoenix_worker.core.model.observation import Presence
from phoenix_worker.core.planned import moved_copies
from phoenix_worker.durable.learned import Learned

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.allowed.grants import Need
    from phoenix_worker.core.model.observation import Observation


class Way(NamedTuple):
    """How a copy comes to its node."""

    source: str = ""
    """The node that it is migrated from; nothing where it is built."""
    because: str = ""
    """Why it is built although that takes long; nothing where nothing else was thought of."""

    def told(self, copy: Declaration) -> tuple[str, ...]:
        """Tell it, with the reason."""
        named, scripted = f"CT {copy.ctid}, a copy of template {copy.copy_of},", moved_copies.takes_long(copy)
        if self.source:
            because = "its scripts need not run again" if scripted else f"{copy.node} has no {copy.os_template}"
            return (f"{named} is migrated from {self.source} to {copy.node}: {because}.",)
        how = ", by its scripts" if scripted else ""
        return (f"{named} is built on {copy.node}{how}: {self.because}.",) if self.because else ()


def way_of(task: PhoenixTask, copy: Declaration, seen: Observation) -> Way:
    """Choose how a copy is made, given what was `seen` of it. One call at most if the copy has no scripts.

    What an earlier job has cloned is migrated; where that cannot be any more, it is built in its place.
    """
    if not copy.is_copy or (seen.presence is not Presence.ABSENT and not on_its_way(seen)):
        return Way()
    if on_its_way(seen):
        why = _immovable(task, copy, seen)
        return Way(because=why) if why else Way(source=seen.node)
    unbuildable = lacks_os_template(task, copy)
    if not (moved_copies.takes_long(copy) or unbuildable):
        return Way()
    there, why = template_to_clone(task, copy)
    if there.node == copy.node:  # one more lane, where nothing is to be migrated
        return Way()
    why = why or ("" if unbuildable else _quicker_built(task, copy, there))
    return Way(because=why) if why else Way(source=there.node)


def lacks_os_template(task: PhoenixTask, copy: Declaration) -> bool:
    """Return whether a copy cannot be created on its node for want of its OS template; not where nobody may look."""
    try:
        refuse_absent_os_template(task, copy)
    except PermanentError as error:
        return error.cause == NO_OS_TEMPLATE
    return False


def _quicker_built(task: PhoenixTask, copy: Declaration, there: Observation) -> str:
    learned = Learned(task.engine.ledger)
    scripts = [learned.usual(script_class(script.file)) for script in scripts_after_making(copy)]
    return moved_copies.quicker_built(copy, there, scripts, learned.usual(migration_class(there.node, copy.node)))


def template_to_clone(task: PhoenixTask, copy: Declaration) -> tuple[Observation, str]:
    """Look at the template of a copy; with it, say why it is not cloned and migrated."""
    template = task.current_declaration(copy.copy_of)
    seen = task.proxmox.observe_template(template.node or copy.node, template.ctid)
    outdated = Builds(task).outdated(at_home(template, seen), seen)
    why = moved_copies.unfit(copy, seen, outdated)
    return seen, why or _immovable(task, copy, seen) or moved_copies.no_room(seen, copy.node, task.proxmox.cluster())


def _immovable(task: PhoenixTask, copy: Declaration, there: Observation) -> str:
    needs = moved_copies.privileges(copy)
    lacking = moved_copies.lacking(needs, {path: task.proxmox.privileges(path) for path in _paths(needs)})
    return lacking or moved_copies.no_storage(there, copy.node, task.offering.on(copy.node).storages)


def _paths(needs: Iterable[Need]) -> set[str]:
    return {path for need in needs for path in need.paths}

"""A template that is not what its declaration would build now. Containers are cloned from it all the same, and told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.core.differs.scripts import changed_scripts, scripts_never_run
from phoenix_worker.core.differs.unchangeable import unchangeable

if TYPE_CHECKING:
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation


def outdated(declaration: Declaration, observation: Observation, *, has_shell: bool) -> tuple[str, ...]:
    """Say why a finished template of ours is outdated, each time with what brings it up to date; nothing if it is not.

    Its configuration can be changed; its disk, what it was made from and what its scripts did cannot.
    Without shell access to the node none of its scripts would run in a new one either, so one that never ran is
    no reason then.
    """
    marker, ctid = observation.marker, declaration.ctid
    if not declaration.is_template or not observation.is_template or marker is None or not observation.is_ours:
        return ()
    told = []
    if marker.declaration != declaration.hash:
        told.append(f"Template {ctid} has an older declaration. To configure it again: `phoenix-lxc ensure {ctid}`.")
    never_run = scripts_never_run(declaration, marker) if has_shell else ()
    fixed = [
        *unchangeable(declaration, observation),
        *map("its script {} has changed since".format, changed_scripts(declaration, marker)),
        *map("its script {} was never run".format, never_run),
    ]
    if fixed:
        told.append(
            f"Template {ctid} is outdated ({'; '.join(fixed)}). To build it again: `phoenix-lxc rebuild {ctid}`."
        )
    return tuple(told)

"""What is not what its declaration would build now: of its disk, what it was cloned from, what its scripts did.

Containers are cloned from an outdated template all the same, and that is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.core.differs.scripts import changed_scripts, scripts_never_run
from phoenix_worker.core.differs.unchangeable import anew, unchangeable

if TYPE_CHECKING:
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation

_OLDER_BUILD = "it was cloned from an older build of template {}"


def outdated(
    declaration: Declaration,
    observation: Observation,
    *,
    has_shell: bool,
    build: str = "",
    first: tuple[int, ...] = (),
    configured: bool = False,
) -> tuple[str, ...]:
    """Say why what is ours and finished is outdated, each time with what brings it up to date; nothing if it is not.

    `build` is the creation of its template as that is now; of a container nothing else counts. `first` are the
    templates that would pass the same on to it, and are rebuilt with it. What is about to be `configured` is told for
    what will stay.
    A template's configuration can be changed; its disk, what it was made from and what its scripts did cannot.
    Without shell access to the node none of its scripts would run in a new one either, so one that never ran is
    no reason then.
    """
    marker, ctid = observation.marker, declaration.ctid
    if not declaration.is_template:
        return of_older_build(declaration, observation, build)
    if not observation.is_template or marker is None or not observation.is_ours:
        return ()
    told = []
    if marker.declaration != declaration.hash and not configured:
        ensured = declaration.copy_of or ctid
        told.append(
            f"{_named(declaration)} has an older declaration. To configure it again: `phoenix-lxc ensure {ensured}`."
        )
    never_run = scripts_never_run(declaration, marker) if has_shell else ()
    fixed = [
        *unchangeable(declaration, observation),
        *map("its script {} has changed since".format, changed_scripts(declaration, marker)),
        *map("its script {} was never run".format, never_run),
    ]
    if has_older_build(declaration, observation, build):
        fixed.append(_OLDER_BUILD.format(declaration.clone_from))
    if fixed:
        told.append(_template(declaration, fixed, first))
    return tuple(told)


def has_older_build(declaration: Declaration, observation: Observation, build: str) -> bool:
    """Return whether it was cloned from an older build of its declared template, whose creation is now `build`.

    A marker that does not name the build proves nothing, nor does a template without a marker of ours.
    """
    marker = observation.marker
    if marker is None or not observation.is_ours or not marker.build or not build:
        return False
    return marker.origin.partition(",")[0] == str(declaration.clone_from) and marker.build != build


def of_older_build(declaration: Declaration, observation: Observation, build: str) -> tuple[str, ...]:
    """Say that alone, with what brings it up to date."""
    if not has_older_build(declaration, observation, build):
        return ()
    why = _OLDER_BUILD.format(declaration.clone_from)
    if declaration.is_template:
        return (_template(declaration, [why]),)
    return (f"CT {declaration.ctid} is outdated: {why}. {anew(declaration)}",)


def _template(declaration: Declaration, why: list[str], first: tuple[int, ...] = ()) -> str:
    rebuilt = " ".join(map(str, sorted({*first, declaration.copy_of or declaration.ctid})))
    why_so = "; ".join(why)
    return f"{_named(declaration)} is outdated ({why_so}). To build it again: `phoenix-lxc rebuild {rebuilt}`."


def _named(template: Declaration) -> str:
    copy = f", a copy of {template.copy_of}," if template.copy_of is not None else ""
    return f"Template {template.ctid}{copy}"

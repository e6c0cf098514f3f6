"""The requests that create or clone a container, built from its declaration: the marker goes in with the first one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from phoenix_worker.core.differs.diff import creation_config, creation_marker, marker_for
from phoenix_worker.core.differs.scripts import keys_at_creation
from phoenix_worker.core.model.marker import Stage, write_marker
from phoenix_worker.core.model.ports import CloneOrder, CreateOrder
from phoenix_worker.core.planned.rebuilding import copied

if TYPE_CHECKING:
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation


def clone_order(declaration: Declaration, creation: str, build: str = "", *, on: str | None = None) -> CloneOrder:
    """Order a clone of the declared template, whose creation is `build`. A linked one stays on its storage.

    So does a full one that inherits volumes, where its own is the same: a storage that is named takes all of them.

    Raises ValueError for what is no clone.
    """
    if declaration.cloned_from is None:
        raise ValueError(f"CT {declaration.ctid} is not a clone")
    return CloneOrder(
        node=declaration.node,
        source=declaration.cloned_from,
        ctid=declaration.ctid,
        hostname=declaration.name,
        notes=write_marker(
            replace(marker_for(declaration, creation, Stage.MADE), build=build), declaration.description or ""
        ),
        full=declaration.full_clone,
        storage=declaration.storage if declaration.full_clone and not declaration.stays_with_volumes else None,
        pool=declaration.pool,
        source_node=on or declaration.template_node,
    )


def copy_order(template: Declaration, scratch: Observation, creation: str, bound_for: str = "") -> CloneOrder:
    """Order a template in the place of the old one. Its marker tells of what was built: its origin, and what ran.

    So it does of the build of the template that this was cloned from. A copy that is `bound_for` another node is
    ordered likewise, from the template itself.
    """
    built = scratch.marker
    marker = replace(marker_for(template, creation, Stage.MADE), bound_for=bound_for)
    if built is not None:
        marker = replace(marker, scripts=built.scripts, build=built.build, via=built.via)
    order = clone_order(copied(template, scratch.ctid), creation, on=scratch.node)
    return replace(order, notes=write_marker(marker, template.description or ""))


def create_order(declaration: Declaration, creation: str) -> CreateOrder:
    """Order a creation from the declared OS template, configured from the start.

    Raises ValueError without an OS template.
    """
    if declaration.os_template is None:
        raise ValueError(f"CT {declaration.ctid} has no OS template")
    return CreateOrder(
        node=declaration.node,
        ctid=declaration.ctid,
        ostemplate=declaration.os_template,
        unprivileged=declaration.unprivileged,
        config=creation_config(declaration, creation_marker(declaration, creation)) | keys_at_creation(declaration),
        pool=declaration.pool,
    )

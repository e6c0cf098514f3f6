"""What stands there and is not declared, such as a volume that was taken out of the catalog: it stays, and is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.core.differs import networks
from phoenix_worker.core.differs.volumes import mounted
from phoenix_worker.core.model import property_string
from phoenix_worker.core.model.marker import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation


def undeclared(
    declaration: Declaration, observation: Observation, templates: Sequence[Declaration] = ()
) -> tuple[str, ...]:
    """Say in whole sentences what stays although nobody declares it, but for what a clone has from its `templates`."""
    marker = observation.marker
    if marker is not None and marker.stage is Stage.MADE:
        return ()  # what it has, it has from its template
    about = (declaration, observation, templates)
    return (*_volumes(*about), *_interfaces(*about), *_firewall(*about))


def _volumes(declaration: Declaration, observation: Observation, templates: Sequence[Declaration]) -> Iterator[str]:
    """Bind mounts are not meant: their directories are the administrator's."""
    declared = {volume.mount_point for one in (declaration, *templates) for volume in one.volumes}
    declared |= {mount.container_path for mount in declaration.bind_mounts}
    for path, volume in mounted(observation.config).items():
        if volume.storage and path not in declared:
            yield f"CT {observation.ctid} has a volume at {path} ({volume.key}) that is not declared: it stays."


def _interfaces(declaration: Declaration, observation: Observation, templates: Sequence[Declaration]) -> Iterator[str]:
    """The first one is not meant: every container has it, declared or not."""
    most = max(len(one.networks) for one in (declaration, *templates))
    for key in networks.keys(observation.config):
        if int(key.removeprefix("net")) >= max(most, 1):
            name = property_string.parse(observation.config[key]).get("name", "")
            yield f"CT {observation.ctid} has an interface {name} ({key}) that is not declared: it stays."


def _firewall(declaration: Declaration, observation: Observation, templates: Sequence[Declaration]) -> Iterator[str]:
    """Only after a change of the declaration: many interfaces have this flag, whoever made them."""
    marker = observation.marker
    if any(_speaks_of_firewall(one) for one in (declaration, *templates)):
        return
    flag = property_string.parse(observation.config.get("net0", "")).get("firewall", "0")
    if flag != "0" and (marker is None or marker.declaration != declaration.hash):
        yield (
            f"CT {observation.ctid} has `firewall=1` at net0, and the catalog declares no firewall for it. "
            "Its firewall is left as it is."
        )


def _speaks_of_firewall(declaration: Declaration) -> bool:
    return declaration.firewall is not None or any(one.firewall is not None for one in declaration.networks[:1])

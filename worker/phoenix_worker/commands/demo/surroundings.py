"""What a catalog takes for granted of its cluster: the demo's Proxmox has it, so that any catalog can be watched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phoenix_worker.catalog.loading import Defaults, load
from phoenix_worker.catalog.nodes import ANY_NODE
from phoenix_worker.core.differs.diff import DEFAULT_STORAGE
from phoenix_worker.core.planned.datacenter import Datacenter, lacking_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.catalog.loading import Catalog

_ON_LOCAL = "local:vztmpl/"
_NOWHERE = "localhost"
_NO_NAMES = Datacenter(names=frozenset(), groups=frozenset())


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Names of what is there, besides what every node of the demo has."""

    nodes: tuple[str, ...]
    """Empty where the catalog names none."""
    os_templates: tuple[str, ...]
    """File names on `local`."""
    bridges: tuple[str, ...]
    pools: tuple[str, ...]
    storages: tuple[str, ...]
    guests: tuple[str, ...]
    """CTIDs of what the catalog depends on and does not declare."""
    security_groups: tuple[str, ...]
    ip_sets: tuple[str, ...]
    aliases: tuple[str, ...]

    def flags(self) -> list[str]:
        """Write it for the command line of the simulator."""
        named = {
            "node": self.nodes,
            "os-template": self.os_templates,
            "bridge": self.bridges,
            "pool": self.pools,
            "storage": self.storages,
            "guest": self.guests,
            "security-group": self.security_groups,
            "ip-set": self.ip_sets,
            "alias": self.aliases,
        }
        return [f"--{kind}={name}" for kind, names in named.items() for name in names]


def surroundings_of(file: Path) -> Surroundings:
    """Read what a catalog names. Raises CatalogError."""
    catalog = load(file, Defaults(node=_NOWHERE))
    every = catalog.values()
    templates = [one.os_template for one in every if one.os_template is not None]
    return Surroundings(
        nodes=_sorted(node for one in every for node in (one.node, *one.nodes) if node not in {"", _NOWHERE, ANY_NODE}),
        os_templates=_sorted(one.removeprefix(_ON_LOCAL) for one in templates if one.startswith(_ON_LOCAL)),
        bridges=_sorted(network.bridge for one in every for network in one.networks),
        pools=_sorted(one.pool for one in every if one.pool is not None),
        storages=_sorted(storage for one in every for storage in _storages(one)),
        guests=_sorted(str(ctid) for ctid in _outside(catalog)),
        security_groups=_sorted(_of_firewalls(catalog, "security group")),
        ip_sets=_sorted(_of_firewalls(catalog, "IP set")),
        aliases=_sorted(_of_firewalls(catalog, "alias")),
    )


def _storages(declared: Declaration) -> Iterator[str]:
    if declared.storage is not None or declared.clone_from is None:
        yield declared.storage or DEFAULT_STORAGE
    yield from (volume.storage for volume in declared.volumes)


def _outside(catalog: Catalog) -> set[int]:
    return {needed for one in catalog.values() for needed in one.dependencies} - catalog.keys()


def _of_firewalls(catalog: Catalog, kind: str) -> Iterator[str]:
    """Return names in small letters, as Proxmox keeps them."""
    named = (one for declared in catalog.values() for one in lacking_names(declared, _NO_NAMES))
    yield from (one.name.lower() for one in named if one.kind == kind and not one.of_sdn)


def _sorted(names: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(sorted({name for name in names if name}))

"""What Proxmox shows of one CTID at one moment."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from phoenix_worker.core.model.marker import Marker, read_marker

if TYPE_CHECKING:
    from phoenix_worker.core.model.firewall import FirewallState
    from phoenix_worker.core.model.ha import HaState


class Presence(StrEnum):
    """Where a CTID stands in the cluster."""

    ABSENT = "absent"
    HERE = "here"
    """A container on the node where it was looked for, or one of ours, with our marker, on whichever node it stands."""
    OTHER_NODE = "other-node"
    """Somebody else's container on another node; of it only the name is known."""
    VM = "vm"


@dataclass(frozen=True, slots=True)
class Observation:
    """One CTID as Proxmox shows it. `config` holds `GET config` as strings, without `digest`."""

    ctid: int
    node: str
    presence: Presence
    config: dict[str, str] = field(default_factory=dict)
    digest: str = ""
    running: bool = False
    ha_managed: bool = False
    """Whether it is an HA resource; looked up with `running`."""
    ha_failed: bool = False
    """Whether HA has given it up: until it is disabled there, HA neither starts, stops nor moves it."""
    pending: tuple[str, ...] = ()
    """Keys of the configuration that wait for the container's next start."""
    firewall: FirewallState | None = None
    """None when it was not looked at."""
    pool: str | None = None
    """Nothing when it is in none; None when it was not looked at."""
    ha: HaState | None = None
    """None when it was not looked at: its properties are more than `ha_managed` tells."""
    tags_keep_case: bool = False
    """Whether tags that differ in case alone are two, by the datacenter; looked at where it matters."""

    def beside(self, before: Observation) -> Observation:
        """Return this look with what is no part of the configuration as it was seen `before`."""
        return replace(self, firewall=before.firewall, pool=before.pool, tags_keep_case=before.tags_keep_case)

    @property
    def marker(self) -> Marker | None:
        """Our line in the container's notes, if there is one."""
        return read_marker(self.config.get("description", ""), self.ctid)

    @property
    def is_ours(self) -> bool:
        """Whether it carries our marker, with this CTID: a clone made by hand carries that of its source."""
        marker = self.marker
        return marker is not None and marker.ctid == self.ctid

    @property
    def lock(self) -> str | None:
        """Proxmox's configuration lock: `create`, `disk`, `backup` and others."""
        return self.config.get("lock")

    @property
    def template_flag(self) -> bool:
        """Whether the configuration says `template: 1`."""
        return self.config.get("template") == "1"

    @property
    def base_volume(self) -> bool:
        """Whether the root disk is a base volume, which only a finished conversion leaves."""
        volume = self.config.get("rootfs", "").split(",")[0].partition(":")[2]
        return volume.rsplit("/", 1)[-1].startswith(("base-", "basevol-"))

    @property
    def is_template(self) -> bool:
        """A finished template: the flag and the base volume."""
        return self.template_flag and self.base_volume

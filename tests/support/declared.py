"""A declaration with everything in it, one with nothing, and what Proxmox shows when the first is fulfilled."""

from __future__ import annotations

from phoenix_worker.catalog.declaration import Declaration, Firewall, FirewallRule, Network, Role
from phoenix_worker.core.model.marker import Marker, Stage, write_marker
from phoenix_worker.core.model.observation import Observation, Presence

HTTPS = FirewallRule("in", "ACCEPT", "tcp", source="10.0.0.0/24", port="80,443", comment="HTTPS from inside")
PING = FirewallRule("in", "ACCEPT", "icmp")
FIREWALL = Firewall(enabled=True, rules=(HTTPS, PING))
MAC = "52:54:00:67:89:B3"
NETWORK = Network("vmbr0", ip="10.0.0.10/24", gw="10.0.0.1", nameservers=("10.0.0.1", "9.9.9.9"))
DECLARED = Declaration(
    103,
    "Step-CA",
    Role.CONTAINER,
    "pve1",
    clone_from=900,
    storage="local-lvm",
    disk_gb=16,
    memory_mb=1024,
    swap_mb=512,
    cores=1,
    network=NETWORK,
    mac=MAC,
    start_at_boot=True,
    boot_order=1,
    boot_delay=5,
    features=("nesting=1",),
    tags=("ca", "Infra"),
    description="The CA.",
    hash="h1",
)
MINIMAL = Declaration(103, "Step-CA", Role.CONTAINER, "pve1", clone_from=900, hash="h1")
MARKER = Marker(103, "c1", Role.CONTAINER, Stage.CONFIGURED, "h1")
NET0 = f"name=eth0,bridge=vmbr0,gw=10.0.0.1,hwaddr={MAC},ip=10.0.0.10/24,type=veth"
AS_DECLARED = {
    "hostname": "Step-CA",
    "memory": "1024",
    "swap": "512",
    "cores": "1",
    "net0": NET0,
    "nameserver": "10.0.0.1 9.9.9.9",
    "onboot": "1",
    "startup": "order=1,up=5",
    "features": "nesting=1",
    "tags": "ca;infra;phoenix",
    "description": write_marker(MARKER, "The CA.") + "\n",
    "rootfs": "local-lvm:vm-103-disk-0,size=16G",
    "arch": "amd64",
}


def seen(**config: str | None) -> Observation:
    present = {key: value for key, value in (AS_DECLARED | config).items() if value is not None}
    return Observation(103, "pve1", Presence.HERE, present)

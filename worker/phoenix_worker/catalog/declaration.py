"""One container as the catalog declares it: checked, resolved against its template, in one spelling."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from phoenix_producer.contract import DesiredState
from phoenix_worker.catalog.nodes import ANY_NODE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phoenix_worker.catalog.host_parts import BindMount, DeviceNode
    from phoenix_worker.catalog.nodes import SpreadGroup


class Role(StrEnum):
    """What a container is for."""

    CONTAINER = "container"
    TEMPLATE = "template"
    SCRATCH = "scratch"
    """A template that is being rebuilt, at a CTID that the catalog does not have."""


@dataclass(frozen=True, slots=True)
class Network:
    """An interface. Addresses are in CIDR form, `dhcp`, or (IPv6) `auto`."""

    bridge: str
    name: str = "eth0"
    ip: str | None = None
    gw: str | None = None
    ip6: str | None = None
    gw6: str | None = None
    vlan: int | None = None
    nameservers: tuple[str, ...] = ()
    """Of the container; only `net0` has them."""
    trunks: tuple[int, ...] = ()
    mtu: int | None = None
    rate: float | None = None
    """MB a second."""
    firewall: bool | None = None
    """None: as the container's firewall."""
    link_down: bool | None = None
    host_managed: bool | None = None
    mac: str | None = None
    """Upper case, colons. That of `net0` is in the declaration."""


PROTECTION = "protection"
"""The option of Proxmox that forbids to destroy a container and to change its disks."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume of its own besides the root disk."""

    storage: str
    size_gb: float
    mount_point: str
    options: tuple[tuple[str, str], ...] = ()
    """How it is mounted, as Proxmox names and spells it."""


@dataclass(frozen=True, slots=True)
class FirewallRule:
    """One rule of a container's firewall. Parts that are None do not restrict it."""

    type: str
    action: str  # of the type `group` its name
    proto: str | None = None
    source: str | None = None
    dest: str | None = None
    port: str | None = None
    comment: str | None = None
    log: str | None = None
    macro: str | None = None
    source_port: str | None = None
    icmp_type: str | None = None
    iface: str | None = None
    """`net0` and so on."""
    enable: bool = True


@dataclass(frozen=True, slots=True)
class Firewall:
    """A container's firewall: on or off, and exactly these rules in this order. None leaves as it is."""

    enabled: bool
    rules: tuple[FirewallRule, ...] | None = None
    policy_in: str | None = None
    policy_out: str | None = None
    options: tuple[tuple[str, str], ...] = ()

    @property
    def policies(self) -> dict[str, str]:
        """What is declared besides the rules: for traffic that no rule is for, and the options; by Proxmox's names."""
        both = {"policy_in": self.policy_in, "policy_out": self.policy_out}
        return {name: policy for name, policy in both.items() if policy is not None} | dict(self.options)


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a worker finds a secret: an environment variable, or a file."""

    env: str | None = None
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """A feature script, the application script, or one of our own for what lets somebody log in."""

    name: str
    file: str
    """As the catalog's users know it: beside the catalog, or on the node."""
    hash: str
    """Of its content, as far as the worker has it, and of the JSON that it is given."""
    content: str | None = None
    """In base64, as it is sent into the container; None for one that lies on the node, or is missing."""
    on_node: bool = False
    sha256: str = ""
    """Of the content on the node, as it was last looked at: only this is run there."""
    timeout: int | None = None
    """Seconds; None leaves it to the settings."""
    directories: tuple[str, ...] = ()
    """Digests of the directories that are pushed with it."""
    again: bool = False
    """Whether it is wanted to run although it did."""
    given: str | None = field(default=None, repr=False)
    """What it is given in the place of the container's JSON."""
    secret: Secret | None = None
    """What it is given is this secret, which is read when it is started."""

    @property
    def missing(self) -> bool:
        """Whether it should lie beside the catalog and does not."""
        return self.content is None and not self.on_node


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A command line for the container's own shell, or a script, and how long it may take to end with 0."""

    command: str
    retries: int = 3
    interval: int = 5
    """Seconds between two tries."""
    script: Script | None = None
    """What is pushed and run in the place of a command."""

    @property
    def what(self) -> str:
        """Name what is run."""
        return self.command if self.script is None else self.script.file


@dataclass(frozen=True, slots=True)
class Download:
    """Where an OS template is fetched from that is not on its storage: a URL, or an OCI image of a registry."""

    name: str
    """Its file name on the storage."""
    url: str | None = None
    checksum: str | None = None
    """`algorithm:digest`."""
    image: str | None = None
    """`host/repository:tag`."""


@dataclass(frozen=True, slots=True)
class HaResource:
    """Whether it is an HA resource, and the properties of one that are declared."""

    enabled: bool = True
    group: str | None = None
    max_restart: int | None = None
    max_relocate: int | None = None


@dataclass(frozen=True, slots=True)
class Declaration:
    """A checked entry of the catalog. None means "not declared": a clone keeps what its template has."""

    ctid: int
    name: str
    role: Role
    node: str
    """Empty while its node is to be chosen, or to be looked up: see `nodes`."""
    clone_from: int | None = None
    template_node: str | None = None
    """Where the template is that it is cloned from, if that is another node."""
    os_template: str | None = None
    """Volume id of the OS template; None for clones."""
    download: Download | None = None
    """Where it is fetched from; None where it is on the storage, or in Proxmox's index."""
    full_clone: bool = True
    storage: str | None = None
    disk_gb: int | None = None
    stays_with_volumes: bool = False
    """A full clone whose volumes stay on the storages of its template, as its root disk does."""
    volumes: tuple[Volume, ...] = ()
    memory_mb: int | None = None
    swap_mb: int | None = None
    cores: int | None = None
    network: Network | None = None
    """`net0`."""
    mac: str | None = None
    """That of `net0`: upper case, colons."""
    more_networks: tuple[Network, ...] = ()
    """`net1` and so on; there are none without `network`."""
    unprivileged: bool = True
    """Resolved: a clone has its template's."""
    start_at_boot: bool | None = None
    boot_order: int | None = None
    boot_delay: int | None = None
    """Seconds that Proxmox waits after this start."""
    boot_down_delay: int | None = None
    """Seconds that Proxmox gives it to shut down."""
    options: tuple[tuple[str, str], ...] = ()
    """Options of Proxmox that are one value each, as it names and spells them."""
    at_creation: tuple[tuple[str, str], ...] = ()
    """As `options`, but they are set only at creation."""
    features: tuple[str, ...] = ()
    """Proxmox features that the API token may set, such as `nesting=1`."""
    firewall: Firewall | None = None
    root_features: tuple[str, ...] = ()
    """The other Proxmox features. Like the five that follow, only root on the node may set them."""
    hookscript: str | None = None
    devices: tuple[str, ...] | None = None
    """Paths of the GPUs and their control devices; empty when it is declared that there are none."""
    root_options: tuple[tuple[str, str], ...] = ()
    """How its root disk is mounted, in Proxmox's spelling."""
    device_nodes: tuple[DeviceNode, ...] = ()
    """The other devices."""
    bind_mounts: tuple[BindMount, ...] = ()
    raw_lines: tuple[tuple[str, str], ...] = ()
    """Key and value of each raw `lxc.` line, in order."""
    scripts: tuple[Script, ...] = ()
    """What is run in it, or on the node for it, in this order."""
    access: tuple[Script, ...] = ()
    """What lets somebody log in. It is among the scripts too, as far as they are in reach."""
    health_check: HealthCheck | None = None
    snapshots: bool = False
    """Whether it is kept as it was before the scripts, and as it was when it was well."""
    state: DesiredState = DesiredState.RUNNING
    wait_for_address: int | None = None
    """Seconds in which it must have got an address. It is no property of the container, and not in the hash."""
    tags: tuple[str, ...] | None = None
    description: str | None = None
    pool: str | None = None
    ha: HaResource | None = None
    dependencies: tuple[int, ...] = ()
    not_applied: tuple[str, ...] = ()
    """`key: why` of each declared key whose effect this version does not have."""
    needs_shell: tuple[str, ...] = ()
    """The declared keys whose effect needs shell access to the node."""
    needs_version: tuple[tuple[str, tuple[int, ...]], ...] = ()
    """The declared keys that an older Proxmox does not have, each with the version that does."""
    source: Mapping[str, Any] = field(default_factory=dict)
    """The entry as it stands in the file."""
    script_json: str = ""
    """The JSON that scripts are given: the entry and the catalog's globals. Empty when there are none."""
    archives: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """The directories that are pushed with its scripts, by digest: parts of a tar archive."""
    hash: str = ""
    """Of everything above that has an effect; changes exactly when the declaration does."""
    moved_from: str = ""
    """The node that is declared, of a container that stands on another: `node` is where it stands, then."""
    copy_of: int | None = None
    """The template of the catalog that it is a copy of: the same, at another CTID."""
    lanes: int = 1
    """From how many templates on one node it is cloned: itself and its copies there."""
    via: int | None = None
    """The copy of its template that it is, or was, cloned from; None where that is the template itself."""
    nodes: tuple[str, ...] = ()
    """Those that it may be placed on, `ANY_NODE` for all. Empty when one node is declared. Not in the hash."""
    spread: SpreadGroup | None = None
    """Not in the hash: like `nodes`, it matters only while nothing is there."""

    def standing_on(self, node: str) -> Declaration:
        """Return the same of a container that stands on this node; its template is where it was."""
        if node == self.node:
            return self
        declared, template_node = self.moved_from or self.where, self.template_node
        if self.clone_from is not None:
            template_node = self.template_node or self.node or None
        return replace(
            self,
            node=node,
            moved_from="" if node == declared or self.may_be_on(node) else declared,
            template_node=None if template_node == node else template_node,
        )

    def cloned_by(self, source: Declaration) -> Declaration:
        """Return the same as a clone of what serves its node: its template, or a copy of that."""
        via = source.ctid if source.copy_of is not None else None
        return replace(self, via=via, template_node=None if source.node in {"", self.node} else source.node)

    @property
    def cloned_from(self) -> int | None:
        """What Proxmox clones it from: its template, or a copy of that."""
        return self.via or self.clone_from

    @property
    def is_copy(self) -> bool:
        """Whether it is a copy of a template, and not what one is rebuilt as."""
        return self.copy_of is not None and self.role is Role.TEMPLATE

    @property
    def pin(self) -> str:
        """By what the steps of a job name it, besides its CTID; no entry of the catalog has that of a copy."""
        return self.hash if self.copy_of is None else f"{self.hash}@{self.copy_of}.{self.node}"

    def may_be_on(self, node: str) -> bool:
        """Return whether it is to be placed, and may be on this node."""
        return node in self.nodes or ANY_NODE in self.nodes

    @property
    def where(self) -> str:
        """Say which node it is on, or which it may be placed on."""
        return self.node or ", ".join(self.nodes)

    @property
    def elsewhere(self) -> str:
        """Say where it stands, if that is not where the catalog says."""
        return f"CT {self.ctid} stands on {self.node}; the catalog says {self.moved_from}." if self.moved_from else ""

    @property
    def networks(self) -> tuple[Network, ...]:
        """All declared interfaces, in the order of their numbers."""
        return () if self.network is None else (self.network, *self.more_networks)

    @property
    def is_template(self) -> bool:
        """Whether others are cloned from it."""
        return self.role is not Role.CONTAINER

    @property
    def protected(self) -> bool:
        """Whether it may not be destroyed."""
        return (PROTECTION, "1") in self.options

    @property
    def runs(self) -> bool:
        """Whether it is left running; a template never is."""
        return self.state is DesiredState.RUNNING and not self.is_template

"""What the core and the tasks need from Proxmox, in words of their own. No library's type crosses this line.

Every method may raise `TransientError` (worth another try) or `PermanentError` (not).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from phoenix_worker.core.model.cluster import ClusterView
    from phoenix_worker.core.model.errors import PermanentError, TransientError
    from phoenix_worker.core.model.firewall import FirewallState, RuleWrite, TagRules
    from phoenix_worker.core.model.ha import HaState, HaWrite
    from phoenix_worker.core.model.observation import Observation


@dataclass(frozen=True, slots=True)
class CloneOrder:
    """A clone to be made. `storage` is None for linked clones, which stay where their template is."""

    node: str
    source: int
    ctid: int
    hostname: str
    notes: str
    full: bool
    storage: str | None = None
    pool: str | None = None
    source_node: str | None = None
    """Where the template is, if that is another node than the clone's."""

    @property
    def made_on(self) -> str:
        """The node that is asked, and whose task it is; the clone comes to its own node when it is whole."""
        return self.source_node or self.node


@dataclass(frozen=True, slots=True)
class CreateOrder:
    """A container to be created from an OS template. `config` holds all other parameters in Proxmox's spelling."""

    node: str
    ctid: int
    ostemplate: str
    unprivileged: bool
    config: Mapping[str, str] = field(default_factory=dict)
    pool: str | None = None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Parameters that nothing may show."""


@dataclass(frozen=True, slots=True)
class ProxmoxTask:
    """A line of a node's task list."""

    upid: str
    kind: str
    user: str
    running: bool
    started: int
    guest: str
    """The id in the UPID; a clone's is that of its source."""
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class TaskEnd:
    """How a Proxmox task ended. `WARNINGS: N` is a success."""

    exit_status: str
    log_tail: Sequence[str] = ()
    warned: Sequence[str] = ()
    """What a success with warnings has them say."""

    @property
    def succeeded(self) -> bool:
        """Whether Proxmox counts the task as done."""
        return self.exit_status == "OK" or self.warns

    @property
    def warns(self) -> bool:
        """Whether Proxmox has warned of something on the way."""
        return self.exit_status.startswith("WARNINGS")


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume on a storage."""

    id: str
    """Such as `local-zfs:basevol-900-disk-0/subvol-801-disk-0`."""
    ctid: int | None = None
    """Whose it is."""
    parent: str = ""
    """What it is a linked clone of, on storages that tell it apart from the name."""


@dataclass(frozen=True, slots=True)
class Storage:
    """A storage of the cluster, as it is configured."""

    name: str
    kind: str
    """Its type, such as `zfspool`."""
    content: frozenset[str] = frozenset()
    shared: bool = False
    nodes: frozenset[str] = frozenset()
    """Where it may be used; everywhere when empty."""
    enabled: bool = True
    path: str = ""
    """The directory of one that has files."""
    pool: str = ""
    """The ZFS or Ceph pool, or the volume group, of one that has volumes."""

    def is_on(self, node: str) -> bool:
        """Return whether a node may use it."""
        return not self.nodes or node in self.nodes


@dataclass(frozen=True, slots=True)
class SeenInterface:
    """An interface as it is in a running container."""

    name: str
    mac: str = ""
    addresses: tuple[str, ...] = ()
    """All that it has, each with its prefix length, such as `10.0.0.5/24`."""


class Proxmox(Protocol):
    """The API."""

    def observe(self, node: str, ctid: int, *, pending: bool = False, elsewhere: bool = True) -> Observation:
        """Look at one CTID: its configuration and status, or where else the id is taken.

        `pending` asks also for what waits for the next start (one more call, running containers only). Without
        `elsewhere` an id that is not on the node, and was not seen in the cluster lately, counts as absent: Proxmox
        itself refuses one that is taken. One of ours is looked at on whichever node it stands. Without a node any one
        is, and the node of what is absent is empty.
        """

    def observe_template(self, node: str, ctid: int, *, elsewhere: bool = True) -> Observation:
        """Look at a template: its configuration only, in one call when it is there. `running` is not looked up."""

    def glance(self, node: str, ctid: int) -> Observation | None:
        """Look once at what the cluster places on a node: its configuration only; None when it is not there any more.

        Nobody waits for a node that does not answer: TransientError.
        """

    def cluster(self, *, fresh: bool = False) -> ClusterView:
        """Look at the whole cluster, as of the last second; when `fresh`, as of now."""

    def clone(self, order: CloneOrder) -> str:
        """Start a clone; returns its UPID."""

    def create(self, order: CreateOrder) -> str:
        """Start a creation; returns its UPID."""

    def configure(
        self, node: str, ctid: int, *, changes: Mapping[str, str], delete: Sequence[str], digest: str | None
    ) -> None:
        """Change the configuration in one request; refused when `digest` is no longer the configuration's."""

    def resize(self, node: str, ctid: int, *, disk: str, size_gb: float) -> str:
        """Grow a disk to `size_gb` GiB; returns the UPID."""

    def start(self, node: str, ctid: int) -> str | None:
        """Start a container; returns the UPID, or None when it runs already."""

    def stop(self, node: str, ctid: int) -> str | None:
        """Shut a container down, by force after Proxmox's own timeout; returns the UPID, None when it is stopped."""

    def snapshot(self, node: str, ctid: int, name: str) -> str:
        """Take a snapshot; returns the UPID."""

    def convert_to_template(self, node: str, ctid: int) -> None:
        """Begin the conversion to a template. It ends unseen: observe until the flag and the base volume show."""

    def migrate(self, node: str, ctid: int, *, target: str, restart: bool) -> str:
        """Start a migration; returns the UPID. Of an HA resource it only asks HA, which migrates a while later."""

    def need_quorum(self, doing: str, guest: tuple[str, int] | None = None) -> None:
        """Raise TransientError while the cluster has no quorum; `doing` completes "Unable to …".

        Node and CTID of the guest tell of it where the token may not see the cluster's status.
        """

    def destroy(self, node: str, ctid: int) -> str:
        """Delete a container and every disk of its id, referenced or not; returns the UPID."""

    def firewall(self, node: str, ctid: int, *, option: bool = True) -> FirewallState:
        """Look at a container's firewall: whether it is on, unless `option` is false, and its rules."""

    def switch_firewall(
        self, node: str, ctid: int, *, on: bool | None = None, policies: Mapping[str, str] | None = None
    ) -> None:
        """Switch a container's firewall on or off, and set its policies. It works on interfaces with `firewall=1`."""

    def write_rule(self, node: str, ctid: int, write: RuleWrite, *, digest: str = "") -> None:
        """Change the firewall's rules by one request; refused when `digest` is no longer that of the rules.

        Proxmox looks at no digest when a rule is inserted.
        """

    def snapshots(self, node: str, ctid: int) -> list[str]:
        """Name a container's snapshots, the newest first."""

    def delete_snapshot(self, node: str, ctid: int, name: str) -> str:
        """Delete a snapshot; returns the UPID."""

    def version(self) -> tuple[int, ...]:
        """Return the version of Proxmox VE, such as (9, 1)."""

    def storages(self) -> dict[str, Storage]:
        """Return all storages that we may see, by name."""

    def bridges(self, node: str) -> frozenset[str]:
        """Return the bridges of a node that we may use."""

    def machine(self, node: str) -> str:
        """Return what a node's CPUs are, such as `x86_64`; nothing where Proxmox does not tell."""

    def tags_keep_case(self) -> bool:
        """Return whether the datacenter tells tags apart that differ in case alone."""

    def tag_rules(self) -> TagRules | None:
        """Return which tags may be set; None where all may, or nothing shows which."""

    def firewall_names(self, node: str = "", ctid: int = 0) -> frozenset[str]:
        """Return what the datacenter, or with it a guest, has for rules: aliases, and IP sets behind a plus sign."""

    def firewall_groups(self) -> frozenset[str]:
        """Return the names of the security groups."""

    def replication_jobs(self, ctid: int) -> list[str]:
        """Return the ids of a guest's replication jobs: Proxmox deletes none that has any."""

    def volumes(self, node: str, storage: str) -> list[Volume]:
        """Return all that a storage holds and that we may see."""

    def interfaces(self, node: str, ctid: int) -> tuple[SeenInterface, ...] | None:
        """Return the interfaces that a container has now; None when it does not run."""

    def free_volume(self, node: str, volume: str) -> str:
        """Delete a volume, whatever refers to it; returns the UPID."""

    def is_free(self, ctid: int) -> bool:
        """Return whether no guest of the cluster has this id, those included that we may not see."""

    def standing(self, ctids: range) -> dict[int, str]:
        """Return the node of each guest, container or VM, that has one of these ids."""

    def running(self, ctid: int) -> bool | None:
        """Return whether a guest that is not in the catalog runs; None when no guest has this id."""

    def task_end(self, upid: str) -> TaskEnd | None:
        """Return how a task ended, with the tail of its log if it failed or was a resize; None while it runs."""

    def task_failure(self, doing: str, end: TaskEnd) -> TransientError | PermanentError:
        """Say what a failed task means, as for a refused request; `doing` completes "Unable to …"."""

    def abort(self, upid: str) -> None:
        """Ask a task to stop; one that has ended stays as it is. Its end is seen by `task_end`."""

    def recent_tasks(self, node: str, ctid: int) -> list[ProxmoxTask]:
        """Return the node's tasks with this id in their UPID, newest first. A clone's UPID names its *source*."""

    def running_tasks(self, node: str) -> list[ProxmoxTask]:
        """Return all tasks that run on a node now."""

    def pool_of(self, ctid: int, expected: str) -> str:
        """Return the pool of a guest, nothing if it is in none. It takes one call if it is the expected one."""

    def join_pool(self, ctid: int, pool: str) -> None:
        """Make a guest a member of a pool, and of no other."""

    def ha_resource(self, ctid: int) -> HaState:
        """Look whether a container is an HA resource, and with which properties."""

    def write_ha_resource(self, ctid: int, write: HaWrite) -> None:
        """Make a container an HA resource, change that, or take it out."""

    def os_templates(self, node: str, storage: str) -> frozenset[str]:
        """Return the volume ids of the OS templates on a storage."""

    def appliances(self, node: str) -> frozenset[str]:
        """Return the file names of the OS templates in Proxmox's appliance index."""

    def download_os_template(self, node: str, volume: str) -> str:
        """Start the download of an OS template of the index; returns the UPID."""

    def fetch_os_template(self, node: str, volume: str, *, url: str, checksum: str | None) -> str:
        """Start the download of an OS template from a URL; returns the UPID."""

    def pull_image(self, node: str, volume: str, image: str) -> str:
        """Start to pull an OCI image from its registry, as `volume`; returns the UPID."""

    def privileges(self, path: str) -> frozenset[str]:
        """Return what the token may do on a path of the access control; of `/vms`, what it may on every guest."""

    def whoami(self) -> str:
        """Return the name that our own tasks carry in their UPIDs: `user@realm!token`."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command on a node ended: 127 if it does not exist, 128 + N if signal N ended it."""

    exit_code: int
    out: bytes
    err: bytes


class NodeShell(Protocol):
    """Shell access to a node: commands on a node, as root. What the API cannot do is built on it."""

    def run(self, node: str, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Ran:
        """Run one command to its end, at most `timeout` seconds; no shell ever reads its arguments.

        Raises TransientError when the node cannot be reached, the connection is cut, or the time is over: the command
        may have run, or run still. Raises PermanentError when the host key or our own key is refused, for a node that
        it does not lead to, and for an argument that no command can have.
        """

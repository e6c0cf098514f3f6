"""One entry of the catalog as it is written in the file, and what is wrong with it on its own."""

# No postponed annotations here: pydantic needs the types when the classes are made.
import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from phoenix_producer.contract import LONGEST_WAIT_FOR_ADDRESS
from phoenix_worker.catalog.access_sections import Password, SshKeys
from phoenix_worker.catalog.device_sections import Device
from phoenix_worker.catalog.entry_refusals import refusals
from phoenix_worker.catalog.fields import (
    CtidField,
    Description,
    Gpus,
    HostName,
    IdMap,
    LxcOption,
    Mac,
    PathText,
    PctOption,
    PoolName,
    Profile,
    ScriptName,
    StorageId,
    Tag,
)
from phoenix_worker.catalog.findings import Refusal, shown
from phoenix_worker.catalog.ha_section import HaKey
from phoenix_worker.catalog.mount_sections import MountPoint, RootDisk, Volume
from phoenix_worker.catalog.network_sections import FurtherNetwork, NetworkConfig
from phoenix_worker.catalog.option_fields import Arch, CpuLimit, Domains, Entrypoint, HookScript, OsType, TimeZone
from phoenix_worker.catalog.placing import Nodes, Spread
from phoenix_worker.catalog.sections import (
    Firewall,
    HealthCheck,
    Section,
)
from phoenix_worker.catalog.template_fields import Checksum, Template

DATA_KEYS = {
    "ports": "Ports that the container offers, for scripts.",
    "portainer_role": "Role in Portainer, for scripts.",
    "tests": "Tests of what runs inside, for scripts.",
    "traefik_service": "Service in Traefik, for scripts.",
    "trigger_sync_on_completion": "Whether a sync follows, for scripts.",
    "vllm_engine_config": "Configuration of vLLM, for scripts.",
}
"""Keys that are only handed to scripts, as all unknown ones are."""

OLD_KEYS = ("template_file", "template_snapshot_name", "clone_from_template_ctid")
"""Keys of files older than native templates; `migration.py` removes them."""


class Entry(Section):
    """The keys that have an effect. Everything else stays in the raw entry."""

    model_config = ConfigDict(extra="ignore")

    name: HostName
    """Hostname: a DNS name of at most 64 characters."""
    clone_from_ctid: CtidField | None = None
    """The template that this container is a clone of. It takes precedence over `template`."""
    template: Template | None = None
    """OS template to create from where there is no `clone_from_ctid`: a volume id such as `local:vztmpl/x.tar.zst`; or
    a path, of which the file name counts; or `https://…/x.tar.zst`; or `oci://docker.io/library/alpine:3.20`, an image
    with its tag (Proxmox 9.1 or newer). What the storage lacks is fetched from there, or from Proxmox's index.
    """
    checksum: Checksum | None = None
    """Of a `template` by URL: `sha256:…`, or md5, sha1, sha224, sha384, sha512. Checked when it is fetched."""
    storage_pool: StorageId | None = None
    """Storage of the root disk. One that is created without it goes to `local`, as Proxmox has it."""
    storage_size_gb: int | None = Field(default=None, ge=1)
    """Size of the root disk in GiB. A clone is grown to it; at least its template's."""
    root_disk: RootDisk | None = None
    """How the root disk is mounted."""
    memory_mb: int | None = Field(default=None, ge=16)
    """Memory in MiB."""
    swap_mb: int | None = Field(default=None, ge=0)
    """Swap in MiB."""
    cores: int | None = Field(default=None, ge=1, le=8192)
    """Number of cores."""
    cpu_limit: CpuLimit | None = None
    """How many cores' time it may take at most, such as `1.5`; `0` for no limit."""
    cpu_units: int | None = Field(default=None, ge=0, le=500000)
    """Its weight when the CPUs are busy; Proxmox's default is 100."""
    network_config: NetworkConfig | None = None
    """`net0` and the name servers."""
    networks: list[FurtherNetwork] = Field(default_factory=list)
    """More interfaces: `net1`, `net2` and so on; without `network_config` they begin with `net0`. One that is taken out
    of the list stays, and is named in a warning.
    """
    mac_address: Mac | None = None
    """MAC address of `net0`. Without it Proxmox chooses one, and it is kept."""
    search_domain: Domains = Field(default_factory=list)
    """Domains that names are looked up in: a list, or one string with commas or spaces."""
    unprivileged: bool | None = None
    """Set only at creation. A clone has its template's value; true if nothing declares it."""
    start_at_boot: bool | None = None
    """Start with the node. Not on templates."""
    boot_order: int | None = Field(default=None, ge=0)
    """Place in the order of starting; not on templates."""
    boot_delay: int | None = Field(default=None, ge=0)
    """Seconds that Proxmox waits after this start before the next; not on templates."""
    boot_down_delay: int | None = Field(default=None, ge=0)
    """Seconds that Proxmox gives it to shut down with the node; not on templates."""
    protection: bool | None = None
    """Nobody may destroy it or remove its disks, this product included, until it says `false` and was ensured so."""
    timezone: TimeZone | None = None
    """Such as `Europe/Berlin` or `UTC`; `host` for that of the node."""
    console: bool | None = None
    """Whether it has a console, `/dev/console`."""
    tty: int | None = Field(default=None, ge=0, le=6)
    """Number of its terminals."""
    cmode: Literal["tty", "console", "shell"] | None = None
    """What Proxmox's console shows: a terminal to log in, `/dev/console`, or a shell without login."""
    entrypoint: Entrypoint | None = None
    """Command that runs as its first process in the place of an init. Proxmox 9.1 or newer."""
    environment: Any = None
    """Of a container that begins with an `oci://` image or a `.tar`: variables of what it runs, by name; others,
    such as those of the image, stay. Proxmox 9.1 or newer. For all other containers it is data for scripts.
    """
    os_type: OsType | None = None
    """By which Proxmox sets it up; found out by default. Set only at creation, and not on clones."""
    arch: Arch | None = None
    """Architecture; found out by default. Set only at creation, and not on clones."""
    hookscript: HookScript | None = None
    """Snippet that the node runs when it starts and stops. It needs shell access."""
    pct_options: list[PctOption] = Field(default_factory=list)
    """Proxmox features, such as `nesting=1`. All but `nesting` of an unprivileged container need shell access."""
    lxc_options: list[LxcOption] = Field(default_factory=list)
    """Raw `lxc.*` lines, written `key=value`, `key: value` or `key:value`. They need shell access."""
    apparmor_profile: Profile | None = None
    """Raw line `lxc.apparmor.profile`. It needs shell access."""
    apparmor_manages_nesting: bool = False
    """Raw line `lxc.apparmor.allow_nesting`. It needs shell access."""
    id_maps: list[IdMap] = Field(default_factory=list)
    """Raw lines `lxc.idmap`, such as `u 0 100000 65536`. They need shell access."""
    gpu_assignment: Gpus = "none"
    """NVIDIA GPUs that are passed through: `none`, `0` or `0,1`. They need shell access."""
    devices: list[Device] = Field(default_factory=list)
    """Devices of the node, besides those of `gpu_assignment`. They need shell access; Proxmox 8.1 or newer."""
    mount_points: list[MountPoint] = Field(default_factory=list)
    """Bind mounts of directories of the node. They need shell access; not on templates."""
    zfs_volumes: list[Volume] = Field(default_factory=list)
    """Volumes besides the root disk, known by where they are mounted; as `volumes`."""
    volumes: list[Volume] = Field(default_factory=list)
    """Volumes besides the root disk, known by where they are mounted. They are made and grown, never removed."""
    firewall: Firewall | None = None
    """The firewall of the container."""
    ssh_public_keys: SshKeys | None = None
    """Root's public SSH keys: a list, or the name of a file beside the catalog. A new container from an OS template is
    created with them; in clones, and after changes, they need shell access. Keys that others put there stay.
    """
    password: Password | None = None
    """Root's password, which the catalog only names: `{"env": NAME}` or `{"file": PATH}` of the worker. As
    `ssh_public_keys`; it is set again when it is found elsewhere. That it changed at its place is not noticed, since
    nothing of it is kept anywhere: `phoenix-lxc ensure CTID --rerun password` sets it again.
    """
    features: list[ScriptName] = Field(default_factory=list)
    """Feature scripts, in their order. They need shell access."""
    application_script: PathText | None = None
    """One more script, run last. It needs shell access."""
    script_files: dict[ScriptName, PathText] = Field(default_factory=dict)
    """Where a script is, by its feature, or `application_script`; otherwise as the settings say. A path beside the
    catalog is pushed into the container and run there; an absolute path is one of the node, and run there.
    """
    script_timeouts: dict[ScriptName, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """Seconds that a script may take, by its feature, or `application_script`; otherwise as the settings say."""
    health_check: HealthCheck | None = None
    """A command inside the container that exits with 0 when it is healthy. It needs shell access; not on templates."""
    dependencies: list[CtidField] = Field(default_factory=list)
    """What is ensured and running first. A guest that is not in the catalog, such as a VM, is only checked."""
    enable_lifecycle_snapshots: bool = False
    """Snapshots `pre-configured`, before the scripts, and `final-form`, after the health check; never on templates."""
    node: Nodes | None = None
    """Node where it is made; or a list of nodes, or `any`, of which one is chosen that has room, when it is made. By
    default that of the settings. One that was moved later is followed, not moved back.
    """
    spread: Spread | None = None
    """Name of a group: those of one group are placed on different nodes, as far as there is room. With
    `{"group": "web", "require": true}` no two of them are placed on one node.
    """
    clone: Literal["full", "linked"] = "full"
    """A linked clone shares the blocks of its template and stays on its storage. Set only at creation."""
    lanes: int = Field(default=1, ge=1, le=8)
    """Of a template: from how many on the same node its clones are made at the same time, itself and copies of it
    (`PHOENIX_COPY_CTIDS`). A copy is made when several clones wait.
    """
    is_template: bool = False
    """A template that nothing clones yet. What others are cloned from is one without saying so."""
    state: Literal["running", "stopped"] = "running"
    """Power state in which it is left."""
    wait_for_address: int | None = Field(default=None, ge=1, le=LONGEST_WAIT_FOR_ADDRESS)
    """Seconds in which DHCP or SLAAC must have given it an address, on each interface that they serve; an ensure waits
    for that, and fails without. Nothing is waited for where all addresses are fixed; not on templates.
    """
    tags: list[Tag] | None = None
    """Tags in Proxmox; `phoenix` is added."""
    description: Description | None = None
    """Notes in Proxmox; our own line stands below. Without it, the notes that are there are kept."""
    pool: PoolName | None = None
    """Pool that it is a member of."""
    ha: HaKey | None = None
    """Whether Proxmox's HA looks after it: `true`, `false` to take it out, or an object. Without it nothing is changed.
    The workers' token needs Sys.Console on `/` for it; not on templates.
    """

    @property
    def all_volumes(self) -> tuple[Volume, ...]:
        """The volumes of both keys."""
        return (*self.zfs_volumes, *self.volumes)


@dataclass(frozen=True, slots=True)
class ParsedEntry:
    """An entry with its raw form. Of the keys in `broken`, `entry` has what is right of them."""

    ctid: int
    entry: Entry
    raw: Mapping[str, Any]
    broken: frozenset[str] = frozenset()

    def declares(self, key: str) -> bool:
        """Return whether the file has a value for this key, a right or a wrong one."""
        return self.raw.get(key) not in (None, "", [], {})


def parse_entry(ctid: int, raw: Any) -> tuple[ParsedEntry | None, list[Refusal]]:
    """Check one raw entry. With refusals the entry holds what is right of it, so that the rest is checked too."""
    if not isinstance(raw, dict):
        return None, [Refusal(ctid, f"The entry is {shown(raw)}, not an object.", 'Write {"name": …}.')]
    right, wrong = raw, list[ErrorDetails]()
    while True:
        try:
            entry = Entry.model_validate(right)
        except ValidationError as error:
            details = error.errors(include_url=False)
        else:
            broken = frozenset(str(detail["loc"][0]) for detail in wrong)
            return ParsedEntry(ctid, entry, raw, broken), refusals(ctid, wrong, raw, Entry)
        right = copy.deepcopy(right)
        # What is missing only because it was wrong was told of already.
        wrong += [one for one in details if not wrong or one["type"] != "missing"]
        # From the end: taking an item out of a list moves those behind it.
        for key, *inner in reversed(dict.fromkeys(one["loc"][:2] for one in details)):
            _leave_out(right, str(key), *inner)


_BY_ITEM = ("dependencies", "devices", "mount_points", "volumes", "zfs_volumes")
"""Lists whose right items are looked at without the wrong ones."""
_TOGETHER = ("gw", "gw6", "host_managed")
"""Parts of a network's configuration that may not go with others of it; without them it is right."""
_STAND_IN = {"name": "ct", "bridge": "vmbr0"}
"""Taken for what has to be there, so that the rest can be looked at. Nothing is made of it."""


def _leave_out(entry: dict[str, Any], key: str, inner: int | str | None = None) -> None:
    """Take the least that is wrong out of an entry: an item, a part of the network's configuration, or a key."""
    value = entry.get(key)
    if key in _BY_ITEM and isinstance(value, list) and isinstance(inner, int):
        del value[inner]
    elif key == "network_config" and isinstance(value, dict) and (inner is None or inner in {*value, *_STAND_IN}):
        for part in _TOGETHER if inner is None else (inner,):
            value.pop(part, None)
        if inner in _STAND_IN:
            value[inner] = _STAND_IN[inner]
    else:
        entry.pop(key, None)
        if key in _STAND_IN:
            entry[key] = _STAND_IN[key]

"""What Proxmox says when it refuses, and what that means to us. Data only: `errors` reads it, the first row that fits.

Application errors are all 500 and the same texts end tasks (`exitstatus`), so it is the text that decides. The texts
are those of pve-container, pve-guest-common, pve-storage and pve-access-control, as PVE 8.4 and 9.2 send them.
"""

from __future__ import annotations

from phoenix_worker.core.allowed.left_disks import LEFT_DISK
from phoenix_worker.core.allowed.versions import HA_GROUPS_GONE
from phoenix_worker.core.planned.datacenter import TAG_NOT_ALLOWED, TAG_REMEDY
from phoenix_worker.proxmox.error_row import Kind, Row
from phoenix_worker.proxmox.passing_rows import (
    DISKS_COME_AND_GO,
    NODE_TROUBLE,
    PASSES_BY_ITSELF,
    STORAGE_AWAY,
    WAITED_FOR,
)

ALREADY_EXISTS = "already-exists"
ALREADY_RUNNING = "already-running"
ALREADY_TEMPLATE = "already-template"
BAD_PARAMETER = "bad-parameter"
MISSING = "missing"
NO_HA_RESOURCE = "no-ha-resource"
NOT_RUNNING = "not-running"
PERMISSION = "proxmox-permission"
UNKNOWN_OUTCOME = "unknown-outcome"
UNREACHABLE = "unreachable"

NO_CONNECTION = frozenset({503, 595})
"""pveproxy did not get through to pvedaemon or to the other node: nothing was done."""
LOST_ANSWER = frozenset({408, 502, 504, 596, 597, 598, 599})
"""The request was on its way when the connection broke."""

_TRANSIENT, _PERMANENT = Kind.TRANSIENT, Kind.PERMANENT
GONE = "The container was deleted, or moved to another node, after this job looked. Send the request again."
"""What to do about MISSING."""
_ACCESS = (
    Row(
        "",
        _PERMANENT,
        "proxmox-login",
        "Check the API token's id (PHOENIX_PROXMOX_USER, PHOENIX_PROXMOX_TOKEN_NAME) and secret "
        "(PHOENIX_PROXMOX_TOKEN_VALUE), and that it has not expired.",
        (401,),
    ),
    Row(
        r"only allowed for root@pam|[Oo]nly root can|user != root@pam",
        _PERMANENT,
        "root-only",
        "Only root on the node may do this, no API token. Give the workers shell access (PHOENIX_SHELL), or remove the "
        "key from the catalog.",
    ),
    Row(
        r"pool '(?P<pool>[^']+)' does not exist",
        _PERMANENT,
        "pool-missing",
        "Create the pool '{pool}' in Proxmox, or correct `pool` in the catalog.",
    ),
    Row(
        r"for modifying tag '(?P<tag>[^']+)'",
        _PERMANENT,
        TAG_NOT_ALLOWED,
        TAG_REMEDY,
    ),
    Row(
        r"Permission check failed \((?P<path>/[^,()]*), (?P<privilege>[^()]+)\)",
        _PERMANENT,
        PERMISSION,
        "Give the API token the privilege {privilege} on {path}.",
    ),
    Row(r"Permission check failed", _PERMANENT, PERMISSION, "Give the API token {needs}."),
    Row("", _PERMANENT, PERMISSION, "Give the API token {needs}.", (403,)),
)

_NO_SPACE = Row(
    r"No space left|not enough free space|out of space|[Ii]nsufficient (free|suitable)|quota exceeded|"
    r"free space in thin pool",
    _PERMANENT,
    "no-space",
    "Free space on the storage.",
)
NAMED_BY_LOGS = (*WAITED_FOR, *NODE_TROUBLE, *STORAGE_AWAY, _NO_SPACE)
"""What the end of a task may leave to its log: it names the command that failed."""

_IS_SO_ALREADY = (
    Row(
        r"(disk image|file|volume) ('(?P<path>[^']+)'|(?P<name>\S+)) already exists|"
        r"cannot create '(?P<dataset>[^']+)': dataset already exists|"
        r"rbd create '(?P<image>[^']+)' error: .*File exists|Logical [Vv]olume \"(?P<lv>[^\"]+)\" already exists",
        _PERMANENT,
        LEFT_DISK,
        "Find out whose disk {path}{name}{dataset}{image}{lv} is. If nobody needs it, run on the node: "
        "`pvesm free STORAGE:VOLUME`.",
    ),
    Row(
        r"(CT|VM) \d+ already exists|close \(rename\) atomic file '[^']*/\d+\.conf[^']*' failed: File exists",
        _PERMANENT,
        ALREADY_EXISTS,
        "Find what has this id now: run `phoenix-lxc plan {ctid}`, or look in the Proxmox web interface.",
    ),
    Row(r"CT \d+ already running", _PERMANENT, ALREADY_RUNNING, "Nothing to do."),
    Row(r"CT \d+ not running", _PERMANENT, NOT_RUNNING, "Start the container."),
    Row(r"can't convert a template to a template", _PERMANENT, ALREADY_TEMPLATE, "Nothing to do."),
    Row(r"Configuration file '[^']*' does not exist", _PERMANENT, MISSING, GONE),
    Row(
        r"no such task|unable to parse worker upid",
        _PERMANENT,
        "task-forgotten",
        "Send the request again: the worker checks what was done.",
    ),
)

_TEMPLATES_AND_CLONES = (
    Row(
        r"Linked clone feature for '(?P<volume>[^']+)' is not available",
        _PERMANENT,
        "linked-clone-unavailable",
        'Declare `"clone": "full"`: the storage of {volume} has no linked clones.',
    ),
    Row(
        r"parameter 'storage' not allowed for linked clones",
        _PERMANENT,
        "linked-clone-storage",
        'Declare `"clone": "full"`, or the storage of the template.',
    ),
    Row(
        r"unable to clone mountpoint '(?P<mount>\w+)'",
        _PERMANENT,
        "bind-mount",
        "Remove {mount} from the template: Proxmox clones volumes only.",
    ),
    Row(r"(?i)full clones? (of|on) a running container", _PERMANENT, "is-running", "Stop the source of the clone."),
    Row(
        r"can't clone (CT )?to n",
        _PERMANENT,
        "storage-not-shared",
        "Set `storage_pool` to a shared storage, or `node` to the template's node.",
    ),
    Row(
        r"can't start a CT if it's a template", _PERMANENT, "is-template", "A template never starts: use a clone of it."
    ),
    Row(r"if the CT is running|container is running", _PERMANENT, "is-running", "Stop the container first."),
    Row(
        r"because CT contains snapshots",
        _PERMANENT,
        "has-snapshots",
        "Delete its snapshots: `pct listsnapshot {ctid}` and `pct delsnapshot {ctid} NAME` on the node.",
    ),
    Row(
        r"Template feature is not available for '(?P<volume>[^']+)'",
        _PERMANENT,
        "template-unavailable",
        "Use another storage: that of {volume} has no templates.",
    ),
    Row(
        r"still in use by linked clone|has dependent clones",
        _PERMANENT,
        "has-linked-clones",
        "Destroy its linked clones first.",
    ),
)

_STORAGE_AND_PLACE = (
    Row(
        r"storage '(?P<storage>[^']+)' does not exist",
        _PERMANENT,
        "storage-missing",
        "Correct where the catalog names '{storage}': `storage_pool`, or the `pool` of a volume.",
    ),
    Row(
        r"storage '(?P<storage>[^']+)' (is not available on node|is disabled)",
        _PERMANENT,
        "storage-offline",
        "Bring the storage '{storage}' up on the node, or declare another.",
    ),
    Row(
        r"storage '(?P<storage>[^']+)' (does not support templates|is not configured for content-type 'vztmpl')",
        _PERMANENT,
        "storage-content",
        "Allow OS templates (`vztmpl`) on the storage '{storage}', or name another in `template`.",
    ),
    Row(
        r"storage '(?P<storage>[^']+)' does not (support|allow)",
        _PERMANENT,
        "storage-content",
        "Allow containers (`rootdir`) on the storage '{storage}', or declare another.",
    ),
    Row(
        r"volume '(?P<volume>[^']+)' does not exist",
        _PERMANENT,
        "volume-missing",
        "Upload or download {volume}, or correct `template`.",
    ),
    _NO_SPACE,
    Row(
        r"unable to shrink disk size",
        _PERMANENT,
        "shrink",
        "Raise the size in the catalog: a disk never shrinks. If Proxmox shows it smaller than that, somebody has "
        "grown the disk itself: run `pct rescan --vmid {ctid}` on the node, then send the request again.",
    ),
    Row(
        r"bridge '(?P<bridge>[^']+)'(\.?$| does not exist| is not active| is neither)",
        _PERMANENT,
        "bridge-missing",
        "Bring the bridge '{bridge}' up on the node, or correct `bridge` in the catalog.",
    ),
    Row(
        r"[Dd]evice (?P<device>/\S+) does not exist|(?P<other>/\S+) is not a device",
        _PERMANENT,
        "device-missing",
        "Correct `devices`, or load the driver that makes {device}{other} on the node.",
    ),
    Row(
        r"hostname lookup '(?P<node>[^']+)' failed",
        _PERMANENT,
        "no-such-node",
        "Correct `node` in the catalog, or PHOENIX_NODE: the cluster has no '{node}'.",
    ),
    Row(r"no such cluster node '(?P<node>[^']+)'", _PERMANENT, "no-such-node", "Correct `node` or PHOENIX_NODE."),
    Row(r"Install 'skopeo'", _PERMANENT, "skopeo-missing", "Run on the node: `apt install skopeo`."),
    Row(
        r"protection mode enabled",
        _PERMANENT,
        "protected",
        "Switch the container's protection off: `pct set {ctid} --protection 0` on the node.",
    ),
    Row(r"no such resource 'ct:", _PERMANENT, NO_HA_RESOURCE, "Send the request again: it was taken out of HA."),
    Row(r"ha groups have been migrated to rules", _PERMANENT, "ha-groups-gone", HA_GROUPS_GONE),
    Row(
        r"There is a replication job '(?P<job>[^']+)'",
        _PERMANENT,
        "replicated",
        "Remove the replication job: `pvesr delete {job}` on the node. Proxmox takes a minute or two for that; then "
        "send the request again.",
    ),
    Row(
        r"used in HA resources",
        _PERMANENT,
        "ha-managed",
        "Remove the container from the HA resources first: `ha-manager remove ct:{ctid}`.",
    ),
)

_WHAT_WAS_ASKED = (
    Row(
        r"unable to hotplug (?P<key>\w+):",
        _PERMANENT,
        "hotplug",
        "The container needs a stop for {key}: run `pct shutdown {ctid}` on the node, then send the request again.",
    ),
    Row(
        r"unable to apply pending change (?P<key>\w+) ?:",
        _PERMANENT,
        "pending-change",
        "Correct what Proxmox names and send the request again; or take the change back on the node: "
        "`pct set {ctid} --revert {key}`.",
    ),
    Row("", _PERMANENT, BAD_PARAMETER, "Correct the value in the catalog.", (400,)),
    Row(
        "",
        _PERMANENT,
        "not-implemented",
        "Check that the address in PHOENIX_PROXMOX_HOST is that of a Proxmox VE 8 or 9.",
        (404, 405, 501),
    ),
    Row(
        r"interrupted by (signal|unexpected signal)|received interrupt",
        _PERMANENT,
        "aborted",
        "The task was stopped in Proxmox; send the request again if that was a mistake.",
    ),
)

TABLE: tuple[Row, ...] = (
    *_ACCESS,
    Row(
        r"phoenix-node-door: not allowed",
        _PERMANENT,
        "node-door",
        "Allow the command in the arguments of phoenix-node-door, in authorized_keys on the node, and install the "
        "node_door.py of the worker's version there.",
    ),
    *(
        Row("", _TRANSIENT, UNREACHABLE, "Check that the node and its pveproxy and pvedaemon run.", (status,))
        for status in sorted(NO_CONNECTION | LOST_ANSWER)
    ),
    *PASSES_BY_ITSELF,
    *NODE_TROUBLE,
    *STORAGE_AWAY,
    DISKS_COME_AND_GO,
    *_IS_SO_ALREADY,
    *_TEMPLATES_AND_CLONES,
    *_STORAGE_AND_PLACE,
    *_WHAT_WAS_ASKED,
)
ANYTHING_ELSE = Row(
    "",
    _PERMANENT,
    "proxmox-error",
    "The reason is in Proxmox's own words. For more, see the task log in Proxmox, or run `journalctl -u pvedaemon` on "
    "the node.",
)

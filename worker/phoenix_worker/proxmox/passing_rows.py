"""What passes by itself: locks, a node or a storage that is busy, commands that were too slow. Data only."""

from __future__ import annotations

from phoenix_worker.core.model.errors import RESTORE_QUORUM
from phoenix_worker.proxmox.error_row import TASK, Kind, Row

_TRANSIENT = Kind.TRANSIENT
LASTS = "Nothing to do unless it persists."
_UNLOCK = "If no task is running on it, the Proxmox process of a task died: run `pct unlock {ctid}` on the node."
CONTAINER_LOCKS = (
    *("backup", "create", "destroyed", "disk", "fstrim"),
    *("migrate", "mounted", "rollback", "snapshot", "snapshot-delete"),
)
"""Every value that `lock` may have: the list in `PVE/LXC/Config.pm`."""

WAITED_FOR = (
    Row(
        r"can't lock file|got (lock (request )?)?timeout|-locked command timed|migration lock",
        _TRANSIENT,
        "lock-timeout",
        LASTS,
    ),
    # Without quorum /etc/pve can only be read, and requests that do not ask for it fail when they write there.
    Row(
        r"no quorum|'/etc/pve/[^']*'[^']*('[^']*'[^']*)?Permission denied|"
        r"config file( to node '[^']*')?: Permission denied",
        _TRANSIENT,
        "no-quorum",
        RESTORE_QUORUM,
    ),
)
PASSES_BY_ITSELF = (
    Row(rf"is locked \(({'|'.join(CONTAINER_LOCKS)})\)", _TRANSIENT, "locked", _UNLOCK),
    *WAITED_FOR,
    Row(r"detected modified configuration|resource ID '[^']+' already defined", _TRANSIENT, "stale-digest", LASTS),
    Row(
        r"disk is already at specified size",
        _TRANSIENT,
        "stale-size",
        "If it persists, somebody has grown the disk itself: `pct rescan --vmid {ctid}` on the node has Proxmox show "
        "its size.",
    ),
    Row(r"^unexpected status$", _TRANSIENT, "proxmox-worker-died", _UNLOCK, (TASK,)),
    # A conversion that ended well, or shows nowhere, as the watcher tells it: another one may hold.
    Row(
        r"^Proxmox does not list it as a template$",
        _TRANSIENT,
        "undone",
        "Find out what changes CT {ctid} meanwhile: see its tasks on the node.",
        (TASK,),
    ),
    Row("", _TRANSIENT, "too-many-requests", LASTS, (429,)),
)

NODE_TROUBLE = (
    Row(
        r"Too many open files in system",
        _TRANSIENT,
        "passing-trouble",
        "If it persists, take the limit off on the node, as systemd does: `sysctl -w fs.file-max=9223372036854775807`.",
    ),
    # Where a file, a socket or a pipe is named, it is the limit of one process; of inotify nothing is named.
    Row(
        r"('/[^']*'|socket|socketpair|pipe)( -|:| failed -| failed:) Too many open files",
        _TRANSIENT,
        "passing-trouble",
        "If it persists, restart on the node what keeps its files open: `systemctl restart pvedaemon pveproxy`.",
    ),
    Row(
        r"Too many open files",
        _TRANSIENT,
        "inotify-used-up",
        "Raise the limit on the node: `sysctl -w fs.inotify.max_user_instances=1024`, and the same line without "
        "`sysctl -w` in /etc/sysctl.d/99-inotify.conf to keep it.",
    ),
    Row(
        r"inotify.*No space left on device",
        _TRANSIENT,
        "inotify-used-up",
        "Raise the limit on the node: `sysctl -w fs.inotify.max_user_watches=1048576`, and the same line without "
        "`sysctl -w` in /etc/sysctl.d/99-inotify.conf to keep it.",
    ),
    Row(
        r"(command|state) socket|Connection reset by peer|ipcc_send_rec|Unable to load access control list|"
        r"RPCEnvironment init request failed|unable to get remote IP address|Temporary failure in name resolution|"
        r"got no worker upid|unable to fork worker|^fork failed: |cluster filesystem not online|\(pmxcfs\) not mounted|"
        r"/etc/pve\b.*(Transport endpoint is not connected|Software caused connection abort|Input/output error)|"
        r"dataset is busy|Logical volume \S+ (is )?(in use|used by another|contains a filesystem in use)|has watchers|"
        r"umount: \S+: target is busy|no zvol device link",
        _TRANSIENT,
        "passing-trouble",
        LASTS,
    ),
    Row(
        r"unable to get PID for CT|no monitor socket|monitor socket: |pidfd of container \d+'s|"
        r"cgroup values: container not running|container did not stop|Lost 'create' config lock|"
        r"timeout waiting on systemd|starting worker failed|got strange worker upid|sync pipe read error|"
        r"parent setup error|unable to read process start time|got signal \d+|"
        r"Could not determine current size of volume|failed to query (file|size) information|"
        r"rbd volume info on \S+ failed|from rbd du|couldn't connect to the cluster",
        _TRANSIENT,
        "passing-trouble",
        LASTS,
    ),
    # What the kernel says of a moment; a parameter that is refused with it is refused for good.
    *(
        Row(
            r"Interrupted system call|Resource temporarily unavailable|Cannot allocate memory|Device or resource busy|"
            r"Stale (NFS )?file handle|Connection timed out|Connection refused|Broken pipe|Host is down|"
            r"No route to host|Network is unreachable|Transport endpoint is not connected|Text file busy",
            _TRANSIENT,
            "passing-trouble",
            LASTS,
            (status,),
        )
        for status in (500, TASK)
    ),
)

# A storage that does not answer: its server may be busy for a moment.
STORAGE_AWAY = (
    Row(
        r"storage '(?P<storage>[^']+)' is not online|"
        r"connection check for storage '(?P<checked>[^']+)' failed|"
        r"(unable to|could not) activate storage '(?P<activated>[^']+)'",
        _TRANSIENT,
        "storage-away",
        "Bring the storage '{storage}{checked}{activated}' up on the node, or declare another.",
    ),
)

# Not in the end of a task: there the disk may be lost, and then it lasts.
DISKS_COME_AND_GO = Row(
    r"qemu-img: Could not open|rbd: listing images failed|cannot open '[^']+': dataset does not exist",
    _TRANSIENT,
    "passing-trouble",
    LASTS,
    (500,),
)

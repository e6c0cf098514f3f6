"""The labels that counters have from the start, at 0: without them the first failure of a kind raises no `increase()`.

They are bounded. What is none of them is counted as `other`, and a failure without a known cause as `unknown`, so that
neither a message nor an answer of Proxmox can make series without end.
"""

from __future__ import annotations

from phoenix_producer.contract import REQUESTS, Outcome
from phoenix_worker.step_names import StepName

OTHER = "other"
UNKNOWN = "unknown"

REQUEST_NAMES = frozenset(name.removeprefix("phoenix.") for name in REQUESTS)
OUTCOMES = frozenset({*map(str, Outcome), "answered", "cancelled", "dry-run", "failed"})
STEPS = frozenset(map(str, StepName))
TASKS = REQUEST_NAMES | {step.task.removeprefix("phoenix.") for step in StepName}
LOCK_KINDS = frozenset({"build", "ct", "node"})
RECOVERED = frozenset({"message", "run"})

CAUSES = frozenset(
    """
    aborted absent already-exists already-running already-template bad-command bad-parameter bad-request bad-upid
    being-created being-destroyed bind-mount bridge-missing broken-seal cancelled catalog catalog-changed
    changed-meanwhile copy-taken dependency device-missing firewall-name-missing forced-command forgotten grants-vanish
    ha-error ha-groups-gone ha-ignores ha-managed half-made has-linked-clones has-snapshots hotplug inotify-used-up
    internal is-a-service is-running is-template left-disk link-in-path linked-clone-local linked-clone-storage
    linked-clone-unavailable lock-timeout locked missing moved no-address no-copy-ctid no-ha-resource no-node
    no-os-template no-quorum no-scratch no-shell no-space no-such-id no-such-node no-such-script node-door node-drained
    node-offline not-a-directory not-a-template not-declared not-implemented not-ours not-proxmox not-running
    not-taken not-well notes-too-long other-node passing-trouble pending-change poisonous pool-missing power-state
    protected proxmox-answer proxmox-error proxmox-login proxmox-permission proxmox-too-old proxmox-worker-died
    replicated revoked role-changed root-only scratch-taken script-busy script-changed script-failed script-lost
    script-missing script-start script-timeout secret-missing shell-authentication shell-busy shell-cut
    shell-host-key shell-incompatible shell-other-node shell-output shell-settings shell-timeout shell-unreachable
    shrink skopeo-missing stale-digest stale-size storage-away storage-content storage-missing storage-not-shared
    storage-offline tag-not-allowed task-forgotten template-rerun template-unavailable timeout tls too-many-requests
    undone unexpected unknown-outcome unreachable vm-has-id volume-missing wait-while-stopped
    """.split()  # noqa: SIM905 - a hundred words, one a line, are for nobody to read
)
"""Those of docs/errors.md."""

ENDPOINTS = frozenset(
    {
        ("GET", "access/permissions"),
        ("POST", "cluster/ha/resources"),
        ("DELETE", "cluster/ha/resources/{sid}"),
        ("GET", "cluster/ha/resources/{sid}"),
        ("PUT", "cluster/ha/resources/{sid}"),
        ("GET", "cluster/firewall/groups"),
        ("GET", "cluster/firewall/refs"),
        ("GET", "cluster/nextid"),
        ("GET", "cluster/options"),
        ("GET", "cluster/replication"),
        ("GET", "cluster/resources"),
        ("GET", "cluster/status"),
        ("GET", "nodes/{node}/aplinfo"),
        ("POST", "nodes/{node}/aplinfo"),
        ("GET", "nodes/{node}/lxc"),
        ("POST", "nodes/{node}/lxc"),
        ("DELETE", "nodes/{node}/lxc/{ctid}"),
        ("POST", "nodes/{node}/lxc/{ctid}/clone"),
        ("GET", "nodes/{node}/lxc/{ctid}/config"),
        ("PUT", "nodes/{node}/lxc/{ctid}/config"),
        ("GET", "nodes/{node}/lxc/{ctid}/firewall/options"),
        ("PUT", "nodes/{node}/lxc/{ctid}/firewall/options"),
        ("GET", "nodes/{node}/lxc/{ctid}/firewall/refs"),
        ("GET", "nodes/{node}/lxc/{ctid}/firewall/rules"),
        ("POST", "nodes/{node}/lxc/{ctid}/firewall/rules"),
        ("DELETE", "nodes/{node}/lxc/{ctid}/firewall/rules/{position}"),
        ("PUT", "nodes/{node}/lxc/{ctid}/firewall/rules/{position}"),
        ("GET", "nodes/{node}/lxc/{ctid}/interfaces"),
        ("GET", "nodes/{node}/lxc/{ctid}/migrate"),
        ("POST", "nodes/{node}/lxc/{ctid}/migrate"),
        ("GET", "nodes/{node}/lxc/{ctid}/pending"),
        ("PUT", "nodes/{node}/lxc/{ctid}/resize"),
        ("GET", "nodes/{node}/lxc/{ctid}/snapshot"),
        ("POST", "nodes/{node}/lxc/{ctid}/snapshot"),
        ("DELETE", "nodes/{node}/lxc/{ctid}/snapshot/{snapshot}"),
        ("GET", "nodes/{node}/lxc/{ctid}/status/current"),
        ("POST", "nodes/{node}/lxc/{ctid}/status/shutdown"),
        ("POST", "nodes/{node}/lxc/{ctid}/status/start"),
        ("POST", "nodes/{node}/lxc/{ctid}/template"),
        ("GET", "nodes/{node}/network"),
        ("GET", "nodes/{node}/status"),
        ("GET", "nodes/{node}/qemu/{vmid}/status/current"),
        ("GET", "nodes/{node}/storage/{storage}/content"),
        ("DELETE", "nodes/{node}/storage/{storage}/content/{volume}"),
        ("POST", "nodes/{node}/storage/{storage}/download-url"),
        ("POST", "nodes/{node}/storage/{storage}/oci-registry-pull"),
        ("GET", "nodes/{node}/tasks"),
        ("DELETE", "nodes/{node}/tasks/{upid}"),
        ("GET", "nodes/{node}/tasks/{upid}/log"),
        ("GET", "nodes/{node}/tasks/{upid}/status"),
        ("GET", "pools"),
        ("PUT", "pools"),
        ("GET", "storage"),
        ("GET", "version"),
    }
)
"""What workers call: the table of docs/proxmox-access.md, the log of a task that failed, and a VM that has the id."""
METHODS = frozenset(method for method, _ in ENDPOINTS)
STATUSES = frozenset({"200", "400", "401", "403", "500", "501", "502", "503", "504", "595", "596", "599", "none"})
"""Those that Proxmox and proxies before it answer with; `none` where no answer came."""


def known(value: str, values: frozenset[str], otherwise: str = OTHER) -> str:
    """Return a label's value if it is one of those, else what stands for all others."""
    return value if value in values else otherwise

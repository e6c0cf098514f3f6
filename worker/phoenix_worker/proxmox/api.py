"""The API: `core.ports.Proxmox` over Proxmox's HTTPS API. One method, one call, unless it says otherwise."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any

from phoenix_worker.core.allowed.grants import ALL_GUESTS
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.ports import TaskEnd
from phoenix_worker.proxmox import error_table as known
from phoenix_worker.proxmox.addresses import Interfaces
from phoenix_worker.proxmox.cluster_resources import Offers
from phoenix_worker.proxmox.connection import Access, Connection
from phoenix_worker.proxmox.datacenter import Names
from phoenix_worker.proxmox.firewall_and_pool import Surroundings
from phoenix_worker.proxmox.ha_resources import HaResources
from phoenix_worker.proxmox.task_lists import TaskLists
from phoenix_worker.proxmox.translate import Request, error_of_task
from phoenix_worker.proxmox.understood import runs, understood
from phoenix_worker.proxmox.upid import Upid
from phoenix_worker.proxmox.whereabouts import Whereabouts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from phoenix_worker.core.model.ports import CloneOrder, CreateOrder

_LOG_PAGE = 5000
_LOG_PAGES = 20
_LOG_TAIL = 20
_WARNINGS = 100
"""Lines of a log that are told as warnings."""
_WARNS = "WARN: "
"""How a line of a log begins that counts as a warning (`log_warn` in pve-common)."""
_CONFIG = "VM.Config.CPU, VM.Config.Disk, VM.Config.Memory, VM.Config.Network, VM.Config.Options"
_ALLOCATE_SPACE = "Datastore.AllocateSpace on the storage and SDN.Use on the bridge"


@understood
class ProxmoxApi(Whereabouts, Offers, Names, Surroundings, TaskLists, Interfaces, HaResources):
    """A Proxmox cluster, seen from one of its nodes. Safe to share between threads."""

    def __init__(
        self,
        access: Access,
        on_call: Callable[[Request], None] | None = None,
        on_answer: Callable[[Request, str, float], None] | None = None,
    ) -> None:
        super().__init__()
        self._access = access
        self._connection = Connection(access, on_call, on_answer)

    def call(self, request: Request, **params: str | int) -> Any:
        """Make one call; see `Connection.call`."""
        return self._connection.call(request, **params)

    def clone(self, order: CloneOrder) -> str:
        """Start a clone by `POST …/lxc/SOURCE/clone`.

        `full` is always sent: its default depends on the template flag, which may not show yet. A linked clone takes
        no storage.
        """
        request = Request(
            "POST",
            f"{_ct(order.made_on, order.source)}/clone",
            f"clone template {order.source} to CT {order.ctid} on {order.node}",
            f"VM.Clone on /vms/{order.source}, VM.Allocate on /vms/{order.ctid} or its pool, {_ALLOCATE_SPACE}",
        )
        params: dict[str, str | int] = {
            "newid": order.ctid,
            "hostname": order.hostname,
            "description": order.notes,
            "full": int(order.full),
        }
        if order.full and order.storage is not None:
            params["storage"] = order.storage
        target = {"target": order.node} if order.made_on != order.node else {}
        return self._connection.task(request, **params, **target, **_pool(order.pool))

    def create(self, order: CreateOrder) -> str:
        """Start a creation by `POST …/lxc`. `unprivileged` is always sent: its default depends on the version."""
        request = Request(
            "POST",
            f"nodes/{order.node}/lxc",
            f"create CT {order.ctid} on {order.node}",
            f"VM.Allocate, {_CONFIG} on /vms/{order.ctid} or its pool, {_ALLOCATE_SPACE}",
        )
        params: dict[str, str | int] = {
            "vmid": order.ctid,
            "ostemplate": order.ostemplate,
            "unprivileged": int(order.unprivileged),
        }
        return self._connection.task(request, **params, **order.config, **order.secrets, **_pool(order.pool))

    def configure(
        self, node: str, ctid: int, *, changes: Mapping[str, str], delete: Sequence[str], digest: str | None
    ) -> None:
        """Change the configuration by one `PUT …/config`; no call when there is nothing to change.

        A stale digest is a TransientError with the cause `stale-digest`: look again.
        """
        if not changes and not delete:
            return
        request = Request(
            "PUT",
            f"{_ct(node, ctid)}/config",
            f"configure CT {ctid} on {node}",
            f"{_CONFIG} on /vms/{ctid}, for nesting VM.Allocate, {_ALLOCATE_SPACE}",
        )
        params: dict[str, str | int] = dict(changes)
        if delete:
            params["delete"] = ",".join(delete)
        if digest:
            params["digest"] = digest
        self.call(request, **params)

    def resize(self, node: str, ctid: int, *, disk: str, size_gb: float) -> str:
        """Grow a disk by `PUT …/resize`. Its task ends `OK` although growing the file system may have failed."""
        request = Request(
            "PUT",
            f"{_ct(node, ctid)}/resize",
            f"grow {disk} of CT {ctid} on {node} to {size_gb} GiB",
            f"VM.Config.Disk on /vms/{ctid} and Datastore.AllocateSpace on the storage",
        )
        return self._connection.task(request, disk=disk, size=f"{size_gb}G")

    def start(self, node: str, ctid: int) -> str | None:
        """Start a container by `POST …/status/start`. What forbids it shows in the task's end only."""
        return self._power(node, ctid, "start", known.ALREADY_RUNNING)

    def stop(self, node: str, ctid: int) -> str | None:
        """Shut a container down by `POST …/status/shutdown`, by force after Proxmox's own 60 s."""
        return self._power(node, ctid, "shutdown", known.NOT_RUNNING, forceStop=1)

    def snapshot(self, node: str, ctid: int, name: str) -> str:
        """Take a snapshot by `POST …/snapshot`. Whether the storage can shows in the task's end only."""
        request = Request(
            "POST",
            f"{_ct(node, ctid)}/snapshot",
            f"take the snapshot {name} of CT {ctid} on {node}",
            f"VM.Snapshot on /vms/{ctid}",
        )
        return self._connection.task(request, snapname=name, description="Taken by phoenix-lxc.")

    def migrate(self, node: str, ctid: int, *, target: str, restart: bool) -> str:
        """Start a migration by `POST …/migrate`. With `restart` one that runs is shut down before and started after."""
        doing = f"migrate CT {ctid} from {node} to {target}"
        request = Request("POST", f"{_ct(node, ctid)}/migrate", doing, f"VM.Migrate on /vms/{ctid}")
        return self._connection.task(request, target=target, **({"restart": 1} if restart else {}))

    def convert_to_template(self, node: str, ctid: int) -> None:
        """Ask for quorum; begin the conversion by `POST …/template`, which answers `null`. A template stays one."""
        request = Request(
            "POST",
            f"{_ct(node, ctid)}/template",
            f"convert CT {ctid} on {node} to a template",
            f"VM.Allocate on /vms/{ctid}",
        )
        self.need_quorum(request.doing, (node, ctid))
        self._unless(known.ALREADY_TEMPLATE, request)

    def destroy(self, node: str, ctid: int) -> str:
        """Ask for quorum, then delete a container by `DELETE …/lxc/ID` with `destroy-unreferenced-disks`."""
        request = Request("DELETE", _ct(node, ctid), f"destroy CT {ctid} on {node}", f"VM.Allocate on /vms/{ctid}")
        self.need_quorum(request.doing, (node, ctid))
        return self._connection.task(request, **{"destroy-unreferenced-disks": 1})

    def snapshots(self, node: str, ctid: int) -> list[str]:
        """Ask `GET …/snapshot`, which lists the present too, as `current`: an answer without it names no snapshots."""
        request = Request(
            "GET",
            f"{_ct(node, ctid)}/snapshot",
            f"list the snapshots of CT {ctid} on {node}",
            f"VM.Audit on /vms/{ctid}",
        )
        taken = {str(row["name"]): int(row.get("snaptime") or 0) for row in self._connection.rows(request)}
        del taken["current"]
        return sorted(taken, key=lambda name: -taken[name])

    def delete_snapshot(self, node: str, ctid: int, name: str) -> str:
        """Delete by `DELETE …/snapshot/NAME`."""
        doing = f"delete the snapshot {name} of CT {ctid} on {node}"
        request = Request("DELETE", f"{_ct(node, ctid)}/snapshot/{name}", doing, f"VM.Snapshot on /vms/{ctid}")
        return self._connection.task(request)

    def task_end(self, upid: str) -> TaskEnd | None:
        """Ask `GET …/tasks/UPID/status`; unless that is `OK` the log is read, page by page; its tail is kept.

        It is `running` or `stopped` (pve-manager, `PVE::API2::Tasks`, `read_task_status`): anything else is no answer.

        A resize ends `OK` although the file system did not grow, which shows in its log alone.
        """
        task = Upid.parse(upid)
        base = f"nodes/{task.node}/tasks/{upid}"
        needs = f"Sys.Audit on /nodes/{task.node}"
        request = Request("GET", f"{base}/status", f"look at the {task.kind} task {upid}", needs)
        status = self._connection.fields(request)
        if runs(status):
            return None
        end = TaskEnd(self._connection.harmless(status.get("exitstatus", "unexpected status")))
        if end.exit_status == "OK" and task.kind != "resize":
            return end
        tail, warned = self._log(base, upid, needs)
        return TaskEnd(end.exit_status, tail, (warned or (f"see the log of {upid}",)) if end.warns else ())

    def abort(self, upid: str) -> None:
        """Stop a task by `DELETE …/tasks/UPID`. An aborted clone or create takes its container and locks with it."""
        task = Upid.parse(upid)
        needs = f"Sys.Modify on /nodes/{task.node}, unless the task is the token's own"
        self.call(Request("DELETE", f"nodes/{task.node}/tasks/{upid}", f"stop the {task.kind} task {upid}", needs))

    def task_failure(self, doing: str, end: TaskEnd) -> TransientError | PermanentError:
        """Say what a task that failed means, read by the same table as answers. `doing` completes "Unable to …"."""
        return error_of_task(doing, end)

    def pool_of(self, ctid: int, expected: str) -> str:
        """Ask `GET /pools?poolid=…` for its members; for one that is not among them, ask `/cluster/resources`.

        Other than status and name, a guest's pool is live there: it is read from the access control file.
        """
        if ctid in self._shared.get(f"pool {expected}", lambda: self._members(ctid, expected)):
            return expected
        guest = self._live().guests.get(ctid)
        return "" if guest is None else guest.pool

    def _members(self, ctid: int, pool: str) -> set[int]:
        doing = f"look whether {ctid} is in the pool '{pool}'"
        (found,) = self._connection.rows(Request("GET", "pools", doing, f"Pool.Audit on /pool/{pool}"), poolid=pool)
        return {int(member.get("vmid") or 0) for member in found.get("members", ())}

    def join_pool(self, ctid: int, pool: str) -> None:
        """Move a guest by `PUT /pools`; it leaves the pool that it was in."""
        needs = f"Pool.Allocate on /pool/{pool} and on the pool it leaves, VM.Allocate on /vms/{ctid}"
        request = Request("PUT", "pools", f"make {ctid} a member of the pool '{pool}'", needs)
        self.call(request, poolid=pool, vms=ctid, **{"allow-move": 1})

    def is_free(self, ctid: int) -> bool:
        """Ask `GET /cluster/nextid?vmid=…`, which everybody may, and which knows of guests that the token may not see.

        A guest that does not exist is in no pool: with a grant on the pool alone, looking at it is refused.
        """
        request = Request("GET", "cluster/nextid", f"look whether guest {ctid} exists")
        return self._unless(known.ALREADY_EXISTS, request, vmid=ctid) is not None

    def privileges(self, path: str) -> frozenset[str]:
        """Ask `GET /access/permissions`. Its values tell whether a privilege is passed on to the paths below."""
        request = Request("GET", "access/permissions", f"ask for the token's privileges on {path}")
        held = self._connection.fields(request, path=path).get(path, {})
        return frozenset(name for name, passed_on in held.items() if path != ALL_GUESTS or int(passed_on))

    def whoami(self) -> str:
        """Answer without a call: `user@realm!token`."""
        return self._access.token_id

    def _power(self, node: str, ctid: int, action: str, so_already: str, **params: int) -> str | None:
        doing = f"{'start' if action == 'start' else 'stop'} CT {ctid} on {node}"
        request = Request("POST", f"{_ct(node, ctid)}/status/{action}", doing, f"VM.PowerMgmt on /vms/{ctid}")
        upid: str | None = self._unless(so_already, request, **params)
        return upid

    def _log(self, base: str, upid: str, needs: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Read the last lines, and what any line warns of. An unreadable log must not hide how the task ended."""
        request = Request("GET", f"{base}/log", f"read the log of {upid}", needs)
        tail: deque[str] = deque(maxlen=_LOG_TAIL)
        warned: dict[str, None] = {}
        try:
            for page in range(_LOG_PAGES):
                read = self._connection.rows(request, start=page * _LOG_PAGE, limit=_LOG_PAGE)
                lines = [self._connection.harmless(line["t"]) for line in read]
                tail.extend(lines)
                news = (line.removeprefix(_WARNS).strip() for line in lines if line.startswith(_WARNS))
                warned |= dict.fromkeys(islice(news, _WARNINGS - len(warned)))
                if len(lines) < _LOG_PAGE:
                    break
        except (TransientError, PermanentError) as error:
            tail.append(error.message)
        return tuple(tail), tuple(warned)


def _ct(node: str, ctid: int) -> str:
    return f"nodes/{node}/lxc/{ctid}"


def _pool(pool: str | None) -> dict[str, str]:
    return {} if pool is None else {"pool": pool}

"""What a cluster has, read through the API for `phoenix-lxc check`. Every call is a GET."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

from phoenix_worker.core.checkup.cluster import NodeFacts, Storage
from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.proxmox.error_table import PERMISSION
from phoenix_worker.proxmox.quorum import STATUS, is_quorate
from phoenix_worker.proxmox.translate import UNTOLD_NEEDS, Request
from phoenix_worker.proxmox.understood import fields_of, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from phoenix_worker.proxmox.api import ProxmoxApi

T = TypeVar("T")

_GIB = 1 << 30
_DAY = 86_400
_SERVED = ("pveproxy-ssl.pem", "pve-ssl.pem")
"""The certificate that pveproxy serves: an administrator's own before the one of the cluster's CA."""


class Inspection:
    """Reads one cluster. Every method may raise TransientError or PermanentError."""

    def __init__(self, api: ProxmoxApi) -> None:
        self._api = api

    def version(self) -> str:
        """Ask `GET /version`."""
        return str(self._fields("version", "ask Proxmox for its version")["version"])

    def quorate(self) -> bool:
        """Ask `GET /cluster/status`. A node on its own is in no cluster, and always quorate."""
        return is_quorate(rows_of(STATUS, self._api.call(STATUS)))

    def nodes(self) -> dict[str, bool]:
        """Ask `GET /nodes` which there are, and which are online."""
        return {str(row["node"]): row["status"] == "online" for row in self._rows("nodes", "list the nodes")}

    def containers(self) -> frozenset[int]:
        """Ask `GET /cluster/resources` which containers there are, as far as the token may see them."""
        return frozenset(ctid for ctid, guest in self._api.cluster().guests.items() if not guest.is_vm)

    def privileges(self, path: str) -> frozenset[str]:
        """Ask what the token may do on a path."""
        return self._api.privileges(path)

    def node(self, name: str, template_storages: Iterable[str]) -> NodeFacts:
        """Look at one node: seven calls, and one for each storage of OS templates."""
        storages, configured = self._storages(name), self._api.storages()
        bridges = self._rows(f"nodes/{name}/network", f"list {name}'s bridges", type="any_bridge")
        usable = [storage for storage in template_storages if storage in storages and storages[storage].usable]
        return NodeFacts(
            name=name,
            storages=storages,
            disabled=frozenset(storage for storage, one in configured.items() if not one.enabled),
            elsewhere={storage: one.nodes for storage, one in configured.items() if not one.is_on(name)},
            bridges=frozenset(str(row["iface"]) for row in bridges),
            vnets=frozenset(str(row["iface"]) for row in bridges if row.get("type") == "vnet"),
            os_templates=_unless_forbidden(
                lambda: frozenset().union(*(self._os_templates(name, storage) for storage in usable))
            ),
            appliances=frozenset(
                str(row["template"])
                for row in self._rows(f"nodes/{name}/aplinfo", f"read the index of OS templates on {name}")
                if "template" in row
            ),
            clock_ahead_s=_unless_forbidden(lambda: self._clock(name)),
            certificate_days=self._certificate(name),
        )

    def _storages(self, node: str) -> dict[str, Storage]:
        """Ask `GET /nodes/N/storage`, which leaves out what the token may not see."""
        rows = self._rows(f"nodes/{node}/storage", f"list the storages of {node}", "Datastore.Audit on the storages")
        return {
            str(row["storage"]): Storage(
                name=str(row["storage"]),
                kind=str(row["type"]),
                content=frozenset(str(row.get("content", "")).split(",")),
                enabled=_flag(row.get("enabled", 1)),
                online=_flag(row.get("active", 1)),
                free_gib=float(row.get("avail") or 0) / _GIB,
            )
            for row in rows
        }

    def _os_templates(self, node: str, storage: str) -> frozenset[str]:
        path, needs = f"nodes/{node}/storage/{storage}/content", f"Datastore.Audit on /storage/{storage}"
        rows = self._rows(path, f"list the OS templates on {storage}", needs, content="vztmpl")
        return frozenset(str(row["volid"]) for row in rows)

    def _clock(self, node: str) -> float:
        """Compare the node's clock, which tells whole seconds, with the middle of the question."""
        asked = time.time()
        told = self._fields(f"nodes/{node}/time", f"ask for the time of {node}", f"Sys.Audit on /nodes/{node}")
        return float(told["time"]) - (asked + time.time()) / 2 + 0.5

    def _certificate(self, node: str) -> float | None:
        rows = self._rows(f"nodes/{node}/certificates/info", f"look at the certificates of {node}")
        by_file = {str(row.get("filename")): row for row in rows}
        served = next((by_file[name] for name in _SERVED if name in by_file), None)
        return None if served is None else (float(served["notafter"]) - time.time()) / _DAY

    def _rows(self, where: str, doing: str, needs: str = UNTOLD_NEEDS, **params: str | int) -> list[dict[str, Any]]:
        request = Request("GET", where, doing, needs)
        return rows_of(request, self._api.call(request, **params))

    def _fields(self, where: str, doing: str, needs: str = UNTOLD_NEEDS) -> dict[str, Any]:
        request = Request("GET", where, doing, needs)
        return fields_of(request, self._api.call(request))


def _flag(value: object) -> bool:
    """Read a flag, which comes as 0 or 1, as "0" or "1", or as JSON's own."""
    return str(value).lower() not in {"0", "", "false", "none"}


def _unless_forbidden(read: Callable[[], T]) -> T | None:
    """Leave it to the line on privileges to say what the token may not see."""
    try:
        return read()
    except PermanentError as error:
        if error.cause != PERMISSION:
            raise
        return None

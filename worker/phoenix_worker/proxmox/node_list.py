"""The part of the API that is about nodes: which there are, what room they have, migrations between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_worker.core.model.nodes import NodeSeen
from phoenix_worker.proxmox.translate import Request

if TYPE_CHECKING:
    from phoenix_worker.proxmox.connection import Connection

_LIST = Request("GET", "cluster/resources", "list the nodes of the cluster", "Sys.Audit on /nodes")


class NodeList:
    """Base of the API."""

    _connection: Connection

    def nodes(self) -> tuple[NodeSeen, ...]:
        """Ask `GET /cluster/resources` for nodes and guests in one call.

        Without Sys.Audit on a node its figures are left out; whether HA has it in maintenance shows all the same.
        Whether a guest is a template is up to ten seconds old.
        """
        rows: list[dict[str, Any]] = self._connection.call(_LIST)
        templates: dict[str, list[int]] = {}
        for row in rows:
            if row["type"] == "lxc" and int(row.get("template") or 0):
                templates.setdefault(str(row["node"]), []).append(int(row["vmid"]))
        found = [_seen(row, templates) for row in rows if row["type"] == "node"]
        return tuple(sorted(found, key=lambda node: node.name))

    def migrate(self, node: str, ctid: int, *, target: str, restart: bool) -> str:
        """Start a migration by `POST …/migrate`. With `restart` one that runs is shut down before and started after."""
        request = Request(
            "POST",
            f"nodes/{node}/lxc/{ctid}/migrate",
            f"migrate CT {ctid} from {node} to {target}",
            f"VM.Migrate on /vms/{ctid}",
        )
        return str(self._connection.call(request, target=target, **({"restart": 1} if restart else {})))


def _seen(row: dict[str, Any], templates: dict[str, list[int]]) -> NodeSeen:
    name = str(row["node"])
    return NodeSeen(
        name,
        online=row.get("status") == "online",
        maintenance=row.get("hastate") == "maintenance",
        cpus=_number(row, "maxcpu"),
        cpu_used=float(row["cpu"]) if "cpu" in row else None,
        memory=_number(row, "maxmem"),
        memory_used=_number(row, "mem"),
        templates=tuple(sorted(templates.get(name, ()))),
    )


def _number(row: dict[str, Any], key: str) -> int | None:
    return int(row[key]) if key in row else None

"""The part of the API that is about HA resources. They are kept by id, and for the whole cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.model.ha import DEFAULT_TRIES, HaAct, HaState, HaWrite
from phoenix_worker.proxmox.error_table import NO_HA_RESOURCE
from phoenix_worker.proxmox.translate import Request

if TYPE_CHECKING:
    from phoenix_worker.proxmox.connection import Connection

_METHOD = {HaAct.ADD: "POST", HaAct.CHANGE: "PUT", HaAct.REMOVE: "DELETE"}
_DOING = {
    HaAct.ADD: "make CT {} an HA resource",
    HaAct.CHANGE: "change the HA resource CT {}",
    HaAct.REMOVE: "take CT {} out of the HA resources",
}


class HaResources:
    """Base of the API."""

    _connection: Connection

    def ha_resource(self, ctid: int) -> HaState:
        """Ask `GET /cluster/ha/resources/ct:ID`, which shows no group where rules have taken the place of groups."""
        request = Request("GET", _path(ctid), f"look whether CT {ctid} is an HA resource", "Sys.Audit on /")
        try:
            told = self._connection.fields(request)
        except PermanentError as error:
            if error.cause != NO_HA_RESOURCE:
                raise
            return HaState()
        tries = {name: int(told.get(name, DEFAULT_TRIES)) for name in ("max_restart", "max_relocate")}
        return HaState(managed=True, group=str(told.get("group") or ""), **tries)

    def write_ha_resource(self, ctid: int, write: HaWrite) -> None:
        """Add, change or take out a resource by one request. It is done at once; what HA does then comes later."""
        path = "cluster/ha/resources" if write.act is HaAct.ADD else _path(ctid)
        named = {"sid": f"ct:{ctid}"} if write.act is HaAct.ADD else {}
        request = Request(_METHOD[write.act], path, _DOING[write.act].format(ctid), "Sys.Console on /")
        self._connection.call(request, **named, **write.properties)


def _path(ctid: int) -> str:
    return f"cluster/ha/resources/ct:{ctid}"

"""HA resources, as `PVE::API2::HA::Resources` has them; fakepve knows only whether a container is one."""

from __future__ import annotations

from typing import Any

from fakepve.model import PveError
from fakepve.server import FakePve

_MIGRATED = "invalid parameter 'group': ha groups have been migrated to rules"


_REFUSED = "unable to remove CT {} - used in HA resources and purge parameter not set."


class HaResources(FakePve):  # type: ignore[misc] # fakepve publishes no types
    """Base of the strict simulator. Whether there are groups depends on `ha_groups`: None says that rules took over."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.ha_groups: set[str] | None = None
        self.ha_resources: dict[str, dict[str, Any]] = {}
        """By `ct:CTID`: what was sent. One in the state `ignored` is unmanaged to `…/status/current` and to start and
        stop, and a resource to whoever would delete it, and in `/cluster/resources`."""
        self.ha_remembers: set[int] = set()
        """What was a resource, and HA's manager has not noticed yet: `/cluster/resources` shows its state still."""

    def _routes_ha(self) -> list[tuple[str, str, Any]]:
        one = "/cluster/ha/resources/{sid}"
        return [
            ("POST", "/cluster/ha/resources", self._add_resource),
            ("GET", one, self._show_resource),
            ("PUT", one, self._change_resource),
            ("DELETE", one, self._remove_resource),
        ]

    def ignore(self, ctid: int) -> None:
        """Make a container a resource that HA ignores: `ha-manager add ct:ID --state ignored`."""
        self.ha_resources[f"ct:{ctid}"] = {"state": "ignored"}
        self.ct(ctid).ha_state = None

    def _is_ignored(self, ctid: int) -> bool:
        return self.ha_resources.get(f"ct:{ctid}", {}).get("state") == "ignored"

    def ct_resources(self, user: str, kind: str | None = None) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = super().ct_resources(user, kind)
        shown = {ctid for ctid in (row["vmid"] for row in rows) if self._is_ignored(ctid)} | self.ha_remembers
        return [row | {"hastate": "ignored"} if row["vmid"] in shown else row for row in rows]

    async def _lxc_destroy(self, user: str, v: dict[str, Any]) -> Any:
        if self._is_ignored(int(v["vmid"])) and not v.get("purge"):
            raise PveError(500, _REFUSED.format(v["vmid"]))
        return await super()._lxc_destroy(user, v)

    async def _ct_ha(self, ct: Any, user: str, state: str, timeout: float | None = None) -> str:  # noqa: ASYNC109 - theirs
        """Take the order, and do nothing about it while HA has given the container up."""
        if ct.ha_state != "error":
            return str(await super()._ct_ha(ct, user, state, timeout))

        async def body() -> None:
            pass

        verb = "start" if state == "started" else "stop"
        return str(await self._ct_task(ct, f"ha{verb}", user, body, lock=False))

    async def _show_resource(self, v: dict[str, Any], user: str) -> dict[str, Any]:
        self.require(user, "/", "Sys.Audit")
        if v["sid"] not in self.ha_resources:
            raise PveError(500, f"no such resource '{v['sid']}'")
        shown = {"sid": v["sid"], "type": "ct", "digest": "0", **self.ha_resources[v["sid"]]}
        return {key: value for key, value in shown.items() if key != "group" or self.ha_groups is not None}

    async def _add_resource(self, v: dict[str, Any], user: str) -> None:
        self.require(user, "/", "Sys.Console")
        self.need_quorum()
        sid, sent = v["sid"], {key: value for key, value in v.items() if key != "sid"}
        self._refuse_group(v)
        container = self.ct(int(sid.removeprefix("ct:")))
        if container is None:
            raise PveError(500, f"resource '{sid}' does not exist in cluster")
        if sid in self.ha_resources:
            raise PveError(500, f"create resource failed: resource ID '{sid}' already defined")
        self.ha_resources[sid] = sent
        container.ha_state = sent.get("state", "started")

    async def _change_resource(self, v: dict[str, Any], user: str) -> None:
        self.require(user, "/", "Sys.Console")
        self._refuse_group(v)
        if v["sid"] not in self.ha_resources:
            raise PveError(500, f"no such resource '{v['sid']}'")
        self.ha_resources[v["sid"]] |= {key: value for key, value in v.items() if key != "sid"}

    async def _remove_resource(self, v: dict[str, Any], user: str) -> None:
        self.require(user, "/", "Sys.Console")
        if self.ha_resources.pop(v["sid"], None) is None:
            raise PveError(500, f"cannot delete service '{v['sid']}', not HA managed!")
        self.ct(int(v["sid"].removeprefix("ct:"))).ha_state = None

    def _refuse_group(self, v: dict[str, Any]) -> None:
        if v.get("group") is not None and self.ha_groups is None:
            raise PveError(500, _MIGRATED)
        if v.get("group") is not None and v["group"] not in (self.ha_groups or set()):
            raise PveError(500, f"HA group '{v['group']}' does not exist")

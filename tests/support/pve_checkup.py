"""What `phoenix-lxc check` reads: bridges, time, certificates, permissions, and the index of OS templates."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from fakepve.model import PveError
from fakepve.server import USER as USER_OF
from fakepve.server import FakePve
from fakepve.shapes import PRIVILEGES

if TYPE_CHECKING:
    from aiohttp import web


class Checkup(FakePve):  # type: ignore[misc] # fakepve publishes no types
    """Base of the strict simulator, which has what a test may set."""

    bridges: set[str]
    clock_ahead: float
    certificate_days: int | None
    appliances: list[str]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.bridges_of: dict[str, set[str]] = {}
        """Of a node that has others."""
        self.vnets: dict[str, str] = {}
        """The zones of the VNets of SDN."""
        self.without_content: set[str] = set()
        """Nodes on whose storages is nothing."""

    def _routes_checkup(self) -> list[tuple[str, str, Any]]:
        return [
            ("GET", "/nodes/{node}/network", self._bridges),
            ("GET", "/nodes/{node}/time", self._time),
            ("GET", "/nodes/{node}/certificates/info", self._certificates),
        ]

    async def _content_list(self, v: dict[str, Any], user: str) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = await super()._content_list(v, user)
        return [] if v["node"] in self.without_content else listed

    async def _bridges(self, v: dict[str, Any], user: str) -> list[dict[str, Any]]:
        """As `PVE::API2::Network` lists them: without those that the user may not use, each by its zone."""
        there = self.bridges_of.get(v["node"], self.bridges)
        zones = dict.fromkeys(sorted(there), "localnetwork") | self.vnets
        seen = [one for one, zone in zones.items() if self.allowed(user, f"/sdn/zones/{zone}/{one}", "SDN.Use")]
        kinds = {one: "vnet" if one in self.vnets else "bridge" for one in seen}
        return [{"iface": one, "type": kind, "active": 1} for one, kind in kinds.items()]

    async def _time(self, _v: dict[str, Any], _user: str) -> dict[str, Any]:
        now = int(time.time() + self.clock_ahead)
        return {"time": now, "localtime": now, "timezone": "UTC"}

    async def _certificates(self, _v: dict[str, Any], _user: str) -> list[dict[str, Any]]:
        days = self.certificate_days
        ends = {} if days is None else {"notafter": int(time.time()) + days * 86_400}
        return [{"filename": "pve-ssl.pem", **ends}, {"filename": "pve-root-ca.pem", "notafter": 0}]

    async def _cluster_status(self, request: web.Request) -> web.Response:
        self.require(request[USER_OF], "/", "Sys.Audit")
        answer: web.Response = await super()._cluster_status(request)
        return answer

    async def _permissions(self, v: dict[str, Any], user: str) -> dict[str, dict[str, int]]:
        """Of one path, what is effective there, inherited or not: PVE::RPCEnvironment::permissions."""
        path, who = v["path"], v.get("userid") or user
        return {path: {privilege: 1 for privilege in PRIVILEGES if self.allowed(who, path, privilege)}}

    def _routes_appliances(self) -> list[tuple[str, str, Any]]:
        return [("GET", "/nodes/{node}/aplinfo", self._index), ("POST", "/nodes/{node}/aplinfo", self._download)]

    async def _index(self, _v: dict[str, Any], _user: str) -> list[dict[str, str]]:
        nameless: list[dict[str, str]] = [{}]  # fakepve answers so, and nobody can download it
        return nameless + [{"template": name, "package": name.partition("_")[0]} for name in self.appliances]

    async def _download(self, v: dict[str, Any], user: str) -> str:
        """As `PVE::API2::Nodes` refuses it, before anything is downloaded."""
        if "vztmpl" not in self.storages[v["storage"]]["content"].split(","):
            raise PveError(500, f"storage '{v['storage']}' does not support templates")

        async def body() -> None:
            await self.pause(self.ct_secs["download"])
            volumes = self.storages[v["storage"]]["volumes"]
            volumes[f"vztmpl/{v['template']}"] = {"content": "vztmpl", "format": "tar", "size": 1}

        upid: str = await self.task(v["node"], "download", v["template"], user, body)
        return upid

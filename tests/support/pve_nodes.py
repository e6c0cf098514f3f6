"""What `/cluster/resources` shows: nodes in HA maintenance, and no figures and pools that the token may not see."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fakepve.server import USER as USER_OF
from fakepve.server import FakePve, ok

if TYPE_CHECKING:
    from aiohttp import web

_ALWAYS = {"id", "type", "node", "status", "level", "hastate"}


class Nodes(FakePve):  # type: ignore[misc] # fakepve publishes no types
    """Base of the strict simulator. A node is in maintenance if its entry in `nodes` says `maintenance`."""

    async def _resources(self, request: web.Request) -> web.Response:
        rows = json.loads((await super()._resources(request)).text or "")["data"]
        answer: web.Response = ok([self._as_shown(row, request[USER_OF]) for row in rows])
        return answer

    def _as_shown(self, row: dict[str, Any], user: str) -> dict[str, Any]:
        if row["type"] != "node":
            seen = "pool" not in row or self.allowed(user, f"/pool/{row['pool']}", "Pool.Audit")
            return row if seen else {key: value for key, value in row.items() if key != "pool"}
        if self.nodes[row["node"]].get("maintenance"):
            row["hastate"] = "maintenance"
        seen = self.allowed(user, f"/nodes/{row['node']}", "Sys.Audit")
        return row if seen else {key: value for key, value in row.items() if key in _ALWAYS}

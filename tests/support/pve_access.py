"""API tokens and what they are granted, changed over the API: fakepve has them, and lets nobody change them there."""

from __future__ import annotations

from typing import Any

from fakepve.model import PveError
from fakepve.routing import split_list
from fakepve.server import FakePve
from fakepve.shapes import PRIVILEGES

_ROLES = {
    "PVEVMAdmin": {one for one in PRIVILEGES if one.startswith("VM.")},
    "PVEPoolUser": {"Pool.Audit"},
    "PVEDatastoreUser": {"Datastore.AllocateSpace", "Datastore.Audit"},
    "PVESDNUser": {"SDN.Audit", "SDN.Use"},
    "PVEAuditor": {one for one in PRIVILEGES if one.endswith(".Audit")},
}
"""Of the roles that every Proxmox has, those that a worker needs."""


class AccessRights(FakePve):  # type: ignore[misc] # fakepve publishes no types
    """Base of the strict simulator."""

    def _routes_tokens(self) -> list[tuple[str, str, Any]]:
        token = "/access/users/{userid}/token/{tokenid}"
        return [
            ("POST", token, self._make_token),
            ("DELETE", token, self._drop_token),
            ("PUT", "/access/acl", self._grant),
        ]

    async def _make_token(self, v: dict[str, Any], user: str) -> dict[str, Any]:
        self.require(user, "/access/groups", "User.Modify")
        name = f"{v['userid']}!{v['tokenid']}"
        if name in self.apitokens:
            raise PveError(400, "Parameter verification failed.", {"tokenid": "Token already exists."})
        self.apitokens[name] = f"secret-of-{v['tokenid']}"
        return {"full-tokenid": name, "value": self.apitokens[name], "info": {"privsep": v.get("privsep", 1)}}

    async def _drop_token(self, v: dict[str, Any], user: str) -> None:
        """What the token was granted goes with it."""
        self.require(user, "/access/groups", "User.Modify")
        name = f"{v['userid']}!{v['tokenid']}"
        del self.apitokens[name]
        self.acl.pop(name, None)

    async def _grant(self, v: dict[str, Any], user: str) -> None:
        self.require(user, v["path"], "Permissions.Modify")
        for token in split_list(v["tokens"]):
            for role in split_list(v["roles"]):
                self.grant(token, v["path"], *_ROLES[role])

"""The part of the API that is about what belongs to a guest and is not in its configuration: its firewall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_worker.core.differs.firewall import shown_rule
from phoenix_worker.core.model.firewall import DEFAULT_POLICIES, Act, FirewallState, RuleWrite
from phoenix_worker.proxmox.translate import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phoenix_worker.proxmox.connection import Connection

_METHOD = {Act.INSERT: "POST", Act.MOVE: "PUT", Act.UPDATE: "PUT", Act.DELETE: "DELETE"}


class Surroundings:
    """Base of the API. A guest's firewall is kept by its id, and a clone gets a copy of its source's."""

    _connection: Connection

    def firewall(self, node: str, ctid: int, *, option: bool = True) -> FirewallState:
        """Look at a container's firewall: `GET …/firewall/options`, unless it is left out, and `GET …/firewall/rules`.

        No option, which is what a new container has, is off: pve-firewall's default for guests.
        """
        enabled, policies = None, dict[str, str]()
        if option:
            request = _firewall("GET", node, ctid, "options", "look at the firewall", "VM.Audit")
            options = self._connection.fields(request)
            enabled = str(options.get("enable", "0")) not in {"0", ""}
            policies = {name: str(options[name]) for name in DEFAULT_POLICIES if options.get(name) not in (None, "")}
        rules = self._connection.rows(_firewall("GET", node, ctid, "rules", "look at the firewall's rules", "VM.Audit"))
        rules.sort(key=lambda rule: int(rule["pos"]))
        digest = str(rules[0].get("digest", "")) if rules else ""
        return FirewallState(enabled, tuple(shown_rule(rule) for rule in rules), digest, policies)

    def switch_firewall(
        self, node: str, ctid: int, *, on: bool | None = None, policies: Mapping[str, str] | None = None
    ) -> None:
        """Switch a container's firewall, and set its policies and other options, by one `PUT …/firewall/options`."""
        doing = "set the options of the firewall" if on is None else f"switch the firewall {'on' if on else 'off'}"
        switch = {} if on is None else {"enable": int(on)}
        request = _firewall("PUT", node, ctid, "options", doing, "VM.Config.Network")
        self._connection.call(request, **switch, **(policies or {}))

    def write_rule(self, node: str, ctid: int, write: RuleWrite, *, digest: str = "") -> None:
        """Change the rules by one request to `…/firewall/rules`. A stale digest is a TransientError: look again."""
        path = "rules" if write.act is Act.INSERT else f"rules/{0 if write.act is Act.MOVE else write.position}"
        params: dict[str, Any] = dict(write.rule or {})
        if write.act is Act.MOVE:
            params["moveto"] = write.position
        if write.drop:
            params["delete"] = ",".join(write.drop)
        if digest and write.act is not Act.INSERT:
            params["digest"] = digest
        doing = f"{write.act} the firewall rule {write.position}"
        self._connection.call(_firewall(_METHOD[write.act], node, ctid, path, doing, "VM.Config.Network"), **params)


def _firewall(method: str, node: str, ctid: int, path: str, doing: str, privilege: str) -> Request:
    return Request(
        method,
        f"nodes/{node}/lxc/{ctid}/firewall/{path}",
        f"{doing} of CT {ctid} on {node}",
        f"{privilege} on /vms/{ctid}",
    )

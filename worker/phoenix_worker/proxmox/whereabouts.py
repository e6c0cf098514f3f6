"""The part of the API that looks at a CTID, on whichever node it stands."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.observation import Observation, Presence
from phoenix_worker.proxmox import error_table as known
from phoenix_worker.proxmox.sightings import Sightings
from phoenix_worker.proxmox.translate import Request

if TYPE_CHECKING:
    from phoenix_worker.proxmox.connection import Connection

_MOVES = 4
"""How often a CTID is looked for again that is not where the cluster has just said."""
_LAG = 0.2
"""Seconds after which the cluster's list knows of a migration; about 0.1 on a real one."""


class Whereabouts:
    """Base of the API."""

    _connection: Connection

    def __init__(self) -> None:
        self._sightings = Sightings()

    def observe(self, node: str, ctid: int, *, pending: bool = False, elsewhere: bool = True) -> Observation:
        """Look at one CTID in two calls: `…/config`, then `…/status/current`, or `/cluster/resources` when absent.

        A third, `…/pending`, is made for running containers when `pending` is asked for. Nothing but the place of an
        id is read from `/cluster/resources`: name, status, lock and template flag lag there. One of ours that it
        places on another node is looked at there.
        """
        seen = self.observe_template(node, ctid, elsewhere=elsewhere)
        for _ in range(_MOVES):
            if seen.presence is not Presence.HERE:
                return seen
            base, needs = _ct(seen.node, ctid), f"VM.Audit on /vms/{ctid}"
            doing = f"look at CT {ctid} on {seen.node}"
            status = self._unless(known.MISSING, Request("GET", f"{base}/status/current", doing, needs))
            if status is None:
                seen = self._elsewhere(seen.node, ctid)
                continue
            running = status["status"] == "running"
            ask = pending and running
            waiting = self._unless(known.MISSING, Request("GET", f"{base}/pending", doing, needs)) if ask else ()
            keys = tuple(line["key"] for line in waiting or () if "pending" in line or "delete" in line)
            managed = bool(int((status.get("ha") or {}).get("managed") or 0))
            return replace(seen, running=running, ha_managed=managed, pending=keys)
        raise _moving(ctid)

    def observe_template(self, node: str, ctid: int, *, elsewhere: bool = True) -> Observation:
        """Look at a template in one call, `GET …/config`, when it is there.

        Without `elsewhere` the cluster is asked for an absent one all the same if the id was lately seen to stand.
        """
        try:
            seen = self._standing(node, ctid)
        except PermanentError as error:
            if error.cause != known.PERMISSION or not self._is_free(ctid):
                raise
            return Observation(ctid, node, Presence.ABSENT)
        if seen is not None:
            return seen
        if elsewhere or self._sightings.may_stand(ctid, self._ids):
            return self._elsewhere(node, ctid)
        return Observation(ctid, node, Presence.ABSENT)

    def running(self, ctid: int) -> bool | None:
        """Return whether a guest runs, in two calls: where it is (`/cluster/resources`), its live status (its node)."""
        row = self._row(ctid)
        if row is None:
            return None
        request = Request(
            "GET",
            f"nodes/{row['node']}/{row['type']}/{ctid}/status/current",
            f"look whether guest {ctid} runs",
            f"VM.Audit on /vms/{ctid}",
        )
        status = self._unless(known.MISSING, request)
        return None if status is None else status["status"] == "running"

    def standing(self, ctids: range) -> dict[int, str]:
        """Ask `/cluster/resources`, which knows the place of an id at once."""
        rows = self._rows("list the guests of the cluster", "VM.Audit on /vms")
        return {ctid: str(row["node"]) for row in rows if (ctid := int(row.get("vmid") or 0)) in ctids}

    def _standing(self, node: str, ctid: int) -> Observation | None:
        """Read the configuration on one node; None when the node has none."""
        request = Request(
            "GET", f"{_ct(node, ctid)}/config", f"look at CT {ctid} on {node}", f"VM.Audit on /vms/{ctid}"
        )
        config = self._unless(known.MISSING, request)
        if config is None:
            return None
        self._sightings.saw(ctid)
        digest = config.pop("digest", "")
        return Observation(ctid, node, Presence.HERE, {key: _text(value) for key, value in config.items()}, digest)

    def _elsewhere(self, node: str, ctid: int) -> Observation:
        """Look for an id that a node does not have: ours on another node, somebody else's, a VM's, or nobody's.

        The list is a moment behind, and `config` is live: a line that keeps saying where it is not is stale.
        """
        without, stale = node, False
        for _ in range(_MOVES):
            row = self._row(ctid)
            is_here = row is not None and (row["type"], row["node"]) == ("lxc", without)
            if row is None or (is_here and stale):
                self._sightings.forget(ctid)
                return Observation(ctid, node, Presence.ABSENT)
            if is_here:
                stale = True
                time.sleep(_LAG)
                continue
            config = {"hostname": str(row["name"])} if row.get("name") else {}
            if row["type"] == "qemu":
                return Observation(ctid, row["node"], Presence.VM, config)
            seen = self._standing(row["node"], ctid)
            if seen is not None:
                return seen if seen.is_ours else Observation(ctid, row["node"], Presence.OTHER_NODE, config)
            without, stale = row["node"], False
        raise _moving(ctid)

    def _is_free(self, ctid: int) -> bool:
        """Ask `GET /cluster/nextid?vmid=…`, which everybody may, and which knows of guests that the token may not see.

        A guest that does not exist is in no pool: with a grant on the pool alone, looking at it is refused.
        """
        request = Request("GET", "cluster/nextid", f"look whether guest {ctid} exists", "")
        return self._unless(known.ALREADY_EXISTS, request, vmid=ctid) is not None

    def _row(self, ctid: int) -> dict[str, Any] | None:
        rows = self._rows(f"look for guest {ctid} in the cluster", f"VM.Audit on /vms/{ctid}")
        return next((row for row in rows if int(row.get("vmid") or 0) == ctid), None)

    def _ids(self) -> list[int]:
        return [int(row.get("vmid") or 0) for row in self._rows("list the guests of the cluster", "VM.Audit on /vms")]

    def _rows(self, doing: str, needs: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._connection.call(Request("GET", "cluster/resources", doing, needs), type="vm")
        return rows

    def _unless(self, cause: str, request: Request, **params: str | int) -> Any:
        """Make a call; None when Proxmox says that it is so already, or that there is no such thing."""
        try:
            return self._connection.call(request, **params)
        except PermanentError as error:
            if error.cause != cause:
                raise
            return None


def _moving(ctid: int) -> TransientError:
    return TransientError(f"CT {ctid} is not on the node that Proxmox names: it is being moved.", cause="moved")


def _ct(node: str, ctid: int) -> str:
    return f"nodes/{node}/lxc/{ctid}"


def _text(value: Any) -> str:
    """Write a value as in the configuration file; raw `lxc` lines come as a list of pairs."""
    return value if isinstance(value, str) else json.dumps(value)

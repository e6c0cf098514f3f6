"""The part of the API that looks at a CTID, on whichever node it stands."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.observation import Observation, Presence
from phoenix_worker.proxmox import error_table as known
from phoenix_worker.proxmox.cluster_view import ClusterLooks
from phoenix_worker.proxmox.sightings import Sightings
from phoenix_worker.proxmox.silence import SILENT_REMEDY, NoAnswerError
from phoenix_worker.proxmox.translate import Request
from phoenix_worker.proxmox.understood import rows_of, runs

if TYPE_CHECKING:
    from phoenix_worker.core.model.cluster import GuestPlace

_MOVES = 4
"""How often a CTID is looked for again that is not where the cluster has just said."""
_LAG = 0.2
"""Seconds after which the cluster's list knows of a migration; about 0.1 on a real one."""


class Whereabouts(ClusterLooks):
    """Base of the API."""

    def __init__(self) -> None:
        super().__init__()
        self._sightings = Sightings()

    def observe(self, node: str, ctid: int, *, pending: bool = False, elsewhere: bool = True) -> Observation:
        """Look at one CTID in two calls: `…/config`, then `…/status/current`, or `/cluster/resources` when absent.

        A third, `…/pending`, is made for running containers when `pending` is asked for. Nothing but the place of an
        id is read from `/cluster/resources`: name, status, lock and template flag lag there. One of ours that it
        places on another node is looked at there. Of many whose looks are shared, `GET /nodes/N/lxc`, which is live,
        tells at once which run; it does not tell what is an HA resource. Without a node the cluster is
        asked first, and one is looked at wherever it stands.

        Raises TransientError while it is migrated.
        """
        seen = self._configured(node, ctid, elsewhere=elsewhere)
        for _ in range(_MOVES):
            if seen.presence is not Presence.HERE:
                return seen
            status = self._status(seen.node, ctid)
            if status is None:
                seen = self._elsewhere(seen.node, ctid)
                continue
            running = runs(status)
            waiting = self._pending(seen.node, ctid) if pending and running else ()
            keys = tuple(line["key"] for line in waiting if "pending" in line or "delete" in line)
            ha = status.get("ha") or {}
            managed = bool(int(ha.get("managed") or 0))
            failed = managed and ha.get("state") == "error"
            return replace(seen, running=running, ha_managed=managed, ha_failed=failed, pending=keys)
        raise _moving(ctid)

    def observe_template(self, node: str, ctid: int, *, elsewhere: bool = True) -> Observation:
        """Look at a template in one call, `GET …/config`, when it is there.

        Without `elsewhere` the cluster is asked for an absent one all the same if the id was lately seen to stand.
        """
        what = f"template {ctid} on {node}{' or elsewhere' if elsewhere else ''}"
        return self._shared.get(what, lambda: self._configured(node, ctid, elsewhere=elsewhere))

    def _configured(self, node: str, ctid: int, *, elsewhere: bool) -> Observation:
        if not node:
            return self._anywhere(ctid)
        try:
            seen = self._standing(node, ctid, patient=False)
        except PermanentError as error:
            if error.cause != known.PERMISSION or not self._is_free(ctid):
                raise
            return Observation(ctid, node, Presence.ABSENT)
        except TransientError as error:
            if error.cause != known.UNREACHABLE:
                raise
            seen = self._despite_silence(node, ctid, error)
        if seen is not None:
            return seen
        if elsewhere or self._sightings.may_stand(ctid, lambda: self._live().guests):
            return self._elsewhere(node, ctid)
        return Observation(ctid, node, Presence.ABSENT)

    def glance(self, node: str, ctid: int) -> Observation | None:
        """Ask `GET …/config` once, with no more time than such answers take."""
        return self._standing(node, ctid, patient=False)

    def running(self, ctid: int) -> bool | None:
        """Return whether a guest runs, in two calls: where it is (`/cluster/resources`), its live status (its node)."""
        guest = self._live().guests.get(ctid)
        if guest is None:
            return None
        kind = "qemu" if guest.is_vm else "lxc"
        request = Request(
            "GET",
            f"nodes/{guest.node}/{kind}/{ctid}/status/current",
            f"look whether guest {ctid} runs",
            f"VM.Audit on /vms/{ctid}",
        )
        status = self._unless_missing(request)
        return None if status is None else runs(status)

    def _despite_silence(self, node: str, ctid: int, silence: TransientError) -> Observation | None:
        """Look for what stands elsewhere by now, although its declared node is silent.

        What the cluster does not place on another node may run on the silent one: nothing is ever taken for absent.
        """
        if isinstance(silence.__cause__, OSError) and not isinstance(silence, NoAnswerError):
            raise silence  # nothing answers, the node or another
        try:
            view = self._live()
        except (TransientError, PermanentError) as error:
            raise silence from error
        guest, state = view.guests.get(ctid), view.nodes.get(node)
        if guest is not None and guest.node != node:
            seen = self._elsewhere(node, ctid)
            if seen.presence is Presence.ABSENT:
                raise silence
            return seen
        if state is not None and not state.online:
            raise _offline(node, silence) from silence
        if not isinstance(silence, NoAnswerError):
            raise silence
        return self._standing(node, ctid)

    def _standing(self, node: str, ctid: int, *, patient: bool = True) -> Observation | None:
        """Read the configuration on one node; None when the node has none."""
        config = self._unless_missing(_look(node, ctid, "config", patient=patient))
        if config is None:
            return None
        self._sightings.saw(ctid)
        digest = str(config.pop("digest"))  # every one has it: an answer without it is no configuration
        return Observation(ctid, node, Presence.HERE, {key: _text(key, value) for key, value in config.items()}, digest)

    def _status(self, node: str, ctid: int) -> dict[str, Any] | None:
        """Ask `…/status/current`, or in a crowd for all of the node, where one that we may not see is not listed."""
        what = f"containers of {node}"
        if self._shared.is_crowded(what):
            listed = self._shared.get(what, lambda: self._listed(node))
            if ctid in listed:
                return {"status": listed[ctid]}
        return self._unless_missing(_look(node, ctid, "status/current"))

    def _pending(self, node: str, ctid: int) -> list[dict[str, Any]]:
        """Ask `…/pending` for the keys; nothing when it has just gone."""
        request = _look(node, ctid, "pending")
        answer = self._unless(known.MISSING, request)
        return [] if answer is None else rows_of(request, answer)

    def _unless_missing(self, request: Request) -> dict[str, Any] | None:
        """Read something of a guest; None when Proxmox says that there is none, not when it says nothing."""
        try:
            return self._connection.fields(request)
        except PermanentError as error:
            if error.cause != known.MISSING:
                raise
            return None

    def _listed(self, node: str) -> dict[int, str]:
        """Ask `GET /nodes/N/lxc` for the status of each; nothing when it cannot be asked: each can be asked alone."""
        request = Request("GET", f"nodes/{node}/lxc", f"list the containers of {node}", "VM.Audit on /vms")
        try:
            rows = self._connection.rows(request)
        except (TransientError, PermanentError):
            return {}
        return {int(row["vmid"]): str(row["status"]) for row in rows}

    def _anywhere(self, ctid: int) -> Observation:
        """Look for an id on all nodes. That there is none is asked live; where one is, its configuration confirms."""
        for attempt in range(_MOVES):
            guest = self.cluster(fresh=attempt > 0).guests.get(ctid)
            if guest is None:
                if self._is_free(ctid):
                    return Observation(ctid, "", Presence.ABSENT)
                if attempt > 0:
                    raise _unseen(ctid)
            elif guest.is_vm:
                return Observation(ctid, guest.node, Presence.VM, _name(guest))
            elif (seen := self._glance_or_wait(guest.node, ctid)) is not None:
                return seen
        raise _moving(ctid)

    def _glance_or_wait(self, node: str, ctid: int) -> Observation | None:
        """Look where the cluster places an id. A silent node is waited for, unless the cluster takes it for offline."""
        try:
            return self._standing(node, ctid, patient=False)
        except NoAnswerError as silence:
            state = self._live().nodes.get(node)
            if state is not None and not state.online:
                raise _offline(node, silence) from silence
        return self._standing(node, ctid)

    def _elsewhere(self, node: str, ctid: int) -> Observation:
        """Look for an id that a node does not have: ours on another node, somebody else's, a VM's, or nobody's.

        The list is a moment behind, and `config` is live: a line that keeps saying where it is not is stale. It is read
        wherever the list says, also where it was not a moment ago: it may have come back meanwhile.
        """
        without, stale = node, False
        for turn in range(_MOVES):
            guest = (self._live() if turn == 0 else self.cluster(fresh=True)).guests.get(ctid)
            if guest is None:
                break
            if guest.is_vm:
                return Observation(ctid, guest.node, Presence.VM, _name(guest))
            seen = self._standing(guest.node, ctid)
            if seen is not None:
                at_home = seen.is_ours or guest.node == node
                return seen if at_home else Observation(ctid, guest.node, Presence.OTHER_NODE, _name(guest))
            if guest.node != without:
                without, stale = guest.node, False
            elif stale:
                break
            else:
                stale = True
                time.sleep(_LAG)
        else:
            raise _moving(ctid)
        self._sightings.forget(ctid)
        return Observation(ctid, node, Presence.ABSENT)

    def _is_free(self, ctid: int) -> bool:
        """Ask `GET /cluster/nextid?vmid=…`, which everybody may, and which knows of guests that the token may not see.

        A guest that does not exist is in no pool: with a grant on the pool alone, looking at it is refused.
        """
        request = Request("GET", "cluster/nextid", f"look whether guest {ctid} exists", "")
        return self._unless(known.ALREADY_EXISTS, request, vmid=ctid) is not None

    def _unless(self, cause: str, request: Request, **params: str | int) -> Any:
        """Make a call; None when Proxmox says that it is so already, or that there is no such thing."""
        try:
            return self._connection.call(request, **params)
        except PermanentError as error:
            if error.cause != cause:
                raise
            return None


def _name(guest: GuestPlace) -> dict[str, str]:
    """Tell nothing else of what is not ours."""
    return {"hostname": guest.name} if guest.name else {}


def _offline(node: str, silence: TransientError) -> TransientError:
    why = f"{silence.message} The cluster says that {node} is offline."
    return TransientError(why, cause=known.UNREACHABLE, remedy=SILENT_REMEDY)


def _moving(ctid: int) -> TransientError:
    return TransientError(f"CT {ctid} is not on the node that Proxmox names: it is being moved.", cause="moved")


def _look(node: str, ctid: int, at: str, *, patient: bool = True) -> Request:
    doing, needs = f"look at CT {ctid} on {node}", f"VM.Audit on /vms/{ctid}"
    return Request("GET", f"nodes/{node}/lxc/{ctid}/{at}", doing, needs, patient)


def _unseen(ctid: int) -> PermanentError:
    """Return the error of an id that is taken by what the token may not see."""
    return PermanentError(
        f"Unable to look at CT {ctid}: the id is taken by a guest that the API token may not see.",
        cause=known.PERMISSION,
        remedy=f"Give the API token VM.Audit on /vms/{ctid}, or choose another CTID in the catalog.",
    )


def _text(key: str, value: Any) -> str:
    """Write a value as in the configuration file; raw `lxc` lines come as a list of pairs.

    Of UTF-8 in that file Proxmox shows each byte as a character, but in the notes.
    """
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    try:
        return text if key == "description" else text.encode("latin-1").decode()
    except UnicodeError:
        return text

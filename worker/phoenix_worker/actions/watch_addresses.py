"""How the watcher sees that a container has got the addresses that a task waits for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from phoenix_worker.core.model.addresses import lacking, reachable
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.durable.watcher import Look
from phoenix_worker.proxmox.error_table import ANYTHING_ELSE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phoenix_producer.contract import Address
    from phoenix_worker.core.model.ports import Proxmox

NO_ADDRESS = "no-address"
_PAUSE = 0.3
"""Seconds between two looks, at least: each starts a process on the node."""


def addresses_seen(proxmox: Proxmox, watch: Mapping[str, str], elapsed: float) -> Look:
    """Look once at the container that `watch` names; the end tells its addresses, or why it has none in time."""
    in_time, config = elapsed <= float(watch["seconds"]), json.loads(watch["networks"])
    try:
        seen = proxmox.interfaces(watch["node"], int(watch["ctid"]))
    except TransientError as error:
        if in_time:
            raise
        return Look(_failed(error))
    except PermanentError as error:
        if in_time and error.cause == ANYTHING_ELSE.cause:  # the container came up, or went down, meanwhile
            return Look(pause=_PAUSE)
        return Look(_failed(error))
    addresses = reachable(config, seen or ())
    if seen is not None and not lacking(config, addresses):
        return Look({"done": True, "addresses": [one.model_dump() for one in addresses]})
    if in_time:
        return Look(watch=None if seen is not None else _followed(proxmox, watch), pause=_PAUSE)
    return Look(_failed(_too_late(watch, config, addresses, running=seen is not None)))


def _followed(proxmox: Proxmox, watch: Mapping[str, str]) -> Mapping[str, str] | None:
    """Return how to go on when it shows no interfaces because it stands on another node now."""
    node = proxmox.observe_template(watch["node"], int(watch["ctid"])).node
    return None if node == watch["node"] else {**watch, "node": node}


def _failed(error: PermanentError | TransientError) -> dict[str, Any]:
    told = {"message": error.message, "cause": error.cause, "remedy": error.remedy or "Send the request again later."}
    return {"done": False, "error": told}


def _too_late(
    watch: Mapping[str, str], config: Mapping[str, str], addresses: tuple[Address, ...], *, running: bool
) -> PermanentError:
    node, ctid, seconds = watch["node"], watch["ctid"], watch["seconds"]
    without = lacking(config, addresses)
    where = " and ".join(f"{one.name} ({one.bridge})" for one in without)
    if not running:
        return PermanentError(
            f"CT {ctid} on {node} got no address on {where} within {seconds} s (wait_for_address): it does not run.",
            cause=NO_ADDRESS,
            remedy=f"See on {node}: `pct status {ctid}`, and its log. The next ensure starts it and waits again.",
        )
    bridges = " and ".join(dict.fromkeys(one.bridge for one in without))
    return PermanentError(
        f"CT {ctid} on {node} runs, and got no address on {where} within {seconds} s (wait_for_address).",
        cause=NO_ADDRESS,
        remedy=f"Check that a DHCP server, or for SLAAC a router, answers on {bridges}, and on {node} what "
        f"`pct exec {ctid} -- ip addr` shows. The next ensure waits again; if it takes longer, raise wait_for_address.",
    )

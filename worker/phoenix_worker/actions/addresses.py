"""Find out where a container can be reached, and wait for an address that the network gives it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phoenix_producer.contract import Address
from phoenix_worker.actions.look import where_last_seen
from phoenix_worker.actions.watch_addresses import NO_ADDRESS, addresses_seen
from phoenix_worker.core.model.addresses import configured, interfaces, lacking, may_get_more, networks, reachable
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.observation import Observation, Presence
from phoenix_worker.step_names import MAKING, StepName

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.ports import Proxmox
    from phoenix_worker.core.planned.plan import PlannedStep


@dataclass(frozen=True, slots=True)
class Found:
    """Where a container can be reached now."""

    addresses: tuple[Address, ...] = ()
    warnings: tuple[str, ...] = ()


def wait_after(declaration: Declaration, seen: Observation, steps: Iterable[PlannedStep]) -> int | None:
    """Return for how many seconds an address is waited for after these steps; None for what does not run then."""
    starts = any(step.name is StepName.START for step in steps)
    return declaration.wait_for_address if declaration.runs and (starts or seen.running) else None


def addresses_of(task: PhoenixTask, declaration: Declaration, seen: Observation) -> Found:
    """Tell it by the configuration, and by one call where a running container may have more than fixed ones.

    What cannot be asked is no failure: everything else about the container is known.
    """
    known = configured(seen.config)
    if declaration.is_template:
        return Found()
    if not (seen.running and may_get_more(seen.config)):
        return Found(known)
    try:
        return Found(reachable(seen.config, task.proxmox.interfaces(seen.node, seen.ctid) or ()))
    except (TransientError, PermanentError) as error:
        return Found(known, (_missing(error, seen.ctid),))


def addresses_after_steps(task: PhoenixTask, declaration: Declaration, known: Mapping[str, str] | None) -> Found:
    """Tell it when the steps of this job are done: by the `known` interfaces, or by what the steps saw of them."""
    if declaration.is_template:
        return Found()
    own, declaration = _own_steps(task, declaration), where_last_seen(task, declaration)
    try:
        config = dict(known if known is not None else _networks_after(task, declaration, own))
    except (TransientError, PermanentError) as error:
        return Found(warnings=(_missing(error, declaration.ctid),))
    seen = Observation(declaration.ctid, declaration.node, Presence.HERE, config, running=_left_running(own))
    return addresses_of(task, declaration, seen)


def wait_after_steps(task: PhoenixTask, declaration: Declaration, seconds: int | None) -> Found | None:
    """Wait as `wait_for_addresses`, when the steps of this job are done."""
    if seconds is None:
        return None
    declaration = where_last_seen(task, declaration)
    config = _networks_after(task, declaration, _own_steps(task, declaration))
    return wait_for_addresses(task, declaration, config, seconds)


def wait_for_addresses(
    task: PhoenixTask, declaration: Declaration, config: Mapping[str, str], seconds: int | None
) -> Found | None:
    """Wait, parked, until each interface that DHCP or SLAAC serves has an address; None when none is waited for.

    Raises PermanentError when the time is over. What has fixed addresses alone has all that it gets, and is not asked.
    """
    if seconds is None:
        return None
    node, ctid, known = declaration.node, declaration.ctid, networks(config)
    if not interfaces(known):
        raise _without_interface(node, ctid)
    awaited = lacking(known, configured(known))
    if not awaited:
        return None
    watch = {"networks": json.dumps(known), "node": node, "ctid": str(ctid), "seconds": str(seconds)}
    end = task.read("addresses", lambda: _at_once(task.proxmox, watch))
    if end is None:
        names = ", ".join(one.name for one in awaited)
        end = task.wait(f"address/{task.creation}/{ctid}", f"an address of CT {ctid} on {node}: {names}", watch=watch)
    if not end["done"]:
        raise PermanentError(**end["error"])
    return Found(tuple(Address(**one) for one in end["addresses"]))


def _own_steps(task: PhoenixTask, declaration: Declaration) -> list[dict[str, Any]]:
    return [step for step in task.steps_done() if step["ctid"] == declaration.ctid]


def _networks_after(task: PhoenixTask, declaration: Declaration, own: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
    """Return what the last step that looked has seen of the interfaces; look where none has."""

    def look() -> dict[str, str]:
        return networks(task.proxmox.observe_template(declaration.node, declaration.ctid).config)

    seen = (step["networks"] for step in reversed(own) if step.get("networks") is not None)
    known: Mapping[str, str] | None = next(seen, None)
    return known if known is not None else task.read("networks", look)


def _left_running(own: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether it runs after these steps; what they did not touch is asked as if it did, which costs a call."""
    power = [step["name"] for step in own if step["name"] in {StepName.START, StepName.STOP}]
    made = any(step["name"] in MAKING for step in own)
    return power[-1] == StepName.START if power else not made


def _missing(error: TransientError | PermanentError, ctid: int) -> str:
    return f"{error.message} Addresses of CT {ctid} may be missing here."


def _at_once(proxmox: Proxmox, watch: Mapping[str, str]) -> Any | None:
    """Return how the wait ends that is over before it begins; None when there is something to wait for."""
    try:
        return addresses_seen(proxmox, watch, 0.0).end
    except TransientError:
        return None


def _without_interface(node: str, ctid: int) -> PermanentError:
    return PermanentError(
        f"CT {ctid} on {node} gets no address: it has no network interface with a link.",
        cause=NO_ADDRESS,
        remedy="Declare network_config, or leave out wait_for_address.",
    )

"""Whether a container is the HA resource that is declared, and what has to be sent if it is not.

What is not declared stays as it is; a resource that nobody declares is never taken out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_producer.contract import Change
from phoenix_worker.core.model.ha import HaAct, HaState, HaWrite

if TYPE_CHECKING:
    from phoenix_worker.catalog.declaration import HaResource


def ha_write(declared: HaResource | None, seen: HaState | None, *, running: bool) -> HaWrite | None:
    """Return the request that makes it what is declared; None where nothing is declared, looked at, or different.

    A new resource is left in the state that it is in: HA would start what is not configured yet. Its start and stop
    are asked for as always, and Proxmox has HA do them.
    """
    if declared is None or seen is None:
        return None
    if not declared.enabled:
        return HaWrite(HaAct.REMOVE) if seen.managed else None
    wanted = _properties(declared)
    if not seen.managed:
        return HaWrite(HaAct.ADD, {"state": "started" if running else "stopped"} | wanted)
    present = _shown(seen)
    differing = {name: value for name, value in wanted.items() if present.get(name) != value}
    return HaWrite(HaAct.CHANGE, differing) if differing else None


def ha_told(declared: HaResource | None, seen: HaState | None) -> tuple[Change, ...]:
    """Tell the difference, as one change of the key `ha`."""
    if declared is None or seen is None or ha_write(declared, seen, running=False) is None:
        return ()
    return (Change(key="ha", old=_words(seen), new=_words(ha_then(declared, seen))),)


def ha_then(declared: HaResource | None, seen: HaState | None) -> HaState | None:
    """Return what is there once it is as declared."""
    if declared is None or seen is None:
        return seen
    if not declared.enabled:
        return HaState()
    wanted = _shown(seen) | _properties(declared)
    restart, relocate = int(wanted["max_restart"]), int(wanted["max_relocate"])
    return HaState(managed=True, group=wanted.get("group", ""), max_restart=restart, max_relocate=relocate)


def _properties(declared: HaResource) -> dict[str, str]:
    numbers = {"max_restart": declared.max_restart, "max_relocate": declared.max_relocate}
    group = {} if declared.group is None else {"group": declared.group}
    return group | {name: str(number) for name, number in numbers.items() if number is not None}


def _shown(seen: HaState) -> dict[str, str]:
    group = {"group": seen.group} if seen.group else {}
    return group | {"max_restart": str(seen.max_restart), "max_relocate": str(seen.max_relocate)}


def _words(state: HaState | None) -> str | None:
    if state is None or not state.managed:
        return None
    return ",".join(f"{name}={value}" for name, value in _shown(state).items())

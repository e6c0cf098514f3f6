"""Whoever does on a node what a remedy says, command by command, as it is printed, as root."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tests.support.node_grammar import PROGRAMS, Typed, understood
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.proxmox import Simulator

ROOT = "root@pam"
_QUOTED = re.compile(rf"`((?:{'|'.join(PROGRAMS)}|umount) [^`]+)`")


def commands_in(text: str) -> list[str]:
    """The commands of a node that a text prints."""
    return _QUOTED.findall(text)


def type_on_node(simulator: Simulator, text: str, **filled_in: str) -> list[str]:
    """Type all that a text prints, in its order, and return it; what is to be filled in is, such as `STORAGE`.

    Raises what Proxmox refuses. Each command works on the node alone that has the container, or on any.
    """
    lines = commands_in(text)
    assert lines, text
    for line in lines:
        for name, value in filled_in.items():
            line = re.sub(rf"\b{name}\b", value, line)  # noqa: PLW2901 - what was filled in
        if line.startswith("umount "):
            assert "an error if it is not mounted" in text, text
        else:
            type_line(simulator, line)
    return lines


def type_line(simulator: Simulator, line: str) -> None:
    """Type one command, and wait for the task that it starts."""
    typed = understood(line)
    done = simulator.do(_COMMANDS[typed.command], simulator.pve, typed)
    if isinstance(done, str) and done.startswith("UPID:"):
        _finished(simulator, done)


def _finished(simulator: Simulator, upid: str) -> None:
    wait_for(lambda: simulator.pve.tasks[upid]["status"] == "stopped")
    assert simulator.pve.tasks[upid]["exitstatus"] == "OK", simulator.pve.tasks[upid]


def _container(pve: Any, typed: Typed) -> dict[str, Any]:
    ctid = int(typed.words[0])
    return {"node": pve.ct(ctid).node, "vmid": ctid}


async def _set(pve: Any, typed: Typed) -> None:
    values = {name: int(value) if value in {"0", "1"} else value for name, value in typed.options.items()}
    await pve._lxc_config_put(ROOT, _container(pve, typed) | values)


async def _unlock(pve: Any, typed: Typed) -> None:
    pve.ct(int(typed.words[0])).lock = None


async def _destroy(pve: Any, typed: Typed) -> Any:
    return await pve._lxc_destroy(ROOT, _container(pve, typed) | typed.options)


async def _shut_down(pve: Any, typed: Typed) -> Any:
    return await pve._lxc_shutdown(ROOT, _container(pve, typed) | {"timeout": 60})


async def _delete_snapshot(pve: Any, typed: Typed) -> Any:
    return await pve._lxc_snapshot_delete(ROOT, _container(pve, typed) | {"snapname": typed.words[1]})


async def _move_volume(pve: Any, typed: Typed) -> None:
    """As `move_volume` of `PVE::API2::LXC`: never of what runs; the old volume stays, and is in no way any more."""
    ctid, key, storage = typed.words
    container = pve.ct(int(ctid))
    assert container.status != "running", "cannot move volumes of a running container"
    assert storage in pve.storages, storage
    _, _, rest = container.config[key].partition(":")
    container.config[key] = f"{storage}:{rest}"


async def _rescan(pve: Any, typed: Typed) -> None:
    pve.rescan(int(typed.options["vmid"]))


async def _free(pve: Any, typed: Typed) -> Any:
    volume = typed.words[0]
    where = {"node": next(iter(pve.nodes)), "storage": volume.partition(":")[0], "volume": volume}
    return await pve._content_delete(where, ROOT)


async def _set_storage(pve: Any, typed: Typed) -> None:
    values: dict[str, Any] = dict(typed.options)
    if "disable" in values:
        values["disable"] = int(values["disable"])
    pve.storages[typed.words[0]].update(values)


async def _remove_resource(pve: Any, typed: Typed) -> None:
    await pve._remove_resource({"sid": typed.words[0]}, ROOT)


async def _set_resource(pve: Any, typed: Typed) -> None:
    """HA does what it is told once it is disabled: it stops it, and forgets that it failed."""
    await pve._change_resource({"sid": typed.words[0]} | typed.options, ROOT)
    assert typed.options == {"state": "disabled"}
    pve.ct(int(typed.words[0].removeprefix("ct:"))).ha_state = "stopped"


async def _delete_job(pve: Any, typed: Typed) -> None:
    """What Proxmox has done a minute or two later: it marks the job, and `pvescheduler` removes it."""
    pve.replicated = pve.replicated - {int(typed.words[0].partition("-")[0])}


async def _make_name(pve: Any, typed: Typed) -> None:
    conf, kind = pve.firewall_config("cluster"), typed.words[0].rpartition("/")[2]
    name = typed.options.get("group") or typed.options["name"]
    conf[kind][name] = {"name": name, "cidr": typed.options["cidr"], "ipversion": 4} if kind == "aliases" else []


async def _only_shows(_pve: Any, _typed: Typed) -> None:
    pass


_COMMANDS: dict[str, Callable[[Any, Typed], Any]] = {
    "pct config": _only_shows,
    "pct delsnapshot": _delete_snapshot,
    "pct destroy": _destroy,
    "pct listsnapshot": _only_shows,
    "pct move-volume": _move_volume,
    "pct rescan": _rescan,
    "pct set": _set,
    "pct shutdown": _shut_down,
    "pct status": _only_shows,
    "pct unlock": _unlock,
    "pvesm free": _free,
    "pvesm set": _set_storage,
    "ha-manager remove": _remove_resource,
    "ha-manager set": _set_resource,
    "ha-manager status": _only_shows,
    "pvesh create": _make_name,
    "pvesr delete": _delete_job,
}

"""What differs of what only root on the node may set. `pct set` takes one part of it, the rest are raw lines.

What is declared is ours, and nothing else is taken away: a feature by its name, a device by its path, a bind
mount by its place in the container, raw lines by their key.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from phoenix_producer.contract import Change
from phoenix_worker.catalog.disk_ids import on_disk
from phoenix_worker.catalog.id_maps import UNPRIVILEGED, IdMaps
from phoenix_worker.core.differs import devices, mount_options, mount_order, raw_lines
from phoenix_worker.core.model import property_string
from phoenix_worker.core.model.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.catalog.host_parts import BindMount
    from phoenix_worker.core.model.observation import Observation

_HOOKSCRIPT = "hookscript"


@dataclass(frozen=True, slots=True)
class HostDirectory:
    """A directory of the node, and whose it should be there. One that exists stays its owner's if none is declared."""

    path: str
    uid: int
    gid: int
    owned: bool


@dataclass(frozen=True, slots=True)
class RootChanges:
    """One `pct set`, the directories of its bind mounts, and raw lines by key. Falsy when there is nothing to do."""

    put: dict[str, str] = field(default_factory=dict)
    delete: tuple[str, ...] = ()
    raw: dict[str, tuple[str, ...]] = field(default_factory=dict)
    directories: tuple[HostDirectory, ...] = ()
    changes: tuple[Change, ...] = ()
    pending_when_running: tuple[str, ...] = ()
    """What a running container takes only at its next start: a device or a mount that is new is plugged in at once."""

    def __bool__(self) -> bool:
        return bool(self.put or self.delete or self.raw)


def root_diff(declaration: Declaration, observation: Observation) -> RootChanges:
    """Compare what only root may set. Directories are named where a mount is new or the declaration is another one.

    Raises PermanentError for the owner of a directory who has no id on the node.
    """
    config = observation.config
    put = _features(declaration, config)
    gone = devices.unwanted(declaration, config)
    put |= devices.changed(declaration, config)
    mounts = _mounts(declaration, config)
    put |= mounts
    put |= _hookscript(declaration, config)
    lines = raw_lines.by_key(raw_lines.present(config))
    raw = {key: values for key, values in raw_lines.by_key(declaration.raw_lines).items() if lines.get(key) != values}
    told = [Change(key=key, old=config.get(key), new=value) for key, value in put.items()]
    told += [Change(key=key, old=config[key]) for key in gone]
    told += [Change(key=key, old=_one_line(lines.get(key, ())), new=_one_line(raw[key])) for key in raw]
    marker = observation.marker
    declared_anew = marker is None or marker.declaration != declaration.hash
    return RootChanges(
        put,
        gone,
        raw,
        tuple(_directories(declaration, observation)) if mounts or declared_anew else (),
        tuple(told),
        tuple(key for key in (*put, *gone, *raw) if _waits(key, config)),
    )


def applied(observation: Observation, changes: RootChanges) -> Observation:
    """Return what Proxmox shows when the changes are made."""
    if not changes:
        return observation
    config = {key: value for key, value in observation.config.items() if key not in changes.delete} | changes.put
    if changes.raw:
        config["lxc"] = json.dumps(raw_lines.replaced(raw_lines.present(config), changes.raw))
    return replace(observation, config=config)


def taken_places(declaration: Declaration, observation: Observation) -> Iterator[str]:
    """Name each declared bind mount in whose place the container has a volume: its data would be lost to sight."""
    for key, parts in _mount_points(observation.config).items():
        inside = mount_order.normal_path(parts.get("mp", ""))
        wanted = next((mount for mount in declaration.bind_mounts if mount.container_path == inside), None)
        if wanted is not None and not parts["volume"].startswith("/"):
            yield (
                f"its volume {key} ({parts['volume']}) is mounted at {inside}, the catalog declares a bind mount of "
                f"{wanted.host_path} there, and a bind mount would hide the data in the volume"
            )


def _waits(key: str, config: Mapping[str, str]) -> bool:
    return key != _HOOKSCRIPT and (key in config or not key.startswith(("dev", "mp")))


def _hookscript(declaration: Declaration, config: Mapping[str, str]) -> dict[str, str]:
    wanted = declaration.hookscript
    return {} if wanted in (None, config.get(_HOOKSCRIPT)) else {_HOOKSCRIPT: wanted or ""}


def _one_line(values: tuple[str, ...]) -> str | None:
    return " | ".join(values) or None


def _features(declaration: Declaration, config: Mapping[str, str]) -> dict[str, str]:
    old = property_string.parse(config.get("features", ""))
    wanted = property_string.parse(",".join(declaration.root_features))
    differing = {
        name
        for name, value in wanted.items()
        if _kinds(value) != _kinds(old.get(name, "")) and (name in old or value != "0")
    }
    if not differing:
        return {}
    by_token = property_string.parse(",".join(declaration.features))
    new = old | {name: value for name, value in (by_token | wanted).items() if value != "0" or name in old}
    return {"features": property_string.render(new, "")}


def _kinds(value: str) -> frozenset[str]:
    """Return the parts of `nfs;cifs`: their order says nothing."""
    return frozenset(value.split(";"))


def _mounts(declaration: Declaration, config: Mapping[str, str]) -> dict[str, str]:
    there = {mount_order.normal_path(parts.get("mp", "")): (key, parts) for key, parts in _mount_points(config).items()}
    free = mount_order.numbers(declaration, config)
    put = {}
    for mount in declaration.bind_mounts:
        key, parts = there.get(mount.container_path, ("", {}))
        if not key and mount.container_path in free:
            parts = mount_options.with_options(mount.options, {"mp": mount.container_path})
            put[free[mount.container_path]] = mount_options.rendered(mount.host_path, parts)
        elif key and parts["volume"].startswith("/") and _mounted_otherwise(mount, parts):
            put[key] = mount_options.rendered(mount.host_path, mount_options.with_options(mount.options, parts))
    return put


def _mounted_otherwise(mount: BindMount, parts: Mapping[str, str]) -> bool:
    moved = mount_order.normal_path(parts["volume"]) != mount.host_path
    return moved or mount_options.differ(mount.options, parts)


def _mount_points(config: Mapping[str, str]) -> dict[str, dict[str, str]]:
    return {key: property_string.parse(config[key], "volume") for key in config if re.fullmatch(r"mp\d+", key)}


def _directories(declaration: Declaration, observation: Observation) -> Iterator[HostDirectory]:
    maps = _id_maps(declaration, observation)
    for mount in declaration.bind_mounts:
        owned = mount.owner_uid is not None or mount.owner_gid is not None
        own = _disk_ids(mount, observation.config) if maps.lines else ""
        uid, gid = (
            _on_node(declaration, mount, maps, kind, inside) if (found := on_disk(own, kind, inside)) is None else found
            for kind, inside in (("u", mount.owner_uid or 0), ("g", mount.owner_gid or 0))
        )
        yield HostDirectory(mount.host_path, uid, gid, owned)


def _disk_ids(mount: BindMount, config: Mapping[str, str]) -> str:
    """Return its own maps; those that it has already stay where none are declared."""
    there = {mount_order.normal_path(parts.get("mp", "")): parts for parts in _mount_points(config).values()}
    return dict(mount.options).get("idmap") or there.get(mount.container_path, {}).get("idmap", "")


def _id_maps(declaration: Declaration, observation: Observation) -> IdMaps:
    lines = raw_lines.by_key(declaration.raw_lines).get("lxc.idmap")
    if lines is None:
        lines = raw_lines.by_key(raw_lines.present(observation.config)).get("lxc.idmap", ())
    if not lines and observation.config.get("unprivileged") == "1":
        return UNPRIVILEGED
    return IdMaps(lines)


def _on_node(declaration: Declaration, mount: BindMount, maps: IdMaps, kind: str, inside: int) -> int:
    found = maps.on_node(kind, inside)
    if found is None:
        what = "user" if kind == "u" else "group"
        raise PermanentError(
            f"Unable to configure CT {declaration.ctid} on {declaration.node}: {mount.host_path} should be owned by "
            f"the {what} {inside} of the container, and its id_maps map this to no id on the node.",
            cause="no-such-id",
            remedy=f"Map {inside} in id_maps, or declare another owner.",
        )
    return found

"""What is refused, and what is warned of, about keys that only root may set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.catalog.findings import Advice, Refusal, plain, shown
from phoenix_worker.catalog.id_maps import IdMaps
from phoenix_worker.catalog.refusals import unprivileged
from phoenix_worker.catalog.root_only import ID_MAP, PROFILE, known, plain_path, raw_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from phoenix_worker.catalog.entry import Entry, ParsedEntry

    Entries = Mapping[int, ParsedEntry]


def refuse_root_only(entries: Entries) -> Iterator[Refusal]:
    """Refuse what contradicts itself within an entry."""
    for ctid, parsed in entries.items():
        yield from _two_profiles(ctid, parsed.entry)
        yield from _one_place_twice(ctid, parsed.entry)
        yield from _owners_without_id(ctid, parsed.entry)
        if not unprivileged(entries, ctid):
            yield from _disk_ids_without_effect(ctid, parsed.entry)
        paths = [device.path for device in parsed.entry.devices]
        for path in dict.fromkeys(path for path in paths if paths.count(path) > 1):
            yield Refusal(ctid, f"The device {shown(path)} is declared twice.", "Remove one of them.")


def advise_root_only(entries: Entries) -> Iterator[Advice]:
    """Point out raw lines that Proxmox drops, and directories that another container could swap for others."""
    for ctid, parsed in entries.items():
        for key in dict.fromkeys(key for _, (key, _) in raw_lines(parsed.entry) if not known(key)):
            yield Advice(ctid, f"{plain(key)} has no effect: Proxmox knows no such raw key.", "Correct or remove it.")
    yield from _nested_directories(entries)


def _two_profiles(ctid: int, entry: Entry) -> Iterator[Refusal]:
    profiles = list(dict.fromkeys(value for _, (key, value) in raw_lines(entry) if key == PROFILE))
    if len(profiles) > 1:
        names = " and ".join(map(shown, profiles))
        yield Refusal(ctid, f"It has two AppArmor profiles: {names}.", "Declare one, in apparmor_profile.")


def _one_place_twice(ctid: int, entry: Entry) -> Iterator[Refusal]:
    places = [plain_path(mount.container_path) for mount in entry.mount_points]
    places += [plain_path(volume.mount_point) for volume in (*entry.zfs_volumes, *entry.volumes)]
    for place in dict.fromkeys(place for place in places if places.count(place) > 1):
        yield Refusal(ctid, f"Two mounts share the path {shown(place)}.", "Give each its own path.")


def _owners_without_id(ctid: int, entry: Entry) -> Iterator[Refusal]:
    maps = IdMaps(tuple(entry.id_maps))
    for mount in entry.mount_points:
        for key, kind, inside in (("owner_uid", "u", mount.owner_uid), ("owner_gid", "g", mount.owner_gid)):
            if entry.id_maps and inside is not None and maps.on_node(kind, inside) is None:
                yield Refusal(ctid, f"id_maps does not cover {key} {inside}.", "Map it, or choose another owner.")


def _disk_ids_without_effect(ctid: int, entry: Entry) -> Iterator[Refusal]:
    """Refuse what Proxmox passes over: ids of a mount in a container whose own ids are those of the node."""
    if any(key == ID_MAP for _, (key, _) in raw_lines(entry)):
        return
    keys = ("mount_points", "zfs_volumes", "volumes")
    mounts = [(f"{key}[{index}]", one.idmap) for key in keys for index, one in enumerate(getattr(entry, key))]
    root = [] if entry.root_disk is None else [("root_disk", entry.root_disk.idmap)]
    for where, idmap in (*root, *mounts):
        if idmap is not None:
            problem = f"{where}.idmap has no effect in a privileged container."
            yield Refusal(ctid, problem, "Remove it, or declare id_maps of the container.")


def _nested_directories(entries: Entries) -> Iterator[Advice]:
    """Whoever is root in the one that has the outer directory can put a link in the place of the inner one."""
    mounts = [(ctid, plain_path(mount.host_path)) for ctid, one in entries.items() for mount in one.entry.mount_points]
    for ctid, inner in mounts:
        for other, outer in mounts:
            if other != ctid and inner.startswith(f"{outer.rstrip('/')}/"):
                problem = f"{shown(inner)} lies in {shown(outer)}: CT {other} can put a link to any path in its place."
                yield Advice(ctid, problem, f"Mount another directory, unless you trust CT {other} with the node.")

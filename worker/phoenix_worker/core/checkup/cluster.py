"""Whether this cluster can hold what the catalog declares: its nodes, clocks, storages, bridges, OS templates."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phoenix_worker.core.allowed.forbidden import WITHOUT_TEMPLATES
from phoenix_worker.core.checkup.line import error, fine, guessed, listed, warning
from phoenix_worker.core.differs.diff import DEFAULT_STORAGE
from phoenix_worker.core.model.errors import RESTORE_QUORUM

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.checkup.line import Line

_TESTED = (8, 9)
_SKEW_S = 4.0
"""Below the tolerance with which tasks are recognized by their begin (`recover.py`)."""
_CERTIFICATE_DAYS = 14
_COPY_ON_WRITE = frozenset({"btrfs", "lvmthin", "rbd", "zfspool"})
"""Storage types that have linked clones and snapshots of containers. Seen, and in PVE::Storage's plugins."""


@dataclass(frozen=True, slots=True)
class Storage:
    """A storage as a node sees it."""

    name: str
    kind: str
    content: frozenset[str]
    free_gib: float
    enabled: bool = True
    """For this node."""
    online: bool = True

    @property
    def usable(self) -> bool:
        """Whether something can be read from it and put on it."""
        return self.enabled and self.online

    @property
    def copies_on_write(self) -> bool:
        """Whether it has linked clones and snapshots of containers."""
        return self.kind in _COPY_ON_WRITE


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What one node has."""

    name: str
    storages: Mapping[str, Storage] = field(default_factory=dict)
    disabled: frozenset[str] = frozenset()
    """Storages of the cluster that are disabled everywhere."""
    elsewhere: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Storages that are configured for other nodes only, and for which."""
    bridges: frozenset[str] = frozenset()
    vnets: frozenset[str] = frozenset()
    """Those of the bridges that are VNets of SDN: their privileges are on their own zone."""
    os_templates: frozenset[str] | None = frozenset()
    """Volume ids on the storages that the catalog takes OS templates from; None when the token may not see them."""
    appliances: frozenset[str] = frozenset()
    """File names in Proxmox's own index, which can be downloaded."""
    clock_ahead_s: float | None = None
    """Of this machine's clock; None when the token may not ask."""
    certificate_days: float | None = None
    """Until the certificate of its API ends."""


def judge_version(version: str) -> Line:
    """Say whether this Proxmox VE is one that was tried."""
    major = int(version.partition(".")[0].partition("-")[0])
    if major in _TESTED:
        return fine("Proxmox version", version)
    tested = " and ".join(map(str, _TESTED))
    return warning(
        "Proxmox version", f"{version}; phoenix-lxc is tested with {tested}", "Try on a container that you can spare."
    )


def judge_quorum(*, quorate: bool) -> Line:
    """Say whether the cluster can write its configuration."""
    if quorate:
        return fine("Proxmox quorum", "the cluster has quorum")
    return error(
        "Proxmox quorum",
        "lost: nothing can be created or changed",
        RESTORE_QUORUM,
    )


def judge_nodes(declared: Mapping[str, list[int]], online: Mapping[str, bool]) -> Iterator[Line]:
    """Say which of the nodes that the catalog names are there; `online` has those of the cluster."""
    for node, ctids in sorted(declared.items()):
        about = f"Node {node}"
        if node not in online:
            known = f"There are: {listed(sorted(online))}.{guessed(node, online)}"
            remedy = f"Correct `node` in the catalog, or PHOENIX_NODE. {known}"
            yield error(
                about, f"the cluster has none of this name, and the catalog wants {listed(ctids)} there", remedy
            )
        elif not online[node]:
            yield error(about, f"is not online, and the catalog wants {listed(ctids)} there", "Start the node.")
        else:
            yield fine(about, f"online; used by {len(ctids)} catalog entries")


def judge_node(
    node: NodeFacts,
    declared: Mapping[int, Declaration],
    catalog: Mapping[int, Declaration],
    unseen: frozenset[str] = frozenset(),
    there: Collection[int] = (),
) -> Iterator[Line]:
    """Say whether a node has what its containers, `declared`, need. `catalog` has their templates too.

    Of what the token may not see nothing is said: `unseen` are its paths, and `judge_privileges` names them. What is
    needed to make those that are `there` already is a warning: they could not be made again.
    """
    yield from _clock(node)
    yield from _certificate(node)
    yield from _storages(node, declared, catalog, unseen, there)
    yield from _bridges(node, declared, unseen)
    yield from _os_templates(node, declared, unseen, there)


def _clock(node: NodeFacts) -> Iterator[Line]:
    about, ahead = f"Clock of {node.name}", node.clock_ahead_s
    if ahead is None:
        return
    if abs(ahead) <= _SKEW_S:
        yield fine(about, f"differs by {abs(ahead):.0f} s from this machine's")
    else:
        way = "ahead of" if ahead > 0 else "behind"
        yield warning(
            about,
            f"is {abs(ahead):.0f} s {way} this machine's: by a wrong one, certificates seem expired or not yet valid",
            "Synchronize both clocks: timedatectl set-ntp true",
        )


def _certificate(node: NodeFacts) -> Iterator[Line]:
    about, days = f"Certificate of {node.name}", node.certificate_days
    if days is None:
        return
    if days > _CERTIFICATE_DAYS:
        yield fine(about, f"ends in {days:.0f} days")
    else:
        yield warning(
            about, f"ends in {days:.0f} days", "On the node: pvecm updatecerts --force && systemctl reload pveproxy"
        )


def storage_of(declaration: Declaration, catalog: Mapping[int, Declaration]) -> str | None:
    """Name the storage of a root disk: its own, that of what it is cloned from, or Proxmox's default.

    None when it is cloned from what the catalog does not have.
    """
    while declaration.storage is None and declaration.clone_from is not None and declaration.clone_from in catalog:
        declaration = catalog[declaration.clone_from]
    return declaration.storage or (DEFAULT_STORAGE if declaration.clone_from is None else None)


def _is_to_hold(name: str, one: Declaration, catalog: Mapping[int, Declaration], there: Collection[int]) -> bool:
    """Return whether a storage is declared for it, or Proxmox will take it when it is made, or its template is."""
    if name in {one.storage, *(volume.storage for volume in one.volumes)}:
        return True
    if one.ctid in there:
        return False
    above = catalog.get(one.clone_from or 0)
    return above is None or storage_of(above, catalog) != name or _is_to_hold(name, above, catalog, there)


def storages_of(declaration: Declaration, catalog: Mapping[int, Declaration]) -> frozenset[str]:
    """Name the storages of all its disks, as far as they are known."""
    root = storage_of(declaration, catalog)
    return frozenset(volume.storage for volume in declaration.volumes) | ({root} if root is not None else set())


def _storages(
    node: NodeFacts,
    declared: Mapping[int, Declaration],
    catalog: Mapping[int, Declaration],
    unseen: frozenset[str],
    there: Collection[int],
) -> Iterator[Line]:
    users: dict[str, list[Declaration]] = {}
    for declaration in declared.values():
        for place in storages_of(declaration, catalog):
            users.setdefault(place, []).append(declaration)
    for name, those in sorted(users.items()):
        about, storage = f"Storage {name} on {node.name}", node.storages.get(name)
        coming = [one for one in those if _is_to_hold(name, one, catalog, there)]
        say, wanted = (error if coming else warning), listed(map(_named, coming or those))
        if (trouble := _out_of_use(node, name, unseen)) is not None:
            yield say(about, f"{trouble[0]}, and the catalog puts {wanted} on it", trouble[1])
        elif storage is None:
            continue
        elif "rootdir" not in storage.content:
            allow = ",".join(sorted({*storage.content, "rootdir"}))
            named = any(name in {one.storage, *(volume.storage for volume in one.volumes)} for one in those)
            default = "" if named else ", and Proxmox takes it where none is declared"
            instead = "" if named else "Declare `storage_pool`, or: "
            yield say(about, f"takes no containers{default}", f"{instead}pvesm set {name} --content {allow}")
        else:
            yield from _abilities(about, storage, coming, catalog)


def _out_of_use(node: NodeFacts, name: str, unseen: frozenset[str]) -> tuple[str, str] | None:
    """Say why a storage cannot be used on a node, and what to do; None when it can, or the token may not see it."""
    storage = node.storages.get(name)
    if name in node.disabled:
        return "is disabled", f"Enable it: pvesm set {name} --disable 0"
    if name in node.elsewhere:
        nodes = ",".join(sorted({*node.elsewhere[name], node.name}))
        others = listed(sorted(node.elsewhere[name]))
        return f"is for {others} only", f"If this node has it too: pvesm set {name} --nodes {nodes}"
    if storage is None:
        there = f"The token sees: {listed(sorted(node.storages)) or 'none'}."
        return None if f"/storage/{name}" in unseen else ("is not there", f"Correct `storage_pool`. {there}")
    if not storage.usable:
        return "is not online", f"On {node.name}: pvesm status --storage {name}"
    return None


def _abilities(
    about: str, storage: Storage, those: list[Declaration], catalog: Mapping[int, Declaration]
) -> Iterator[Line]:
    templates = [one.ctid for one in those if one.is_template]
    if templates and storage.kind in WITHOUT_TEMPLATES:
        yield error(
            about,
            f"is of the type {storage.kind}, which has no templates, and {listed(templates)} are declared on it",
            "Declare another storage for them.",
        )
        return
    rooted = [one for one in those if storage_of(one, catalog) == storage.name]
    linked = [one.ctid for one in rooted if one.clone_from in catalog and not one.full_clone]
    if linked and not storage.copies_on_write:
        yield error(
            about,
            f"is of the type {storage.kind}, which has no linked clones, and {listed(linked)} are declared so",
            'Declare `"clone": "full"`, or another storage for the template.',
        )
        return
    volumes = (volume for one in those for volume in one.volumes if volume.storage == storage.name)
    largest = max([*(one.disk_gb or 0 for one in rooted), *(volume.size_gb for volume in volumes)], default=0)
    if storage.free_gib < largest:
        yield warning(
            about,
            f"has {storage.free_gib:.0f} GiB free, and a disk of {largest} GiB is declared on it",
            "Free some space, or name another storage in the catalog.",
        )
        return
    able = "linked clones and snapshots" if storage.copies_on_write else "no linked clones, no snapshots"
    yield fine(about, f"{storage.kind}: {able}; {storage.free_gib:.0f} GiB free")


def _bridges(node: NodeFacts, declared: Mapping[int, Declaration], unseen: frozenset[str]) -> Iterator[Line]:
    users: dict[str, list[Declaration]] = {}
    for declaration in declared.values():
        for bridge in {network.bridge for network in declaration.networks}:
            users.setdefault(bridge, []).append(declaration)
    for bridge, those in sorted(users.items()):
        about = f"Bridge {bridge} on {node.name}"
        if bridge in node.bridges:
            entries = [one for one in those if one.copy_of is None]
            yield fine(about, f"exists; used by {len(entries)} catalog entries")
        elif f"/sdn/zones/localnetwork/{bridge}" not in unseen:
            there = f"The token sees: {listed(sorted(node.bridges)) or 'none'}."
            wanted = listed(map(_named, those))
            remedy = f"Correct `bridge` in the catalog, or make it on the node. {there}"
            yield error(about, f"is not there, and the catalog connects {wanted} to it", remedy)


def _named(declaration: Declaration) -> str:
    """Name an entry of the catalog, or what is copied because of one."""
    return f"{declaration.ctid}" if declaration.copy_of is None else f"the copy of {declaration.copy_of}"


def absent_os_templates(node: NodeFacts, declared: Mapping[int, Declaration]) -> dict[str, list[str]]:
    """Find OS templates that containers are created from and that are not on their storage yet."""
    absent: dict[str, list[str]] = {}
    if node.os_templates is None:
        return absent
    for declaration in declared.values():
        if declaration.os_template is not None and declaration.os_template not in node.os_templates:
            absent.setdefault(declaration.os_template, []).append(_named(declaration))
    return absent


def _os_templates(
    node: NodeFacts, declared: Mapping[int, Declaration], unseen: frozenset[str], there: Collection[int]
) -> Iterator[Line]:
    if node.os_templates is None:
        return
    absent = absent_os_templates(node, declared)
    used = {one.os_template for one in declared.values() if one.os_template is not None}
    for volume in sorted(used - absent.keys()):
        yield fine(f"OS template {volume} on {node.name}", "there")
    for volume, those in sorted(absent.items()):
        about, (storage, _, path) = f"OS template {volume} on {node.name}", volume.partition(":")
        name, place = path.rpartition("/")[2], node.storages.get(storage)
        trouble = _out_of_use(node, storage, unseen)
        to_be_made = any(one.os_template == volume and one.ctid not in there for one in declared.values())
        say = error if to_be_made else warning
        if trouble is not None:
            yield say(about, f"the storage {storage} {trouble[0]}", trouble[1].replace("storage_pool", "template"))
        elif place is None:
            continue
        elif "vztmpl" not in place.content:
            allow = ",".join(sorted({*place.content, "vztmpl"}))
            yield say(about, f"{storage} takes no OS templates", f"pvesm set {storage} --content {allow}")
        elif place_of := next(one.download for one in declared.values() if one.os_template == volume):
            yield fine(about, f"not there yet: it is fetched from {place_of.url or place_of.image} when it is needed")
        elif name in node.appliances:
            yield fine(about, "not there yet: it is downloaded from Proxmox's index when it is needed")
        else:
            yield say(
                about,
                f"is not there, Proxmox's index does not have it, and {listed(those)} are created from it",
                f"Upload it to {storage}, or correct `template`. What the index has: pveam update && pveam available",
            )

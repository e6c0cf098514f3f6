"""What cannot work, told before anything is done: storages and bridges that are not there, clones that Proxmox refuses.

Only what is known counts: where the token may not see something, Proxmox itself answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phoenix_worker.core.allowed.forbidden import NO_TEMPLATES, no_templates
from phoenix_worker.core.allowed.linked import storages_of
from phoenix_worker.core.differs import volumes
from phoenix_worker.core.differs.diff import DEFAULT_STORAGE
from phoenix_worker.core.model import property_string
from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.planned.notes import too_long

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from phoenix_worker.catalog.declaration import Declaration, Network, Volume
    from phoenix_worker.core.model.observation import Observation
    from phoenix_worker.core.model.ports import Storage

_NO_LINKED_CLONES = frozenset({"cephfs", "cifs", "dir", "glusterfs", "lvm", "nfs"})
"""Storage types without linked clones of containers. Of a type that is not known here, Proxmox is asked."""


NOT_SHARED = "storage-not-shared"
"""The cause where a template's node and that of a clone do not share its storage."""
_Problem = tuple[str, str, str]
"""Its cause, as the error table of the API names it where Proxmox would say so itself; why; and the remedy."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What the cluster has; None is not known."""

    storages: Mapping[str, Storage] | None = None
    bridges: frozenset[str] | None = None
    """Of the node in question."""

    def storages_on(self, node: str) -> str:
        """Say which of a node's storages hold containers."""
        found = (self.storages or {}).values()
        names = sorted(one.name for one in found if one.enabled and one.is_on(node) and "rootdir" in one.content)
        return f"{node} has: {', '.join(names)}." if names else f"{node} has no storage for containers."


@dataclass(frozen=True, slots=True)
class Origin:
    """A template that is cloned: where it lies, or would be built."""

    ctid: int
    node: str
    storages: tuple[str, ...] = field(default=())

    @classmethod
    def seen(cls, template: Observation) -> Origin:
        """As Proxmox shows it."""
        return cls(template.ctid, template.node, storages_of(template))

    @classmethod
    def declared(cls, chain: Sequence[Declaration]) -> Origin:
        """As it would be built; after it in the chain comes what it is made from."""
        template = chain[0]
        return cls(template.ctid, template.node, _storages(chain))


def _storages(chain: Sequence[Declaration]) -> tuple[str, ...]:
    """Name the storages of what is not made yet: its own, or those that it takes from its template."""
    first, *rest = chain
    own = first.clone_from is None or _moves(first)
    inherited = (first.storage or DEFAULT_STORAGE,) if own else _storages(rest) if rest else ()
    return tuple(sorted({*inherited, *(volume.storage for volume in first.volumes)} if inherited else ()))


def _moves(clone: Declaration) -> bool:
    """Return whether a clone goes to a storage that is named."""
    return clone.full_clone and clone.storage is not None and not clone.stays_with_volumes


@dataclass(frozen=True, slots=True)
class Need:
    """A storage that is declared."""

    storage: str
    key: str
    """Where the catalog names it."""
    takes: bool = True
    """Whether something is to be put on it."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a node must have for a declaration. Falsy when it needs nothing."""

    storages: tuple[Need, ...] = ()
    bridges: Mapping[str, str] = field(default_factory=dict)
    """Where the catalog names each bridge that is declared."""

    def __bool__(self) -> bool:
        return bool(self.storages or self.bridges)


def needs_of_change(declaration: Declaration, seen: Observation) -> Needs:
    """Name what is declared of a container that stands there and is otherwise now.

    No disk is moved; a storage that there is none of is a mistake all the same, and it would never be told else.
    """
    there = volumes.mounted(seen.config)
    absent = volumes.absent(declaration.volumes, seen.config)
    moved = [one for one in declaration.volumes if one not in absent and there[one.mount_point].storage != one.storage]
    root = property_string.parse(seen.config.get("rootfs", ""), "volume").get("volume", "")
    on_root = [need for need in _root(declaration, takes=False) if need.storage != volumes.storage_of(root)]
    bridges = {
        one.bridge: where
        for key, (where, one) in _interfaces(declaration).items()
        if property_string.parse(seen.config.get(key, "")).get("bridge") != one.bridge
    }
    storages = [*on_root, *(_of(one) for one in absent), *(_of(one, takes=False) for one in moved)]
    return Needs(tuple(storages), bridges)


def _needs_of_making(declaration: Declaration) -> Needs:
    storages = [*_root(declaration, takes=True), *(_of(volume) for volume in declaration.volumes)]
    return Needs(tuple(storages), {one.bridge: where for where, one in _interfaces(declaration).values()})


def _interfaces(declaration: Declaration) -> dict[str, tuple[str, Network]]:
    """Return the declared interfaces by their keys, each with where the catalog has it."""
    alone = declaration.source.get("network_config") or not declaration.source.get("networks")
    return {
        f"net{number}": ("network_config" if alone and not number else "networks", one)
        for number, one in enumerate(declaration.networks)
    }


def _root(declaration: Declaration, *, takes: bool) -> Iterator[Need]:
    storage = declaration.storage or (DEFAULT_STORAGE if takes and declaration.clone_from is None else None)
    if storage is not None and (declaration.clone_from is None or _moves(declaration)):
        yield Need(storage, "`storage_pool`", takes)


def _of(volume: Volume, *, takes: bool = True) -> Need:
    return Need(volume.storage, f"`pool` for its volume {volume.mount_point}", takes)


def cannot_work(declaration: Declaration, origin: Origin | None, offer: Offer) -> PermanentError | None:
    """Say why a container cannot be made, and what to do; None when nothing is known against it."""
    return too_long(declaration) or _first(declaration, _problems(declaration, origin, offer))


def objection(declaration: Declaration, origin: Origin | None, offer: Offer) -> str:
    """Say why a node cannot have a container, without the node's name; nothing when nothing is known against it."""
    return next((why for _, why, _ in _problems(declaration, origin, offer)), "")


def cannot_change(declaration: Declaration, needs: Needs, offer: Offer) -> PermanentError | None:
    """Say why one that stands there cannot become as declared, and what to do; as `cannot_work`."""
    return _first(declaration, _missing(declaration.node, needs, offer))


def is_reachable(clone: Declaration, origin: Origin, offer: Offer) -> bool:
    """Return whether nothing known is against cloning a template to a clone's node, where that is another one."""
    return offer.storages is None or not any(_not_shared(clone, origin, offer.storages))


def _first(declaration: Declaration, problems: Iterator[_Problem]) -> PermanentError | None:
    for cause, why, remedy in problems:
        what = "build template" if declaration.is_template else "ensure CT"
        message = f"Unable to {what} {declaration.ctid} on {declaration.node}: {why}."
        return PermanentError(message, cause=cause, remedy=remedy)
    return None


def _problems(declaration: Declaration, origin: Origin | None, offer: Offer) -> Iterator[_Problem]:
    yield from _missing(declaration.node, _needs_of_making(declaration), offer)
    if offer.storages is not None:
        yield from _disabled(declaration, origin, offer.storages)
        yield from _no_os_templates(declaration, offer.storages)
        yield from _no_conversion(declaration, offer)
    if offer.storages is not None and origin is not None:
        yield from _no_linked_clone(declaration, origin, offer.storages)
        yield from _not_shared(declaration, origin, offer.storages)


def _missing(node: str, needs: Needs, offer: Offer) -> Iterator[_Problem]:
    if offer.storages is not None:
        yield from _missing_storages(node, needs.storages, offer.storages, offer.storages_on(node))
    for bridge, where in needs.bridges.items():
        if offer.bridges and bridge not in offer.bridges:
            there = ", ".join(sorted(offer.bridges))
            yield (
                "bridge-missing",
                f"there is no bridge {bridge}, or the API token may not use it",
                f"Create it, or declare another `bridge` in {where}; {node} has: {there}.",
            )


def _missing_storages(
    node: str, needs: Iterable[Need], storages: Mapping[str, Storage], there: str
) -> Iterator[_Problem]:
    for need in needs:
        name, found = need.storage, storages.get(need.storage)
        if found is None or not found.is_on(node):
            why = f"there is no storage {name} for it, or the API token may not see it"
            yield "storage-missing", why, f"Declare another {need.key}; {there}"
        elif need.takes and not found.enabled:
            remedy = f"Enable it: `pvesm set {name} --disable 0`; or declare another {need.key}; {there}"
            yield "storage-offline", f"storage {name} is disabled", remedy
        elif need.takes and found.content - {""} and "rootdir" not in found.content:
            why = f"storage {name} takes no containers"
            remedy = f"Declare another {need.key}, or allow containers (`rootdir`) on it; {there}"
            yield "storage-content", why, remedy


def _disabled(declaration: Declaration, origin: Origin | None, storages: Mapping[str, Storage]) -> Iterator[_Problem]:
    """Name storages that it would be made from."""
    read = () if origin is None else origin.storages
    if declaration.os_template is not None:
        read = (declaration.os_template.partition(":")[0],)
    for name in read:
        if name in storages and not storages[name].enabled:
            yield "storage-offline", f"storage {name} is disabled", f"Enable it: `pvesm set {name} --disable 0`."


def _no_os_templates(declaration: Declaration, storages: Mapping[str, Storage]) -> Iterator[_Problem]:
    """Proxmox lists none on a storage that is not for them, and downloads none to it."""
    name = "" if declaration.os_template is None else declaration.os_template.partition(":")[0]
    content = storages[name].content - {""} if name in storages else frozenset[str]()
    if content and "vztmpl" not in content:
        allow = ",".join(sorted({*content, "vztmpl"}))
        remedy = f"Allow them: `pvesm set {name} --content {allow}`; or name another storage in `template`."
        yield "storage-content", f"storage {name} takes no OS templates", remedy


def _no_conversion(declaration: Declaration, offer: Offer) -> Iterator[_Problem]:
    for need in _needs_of_making(declaration).storages if declaration.is_template else ():
        if (why := no_templates(need.storage, offer.storages or {})) is not None:
            yield NO_TEMPLATES, why, f"Declare another {need.key}; {offer.storages_on(declaration.node)}"


def _no_linked_clone(declaration: Declaration, origin: Origin, storages: Mapping[str, Storage]) -> Iterator[_Problem]:
    for name in () if declaration.full_clone else origin.storages:
        if name in storages and storages[name].kind in _NO_LINKED_CLONES:
            kind = storages[name].kind
            why = f"its template {origin.ctid} lies on {name}, and storage of the type {kind} has no linked clones"
            remedy = f"put template {origin.ctid} on storage of the type btrfs, lvmthin, rbd or zfspool."
            yield "linked-clone-unavailable", why, f'Declare "clone": "full", or {remedy}'


def _not_shared(declaration: Declaration, origin: Origin, storages: Mapping[str, Storage]) -> Iterator[_Problem]:
    """Proxmox clones to another node only onto shared storage (pve-container, `API2::LXC`, `clone_vm`)."""
    if origin.node in {"", declaration.node}:
        return
    for name in (str(declaration.storage),) if _moves(declaration) else origin.storages:
        shared = storages.get(name)
        if shared is not None and not (shared.shared and shared.is_on(origin.node) and shared.is_on(declaration.node)):
            why = f"its template {origin.ctid} lies on {origin.node}, and {name} is not shared by the two nodes"
            remedy = f"set `node` to {origin.node}, or clone from a template on {declaration.node}."
            copies = f"Set PHOENIX_COPY_CTIDS of the workers to have template {origin.ctid} copied to each node"
            yield NOT_SHARED, why, f"{copies}, set `storage_pool` to a shared storage, {remedy}"

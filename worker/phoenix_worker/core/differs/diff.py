"""What of a container's configuration is not as declared, and the configuration a new one is created with.

What is not declared stays as it is, and a clone keeps what its template has, with two exceptions, because addresses
are nobody else's: a clone that was never configured (its marker says `made`) loses the static addresses it inherited,
and a gateway goes with the address it belonged to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from phoenix_producer.contract import Change
from phoenix_worker.core.differs import firewall, mount_options, networks, options, volumes
from phoenix_worker.core.differs.ha import ha_told, ha_write
from phoenix_worker.core.differs.root_only import RootChanges, applied, root_diff
from phoenix_worker.core.differs.tags import tag_change, wanted_tags
from phoenix_worker.core.model import property_string
from phoenix_worker.core.model.marker import ADOPTED, LINKED, Marker, Stage, script_mark, without_marker, write_marker
from phoenix_worker.core.model.os_templates import file_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.firewall import RuleWrite
    from phoenix_worker.core.model.ha import HaWrite
    from phoenix_worker.core.model.observation import Observation

PENDING_KEYS = frozenset({"features", "nameserver"}) | options.PENDING
"""What a running container takes only at its next start, of the keys we write. From pve-container's
`vmconfig_hotplug_pending`, which skips every key that it does not name."""
DEFAULT_STORAGE, DEFAULT_ROOT_GB = "local", 4
"""Those of Proxmox, for the root disk of what is created from an OS template (`create_vm` in pve-container)."""


@dataclass(frozen=True, slots=True)
class Changes:
    """One `PUT config`, a resize for each disk that grows, and what the firewall lacks. Falsy when all is right."""

    put: dict[str, str]
    delete: tuple[str, ...] = ()
    grow: dict[str, float] = field(default_factory=dict)
    """The size in GiB that each disk, `rootfs` or `mpN`, grows to."""
    changes: tuple[Change, ...] = ()
    """For the result. Our own bookkeeping in the notes is not in it."""
    rules: tuple[RuleWrite, ...] = ()
    """The requests that make the firewall's rules those that are declared."""
    firewall_on: bool | None = None
    """To what the container's firewall has to be switched."""
    policies: dict[str, str] = field(default_factory=dict)
    """The policies of the container's firewall that have to be set."""
    pool: str | None = None
    """The pool that it has to join."""
    ha: HaWrite | None = None
    """What makes it the HA resource that is declared."""
    root: RootChanges = field(default_factory=RootChanges)
    """What only root on the node can do; it comes first, and the rest is as if it were done."""
    at_next_start: tuple[str, ...] = ()
    """Keys that a running container takes not all of at once, and that Proxmox does not call pending."""
    unprotect: bool = False
    """Whether protection that is ours to switch is in the way, and has to go until the rest is done."""

    def __bool__(self) -> bool:
        by_api = self.put or self.delete or self.grow or self.rules or self.policies or self.pool
        return bool(by_api or self.root) or self.firewall_on is not None or self.ha is not None

    @property
    def pending_when_running(self) -> tuple[str, ...]:
        """The keys that a running container takes only at its next start."""
        later = (key for key in (*self.put, *self.delete) if not hot(key))
        return (*self.root.pending_when_running, *later, *self.at_next_start)

    @property
    def put_before_growth(self) -> dict[str, str]:
        """What is sent before disks grow: of one that grows all is sent afterwards, since its size is sent with it."""
        return {key: value for key, value in self.put.items() if key not in self.grow}


def hot(key: str) -> bool:
    """Tell whether a running container takes a changed key at once."""
    return key not in PENDING_KEYS


def marker_for(declaration: Declaration, creation: str, stage: Stage) -> Marker:
    """Return the marker of a container made, or configured, by this declaration."""
    marker = Marker(declaration.ctid, creation, declaration.role, stage, declaration.hash, origin_of(declaration))
    return replace(marker, via=declaration.via, copy_of=declaration.copy_of)


def creation_marker(declaration: Declaration, creation: str) -> Marker:
    """Return the marker of what is created from an OS template: what lets somebody log in is in the order."""
    marker = marker_for(declaration, creation, Stage.CONFIGURED)
    return replace(marker, scripts=tuple(script_mark(script.name, script.hash) for script in declaration.access))


def origin_of(declaration: Declaration) -> str:
    """Return what it is made from, for the marker: the CTID of a template, or the file name of an OS template."""
    if declaration.clone_from is None:
        return re.sub(r"[^\w.:+~-]", "-", file_name(declaration.os_template or ""))  # what a marker can hold
    return f"{declaration.clone_from}" if declaration.full_clone else f"{declaration.clone_from},{LINKED}"


def creation_config(declaration: Declaration, marker: Marker) -> dict[str, str]:
    """Give every parameter of `POST /nodes/N/lxc` for a new root container but vmid, ostemplate, unprivileged and pool.

    With a marker whose stage is `configured`, what is created so needs no change but for what an image decides.
    """
    config = _declared_keys(declaration, {}, fresh=True) | {
        "tags": wanted_tags(declaration.tags, "", case_sensitive=True)
    }
    config["description"] = write_marker(marker, without_marker(declaration.description or ""))
    config = {key: value for key, value in config.items() if key not in options.of_image(declaration)}
    config |= options.only_at_creation(declaration)
    extra = volumes.new_volumes(declaration, {})
    return config | _new_disk(declaration, with_volumes=bool(extra)) | extra


def _new_disk(declaration: Declaration, *, with_volumes: bool) -> dict[str, str]:
    """Name what is declared of a new root disk. Proxmox has a default storage and size, and none beside volumes."""
    storage, size_gb, how = declaration.storage, declaration.disk_gb, declaration.root_options
    if how:
        volume = f"{storage or DEFAULT_STORAGE}:{size_gb or DEFAULT_ROOT_GB}"
        return {"rootfs": mount_options.rendered(volume, mount_options.with_options(how, {}))}
    if size_gb is None and not with_volumes:
        return {} if storage is None else {"storage": storage}
    size_gb = size_gb or DEFAULT_ROOT_GB
    return {"rootfs": str(size_gb) if storage is None else f"{storage}:{size_gb}"}


def diff(declaration: Declaration, observation: Observation) -> Changes:
    """Compare: what has to change for a container, or a sealed template but for its disk, to be as declared."""
    return _compared(_Both(declaration, observation))


def pending_restart(seen: Observation, changes: Changes | None) -> tuple[str, ...]:
    """Name the keys that a running container takes at its next start: what was changed, and what would be."""
    later = changes.pending_when_running if changes is not None and seen.running else ()
    return tuple(dict.fromkeys((*seen.pending, *later)))


@dataclass(frozen=True, slots=True, eq=False)
class _Both:
    """A plan, a prediction and the list of what waits for a restart compare the very same two objects."""

    declaration: Declaration
    observation: Observation

    def __hash__(self) -> int:
        return hash((id(self.declaration), id(self.observation)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Both):
            return False
        return self.declaration is other.declaration and self.observation is other.observation


@lru_cache(maxsize=64)
def _compared(both: _Both) -> Changes:
    declaration, observation = both.declaration, both.observation
    root = root_diff(declaration, observation)
    observation = applied(observation, root)
    present = observation.config
    marker, ours = observation.marker, observation.is_ours
    fresh = ours and marker is not None and marker.stage is Stage.MADE
    wanted = _declared_keys(declaration, present, fresh=fresh)
    put = {key: value for key, value in wanted.items() if not _same(key, value, present.get(key))}
    put |= tag_change(declaration.tags, present.get("tags", ""), case_sensitive=observation.tags_keep_case)
    put |= volumes.new_volumes(declaration, present)
    remounted = volumes.remounted(declaration.volumes, present)
    remounted |= volumes.root_remounted(declaration.root_options, present)
    put |= remounted
    notes = _notes(declaration, observation)
    seal_put, seal_delete = _seal_repair(declaration, observation)
    grow = _growth(declaration, observation)
    told = _told(put | seal_put, present) + tuple(Change(key=key, old=present[key]) for key in seal_delete)
    if notes is not None:
        put["description"] = notes
        told += _told_of_notes(notes, present.get("description", ""), ours=ours)
    joins = declaration.pool if observation.pool not in {None, declaration.pool} else None
    return Changes(
        put | seal_put,
        seal_delete,
        grow,
        root.changes + told + tuple(_told_besides(declaration, observation, grow, joins)),
        rules=firewall.firewall_writes(declaration.firewall, observation.firewall),
        firewall_on=firewall.switch(declaration.firewall, observation.firewall),
        policies=firewall.policy_writes(declaration.firewall, observation.firewall),
        pool=joins,
        ha=ha_write(declaration.ha, observation.ha, running=observation.running),
        root=root,
        at_next_start=(*networks.at_next_start(put, present), *remounted),
        unprotect=options.in_the_way(
            declaration, present, (*(put.keys() - grow.keys()), *root.put, *root.delete), fresh=fresh
        ),
    )


def _told_besides(
    declaration: Declaration, observation: Observation, grow: Mapping[str, float], joins: str | None
) -> Iterator[Change]:
    """Tell what no `PUT config` brings about: growth, the firewall, the pool, HA."""
    for disk, size_gb in grow.items():
        size = property_string.parse(observation.config[disk], "volume")["size"]
        yield Change(key=disk, old=size, new=f"{size_gb}G")
    yield from firewall.told(declaration.firewall, observation.firewall)
    if joins is not None:
        yield Change(key="pool", old=observation.pool or None, new=joins)
    yield from ha_told(declaration.ha, observation.ha)


def _told(put: dict[str, str], present: dict[str, str]) -> tuple[Change, ...]:
    old = {key: options.shown(present[key]) for key in put if key in present}
    return tuple(Change(key=key, old=old.get(key), new=options.shown(value)) for key, value in put.items())


def _told_of_notes(new: str, old: str, *, ours: bool) -> tuple[Change, ...]:
    if ours and without_marker(new) == without_marker(old):
        return ()
    return (Change(key="description", old=old.rstrip() or None, new=new),)


def _declared_keys(declaration: Declaration, present: dict[str, str], *, fresh: bool) -> dict[str, str]:
    """Return the value each declared key should have, with the parts of `present` that are not declared."""
    wanted = {
        "hostname": declaration.name,
        "memory": _text(declaration.memory_mb),
        "swap": _text(declaration.swap_mb),
        "cores": _text(declaration.cores),
        **networks.wanted(declaration, present, fresh=fresh),
        "nameserver": " ".join(declaration.network.nameservers) if declaration.network else "",
        "features": _features(declaration, present.get("features", "")),
        **options.wanted(declaration, present, fresh=fresh),
    }
    if not declaration.is_template:
        wanted["onboot"] = _text(declaration.start_at_boot)
        wanted["startup"] = _startup(declaration, present.get("startup", ""))
    return {key: value for key, value in wanted.items() if value}


def _text(value: int | None) -> str:
    return "" if value is None else str(int(value))


def _same(key: str, wanted: str, present: str | None) -> bool:
    if present is None:
        return options.DEFAULTS.get(key) == wanted
    if key in options.KEYS:
        return options.same(key, wanted, present)
    if networks.KEY.fullmatch(key):
        return networks.same(wanted, present)
    if key in {"features", "startup"}:
        return property_string.parse(wanted, "order") == property_string.parse(present, "order")
    return wanted.split() == present.split()


def _startup(declaration: Declaration, present: str) -> str:
    declared = {
        "order": _text(declaration.boot_order),
        "up": _text(declaration.boot_delay),
        "down": _text(declaration.boot_down_delay),
    }
    declared = {part: value for part, value in declared.items() if value}
    return property_string.render(property_string.parse(present, "order") | declared, "order") if declared else ""


def _features(declaration: Declaration, present: str) -> str:
    old = property_string.parse(present)
    declared = property_string.parse(",".join(declaration.features))
    new = old | {name: value for name, value in declared.items() if value != "0" or name in old}
    return property_string.render(new, "") if new != old else present


def _notes(declaration: Declaration, observation: Observation) -> str | None:
    """Return the notes to be written; None when they say what they should, wherever in them our line stands."""
    old = observation.config.get("description", "")
    marker = observation.marker
    if marker is not None and marker.ctid == observation.ctid:
        wanted = replace(marker, role=declaration.role, stage=Stage.CONFIGURED, declaration=declaration.hash)
        wanted = replace(wanted, bound_for="")
    else:
        wanted = replace(marker_for(declaration, ADOPTED, Stage.CONFIGURED), origin="")
    owners = without_marker(old if declaration.description is None else declaration.description)
    if marker == wanted and without_marker(old) == owners:
        return None
    return write_marker(wanted, owners)


def _growth(declaration: Declaration, observation: Observation) -> dict[str, float]:
    """Grow only: a bigger disk is left alone, and the disks of a template cannot be resized.

    A template's flag without a base volume is taken away before anything grows.
    """
    if observation.base_volume:
        return {}
    size = property_string.size_gib(
        property_string.parse(observation.config.get("rootfs", ""), "volume").get("size", "")
    )
    root: dict[str, float] = {}
    if declaration.disk_gb is not None and size is not None and size < declaration.disk_gb:
        root["rootfs"] = declaration.disk_gb
    return root | volumes.growing(declaration.volumes, observation.config)


def _seal_repair(declaration: Declaration, observation: Observation) -> tuple[dict[str, str], tuple[str, ...]]:
    """Bring the template flag in line with the root disk.

    A flag without a base volume goes: Proxmox refuses to convert a template to a template. A base volume without the
    flag gets it: Proxmox cannot convert a base volume once more.
    """
    if observation.template_flag and not observation.base_volume:
        return {}, ("template",)
    if observation.base_volume and not observation.template_flag and declaration.is_template:
        return {"template": "1"}, ()
    return {}, ()

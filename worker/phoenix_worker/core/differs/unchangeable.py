"""What is declared otherwise and cannot be changed once a container stands there: it is told, and left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.core.differs import mount_order, options, volumes
from phoenix_worker.core.differs.diff import origin_of
from phoenix_worker.core.differs.root_only import taken_places
from phoenix_worker.core.differs.scripts import out_of_reach
from phoenix_worker.core.model import property_string
from phoenix_worker.core.model.observation import Presence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation

_CATALOG = "the catalog declares"
_AT_CREATION = "this is set only at creation"


def needs_rebuild(declaration: Declaration, observation: Observation, remedy: str = "") -> tuple[str, ...]:
    """Say for each such key, in a sentence, what it is, what is declared, and why it stays as it is.

    The last one is followed by what brings all of them about; without a `remedy`, that is to make it again alone.
    """
    told = [
        f"CT {observation.ctid} cannot become as declared: {one}." for one in unchangeable(declaration, observation)
    ]
    return (*told[:-1], f"{told[-1]} {remedy or anew(declaration)}") if told else ()


def anew(declaration: Declaration) -> str:
    """Say what makes a CTID again."""
    ctid = declaration.ctid
    if declaration.is_template:
        return f"`phoenix-lxc rebuild {declaration.copy_of or ctid}` builds it again."
    return f"`phoenix-lxc destroy {ctid}`, which deletes its disks, then `phoenix-lxc ensure {ctid}` creates it again."


def unchangeable(declaration: Declaration, observation: Observation) -> tuple[str, ...]:
    """Say the same as parts of a sentence."""
    if observation.presence is not Presence.HERE:
        return ()
    root = property_string.parse(observation.config.get("rootfs", ""), "volume")
    storage, size = root.get("volume", "").partition(":")[0], property_string.size_gib(root.get("size", ""))
    told = []
    if size is not None and declaration.disk_gb is not None and declaration.disk_gb < size:
        had = property_string.shown_gib(size)
        told.append(f"its root disk is {had}, {_CATALOG} {declaration.disk_gb} GiB, and a disk cannot shrink")
    if storage and declaration.storage is not None and declaration.storage != storage:
        told.append(f"its root disk is on {storage}, {_CATALOG} {declaration.storage}, and disks are not moved")
    if size is not None and declaration.disk_gb is not None and declaration.disk_gb > size and observation.base_volume:
        told.append(f"its root disk is {size:g} GiB, {_CATALOG} {declaration.disk_gb} GiB, and a template cannot grow")
    told += volumes.unchangeable(declaration.volumes, observation.config)
    told += mount_order.hidden(declaration, observation.config)
    privileged = observation.config.get("unprivileged", "0") != "1"
    if privileged is declaration.unprivileged:
        is_, declared = ("privileged", "unprivileged") if privileged else ("unprivileged", "privileged")
        told.append(f"it is {is_}, {_CATALOG} {declared}, and {_AT_CREATION}")
    told += options.unchangeable(declaration, observation.config)
    told += _other_origin(declaration, observation)
    told += taken_places(declaration, observation)
    told += (
        f"its {key} is not what the catalog declares, and after its creation that needs shell access to the node"
        for key in out_of_reach(declaration, observation.marker)
    )
    return tuple(told)


def _other_origin(declaration: Declaration, observation: Observation) -> Iterator[str]:
    """Compare what it was made from, as far as its marker says so."""
    marker, declared = observation.marker, origin_of(declaration)
    if marker is None or not observation.is_ours or marker.origin in {"", declared}:
        return
    yield f"it is {_made(marker.origin)}, {_CATALOG} {_made(declared)}, and {_AT_CREATION}"


def _made(origin: str) -> str:
    source, _, linked = origin.partition(",")
    how = "a linked clone of" if linked else "a full clone of"
    return f"{how if source.isdecimal() else 'a new container from'} {source}"

"""Bind mounts and volumes of an entry, as they are written in the file."""

# No postponed annotations here: pydantic needs the types when the classes are made.
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticKnownError

from phoenix_worker.catalog.disk_ids import DiskIds
from phoenix_worker.catalog.fields import HostPath, Matching, MountPath, StorageId, refused
from phoenix_worker.catalog.sections import Section

_IN_MIB = {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024**2}
_MIB_IN_GIB = 1024
_NAMES = {
    "read_only": "ro",
    "backup": "backup",
    "shared": "shared",
    "quota": "quota",
    "acl": "acl",
    "replicate": "replicate",
    "keepattrs": "keepattrs",
}


def _whole_mib(value: str) -> str:
    if not in_gib(value):
        raise refused("is what Proxmox shows of a volume without a limit", "Write its size, such as 512M or 1.5G.")
    if in_gib(value) * _MIB_IN_GIB % 1:
        raise refused("is not a whole number of MiB", "Proxmox makes volumes of whole MiB: write such as 512M or 1.5G.")
    return value


Size = Annotated[
    str,
    Matching(r"[0-9]{1,12}(\.[0-9]{1,6})?[KMGT]", "a size", "Write it with its unit, such as 512M, 8G or 2T."),
    AfterValidator(_whole_mib),
]


def in_gib(size: str) -> float:
    """Read a size; a whole number of GiB is an integer."""
    gib = float(size[:-1]) * _IN_MIB[size[-1]] / _MIB_IN_GIB
    return int(gib) if gib.is_integer() else gib


class DiskOptions(Section):
    """What the root disk, bind mounts and volumes have in common. What is not declared stays as it is."""

    read_only: bool | None = None
    """Whether nothing can be written to it."""
    shared: bool | None = None
    """Whether it is there on every node, so that it does not stand in the way of a migration."""
    quota: bool | None = None
    """Whether users inside have quotas; not of a bind mount, and not in an unprivileged container."""
    acl: bool | None = None
    """Whether it has POSIX ACLs; otherwise as its file system has it."""
    replicate: bool | None = None
    """Whether Proxmox's storage replication has it."""
    mount_options: list[Literal["discard", "lazytime", "noatime", "nodev", "noexec", "nosuid"]] | None = None
    """How it is mounted, exactly; `[]` for none of these. `discard` takes Proxmox 8.2.9 or newer."""
    idmap: DiskIds | None = None
    """Which ids on the disk those inside are, in the place of `id_maps`: `passthrough` for the same ones; or maps such
    as `u:1000:1005:1;g:100:50:5`, each with kind, first id inside, first on the disk and how many. Not in a privileged
    container. Proxmox 9.1.11 or newer.
    """

    @property
    def in_proxmox(self) -> tuple[tuple[str, str], ...]:
        """Give those that are declared, as Proxmox names and spells them."""
        flags = ((name, getattr(self, key, None)) for key, name in _NAMES.items())
        told = [(name, str(int(flag))) for name, flag in flags if flag is not None]
        if self.mount_options is not None:
            told.append(("mountoptions", ";".join(sorted(set(self.mount_options)))))
        if self.idmap is not None:
            told.append(("idmap", self.idmap))
        return tuple(told)


class RootDisk(DiskOptions):
    """How the root disk is mounted. What is not declared stays as it is."""


class MountOptions(DiskOptions):
    """What bind mounts and volumes have in common."""

    backup: bool | None = None
    """Whether Proxmox's backups have it; of a volume only."""
    keepattrs: bool | None = None
    """Whether its top has the owner and mode of the directory that it is mounted on. Proxmox 9.1.6 or newer."""


class MountPoint(MountOptions):
    """A bind mount of a directory of the node."""

    host_path: HostPath
    """Directory of the node, without `=` and not below `/dev`; it is made if there is none."""
    container_path: MountPath
    """Where it is in the container."""
    owner_uid: int | None = Field(default=None, ge=0)
    """User, as the container counts, who owns it."""
    owner_gid: int | None = Field(default=None, ge=0)
    """Group, as the container counts, that owns it."""


class Volume(MountOptions):
    """A volume of its own, mounted in the container."""

    name: str | None = None
    """For people: Proxmox names the volume itself."""
    pool: StorageId
    """Storage that it lies on."""
    size: Size | None = None
    """In place of `size_gb`: the size with its unit, K, M, G or T, such as `512M`; whole MiB."""
    size_gb: int | None = Field(default=None, ge=1, validate_default=True)
    """Size in GiB. It grows; it never shrinks."""
    mount_point: MountPath
    """Where it is in the container."""

    @field_validator("size_gb")
    @classmethod
    def _has_one_size(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is None and info.data.get("size", ...) is None:
            raise PydanticKnownError("missing")
        if value is not None and info.data.get("size") is not None:
            raise refused("is beside size", "Remove one of them.")
        return value

    @property
    def gib(self) -> float:
        """Its size in GiB."""
        return in_gib(self.size) if self.size is not None else self.size_gb or 0

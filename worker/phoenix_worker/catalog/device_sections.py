"""Devices of the node that a container has, as they are written in the file."""

# No postponed annotations here: pydantic needs the types when the classes are made.
from typing import Annotated

from pydantic import Field

from phoenix_worker.catalog.fields import Matching
from phoenix_worker.catalog.sections import Section

DevicePath = Annotated[
    str,
    Matching(
        r"(?!/dev/(dri|snd|input|bus/usb|fb|net|mapper|disk|pts|shm|nvidia-caps)$)(?!.*/\.{0,2}(/|$))/dev/[^\x00-\x1f,=\s]+",
        "the path of a device",
        "Write that of one device, as on the node, such as /dev/dri/renderD128, without links by . or .. in it.",
    ),
]
Mode = Annotated[str, Matching(r"0[0-7]{3}", "the mode of a device", 'Write it like "0660".')]
_NAMES = {"uid": "uid", "gid": "gid", "mode": "mode", "deny_write": "deny-write"}


class Device(Section):
    """A device of the node. What is not declared of one that is there stays as it is."""

    path: DevicePath
    """Where it is, on the node and in the container."""
    uid: int | None = Field(default=None, ge=0)
    """User, as the container counts, who owns it there; 0 by default."""
    gid: int | None = Field(default=None, ge=0)
    """Group, as the container counts, that owns it there; 0 by default."""
    mode: Mode | None = None
    """Who may do what with it there, such as `0660`; by default as on the node."""
    deny_write: bool | None = None
    """Whether nobody in the container may write to it. Proxmox 8.2.5 or newer."""

    @property
    def in_proxmox(self) -> tuple[tuple[str, str], ...]:
        """Give what is declared of it, as Proxmox names and spells it."""
        values = ((name, getattr(self, key)) for key, name in _NAMES.items())
        return tuple(
            (name, str(int(value)) if isinstance(value, bool) else str(value))
            for name, value in values
            if value is not None
        )

"""What of its node a container sees: directories and devices, as a declaration has them."""

from __future__ import annotations

from dataclasses import dataclass

GPU_CONTROL_DEVICES = ("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools")
"""What a program needs besides the GPUs themselves. No others: Proxmox refuses a device that the node does not have,
and `nvidia-modeset` and `nvidia-caps` are there only where a display or MIG is used."""


@dataclass(frozen=True, slots=True)
class BindMount:
    """A directory of the node, seen in the container. Without an owner an existing directory keeps its own."""

    host_path: str
    container_path: str
    owner_uid: int | None = None
    """As the container sees it, like `owner_gid`."""
    owner_gid: int | None = None
    options: tuple[tuple[str, str], ...] = ()
    """How it is mounted, as Proxmox names and spells it."""


@dataclass(frozen=True, slots=True)
class DeviceNode:
    """A device of the node, seen in the container at the same path."""

    path: str
    options: tuple[tuple[str, str], ...] = ()
    """Whose it is there and what may be done with it, as Proxmox names and spells it."""

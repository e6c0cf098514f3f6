"""What exists at a CTID in Proxmox: the answers of `phoenix-lxc status` and `phoenix-lxc templates`."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from phoenix_producer.contract import Address, Answer, DesiredState

__all__ = ["Address", "Exists", "Lane", "Standing", "Template"]


class Exists(StrEnum):
    """What there is at a CTID of the catalog."""

    ABSENT = "absent"
    CONTAINER = "container"
    TEMPLATE = "template"
    HALF_MADE = "half-made"
    """Being made, made and not configured yet, or a template that is not one yet: the next ensure goes on with it.

    Only one with Proxmox's `lock: create` is refused where no worker has a node shell; then `problem` says so."""
    NOT_OURS = "not-ours"
    """An ensure is refused; `problem` says why."""
    UNKNOWN = "unknown"
    """Proxmox does not show it to us, or its node does not answer; `problem` says why."""


class Standing(Answer):
    """A CTID: what is declared, what exists, and how the two differ."""

    ctid: int
    name: str
    role: str
    """As declared: `container` or `template`."""
    state: DesiredState
    """As declared; it says nothing about a template."""
    node: str
    """Where it stands, or is declared to stand."""
    exists: Exists
    source: int | None = None
    """The CTID of the template that it is declared to be cloned from; none if it is made from an OS template."""
    elsewhere: str = ""
    """That it stands on another node than the catalog says, which an ensure does not change."""
    running: bool = False
    addresses: tuple[Address, ...] = ()
    """Interface by interface: the fixed addresses of its configuration, whether it runs or not, and those that DHCP and
    SLAAC have given it by now, while it runs.

    Loopback, link-local and temporary addresses are left out. Empty where an ensure would be refused, and of templates,
    which never run."""
    differs: tuple[str, ...] = ()
    """Configuration keys that are not as declared, in Proxmox's own spelling."""
    pending_restart: tuple[str, ...] = ()
    """Configuration keys that the running container takes, or would take, at its next start."""
    outdated: tuple[str, ...] = ()
    """Why a template is not what its declaration would build now, or that it or a container was cloned from an older
    build of its template, and what brings it up to date."""
    lock: str | None = None
    """The lock that Proxmox has on its configuration, such as `backup`."""
    problem: str = ""
    """Why an ensure would be refused or would wait."""
    warnings: tuple[str, ...] = ()
    """What to know besides, as of every answer: that the catalog on the worker's disk is refused, say."""


class Lane(Answer):
    """What clones are made of: a template, or a copy of one."""

    ctid: int
    node: str
    """Where it stands, or is declared to stand."""
    exists: Exists
    storage: str = ""
    """Of its root disk; empty where that does not stand."""
    disks: dict[str, float] = Field(default_factory=dict)
    """GiB of each disk, by its key in Proxmox's configuration, such as `rootfs`; one without a limit is left out."""
    hash: str = ""
    """Of the declaration by which it was built or last configured. That of a copy is another: its CTID counts too.

    `unknown` for what was adopted; empty for what is not ours."""
    outdated: tuple[str, ...] = ()
    """Why it is not what its declaration would build now, and what brings it up to date."""
    waiting: int = 0
    """Clones and other work that wait for it."""
    problem: str = ""
    """Why it cannot be read, or would not be cloned."""


class Template(Lane):
    """A template of the catalog, with its copies."""

    name: str
    clone_from: int | None = None
    """The template that it is made from."""
    lanes: int = 1
    """As declared: from how many its clones are made on its node."""
    copies: tuple[Lane, ...] = ()
    warnings: tuple[str, ...] = ()
    """As of every answer: that the catalog on the worker's disk is refused, say."""

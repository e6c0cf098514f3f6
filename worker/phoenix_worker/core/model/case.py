"""One look at one CTID, with the questions that the ownership table asks about it: see `ownership`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from phoenix_worker.catalog.declaration import Role
from phoenix_worker.core.model.observation import Presence

if TYPE_CHECKING:
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.marker import Marker
    from phoenix_worker.core.model.observation import Observation


class Creating(StrEnum):
    """What the node's task list says of a container that carries `lock: create`."""

    NOT_LOOKED = "not-looked"
    """Nobody asked the task list; the only value for a container without that lock."""
    OURS = "ours"
    """The clone or create that we sent runs: the journalled UPID; a `vzclone` of the source by our token for a CTID
    that carries our marker; or a `vzcreate` of this CTID by our own token, begun after our journalled intent."""
    ANOTHER = "another"
    """A task runs that may be the one, and it is not proved ours."""
    NOBODY = "nobody"
    """No such task is active, in two looks: Proxmox writes the lock a moment before it lists the task."""


class Purpose(StrEnum):
    """What is asked for; its `words` complete "Unable to … CT"."""

    ENSURE = "ensure"
    DESTROY = "destroy"
    REBUILD = "rebuild"
    """Destroy a template, to make it again from what was built elsewhere."""
    SCRATCH = "rebuild a template at"
    """Clear the CTID at which a template is rebuilt."""
    ADOPT = "adopt"
    """Take over what an earlier tool made; never make a template of a running service."""
    SEAL = "seal"
    """Take over, and make a template of it if it is declared as one, whatever it serves."""
    MIGRATE = "migrate"
    """Have it stand on another node, as it is."""

    @property
    def words(self) -> str:
        """Name it as the command that asks for it."""
        return Purpose.ADOPT if self is Purpose.SEAL else self


def unmount(ctid: int) -> str:
    """Name the command that unmounts what a create unpacks into; where that is not mounted it changes nothing."""
    return f"`umount /var/lib/lxc/{ctid}/rootfs` (an error if it is not mounted)"


@dataclass(frozen=True, slots=True)
class Case:
    """One look at one CTID, in the words of the table's first two columns."""

    declared: Declaration
    seen: Observation
    adopt: bool
    creating: Creating
    purpose: Purpose

    @property
    def to_destroy(self) -> bool:
        """Whether what stands there is to go."""
        return self.purpose in {Purpose.DESTROY, Purpose.REBUILD, Purpose.SCRATCH}

    @property
    def to_adopt(self) -> bool:
        """Whether it is to be taken over."""
        return self.purpose in {Purpose.ADOPT, Purpose.SEAL}

    @property
    def to_become_template(self) -> bool:
        """Whether it is to be adopted, and is a plain container that is declared as a template."""
        plain = not (self.seen.base_volume or self.seen.template_flag)
        return self.to_adopt and self.declared.is_template and plain and not self.made_as_declared

    @property
    def confirmed(self) -> bool:
        """Whether somebody named this CTID to become a template."""
        return self.purpose is Purpose.SEAL

    @property
    def service(self) -> str:
        """What shows that it serves somebody. That others depend on a template is refused with the catalog."""
        source = self.declared.source
        signs = {
            "it starts at boot": self.seen.config.get("onboot") == "1",
            "it is declared to start at boot": bool(source.get("start_at_boot")),
            "it has ports": bool(source.get("ports")),
        }
        return " and ".join(sign for sign, shows in signs.items() if shows)

    @property
    def made_as_declared(self) -> bool:
        """Whether the marker says what the catalog declares."""
        return self.marker is not None and not self.role_changed

    @property
    def role_matters(self) -> bool:
        """Whoever asks to destroy a CTID means what stands there; whoever asks for a rebuild means a template."""
        return self.purpose is not Purpose.DESTROY

    @property
    def marker(self) -> Marker | None:
        """The marker, if it names this CTID."""
        marker = self.seen.marker
        return marker if marker is not None and marker.ctid == self.seen.ctid else None

    @property
    def role_changed(self) -> bool:
        """Whether the marker says something else than the catalog declares."""
        return self.marker is not None and self.marker.role is not self.declared.role

    @property
    def is_other_copy(self) -> bool:
        """Whether it is ours as a copy of another template than declared, or only one of the two is a copy."""
        marker = self.marker
        if marker is None or Role.SCRATCH in {marker.role, self.declared.role}:
            return False
        return marker.copy_of != self.declared.copy_of

    @property
    def seal_broken(self) -> bool:
        """Whether there is a template flag without base volume, or the reverse."""
        return self.seen.template_flag is not self.seen.base_volume

    @property
    def half_sealed(self) -> str:
        """Say which half of a template it has."""
        if self.seen.template_flag:
            return "it has a template's flag, and its root disk is not a base volume"
        return "its root disk is a base volume, and it has no template's flag"

    @property
    def unsealing(self) -> str:
        """Name the command that makes it whole again: a container, or a template."""
        return f"pct set {self.seen.ctid} " + ("--delete template" if self.seen.template_flag else "--template 1")

    @property
    def unmounting(self) -> str:
        """Name the command between two others that undoes a half-made create, whose root disk may still be mounted."""
        return "" if self.declared.clone_from is not None else f"{unmount(self.seen.ctid)}, "

    @property
    def kind_differs(self) -> bool:
        """A template stands where a container is declared, or the reverse."""
        return self.seen.base_volume is not self.declared.is_template

    @property
    def hostname_and_mac_as_declared(self) -> bool:
        """Whether it can be no other than the declared one."""
        present = self.seen.config.get("net0", "").upper().split(",")
        mac = self.declared.mac
        return (
            mac is not None
            and self.seen.config.get("hostname") == self.declared.name
            and f"HWADDR={mac.upper()}" in present
        )

    @property
    def being_made(self) -> bool:
        """Whether Proxmox makes it, or died over it."""
        return self.seen.lock == "create"

    @property
    def what_stands_there(self) -> str:
        """Name it, for people."""
        seen = self.seen
        if seen.presence is Presence.VM:
            return f"a VM{self._named} on {seen.node} has the id {seen.ctid}"
        kind = "template" if seen.template_flag else "running container" if seen.running else "stopped container"
        return f"CT {seen.ctid} on {seen.node} is a {kind}{self._named}{self._marked}"

    @property
    def _named(self) -> str:
        name = self.seen.config.get("hostname")
        return f" named '{name}'" if name else ""

    @property
    def _marked(self) -> str:
        marker = self.seen.marker
        if self.marker is not None:
            return f" with a marker of phoenix-lxc (role: {self.marker.role})"
        if marker is not None:
            return f" with the marker of CT {marker.ctid} (a copy that phoenix-lxc did not make)"
        return " without a marker of phoenix-lxc"

    @property
    def subject(self) -> str:
        """What an error begins with."""
        return f"Unable to {self.purpose.words} CT {self.declared.ctid} on {self.declared.where}"

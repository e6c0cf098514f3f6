"""What the API token must be allowed on a guest, and whether it still is once the guest is deleted.

Proxmox deletes the access control list of `/vms/CTID` with the container. What is granted on `/vms`, or on the pool
that it is made in, stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phoenix_worker.core.model.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from phoenix_worker.catalog.declaration import Declaration

ROLE = "Phoenix"
"""As README.md and docs/getting-started.md name it."""
ALL_GUESTS = "/vms"
_ALWAYS = ("VM.Allocate", "VM.Audit", "VM.Config.Network", "VM.Config.Options", "VM.PowerMgmt")
_TAGS = "VM.Config.Options"


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """A privilege on a path of Proxmox's access control; that on `or_on`, a pool, will do too."""

    path: str
    privilege: str
    or_on: str | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        """Where the token may have it."""
        return (self.path,) if self.or_on is None else (self.path, self.or_on)

    @property
    def of_guest(self) -> bool:
        """Whether it is on a container or template."""
        return self.path.startswith(f"{ALL_GUESTS}/")

    def met(self, held: Mapping[str, frozenset[str]]) -> bool:
        """Return whether the token has it now; `held` has its privileges by path."""
        return any(self.privilege in held.get(path, ()) for path in self.paths)

    def lasts(self, held: Mapping[str, frozenset[str]]) -> bool:
        """Return whether the token has it also while the guest does not exist."""
        where = (ALL_GUESTS, self.or_on) if self.of_guest else (self.path,)
        return any(self.privilege in held.get(path, ()) for path in where if path is not None)


def on_guest(declaration: Declaration) -> Iterator[Need]:
    """Name what is needed to make a container, change it and delete it."""
    path, pool = guest(declaration.ctid), pool_path(declaration)
    for privilege in _privileges(declaration):
        # Tags are set when a container is created, and for them Proxmox does not look at the pool that it will be in.
        tags = privilege == _TAGS and declaration.os_template is not None
        yield Need(path, privilege, or_on=None if tags else pool)


def _privileges(declaration: Declaration) -> Iterator[str]:
    yield from _ALWAYS
    if declaration.snapshots:
        yield "VM.Snapshot"
    if declaration.cores is not None or {"cpulimit", "cpuunits"} & dict(declaration.options).keys():
        yield "VM.Config.CPU"
    if declaration.memory_mb is not None or declaration.swap_mb is not None:
        yield "VM.Config.Memory"
    if declaration.disk_gb is not None or declaration.storage is not None or declaration.volumes:
        yield "VM.Config.Disk"


def guest(ctid: int) -> str:
    """Name the path of a guest."""
    return f"{ALL_GUESTS}/{ctid}"


def pool_path(declaration: Declaration) -> str | None:
    """Name the path of the pool that it is made in."""
    return None if declaration.pool is None else f"/pool/{declaration.pool}"


def of_rebuild(template: Declaration, scratch: Declaration) -> tuple[Need, ...]:
    """Name what a rebuild needs on the two guests that it deletes, and again afterwards."""
    pool = pool_path(template)
    clones = (Need(guest(one.ctid), "VM.Clone", or_on=pool) for one in (template, scratch))
    return (*on_guest(template), *on_guest(scratch), *clones)


def refuse_vanishing(
    template: Declaration, needs: Iterable[Need], held: Mapping[str, frozenset[str]], who: str
) -> None:
    """Raise PermanentError unless the token may make the template again once it is deleted."""
    asked = list(needs)
    lost = [need for need in asked if not need.lasts(held)]
    if not lost:
        return
    places = sorted({need.or_on or ALL_GUESTS for need in lost})
    paths = ", ".join(sorted({need.path for need in lost}))
    privileges = ", ".join(sorted({need.privilege for need in lost}))
    # What is granted there takes the place of all that holds there from above.
    whole = {need.privilege for need in asked} | {one for place in places for one in held.get(place, ())}
    raise PermanentError(
        f"Unable to rebuild CT {template.ctid} on {template.node}: Proxmox deletes the grants on {paths} with the "
        f"template, and elsewhere {who} has no {privileges} to make it again.",
        cause="grants-vanish",
        remedy=granting_role(ROLE, whole, whole, places, who.partition("!")[0], who),
    )


def granting_role(
    role: str, whole: Iterable[str], missing: Iterable[str], places: Sequence[str], user: str, token: str
) -> str:
    """Write the command, for a node, that grants a role on all these paths, whether the role is there or not.

    What is granted on a path takes the place of all that holds there from above: a new role has the `whole` that is
    needed there, and one that is there gets what is `missing`.
    """
    add, append = (f'--privs "{" ".join(sorted(privileges))}"' for privileges in (whole, missing))
    has_it = f"pveum role add {role} {add} 2>/dev/null || pveum role modify {role} {append} --append 1"
    return f"{has_it}; {_granting(role, places, user, token)}"


def _granting(role: str, places: Sequence[str], user: str, token: str) -> str:
    """Write the command that grants it to the user and its token.

    A token with privilege separation needs each grant for itself besides; for one without it changes nothing.
    """
    modify = f"--users {user} --tokens '{token}' --roles {role}"
    if len(places) == 1:
        return f"pveum acl modify {places[0]} {modify}"
    return f'for path in {" ".join(places)}; do pveum acl modify "$path" {modify}; done'

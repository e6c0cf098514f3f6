"""The table of what may be touched. Nothing else in the project decides on a write, a stop, a seal or a DELETE.

`judge` reads the rows of `_TABLE` from top to bottom and the first that fits decides. A verdict is about one look:
whoever acts on it looks again just before, and judges again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from phoenix_worker.catalog.declaration import Role
from phoenix_worker.core.errors import PermanentError, TransientError
from phoenix_worker.core.observation import Presence

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.marker import Marker
    from phoenix_worker.core.observation import Observation


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
    """What is asked for; it completes "Unable to … CT"."""

    ENSURE = "ensure"
    DESTROY = "destroy"
    REBUILD = "rebuild"
    """Destroy a template, to make it anew from what was built elsewhere."""
    SCRATCH = "rebuild a template at"
    """Clear the CTID at which a template is rebuilt."""


class Action(StrEnum):
    """What may be done about a CTID."""

    NOTHING = "nothing"
    """There is nothing to destroy."""
    DESTROY = "destroy"
    CREATE = "create"
    CONVERGE = "converge"
    CONVERGE_CONFIG_ONLY = "converge-config-only"
    """Configuration and marker; never start, stop, seal or delete."""
    REPAIR_SEAL = "repair-seal"
    """Ours, with the template flag or the base volume but not both; `diff` says how the flag is put right."""
    ADOPT_TASK = "adopt-task"
    REMOVE_HALF_MADE = "remove-half-made"
    """Unlock with a node shell, destroy, start again. Without a shell: raise `refusal()`."""
    WAIT = "wait"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What may be done, and the words for whoever may not."""

    action: Action
    message: str = ""
    cause: str = ""
    remedy: str = ""

    def refusal(self) -> PermanentError:
        """Return the error of a REFUSE, or of a REMOVE_HALF_MADE where there is no node shell."""
        return PermanentError(self.message, cause=self.cause, remedy=self.remedy)

    def delay(self) -> TransientError:
        """Return the error of a WAIT, for callers that have no task to wait for."""
        return TransientError(self.message, cause=self.cause, remedy=self.remedy)


@dataclass(frozen=True, slots=True)
class _Case:
    """One look at one CTID, in the words of the table's first two columns."""

    declared: Declaration
    seen: Observation
    adopt: bool
    creating: Creating
    purpose: Purpose

    @property
    def to_destroy(self) -> bool:
        return self.purpose is not Purpose.ENSURE

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
        return self.marker is not None and self.marker.role is not self.declared.role

    @property
    def seal_broken(self) -> bool:
        return self.seen.template_flag is not self.seen.base_volume

    @property
    def kind_differs(self) -> bool:
        """A template stands where a container is declared, or the reverse."""
        return self.seen.base_volume is not self.declared.is_template

    @property
    def hostname_and_mac_as_declared(self) -> bool:
        present = self.seen.config.get("net0", "").upper().split(",")
        mac = self.declared.mac
        return (
            mac is not None
            and self.seen.config.get("hostname") == self.declared.name
            and f"HWADDR={mac.upper()}" in present
        )

    @property
    def being_made(self) -> bool:
        return self.seen.lock == "create"

    @property
    def what_stands_there(self) -> str:
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
            return f" of ours, made as a {self.marker.role}"
        return f" with the marker of CT {marker.ctid}, cloned by hand" if marker else " without our marker"

    @property
    def subject(self) -> str:
        return f"Unable to {self.purpose} CT {self.declared.ctid} on {self.declared.node}"


def _act(action: Action) -> Callable[[_Case], Verdict]:
    return lambda _: Verdict(action)


def _say(action: Action, cause: str, remedy: str, why: str = "{stands}") -> Callable[[_Case], Verdict]:
    def verdict(case: _Case) -> Verdict:
        facts = {"stands": case.what_stands_there, "ctid": case.seen.ctid, "node": case.seen.node}
        facts["role"] = case.declared.role
        return Verdict(action, f"{case.subject}: {why.format(**facts)}.", cause, remedy.format(**facts))

    return verdict


def _refuse(cause: str, remedy: str, why: str = "{stands}") -> Callable[[_Case], Verdict]:
    return _say(Action.REFUSE, cause, remedy, why)


_ANOTHER_ID = "Choose another CTID in the catalog"
_OTHER_SCRATCH = "Let PHOENIX_SCRATCH_CTIDS name CTIDs that nothing else uses."
_BY_HAND = (
    "If no task is at work on it, run on {node}: `pct unlock {ctid}`, then "
    "`pct destroy {ctid} --destroy-unreferenced-disks 1`; then ask again."
)
_HALF_MADE = "CT {ctid} on {node} is half-made, and the Proxmox task that made it is gone"

_TABLE: tuple[tuple[Callable[[_Case], bool], Callable[[_Case], Verdict]], ...] = (
    (
        lambda c: c.purpose is Purpose.SCRATCH and c.seen.presence in {Presence.VM, Presence.OTHER_NODE},
        _refuse("scratch-taken", _OTHER_SCRATCH),
    ),
    (lambda c: c.seen.presence is Presence.VM, _refuse("vm-has-id", f"{_ANOTHER_ID}.")),
    (
        lambda c: c.seen.presence is Presence.OTHER_NODE,
        _refuse("other-node", f"Set `node` to '{{node}}', migrate the container, or {_ANOTHER_ID.lower()}."),
    ),
    (lambda c: c.seen.presence is Presence.ABSENT and c.to_destroy, _act(Action.NOTHING)),
    (lambda c: c.seen.presence is Presence.ABSENT, _act(Action.CREATE)),
    (
        lambda c: c.seen.lock == "destroyed",
        _say(Action.WAIT, "being-destroyed", _BY_HAND, "CT {ctid} on {node} is being destroyed"),
    ),
    # A lock says that it is being created.
    (lambda c: c.being_made and c.creating is Creating.OURS, _act(Action.ADOPT_TASK)),
    (
        lambda c: c.being_made and c.creating is not Creating.NOBODY,
        _say(Action.WAIT, "being-created", _BY_HAND, "CT {ctid} on {node} is being created"),
    ),
    (
        lambda c: c.being_made and c.marker is not None,
        _say(Action.REMOVE_HALF_MADE, "half-made", _BY_HAND, _HALF_MADE),
    ),
    (lambda c: c.being_made, _refuse("half-made", _BY_HAND, f"{_HALF_MADE}; nothing proves that it is ours")),
    # It is to be destroyed: that needs the marker, for a rebuild as what is rebuilt.
    (lambda c: c.to_destroy and c.marker is not None and not (c.role_matters and c.role_changed), _act(Action.DESTROY)),
    (
        lambda c: c.purpose is Purpose.SCRATCH,
        _refuse("scratch-taken", _OTHER_SCRATCH),
    ),
    (
        lambda c: c.to_destroy and c.marker is None,
        _refuse("not-ours", "Remove it by hand in Proxmox, if it is meant."),
    ),
    # It carries our marker.
    (
        lambda c: c.role_changed or (c.marker is not None and c.seen.base_volume and not c.declared.is_template),
        _refuse(
            "role-changed",
            f"{_ANOTHER_ID} for the {{role}}, or destroy this one first.",
            "{stands}, and the catalog now declares a {role}",
        ),
    ),
    (lambda c: c.marker is not None and c.seal_broken, _act(Action.REPAIR_SEAL)),
    (lambda c: c.marker is not None, _act(Action.CONVERGE)),
    # It is not ours.
    (
        lambda c: c.seal_broken,
        _refuse(
            "broken-seal",
            f"Put it right by hand, or {_ANOTHER_ID.lower()}.",
            "{stands}, and its template flag and its root disk contradict each other",
        ),
    ),
    (
        lambda c: c.kind_differs,
        _refuse("not-ours", f"{_ANOTHER_ID}.", "{stands}, and the catalog declares a {role}"),
    ),
    (lambda c: c.adopt, _act(Action.CONVERGE)),
    (
        lambda c: c.seen.marker is None and not c.seen.template_flag and c.hostname_and_mac_as_declared,
        _act(Action.CONVERGE_CONFIG_ONLY),
    ),
    (lambda _: True, _refuse("not-ours", f"{_ANOTHER_ID}, or ask with `--adopt` to take this one over.")),
)


def judge(
    declaration: Declaration,
    observation: Observation,
    *,
    adopt: bool = False,
    creating: Creating = Creating.NOT_LOOKED,
    purpose: Purpose = Purpose.ENSURE,
) -> Verdict:
    """Decide what may be done about a CTID, by what Proxmox shows of it.

    `adopt` takes over a container without our marker; it never makes a template of one. `creating` is the evidence
    about a `lock: create`: while it was not looked for, such a container is waited for.
    """
    case = _Case(declaration, observation, adopt, creating, purpose)
    return next(verdict(case) for fits, verdict in _TABLE if fits(case))


def may_write(verdict: Verdict) -> bool:
    """Whether the configuration may be changed, the root disk grown and the marker set."""
    return verdict.action in {Action.CONVERGE, Action.CONVERGE_CONFIG_ONLY, Action.REPAIR_SEAL}


def may_start(verdict: Verdict) -> bool:
    """Whether the container may be started, once its configuration is as declared."""
    return verdict.action in {Action.CONVERGE, Action.REPAIR_SEAL}


def may_stop(verdict: Verdict) -> bool:
    """Whether the container may be stopped."""
    return verdict.action is Action.CONVERGE


def may_seal(verdict: Verdict, observation: Observation) -> bool:
    """Whether the container may become a template: ours, made as a template, and not running."""
    marker = observation.marker
    return (
        may_write(verdict)
        and not observation.running
        and marker is not None
        and marker.ctid == observation.ctid
        and marker.role is not Role.CONTAINER
    )


def may_destroy(observation: Observation) -> bool:
    """Whether the container may be deleted: deleting anything needs the marker, with this CTID."""
    return observation.presence is Presence.HERE and observation.is_ours


def refuse_linked(observation: Observation, clones: Sequence[int], purpose: str = Purpose.DESTROY) -> None:
    """Raise PermanentError for a template that linked clones hang on: their disks are made of its own."""
    if not clones:
        return
    named = ", ".join(f"CT {ctid}" for ctid in clones)
    raise PermanentError(
        f"Unable to {purpose} CT {observation.ctid} on {observation.node}: linked clones hang on it: {named}.",
        cause="has-linked-clones",
        remedy=f"Destroy them first, or make them full clones: `phoenix-lxc destroy {' '.join(map(str, clones))}`.",
    )

"""The table of what may be touched. Nothing else in the project decides on a write, a stop, a seal or a DELETE.

`judge` reads the rows of `_TABLE` from top to bottom and the first that fits decides. A verdict is about one look:
whoever acts on it looks again just before, and judges again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from phoenix_worker.catalog.declaration import Role
from phoenix_worker.core.model.case import Case, Creating, Purpose
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.observation import Presence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation

__all__ = ["Action", "Creating", "Purpose", "Verdict", "judge"]


class Action(StrEnum):
    """What may be done about a CTID."""

    NOTHING = "nothing"
    """There is nothing to destroy, or to adopt."""
    MARK = "mark"
    """Write the marker, as what is declared."""
    DESTROY = "destroy"
    MIGRATE = "migrate"
    CREATE = "create"
    CONVERGE = "converge"
    CONVERGE_CONFIG_ONLY = "converge-config-only"
    """Configuration and marker; never start, stop, seal or delete."""
    REPAIR_SEAL = "repair-seal"
    """Ours, with the template flag or the base volume but not both; `diff` says how the flag is put right."""
    ADOPT_TASK = "adopt-task"
    REMOVE_HALF_MADE = "remove-half-made"
    """Unlock with a node shell, destroy, start again. With a lock and without a shell: raise `refusal()`."""
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


_Judged = Callable[[Case], Verdict]


def _act(action: Action) -> _Judged:
    return lambda _: Verdict(action)


def _say(action: Action, cause: str, remedy: str, why: str) -> _Judged:
    def verdict(case: Case) -> Verdict:
        facts = {"stands": case.what_stands_there, "ctid": case.seen.ctid, "node": case.seen.node}
        facts |= {
            "role": case.declared.role,
            "service": case.service,
            "half": case.half_sealed,
            "whole": case.unsealing,
            "unmount": case.unmounting,
            "of": case.declared.copy_of,
            "copied": case.marker.copy_of if case.marker is not None else None,
        }
        return Verdict(action, f"{case.subject}: {why.format(**facts)}.", cause, remedy.format(**facts))

    return verdict


def _not_ours(remedy: str, why: str = "{stands}") -> _Judged:
    """Refuse what has no marker of ours. How it is taken over is said where it can be."""

    def verdict(case: Case) -> Verdict:
        command = _adopting(case)
        told = f"{remedy}, or take this one over: `{command}`." if command else f"{remedy}."
        return _refuse("not-ours", told, why)(case)

    return verdict


def _adopting(case: Case) -> str:
    """Return the command that takes over what stands there; nothing where none would."""
    ctid = case.seen.ctid
    if case.to_adopt:
        return ""
    for purpose, more in ((Purpose.ADOPT, ""), (Purpose.SEAL, f" --seal {ctid}")):
        if judge(case.declared, case.seen, purpose=purpose).action is Action.MARK:
            return f"phoenix-lxc adopt {ctid}{more}"
    return ""


def _refuse(cause: str, remedy: str, why: str = "{stands}") -> _Judged:
    return _say(Action.REFUSE, cause, remedy, why)


BEING_DESTROYED = "being-destroyed"
"""The cause of waiting for a removal."""
_OTHER_COPIES = "Set PHOENIX_COPY_CTIDS to CTIDs that nothing else uses."
_ANOTHER_ID = "Choose another CTID in the catalog"
_OR_ANOTHER_ID = "or choose another CTID in the catalog."
_OTHER_SCRATCH = "Set PHOENIX_SCRATCH_CTIDS to CTIDs that nothing else uses."
_BY_NAME = (
    f"{_ANOTHER_ID} for the {{role}}. To convert this container all the same (it is stopped, loses its snapshots and "
    "never starts again): `phoenix-lxc adopt {ctid} --seal {ctid}`."
)
_BY_HAND = (
    "If no task is running on it, run on {node}: `pct unlock {ctid}`, {unmount}then "
    "`pct destroy {ctid} --destroy-unreferenced-disks 1`; then send the request again."
)
_HALF_MADE = "CT {ctid} on {node} is half-made, and the Proxmox task that was creating it is gone"

_TABLE: tuple[tuple[Callable[[Case], bool], _Judged], ...] = (
    (
        lambda c: c.purpose is Purpose.SCRATCH and c.seen.presence in {Presence.VM, Presence.OTHER_NODE},
        _refuse("scratch-taken", _OTHER_SCRATCH),
    ),
    (lambda c: c.seen.presence is Presence.VM, _refuse("vm-has-id", f"{_ANOTHER_ID}.")),
    (
        lambda c: c.seen.presence is Presence.OTHER_NODE,
        _refuse("other-node", f"Set `node` to '{{node}}', migrate the container, {_OR_ANOTHER_ID}"),
    ),
    (lambda c: c.seen.presence is Presence.ABSENT and c.purpose is not Purpose.ENSURE, _act(Action.NOTHING)),
    (lambda c: c.seen.presence is Presence.ABSENT, _act(Action.CREATE)),
    (
        lambda c: c.seen.lock == "destroyed",
        _say(Action.WAIT, BEING_DESTROYED, _BY_HAND, "CT {ctid} on {node} is being destroyed"),
    ),
    # A copy of a template is that of no other, and a CTID of the catalog is no copy.
    (
        lambda c: c.is_other_copy and c.declared.copy_of is not None,
        _refuse("copy-taken", _OTHER_COPIES, "{stands}, and is not a copy of template {of}"),
    ),
    (
        lambda c: c.is_other_copy and c.purpose is not Purpose.DESTROY,
        _refuse("copy-taken", f"{_ANOTHER_ID}, or destroy this one first.", "{stands}, a copy of template {copied}"),
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
    (
        lambda c: c.being_made,
        _refuse("half-made", _BY_HAND, f"{_HALF_MADE}; nothing proves that phoenix-lxc created it"),
    ),
    # It is to be migrated as it is: that needs the marker, and nothing of what is declared.
    (lambda c: c.purpose is Purpose.MIGRATE and c.marker is None, _not_ours("Migrate it in Proxmox")),
    (lambda c: c.purpose is Purpose.MIGRATE, _act(Action.MIGRATE)),
    # It is to be destroyed: that needs the marker, for a rebuild as what is rebuilt.
    (lambda c: c.to_destroy and c.marker is not None and not (c.role_matters and c.role_changed), _act(Action.DESTROY)),
    (
        lambda c: c.purpose is Purpose.SCRATCH,
        _refuse("scratch-taken", _OTHER_SCRATCH),
    ),
    (
        lambda c: c.to_destroy and c.marker is None,
        _not_ours("Remove it by hand in Proxmox if it is not needed"),
    ),
    # It is to be adopted, and is a container that is declared as a template.
    (
        lambda c: c.to_become_template and bool(c.service) and not c.confirmed,
        _refuse("is-a-service", _BY_NAME, "{stands}, the catalog declares a {role}, and it may be in use: {service}"),
    ),
    (
        lambda c: c.to_become_template and c.role_changed and not c.confirmed,
        _refuse("role-changed", _BY_NAME, "{stands}, and the catalog now declares a {role}"),
    ),
    (lambda c: c.to_become_template, _act(Action.MARK)),
    # It carries our marker.
    (
        lambda c: c.marker is not None and "rootfs" not in c.seen.config,
        _say(Action.REMOVE_HALF_MADE, "half-made", _BY_HAND, f"{_HALF_MADE}: it has no root disk"),
    ),
    # What nothing clones any more is no template by itself.
    (
        lambda c: c.role_changed and not c.declared.is_template,
        _refuse(
            "role-changed",
            'To keep it a template that nothing clones, add `"is_template": true` to {ctid} in the catalog. If a '
            "container is meant: choose another CTID for it, or destroy this one first.",
            "{stands}, and the catalog now declares a {role}",
        ),
    ),
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
            f"Run `{{whole}}` on {{node}}, {_OR_ANOTHER_ID}",
            "{stands}, and {half}, as after an interrupted conversion",
        ),
    ),
    (
        lambda c: c.kind_differs,
        _not_ours(_ANOTHER_ID, "{stands}, and the catalog declares a {role}"),
    ),
    (lambda c: c.to_adopt, _act(Action.MARK)),
    (lambda c: c.adopt, _act(Action.CONVERGE)),
    (
        lambda c: c.seen.marker is None and not c.seen.template_flag and c.hostname_and_mac_as_declared,
        _act(Action.CONVERGE_CONFIG_ONLY),
    ),
    (lambda c: c.declared.is_template, _not_ours(_ANOTHER_ID)),
    (lambda _: True, _refuse("not-ours", f"{_ANOTHER_ID}, or take this one over with `--adopt`.")),
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
    case = Case(declaration, observation, adopt, creating, purpose)
    return next(verdict(case) for fits, verdict in _TABLE if fits(case))


def may_write(verdict: Verdict) -> bool:
    """Return whether the configuration may be changed, the root disk grown and the marker set."""
    return verdict.action in {Action.CONVERGE, Action.CONVERGE_CONFIG_ONLY, Action.REPAIR_SEAL}


def may_start(verdict: Verdict) -> bool:
    """Return whether the container may be started, once its configuration is as declared."""
    return verdict.action in {Action.CONVERGE, Action.REPAIR_SEAL}


def may_stop(verdict: Verdict) -> bool:
    """Return whether the container may be stopped."""
    return verdict.action is Action.CONVERGE


def may_drop_snapshots(verdict: Verdict, observation: Observation) -> bool:
    """Return whether snapshots that stand in the way of a template may be deleted: ours, and made as a template."""
    marker = observation.marker
    return (
        may_write(verdict)
        and marker is not None
        and marker.ctid == observation.ctid
        and marker.role is not Role.CONTAINER
    )


def may_seal(verdict: Verdict, observation: Observation) -> bool:
    """Return whether the container may become a template: ours, made as a template, and not running."""
    return may_drop_snapshots(verdict, observation) and not observation.running


def may_migrate(verdict: Verdict) -> bool:
    """Return whether the container may be migrated to another node."""
    return verdict.action is Action.MIGRATE


def may_destroy(observation: Observation) -> bool:
    """Return whether the container may be deleted: deleting anything needs the marker, with this CTID."""
    return observation.presence is Presence.HERE and observation.is_ours


def refuse_linked(observation: Observation, clones: Sequence[int], purpose: str = Purpose.DESTROY) -> None:
    """Raise PermanentError for a template that linked clones hang on: their disks are made of its own."""
    if not clones:
        return
    named = ", ".join(f"CT {ctid}" for ctid in clones)
    raise PermanentError(
        f"Unable to {purpose} CT {observation.ctid} on {observation.node}: it has linked clones: {named}.",
        cause="has-linked-clones",
        remedy=f"Destroy them first, or make them full clones: `phoenix-lxc destroy {' '.join(map(str, clones))}`.",
    )

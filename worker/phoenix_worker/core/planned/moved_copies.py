"""Whether a copy of a template is made by a full clone that is migrated to its node, which saves the scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_producer import plans
from phoenix_worker.core.allowed.grants import Need, guest, pool_path
from phoenix_worker.core.allowed.linked import storages_of
from phoenix_worker.core.allowed.ownership import judge
from phoenix_worker.core.differs.scripts import scripts_after_making, scripts_to_run
from phoenix_worker.core.differs.volumes import disk_sizes, mounted
from phoenix_worker.core.model.observation import Observation, Presence
from phoenix_worker.core.planned.plan import PlannedStep, plan
from phoenix_worker.step_names import StepName

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.cluster import ClusterView
    from phoenix_worker.core.model.ports import Storage

_GIB = 1024**3
_MIGRATION_S, _MIGRATION_S_PER_GIB = 4.0, 5.0
"""What a migration takes where none was seen yet: 256 MiB took 5 s and 4 GiB 24 s, on nodes with Proxmox VE 9.2."""
_EXACT_S = 10.0


def takes_long(copy: Declaration) -> bool:
    """Return whether a copy is built by scripts that run in it. Any other is made from its OS template in no time."""
    return bool(scripts_after_making(copy))


def quicker_built(
    copy: Declaration, template: Observation, scripts: Sequence[float | None], migration: float | None
) -> str:
    """Say that its scripts take less time than a migration; nothing where that is not so, or not known.

    `scripts` are the seconds that each takes, `migration` those between the two nodes; None where none was seen yet.
    """
    known = [seconds for seconds in scripts if seconds is not None]
    size = sum(disk_sizes(template.config).values())
    taken = _MIGRATION_S + _MIGRATION_S_PER_GIB * size if migration is None else migration
    if not scripts or len(known) < len(scripts) or sum(known) >= taken:
        return ""
    usual = f"about {_seconds(taken)} for {size:g} GiB" if migration is None else _seconds(taken)
    way = f"a migration from {template.node} to {copy.node}"
    return f"they take {_seconds(sum(known))} as a rule, and {way} takes {usual}"


def _seconds(count: float) -> str:
    return f"{count:.1f} s" if count < _EXACT_S else f"{count:.0f} s"


def unfit(copy: Declaration, template: Observation, outdated: Sequence[str]) -> str:
    """Say why a template is not cloned to become this copy of it; nothing when it is as the copy would be built."""
    named = f"template {copy.copy_of}"
    if not template.is_template:
        return f"{named} does not stand as a finished template"
    if not template.is_ours:
        return f"{named} has no marker of phoenix-lxc"
    if outdated or scripts_to_run(copy, template.marker):
        return f"{named} is outdated"
    if why := linked(copy):
        return why
    bound = [one.key for one in mounted(template.config).values() if not one.storage]
    return f"{named} has a bind mount ({', '.join(bound)}), which is not cloned" if bound else ""


def linked(copy: Declaration) -> str:
    """Say that a copy has its disks on those of another template; nothing where it has its own."""
    is_linked = copy.clone_from is not None and not copy.full_clone
    return f"template {copy.copy_of} is declared as a linked clone" if is_linked else ""


def privileges(copy: Declaration) -> tuple[Need, ...]:
    """Name what the token needs besides what a build takes."""
    pool = pool_path(copy)
    return (
        Need(guest(copy.ctid), "VM.Migrate", or_on=pool),
        Need(guest(copy.copy_of or copy.ctid), "VM.Clone", or_on=pool),
    )


def lacking(needs: Iterable[Need], held: Mapping[str, frozenset[str]]) -> str:
    """Say what the token lacks of it; `held` has its privileges by path."""
    missing = [f"{need.privilege} on {need.path}" for need in needs if not need.met(held)]
    return f"the token lacks {', '.join(missing)}" if missing else ""


def no_storage(there: Observation, target: str, storages: Mapping[str, Storage] | None) -> str:
    """Say which storage of what is migrated its new node lacks: Proxmox puts each volume on that of the same name."""
    for name in storages_of(there):
        storage = (storages or {}).get(name)
        if storages is None or storage is None:
            return f"whether {target} has the storage {name} is not known"
        if not (storage.enabled and storage.is_on(target)):
            return f"the storage {name} is not on {target}"
        if "rootdir" not in storage.content:
            return f"the storage {name} takes no containers"
    return ""


def no_room(template: Observation, target: str, view: ClusterView) -> str:
    """Say where there is no room for the clone, which is on both nodes while it is migrated. What is not known is."""
    for node in (template.node, target):
        state = view.nodes.get(node)
        for name in storages_of(template):
            free = state.storages.get(name) if state is not None else None
            needed = _size_on(name, template)
            if free is not None and free < needed * _GIB:
                return f"the storage {name} on {node} has no room for {needed:g} GiB"
    return ""


def moved(copy: Declaration, source: str, *, cloned: bool) -> tuple[PlannedStep, ...]:
    """Plan it: what a copy takes from its clone on another node, made already or not, until it is a template here."""
    ctid, of, node = copy.ctid, copy.copy_of, copy.node
    clone = plans.Action(kind=StepName.CLONE, source=str(of), detail=f"full, on {source}")
    migrate = plans.Action(kind=StepName.MIGRATE, detail=f"from {source} to {node}")
    record = plans.Action(kind="record", detail="the marker in the notes, and what a clone has otherwise")
    steps = (
        PlannedStep(StepName.CLONE, ctid, f"clone template {of} to CT {ctid} on {source} (full)", (clone,)),
        PlannedStep(StepName.MIGRATE, ctid, f"migrate CT {ctid} from {source} to {node}", (migrate,)),
        PlannedStep(StepName.CONFIGURE, ctid, f"configure CT {ctid} on {node}: as declared", (record,)),
        PlannedStep(
            StepName.SEAL, ctid, f"convert CT {ctid} on {node} to a template", (plans.Action(kind=StepName.SEAL),)
        ),
    )
    return steps[1:] if cloned else steps


def anew(copy: Declaration) -> tuple[PlannedStep, ...]:
    """Plan a copy that is built, whatever stands there now."""
    absent = Observation(copy.ctid, copy.node, Presence.ABSENT)
    return plan(copy, absent, judge(copy, absent))


def _size_on(storage: str, seen: Observation) -> float:
    sizes = disk_sizes(seen.config).items()
    return sum(size for key, size in sizes if seen.config[key].startswith(f"{storage}:"))

"""Which steps a CTID needs, in what order. The canvas is built from this, and `phoenix-lxc plan` prints it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from phoenix_producer import plans
from phoenix_producer.change_words import change_words
from phoenix_worker.core.allowed.ownership import Action, Verdict, may_start, may_stop, may_write
from phoenix_worker.core.differs.diff import creation_config, diff, marker_for
from phoenix_worker.core.differs.ha import ha_told
from phoenix_worker.core.differs.root_only import root_diff
from phoenix_worker.core.differs.scripts import is_verified, scripts_after_making, scripts_to_run
from phoenix_worker.core.model.ha import HaState
from phoenix_worker.core.model.marker import Stage
from phoenix_worker.core.planned.prediction import created, inherited, unmade
from phoenix_worker.step_names import StepName

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from phoenix_worker.catalog.declaration import Declaration, Firewall, Script
    from phoenix_worker.core.differs.diff import Changes
    from phoenix_worker.core.model.observation import Observation


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step, and the line that tells people what it will do."""

    name: StepName
    ctid: int
    detail: str
    actions: tuple[plans.Action, ...] = ()
    """What it does, for programs; a step that only looks does nothing."""


def plan(
    declaration: Declaration, observation: Observation, verdict: Verdict, template: Observation | None = None
) -> tuple[PlannedStep, ...]:
    """Work out the steps for one CTID; none when it is as declared. The template of a clone has a plan of its own.

    With that `template`, as it will be then, what the clone's configuration changes is told in full.
    A sealed template is still configured when its declaration changed, since its next clones inherit that; it is
    never started, and its disks stay as they are. Raises what the verdict says when it is to refuse, to wait, or to
    remove a half-made container first.
    """
    if verdict.action is Action.WAIT:
        raise verdict.delay()
    if verdict.action in {Action.REFUSE, Action.REMOVE_HALF_MADE}:
        raise verdict.refusal()
    if may_write(verdict):
        return _converge(declaration, observation, verdict)
    return _make(declaration, template, under_way=verdict.action is Action.ADOPT_TASK)


def is_making(steps: Iterable[PlannedStep]) -> bool:
    """Return whether something is made that was not there."""
    return any(step.name in {StepName.CREATE, StepName.CLONE} for step in steps)


def is_configuring(steps: Iterable[PlannedStep]) -> bool:
    """Return whether the configuration is changed."""
    return any(step.name is StepName.CONFIGURE for step in steps)


def _make(declaration: Declaration, template: Observation | None, *, under_way: bool) -> tuple[PlannedStep, ...]:
    steps = [_clone(declaration) if declaration.clone_from is not None else _create(declaration)]
    if under_way:
        steps = [replace(steps[0], detail=f"{steps[0].detail}, which is under way: wait for it")]
    if declaration.clone_from is not None:
        steps.append(_configure_clone(declaration, template))
    elif changes := diff(declaration, created(declaration)):
        steps.append(_configure(declaration, changes))
    scripts = scripts_after_making(declaration)
    if declaration.runs or scripts:
        steps.append(_step(StepName.START, declaration, "start"))
    if scripts:
        steps.append(_provision(declaration, scripts))
        if not declaration.runs:
            steps.append(_stop_again(declaration))
    return (*steps, _seal(declaration) if declaration.is_template else _verify(declaration))


def _converge(declaration: Declaration, observation: Observation, verdict: Verdict) -> tuple[PlannedStep, ...]:
    steps: list[PlannedStep] = []
    if changes := diff(declaration, observation):
        to_stop = observation.running and not (declaration.runs or declaration.is_template) and may_stop(verdict)
        if to_stop and changes.changes:
            # Stopped it takes every change, also those that a running one refuses.
            steps.append(_stop_again(declaration))
            observation = replace(observation, running=False)
        steps.append(_configure(declaration, changes))
    if declaration.is_template:
        return (*steps, *_seal_steps(declaration, observation, verdict))
    steps += _inside_and_power(declaration, observation, verdict)
    verified = is_verified(declaration, observation.marker) or not may_start(verdict)
    return (*steps, _verify(declaration)) if steps or not verified else ()


def _seal_steps(declaration: Declaration, observation: Observation, verdict: Verdict) -> list[PlannedStep]:
    """Seal unless the root disk is a base volume: then at most the flag is missing, which is configuration."""
    if observation.base_volume:
        return []
    return [*_inside_and_power(declaration, observation, verdict), _seal(declaration)]


def _inside_and_power(declaration: Declaration, observation: Observation, verdict: Verdict) -> list[PlannedStep]:
    """Leave it running or stopped as declared; for scripts it runs in any case."""
    scripts = scripts_to_run(declaration, observation.marker) if may_start(verdict) else ()
    steps = []
    if (declaration.runs or scripts) and not observation.running and may_start(verdict):
        steps.append(_step(StepName.START, declaration, "start"))
    if scripts:
        steps.append(_provision(declaration, scripts))
    if not declaration.runs and (scripts or observation.running) and may_stop(verdict):
        steps.append(_stop_again(declaration))
    return steps


def _provision(declaration: Declaration, scripts: Iterable[Script]) -> PlannedStep:
    files = [script.file for script in scripts]
    step = _step(StepName.PROVISION, declaration, "provision", ", ".join(files))
    return replace(step, actions=tuple(plans.Action(kind=StepName.PROVISION, detail=file) for file in files))


def _stop_again(declaration: Declaration) -> PlannedStep:
    return _step(StepName.STOP, declaration, "stop", "before it becomes a template" if declaration.is_template else "")


def _step(name: StepName, declaration: Declaration, verb: str, why: str = "") -> PlannedStep:
    detail = f"{verb} CT {declaration.ctid} on {declaration.node}"
    action = plans.Action(kind=name, detail=why)
    return PlannedStep(name, declaration.ctid, f"{detail}: {why}" if why else detail, (action,))


def _clone(declaration: Declaration) -> PlannedStep:
    where = f"full, to {declaration.storage}" if declaration.storage else "full"
    how = where if declaration.full_clone else "linked"
    detail = f"clone template {declaration.cloned_from} to CT {declaration.ctid} on {declaration.node} ({how})"
    action = plans.Action(kind=StepName.CLONE, source=str(declaration.cloned_from), detail=how)
    return PlannedStep(StepName.CLONE, declaration.ctid, detail, (action,))


def _create(declaration: Declaration) -> PlannedStep:
    size = f"{declaration.disk_gb} GiB" if declaration.disk_gb else "default size"
    disk = f"{size} on {declaration.storage}" if declaration.storage else size
    detail = f"create CT {declaration.ctid} on {declaration.node} from {declaration.os_template} ({disk})"
    action = plans.Action(kind=StepName.CREATE, source=declaration.os_template, detail=disk)
    return PlannedStep(StepName.CREATE, declaration.ctid, detail, (action,))


def _configure(declaration: Declaration, changes: Changes) -> PlannedStep:
    told = ", ".join(change_words(change.key, change.old, change.new, colon="") for change in changes.changes)
    step = _step(StepName.CONFIGURE, declaration, "configure", told or "update the marker in the notes")
    return replace(step, actions=tuple(_actions(changes)) or (_RECORD,))


def _configure_clone(declaration: Declaration, template: Observation | None) -> PlannedStep:
    """Without its template only the target is known, not what the clone inherits."""
    if template is not None:
        return _configure(declaration, diff(declaration, inherited(declaration, template)))
    config = creation_config(declaration, marker_for(declaration, "", Stage.CONFIGURED))
    told = [f"{key} {value}" for key, value in config.items() if key not in {"description", "rootfs", "storage"}]
    if declaration.disk_gb:
        told.append(f"rootfs at least {declaration.disk_gb}G")
    told += [f"rootfs {name}={value}" for name, value in declaration.root_options]
    told += _no_order_holds(declaration)
    return _step(StepName.CONFIGURE, declaration, "configure", ", ".join(told))


def _no_order_holds(declaration: Declaration) -> list[str]:
    """Tell what comes after the order that makes a container: what only root may set, and its firewall."""
    told = [f"{change.key} {change.new}" for change in root_diff(declaration, unmade(declaration)).changes]
    told += [f"{change.key} {change.new}" for change in ha_told(declaration.ha, HaState())]
    return told if declaration.firewall is None else [*told, _firewall(declaration.firewall)]


def _firewall(declared: Firewall) -> str:
    """Return the step for the firewall; a clone has that of its template at first."""
    switch = "on" if declared.enabled else "off"
    rules = [] if declared.rules is None else [f"{len(declared.rules)} rules"]
    parts = [*rules, *(f"{name} {policy}" for name, policy in declared.policies.items())]
    return f"firewall {switch} with {', '.join(parts)}" if parts else f"firewall {switch}"


def _actions(changes: Changes) -> Iterator[plans.Action]:
    for change in changes.changes:
        grown = f"{changes.grow[change.key]}G" if change.key in changes.grow else None
        kind = "grow" if grown is not None and change.new == grown and change.old is not None else "change"
        yield plans.Action(kind=kind, key=change.key, old=change.old, new=change.new)


_RECORD = plans.Action(kind="record", detail="the marker in the notes, and nothing else")


def _seal(declaration: Declaration) -> PlannedStep:
    detail = f"convert CT {declaration.ctid} on {declaration.node} to a template"
    return PlannedStep(StepName.SEAL, declaration.ctid, detail, (plans.Action(kind=StepName.SEAL),))


def _verify(declaration: Declaration) -> PlannedStep:
    checks = ["as declared"]
    if declaration.health_check is not None and declaration.runs:
        checks.append(f"and healthy ({declaration.health_check.what})")
    if declaration.wait_for_address is not None and declaration.runs:
        checks.append(f"and with an address (within {declaration.wait_for_address} s)")
    return replace(_step(StepName.VERIFY, declaration, "verify", " ".join(checks)), actions=())

"""What a cancelled job leaves: nothing half made, and nothing that others wait for is touched."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from phoenix_worker.actions import recover
from phoenix_worker.actions.copies import as_cloned
from phoenix_worker.actions.orders import clone_order, create_order
from phoenix_worker.actions.repair import release
from phoenix_worker.base import ctid_of, lane
from phoenix_worker.core.allowed.ownership import may_destroy
from phoenix_worker.core.model.observation import Presence
from phoenix_worker.core.model.ports import TaskEnd
from phoenix_worker.durable.run import FORGOTTEN
from phoenix_worker.proxmox import scripts
from phoenix_worker.proxmox.scripts import Place
from phoenix_worker.step_names import MAKING, StepName

if TYPE_CHECKING:
    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation

logger = logging.getLogger(__name__)

_LEFT_TO_END = (StepName.START, StepName.STOP, "resize", StepName.DESTROY)
"""Steps whose Proxmox task ends by itself: stopped in the middle it may leave a disk or a container damaged."""
_STOP_SECONDS = 15.0
_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
_ORDERED, _REMOVAL = "wind-up", "removal"
"""Journalled, for what is waited for in between."""


def abandon(task: PhoenixTask, declaration: Declaration) -> tuple[str, ...]:
    """Stop the Proxmox task that makes a CTID and remove what this job made of it, unless others wait for it.

    Returns what became of it, in words for the requester.
    """
    if task.name in {StepName.MIGRATE.task, StepName.MOVE_COPY.task}:
        begun = {StepName.MIGRATE, f"?{StepName.MIGRATE}"} & task.running.journal.keys()
        if begun or task.name == StepName.MIGRATE.task:
            return (f"What Proxmox has begun of the migration of CT {declaration.ctid} goes on.",) if begun else ()
    if _is_whole(task):
        return ()
    if _ORDERED not in task.running.journal and others_wait_for(task, declaration.ctid):
        return (f"CT {declaration.ctid} is incomplete and was kept, because other jobs wait for it.",)
    ordered = task.once(_ORDERED, lambda: _ordered(task, declaration))
    if ordered is not None and ordered["upid"]:
        task.once("abort", lambda: task.proxmox.abort(ordered["upid"]))
        _await_end(task, ordered["upid"])
    _stop_scripts(task, declaration)
    for step, entry in list(task.running.journal.items()):
        if step.partition("-")[0] in _LEFT_TO_END and (upid := json.loads(entry).get("upid")):
            _await_end(task, upid)
    if ordered is not None or _was_made(task, declaration.ctid):
        return _remove(task, declaration)
    return ()


def _stop_scripts(task: PhoenixTask, declaration: Declaration) -> None:
    """End the script that this task waits for, with all that it started."""
    for script in declaration.scripts:
        begun = json.loads(task.running.journal.get(f"start {script.name}", "null"))
        if begun and f"recorded {script.name}" not in task.running.journal and task.shell is not None:
            place = Place(begun.get("node", declaration.node), declaration.ctid, on_node=script.on_node)
            scripts.stop(task.shell, place, begun["run"])


def others_wait_for(task: PhoenixTask, ctid: int) -> bool:
    """Return whether another job waits for what this one makes: it passes on as it is.

    Whoever stands in the line for 901 waits for its template 900 too, which this job builds first.
    """
    catalog, ledger = task.catalog.current(), task.engine.ledger
    lanes = {lane(one) for one in catalog if one == ctid or ctid in catalog.templates_of(one)}
    with_copies = ctid not in catalog or catalog[ctid].is_template
    copies = catalog.copy_ctids if with_copies and catalog.copy_ctids is not None else range(0)
    held = ledger.locks_of(task.running.job)
    return any(ledger.waiters(name) for name in held if name in lanes or ctid_of(name) in copies)


def _is_whole(task: PhoenixTask) -> bool:
    """Return whether only the result is missing, or a conversion ends by itself."""
    return task.name in {StepName.VERIFY.task, StepName.REPORT.task} or bool(
        {StepName.SEAL, f"?{StepName.SEAL}"} & task.running.journal.keys()
    )


def _ordered(task: PhoenixTask, declaration: Declaration) -> dict[str, Any] | None:
    """Return what this task ordered to be made, also when its worker died before it could tell; None if nothing.

    Where Redis may have forgotten that, what is made there by this task tells.
    """
    journal = task.running.journal
    for step in sorted(MAKING):
        if step in journal:
            entry: dict[str, Any] = json.loads(journal[step])
            return entry
        if f"?{step}" in journal:
            return _found(task, declaration, float(journal[f"?{step}"]))
    forgotten = task.running.lost_journal or task.engine.reconnects.lately()
    makes = {step.task for step in MAKING} | {StepName.COPY.task, StepName.COPY_TEMPLATE.task}
    return _found(task, declaration, FORGOTTEN) if forgotten and task.name in makes else None


def _found(task: PhoenixTask, declaration: Declaration, when: float) -> dict[str, Any] | None:
    if declaration.clone_from is None:
        return recover.find_creation(task.proxmox, create_order(declaration, task.creation), task.creation, when)
    return recover.find_clone(
        task.proxmox, clone_order(as_cloned(task, declaration), task.creation), task.creation, when
    )


def _was_made(task: PhoenixTask, ctid: int) -> bool:
    """Return whether an earlier step of this job made a CTID; its lock is ours, so nobody has touched it since."""
    return any(step["ctid"] == ctid and step["name"] in MAKING for step in task.steps_done())


def _await_end(task: PhoenixTask, upid: str) -> TaskEnd | None:
    """Wait without a slot, but not for ever: then what stands there says what may be done, and None is returned.

    What is counted is how long it was slept: no clock is asked for that.
    """
    slept, pause = 0.0, _PAUSE
    for look in count():
        seen = task.read(f"end-{look} {upid}", partial(_end_now, task, upid))
        if seen is not None or slept >= _STOP_SECONDS:
            return None if seen is None else TaskEnd(**seen)
        task.sleep(pause)
        slept, pause = slept + pause, min(2 * pause, _LONGEST_PAUSE)
    raise AssertionError("it is looked at until that is over")


def _end_now(task: PhoenixTask, upid: str) -> dict[str, Any] | None:
    end = task.proxmox.task_end(upid)
    return None if end is None else asdict(end)


def _remove(task: PhoenixTask, declaration: Declaration) -> tuple[str, ...]:
    node, ctid = declaration.node, declaration.ctid
    removal = task.once(
        _REMOVAL,
        lambda: _removed(task, node, ctid),
        adopt=lambda when: recover.find_removal(task.proxmox, node, ctid, when),
        upid=recover.upid_of,
    )
    if not removal["upid"]:
        return (removal.get("told", f"Nothing is left of CT {ctid} on {node}."),)
    end, what = _await_end(task, removal["upid"]), f"CT {ctid} on {removal.get('node', node)}, which was half-made,"
    if end is None:
        return (f"{what} is being removed: task {removal['upid']} of Proxmox still runs.",)
    if not end.succeeded:
        why = task.proxmox.task_failure(f"destroy CT {ctid}", end).message
        return (f"{what} was not removed; the next request continues from there. {why}",)
    return (f"{what} was removed.",)


def _removed(task: PhoenixTask, node: str, ctid: int) -> dict[str, Any]:
    """Have what is half-made removed, unless it is not ours to remove."""
    seen = task.proxmox.observe(node, ctid)
    node = seen.node or node
    if seen.presence is Presence.ABSENT:
        return recover.posted(None) | {"told": f"Nothing is left of CT {ctid} on {node}."}
    if not _half_made(seen):
        stays = f"CT {ctid} stays on {node} as it is; the next request continues from there."
        return recover.posted(None) | {"told": stays}
    logger.info("CT %d on %s was half-made when its job was cancelled; it is being removed.", ctid, node)
    release(task.proxmox, seen)
    return recover.posted(task.proxmox.destroy(node, ctid)) | {"node": node}


def _half_made(seen: Observation) -> bool:
    """Never what runs, what is a template, or what Proxmox or somebody else is at work on."""
    return (
        seen.presence is Presence.HERE
        and may_destroy(seen)
        and not (seen.running or seen.lock or seen.template_flag or seen.base_volume)
    )

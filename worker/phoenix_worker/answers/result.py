"""What a requester is told."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from phoenix_producer.contract import EnsureResult, Outcome
from phoenix_producer.plans import Plan
from phoenix_worker.actions.look import takes_effect_later, where_last_seen
from phoenix_worker.actions.made_again import needs_rebuild
from phoenix_worker.core.allowed.without_shell import within_reach
from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.model.records import as_made_by, changes_in, steps_in, templates_in, told_in, unapplied_in
from phoenix_worker.core.planned.placement import told
from phoenix_worker.durable.run import GivenUpError
from phoenix_worker.step_names import MAKING, StepName

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from phoenix_worker.actions.addresses import Found
    from phoenix_worker.answers.forecast import Forecast
    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation


_AS_IT_IS = frozenset({Outcome.DESTROYED, Outcome.ADOPTED, Outcome.MIGRATED})
"""What says nothing of how far a declaration is applied."""


def unchanged(
    task: PhoenixTask, declaration: Declaration, seen: Observation, found: Found, warnings: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Answer that everything was as declared; what was made meanwhile, for whoever requested it, is told as made."""
    made = _made_since(task, declaration)
    made_by = made.pop(declaration.ctid, None)
    built = () if made_by is None else tuple(made)
    return _result(
        task,
        declaration,
        outcome=Outcome.UNCHANGED if made_by is None else Outcome.CREATED,
        made_by=made_by,
        templates_built=built,
        templates_not_applied=_unapplied(task, built),
        placed="" if made_by is None else _placed(task, declaration, made_by),
        pending_restart=seen.pending,
        needs_rebuild=needs_rebuild(task, declaration, seen),
        addresses=found.addresses,
        warnings=found.warnings + warnings,
    )


def shared(task: PhoenixTask, end: dict[str, Any]) -> dict[str, Any]:
    """Answer with what an earlier request for the same did. Raises GivenUpError with its failure."""
    if not end["ok"]:
        raise GivenUpError(end["value"])
    value: dict[str, Any] = json.loads(end["value"])
    return as_made_by(value["request_id"], value) | {"request_id": task.running.job}


def of_job(
    task: PhoenixTask, declaration: Declaration, warnings: tuple[str, ...] = (), found: Found | None = None
) -> dict[str, Any]:
    """Answer with what the links of this job did, and where the container can be reached now."""
    addresses, more = ((), ()) if found is None else (found.addresses, found.warnings)
    declaration = where_last_seen(task, declaration)
    done = task.steps_done()
    lasting = [step for step in done if step["ctid"] in task.catalog.current() or step.get("copy")]
    own = [step for step in done if step["ctid"] == declaration.ctid]
    adopted = [step for step in done if step["name"] == StepName.MARK]  # a template's copies, although it is ours
    outcome = _outcome({step["name"] for step in (*own, *adopted)})
    built = templates_in(lasting)
    if outcome is Outcome.CREATED:
        task.engine.ledger.note_made((declaration.ctid, *built), task.running.job, task.running.claimed_at)
        cloned = [step["source"] for step in done if step.get("source")]
        made = _made_since(task, declaration, *built, *cloned)
        built = tuple(ctid for ctid in made if ctid != declaration.ctid)
    return _result(
        task,
        declaration,
        outcome=outcome,
        moved_from=next((step["from"] for step in own if step["name"] == StepName.MIGRATE), ""),
        changes=changes_in(own),
        steps=steps_in(done),
        templates_built=built,
        templates_not_applied={
            **_unapplied(task, (one for one in built if one != declaration.ctid)),
            **unapplied_in(lasting, but=declaration.ctid),
        },
        placed=_placed(task, declaration, task.running.job) if outcome is Outcome.CREATED else "",
        pending_restart=_pending_then(task, declaration, own) if outcome is Outcome.UPDATED else (),
        needs_rebuild=told_in(done, "needs_rebuild"),
        addresses=addresses,
        warnings=told_in(done, "warnings") + warnings + task.running.notes + more,
    )


def _pending_then(task: PhoenixTask, declaration: Declaration, own: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Name what still waits for a restart; nothing of what was stopped. Who configured it has looked."""
    names = {step["name"] for step in own}
    if {StepName.START, StepName.STOP} & names:
        return ()
    if StepName.CONFIGURE in names or not takes_effect_later(declaration):
        return tuple(key for step in own for key in step.get("pending", ()))
    node, ctid = declaration.node, declaration.ctid
    return tuple(task.read("pending", lambda: list(task.proxmox.observe(node, ctid, pending=True).pending)))


def _placed(task: PhoenixTask, declaration: Declaration, job: str) -> str:
    """Say why a job has made it on its node; nothing where the catalog says on which."""
    chosen = task.reservations.chosen(job, str(declaration.ctid)) if declaration.nodes else None
    return told(chosen["node"], chosen["because"]) if chosen else ""


def _made_since(task: PhoenixTask, declaration: Declaration, *copies: int) -> dict[int, str]:
    """Return what of a CTID and its templates was made since the request, by which jobs; the first template first."""
    catalog = task.catalog.current()
    templates = reversed(catalog.templates_of(declaration.ctid)) if declaration.ctid in catalog else ()
    ctids = dict.fromkeys((*templates, *copies, declaration.ctid))
    return task.engine.ledger.made_since(task.running.job, tuple(ctids))


def _unapplied(task: PhoenixTask, templates: Iterable[int]) -> dict[int, tuple[str, ...]]:
    """Return what whoever built these templates left out, be it another job: what needs shell access without any."""
    catalog = task.catalog.current()
    found: dict[int, tuple[str, ...]] = {}
    for declared in (catalog[ctid] for ctid in templates if ctid in catalog and task.shell is None):
        with suppress(PermanentError):  # a file that is gone by now
            found[declared.ctid] = within_reach(declared, has_shell=False, accepted=True).not_applied
    return {ctid: lines for ctid, lines in found.items() if lines}


def _outcome(steps: set[str]) -> Outcome:
    if StepName.MARK in steps:
        return Outcome.ADOPTED
    if StepName.MIGRATE in steps:
        return Outcome.MIGRATED
    if StepName.DESTROY in steps:
        return Outcome.REBUILT if StepName.CLONE in steps else Outcome.DESTROYED
    return Outcome.CREATED if MAKING & steps else Outcome.UPDATED


def nothing(
    task: PhoenixTask, declaration: Declaration, *, dry_run: bool, warnings: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Answer that there was nothing to do."""
    return _result(task, declaration, outcome=Outcome.UNCHANGED, dry_run=dry_run, warnings=warnings)


def foretold(
    task: PhoenixTask, declaration: Declaration, outcome: Outcome, plan: tuple[str, ...], warnings: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Answer with what a request would do."""
    return _result(task, declaration, outcome=outcome, dry_run=True, plan=plan, warnings=warnings)


def dry_run(task: PhoenixTask, forecast: Forecast) -> dict[str, Any]:
    """Answer with what an ensure would do."""
    return _result(
        task,
        forecast.declaration,
        outcome=forecast.parts[-1].outcome,
        dry_run=True,
        plan=tuple(forecast.lines),
        placed=forecast.parts[-1].placed,
        templates_not_applied=forecast.templates_not_applied,
        pending_restart=forecast.parts[-1].pending_restart,
        needs_rebuild=forecast.needs_rebuild,
        warnings=tuple(forecast.warnings),
    )


def planned(task: PhoenixTask, forecast: Forecast) -> dict[str, Any]:
    """Answer with what an ensure would do, to a request for a plan alone."""
    plan = Plan(
        **dict(forecast.parts[-1]),
        first=tuple(forecast.parts[:-1]),
        lines=tuple(forecast.lines),
        not_applied=forecast.declaration.not_applied,
        templates_not_applied=forecast.templates_not_applied,
        warnings=(*task.warnings(forecast.declaration.ctid), *forecast.warnings),
    )
    return plan.model_dump(mode="json")


def _result(
    task: PhoenixTask, declaration: Declaration, *, warnings: tuple[str, ...] = (), **fields: Any
) -> dict[str, Any]:
    as_it_is = fields["outcome"] in _AS_IT_IS
    stands = (declaration.elsewhere,) if declaration.elsewhere and fields["outcome"] != Outcome.DESTROYED else ()
    result = EnsureResult(
        request_id=task.running.job,
        ctid=declaration.ctid,
        node=declaration.where,
        not_applied=() if as_it_is else declaration.not_applied,
        warnings=task.warnings(None if as_it_is else declaration.ctid) + stands + warnings,
        **fields,
    )
    return result.model_dump(mode="json")

"""Celery signatures for planned steps, chained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery.canvas import Signature, chain

from phoenix_worker.core.allowed.ownership import Purpose
from phoenix_worker.step_names import StepName

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from phoenix_producer.contract import EnsureRequest
    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.planned.adopting import Adoption
    from phoenix_worker.core.planned.plan import PlannedStep
    from phoenix_worker.core.planned.rebuilding import Rebuild

COPYING = 1
"""Which link of `chain_replacement` makes the template again."""
Pin = tuple[int, str]
"""A copy as a step names it: its CTID and `Declaration.pin`."""


def chain_ensure(
    task: PhoenixTask,
    declaration: Declaration,
    steps: Iterable[PlannedStep],
    request: EnsureRequest,
    *,
    copies: Iterable[Declaration],
    wait_for_address: int | None,
) -> Signature:
    """Chain the steps of an ensure, then those of copies that are to be configured with their template.

    The last one waits for an address, if that is wanted, and tells the result.
    """
    names = [step.name for step in steps if step.name is not StepName.VERIFY]
    consent = {"adopted": request.adopt, "accepted": request.accept_not_applied}
    links = [_link(task, name, declaration, **consent) for name in names]
    for link in links:
        if link.task == StepName.PROVISION.task and request.rerun:
            link.kwargs["rerun"] = list(request.rerun)
    pins = [(copy.ctid, copy.pin) for copy in copies]
    links.append(_last(task, declaration, pins, home=declaration.node if declaration.moved_from else None, **consent))
    if wait_for_address is not None:
        links[-1].kwargs["wait_for_address"] = wait_for_address
    if request.state is not None and (declaration.health_check is not None or declaration.snapshots):
        links[-1].kwargs["state"] = request.state
    return chain(*links)


def chain_copy(
    task: PhoenixTask,
    template: Declaration,
    copy: Declaration | None,
    rest: Sequence[Pin],
    *,
    accepted: bool,
    home: str | None,
) -> Signature:
    """Chain the configuration of a copy, if that differs, and then what configures the rest or tells the result."""
    links = [] if copy is None else [_link(task, StepName.CONFIGURE, copy, adopted=False, accepted=accepted)]
    return chain(*links, _last(task, template, rest, adopted=False, accepted=accepted, home=home))


def _last(
    task: PhoenixTask,
    declaration: Declaration,
    copies: Sequence[Pin],
    *,
    adopted: bool,
    accepted: bool,
    home: str | None,
) -> Signature:
    """Return the link that configures copies, or the one that tells the result where there are none."""
    if copies:
        last = _of(task, StepName.CONFIGURE_COPIES, declaration, list(copies), accepted=accepted)
    else:
        last = _link(task, StepName.VERIFY, declaration, adopted=adopted, accepted=accepted)
    if home is not None:
        last.kwargs["home"] = home
    return last


def chain_build(
    task: PhoenixTask,
    template: Declaration,
    steps: Iterable[PlannedStep],
    *,
    then: Declaration,
    adopted: bool,
    accepted: bool,
    clear: bool = False,
    told: Sequence[str] = (),
) -> Signature:
    """Chain the steps that a template lacks, and after them the clone that waits for it.

    With `clear`, something of ours is in the way. What is `told` is told with the clone.
    """
    links = [_of(task, StepName.DESTROY, template, Purpose.DESTROY)] if clear else []
    links += [_link(task, step.name, template, adopted=False, accepted=accepted) for step in steps]
    last = _link(task, StepName.CLONE, then, adopted=adopted, accepted=accepted)
    if template.copy_of is not None:
        last.kwargs["source"] = [template.ctid, template.node]
    if told:
        last.kwargs["told"] = list(told)
    return chain(*links, last)


def chain_moved(
    task: PhoenixTask,
    copy: Declaration,
    source: str,
    *,
    then: Declaration,
    cloned: bool,
    adopted: bool,
    accepted: bool,
    told: Sequence[str] = (),
) -> Signature:
    """Chain what has a template, `cloned` already or not, stand as its copy on another node, and the clone after it.

    What is `told` is told with the clone.
    """
    clone = [] if cloned else [_of(task, StepName.COPY_TEMPLATE, copy, source, accepted=accepted)]
    links = [_link(task, name, copy, adopted=False, accepted=accepted) for name in (StepName.CONFIGURE, StepName.SEAL)]
    last = _link(task, StepName.CLONE, then, adopted=adopted, accepted=accepted)
    last.kwargs["source"] = [copy.ctid, copy.node]
    if told:
        last.kwargs["told"] = list(told)
    return chain(*clone, _of(task, StepName.MOVE_COPY, copy, accepted=accepted), *links, last)


def chain_built_after_all(
    task: PhoenixTask, copy: Declaration, steps: Iterable[PlannedStep], *, accepted: bool, told: str
) -> Signature:
    """Chain the steps that build a copy where it was to be migrated, after the removal of what was cloned for that."""
    gone = _of(task, StepName.DESTROY, copy, Purpose.DESTROY)
    links = [_link(task, step.name, copy, adopted=False, accepted=accepted) for step in steps]
    links[-1].kwargs["told"] = [told]
    return chain(gone, *links)


def chain_steps(
    task: PhoenixTask, declaration: Declaration, names: Iterable[StepName], *, adopted: bool, accepted: bool
) -> Signature:
    """Chain steps of one CTID."""
    return chain(*(_link(task, name, declaration, adopted=adopted, accepted=accepted) for name in names))


def _link(task: PhoenixTask, name: StepName, declaration: Declaration, *, adopted: bool, accepted: bool) -> Signature:
    options = {"adopted": adopted} | ({"accepted": True} if accepted else {})
    return task.app.signature(name.task, args=(declaration.ctid, declaration.pin), kwargs=options, immutable=True)


def chain_removal(task: PhoenixTask, declaration: Declaration, copies: Iterable[Declaration]) -> Signature:
    """Chain the removal of a CTID, after the copies that it has as a template, and its report."""
    removals = (_of(task, StepName.DESTROY, one, Purpose.DESTROY) for one in (*copies, declaration))
    return chain(*removals, _of(task, StepName.REPORT, declaration))


def chain_migration(task: PhoenixTask, declaration: Declaration, target: str, *, restart: bool) -> Signature:
    """Chain the migration of a CTID and its report."""
    move = _of(task, StepName.MIGRATE, declaration, target, restart=restart)
    return chain(move, _of(task, StepName.REPORT, declaration))


def chain_rebuild(
    task: PhoenixTask, rebuild: Rebuild, *, accepted: bool, rest: Sequence[Pin] = (), left: Sequence[str] = ()
) -> Signature:
    """Chain what builds a template at the scratch CTID, and then its replacement.

    `rest` are the copies to come; `left` tells of those that are left as they are.
    """
    clear = [_of(task, StepName.DESTROY, rebuild.scratch, Purpose.SCRATCH)] if rebuild.clear else []
    build = [_link(task, step.name, rebuild.scratch, adopted=False, accepted=accepted) for step in rebuild.build]
    told = (rebuild.scratch.ctid, rebuild.scratch.pin)
    more = {name: list(value) for name, value in (("rest", rest), ("left", left)) if value}
    return chain(*clear, *build, _of(task, StepName.REPLACE, rebuild.template, *told, accepted=accepted, **more))


def chain_replacement(
    task: PhoenixTask,
    template: Declaration,
    scratch: Declaration,
    *,
    accepted: bool,
    then: Signature,
) -> Signature:
    """Chain what puts a template, or its copy, in the place of the old one; then come the copies of a template."""
    finish = (
        _link(task, name, template, adopted=False, accepted=accepted) for name in (StepName.CONFIGURE, StepName.SEAL)
    )
    return chain(
        _of(task, StepName.DESTROY, template, Purpose.REBUILD),
        _of(task, StepName.COPY, template, scratch.ctid),
        *finish,
        _of(task, StepName.DESTROY, scratch, Purpose.SCRATCH),
        then,
    )


def chain_copies(
    task: PhoenixTask, template: Declaration, rest: Sequence[Pin], *, accepted: bool, left: Sequence[str] = ()
) -> Signature:
    """Return what rebuilds the next of these copies, or the report when there is none to come."""
    more = {"left": list(left)} if left else {}
    if not rest:
        return _of(task, StepName.REPORT, template, **more)
    return _of(task, StepName.REBUILD_COPIES, template, list(rest), accepted=accepted, **more)


def chain_adoption(
    task: PhoenixTask, adoption: Adoption, purpose: Purpose, copies: Iterable[Declaration], left: Sequence[str]
) -> Signature:
    """Chain what makes a container ours, and a template if it is declared as one; then these copies of it."""
    declaration, snapshots = adoption.declaration, list(adoption.snapshots)
    stop = _link(task, StepName.STOP, declaration, adopted=False, accepted=True)
    if snapshots:
        stop.kwargs["dropping"] = snapshots
    links = (
        (adoption.mark, _of(task, StepName.MARK, declaration, purpose)),
        (adoption.stop, stop),
        (bool(snapshots), _of(task, StepName.DROP_SNAPSHOTS, declaration, snapshots)),
        (adoption.seal, _link(task, StepName.SEAL, declaration, adopted=False, accepted=True)),
    )
    marks = (_of(task, StepName.MARK, copy, Purpose.ADOPT) for copy in copies)
    more = {"left": list(left)} if left else {}
    return chain(*(link for wanted, link in links if wanted), *marks, _of(task, StepName.REPORT, declaration, **more))


def _of(task: PhoenixTask, step: StepName, declaration: Declaration, *more: Any, **options: Any) -> Signature:
    args = (declaration.ctid, declaration.pin, *more)
    return task.app.signature(step.task, args=args, kwargs=options, immutable=True)

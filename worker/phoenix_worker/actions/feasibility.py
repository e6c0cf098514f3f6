"""Refuse what the cluster's storages and bridges cannot hold, before anything is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.actions.copies import look_again, sources
from phoenix_worker.actions.names import name_problem
from phoenix_worker.actions.secrets import see_secrets
from phoenix_worker.core.allowed import grants
from phoenix_worker.core.allowed.versions import ha_group_gone, needing, too_old
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.planned.copies import made_from
from phoenix_worker.core.planned.feasibility import NOT_SHARED, Origin, cannot_change, cannot_work, needs_of_change
from phoenix_worker.core.planned.notes import too_long

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation


def refuse_what_cannot_work(task: PhoenixTask, declaration: Declaration) -> None:
    """Raise PermanentError for a container, or a template on the way to it, that cannot be made.

    By the catalog first, which costs no call while the offer is remembered. Only when that speaks against it the
    templates themselves are looked at, and the offer again: one that is finished may lie elsewhere than declared. What
    stands on another node, and was not known to, is not to be made: TransientError, so that it is looked at again.
    """
    chain = made_from(declaration, task.catalog.current(), task.offering.on)
    for each in chain:
        refuse_too_old(task, each)
    see_secrets(task, chain)
    if not any(_problem(task, chain[place:]) for place in range(len(chain))):
        return
    if task.proxmox.observe_template(declaration.node, declaration.ctid).is_ours:
        raise TransientError(f"CT {declaration.ctid} stands, and was not seen just now.", cause="moved")
    task.offering.forget()
    one: Declaration | None = declaration
    while one is not None:
        template = sources(task, one, look=True)[0] if one.clone_from is not None else None
        seen = task.proxmox.observe_template(template.node, template.ctid) if template is not None else None
        finished = seen is not None and seen.is_template
        problem = cannot_work(one, Origin.seen(seen), task.offering.on(one.node)) if seen and finished else None
        problem = problem or name_problem(task, one, template=seen if finished else None)
        problem = problem if finished else _problem(task, made_from(one, task.catalog.current(), task.offering.on))
        if problem is not None:
            raise problem
        if finished:
            return
        one = template


def refuse_too_old(task: PhoenixTask, declaration: Declaration) -> None:
    """Raise PermanentError for keys that this Proxmox does not have; before it refuses, the version is asked for again.

    Nothing is asked where every supported version has what is declared.
    """
    _refuse_ha_group(task, declaration)
    keys = needing(declaration, has_shell=task.shell is not None)
    if not keys or too_old(declaration, keys, task.offering.version()) is None:
        return
    task.offering.forget()
    if (problem := too_old(declaration, keys, task.offering.version())) is not None:
        raise problem


def _refuse_ha_group(task: PhoenixTask, declaration: Declaration) -> None:
    grouped = declaration.ha is not None and declaration.ha.group is not None
    if not grouped or ha_group_gone(declaration, task.offering.version()) is None:
        return
    task.offering.forget()
    if (problem := ha_group_gone(declaration, task.offering.version())) is not None:
        raise problem


def refuse_unreachable(task: PhoenixTask, clone: Declaration, template: Declaration, there: Observation) -> None:
    """Raise PermanentError for a clone of a template that stands on another node than declared, and is not shared.

    Where copies are made, the one that serves the clone's node is looked for instead.
    """
    if there.node == template.node:
        return
    try:
        refuse_unworkable(task, clone, Origin.seen(there))
    except PermanentError as problem:
        if problem.cause == NOT_SHARED and task.catalog.current().copy_ctids is not None:
            look_again(task, template, problem.message)
        raise


def refuse_unworkable(task: PhoenixTask, declaration: Declaration, origin: Origin | None) -> None:
    """Raise PermanentError for what its node cannot have; before it refuses, the offer is asked for again."""
    if cannot_work(declaration, origin, task.offering.on(declaration.node)) is None:
        return
    task.offering.forget()
    if (problem := cannot_work(declaration, origin, task.offering.on(declaration.node))) is not None:
        raise problem


def refuse_vanishing_grants(task: PhoenixTask, template: Declaration, scratch: Declaration) -> None:
    """Raise PermanentError for a template that the token may delete and not make again."""
    needs = grants.of_rebuild(template, scratch)
    places = {grants.ALL_GUESTS, *(need.or_on for need in needs if need.or_on is not None)}
    held = {place: task.proxmox.privileges(place) for place in sorted(places)}
    grants.refuse_vanishing(template, needs, held, task.proxmox.whoami())


def refuse_what_cannot_change(task: PhoenixTask, declaration: Declaration, seen: Observation) -> None:
    """Raise PermanentError for a container that stands there and is to have what its node, or its notes, have not.

    Nothing is asked when nothing of the kind is to change; before it refuses, the offer is asked for again.
    """
    refuse_too_old(task, declaration)
    if (problem := too_long(declaration, seen)) is not None:
        raise problem
    if name_problem(task, declaration, seen) is not None:
        task.offering.forget()
        if (problem := name_problem(task, declaration, seen)) is not None:
            raise problem
    needs = needs_of_change(declaration, seen)
    if not needs or cannot_change(declaration, needs, task.offering.on(declaration.node)) is None:
        return
    task.offering.forget()
    if (problem := cannot_change(declaration, needs, task.offering.on(declaration.node))) is not None:
        raise problem


def _problem(task: PhoenixTask, chain: Sequence[Declaration]) -> PermanentError | None:
    """Judge the first of a chain by what is declared of the rest. A template without a node is judged when placed."""
    if not chain[0].node:
        return None
    origin = Origin.declared(chain[1:]) if len(chain) > 1 else None
    first = chain[0].cloned_by(chain[1]) if len(chain) > 1 else chain[0]
    return cannot_work(first, origin, task.offering.on(chain[0].node)) or name_problem(task, chain[0])

"""How a step follows a container that was moved, or made, after the step, or the job, has looked."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Never

from phoenix_worker.actions.builds import build_of
from phoenix_worker.actions.look import TEMPLATE, what_took_it
from phoenix_worker.actions.make import StandsThere, make_clone
from phoenix_worker.actions.orders import clone_order
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.home import at_home
from phoenix_worker.core.planned.plan import plan
from phoenix_worker.proxmox.error_table import MISSING
from phoenix_worker.step_names import StepName
from phoenix_worker.tasks import chains

if TYPE_CHECKING:
    from collections.abc import Callable

    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.allowed.ownership import Verdict
    from phoenix_worker.core.model.observation import Observation


def following(function: Callable[..., Any]) -> Callable[..., Any]:
    """Have a step run again that was told that its CTID is not there, while it stands somewhere: it looks again.

    One that was to make what is there, and ours, goes on with that.
    """

    @functools.wraps(function)
    def call(task: PhoenixTask, ctid: int, *args: Any, **options: Any) -> Any:
        try:
            return function(task, ctid, *args, **options)
        except StandsThere as found:
            consent = {name: bool(options.get(name)) for name in ("adopted", "accepted")}
            _go_on(task, found.declaration, found.seen, found.verdict, **consent)
        except PermanentError as error:
            if error.cause != MISSING or task.proxmox.running(ctid) is None:
                raise
            raise _moved(error) from error

    return call


def go_on_if_it_stands(task: PhoenixTask, declaration: Declaration, *, adopted: bool, accepted: bool) -> None:
    """Look in the whole cluster before a template is built for a CTID; of ours, go on with what stands there."""
    taken = what_took_it(task, declaration, adopted=adopted)
    if taken is not None:
        _go_on(task, declaration, *taken, adopted=adopted, accepted=accepted)


def make_clone_from(task: PhoenixTask, declaration: Declaration, template: Observation) -> dict[str, Any]:
    """Clone a template where it was seen just now. Raises TransientError if it was moved since."""
    if not task.current_declaration(declaration.clone_from).node and template.node != declaration.node:
        declaration = replace(declaration, template_node=template.node)
    order = clone_order(declaration, task.creation, build_of(template), on=template.node)
    try:
        return make_clone(task, declaration, order)
    except PermanentError as error:
        if error.cause != MISSING:
            raise
        task.forget(TEMPLATE)
        raise _moved(error) from error


def _moved(error: PermanentError) -> TransientError:
    """Return the error of what stood on the node when it was looked at, and no longer did just after."""
    return TransientError(error.message, cause="moved", remedy=error.remedy)


def _go_on(
    task: PhoenixTask, declaration: Declaration, seen: Observation, verdict: Verdict, *, adopted: bool, accepted: bool
) -> Never:
    """Go on with a container that was to be made, and of ours stands there already.

    What follows in the chain is for a new one, and comes after what this one needs.
    """
    steps = plan(at_home(declaration, seen), seen, verdict)
    names = [step.name for step in steps if step.name is not StepName.VERIFY] or [StepName.CONFIGURE]
    task.replace(chains.chain_steps(task, declaration, names, adopted=adopted, accepted=accepted))

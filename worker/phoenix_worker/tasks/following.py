"""How a step follows a container that was moved after the step, or the job, has looked."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

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
    """Have a step run again that was told that its CTID is not there, while it stands somewhere: it looks anew."""

    @functools.wraps(function)
    def call(task: PhoenixTask, ctid: int, *args: Any, **options: Any) -> Any:
        try:
            return function(task, ctid, *args, **options)
        except PermanentError as error:
            if error.cause != MISSING or task.proxmox.running(ctid) is None:
                raise
            raise moved(error) from error

    return call


def moved(error: PermanentError) -> TransientError:
    """Return the error of what stood on the node when it was looked at, and no longer did just after."""
    return TransientError(error.message, cause="moved", remedy=error.remedy)


def go_on(
    task: PhoenixTask, declaration: Declaration, seen: Observation, verdict: Verdict, *, adopted: bool, accepted: bool
) -> dict[str, Any]:
    """Go on with a container that was to be made, and of ours stands on another node.

    What follows in the chain is for a new one, and comes after what this one needs.
    """
    steps = plan(at_home(declaration, seen), seen, verdict)
    names = [step.name for step in steps if step.name is not StepName.VERIFY] or [StepName.CONFIGURE]
    return task.replace(chains.chain_steps(task, declaration, names, adopted=adopted, accepted=accepted))

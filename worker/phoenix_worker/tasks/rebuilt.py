"""Steps that build a template for a rebuild, and are run again after it was replaced, since Redis has lost that.

What they built is gone by then. They have nothing to do, and the replacement, which comes after them, sees the same.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from phoenix_worker.actions.remove import was_made_by
from phoenix_worker.durable.publishing import link_id
from phoenix_worker.durable.run import now
from phoenix_worker.step_names import StepName
from phoenix_worker.tasks import chains

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.core.model.observation import Observation


def unless_rebuilt(function: Callable[..., Any]) -> Callable[..., Any]:
    """Have a step do nothing at the scratch CTID of a template that its own job has replaced."""

    @functools.wraps(function)
    def call(task: PhoenixTask, ctid: int, *args: Any, **options: Any) -> Any:
        if _is_replaced(task, ctid):
            name = next(step for step in StepName if step.task == task.name)
            return task.step(name, ctid, now())
        return function(task, ctid, *args, **options)

    return call


def is_rebuilt_by(replacing: str, generation: int, seen: Observation) -> bool:
    """Return whether the task that replaces a template, by its id, has made what stands there in this generation."""
    return was_made_by(link_id(replacing, generation, chains.COPYING), seen)


def _is_replaced(task: PhoenixTask, scratch: int) -> bool:
    links: Sequence[Any] = task.request.chain or ()
    if not links or links[0]["task"] != StepName.REPLACE.task or links[0]["args"][2] != scratch:
        return False
    (ctid, declaration_hash, *_), options = links[0]["args"], links[0]["options"]
    template = task.pinned_declaration(ctid, declaration_hash, accepted=True, asks_scripts=False)
    seen = task.proxmox.observe_template(template.node, ctid)
    return is_rebuilt_by(options["task_id"], options["replaced_task_nesting"], seen)

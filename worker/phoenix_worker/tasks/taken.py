"""Steps that make a copy of a template at a CTID that somebody has taken since it was chosen: they do nothing.

The clone for which it was to be made comes after them in the chain. It sees what stands there, and chooses again. By
then that may be gone, and the CTID be chosen once more: the steps of the clone's next chain make the copy.
"""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.model.observation import Presence
from phoenix_worker.durable.run import now
from phoenix_worker.step_names import StepName

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from phoenix_worker.base import PhoenixTask

logger = logging.getLogger(__name__)

_MAKING = {step.task for step in (StepName.CREATE, StepName.CLONE, StepName.COPY_TEMPLATE)}
_MORE, _LAST = "more", "last"
"""What is told of a step that did nothing: whether more of the same chain do nothing, before the clone."""


def unless_taken(function: Callable[..., Any]) -> Callable[..., Any]:
    """Have a step do nothing at the CTID of a copy that somebody else has."""

    @functools.wraps(function)
    def call(task: PhoenixTask, ctid: int, declaration_hash: str, *args: Any, **options: Any) -> Any:
        if not _is_cloned_next(task, ctid):
            return function(task, ctid, declaration_hash, *args, **options)
        if not _was_taken(task, ctid):
            try:
                return function(task, ctid, declaration_hash, *args, **options)
            except PermanentError as error:
                if task.name not in _MAKING or not _is_anothers(task, ctid, declaration_hash):
                    raise
                logger.warning("%s The copy is made at another CTID.", error.message)
        name = next(step for step in StepName if step.task == task.name)
        taken = _LAST if _is_source(_links(task)[-1], ctid) else _MORE
        return task.step(name, ctid, now(), taken=taken)

    return call


def _is_cloned_next(task: PhoenixTask, ctid: int) -> bool:
    """Return whether it is a copy that a clone waits for: nothing else is named as its source."""
    return any(_is_source(link, ctid) for link in _links(task))


def _links(task: PhoenixTask) -> Sequence[Any]:
    """Return what comes after this task; the next one is the last of it."""
    links: Any = task.request.chain
    return links or ()


def _is_source(link: Mapping[str, Any], ctid: int) -> bool:
    """Return whether a link of a chain is the clone of this CTID."""
    return link["task"] == StepName.CLONE.task and list(link["kwargs"].get("source", ()))[:1] == [ctid]


def _was_taken(task: PhoenixTask, ctid: int) -> bool:
    """Return whether a step before this one, of the same chain, found that somebody has the CTID."""
    done = [step for step in task.engine.ledger.steps(task.running.job) if step["ctid"] == ctid]
    return bool(done) and done[-1].get("taken") == _MORE


def _is_anothers(task: PhoenixTask, ctid: int, declaration_hash: str) -> bool:
    copy = task.pinned_declaration(ctid, declaration_hash, accepted=True, asks_scripts=False)
    seen = task.proxmox.observe_template(copy.node, ctid)
    return seen.presence is not Presence.ABSENT and not seen.is_ours

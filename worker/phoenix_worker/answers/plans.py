"""What an ensure of each of many CTIDs would do. Each answer is the one that a request for its plan alone would get."""

from __future__ import annotations

from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from phoenix_producer.contract import EnsureRequest
from phoenix_worker.answers.forecast import forecast
from phoenix_worker.answers.result import planned
from phoenix_worker.answers.side_by_side import each, shown_after
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.durable.patience import backoff

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phoenix_producer.plans import PlansRequest
    from phoenix_worker.base import PhoenixTask

_UNDECLARED = 100
_Answers = dict[str, dict[str, Any]]
"""By CTID: a plan, or the failure in its place. JSON has only texts for keys."""


def plans(task: PhoenixTask, request: PlansRequest) -> list[dict[str, Any]]:
    """Look at each CTID once, or at all containers of the catalog when none is named.

    What fails for a passing reason is looked at again, after ever longer sleeps, for as long as a request of its own.
    Raises TransientError when Proxmox as a whole does not answer, and PermanentError for many that are not declared:
    the answer is kept for a week, and has a failure for each.
    """
    wanted = task.read("wanted", lambda: _wanted(task, request))
    began = task.read("began", lambda: task.running.claimed_at)
    told: _Answers = {}
    for turn in count():
        left = [ctid for ctid in wanted if str(ctid) not in told]
        told |= task.read(f"told-{turn}", partial(_look, task, request, left, done_before=len(told), began=began))
        if all(str(ctid) in told for ctid in left):
            return [told[str(ctid)] for ctid in wanted]
        task.sleep(backoff(turn))
    raise AssertionError("it is looked at again until all is told")


def _wanted(task: PhoenixTask, request: PlansRequest) -> list[int]:
    catalog, named = task.catalog.current(), list(dict.fromkeys(request.ctids))
    if len(unknown := [ctid for ctid in named if ctid not in catalog]) > _UNDECLARED:
        message = f"{len(unknown)} of the {len(named)} CTIDs are not in the catalog; {unknown[0]} is the first."
        remedy = f"Name CTIDs of the catalog, and at most {_UNDECLARED} others at once."
        raise PermanentError(message, cause="not-declared", remedy=remedy)
    return named or list(catalog.containers())


def _look(
    task: PhoenixTask, request: PlansRequest, ctids: Sequence[int], *, done_before: int, began: float
) -> _Answers:
    """Return the answers for these, but for those that are to be looked at again."""
    waited = task.running.claimed_at - began

    def look(ctid: int) -> dict[str, Any]:
        of_it = EnsureRequest(ctid=ctid, accept_not_applied=request.accept_not_applied)
        return planned(task, forecast(task, of_it))

    def trouble(ctid: int, error: Exception) -> dict[str, Any] | None:
        if isinstance(error, TransientError):
            error = shown_after(task, error, waited)
        if isinstance(error, TransientError) and waited <= task.engine.patience:
            return None
        return task.failed(error, ctid).model_dump(mode="json")

    found = each(task, ctids, look, trouble, done_before=done_before)
    return {str(ctid): answer for ctid, answer in zip(ctids, found, strict=True) if answer is not None}

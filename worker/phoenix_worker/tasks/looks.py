"""The tasks that tell what the catalog has, and what stands there of it. Nothing is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_producer.contract import CONTAINERS, DRIFT, PLANS, STATUS, TEMPLATES
from phoenix_producer.plans import PlansRequest
from phoenix_worker.answers import templates as answers
from phoenix_worker.answers.drift import drifts
from phoenix_worker.answers.plans import plans as plans_of
from phoenix_worker.answers.status import standings
from phoenix_worker.tasks.registry import task

if TYPE_CHECKING:
    from phoenix_worker.base import PhoenixTask


@task(CONTAINERS)
def containers(self: PhoenixTask) -> list[int]:
    """Name the containers of the catalog that are not templates."""
    return list(self.catalog.current().containers())


@task(TEMPLATES)
def templates(self: PhoenixTask) -> list[dict[str, Any]]:
    """Tell which templates there are, with their copies."""
    return [one.model_dump(mode="json") for one in answers.templates(self)]


@task(DRIFT)
def drift(self: PhoenixTask, ctids: Any = (), accept_not_applied: Any = False) -> list[dict[str, Any]]:  # noqa: FBT002 - as it is sent
    """Tell how what exists at the CTIDs, at all of the catalog by default, differs from it."""
    return [one.model_dump(mode="json") for one in drifts(self, ctids, accepted=accept_not_applied)]


@task(PLANS, PlansRequest)
def plans(self: PhoenixTask, request: PlansRequest) -> list[dict[str, Any]]:
    """Tell what an ensure of each of the CTIDs, of all containers of the catalog by default, would do."""
    return plans_of(self, request)


@task(STATUS)
def status(self: PhoenixTask, ctids: Any = ()) -> list[dict[str, Any]]:
    """Tell what stands at the CTIDs, at all of the catalog by default."""
    return [standing.model_dump(mode="json") for standing in standings(self, ctids)]

"""The tasks that tell what the catalog has, container by container and template by template. Nothing is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_producer.contract import CONTAINERS, TEMPLATES
from phoenix_worker.answers import templates as answers
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

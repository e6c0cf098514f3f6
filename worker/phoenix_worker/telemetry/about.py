"""Workers say what they are and declare: remote control commands of Celery's, asked by `phoenix-lxc`."""

from __future__ import annotations

from importlib.metadata import version
from itertools import islice
from typing import TYPE_CHECKING, Any

from celery.worker.control import inspect_command

from phoenix_producer.client.declared import AT_MOST, DECLARED
from phoenix_producer.contract import ENSURE
from phoenix_worker.catalog.findings import CatalogError
from phoenix_worker.core.checkup.workers import WorkerFacts

if TYPE_CHECKING:
    from celery import Celery
    from kombu import Connection

COMMAND = "phoenix_about"
DISTRIBUTION = "phoenix-lxc"


@inspect_command(name=COMMAND)
def about(state: Any) -> dict[str, str]:
    """Version and catalog of a phoenix-lxc worker."""
    try:
        catalog = state.app.tasks[ENSURE].catalog.current().hash
    except CatalogError:
        catalog = ""
    return {"version": version(DISTRIBUTION), "catalog": catalog}


@inspect_command(name=DECLARED, args=[("beginning", str)], signature="[digits]")
def declared(state: Any, beginning: str = "") -> dict[str, list[tuple[int, str, bool]]]:
    """CTIDs of the catalog that begin with these digits, with their names."""
    try:
        catalog = state.app.tasks[ENSURE].catalog.current()
    except CatalogError:
        return {"declared": []}
    told = ((ctid, one.name, one.is_template) for ctid, one in catalog.items() if str(ctid).startswith(beginning))
    return {"declared": list(islice(told, AT_MOST))}


def ask(app: Celery, connection: Connection, *, at_most: int, seconds: float) -> list[WorkerFacts]:
    """Ask all workers; those that answer in time, or until `at_most` did."""
    # Celery's own `inspect` waits all the time whenever one of them does not know the command.
    asked = app.control.broadcast(COMMAND, connection=connection, reply=True, timeout=seconds, limit=at_most)
    said = [(name, answer) for each in asked or () for name, answer in each.items() if "version" in answer]
    return [WorkerFacts(name, answer["version"], answer["catalog"]) for name, answer in said]

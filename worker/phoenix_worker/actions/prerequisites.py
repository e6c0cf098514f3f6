"""Bring about what must exist before a container is made: the containers it depends on, and its OS template."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from phoenix_producer.contract import ENSURE
from phoenix_worker.actions import recover
from phoenix_worker.actions.secrets import read_secret
from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.model.os_templates import available, file_name

if TYPE_CHECKING:
    from phoenix_producer.contract import EnsureRequest, RebuildRequest
    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration, Download
    from phoenix_worker.core.model.ports import CreateOrder


def dependencies_of(task: PhoenixTask, ctid: int) -> list[int]:
    """List what a CTID, or a template that it needs, depends on, in the order in which it is waited for."""
    catalog = task.catalog.current()
    needed = [task.current_declaration(ctid), *(catalog[template] for template in catalog.templates_of(ctid))]
    return list(dict.fromkeys(dependency for one in needed for dependency in one.dependencies))


def have_dependencies(task: PhoenixTask, request: EnsureRequest | RebuildRequest) -> None:
    """Ensure everything that a CTID depends on; no lock is held meanwhile.

    A dependency that is not in the catalog is only checked: it must exist and run.
    """
    ctid, catalog = request.ctid, task.catalog.current()
    dependencies = dependencies_of(task, ctid)
    requests = {dependency: _ask(task, dependency, request) for dependency in dependencies if dependency in catalog}
    for dependency in dependencies:
        if dependency in requests:
            _wait_for(task, ctid, dependency, requests[dependency])
        else:
            _check_outside(task, ctid, dependency)


def because_of(ctid: int, dependency: int, message: str, remedy: str) -> PermanentError:
    """Return the error of a CTID whose dependency cannot be ensured. The remedy is that of the one that fails."""
    if not remedy.startswith("CT "):
        remedy = f"CT {dependency}: {remedy}"
    return PermanentError(
        f"Unable to ensure CT {ctid}: it depends on CT {dependency}. {message}", cause="dependency", remedy=remedy
    )


def refuse_unless_running(ctid: int, dependency: int, running: bool | None) -> None:  # noqa: FBT001 - as the port says
    """Raise PermanentError unless a dependency that is not in the catalog runs; None says that there is none."""
    if running:
        return
    state = "does not exist" if running is None else "does not run"
    raise PermanentError(
        f"Unable to ensure CT {ctid}: it depends on guest {dependency}, which is not in the catalog and {state}.",
        cause="dependency",
        remedy=f"Start {dependency}, or declare it, or remove it from the dependencies.",
    )


def _ask(task: PhoenixTask, dependency: int, request: EnsureRequest | RebuildRequest) -> str:
    options = {"accept_not_applied": True} if request.accept_not_applied else {}
    request_id: str = task.once(
        f"ask-{dependency}", lambda: task.ask(ENSURE, (dependency,), options, f"dependency/{dependency}")
    )
    return request_id


def _wait_for(task: PhoenixTask, ctid: int, dependency: int, request_id: str) -> None:
    end = task.wait(f"job/{request_id}", f"CT {dependency}, on which CT {ctid} depends")
    if not end["ok"]:
        failure = json.loads(end["value"])
        raise because_of(ctid, dependency, failure["message"], failure["remedy"])


def _check_outside(task: PhoenixTask, ctid: int, dependency: int) -> None:
    running = task.read(f"outside-{dependency}", lambda: task.proxmox.running(dependency))
    refuse_unless_running(ctid, dependency, running)


def have_os_template(task: PhoenixTask, declaration: Declaration, order: CreateOrder) -> None:
    """Download the OS template unless the storage has it. Raises PermanentError when nobody has it."""
    node, volume = order.node, order.ostemplate
    storage, name = volume.partition(":")[0], file_name(volume)
    if task.read("os-template", lambda: volume in task.proxmox.os_templates(node, storage)):
        return

    def download() -> dict[str, object]:
        if (place := declaration.download) is not None:
            return recover.posted(_fetch(task, node, volume, place))
        index = task.proxmox.appliances(node)
        if name not in index:
            there = available(name, task.proxmox.os_templates(node, storage), index)
            raise PermanentError(
                f"Unable to create CT {order.ctid} on {node}: {volume} is not on its storage and not in Proxmox's "
                "appliance index.",
                cause="no-os-template",
                remedy=f"Upload it, or name another in `template`. {there}",
            )
        return recover.posted(task.proxmox.download_os_template(node, volume))

    posted = task.once("download", download, upid=recover.upid_of)
    task.wait_until_done("download", posted, f"download {volume} to {node}", kind=f"download {node} {volume}")


def _fetch(task: PhoenixTask, node: str, volume: str, place: Download) -> str:
    if place.image is not None:
        return task.proxmox.pull_image(node, volume, place.image)
    return task.proxmox.fetch_os_template(node, volume, url=str(place.url), checksum=place.checksum)


def with_secrets(task: PhoenixTask, declaration: Declaration, order: CreateOrder) -> CreateOrder:
    """Return the order with what it must not show: root's password, read just before it is sent."""
    secret = next((script.secret for script in declaration.access if script.secret is not None), None)
    return order if secret is None else replace(order, secrets={"password": read_secret(task, declaration, secret)})

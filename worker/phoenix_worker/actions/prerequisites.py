"""Bring about what must be so before a container is made or goes: its dependencies, its OS template, its clones."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from phoenix_producer.contract import DESTROY, ENSURE, REBUILD, ContractError
from phoenix_worker.actions import recover
from phoenix_worker.actions.secrets import read_secret
from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.model.os_templates import available, file_name

if TYPE_CHECKING:
    from phoenix_producer.contract import DestroyRequest, EnsureRequest, RebuildRequest
    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration, Download
    from phoenix_worker.core.model.ports import CreateOrder

NO_OS_TEMPLATE = "no-os-template"
"""The cause where an OS template is nowhere to be had from."""


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


def have_templates_rebuilt(task: PhoenixTask, request: RebuildRequest) -> None:
    """Wait for the rebuilds of the templates that this one is cloned from; no lock is held meanwhile.

    Of those that are rebuilt together with it the requests may not have been sent yet, or never are if their sender
    died: sent here too, under the ids that they have, they begin once. Raises PermanentError if one of them failed.
    Of others those are waited for that have been asked for by now, however they end.
    """
    for template in reversed(task.catalog.current().templates_of(request.ctid)):
        if template in request.together:
            _have_rebuilt(task, request, template)
        else:
            _wait_for_others(task, template)


def _wait_for_others(task: PhoenixTask, template: int) -> None:
    jobs = task.read(f"rebuilds-{template}", lambda: task.engine.ledger.open_jobs(REBUILD, str(template)))
    for job in jobs:
        task.wait(f"job/{job}", f"the rebuild of template {template}")


def _have_rebuilt(task: PhoenixTask, request: RebuildRequest, template: int) -> None:
    end = _end_of(task, REBUILD, request, template, f"the rebuild of template {template}")
    if not end["ok"]:
        failure = json.loads(end["value"])
        raise PermanentError(
            f"Unable to rebuild CT {request.ctid}: the rebuild of its template {template} failed. {failure['message']}",
            cause="dependency",
            remedy=failure["remedy"],
        )


def have_clones_destroyed(task: PhoenixTask, request: DestroyRequest) -> None:
    """Wait until those that are cloned from it and destroyed together with it are gone, or refused; as for rebuilds.

    What is still there then is found by whoever looks before the template is destroyed.
    """
    for clone in clones_among(task, request):
        _end_of(task, DESTROY, request, clone, f"the end of its clone {clone}")


def clones_among(task: PhoenixTask, request: DestroyRequest) -> tuple[int, ...]:
    """Return those destroyed together with a template that are cloned from it, or from a clone of it."""
    catalog = task.catalog.current()
    known = (ctid for ctid in request.together if ctid in catalog)
    return tuple(sorted(ctid for ctid in known if request.ctid in catalog.templates_of(ctid)))


def _end_of(
    task: PhoenixTask, name: str, request: DestroyRequest | RebuildRequest, other: int, detail: str
) -> dict[str, Any]:
    """Return the end of the request for another CTID that belongs together with this one; sent, if it was not."""
    options = request.model_copy(update={"ctid": other})
    more = options.model_dump(mode="json", exclude={"ctid"}, exclude_defaults=True)
    known = str(request.together[other])
    task.once(f"ask-{other}", lambda: task.ask(name, (other,), more, "", request_id=known))
    if task.engine.ledger.subject(known) != str(other):
        raise ContractError(f"Not a valid request: together: {known} is not a request for {other}.")
    end: dict[str, Any] = task.wait(f"job/{known}", detail)
    return end


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


def refuse_absent_os_template(task: PhoenixTask, declaration: Declaration) -> None:
    """Raise PermanentError for an OS template that is to be created from and that nobody has, as a creation would.

    It takes a call at most while its storage has it. What is downloaded from elsewhere is not looked for there.
    """
    volume = declaration.os_template
    if volume is None or declaration.download is not None or task.offering.has_os_template(declaration.node, volume):
        return
    _need_in_index(task, declaration.node, declaration.ctid, volume)


def _need_in_index(task: PhoenixTask, node: str, ctid: int, volume: str) -> None:
    index = task.proxmox.appliances(node)
    if file_name(volume) in index:
        return
    there = available(file_name(volume), task.proxmox.os_templates(node, volume.partition(":")[0]), index)
    raise PermanentError(
        f"Unable to create CT {ctid} on {node}: {volume} is not on its storage and not in Proxmox's appliance index.",
        cause=NO_OS_TEMPLATE,
        remedy=f"Upload it, or name another in `template`. {there}",
    )


def have_os_template(task: PhoenixTask, declaration: Declaration, order: CreateOrder) -> None:
    """Download the OS template unless the storage has it. Raises PermanentError when nobody has it."""
    node, volume = order.node, order.ostemplate
    if task.read("os-template", lambda: volume in task.proxmox.os_templates(node, volume.partition(":")[0])):
        return

    def download() -> dict[str, object]:
        if (place := declaration.download) is not None:
            return recover.posted(_fetch(task, node, volume, place))
        _need_in_index(task, node, order.ctid, volume)
        return recover.posted(task.proxmox.download_os_template(node, volume))

    posted = task.once(
        "download",
        download,
        adopt=lambda when: recover.find_download(task.proxmox, node, volume, when),
        upid=recover.upid_of,
    )
    task.wait_until_done("download", posted, f"download {volume} to {node}", kind=f"download {node} {volume}")


def _fetch(task: PhoenixTask, node: str, volume: str, place: Download) -> str:
    if place.image is not None:
        return task.proxmox.pull_image(node, volume, place.image)
    return task.proxmox.fetch_os_template(node, volume, url=str(place.url), checksum=place.checksum)


def with_secrets(task: PhoenixTask, declaration: Declaration, order: CreateOrder) -> CreateOrder:
    """Return the order with what it must not show: root's password, read just before it is sent."""
    secret = next((script.secret for script in declaration.access if script.secret is not None), None)
    return order if secret is None else replace(order, secrets={"password": read_secret(task, declaration, secret)})

"""Run the scripts of a CTID, one after another, and find out whether a container is well."""

from __future__ import annotations

import base64
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from phoenix_worker.actions.look import look, permit, where_last_seen
from phoenix_worker.actions.secrets import read_secret
from phoenix_worker.actions.snapshots import BEFORE, WHEN_WELL, keep
from phoenix_worker.catalog.findings import plain
from phoenix_worker.core.allowed.ownership import may_destroy, may_start
from phoenix_worker.core.allowed.without_shell import NO_SHELL
from phoenix_worker.core.differs.scripts import recorded, run_again, scripts_to_run
from phoenix_worker.core.model.addresses import networks
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.marker import without_marker, write_marker
from phoenix_worker.durable.run import now
from phoenix_worker.proxmox import scripts
from phoenix_worker.proxmox.command import TOO_MUCH
from phoenix_worker.proxmox.scripts import BUSY, CHANGED, LOST, STOPPED, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration, HealthCheck, Script
    from phoenix_worker.core.model.marker import Marker
    from phoenix_worker.core.model.observation import Observation
    from phoenix_worker.core.model.ports import NodeShell, Ran

_HEALTH_SECONDS = 60.0
_NOT_FOUND = (126, 127)
"""What a shell ends with for a command that is not there, or is no program."""
_PUSH_IT = "Install it there, or declare a file beside the catalog as health_check.script, which is pushed."
_SHOWN, _READ = 10, 65536
"""Lines of output that are told, and bytes of a health check's that are looked at for them."""


def run_scripts(task: PhoenixTask, declaration: Declaration, *, adopted: bool, rerun: Sequence[str]) -> dict[str, Any]:
    """Run those that did not run as they are now. Returns the requester's `warnings`, and the `networks` that it has.

    Raises PermanentError with the end of a script's log when it does not end well.
    """
    wanted = run_again(declaration, rerun)

    def missing() -> dict[str, Any]:
        seen, verdict = look(task, declaration, adopt=adopted, power=False)
        permit(may_start(verdict), verdict, f"provision CT {declaration.ctid}")
        ran, creation = (seen.marker.scripts, seen.marker.creation) if seen.marker else ((), "")
        names = [script.name for script in scripts_to_run(wanted, seen.marker)]
        by_creation = {script.name for script in declaration.access}
        first = not dict(ran).keys() - by_creation
        known = {"networks": networks(seen.config), "node": seen.node}
        return {"names": names, "first": first, "creation": creation, **known}

    todo = task.once("todo", missing)
    declaration = declaration.standing_on(todo.get("node", declaration.node))
    warnings = keep(task, declaration, BEFORE) if declaration.snapshots and todo["first"] else ()
    for script in wanted.scripts:
        if script.name in todo["names"]:
            place = Place(declaration.node, declaration.ctid, on_node=script.on_node, creation=todo.get("creation", ""))
            try:
                ran = _run(task, declaration, script, place)
            except (PermanentError, TransientError):
                if not _has_run(task, declaration, script):
                    raise
                continue
            declaration = _record(task, declaration, replace(script, hash=ran), adopted=adopted)
    return {"warnings": warnings, "networks": todo.get("networks"), "node": declaration.node}


def script_class(file: str) -> str:
    """Name the class of a script's runs, by which it is learned how long they take."""
    return f"script {file}"


def _run(task: PhoenixTask, declaration: Declaration, script: Script, place: Place) -> str:
    """Run a script; returns the hash of what has run, which may be another one on the node by now."""
    shell = _shell(task, declaration)
    begun = task.once(f"start {script.name}", lambda: _start_where_it_is(task, shell, place, declaration, script))
    place = replace(place, node=begun.get("node", place.node))
    watch = {
        "run": begun["run"],
        "node": place.node,
        "ctid": str(place.ctid),
        "on": "node" if place.on_node else "container",
        "timeout": str(script.timeout or task.script_timeout),
        "task": str(task.request.id),
        "class": script_class(script.file),
    }
    end = task.wait(f"script/{task.creation}/{script.name}", f"{script.file} {place}", watch=watch)
    if not end["done"]:
        raise _failure(place, script, end, script.timeout or task.script_timeout)
    return str(begun.get("hash", script.hash))


def _has_run(task: PhoenixTask, declaration: Declaration, script: Script) -> bool:
    """Return whether the marker says that a script ran: Redis may have lost that, and the steps after it.

    Its container may be stopped by then, a finished template even, and how it ended is found there no more.
    """
    seen = task.proxmox.observe_template(declaration.node, declaration.ctid)
    return seen.is_ours and not scripts_to_run(replace(declaration, scripts=(script,)), seen.marker)


def _start_where_it_is(
    task: PhoenixTask, shell: NodeShell, place: Place, declaration: Declaration, script: Script
) -> dict[str, Any]:
    """Start a script; where the container is not any more, look, and start it where it stands."""
    try:
        return _start(task, shell, place, declaration, script)
    except (PermanentError, TransientError):
        seen = task.proxmox.observe_template(place.node, place.ctid)
        if not may_destroy(seen) or seen.node == place.node:
            raise
    return _start(task, shell, replace(place, node=seen.node), declaration, script)


def _start(
    task: PhoenixTask, shell: NodeShell, place: Place, declaration: Declaration, script: Script
) -> dict[str, Any]:
    if script.secret is not None:
        script = replace(script, given=read_secret(task, declaration, script.secret))
    state, run = scripts.start(shell, place, declaration, script, task.creation)
    if state.state == BUSY:
        raise TransientError(
            f"Unable to run {script.file} {place}: an earlier version of it still runs ({run}).", cause="script-busy"
        )
    return {"run": run, "at": now(), "hash": script.hash, "node": place.node}


def _shell(task: PhoenixTask, declaration: Declaration) -> NodeShell:
    if task.shell is None:
        raise PermanentError(
            f"Unable to provision CT {declaration.ctid} on {declaration.node}: this worker has no shell access to it.",
            cause=NO_SHELL,
            remedy="Set the same PHOENIX_SHELL for all workers.",
        )
    return task.shell


def _failure(place: Place, script: Script, end: dict[str, Any], timeout: float) -> PermanentError:
    if "error" in end:
        return PermanentError(**end["error"])
    where = f"on {place.node}" if place.on_node else str(place)
    again = f"Correct the script and send the request again. Its full log is under /var/lib/phoenix-lxc {where}."
    why, cause, remedy = f"ended with exit code {end['exit']}", "script-failed", again
    if end["exit"] == "timeout":
        why, cause = f"took longer than {timeout:g} s and was ended", "script-timeout"
        remedy = f"Raise its limit in script_timeouts, or that of all scripts in PHOENIX_SCRIPT_TIMEOUT. {again}"
    elif end["exit"] == CHANGED:
        why, cause = f"was changed on {place.node} after it was looked at, or while it ran", "script-changed"
        remedy = "Send the request again: the script is run as it is then."
    elif end["exit"] in {LOST, STOPPED}:
        why, cause = "ended without an exit code: its container was restarted, or it was killed", "script-lost"
        remedy = "Send the request again: the script is run again."
    elif end["exit"] in map(str, _NOT_FOUND) and (interpreter := _interpreter(script)):
        remedy = f"See that the container has {interpreter}, which its first line names, and what it calls. {again}"
    said = "".join(f"\n  {line}" for line in end["log"][-_SHOWN:])
    return PermanentError(
        f"Unable to provision CT {place.ctid} on {place.node}: {script.file} {why}."
        + (f" Last output:{said}" if said else " It printed nothing."),
        cause=cause,
        remedy=remedy,
    )


def _interpreter(script: Script) -> str | None:
    """Name what runs a pushed script, as its first line says it."""
    first = base64.b64decode(script.content or "").partition(b"\n")[0].decode("utf-8", "replace")
    return plain(first.removeprefix("#!").strip()) if first.startswith("#!") else None


def _record(task: PhoenixTask, declaration: Declaration, script: Script, *, adopted: bool) -> Declaration:
    """Note that a script ran; return the declaration where the container stands now."""

    def change(marker: Marker) -> Marker:
        return recorded(declaration, marker, script)

    done = task.once(
        f"recorded {script.name}", lambda: {"node": _mark(task, declaration, change, adopted=adopted).node}
    )
    return declaration.standing_on(done.get("node", declaration.node))


def _mark(
    task: PhoenixTask, declaration: Declaration, change: Callable[[Marker], Marker], *, adopted: bool
) -> Observation:
    """Write into the notes how far it has come. Returns what was seen just before."""
    seen, verdict = look(task, declaration, adopt=adopted, power=False)
    marker = seen.marker
    permit(may_start(verdict) and marker is not None, verdict, f"mark CT {declaration.ctid}")
    if marker is not None and change(marker) != marker:
        notes = write_marker(change(marker), without_marker(seen.config.get("description", "")))
        task.proxmox.configure(
            seen.node, declaration.ctid, changes={"description": notes}, delete=(), digest=seen.digest
        )
    return seen


def verify_health(task: PhoenixTask, declaration: Declaration, *, adopted: bool) -> dict[str, Any]:
    """See that a running container is well, and keep it as it is then. Raises PermanentError when it is not.

    Returns the requester's `warnings`, and the `networks` that it has.
    """
    declaration = where_last_seen(task, declaration)
    if declaration.health_check is not None:
        _see_that_it_is_well(task, declaration, declaration.health_check)
    warnings = keep(task, declaration, WHEN_WELL) if declaration.snapshots else ()

    def verified(marker: Marker) -> Marker:
        return replace(marker, verified=declaration.hash)

    known = task.once(
        "verified",
        lambda: networks(_mark(task, declaration, verified, adopted=adopted).config),
    )
    return {"warnings": warnings, "networks": known}


def _see_that_it_is_well(task: PhoenixTask, declaration: Declaration, check: HealthCheck) -> None:
    place, shell = Place(declaration.node, declaration.ctid), _shell(task, declaration)

    def look_after_it() -> dict[str, Any]:
        return _health(lambda: _checked(shell, place, declaration, check))

    for attempt in range(check.retries):
        if attempt:
            task.sleep(check.interval)
            place = replace(place, node=task.read(f"home {attempt}", partial(_home, task, place)))
        seen = task.once(f"health {attempt}", look_after_it)
        if seen["code"] == 0:
            return
    said = "".join(f"\n  {line}" for line in seen["said"])
    how = f"exit code {seen['code']}" if isinstance(seen["code"], int) else f"{seen['code']}"
    often = f" in each of {check.retries} tries, {check.interval} s apart" if check.retries > 1 else ""
    missing = seen["code"] in _NOT_FOUND and check.script is None
    raise PermanentError(
        f"Unable to verify CT {place.ctid} on {place.node}: its health check {check.what!r} failed with "
        f"{how}{often}."
        + (" The command must exist inside the container." if missing else "")
        + (f" Last output:{said}" if said else ""),
        cause="not-well",
        remedy=_PUSH_IT if missing else "Look inside the container; the next ensure runs the check again.",
    )


def _checked(shell: NodeShell, place: Place, declaration: Declaration, check: HealthCheck) -> Ran:
    if check.script is None:
        return scripts.run_inside(shell, place, check.command, _HEALTH_SECONDS)
    return scripts.check(shell, place, declaration, check.script, _HEALTH_SECONDS)


def _home(task: PhoenixTask, place: Place) -> str:
    """Return where it stands now: what has no answer may have moved."""
    return task.proxmox.observe_template(place.node, place.ctid).node


def _health(look_after_it: Callable[[], Ran]) -> dict[str, Any]:
    try:
        ran = look_after_it()
    except TransientError as error:
        if error.cause not in {"shell-timeout", TOO_MUCH}:
            raise
        return {"code": "no answer", "said": [error.message]}
    said = scripts.readable(ran.out[-_READ:] + b"\n" + ran.err[-_READ:])
    return {"code": ran.exit_code, "said": said[-_SHOWN:]}

"""How the watcher sees a script: whether it runs, what it says, how it ended; and that it must not run on for ever."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from phoenix_worker.core.allowed.without_shell import NO_SHELL
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.durable.watcher import Look
from phoenix_worker.proxmox import scripts
from phoenix_worker.proxmox.scripts import LOST, Place, ScriptState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phoenix_worker.core.model.ports import NodeShell, Proxmox

_BEGINS_WITHIN = 60.0
"""Seconds after which a script that shows no process has not begun; a real one takes about 0.02 s."""
_PAUSES = (0.3, 10.0)
"""Seconds between two looks, at least and at most: one costs a node about a second of work."""
_SAID = 40
"""Lines of a look's news that are told, the last ones."""


def script_seen(proxmox: Proxmox, shell: NodeShell | None, watch: Mapping[str, str], elapsed: float) -> Look:
    """Look once at the script that `watch` names; one that takes longer than it may is ended here.

    Raises PermanentError for a script that cannot be looked at.
    """
    if shell is None:
        raise PermanentError(
            f"Unable to look at a script of CT {watch['ctid']}: this worker has no shell access to {watch['node']}.",
            cause=NO_SHELL,
            remedy="Set the same PHOENIX_SHELL for all workers.",
        )
    place, run, offset = place_of(watch), watch["run"], int(watch.get("offset", "0"))
    state = scripts.look(shell, place, run, offset)
    if state is None:
        return _not_running(proxmox, place)
    if state.state == "starting" and elapsed > _BEGINS_WITHIN:
        state = replace(state, state=LOST)
    if state.under_way and elapsed > float(watch["timeout"]):
        scripts.stop(shell, place, run)
        return Look(_end("timeout", scripts.tail(shell, place, run, state.size)))
    heard, said = _news(state)
    news = {**watch, "offset": str(offset + heard)} if heard else None
    pause = min(max(elapsed * 0.05, _PAUSES[0]), _PAUSES[1])
    if state.under_way:
        return Look(watch=news, said=said, pause=pause)
    failed = (state.state, state.code) != ("ended", "0")
    log = scripts.tail(shell, place, run, state.size) if failed else []
    return Look(_end(state.code or LOST, log), watch=news, said=said)


def place_of(watch: Mapping[str, str]) -> Place:
    """Read where a script runs."""
    return Place(watch["node"], int(watch["ctid"]), on_node=watch["on"] == "node")


def _not_running(proxmox: Proxmox, place: Place) -> Look:
    """Ask the API: a container that does not run has no script any more."""
    seen = proxmox.observe(place.node, place.ctid)
    if seen.node != place.node:
        return Look(_end(LOST, [f"The container was moved to {seen.node}."]))
    if seen.running:
        raise TransientError(f"Unable to look into CT {place.ctid} on {place.node} just now.", cause="not-running")
    return Look(_end(LOST, ["The container was stopped."]))


def _news(state: ScriptState) -> tuple[int, str]:
    """Return how many bytes of the log are told with this look, whole lines while it runs, and what to tell."""
    whole = state.log.rpartition(b"\n")[0] + b"\n" if b"\n" in state.log else b""
    log = whole if state.under_way else state.log
    lines = scripts.readable(log)
    left_out = [f"… {len(lines) - _SAID} lines more"] if len(lines) > _SAID else []
    return len(log), "\n".join([*left_out, *lines[-_SAID:]])


def _end(code: str, log: list[str]) -> dict[str, Any]:
    return {"done": code == "0", "exit": code, "log": log}

"""How the watcher sees that what is waited for has come: the end of a task or script, a template, an address."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from phoenix_worker.actions.recover import conversion
from phoenix_worker.actions.watch_addresses import addresses_seen
from phoenix_worker.actions.watch_migrations import arrival_seen
from phoenix_worker.actions.watch_scripts import script_seen
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.ha import given_up
from phoenix_worker.core.model.observation import Presence
from phoenix_worker.durable.watcher import UNSEEN, Look, UnusableWatchError
from phoenix_worker.proxmox.translate import NOT_PROXMOX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phoenix_worker.core.model.ports import NodeShell, Proxmox

_POWER_LIMIT = 180.0
"""Seconds after which a container that did not start or stop never will; HA takes about 18 s."""
_CONVERSION_LIMIT = 60.0
"""Seconds after which a conversion that shows nowhere has failed; a real one takes about 0.04 s."""


class Probe:
    """Looks at one job, for its end; an `error` when it can never be seen.

    What cannot be seen for `patience` seconds on end counts as that.
    """

    def __init__(self, proxmox: Proxmox, shell: NodeShell | None, patience: float) -> None:
        self._proxmox = proxmox
        self._shell = shell
        self._patience = patience
        self._unseen: dict[str, float] = {}

    def __call__(self, watch: Mapping[str, str], elapsed: float) -> Look:
        """Look once; `elapsed` is the seconds that the job has been watched."""
        told = (value for name, value in watch.items() if name != UNSEEN)
        named = watch.get("upid") or watch.get("run") or " ".join(told)
        # A wait that was given up left its trouble here, and is not this one.
        what = f"{named} {watch.get('since', '')}"
        if watch.get(UNSEEN) == "":  # another worker has seen it since this one did not
            self._unseen.pop(what, None)
        try:
            seen = self._understood(watch, elapsed)
        except PermanentError as error:
            seen = Look(_error(error, error.message))
        except TransientError as error:
            if time.monotonic() - self._unseen.setdefault(what, time.monotonic()) <= self._patience:
                raise
            words = f"{error.message} Still failing after {self._patience:g} s (PHOENIX_PATIENCE)."
            seen = Look(_error(error, words))
        self._unseen.pop(what, None)
        return seen

    def _understood(self, watch: Mapping[str, str], elapsed: float) -> Look:
        """Look. An answer of another form than Proxmox's may come from what stands before it, and is not for ever."""
        try:
            return self._look(watch, elapsed)
        except UnusableWatchError:
            raise
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise TransientError(
                f"An answer of Proxmox cannot be read ({error!r}).", cause="proxmox-answer", remedy=NOT_PROXMOX
            ) from error

    def _look(self, watch: Mapping[str, str], elapsed: float) -> Look:
        if "upid" in watch:
            return Look(self._task(watch["upid"]))
        if "power" in watch:
            return Look(self._power(watch["node"], int(watch["ctid"]), watch["power"], elapsed))
        if "home" in watch:
            return Look(arrival_seen(self._proxmox, watch, elapsed))
        if "run" in watch:
            return script_seen(self._proxmox, self._shell, watch, elapsed)
        if "networks" in watch:
            return addresses_seen(self._proxmox, watch, elapsed)
        return Look(self._conversion(watch, elapsed))

    def _task(self, upid: str) -> dict[str, Any] | None:
        end = self._proxmox.task_end(upid)
        if end is None:
            return None
        return {"done": end.succeeded, "exit": end.exit_status, "log": list(end.log_tail), "warned": list(end.warned)}

    def _power(self, node: str, ctid: int, wanted: str, elapsed: float) -> dict[str, Any] | None:
        """Look at the state itself: a task may end well that only asked somebody else, such as HA, for it."""
        seen = self._proxmox.observe(node, ctid)
        if seen.running is (wanted == "running"):
            return {"done": True, "exit": "OK", "log": [], "node": seen.node}
        if seen.presence is Presence.ABSENT:
            raise PermanentError(
                f"CT {ctid} is no longer there: somebody has destroyed it while its start was waited for.",
                cause="changed-meanwhile",
                remedy="Send the request again: it is made again.",
            )
        if seen.ha_failed:
            raise given_up(ctid, f"see CT {ctid} on {seen.node} {wanted}")
        if elapsed <= _POWER_LIMIT:
            return None
        error = PermanentError(
            f"CT {ctid} on {node} is not {wanted} {_POWER_LIMIT:g} s after Proxmox's task ended well.",
            cause="power-state",
            remedy=f"See on {node}: `pct status {ctid}`, its log, and for an HA resource `ha-manager status`.",
        )
        return _error(error, error.message)

    def _conversion(self, watch: Mapping[str, str], elapsed: float) -> dict[str, Any] | None:
        node, ctid = watch["node"], int(watch["template"])
        if self._proxmox.observe_template(node, ctid).is_template:
            return {"done": True, "exit": "OK", "log": []}
        if "earlier" in watch:  # an older worker has told none
            latest = conversion(self._proxmox.recent_tasks(node, ctid), watch["earlier"].split())
            end = None if latest is None or latest.running else self._task(latest.upid)
            if end is not None and not end["done"]:
                return end
        if elapsed > _CONVERSION_LIMIT:
            return {"done": False, "exit": "Proxmox does not list it as a template", "log": []}
        return None


def _error(error: PermanentError | TransientError, message: str) -> dict[str, Any]:
    return {"done": False, "error": {"message": message, "cause": error.cause, "remedy": error.remedy}}

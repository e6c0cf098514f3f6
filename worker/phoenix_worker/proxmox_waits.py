"""How a task waits for Proxmox: for a task's end, for a container's state, for a template."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar

from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.marker import TASK_DIGITS
from phoenix_worker.core.model.observation import Presence
from phoenix_worker.core.model.ports import TaskEnd
from phoenix_worker.durable.task import DurableTask
from phoenix_worker.proxmox.error_table import MISSING
from phoenix_worker.step_names import StepName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.ports import Proxmox

logger = logging.getLogger(__name__)


class ProxmoxWaits(DurableTask):
    """A durable task that waits for what Proxmox does."""

    abstract = True
    proxmox: ClassVar[Proxmox]

    @property
    def creation(self) -> str:
        """The creation id that this task gives to what it makes: the same in every run, until it is replaced."""
        return f"{str(self.request.id)[:TASK_DIGITS]}{self.generation:x}"

    def wait_for_task(self, upid: str, doing: str, *, kind: str) -> dict[str, Any]:
        """Wait for a Proxmox task and tell how it ended.

        `kind` names tasks that take about as long as each other, for the watcher to learn from.
        """
        end: dict[str, Any] = self.wait(f"upid/{upid}", f"Proxmox: {doing}", watch={"upid": upid, "class": kind})
        return end

    def wait_until_done(
        self,
        step: StepName | str,
        posted: dict[str, Any],
        doing: str,
        *,
        kind: str,
        clear_up: Callable[[TransientError], None] = lambda _: None,
    ) -> list[str]:
        """Wait for what a step posted; return what was read of its log. What it warned of is noted for the requester.

        Raises PermanentError, in Proxmox's words, unless it succeeded.

        A task that failed for a passing reason is forgotten, so that the step is done again: TransientError. First
        `clear_up` may park: runs that follow meet the same failure, until it is cleared up.
        """
        if not posted["upid"]:
            return []
        end = self.wait_for_task(posted["upid"], doing, kind=kind)
        self._succeeded(step, end, doing, clear_up)
        self.running.notes += tuple(f"Proxmox warned when asked to {doing}: {line}" for line in end.get("warned", ()))
        return list(end["log"])

    def wait_for_power_task(
        self, declaration: Declaration, posted: dict[str, Any], *, kind: str, running: bool
    ) -> None:
        """Wait for the task that starts or stops a container. One that failed has done it if that is its state now."""
        node, ctid = declaration.node, declaration.ctid
        step, verb = (StepName.START, "start") if running else (StepName.STOP, "stop")
        try:
            self.wait_until_done(step, posted, f"{verb} CT {ctid} on {node}", kind=kind)
        except PermanentError as error:
            seen = self.proxmox.observe(node, ctid)
            if seen.presence is not Presence.HERE or seen.running is not running:
                raise
            logger.warning("%s CT %d is %s all the same.", error.message, ctid, "running" if running else "stopped")

    def wait_for_power(self, declaration: Declaration, posted: dict[str, Any], *, running: bool) -> str:
        """Wait until a container runs, or is stopped, whatever the task that was to bring it about has said.

        Returns its node by then: HA starts one where it finds the most room (`ha-rebalance-on-start`), or moves it to
        another node on which it can be started.
        """
        node, ctid, state = declaration.node, declaration.ctid, "running" if running else "stopped"
        if not posted["upid"]:
            return node
        seen = self.read(f"power-now-{state}", lambda: self._power_now(node, ctid))
        if seen["running"] is running:
            return str(seen["node"])
        watch = {"power": state, "node": node, "ctid": str(ctid), "class": f"power {state} {node}"}
        end = self.wait(f"power/{posted['upid']}", f"Proxmox: CT {ctid} on {node} is {state}", watch=watch)
        self._succeeded(StepName.START if running else StepName.STOP, end, f"see CT {ctid} {state}")
        return str(end.get("node") or node)

    def _power_now(self, node: str, ctid: int) -> dict[str, Any]:
        seen = self.proxmox.observe(node, ctid)
        return {"running": seen.running, "node": seen.node}

    def wait_for_arrival(
        self,
        declaration: Declaration,
        posted: dict[str, Any],
        *,
        source: str,
        target: str,
        earlier: Iterable[str] | None,
    ) -> None:
        """Wait until a container stands on a node, to which HA was asked to migrate it.

        `earlier` are the UPIDs of the migrations that were listed before that; None if an older worker kept none.
        """
        ctid, asked = declaration.ctid, posted["upid"]
        watch = {"home": target, "source": source, "ctid": str(ctid), "asked": asked, "class": f"arrival {target}"}
        watch |= {} if earlier is None else {"earlier": " ".join(earlier)}
        end = self.wait(f"arrival/{asked}", f"Proxmox: CT {ctid} stands on {target}", watch=watch)
        self._succeeded(StepName.MIGRATE, end, f"migrate CT {ctid} from {source} to {target}")

    def wait_until_template(self, declaration: Declaration, *, since: float, earlier: Iterable[str]) -> None:
        """Wait until a container is a template: the conversion has no UPID, and may fail unseen.

        It is the one that is not among the UPIDs of the `earlier` ones. `since` is when it was asked for.
        """
        node, ctid = declaration.node, declaration.ctid
        watch = {"template": str(ctid), "node": node, "earlier": " ".join(earlier), "class": f"vztemplate {node}"}
        watch["after"] = str(since)  # for the watcher of an older worker
        doing = f"convert CT {ctid} on {node} to a template"
        end = self.wait(f"template/{self.creation}/{since}", f"Proxmox: {doing}", watch=watch)
        self._succeeded(StepName.SEAL, end, doing)

    def _succeeded(
        self,
        step: str,
        end: dict[str, Any],
        doing: str,
        clear_up: Callable[[TransientError], None] = lambda _: None,
    ) -> None:
        if end["done"]:
            if f"!{step}" in self.running.journal:  # that it was ordered again was no progress, and this is
                self.once(f"done-{step}", lambda: True)
            return
        if "error" in end:
            raise PermanentError(**end["error"])
        error = self.proxmox.task_failure(doing, TaskEnd(end["exit"], tuple(end["log"])))
        if isinstance(error, TransientError):
            clear_up(error)
        if isinstance(error, TransientError) or error.cause == MISSING:
            self.forget(step)
        raise error

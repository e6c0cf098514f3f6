"""What all our tasks share: the catalog, Proxmox, and how a failure is told."""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, Any, ClassVar

from phoenix_producer.contract import REQUESTS, ContractError, EnsureFailed, Failure
from phoenix_producer.ctids import parse_ctid
from phoenix_worker.catalog.findings import CatalogError
from phoenix_worker.catalog.source import CatalogChanged
from phoenix_worker.core.allowed.ownership import Purpose
from phoenix_worker.core.allowed.without_shell import NO_SHELL, within_reach
from phoenix_worker.core.differs.scripts import with_contents
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.records import as_made_by, changes_in, steps_in, templates_in, told_in, unapplied_in
from phoenix_worker.core.planned.prediction import unmade
from phoenix_worker.core.planned.rebuilding import cloned_at, copied
from phoenix_worker.durable.run import GivenUpError, Parked, Stale, now
from phoenix_worker.durable.task import CANCELLED
from phoenix_worker.proxmox.forced_command import FORBIDDEN, disallowed, refusal
from phoenix_worker.proxmox.scripts import contents
from phoenix_worker.proxmox_waits import ProxmoxWaits
from phoenix_worker.step_names import StepName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.catalog.findings import Refusal
    from phoenix_worker.catalog.source import CatalogSource
    from phoenix_worker.core.model.ports import NodeShell
    from phoenix_worker.durable.reservations import Reservations
    from phoenix_worker.proxmox.offer_cache import Offering


logger = logging.getLogger(__name__)

_CTID_FIRST = re.compile(r"[\[(](\d{3,9})[,)\]]")
_NAMED = 50
"""CTIDs that a message names at most."""


_STAYS = "CT {} was made and stays as it is; the next request continues from there."
_FATES = {StepName.CREATE: _STAYS, StepName.CLONE: _STAYS, StepName.DESTROY: "CT {} was destroyed."}


def lane(ctid: int) -> str:
    """Name the lock of a CTID; for a template, whoever holds it may build it or clone from it."""
    return f"ct/{ctid}"


def ctid_of(lock: str) -> int | None:
    """Return the CTID that a lock is that of; None for other locks."""
    kind, _, ctid = lock.partition("/")
    return parse_ctid(ctid) if kind == "ct" else None


CORRECT_IT = "Correct the request and send it again."
"""The remedy of a request that breaks the contract."""


class PhoenixTask(ProxmoxWaits):
    """A durable task that works on one CTID."""

    abstract = True
    transient = (TransientError,)
    throws = (EnsureFailed,)
    remote = "proxmox"
    catalog: ClassVar[CatalogSource]
    offering: ClassVar[Offering]
    reservations: ClassVar[Reservations]
    shell: ClassVar[NodeShell | None]
    """Shell access to a node; None when the settings have none."""
    abandon: Callable[[Declaration], tuple[str, ...]]
    """Leave nothing half made of a declaration whose job was cancelled; returns what became of it."""
    node_capacity: ClassVar[int]
    script_timeout: ClassVar[float]
    """Seconds that a script may take for which the catalog says nothing else."""

    def shown_arguments(self, told: str) -> str:
        """Return what Flower shows of a message's arguments: `103 Step-CA`."""
        found = _CTID_FIRST.match(told)
        return f"{found[1]} {self.catalog.name_of(int(found[1]))}".rstrip() if found else told

    def for_others(self, value: Any, job: str) -> Any:
        """Return what those are told who share a run: that this job made what it made."""
        return as_made_by(job, value) if isinstance(value, dict) else value

    def pinned_declaration(
        self, ctid: int, declaration_hash: str, *, accepted: bool, asks_scripts: bool = True
    ) -> Declaration:
        """Return the declaration that this job began with, as far as it is in reach (`reach`), or raise PermanentError.

        A step that `asks_scripts` nothing, such as a removal, goes on without those that are missing.
        """
        try:
            declaration = self.catalog.serve(ctid, declaration_hash)
        except CatalogChanged as error:
            raise PermanentError(error.message, cause="catalog-changed", remedy=error.remedy) from error
        declaration = self.at_chosen_node(declaration)
        if asks_scripts or self.shell is None:
            declaration = self.reach(declaration, accepted=accepted)
        self.running.about["node"] = declaration.where
        return declaration

    def at_chosen_node(self, declaration: Declaration) -> Declaration:
        """Return a declaration at the node that this job has chosen; as it is where the catalog says which."""
        chosen = self.reservations.chosen(self.running.job, str(declaration.ctid)) if declaration.nodes else None
        return declaration if chosen is None else declaration.standing_on(chosen["node"])

    def reach(self, declaration: Declaration, *, accepted: bool) -> Declaration:
        """Return what this worker can apply of a declaration. Raises PermanentError if all of it is wanted."""
        declaration = within_reach(declaration, has_shell=self.shell is not None, accepted=accepted)
        files = [script.file for script in declaration.scripts if script.on_node]
        if self.shell is None or not files or not declaration.node:
            return declaration
        try:
            return with_contents(declaration, contents(self.shell, declaration.node, files))
        except PermanentError as refused:
            others = disallowed(self.shell, declaration, unmade(declaration)) if refused.cause == FORBIDDEN else ()
            if others:  # all of it is told at once
                raise refusal(declaration, others) from refused
            raise

    def current_declaration(self, ctid: int | None, *, to: str = Purpose.ENSURE) -> Declaration:
        """Return the declaration that the catalog has now. Raises PermanentError for a CTID that it does not have.

        `to` completes the error's "Unable to … CT".
        """
        catalog = self.catalog.current()
        if ctid is None or ctid not in catalog:
            raise _not_declared(ctid, to, catalog, self.catalog.refusal())
        return catalog[ctid]

    def warnings(self, ctid: int | None = None) -> tuple[str, ...]:
        """Return what every requester should know just now, and of a CTID what the catalog has without effect."""
        refusal = self.catalog.refusal()
        refused = f"The worker uses the last good catalog; the one on its disk is refused: {refusal}"
        advice = () if ctid is None else (one for one in self.catalog.current().warnings if one.ctid == ctid)
        return (*([refused] if refusal is not None else []), *map(str, advice))

    def step(self, name: StepName, ctid: int, began: float, **more: Any) -> dict[str, Any]:
        """Return what this link did, and was warned of, for the result of its job."""
        seconds = round(now() - began, 3)
        more["warnings"] = [*more.get("warnings", ()), *self.running.notes]
        return {"name": name, "ctid": ctid, "started": round(began, 3), "seconds": seconds, **more}

    def steps_done(self) -> list[dict[str, Any]]:
        """Return what the links of this job did so far, without those that had nothing to do (`tasks/taken.py`)."""
        return [step for step in self.engine.ledger.steps(self.running.job) if not step.get("taken")]

    def clean_up(self, *args: Any) -> None:
        """Leave nothing half made when the job is cancelled. What cannot be removed is logged, and the job ends."""
        if self.name in REQUESTS or json.loads(self.running.fail or "{}").get("cause", CANCELLED) != CANCELLED:
            return
        ctid, declaration_hash, *more = args
        try:
            declaration = self.pinned_declaration(ctid, declaration_hash, accepted=True, asks_scripts=False)
            if self.name == StepName.COPY.task:
                declaration = copied(declaration, more[0])
            elif self.name == StepName.COPY_TEMPLATE.task:
                declaration = cloned_at(declaration, more[0])
            self.running.notes = self.abandon(declaration)
        except (Parked, Stale):
            raise
        except TransientError as error:
            self.back_off(error)
            logger.exception("CT %s may be left half-made by a cancelled job.", ctid)
        except Exception:
            logger.exception("CT %s may be left half-made by a cancelled job.", ctid)

    def failure(self, error: Exception) -> EnsureFailed:
        """Return the error as its requester gets it."""
        return EnsureFailed.of(self.failed(error, parse_ctid(self.engine.ledger.subject(self.running.job))))

    def failed(self, error: Exception, ctid: int | None) -> Failure:
        """Tell an error about a CTID, with what was done before."""
        told = _told(error, self.engine.patience)
        steps, declaration = self.steps_done(), self._declared_now(ctid, told["cause"])
        declaration = declaration and self.at_chosen_node(declaration)
        seen_on = next((step["node"] for step in reversed(steps) if step["ctid"] == ctid and step.get("node")), None)
        met = told_in(steps, "needs_rebuild", "warnings") + self.running.notes
        return Failure(
            request_id=self.running.job,
            ctid=ctid,
            message=told["message"],
            cause=told["cause"],
            remedy=told["remedy"],
            node=told.get("node") or seen_on or (declaration.where if declaration else None),
            changes=changes_in(steps),
            steps=steps_in(steps),
            templates_built=templates_in(steps),
            not_applied=declaration.not_applied if declaration else (),
            templates_not_applied=unapplied_in(steps, but=ctid),
            warnings=self.warnings() + met + self._left_behind(told["cause"], steps),
        )

    def _left_behind(self, cause: str, steps: list[dict[str, Any]]) -> tuple[str, ...]:
        """Return what becomes of what this job had begun to make."""
        if cause == CANCELLED:
            return ()  # noted by `clean_up`
        last = {step["ctid"]: step["name"] for step in steps if step["name"] in _FATES}
        finished = templates_in(steps)
        return tuple(_FATES[name].format(ctid) for ctid, name in last.items() if ctid not in finished)

    def _declared_now(self, ctid: int | None, cause: str) -> Declaration | None:
        """As far as it was to be applied: without shell access, the rest was accepted, or is what failed."""
        try:
            declared = self.catalog.current().get(ctid) if ctid is not None else None
        except CatalogError:
            return None
        if declared is None or self.shell is not None or cause == NO_SHELL:
            return declared
        try:
            return within_reach(declared, has_shell=False, accepted=True)
        except PermanentError:  # what is missing is told of as the failure, or will be
            return declared


def _not_declared(ctid: int | None, to: str, catalog: Iterable[int], refusal: Refusal | None) -> PermanentError:
    """Tell that a CTID is not in the catalog that is served; it may well be in a newer one that is refused."""
    where, remedy = "the catalog", f"Declare {ctid} in the catalog."
    if refusal is not None:
        where = "the last good catalog, which the worker uses because the current file is refused"
        remedy = f"Correct the file, which must declare {ctid} too: {refusal}"
    known = _shortened(list(catalog)) or "none; it is empty"
    message = f"Unable to {to} CT {ctid}: it is not in {where}. Declared CTIDs: {known}."
    return PermanentError(message, cause="not-declared", remedy=remedy)


def _shortened(ctids: list[int]) -> str:
    """Name them all, unless nobody would read them."""
    more = f" and {len(ctids) - _NAMED} others" if len(ctids) > _NAMED else ""
    return ", ".join(map(str, ctids[:_NAMED])) + more


def _told(error: Exception, patience: float) -> dict[str, Any]:
    if isinstance(error, ContractError):
        return {"message": str(error), "cause": "bad-request", "remedy": CORRECT_IT}
    if isinstance(error, CatalogError):
        return {
            "message": str(error),
            "cause": "catalog",
            "remedy": "Correct the catalog; workers need no restart.",
        }
    if isinstance(error, PermanentError):
        return {"message": error.message, "cause": error.cause, "remedy": error.remedy}
    if isinstance(error, TransientError):
        message = f"{error.message} Still failing after {patience:g} s (PHOENIX_PATIENCE)."
        return {"message": message, "cause": error.cause, "remedy": error.remedy or "Send the request again later."}
    if isinstance(error, GivenUpError):
        told: dict[str, Any] = json.loads(str(error))
        return told
    logger.error("Unexpected error in a step.", exc_info=error)
    message = f"Unexpected error: {type(error).__name__}: {error}."
    return {
        "message": message,
        "cause": "internal",
        "remedy": "See the worker's log, and report this as a defect of phoenix-lxc.",
    }

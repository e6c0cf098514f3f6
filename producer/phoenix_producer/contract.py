"""What requesters and workers agree on: task and queue names, messages, results, errors.

Everything on the wire is JSON. A client in any language may publish `phoenix.ensure` with the CTID as its only
argument and the options as keyword arguments: `docs/messages.md`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID  # noqa: TC003 - pydantic reads it at run time

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, ValidationError

from phoenix_producer.change_words import change_words
from phoenix_producer.ctids import Ctid  # noqa: TC001 - pydantic reads it at run time

if TYPE_CHECKING:
    from collections.abc import Mapping


ENSURE = "phoenix.ensure"
DESTROY = "phoenix.destroy"
REBUILD = "phoenix.rebuild"
ADOPT = "phoenix.adopt"
PLAN, PLANS = "phoenix.plan", "phoenix.plans"
CONTAINERS = "phoenix.containers"
CANCEL = "phoenix.cancel"
STATUS = "phoenix.status"
DRIFT = "phoenix.drift"
TEMPLATES = "phoenix.templates"
MIGRATE = "phoenix.migrate"
NODES = "phoenix.nodes"
DRAIN, UNDRAIN = "phoenix.drain", "phoenix.undrain"
REFUSE = "phoenix.refuse"
"""What a queue item that is no message is run as: it fails, and says why."""
UPKEEP = frozenset({DESTROY, REBUILD, ADOPT, MIGRATE, DRAIN, UNDRAIN})
"""What may end, take over or move what exists, and what decides for everybody where containers go."""
REQUESTS = UPKEEP | {ENSURE, PLAN, PLANS, CONTAINERS, CANCEL, STATUS, DRIFT, TEMPLATES, NODES, REFUSE}
"""The tasks that requesters publish. All others are the worker's own."""

QUEUE = "phoenix.ensure"
"""Where requests are published."""
UPKEEP_QUEUE = "phoenix.upkeep"
"""Where those are published, and an ensure that adopts: Redis can grant a user the one queue without the other."""
RESUME_QUEUE = "phoenix.resume"
"""Where the engine puts tasks that go on; workers empty it first. Never published to by requesters."""

_SHOWN = 40
"""How much of what does not fit is shown."""

LONGEST_WAIT_FOR_ADDRESS, LONGEST_REQUESTER = 3600, 200
"""Seconds; characters of the name of who asks."""


def queue_of(task: str, options: Mapping[str, Any]) -> str:
    """Return the queue that a request with these keywords is published to."""
    return UPKEEP_QUEUE if task in UPKEEP or (task == ENSURE and options.get("adopt") is True) else QUEUE


class Message(BaseModel):
    """Base of all messages: unknown fields are an error, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Answer(BaseModel):
    """Base of what workers answer: a newer worker may say more than an older requester knows."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class DesiredState(StrEnum):
    """The power state in which a container is left."""

    RUNNING = "running"
    STOPPED = "stopped"


class Outcome(StrEnum):
    """What a request did."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    DESTROYED = "destroyed"
    REBUILT = "rebuilt"
    ADOPTED = "adopted"
    MIGRATED = "migrated"


class EnsureRequest(Message):
    """Ask that a CTID exist, configured and running as the catalog declares."""

    ctid: Ctid
    adopt: StrictBool = False
    """Take over a container that stands at this CTID without a marker of phoenix-lxc."""
    accept_not_applied: StrictBool = False
    """Leave out what needs shell access to the node if the worker has none; without this, that is refused."""
    dry_run: StrictBool = False
    """Change nothing; the result lists what would be done."""
    state: DesiredState | None = None
    """Instead of the catalog's own `state`."""
    rerun: tuple[str, ...] = ()
    """Features whose scripts are run again, although they ran as they are now; `application_script` is one too."""
    wait_for_address: StrictInt | None = Field(default=None, ge=1, le=LONGEST_WAIT_FOR_ADDRESS)
    """Seconds in which the container must get an address from DHCP or SLAAC; instead of the catalog's own."""
    requester: str | None = Field(default=None, max_length=LONGEST_REQUESTER)
    """Who asks, for the people who read the job list."""


class DestroyRequest(Message):
    """Ask that a container or template of ours be deleted, disks included. Its declaration stays."""

    ctid: Ctid
    together: dict[Ctid, UUID] = Field(default_factory=dict)
    """All that are destroyed together, each with the id of its request; those cloned from this one go first."""
    dry_run: StrictBool = False
    """Change nothing; the result lists what would be done."""
    requester: str | None = Field(default=None, max_length=LONGEST_REQUESTER)
    """Who asks, for the people who read the job list."""


class RebuildRequest(Message):
    """Ask that a template be built again and replace the existing one."""

    ctid: Ctid
    together: dict[Ctid, UUID] = Field(default_factory=dict)
    """All templates that are rebuilt together, each with the id of its request; those that this one is cloned from
    are rebuilt first."""
    accept_not_applied: StrictBool = False
    """As of an ensure."""
    dry_run: StrictBool = False
    """Change nothing; the result lists what would be done."""
    requester: str | None = Field(default=None, max_length=LONGEST_REQUESTER)
    """Who asks, for the people who read the job list."""


class AdoptRequest(Message):
    """Ask that what an earlier tool made be taken over: marked as ours; what is declared as a template is converted."""

    ctid: Ctid
    seal: StrictBool = False
    """Make a template also of what looks like a running service."""
    dry_run: StrictBool = False
    """Change nothing; the result lists what would be done."""
    requester: str | None = Field(default=None, max_length=LONGEST_REQUESTER)
    """Who asks, for the people who read the job list."""


class Change(Answer):
    """One configuration key that was changed, in Proxmox's own spelling."""

    key: str
    old: str | None = None
    new: str | None = None

    @property
    def words(self) -> str:
        """For people, in one line."""
        return change_words(self.key, self.old, self.new)


class Address(Answer):
    """Where a container can be reached."""

    interface: str
    """Its name in the container, such as `eth0`."""
    address: str
    prefix: int


class Step(Answer):
    """One task of a job that was run to its end."""

    name: str
    ctid: int
    started: float
    """Seconds since the epoch."""
    seconds: float
    upid: str | None = None
    source: int | None = None
    """The template that was cloned."""


class EnsureResult(Answer):
    """What an ensure or another request did; `outcome` is `unchanged` when nothing had to be done."""

    request_id: str
    ctid: int
    node: str
    outcome: Outcome
    made_by: str | None = None
    """The job that made it, or rebuilt it, when another than this did; the steps and changes are in its result."""
    moved_from: str = ""
    """The node that it was migrated from; `node` is the one where it stands now."""
    dry_run: bool = False
    changes: tuple[Change, ...] = ()
    steps: tuple[Step, ...] = ()
    templates_built: tuple[int, ...] = ()
    not_applied: tuple[str, ...] = ()
    """Catalog keys of this CTID that this version reads but does not apply, as `key: why`."""
    templates_not_applied: dict[int, tuple[str, ...]] = Field(default_factory=dict)
    """The same of each template that was built on the way, by its CTID."""
    pending_restart: tuple[str, ...] = ()
    """Configuration keys that the running container takes at its next start."""
    placed: str = ""
    """The node that was chosen for what was made, and why; empty where the catalog names a single one."""
    plan: tuple[str, ...] = ()
    """What would be done, line by line; only with `dry_run`."""
    needs_rebuild: tuple[str, ...] = ()
    """What is declared otherwise and cannot be changed once it is made, as whole sentences; it was left alone."""
    addresses: tuple[Address, ...] = ()
    """Where the container can be reached: as in its `Standing`, when this was told. Only of an ensure."""
    warnings: tuple[str, ...] = ()
    """What its requester should know besides, in whole sentences: that the catalog on disk is refused, for one."""


class Cancelled(StrEnum):
    """What a cancel met."""

    CANCELLED = "cancelled"
    """The work stops; the requester gets a failure with the cause `cancelled`."""
    DETACHED = "detached"
    """The requester gets that failure; others share the run, and it goes on for them."""
    OVER = "over"
    """The job had ended before."""
    UNKNOWN = "unknown"
    """There is no such job, or not any more."""


class Failure(Answer):
    """Why an ensure failed; the one argument of `EnsureFailed`."""

    request_id: str
    ctid: int | None = None
    node: str | None = None
    message: str
    """What could not be done, to which CTID on which node, and why."""
    cause: str
    """A short word that programs can branch on, such as `not-ours` or `proxmox-permission`."""
    remedy: str
    changes: tuple[Change, ...] = ()
    steps: tuple[Step, ...] = ()
    templates_built: tuple[int, ...] = ()
    not_applied: tuple[str, ...] = ()
    templates_not_applied: dict[int, tuple[str, ...]] = Field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class EnsureFailed(Exception):  # noqa: N818 - reads as the outcome that it is
    """Raised where the result of a failed ensure is asked for.

    Celery stores an exception's arguments as JSON and builds it again at the requester, so the only argument is the
    failure in plain JSON form; requesters that are not written in Python read it from the result as it is.
    """

    def __init__(self, failure: dict[str, Any]) -> None:
        super().__init__(failure)

    @property
    def failure(self) -> Failure:
        """The failure as a checked message."""
        return Failure.model_validate(self.args[0])

    @classmethod
    def of(cls, failure: Failure) -> EnsureFailed:
        """Wrap a failure for Celery."""
        return cls(failure.model_dump(mode="json"))

    def __repr__(self) -> str:
        """Return what Flower and logs show: for people, in one line."""
        failure = self.args[0]
        return f"{failure.get('cause', 'failed')}: {self}" if isinstance(failure, dict) else f"failed: {self}"

    def __str__(self) -> str:
        failure = self.args[0]
        return (
            f"{failure.get('message')} {failure.get('remedy')}".strip() if isinstance(failure, dict) else str(failure)
        )


class ProgressKind(StrEnum):
    """What happened to a job."""

    REQUESTED = "requested"
    STEP_STARTED = "step-started"
    WAITING = "waiting"
    REMOTE_TASK = "remote-task"
    OUTPUT = "output"
    """What a script says: lines of its output in `detail`."""
    RETRYING = "retrying"
    STEP_DONE = "step-done"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Progress(Answer):
    """One line of a job's history."""

    at: float
    """Seconds since the epoch, by the clock of Redis."""
    kind: ProgressKind
    job: str
    step: str = ""
    ctid: int | None = None
    detail: str = ""
    """What is waited for, what a script says, or why it failed and what to do. The other kinds have none."""
    upid: str | None = None


class ContractError(ValueError):
    """A request that breaks the contract; the message names each wrong field."""


Request = TypeVar("Request", bound=Message)


def parse_request(fields: dict[str, Any]) -> EnsureRequest:
    """Check a request to ensure. Raises ContractError with one line for all that is wrong."""
    return parse_as(EnsureRequest, fields)


def parse_as(model: type[Request], fields: dict[str, Any]) -> Request:
    """Check a request of any kind; as `parse_request`. Raises ContractError."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        known = ", ".join(model.model_fields)
        wrong = "; ".join(_wording(entry["loc"], entry["msg"], entry["input"]) for entry in error.errors())
        raise ContractError(f"Not a valid {kind_of(model)} request: {wrong}. Fields: {known}.") from error


def kind_of(model: type[Message]) -> str:
    """Name a kind of request as messages do."""
    return model.__name__.removesuffix("Request").lower()


def _wording(location: tuple[int | str, ...], message: str, given: Any) -> str:
    where = ".".join(map(_plain, location)) or "request"
    return f"{where}: {message}, not {str(given)[:_SHOWN]!r}"


def _plain(name: int | str) -> str:
    """Write down a field's name, which may be any text: on one line, and not all of it."""
    text = str(name)[:_SHOWN]
    return text if text.isprintable() else repr(text)

"""What an ensure would do, and what differs: `phoenix.plan`, `phoenix.plans` and `phoenix.drift`.

A plan has one part for each CTID that it concerns; drift is about what exists, CTID by CTID.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, StrictBool

from phoenix_producer.change_words import change_words
from phoenix_producer.contract import Answer, Message, Outcome
from phoenix_producer.ctids import Ctid  # noqa: TC001 - pydantic reads it at run time
from phoenix_producer.standing import Exists  # noqa: TC001 - pydantic reads it at run time


class PlansRequest(Message):
    """Ask what an ensure of each would do."""

    ctids: tuple[Ctid, ...] = ()
    """By default all containers of the catalog."""
    accept_not_applied: StrictBool = False
    """As of an ensure."""


class Why(StrEnum):
    """What a CTID has to do with the request."""

    ASKED = "asked"
    DEPENDENCY = "dependency"
    """It is ensured first, running and healthy, since another depends on it."""
    TEMPLATE = "template"
    """Another is cloned from it."""
    COPY = "copy"
    """It is a copy of a template, and configured after that."""


class Action(Answer):
    """One thing that an ensure would do to one CTID."""

    kind: str
    """`create`, `clone`, `change` (a configuration key), `grow` (a disk), `record` (the marker in the notes),
    `start`, `stop`, `seal` (convert to a template). A newer worker may know more."""
    key: str | None = None
    """Of a change: in Proxmox's own spelling. Of a growth: the disk."""
    old: str | None = None
    new: str | None = None
    source: str | None = None
    """The OS template that it is created from, or the CTID of the template that it is cloned from."""
    detail: str = ""
    """What else there is to say, such as where a disk goes."""

    @property
    def words(self) -> str:
        """For people, in one line."""
        what = change_words(self.key, self.old, self.new) if self.key else self.kind
        origin = f" from {self.source}" if self.source else ""
        return f"{what}{origin}{f' ({self.detail})' if self.detail else ''}"


class Part(Answer):
    """One CTID of a plan."""

    ctid: int
    name: str = ""
    node: str = ""
    elsewhere: str = ""
    """Where it stands, if that is not where the catalog says: an ensure leaves it there. `node` is where it stands."""
    placed: str = ""
    """The node that would be chosen now for what would be made, and why; empty where the catalog names a single one."""
    role: str = "container"
    """`container`, `template`, or `guest`: one that is not in the catalog and is only looked at."""
    why: Why = Why.ASKED
    needed_by: int | None = None
    """The CTID that depends on it, or that is cloned from it; of a copy, its template."""
    outcome: Outcome = Outcome.UNCHANGED
    actions: tuple[Action, ...] = ()
    """In their order; none when nothing would be done."""
    pending_restart: tuple[str, ...] = ()
    """Configuration keys that the running container takes, or would take, at its next start."""
    needs_rebuild: tuple[str, ...] = ()
    """What is declared otherwise and stays as it is, in whole sentences."""


class Drift(Part):
    """How what stands at a CTID differs from its declaration. `actions` are what an ensure would do about it."""

    exists: Exists
    outdated: tuple[str, ...] = ()
    """Why a template is not what its declaration would build now, or that it or a container was cloned from an older
    build of its template, and what brings it up to date."""
    problem: str = ""
    """Why an ensure would be refused or would wait; then the differences are not known."""
    warnings: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether anything is, or runs, otherwise than declared."""
        return bool(self.actions or self.pending_restart or self.needs_rebuild or self.outdated or self.elsewhere)


class Plan(Part):
    """What an ensure would do with a container as it is now; no `lines` when nothing has to be done."""

    first: tuple[Part, ...] = ()
    """What else it concerns: dependencies and templates, in the order in which they come before the container, and of a
    template the copies that are configured after it."""
    lines: tuple[str, ...] = ()
    """The same for people, step by step, as in the result of a dry run."""
    not_applied: tuple[str, ...] = ()
    """Catalog keys that the worker reads but does not apply, as `key: why`."""
    templates_not_applied: dict[int, tuple[str, ...]] = Field(default_factory=dict)
    """The same of each template that would be built on the way, by its CTID."""
    warnings: tuple[str, ...] = ()

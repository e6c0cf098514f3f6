"""Choose the node of a CTID that is nowhere, once for its job, and reserve there what it takes until it can be seen."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from phoenix_worker.actions.moved_copies import way_of
from phoenix_worker.actions.prerequisites import NO_OS_TEMPLATE, refuse_absent_os_template
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.observation import Observation, Presence
from phoenix_worker.core.model.os_templates import not_to_be_had
from phoenix_worker.core.planned.candidates import Surroundings, candidates, reservation, to_reserve, wanted
from phoenix_worker.core.planned.placement import MAKE_ROOM, Placed, place
from phoenix_worker.core.planned.sources import Sources, listed_home
from phoenix_worker.durable.run import now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.cluster import ClusterView
    from phoenix_worker.core.planned.feasibility import Offer
    from phoenix_worker.core.planned.placement import Refused, Reservation, Wanted
    from phoenix_worker.durable.reservations import Reserved

T = TypeVar("T")

NO_NODE = "no-node"
_ONE_AT_A_TIME = threading.Lock()
"""Threads of one worker would only have each other's choices refused, and think them out again."""
_OFTEN = 50
"""How often others may be first before it is tried again later."""


class Choice(NamedTuple):
    """A declaration at its node, and why it is that node; nothing where none was chosen."""

    declaration: Declaration
    because: str = ""


def have_home(task: PhoenixTask, declaration: Declaration, seen: Observation, *, near: str = "") -> Declaration:
    """Return a declaration at the node where it stands or, while it is nowhere, at the one that this job has chosen.

    All steps of the job find it there. One that declares a single node is returned as it is, and nothing is asked.
    `near` is taken if it can take it: there it will be cloned from.
    """
    if not declaration.nodes or seen.presence not in {Presence.HERE, Presence.ABSENT}:
        return declaration
    if seen.presence is Presence.HERE:
        task.settle(str(declaration.ctid), {"node": seen.node, "because": ""})
        return declaration.standing_on(seen.node)
    return declaration.standing_on(_settled(task, declaration, near))


def foresee_home(task: PhoenixTask, declaration: Declaration, seen: Observation, *, near: str = "") -> Choice:
    """Tell where it would be placed just now. Nothing is reserved."""
    if not declaration.nodes or seen.presence not in {Presence.HERE, Presence.ABSENT}:
        return Choice(declaration)
    if seen.presence is Presence.HERE:
        return Choice(declaration.standing_on(seen.node))
    view = task.proxmox.cluster()

    def choose() -> Placed:
        placing = _Placing(task, view, _ask(task, declaration, view), task.reservations.read(), reserves=False)
        return placing.choose(declaration, near)

    placed = _asking_again(task, choose)
    return Choice(declaration.standing_on(placed.node), placed.because)


def _settled(task: PhoenixTask, declaration: Declaration, near: str) -> str:
    """Choose, unless this job has chosen before."""
    earlier = task.reservations.chosen(task.running.job, str(declaration.ctid))
    if earlier is not None:
        return str(earlier["node"])
    view = task.proxmox.cluster()
    if not all(node.online for node in view.nodes.values()):
        task.proxmox.need_quorum(f"place CT {declaration.ctid}")
    return _asking_again(task, lambda: _reserved(task, declaration, near, view))


def _asking_again(task: PhoenixTask, choose: Callable[[], T]) -> T:
    """Choose; before no node can take it, ask them again what they have: a minute ago somebody may have mended it."""
    try:
        return choose()
    except PermanentError:
        task.offering.forget()
        return choose()


def _reserved(task: PhoenixTask, declaration: Declaration, near: str, view: ClusterView) -> str:
    asked = _ask(task, declaration, view)
    with _ONE_AT_A_TIME:
        for _ in range(_OFTEN):
            placing = _Placing(task, view, asked, task.reservations.read(), reserves=True)
            try:
                return placing.settle(declaration, near)
            except _OthersWereFirstError:
                continue
    raise TransientError(f"Unable to place CT {declaration.ctid}: others were placed all the time.", cause=NO_NODE)


class _Asked(NamedTuple):
    """What the nodes have that may take a CTID, or a template that is placed before it."""

    offers: dict[str, Offer]
    machines: dict[str, str]
    unreachable: dict[str, str]
    """Why a node did not answer."""
    no_os_template: dict[tuple[str, str], str]
    """Why a node cannot have an OS template that something would be created from there, by both."""
    movable: set[tuple[int, str]]
    """Copies that come to a node although they cannot be created there, each by its template and the node."""


def _ask(task: PhoenixTask, declaration: Declaration, view: ClusterView) -> _Asked:
    """Ask each node, once a minute. Nobody waits for a node that hangs but who may be placed on it."""
    asked, chain = _Asked({}, {}, {}, {}, set()), (declaration, *task.catalog.current().above(declaration))
    by_machine = any(key == "arch" for one in chain for key, _ in one.at_creation)
    sources = Sources(task.catalog.current(), view.guests, asked.offers, lambda one: listed_home(one, view))
    for name, state in view.nodes.items():
        if state.online and not state.maintenance and any(one.may_be_on(name) for one in chain):
            try:
                asked.offers[name] = task.offering.on(name)
                if by_machine:
                    asked.machines[name] = task.offering.machine(name)
                root = chain[-1].standing_on(name)
                placed = (root,) if chain[-1].may_be_on(name) and root.ctid not in view.guests else ()
                copied = sources.on(declaration, name).copied
                asked.no_os_template.update(_no_os_template(task, (*copied, *placed)))
                asked.movable.update(_movable(task, copied, asked.no_os_template))
            except TransientError as error:
                asked.unreachable[name] = f"it does not answer ({error.message.rstrip('.')})"
    return asked


def _no_os_template(task: PhoenixTask, made: Sequence[Declaration]) -> dict[tuple[str, str], str]:
    """Say which of these cannot be created for want of its OS template; nothing where nobody may look."""
    lacking = {}
    for one in made:
        try:
            refuse_absent_os_template(task, one)
        except PermanentError as error:
            if error.cause == NO_OS_TEMPLATE:
                lacking[one.node, one.os_template or ""] = not_to_be_had(one.os_template)
    return lacking


def _movable(
    task: PhoenixTask, copies: Sequence[Declaration], lacking: Mapping[tuple[str, str], str]
) -> Iterator[tuple[int, str]]:
    """Name the copies that would be created from an OS template that is not to be had, and can be migrated instead."""
    for copy in copies:
        if copy.copy_of is not None and (copy.node, copy.os_template) in lacking:
            absent = Observation(copy.ctid, copy.node, Presence.ABSENT)
            if way_of(task, copy, absent).source:
                yield copy.copy_of, copy.node


class _OthersWereFirstError(Exception):
    """Others have reserved since the reservations were read, or a template was placed first."""


class _Placing:
    """Places by what was seen and reserved at one moment."""

    def __init__(
        self, task: PhoenixTask, view: ClusterView, asked: _Asked, reserved: Reserved, *, reserves: bool
    ) -> None:
        self._task, self._view, self._asked, self._reserved, self._reserves = task, view, asked, reserved, reserves
        self._catalog = task.catalog.current()
        live = {name: one for name, value in reserved.live.items() if (one := reservation(value)) is not None}
        if reserves:
            task.reservations.end(name for name, one in live.items() if _shows(one, view))
        lately = (one for value in reserved.lately if (one := reservation(value)) is not None)
        self._reservations = [one for one in (*live.values(), *lately) if not _shows(one, view)]

    def settle(self, declaration: Declaration, near: str = "") -> str:
        """Choose a node and reserve it. Raises _OthersWereFirstError when the choice has to be thought out again."""
        what = wanted(declaration, self._catalog)
        placed = self._choose(declaration, what, near)
        choice = {"node": placed.node, "because": placed.because}
        settled = self._task.settle(
            str(declaration.ctid),
            choice,
            reserving=to_reserve(what, placed.node, round(now(), 3)),
            made=self._reserved.made,
        )
        if settled is None:
            raise _OthersWereFirstError
        return str(settled["node"])

    def choose(self, declaration: Declaration, near: str = "") -> Placed:
        """Choose a node. Raises TransientError when one may be able to take it soon, PermanentError when none may."""
        return self._choose(declaration, wanted(declaration, self._catalog), near)

    def _choose(self, declaration: Declaration, what: Wanted, near: str) -> Placed:
        asked, drained, sources = self._asked, self._reserved.drained, self._sources(declaration)
        around = Surroundings(
            asked.offers, asked.unreachable, drained, asked.machines, lambda node: sources.on(declaration, node)
        )
        found = candidates(declaration, what, self._view, self._reservations, around, self._catalog)
        if near and declaration.may_be_on(near):
            beside = [one for one in found if one.name == near]
            placed = place(replace(what, nodes=(near,)), beside, self._reservations)
            if isinstance(placed, Placed):
                return placed
        placed = place(what, found, self._reservations)
        if isinstance(placed, Placed):
            return placed
        raise _refusal(declaration, placed)

    def _sources(self, declaration: Declaration) -> Sources:
        """Say from what it is cloned on each node. A template that is nowhere yet is placed before its first clone."""
        template = self._catalog.get(declaration.clone_from or 0)
        homes = {} if template is None else {template.ctid: self._home_of(template) or self._place_first(template)}
        sources = Sources(
            self._catalog,
            self._view.guests,
            self._asked.offers,
            lambda one: homes.get(one.ctid) or self._home_of(one),
            self._asked.no_os_template,
            self._asked.movable,
        )
        return sources.promising((one.ctid, one.node) for one in self._reservations if one.ctid != declaration.ctid)

    def _home_of(self, template: Declaration) -> str:
        return self._place_of(template.ctid) or template.node

    def _place_of(self, ctid: int) -> str:
        guest = self._view.guests.get(ctid)
        if guest is not None:
            return guest.node
        return next((one.node for one in self._reservations if one.ctid == ctid), "")

    def _place_first(self, template: Declaration) -> str:
        if not self._reserves:
            return self.choose(template).node
        self.settle(template)
        raise _OthersWereFirstError


def _shows(one: Reservation, view: ClusterView) -> bool:
    """Return whether Proxmox's figures have what was reserved: it is there and uses memory, or is a template."""
    guest = view.guests.get(one.ctid)
    return guest is not None and guest.node == one.node and (guest.is_template or guest.memory_used > 0)


def _refusal(declaration: Declaration, refused: Refused) -> TransientError | PermanentError:
    told = "; ".join(f"{node}: {why}" for node, why in refused.reasons.items()) or "the cluster shows no nodes"
    message = f"Unable to place CT {declaration.ctid}: no node can take it. {told}."
    return (TransientError if refused.passing else PermanentError)(message, cause=NO_NODE, remedy=MAKE_ROOM)

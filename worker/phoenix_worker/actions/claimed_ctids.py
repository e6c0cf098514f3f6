"""Reserve the CTIDs of copies that are to be made, so that nobody waits in the lane of one for what comes to another.

Until a copy is made, its CTID is free to Proxmox, and whoever makes it holds its lane. A job that builds a copy of a
clone's template, and for that a copy of what this is cloned from, would else choose one CTID for both, and wait for
itself; and two jobs could wait for each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from phoenix_worker.actions.standing_copies import free_ctids
from phoenix_worker.core.model.errors import TransientError
from phoenix_worker.core.planned.copies import NO_COPY_CTID, numbers

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from phoenix_worker.base import PhoenixTask


_OFTEN = 100
"""How often a choice is thought out again that others have overtaken."""


class _Claim(NamedTuple):
    """A CTID, and what a job that has not ended makes there."""

    ctid: int
    template: int
    node: str


def claim_ctids(
    task: PhoenixTask, template: int, node: str, ctids: range, places: Collection[int], count: int
) -> tuple[int, ...]:
    """Choose as `free_ctids` does, first what other jobs have chosen for the same, and nothing that is for another.

    Raises as it does.
    """
    for _ in range(_OFTEN if count else 0):
        reserved = task.reservations.read()
        claims = [one for value in reserved.live.values() for one in _claims(value)]
        same = {one.ctid for one in claims if (one.template, one.node) == (template, node)} - {*places}
        others = {one.ctid for one in claims} - same
        chosen = tuple(ctid for ctid in numbers(template, node, ctids) if ctid in same)[:count]
        taken = {*places, *others, *chosen}
        chosen += free_ctids(task.proxmox, template, node, ctids, taken, count - len(chosen))
        claim = {"copies": chosen, "of": template, "node": node}
        what = f"copies/{template}@{node}/{','.join(map(str, chosen))}"
        if task.settle(what, True, reserving=claim, made=reserved.made) is not None:  # noqa: FBT003 - any JSON
            return chosen
    if count:
        told = f"Unable to choose a CTID for a copy of template {template} on {node}: other jobs keep reserving them."
        raise TransientError(told, cause=NO_COPY_CTID)
    return ()


def claimed(task: PhoenixTask) -> frozenset[int]:
    """Return the CTIDs at which jobs that have not ended make copies."""
    return frozenset(one.ctid for value in task.reservations.read().live.values() for one in _claims(value))


def _claims(value: Mapping[str, Any]) -> Iterator[_Claim]:
    """Read a reservation as such; nothing of another kind, or of what others wrote there."""
    try:
        found = [_Claim(int(ctid), int(value["of"]), str(value["node"])) for ctid in value["copies"]]
    except (LookupError, TypeError, ValueError, ArithmeticError):
        return
    yield from found

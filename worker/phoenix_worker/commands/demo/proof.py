"""What the demo shows at its end: what Proxmox holds, when what was done, and whether that is what was promised."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from phoenix_producer.client.link import Link
from phoenix_producer.contract import Outcome
from phoenix_producer.ledger.view import LedgerView
from phoenix_worker.proxmox.translate import Request

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from phoenix_producer.contract import EnsureResult, Step
    from phoenix_worker.catalog.loading import Catalog
    from phoenix_worker.core.model.observation import Observation
    from phoenix_worker.proxmox.api import ProxmoxApi

CLONE, CREATE = "clone", "create"
_ROUNDING = 0.002
"""Seconds by which the rounded times of two steps that follow each other may overlap."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A container or template as Proxmox shows it, and how it was made."""

    seen: Observation
    source: str
    seconds: float

    @property
    def status(self) -> str:
        """In a word."""
        if self.seen.is_template:
            return "template"
        return "running" if self.seen.running else "stopped"

    @property
    def role(self) -> str:
        """As the marker in its notes has it."""
        return str(self.seen.marker.role) if self.seen.marker else "not ours"


def steps_of_all_jobs(redis_url: str) -> list[Step]:
    """Read what the jobs of the last week did, in order. Raises Unreachable.

    The results of the demo's own requests do not have all of it: the job of a container asks for what it depends on,
    and that request may be the one that makes it.
    """
    with closing(Link(redis_url)) as link:
        ledger = LedgerView(link.look)
        steps = [step for job in ledger.jobs(ended=True) for step in ledger.steps(job.id)]
    return sorted(steps, key=lambda step: step.started)


def standing(proxmox: ProxmoxApi, nodes: Sequence[str], catalog: Catalog, steps: Sequence[Step]) -> list[Standing]:
    """Ask Proxmox for everything that is on the nodes."""
    rows: dict[int, str] = {}
    for node in nodes:
        there: list[dict[str, Any]] = proxmox.call(Request("GET", f"nodes/{node}/lxc", f"list what is on {node}"))
        rows |= {int(row["vmid"]): node for row in there}
    found = []
    for ctid, node in sorted(rows.items()):
        own = [step for step in steps if step.ctid == ctid]
        seen = proxmox.observe(node, ctid)
        found.append(Standing(seen, _source(seen, own, catalog), _span(own)))
    return found


def _source(seen: Observation, own: Iterable[Step], catalog: Catalog) -> str:
    source = next((step.source for step in own if step.name == CLONE), None)
    if source is None:
        volume = catalog[seen.ctid].os_template if seen.ctid in catalog else None
        return (volume or "").rpartition("/")[2].partition("_")[0]
    linked = seen.ctid in catalog and not catalog[seen.ctid].full_clone
    return f"{source} (linked)" if linked else str(source)


def _span(steps: Sequence[Step]) -> float:
    if not steps:
        return 0.0
    return max(step.started + step.seconds for step in steps) - min(step.started for step in steps)


def lanes(steps: Iterable[Step]) -> dict[int, list[Step]]:
    """Return the clones of each template, in order."""
    clones: dict[int, list[Step]] = {}
    for step in steps:
        if step.source is not None:
            clones.setdefault(step.source, []).append(step)
    return clones


def not_applied(results: Iterable[EnsureResult]) -> dict[str, set[int]]:
    """Return the declared keys that were not applied, each with the CTIDs that declare it."""
    keys: dict[str, set[int]] = {}
    for result in results:
        for ctid, lines in {result.ctid: result.not_applied, **result.templates_not_applied}.items():
            for line in lines:
                keys.setdefault(line.partition(":")[0], set()).add(ctid)
    return keys


def listed(keys: Mapping[str, Collection[int]]) -> str:
    """Return keys with their CTIDs, as a text."""
    return ", ".join(f"{key} ({', '.join(map(str, sorted(ctids)))})" for key, ctids in keys.items())


def broken_promises(
    catalog: Catalog,
    ctids: Sequence[int],
    found: Sequence[Standing],
    steps: Sequence[Step],
    again: Iterable[EnsureResult],
) -> Iterator[str]:
    """Yield a sentence for each thing that is not as promised."""
    wanted = {ctid for asked in ctids for ctid in (asked, *catalog.templates_of(asked))}
    there = {thing.seen.ctid: thing for thing in found}
    if wanted != set(there):
        yield f"The node holds {sorted(there)} instead of {sorted(wanted)}."
    for ctid in sorted(wanted & set(there)):
        yield from _not_as_declared(there[ctid], catalog)
    for source, clones in lanes(steps).items():
        for first, second in pairwise(clones):
            if second.started < first.started + first.seconds - _ROUNDING:
                yield f"Clones {first.ctid} and {second.ctid} of template {source} overlapped."
    for result in again:
        if result.outcome is not Outcome.UNCHANGED:
            yield f"The second ensure of {result.ctid} was not unchanged but {result.outcome}."


def _not_as_declared(thing: Standing, catalog: Catalog) -> Iterator[str]:
    declared = catalog[thing.seen.ctid]
    wanted = "template" if declared.is_template else str(declared.state)
    if (thing.status, thing.role) != (wanted, str(declared.role)):
        yield f"CT {thing.seen.ctid} is {thing.status} ({thing.role}) instead of {wanted} ({declared.role})."
